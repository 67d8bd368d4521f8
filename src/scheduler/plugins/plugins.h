// The built-in plugins, in the order and with the weights of kube-scheduler's default profile.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <minikube/env.h>
#include <minikube/scheduler_framework.h>
#include <minikube/selector.h>
#include <minikube/view.h>

namespace minikube::scheduler {

std::unique_ptr<Plugin> NewSchedulingGates();
std::unique_ptr<Plugin> NewNodeName();
std::unique_ptr<Plugin> NewNodeUnschedulable();
std::unique_ptr<Plugin> NewNodePorts();
std::unique_ptr<Plugin> NewTaintToleration();
std::unique_ptr<Plugin> NewNodeAffinity();
std::unique_ptr<Plugin> NewNodeResourcesFit();
std::unique_ptr<Plugin> NewNodeResourcesBalancedAllocation();

// Which pods are of a kind with this one, by its owner and the services that select it: for the default spreading
// of pods that declare no constraints. Empty where nothing is.
using DefaultSelector = std::function<std::vector<LabelSelector>(const Object& pod)>;
std::unique_ptr<Plugin> NewPodTopologySpread(DefaultSelector default_selector);

// What is known of namespaces.
struct Namespaces {
  std::function<Map<Str>(std::string_view ns)> labels;  // empty if it is not known
  std::function<std::uint64_t()> generation;            // another number after any label of any namespace changed
};
std::unique_ptr<Plugin> NewInterPodAffinity(Namespaces namespaces);

// The PodDisruptionBudgets of a namespace.
using BudgetsIn = std::function<std::vector<ObjectRef>(std::string_view ns)>;
std::unique_ptr<Plugin> NewDefaultPreemption(BudgetsIn budgets_in, Random& random);

// What the plugins of storage look at: claims, volumes, classes, and what drivers say.
struct Storage {
  const ViewSource& objects;                  // with the indexes of StorageIndexes()
  std::function<std::uint64_t()> generation;  // another number after any of them changed
};
std::vector<std::pair<const ResourceDesc*, const Index*>> StorageIndexes();

std::unique_ptr<Plugin> NewVolumeRestrictions(Storage storage);
std::unique_ptr<Plugin> NewNodeVolumeLimits(Storage storage);
std::unique_ptr<Plugin> NewVolumeZone(Storage storage);
// Binds a pod's claims before the pod. Whoever watches the objects says so when they have changed.
class VolumeBinder : public Plugin {
 public:
  virtual void Changed() = 0;
};
std::unique_ptr<VolumeBinder> NewVolumeBinding(Storage storage);

}  // namespace minikube::scheduler
