// How many pods a second the scheduler decides on, by itself, with 5,000 nodes: one class of pods, a DaemonSet, a
// StatefulSet, Jobs of one pod each, Deployments of ten. Prints `name value unit` lines.
//
//   bench_scheduler [NODES]
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <minikube/simulated_env.h>

#include "unit/scheduler/workloads.h"

namespace minikube::scheduler {
namespace {

using test::Workload;

// Pods per second of decisions; each decision is assumed in the table, as the scheduler does.
double Rate(Env& clock, const Workload& workload, int nodes) {
  SimulatedEnv env;
  test::DefaultProfile profile(env.random());
  for (int i = 0; i < nodes; ++i) profile.table.UpsertNode(Share(test::ZonedNode(i)));
  std::vector<PodInfoRef> pods;
  for (const core::v1::Pod& pod : workload.pods) pods.push_back(test::Info(pod));
  profile.default_selectors = workload.default_selectors;
  const MonoTime begin = clock.clock().MonoNow();
  for (const PodInfoRef& pod : pods) {
    const Decision decision = profile.placement->Decide(*pod);
    if (!decision.placed) {
      std::fprintf(stderr, "bench_scheduler: %s\n", decision.message.c_str());
      std::exit(1);
    }
    profile.table.AddPod(profile.table.node(decision.row).meta().name, pod);
  }
  const double seconds = std::chrono::duration<double>(clock.clock().MonoNow() - begin).count();
  return static_cast<double>(pods.size()) / seconds;
}

int Main(int argc, char** argv) {
#ifndef NDEBUG
  std::fprintf(stderr, "bench_scheduler: a debug build measures nothing\n");
  return 2;
#endif
  const int nodes = argc > 1 ? std::atoi(argv[1]) : 5000;
  const std::unique_ptr<Env> env = NewRealEnv(2);
  const double one_class = Rate(*env, test::OneClass(10'000), nodes);
  fmt::print("decisions_one_class_{}_nodes {:.0f} /s\n", nodes, one_class);
  for (const Workload& workload : {test::DaemonSetPods(nodes), test::StatefulSetPods(10'000), test::JobPods(10'000),
                                   test::DeploymentPods(1'000, 10)}) {
    const double rate = Rate(*env, workload, nodes);
    fmt::print("decisions_{}_{}_nodes {:.0f} /s\n", workload.name, nodes, rate);
    fmt::print("decisions_{}_over_one_class {:.2f} ratio\n", workload.name, rate / one_class);
  }
  return 0;
}

}  // namespace
}  // namespace minikube::scheduler

int main(int argc, char** argv) { return minikube::scheduler::Main(argc, argv); }
