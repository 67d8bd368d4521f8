#include "api/bootstrap/bootstrap.h"

#include <minikube/api/rbac/v1.h>
#include <minikube/codec.h>

#include "api/companion.h"
#include "model/defaulting.h"

namespace minikube::api {

namespace {

const Unit* UnitOf(const Registry& registry, const MessageDesc& message) {
  for (const Unit& unit : registry.units()) {
    if (unit.message == &message) return &unit;
  }
  return nullptr;
}

// Rules that the bootstrap role has and the stored one lacks, appended. Null if there is nothing to do.
ObjectPtr Reconciled(const Object& stored, const Object& wanted) {
  const Str* autoupdate = stored.meta().annotations.Find("rbac.authorization.kubernetes.io/autoupdate");
  if (autoupdate == nullptr || !(*autoupdate == "true")) return {};
  const auto missing = [](const List<rbac::v1::PolicyRule>& have, const List<rbac::v1::PolicyRule>& want) {
    return Rbac::NotCovered({have.begin(), have.end()}, {want.begin(), want.end()});
  };
  ObjectPtr next;
  const auto add = [&](auto& role, const Rbac::Rules& rules) {
    for (const rbac::v1::PolicyRule& rule : rules) role.rules.push_back(rule);
  };
  if (const auto* role = stored.TryAs<rbac::v1::ClusterRole>()) {
    if (role->aggregationRule) return {};
    const Rbac::Rules rules = missing(role->rules, wanted.As<rbac::v1::ClusterRole>().rules);
    if (rules.empty()) return {};
    next = ObjectPtr::Clone(stored);
    add(next->As<rbac::v1::ClusterRole>(), rules);
  } else if (const auto* local = stored.TryAs<rbac::v1::Role>()) {
    const Rbac::Rules rules = missing(local->rules, wanted.As<rbac::v1::Role>().rules);
    if (rules.empty()) return {};
    next = ObjectPtr::Clone(stored);
    add(next->As<rbac::v1::Role>(), rules);
  }
  return next;
}

// The transaction that makes those of `objects` that are missing and completes those that are there.
Result<Transaction> Missing(Core& core, std::vector<ObjectPtr> objects) {
  const Snapshot world = core.cache.snapshot();
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(core.env.clock().Now().time_since_epoch()).count();
  Transaction txn;
  for (ObjectPtr& object : objects) {
    const Unit* unit = UnitOf(core.registry, object->desc());
    if (unit == nullptr) return Status(Code::kInternal, "a bootstrap object is of a kind that is not stored");
    meta::v1::ObjectMeta& meta = object->mutable_meta();
    Revision expected = 0;
    if (const Entry* entry = world->Find(unit->index, meta.namespace_.view(), meta.name.view())) {
      ObjectPtr next = Reconciled(*entry->object, *object);
      if (!next) continue;
      object = std::move(next);
      object->mutable_meta().resourceVersion = {};
      expected = entry->revision;
    } else {
      meta.uid = NewUid(core.env.random());
      meta.creationTimestamp = {Instant::FromUnixMicros(seconds * 1'000'000)};
      ApplyDefaults(*object);
    }
    Write write;
    write.key = unit->Key(object->meta().namespace_.view(), object->meta().name.view());
    write.value.emplace();
    Encode(MediaType::kProtobuf, *object, *write.value);
    write.companion = std::make_shared<ObjectCompanion>(*unit, std::move(object));
    txn.compares.push_back({write.key, expected});
    txn.writes.push_back(std::move(write));
  }
  return txn;
}

}  // namespace

Status Bootstrap(Core& core) {
  Result<std::vector<ObjectPtr>> policy = ParseRbacPolicy(kRbacPolicy);
  if (!policy) return policy.status();
  std::vector<ObjectPtr> objects = BootstrapObjects(core.options.service_cluster_ip_range);
  for (ObjectPtr& object : *policy) objects.push_back(std::move(object));
  Result<Transaction> txn = Missing(core, std::move(objects));
  if (!txn) return txn.status();
  if (txn->writes.empty()) return {};
  Result<CommitResult> result = core.store.Commit(*std::move(txn));
  // Without space a cluster that exists comes up nevertheless, so that its objects can be read and deleted; what is new
  // in this version waits for the next start.
  if (result.status().code() == Code::kNoSpace && core.cache.snapshot()->revision > 1) {
    core.log.Warning("bootstrap objects could not be written", {{"error", result.status().message()}});
    return {};
  }
  if (!result) return result.status();
  if (!result->succeeded) return {Code::kUnavailable, "another API server is starting on the same store"};
  return {};
}

void RestoreBootstrapObjects(Core& core) {
  Result<Transaction> txn = Missing(core, BootstrapObjects(core.options.service_cluster_ip_range));
  if (!txn || txn->writes.empty()) return;
  core.store.Commit(*std::move(txn), [](const Result<CommitResult>&) {});  // if it fails, the next time may not
}

}  // namespace minikube::api
