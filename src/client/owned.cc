#include <minikube/owned.h>

#include "kube/owners.h"

namespace minikube::internal {

void ClaimChildren(const View& view, const Claim& claim, std::vector<ObjectRef>& mine, std::vector<Step>& adoptions,
                   Plan& plan) {
  const ViewSource& objects = view.objects();
  const meta::v1::ObjectMeta& owner = *claim.owner;
  const bool owner_stays = !owner.deletionTimestamp;
  objects.ForEachBy(*claim.children, kByController, owner.uid, [&](const ObjectRef& child) {
    if (claim.selector == nullptr || claim.selector->Matches(child->meta().labels)) {
      mine.push_back(child);
    } else if (owner_stays && (*claim.may_move)(*child)) {
      meta::v1::ObjectMeta released = child->meta();
      kube::RemoveOwner(released, owner.uid);
      if (!claim.finalizer.empty()) kube::RemoveFinalizer(released, claim.finalizer);
      plan.PatchOwners(*claim.children, child->meta(), released).IgnoreGone();
    }
  });
  if (!owner_stays || claim.selector == nullptr) return;
  objects.ForEachBy(*claim.children, kByController, OrphansOf(owner.namespace_), [&](const ObjectRef& child) {
    if (!(*claim.may_move)(*child) || !claim.selector->Matches(child->meta().labels)) return;
    meta::v1::ObjectMeta adopted = child->meta();
    adopted.ownerReferences.push_back(kube::ControllerRefTo(*claim.owner_kind, owner));
    if (!claim.finalizer.empty() && !kube::HasFinalizer(adopted, claim.finalizer)) {
      adopted.finalizers.push_back(claim.finalizer);
    }
    Plan one;
    adoptions.push_back(std::move(one.PatchOwners(*claim.children, child->meta(), adopted)));
  });
}

}  // namespace minikube::internal
