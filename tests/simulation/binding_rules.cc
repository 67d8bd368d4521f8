#include <algorithm>

#include "simulation/promises.h"
#include "simulation/rules.h"

namespace minikube::simulation {

using core::v1::Node;
using core::v1::Pod;

bool IsFinished(const Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }
bool IsActive(const Pod& pod) { return !IsFinished(pod) && !pod.metadata.deletionTimestamp; }
bool IsReady(const Pod& pod) {
  return std::any_of(pod.status.conditions.begin(), pod.status.conditions.end(),
                     [](const auto& condition) { return condition.type == "Ready" && condition.status == "True"; });
}
const meta::v1::OwnerReference* ControllerRef(const meta::v1::ObjectMeta& meta) {
  for (const meta::v1::OwnerReference& owner : meta.ownerReferences) {
    if (owner.controller.value_or(false)) return &owner;
  }
  return nullptr;
}

void BindingRules::Changed(const api::StoredKind& unit, const TruthChange& change) {
  if (&unit != &truth_.UnitOf<Pod>() || !change.after) return;
  const Pod& now = change.after->As<Pod>();
  const Pod* before = change.before ? &change.before->As<Pod>() : nullptr;
  if (before != nullptr && !(before->metadata.uid == now.metadata.uid)) before = nullptr;
  const std::string_view node = before != nullptr ? before->spec.nodeName.view() : std::string_view();
  if (!node.empty() && !(now.spec.nodeName == node)) {
    verdict_.Broken(kBoundOnce, "pod {}/{} moves from {} to {} at revision {}", now.metadata.namespace_.view(),
                    now.metadata.name.view(), node, now.spec.nodeName.view(), change.revision);
  }
  if (node.empty() && !now.spec.nodeName.empty()) CheckRoom(now);
}

void BindingRules::CheckRoom(const Pod& bound) const {
  const ObjectRef object = truth_.Find(truth_.UnitOf<Node>(), ObjectKey{Str(), bound.spec.nodeName});
  if (!object) return;  // it was deleted meanwhile; the pod will be too
  const auto& allocatable = object->As<Node>().status.allocatable;
  const auto room = [&](std::string_view resource) {
    const Quantity* quantity = allocatable.Find(resource);
    return quantity == nullptr ? 0 : quantity->MilliValue();
  };
  std::int64_t cpu = 0;
  std::int64_t count = 0;
  for (const auto& [key, other] : truth_.objects(truth_.UnitOf<Pod>())) {
    const Pod& pod = other->As<Pod>();
    if (!(pod.spec.nodeName == bound.spec.nodeName) || IsFinished(pod)) continue;
    ++count;
    for (const core::v1::Container& container : pod.spec.containers) {
      if (const Quantity* request = container.resources.requests.Find("cpu")) cpu += request->MilliValue();
    }
  }
  if (cpu > room("cpu") || count * 1000 > room("pods")) {
    verdict_.Broken(kNodesHold, "with pod {}/{} node {} has {} pods that ask for {}m cpu; it has room for {} and {}m",
                    bound.metadata.namespace_.view(), bound.metadata.name.view(), bound.spec.nodeName.view(), count,
                    cpu, room("pods") / 1000, room("cpu"));
  }
}

}  // namespace minikube::simulation
