#include "api/bootstrap/bootstrap.h"

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>
#include <minikube/api/rbac/v1.h>
#include <minikube/codec.h>

#include "api/world/companion.h"
#include "model/defaulting.h"

namespace minikube::api {

namespace {

const StoredKind* UnitOf(const Catalogue& catalogue, const MessageDesc& message) {
  for (const StoredKind* kind : catalogue.kinds()) {
    if (kind->message == &message) return kind;
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

// Gives a new object what every object has.
void StampNew(const Core& core, Object& object) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(core.env.clock().Now().time_since_epoch()).count();
  object.mutable_meta().uid = NewUid(core.env.random());
  object.mutable_meta().creationTimestamp = {Instant::FromUnixMicros(seconds * 1'000'000)};
  ApplyDefaults(object);
}

void AddWrite(Transaction& txn, const StoredKind& kind, ObjectPtr object, Revision expected) {
  object->mutable_meta().resourceVersion = {};
  Write write;
  write.key = kind.Key(object->meta().namespace_.view(), object->meta().name.view());
  write.value.emplace();
  Encode(MediaType::kProtobuf, *object, *write.value);
  write.companion = std::make_shared<ObjectCompanion>(kind, std::move(object));
  txn.compares.push_back({write.key, expected});
  txn.writes.push_back(std::move(write));
}

// The transaction that makes those of `objects` that are missing and completes those that are there.
Result<Transaction> Missing(Core& core, std::vector<ObjectPtr> objects) {
  const Snapshot world = core.cache.snapshot();
  Transaction txn;
  for (ObjectPtr& object : objects) {
    const StoredKind* kind = UnitOf(*core.built_in, object->desc());
    if (kind == nullptr) return Status(Code::kInternal, "a bootstrap object is of a kind that is not stored");
    const meta::v1::ObjectMeta& meta = object->meta();
    Revision expected = 0;
    if (const Entry* entry = world->Find(kind->index, meta.namespace_.view(), meta.name.view())) {
      ObjectPtr next = Reconciled(*entry->object, *object);
      if (!next) continue;
      object = std::move(next);
      expected = entry->revision;
    } else {
      StampNew(core, *object);
    }
    AddWrite(txn, *kind, std::move(object), expected);
  }
  return txn;
}

// Whether no API server has started on the store before: the namespace `default` is made in the first transaction.
bool IsNew(const Core& core) {
  const Snapshot world = core.cache.snapshot();
  return world->Find(core.built_in->Get("", "namespaces").index, {}, "default") == nullptr;
}

constexpr std::string_view kServerName = "kubernetes";

// The stored object, or a new one of that name.
template <typename T>
T StoredOrNew(const Entry* entry) {
  T out;
  if (entry != nullptr) out = entry->object->As<T>();
  out.metadata.namespace_ = "default";
  out.metadata.name = kServerName;
  return out;
}

core::v1::Endpoints EndpointsFor(const ServerAddress& server, const Entry* entry) {
  auto out = StoredOrNew<core::v1::Endpoints>(entry);
  // Its EndpointSlice is made here, so nobody needs to mirror it.
  out.metadata.labels["endpointslice.kubernetes.io/skip-mirror"] = "true";
  core::v1::EndpointSubset subset;
  core::v1::EndpointAddress address;
  address.ip = server.ip;
  subset.addresses.push_back(std::move(address));
  core::v1::EndpointPort port;
  port.name = "https";
  port.port = server.port;
  port.protocol = "TCP";
  subset.ports.push_back(std::move(port));
  out.subsets = {std::move(subset)};
  return out;
}

discovery::v1::EndpointSlice SliceFor(const ServerAddress& server, const Entry* entry) {
  auto out = StoredOrNew<discovery::v1::EndpointSlice>(entry);
  out.metadata.labels["kubernetes.io/service-name"] = kServerName;
  out.addressType = server.ip.find(':') == std::string::npos ? "IPv4" : "IPv6";
  discovery::v1::Endpoint endpoint;
  endpoint.addresses.push_back(Str(server.ip));
  endpoint.conditions.ready = true;
  out.endpoints = {std::move(endpoint)};
  discovery::v1::EndpointPort port;
  port.name = "https";
  port.port = server.port;
  port.protocol = "TCP";
  out.ports = {std::move(port)};
  return out;
}

// What is to be written for the object of `kind` to be as `make` says, or, without a server, not to be.
template <typename Make>
void Correct(const Core& core, const World& world, const StoredKind& kind, Make make, Transaction& txn) {
  const Entry* entry = world.Find(kind.index, "default", kServerName);
  const std::optional<ServerAddress> server = core.server_address();
  if (!server) {
    if (entry == nullptr) return;
    Write removal;
    removal.key = kind.Key("default", kServerName);
    txn.compares.push_back({removal.key, entry->revision});
    txn.writes.push_back(std::move(removal));
    return;
  }
  ObjectPtr next = ObjectPtr::Of(make(*server, entry));
  if (entry == nullptr) StampNew(core, *next);
  if (entry != nullptr && Equal(*next, *entry->object)) return;
  AddWrite(txn, kind, std::move(next), entry != nullptr ? entry->revision : 0);
}

Transaction Corrections(const Core& core) {
  const Snapshot world = core.cache.snapshot();
  Transaction txn;
  Correct(core, *world, core.built_in->Get("", "endpoints"), EndpointsFor, txn);
  Correct(core, *world, core.built_in->Get("discovery.k8s.io", "endpointslices"), SliceFor, txn);
  return txn;
}

}  // namespace

Status Bootstrap(Core& core) {
  Result<std::vector<ObjectPtr>> policy = ParseRbacPolicy(kRbacPolicy);
  if (!policy) return policy.status();
  std::vector<ObjectPtr> objects = BootstrapObjects(core.options.service_cluster_ip_range);
  for (ObjectPtr& object : *policy) objects.push_back(std::move(object));
  if (IsNew(core)) {
    std::vector<ObjectPtr> first = FirstObjects();
    for (ObjectPtr& object : first) objects.push_back(std::move(object));
  }
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

Status PublishServerAddress(Core& core) {
  Transaction txn = Corrections(core);
  if (txn.writes.empty()) return {};
  // Somebody who changes them at the same time will see them changed back.
  const Status status = core.store.Commit(std::move(txn)).status();
  if (status.code() != Code::kNoSpace) return status;
  core.log.Warning("the server's address could not be written", {{"error", status.message()}});
  return {};
}

void RestoreServerAddress(Core& core) {
  Transaction txn = Corrections(core);
  if (txn.writes.empty()) return;
  core.store.Commit(std::move(txn), [](const Result<CommitResult>&) {});  // if it fails, the next time may not
}

void RestoreBootstrapObjects(Core& core) {
  Result<Transaction> txn = Missing(core, BootstrapObjects(core.options.service_cluster_ip_range));
  if (!txn || txn->writes.empty()) return;
  core.store.Commit(*std::move(txn), [](const Result<CommitResult>&) {});  // if it fails, the next time may not
}

}  // namespace minikube::api
