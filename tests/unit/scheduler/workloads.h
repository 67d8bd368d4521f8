// Pods as the workload controllers make them, and the default profile over a table, for tests and measurements.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "helpers/fixed_view.h"
#include "scheduler/placement.h"
#include "scheduler/plugins/plugins.h"
#include "unit/scheduler/scheduler_objects.h"

namespace minikube::test {

// The default profile over a table that the test fills.
struct DefaultProfile {
  using Selectors = std::function<std::vector<LabelSelector>(const Object& pod)>;

  explicit DefaultProfile(Random& random) {
    owned.push_back(scheduler::NewNodeUnschedulable());
    owned.push_back(scheduler::NewNodeName());
    owned.push_back(scheduler::NewTaintToleration());
    owned.push_back(scheduler::NewNodeAffinity());
    owned.push_back(scheduler::NewNodePorts());
    owned.push_back(scheduler::NewNodeResourcesFit());
    const scheduler::Storage storage{objects, [this] { return storage_generation; }};
    owned.push_back(scheduler::NewVolumeRestrictions(storage));
    owned.push_back(scheduler::NewNodeVolumeLimits(storage));
    owned.push_back(scheduler::NewVolumeBinding(storage));
    owned.push_back(scheduler::NewVolumeZone(storage));
    owned.push_back(scheduler::NewPodTopologySpread([this](const Object& pod) {
      return default_selectors ? default_selectors(pod) : std::vector<LabelSelector>();
    }));
    owned.push_back(scheduler::NewInterPodAffinity(
        {.labels = [this](std::string_view ns) { return namespace_labels ? namespace_labels(ns) : Map<Str>(); },
         .generation = [this] { return namespace_generation; }}));
    owned.push_back(scheduler::NewNodeResourcesBalancedAllocation());
    std::vector<const scheduler::Plugin*> plugins;
    for (const auto& plugin : owned) plugins.push_back(plugin.get());
    placement = std::make_unique<scheduler::Placement>(std::move(plugins), table, random);
  }

  FixedView objects;  // claims, volumes, classes, what drivers say
  std::uint64_t storage_generation = 0;
  scheduler::NodeTable table;
  Selectors default_selectors;  // none: no default spreading
  std::function<Map<Str>(std::string_view)> namespace_labels;
  std::uint64_t namespace_generation = 0;
  std::vector<std::unique_ptr<scheduler::Plugin>> owned;
  std::unique_ptr<scheduler::Placement> placement;
};

inline core::v1::Node ZonedNode(int i) {
  core::v1::Node node = MakeNode(fmt::format("node-{}", i), "32", "256Gi");
  node.metadata.labels["topology.kubernetes.io/zone"] = fmt::format("zone-{}", i % 3);
  return node;
}

struct Workload {
  std::string name;
  std::vector<core::v1::Pod> pods;
  DefaultProfile::Selectors default_selectors;
};

// As if the controller selected its pods by the label app.
inline std::vector<LabelSelector> SelectByApp(const Object& pod) {
  Map<Str> app;
  app["app"] = *pod.meta().labels.Find("app");
  return {LabelSelector::FromMap(app)};
}

inline core::v1::Pod AppPod(std::string name, std::string app) {
  core::v1::Pod pod = MakePod(std::move(name), "1m", "1Mi");
  pod.metadata.labels["app"] = std::move(app);
  return pod;
}

inline Workload OneClass(int count) {
  Workload workload{.name = "one_class", .default_selectors = SelectByApp};
  for (int i = 0; i < count; ++i) workload.pods.push_back(AppPod(fmt::format("web-{}", i), "web"));
  return workload;
}

// One pod for each node, which it names.
inline Workload DaemonSetPods(int nodes) {
  Workload workload{.name = "daemonset"};
  for (int i = 0; i < nodes; ++i) {
    core::v1::Pod pod = AppPod(fmt::format("agent-{}", i), "agent");
    core::v1::NodeSelectorTerm term;
    term.matchFields.push_back(
        {.key = "metadata.name", .operator_ = "In", .values = List<Str>{fmt::format("node-{}", i)}});
    pod.spec.affinity.Mutable()
        .nodeAffinity.Mutable()
        .requiredDuringSchedulingIgnoredDuringExecution.Mutable()
        .nodeSelectorTerms.push_back(term);
    workload.pods.push_back(std::move(pod));
  }
  return workload;
}

inline Workload StatefulSetPods(int count) {
  Workload workload{.name = "statefulset", .default_selectors = SelectByApp};
  for (int i = 0; i < count; ++i) {
    core::v1::Pod pod = AppPod(fmt::format("db-{}", i), "db");
    pod.metadata.labels["statefulset.kubernetes.io/pod-name"] = pod.metadata.name;
    pod.metadata.labels["apps.kubernetes.io/pod-index"] = std::to_string(i);
    pod.spec.hostname = pod.metadata.name;
    workload.pods.push_back(std::move(pod));
  }
  return workload;
}

inline Workload JobPods(int count) {
  Workload workload{.name = "jobs"};
  for (int i = 0; i < count; ++i) {
    core::v1::Pod pod = AppPod(fmt::format("job-{}-x", i), "job");
    pod.metadata.labels["batch.kubernetes.io/job-name"] = fmt::format("job-{}", i);
    pod.metadata.labels["batch.kubernetes.io/controller-uid"] = fmt::format("uid-{}", i);
    workload.pods.push_back(std::move(pod));
  }
  return workload;
}

inline Workload DeploymentPods(int deployments, int replicas) {
  Workload workload{.name = "deployments", .default_selectors = SelectByApp};
  for (int i = 0; i < deployments * replicas; ++i) {
    const int deployment = i / replicas;
    workload.pods.push_back(AppPod(fmt::format("app-{}-{}", deployment, i), fmt::format("app-{}", deployment)));
  }
  return workload;
}

}  // namespace minikube::test
