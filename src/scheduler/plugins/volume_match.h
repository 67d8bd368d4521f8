// VolumeMatcher: what a pod's claims mean for the nodes. Which volumes bind it to nodes, which it can be given on one,
// and which would be made there.
//
// Decisions that are not written yet count (Assumed): two pods are not given one volume, and pods that share a claim go
// to one node. Thread safety: the scheduler's strand.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "scheduler/plugins/storage_objects.h"

namespace minikube::scheduler {

enum VolumeConflict : Verdict {
  kNodeConflict = 1,    // a bound volume is not reached from there
  kNothingToBind = 2,   // neither is there a volume for an unbound claim, nor can one be made
  kNotEnoughSpace = 4,  // what the driver says of its capacity
  kVolumeMissing = 8,   // a bound volume does not exist
};

struct Assumed {
  std::map<Str, ObjectRef> volumes;   // by name: bound to their claims, as they are going to be
  std::map<std::string, Str> chosen;  // by kube::ClaimKey: the node where a volume is to be made
};

// What is needed to judge nodes.
struct PodClaims final : PluginState {
  struct Unbound {
    ObjectRef claim;
    ObjectRef storage_class;            // null if it is gone
    Str chosen_node;                    // not empty: a volume is being made there
    std::vector<ObjectRef> candidates;  // volumes that are kept for it or free
    bool limited = false;               // its driver says how much space there is where
    std::vector<ObjectRef> capacities;  // those that suffice
  };
  std::vector<ObjectRef> bound;  // volumes; null where a bound claim's is not there
  std::vector<Unbound> unbound;  // smallest first
};

// What is to be written for a pod on its node.
struct VolumePlan {
  Verdict conflicts = kPass;
  std::vector<ObjectRef> bind;  // volumes as they are to be
  std::vector<ObjectRef> make;  // claims for which one is to be made there
};

class VolumeMatcher {
 public:
  VolumeMatcher(const Storage& storage, const Assumed& assumed) : storage_(storage), assumed_(assumed) {}

  // What Claims reads.
  void AppendKey(const core::v1::Pod& pod, std::string& key) const;
  // Errors: why no node can be found for the pod now, as kube-scheduler says it.
  Result<std::unique_ptr<PodClaims>> Claims(const core::v1::Pod& pod) const;
  static VolumePlan Match(const PodClaims& claims, const meta::v1::ObjectMeta& node);

 private:
  Status Check(const core::v1::Pod& pod, const core::v1::Volume& volume, const ObjectRef& claim) const;
  void AddUnbound(const ObjectRef& claim, const ObjectRef& storage_class, PodClaims& out) const;
  std::vector<ObjectRef> Candidates(const core::v1::PersistentVolumeClaim& claim) const;
  void AddCapacities(PodClaims::Unbound& unbound) const;

  const Storage& storage_;
  const Assumed& assumed_;
};

}  // namespace minikube::scheduler
