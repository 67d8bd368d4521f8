#include "server.h"

#include <signal.h>

#include <cstdio>
#include <utility>

#include "stderr_log.h"

namespace minikube::example {

int RunServer(ClusterOptions options, LogLevel log_level) {
  // Blocked before any thread starts, so that only sigwait below takes them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const std::unique_ptr<Env> env = NewRealEnv();
  StderrLog log(log_level, env->clock());
  options.env = env.get();
  options.log = &log;
  Result<std::unique_ptr<Cluster>> cluster = Cluster::Start(std::move(options));
  if (!cluster) {
    std::fprintf(stderr, "minikube: %s\n", cluster.status().message().c_str());
    return 1;
  }
  std::printf("ready %s kubeconfig=%s\n", (*cluster)->url().c_str(), (*cluster)->kubeconfig().c_str());
  std::fflush(stdout);

  int signal_number = 0;
  sigwait(&stop_signals, &signal_number);
  (*cluster)->Stop();
  return 0;
}

}  // namespace minikube::example
