// A host process for crash tests: starts pods with one container each, one after the other, until it is killed.
#include <future>
#include <string>

#include <minikube/env.h>
#include <minikube/runtime.h>

using namespace minikube;

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  OciRuntimeOptions options;
  options.root = argv[1];
  options.runtime = argv[2];
  options.cgroup_root = argv[3];
  options.bridge = argv[4];
  options.pod_cidr = argv[5];
  auto env = NewRealEnv(2);
  auto strand = env->NewStrand("agent");
  auto runtime = NewOciRuntime(options, *env, *strand);
  if (!runtime) return 1;
  Runtime& r = **runtime;
  Function<void(int)> start = [&](int i) {
    SandboxConfig sandbox;
    sandbox.id = "pod" + std::to_string(i);
    sandbox.hostname = sandbox.id;
    sandbox.cgroup_parent = "kubepods/pod-" + sandbox.id;
    r.RunSandbox(sandbox, [&, i](Result<SandboxState> running) {
      if (!running) return;
      ContainerConfig container;
      container.id = running->id + "-c";
      container.sandbox_id = running->id;
      container.image = "test/busybox";
      container.command = {"sleep", "1000"};
      container.log_path = options.root + "/logs/" + container.id;
      r.StartContainer(container, [&, i](Result<ContainerState> started) {
        if (started.ok() && i < 20) start(i + 1);
      });
    });
  };
  strand->Post([&] { start(0); });
  std::promise<void>().get_future().wait();
}
