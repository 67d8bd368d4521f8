#include <algorithm>
#include <utility>

#include <minikube/selector.h>

#include "simulation/promises.h"
#include "simulation/rules.h"

namespace minikube::simulation {
namespace {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;
using core::v1::Pod;

// Written here anew: a check does not share the code that it checks.
int Share(const IntOrString& value, int total, bool up) {
  if (!value.is_string) return value.int_value;
  const int percent = std::atoi(value.string_value.str().c_str());
  return (percent * total + (up ? 99 : 0)) / 100;
}
int ReplicasOf(const Deployment& deployment) { return deployment.spec.replicas.value_or(1); }
int ReplicasOf(const ReplicaSet& set) { return set.spec.replicas.value_or(1); }
bool IsRolling(const Deployment& deployment) { return !(deployment.spec.strategy.type == "Recreate"); }
int SurgeOf(const Deployment& deployment) {
  const auto& rolling = deployment.spec.strategy.rollingUpdate;
  return IsRolling(deployment) && rolling && rolling->maxSurge ? Share(*rolling->maxSurge, ReplicasOf(deployment), true)
                                                               : 0;
}
// How many must stay available while it rolls.
int FloorOf(const Deployment& deployment) {
  if (!IsRolling(deployment)) return 0;
  const auto& rolling = deployment.spec.strategy.rollingUpdate;
  int unavailable =
      rolling && rolling->maxUnavailable ? Share(*rolling->maxUnavailable, ReplicasOf(deployment), false) : 0;
  if (unavailable == 0 && SurgeOf(deployment) == 0) unavailable = 1;
  return std::max(0, ReplicasOf(deployment) - unavailable);
}

}  // namespace

ObjectRef RolloutRules::ControllerIn(const api::StoredKind& unit, const meta::v1::ObjectMeta& meta) const {
  const meta::v1::OwnerReference* owner = ControllerRef(meta);
  if (owner == nullptr || !(owner->kind == unit.resource->kind)) return nullptr;
  ObjectRef found = truth_.Find(unit, ObjectKey{meta.namespace_, owner->name});
  return found && found->meta().uid == owner->uid ? found : nullptr;
}

ObjectRef RolloutRules::DeploymentOfPod(const meta::v1::ObjectMeta& pod) const {
  const ObjectRef set = SetOf(pod);
  return set ? DeploymentOf(set->meta()) : nullptr;
}

template <typename F>
void RolloutRules::ForEachSetOf(const Deployment& deployment, F each) const {
  for (const auto& [key, object] : truth_.objects(replica_sets_)) {
    const meta::v1::OwnerReference* owner = ControllerRef(object->meta());
    if (owner != nullptr && owner->uid == deployment.metadata.uid) each(object->template As<ReplicaSet>());
  }
}

bool RolloutRules::Selects(const ReplicaSet& set, const Pod& pod) {
  return LabelSelector::From(set.spec.selector.get())->Matches(pod.metadata.labels);
}

RolloutRules::Count RolloutRules::CountOf(const ReplicaSet& set) const {
  Count out;
  for (const auto& [key, object] : truth_.objects(pods_)) {
    const meta::v1::OwnerReference* owner = ControllerRef(object->meta());
    if (owner == nullptr || !(owner->uid == set.metadata.uid)) continue;
    const Pod& pod = object->As<Pod>();
    if (!IsActive(pod) || !Selects(set, pod)) continue;
    ++out.active;
    out.ready += IsReady(pod) ? 1 : 0;
  }
  return out;
}

void RolloutRules::Arrived(const std::string& user, const ApiRequest& request) {
  if (user != kReplicaSetUser || request.verb != Verb::kDelete) return;
  const ObjectRef pod = truth_.Find(pods_, ObjectKey{request.ns, request.name});
  if (pod) taken_.insert(pod->meta().uid);
}

void RolloutRules::Changed(const api::StoredKind& unit, const TruthChange& change) {
  if (left_out_) return;
  if (&unit == &pods_) {
    PodChanged(change);
  } else if (&unit == &replica_sets_) {
    ReplicaSetChanged(change);
  } else if (&unit == &deployments_) {
    DeploymentChanged(change);
  }
}

void RolloutRules::PodChanged(const TruthChange& change) {
  const Pod* now = change.after ? &change.after->As<Pod>() : nullptr;
  const Pod* before = change.before ? &change.before->As<Pod>() : nullptr;
  if (before == nullptr) {
    const ObjectRef set = SetOf(now->metadata);
    if (!set) return;
    if (ReplicasOf(set->As<ReplicaSet>()) == 0) late_.insert(now->metadata.uid);
    CheckNotTooMany(set->As<ReplicaSet>());
    CheckRecreate(*now);
    return;
  }
  const bool was_ready = IsActive(*before) && IsReady(*before);
  const bool is_ready = now != nullptr && IsActive(*now) && IsReady(*now);
  if (was_ready && !is_ready) {
    const bool going = now == nullptr || now->metadata.deletionTimestamp.has_value();
    if (going && taken_.contains(before->metadata.uid)) {
      CheckAvailable(*before);
    } else {
      Lost(*before);
    }
  }
  if (now == nullptr) {
    taken_.erase(before->metadata.uid);
    late_.erase(before->metadata.uid);
  } else if (!(before->metadata.labels == now->metadata.labels)) {
    // Whether it counts for its set has changed by somebody else's doing.
    if (const ObjectRef set = SetOf(now->metadata)) ++most_[set->meta().uid];
    if (was_ready) Lost(*before);
  }
  if (!was_ready && is_ready) {
    if (const ObjectRef deployment = DeploymentOfPod(now->metadata)) LookForQuiet(deployment->As<Deployment>());
  }
}

void RolloutRules::CheckNotTooMany(const ReplicaSet& set) {
  const Count count = CountOf(set);
  const int most = most_[set.metadata.uid];
  if (count.active > most) {
    verdict_.Broken(kReplicasExact, "replica set {} has {} active pods after one more was created; it asked for {}",
                    set.metadata.name.view(), count.active, most);
  }
}

void RolloutRules::CheckRecreate(const Pod& created) {
  const ObjectRef deployment = DeploymentOfPod(created.metadata);
  if (!deployment || IsRolling(deployment->As<Deployment>()) || late_.contains(created.metadata.uid)) return;
  // One that is paused follows its size whatever else goes on.
  if (deployment_bounds_[deployment->meta().uid].paused) return;
  for (const auto& [key, object] : truth_.objects(pods_)) {
    const Pod& pod = object->As<Pod>();
    const ObjectRef set = SetOf(pod.metadata);
    if (IsFinished(pod) || late_.contains(pod.metadata.uid) || !set || set == SetOf(created.metadata) ||
        !(DeploymentOf(set->meta()) == deployment) || !Selects(set->As<ReplicaSet>(), pod)) {
      continue;
    }
    verdict_.Broken(kRecreate, "pod {} is created while the old {} has not ended", created.metadata.name.view(),
                    pod.metadata.name.view());
  }
}

void RolloutRules::Lost(const Pod& pod) {
  if (const ObjectRef deployment = DeploymentOfPod(pod.metadata)) ++deployment_bounds_[deployment->meta().uid].lost;
}

void RolloutRules::CheckAvailable(const Pod& taken) {
  const ObjectRef deployment = DeploymentOfPod(taken.metadata);
  if (!deployment) return;
  const DeploymentBounds& bounds = deployment_bounds_[deployment->meta().uid];
  if (!bounds.settled) return;
  int ready = 0;
  ForEachSetOf(deployment->As<Deployment>(), [&](const ReplicaSet& set) { ready += CountOf(set).ready; });
  if (ready + bounds.lost < bounds.available) {
    verdict_.Broken(kAvailable, "pod {} is taken: {} stay available, {} must, {} were lost otherwise",
                    taken.metadata.name.view(), ready, bounds.available, bounds.lost);
  }
}

void RolloutRules::ReplicaSetChanged(const TruthChange& change) {
  if (!change.after) {
    most_.erase(change.before->meta().uid);
    return;
  }
  const ReplicaSet& set = change.after->As<ReplicaSet>();
  int& most = most_[set.metadata.uid];
  most = std::max(most, ReplicasOf(set));
  LookForQuiet(set);
  const ObjectRef deployment = DeploymentOf(set.metadata);
  // Orphaned, it takes along what is available.
  const ObjectRef former = change.before ? DeploymentOf(change.before->meta()) : nullptr;
  if (former && !deployment) deployment_bounds_[former->meta().uid].lost += CountOf(set).ready;
  if (!deployment) return;
  DeploymentBounds& bounds = deployment_bounds_[deployment->meta().uid];
  int asked = 0;
  ForEachSetOf(deployment->As<Deployment>(), [&](const ReplicaSet& each) { asked += ReplicasOf(each); });
  const bool adopted = change.before && !DeploymentOf(change.before->meta());
  const bool grown = !change.before || ReplicasOf(change.before->As<ReplicaSet>()) < ReplicasOf(set);
  if (adopted) {
    bounds.most = std::max(bounds.most, asked);  // what it brings along
  } else if (grown && asked > bounds.most) {
    verdict_.Broken(kSurge, "the replica sets of {} ask for {} pods together; at most {} may be",
                    deployment->meta().name.view(), asked, bounds.most);
  }
  LookForQuiet(deployment->As<Deployment>());
}

void RolloutRules::DeploymentChanged(const TruthChange& change) {
  if (!change.after) {
    deployment_bounds_.erase(change.before->meta().uid);
    return;
  }
  const Deployment& deployment = change.after->As<Deployment>();
  DeploymentBounds& bounds = deployment_bounds_[deployment.metadata.uid];
  const int most = ReplicasOf(deployment) + SurgeOf(deployment);
  // To take pods away in the middle of a rollout takes from each replica set its share, available or not.
  const bool shrunk = change.before && ReplicasOf(change.before->As<Deployment>()) > ReplicasOf(deployment);
  if (shrunk) bounds.lost += std::max(0, bounds.most - most);
  bounds.most = std::max(bounds.most, most);
  bounds.paused = bounds.paused || deployment.spec.paused;
  bounds.available = std::min(bounds.available, FloorOf(deployment));
  LookForQuiet(deployment);
}

void RolloutRules::LookForQuiet(const ReplicaSet& set) {
  const bool told = set.status.observedGeneration == set.metadata.generation && set.status.replicas == ReplicasOf(set);
  if (told && CountOf(set).active == ReplicasOf(set)) most_[set.metadata.uid] = ReplicasOf(set);
}

void RolloutRules::LookForQuiet(const Deployment& deployment) {
  const auto& status = deployment.status;
  const int replicas = ReplicasOf(deployment);
  if (status.observedGeneration != deployment.metadata.generation || status.replicas != replicas ||
      status.updatedReplicas != replicas || status.availableReplicas != replicas) {
    return;
  }
  Count all;
  int asked = 0;
  bool told = true;
  ForEachSetOf(deployment, [&](const ReplicaSet& set) {
    const Count count = CountOf(set);
    all.active += count.active;
    all.ready += count.ready;
    asked += ReplicasOf(set);
    told = told && set.status.observedGeneration == set.metadata.generation && set.status.replicas == ReplicasOf(set);
  });
  if (!told || all.active != replicas || all.ready != replicas || asked != replicas) return;
  deployment_bounds_[deployment.metadata.uid] = {replicas + SurgeOf(deployment), FloorOf(deployment), 0, true,
                                                 deployment.spec.paused};
}

}  // namespace minikube::simulation
