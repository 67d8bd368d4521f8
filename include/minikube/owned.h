// Owned<Owner, Child>: the children that an owner controls. Finds them, takes in orphans that its selector matches,
// lets go those that it does not match any more, and wakes the owner when one changes. Semantics:
// https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/
#pragma once

#include <functional>
#include <type_traits>
#include <vector>

#include <minikube/client.h>
#include <minikube/informer.h>
#include <minikube/plan.h>
#include <minikube/selector.h>
#include <minikube/view.h>

namespace minikube {

// Puts a key into the queue of a controller.
using Wake = std::function<void(const ObjectKey&)>;

namespace internal {
template <typename Owner>
inline constexpr bool kHasSelector = requires(const Owner& owner) {
  owner.spec.selector;
};

struct Claim {
  const MessageDesc* owner_kind;
  const meta::v1::ObjectMeta* owner;
  const ResourceDesc* children;
  const LabelSelector* selector;  // null: the owner has what it made and takes in nothing
  const std::function<bool(const Object& child)>* may_move;
  std::string_view finalizer;  // that the owner's children bear; "" = none
};
// Appends the owner's children to `mine`; what is to be let go to `plan`, what is to be taken in to `adoptions`.
void ClaimChildren(const View& view, const Claim& claim, std::vector<ObjectRef>& mine, std::vector<Step>& adoptions,
                   Plan& plan);
}  // namespace internal

// What an owner selects. A selector that cannot be read, or is empty, selects nothing: whom it means is not to be
// guessed.
template <typename Owner>
requires internal::kHasSelector<Owner> LabelSelector OwnSelector(const Owner& owner) {
  static const LabelSelector nothing = LabelSelector::From(nullptr).value();
  if constexpr (requires { LabelSelector::FromMap(owner.spec.selector); }) {
    return owner.spec.selector.empty() ? nothing : LabelSelector::FromMap(owner.spec.selector);
  } else {
    const Result<LabelSelector> selector = LabelSelector::From(owner.spec.selector.get());
    return selector && !selector->empty() ? *selector : nothing;
  }
}

template <typename Owner, typename Child>
class Owned {
 public:
  // By default everything that is not being deleted may be taken in or let go.
  static bool NotDeleted(const Object& child) { return !child.meta().deletionTimestamp; }

  // The children of `owner`, in order of key. If some have to be taken in or let go, `plan` has the writes for it, and
  // nothing else should be done in this run. Children that `may_move` says no to stay with whom they have. `finalizer`
  // comes and goes with the reference.
  static std::vector<const Child*> Claim(const View& view, const Owner& owner, Plan& plan,
                                         const std::function<bool(const Object& child)>& may_move = &NotDeleted,
                                         std::string_view finalizer = {}) {
    internal::Claim claim{
        &DescriptorOf<Owner>(), &owner.metadata, &Client::ResourceOf<Child>(), nullptr, &may_move, finalizer};
    LabelSelector selector;
    if constexpr (internal::kHasSelector<Owner>) {
      selector = OwnSelector(owner);
      claim.selector = &selector;
    }
    std::vector<ObjectRef> objects;
    std::vector<Step> adoptions;
    internal::ClaimChildren(view, claim, objects, adoptions, plan);
    if (!adoptions.empty()) {
      // An owner that is being deleted must not take in what was just let go: the first write asks the server.
      plan.InOrder().Guard(owner);
      for (Step& step : adoptions) plan.Add(std::move(step.request));
    }
    std::vector<const Child*> mine;
    mine.reserve(objects.size());
    for (const ObjectRef& object : objects) mine.push_back(&object->As<Child>());
    return mine;
  }

  static void WakeOwners(const View& view, const Child& child, const Wake& wake) {
    const Str& ns = child.metadata.namespace_;
    for (const meta::v1::OwnerReference& reference : child.metadata.ownerReferences) {
      if (!reference.controller.value_or(false)) continue;
      const Owner* owner = view.Get<Owner>(ns, reference.name);
      if (owner != nullptr && owner->metadata.uid == reference.uid) wake({ns, reference.name});
      return;
    }
    if constexpr (internal::kHasSelector<Owner>) {
      for (const Owner* owner : view.List<Owner>(ns)) {
        if (OwnSelector(*owner).Matches(child.metadata.labels)) wake({ns, owner->metadata.name});
      }
    }
  }
};

}  // namespace minikube
