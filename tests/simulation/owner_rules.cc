#include <algorithm>

#include "simulation/promises.h"
#include "simulation/rules.h"

namespace minikube::simulation {
namespace {

const meta::v1::OwnerReference* RefTo(const Object& object, const Str& uid) {
  for (const meta::v1::OwnerReference& owner : object.meta().ownerReferences) {
    if (owner.uid == uid) return &owner;
  }
  return nullptr;
}

}  // namespace

std::vector<OwnerRules::Dependent> OwnerRules::DependentsOf(const Str& uid) const {
  std::vector<Dependent> out;
  for (const api::StoredKind* each : truth_.registry().kinds()) {
    const api::StoredKind& unit = *each;
    for (const auto& [key, object] : truth_.objects(unit)) {
      if (RefTo(*object, uid) == nullptr) continue;
      Dependent dependent{&unit, key, object->meta().uid};
      const std::vector<TruthChange>& changes = truth_.changes(unit);
      for (auto it = changes.rbegin(); it != changes.rend(); ++it) {
        if (!(it->object().meta().uid == dependent.uid)) continue;
        if (!it->after || RefTo(*it->after, uid) == nullptr) break;
        dependent.since = it->revision;
      }
      out.push_back(dependent);
    }
  }
  return out;
}

void OwnerRules::Seen(const std::string& strand, const ResourceDesc& resource, Revision revision) {
  if (strand != "controllers/controllers") return;  // the strand of all built-in controllers
  shown_[&resource].push_back({clock_.MonoNow(), revision});
}

bool OwnerRules::WasShown(const Dependent& dependent) const {
  // Longer than a request is under way.
  const MonoTime then = clock_.MonoNow() - std::chrono::seconds(5);
  // The collector may follow another version of the resource than the one that is stored.
  for (const auto& [resource, shown] : shown_) {
    if (truth_.registry().Find(*resource) != dependent.kind) continue;
    for (const Shown& each : shown) {
      if (each.time <= then && each.revision >= dependent.since) return true;
    }
  }
  return false;
}

void OwnerRules::Arrived(const std::string& user, const ApiRequest& request) {
  if (request.verb != Verb::kDelete || user == kUser) return;
  const ObjectRef object = truth_.Find(*truth_.registry().Find(*request.resource), ObjectKey{request.ns, request.name});
  if (!object || !(object->meta().uid == request.precondition_uid)) return;
  others_.insert(object->meta().uid);
  const auto it = orphans_.find(object->meta().uid);
  if (user != kCollectorUser || it == orphans_.end()) return;
  if (NamespaceGoes(*object)) return;
  // Somebody may have adopted it since, and gone too.
  for (const meta::v1::OwnerReference& owner : object->meta().ownerReferences) {
    if (!(owner.uid == it->second)) return;
  }
  verdict_.Broken(kOrphansStay, "the garbage collector deletes {} {}, which was to be orphaned",
                  request.resource->plural, request.name);
}

void OwnerRules::Changed(const api::StoredKind&, const TruthChange& change) {
  if (!change.before) return;
  const bool going = change.before->meta().deletionTimestamp.has_value();
  if (!going && (!change.after || change.after->meta().deletionTimestamp)) DeletionBegins(*change.before);
  if (!change.after) OwnerGone(*change.before);
}

// Then everything in it goes, whatever the user wanted.
bool OwnerRules::NamespaceGoes(const Object& object) const {
  const ObjectRef ns = truth_.Find(truth_.UnitOf<core::v1::Namespace>(), ObjectKey{Str(), object.meta().namespace_});
  return !ns || ns->meta().deletionTimestamp;
}

void OwnerRules::DeletionBegins(const Object& owner) {
  const Str& uid = owner.meta().uid;
  const auto intended = intended_.find(uid);
  if (intended == intended_.end() || others_.contains(uid)) return;
  if (NamespaceGoes(owner)) return;
  if (intended->second == Propagation::kOrphan) {
    orphaned_[uid] = DependentsOf(uid);
    for (const Dependent& dependent : orphaned_[uid]) orphans_[dependent.uid] = uid;
  } else if (intended->second == Propagation::kForeground) {
    std::vector<Dependent> blocking = DependentsOf(uid);
    std::erase_if(blocking, [&](const Dependent& dependent) {
      return !RefTo(*truth_.Find(*dependent.kind, dependent.key), uid)->blockOwnerDeletion.value_or(false);
    });
    awaited_[uid] = std::move(blocking);
  }
}

void OwnerRules::OwnerGone(const Object& owner) {
  if (const auto it = orphaned_.find(owner.meta().uid); it != orphaned_.end()) {
    for (const Dependent& dependent : it->second) {
      if (!WasShown(dependent)) orphans_.erase(dependent.uid);
    }
    orphaned_.erase(it);
  }
  const auto it = awaited_.find(owner.meta().uid);
  if (it == awaited_.end()) return;
  if (NamespaceGoes(owner)) return;
  for (const Dependent& dependent : it->second) {
    const ObjectRef object = truth_.Find(*dependent.kind, dependent.key);
    if (!object || !(object->meta().uid == dependent.uid) || !WasShown(dependent)) continue;
    const meta::v1::OwnerReference* ref = RefTo(*object, it->first);
    if (ref == nullptr || !ref->blockOwnerDeletion.value_or(false)) continue;
    verdict_.Broken(kForeground, "{} {} is gone, and its dependent {} {} is not", owner.kind(),
                    owner.meta().name.view(), object->kind(), object->meta().name.view());
  }
  awaited_.erase(it);
}

}  // namespace minikube::simulation
