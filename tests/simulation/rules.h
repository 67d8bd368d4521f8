// Rules: what must hold at every change of the cluster's objects, whatever faults there are. Each is judged by the
// truth alone; who asked for a change is known from the requests that arrived.
#pragma once

#include <map>
#include <set>
#include <string>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/client.h>

#include "simulation/truth.h"

namespace minikube::simulation {

inline constexpr std::string_view kUser = "admin";
inline constexpr std::string_view kReplicaSetUser = "system:serviceaccount:kube-system:replicaset-controller";
inline constexpr std::string_view kDeploymentUser = "system:serviceaccount:kube-system:deployment-controller";
inline constexpr std::string_view kCollectorUser = "system:serviceaccount:kube-system:generic-garbage-collector";
inline constexpr std::string_view kNamespaceUser = "system:serviceaccount:kube-system:namespace-controller";

// Neither finished nor on its way out.
bool IsActive(const core::v1::Pod& pod);
bool IsFinished(const core::v1::Pod& pod);
bool IsReady(const core::v1::Pod& pod);
const meta::v1::OwnerReference* ControllerRef(const meta::v1::ObjectMeta& meta);

// Pods are bound once, and no node is given more than it has.
class BindingRules {
 public:
  BindingRules(const Truth& truth, Verdict& verdict) : truth_(truth), verdict_(verdict) {}
  void Changed(const api::StoredKind& unit, const TruthChange& change);

 private:
  void CheckRoom(const core::v1::Pod& bound) const;
  const Truth& truth_;
  Verdict& verdict_;
};

// Replica sets and rollouts keep to their numbers, as far as it is the controllers' own doing. Bounds change with the
// specification; because a controller may still act on an older one, the widest since the object was last quiet counts
// (everything told in its status, and so). What pods do by themselves, or to them is done by others, widens them too.
class RolloutRules {
 public:
  RolloutRules(const Truth& truth, Verdict& verdict)
      : truth_(truth),
        verdict_(verdict),
        pods_(truth.UnitOf<core::v1::Pod>()),
        replica_sets_(truth.UnitOf<apps::v1::ReplicaSet>()),
        deployments_(truth.UnitOf<apps::v1::Deployment>()) {}
  void Arrived(const std::string& user, const ApiRequest& request);
  void Changed(const api::StoredKind& unit, const TruthChange& change);
  // From now on nothing is checked: a refusal no longer means that nothing was done, and who looked, did not see it and
  // asked again is one too many.
  void LeaveOut() { left_out_ = true; }

 private:
  struct Count {
    int active = 0;
    int ready = 0;
  };
  struct DeploymentBounds {
    int most = 0;          // that its replica sets may ask for together
    int available = 0;     // that must stay
    int lost = 0;          // ready pods that went without a controller's doing
    bool settled = false;  // was quiet once
    bool paused = false;   // at some time
  };
  void PodChanged(const TruthChange& change);
  void ReplicaSetChanged(const TruthChange& change);
  void DeploymentChanged(const TruthChange& change);
  void Lost(const core::v1::Pod& pod);
  void CheckNotTooMany(const apps::v1::ReplicaSet& set);
  void CheckRecreate(const core::v1::Pod& created);
  void CheckAvailable(const core::v1::Pod& taken);
  void LookForQuiet(const apps::v1::ReplicaSet& set);
  void LookForQuiet(const apps::v1::Deployment& deployment);
  Count CountOf(const apps::v1::ReplicaSet& set) const;
  // Whether its replica set still recognises it, by its labels.
  static bool Selects(const apps::v1::ReplicaSet& set, const core::v1::Pod& pod);
  // The object that controls that one, if it is of that kind and exists; or null.
  ObjectRef SetOf(const meta::v1::ObjectMeta& pod) const { return ControllerIn(replica_sets_, pod); }
  ObjectRef DeploymentOf(const meta::v1::ObjectMeta& set) const { return ControllerIn(deployments_, set); }
  ObjectRef DeploymentOfPod(const meta::v1::ObjectMeta& pod) const;
  ObjectRef ControllerIn(const api::StoredKind& unit, const meta::v1::ObjectMeta& meta) const;
  template <typename F>
  void ForEachSetOf(const apps::v1::Deployment& deployment, F each) const;

  const Truth& truth_;
  Verdict& verdict_;
  const api::StoredKind& pods_;
  const api::StoredKind& replica_sets_;
  const api::StoredKind& deployments_;
  std::map<Str, int> most_;                            // pods of a replica set, by its UID
  std::map<Str, DeploymentBounds> deployment_bounds_;  // by UID
  std::set<Str> taken_;                                // UIDs of pods that the replica set controller asked to delete
  bool left_out_ = false;
  std::set<Str> late_;  // UIDs of pods that were created when none was wanted any more
};

// Dependents go or stay as their owner's deletion said. As Kubernetes' own, the garbage collector decides upon what its
// watches have shown: dependents that they had not shown some seconds before the owner went are left out of account.
class OwnerRules {
 public:
  OwnerRules(const Truth& truth, Verdict& verdict, const Clock& clock)
      : truth_(truth), verdict_(verdict), clock_(clock) {}
  // A user is about to delete that object so, and will never delete it otherwise.
  void Intend(const Str& owner_uid, Propagation propagation) { intended_[owner_uid] = propagation; }
  void Arrived(const std::string& user, const ApiRequest& request);
  void Changed(const api::StoredKind& unit, const TruthChange& change);
  void Seen(const std::string& strand, const ResourceDesc& resource, Revision revision);

 private:
  struct Dependent {
    const api::StoredKind* kind;
    ObjectKey key;
    Str uid;
    Revision since = 0;  // it has had the reference
  };
  struct Shown {
    MonoTime time;
    Revision revision;
  };
  std::vector<Dependent> DependentsOf(const Str& uid) const;
  // Whether the collector has known it for long enough to act accordingly now.
  bool WasShown(const Dependent& dependent) const;
  bool NamespaceGoes(const Object& object) const;
  void DeletionBegins(const Object& owner);
  void OwnerGone(const Object& owner);

  const Truth& truth_;
  Verdict& verdict_;
  const Clock& clock_;
  std::map<Str, Propagation> intended_;
  std::set<Str> others_;                                     // UIDs of what others than the user asked to delete
  std::map<Str, std::vector<Dependent>> orphaned_;           // UID of an owner -> what is to stay
  std::map<Str, Str> orphans_;                               // UID of what is to stay -> its owner's
  std::map<Str, std::vector<Dependent>> awaited_;            // UID of an owner -> what it waits for
  std::map<const ResourceDesc*, std::vector<Shown>> shown_;  // to the collector
};

}  // namespace minikube::simulation
