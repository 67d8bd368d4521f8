// What watches cost a server that runs elsewhere on this machine: writes and events per second, the time from a write
// to its events, and memory, with N watches over HTTPS.
//
//   bench_watches URL TOKEN PID N [SECONDS [RATE]]
//
// Writes are as many as 32 connections manage, each waiting for its answers, or RATE a second. PID is the server's, for
// its memory and processor time. Prints `name value unit` lines.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "bench/load.h"
#include "bench/watch_client.h"

namespace minikube::bench {
namespace {

constexpr std::size_t kWriters = 32;

double ResidentBytes(const std::string& pid) {
  std::ifstream statm("/proc/" + pid + "/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double CpuSecondsOf(const std::string& pid) {
  std::ifstream stat("/proc/" + pid + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  double user = 0;
  double system = 0;
  // Fields 14 and 15, counted behind the name, which is in parentheses.
  std::sscanf(text.c_str() + text.rfind(')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lf %lf", &user,
              &system);
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

int Main(int argc, char** argv) {
#ifndef NDEBUG
  std::fprintf(stderr, "bench_watches: a debug build measures nothing\n");
  return 2;
#endif
  if (argc < 5) {
    std::fprintf(stderr, "usage: bench_watches URL TOKEN PID N [SECONDS [RATE]]\n");
    return 2;
  }
  const std::string pid = argv[3];
  const auto watches = static_cast<std::size_t>(std::atoll(argv[4]));
  const double seconds = argc > 5 ? std::atof(argv[5]) : 5;
  const double rate = argc > 6 ? std::atof(argv[6]) : 0;
  WatchLoad load(argv[1], argv[2]);
  const double empty = ResidentBytes(pid);
  load.Watch(watches);
  const double idle = ResidentBytes(pid);
  const double cpu = CpuSecondsOf(pid);
  const double client_cpu = CpuSeconds(RUSAGE_SELF);
  const WatchFigures figures = load.Run(kWriters, seconds, rate);
  const double server_seconds = CpuSecondsOf(pid) - cpu;
  const double client_seconds = CpuSeconds(RUSAGE_SELF) - client_cpu;

  const std::string name = fmt::format("watches/{}{}", watches, rate > 0 ? fmt::format("/{:.0f}", rate) : "");
  Load lag;
  lag.micros = figures.lag_micros;
  Print(name + "/writes", figures.writes / figures.seconds, "/s");
  Print(name + "/events", figures.events / figures.seconds, "/s");
  Print(name + "/lag_p50", lag.Percentile(0.5) / 1000, "ms");
  Print(name + "/lag_p99", lag.Percentile(0.99) / 1000, "ms");
  Print(name + "/server_cpu", server_seconds / (figures.seconds * 1.25), "cores");
  Print(name + "/client_cpu", client_seconds / (figures.seconds * 1.25), "cores");
  Print(name + "/resident_per_watch", (idle - empty) / static_cast<double>(std::max<std::size_t>(watches, 1)), "bytes");
  Print(name + "/resident", ResidentBytes(pid) / (1 << 20), "MB");
  if (figures.ended > 0) Print(name + "/ended", static_cast<double>(figures.ended), "watches");
  return 0;
}

}  // namespace
}  // namespace minikube::bench

int main(int argc, char** argv) { return minikube::bench::Main(argc, argv); }
