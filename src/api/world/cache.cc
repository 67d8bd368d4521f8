#include "api/world/cache.h"

#include <limits>

#include <minikube/codec.h>

#include "api/world/companion.h"
#include "api/world/range_end.h"
#include "model/managed_fields.h"

namespace minikube::api {

// A batch of changes on its way into the next world.
struct Cache::Batch {
  explicit Batch(const World& from) : world(from), kinds(from.kinds) {}
  World world;
  KindMaps<ObjectTable>::Editor kinds;
  std::vector<KindChange> changes;
  std::vector<const StoredKind*> retired;
  bool custom_changes = false;
};

Cache::Cache(std::shared_ptr<const Catalogue> built_in, CatalogueMaker catalogue_of, Store& store, WatchHub& hub,
             Logger log)
    : catalogue_of_(std::move(catalogue_of)),
      definitions_(built_in->Get("apiextensions.k8s.io", "customresourcedefinitions").index),
      store_(store),
      hub_(hub),
      log_(std::move(log)) {
  auto world = std::make_shared<World>();
  KindMaps<ObjectTable>::Editor kinds(world->kinds);
  for (const StoredKind* kind : built_in->kinds()) kinds[kind->index] = ObjectTable(kind->indexes);
  world->kinds = kinds.Done();
  world->catalogue = std::move(built_in);
  world_ = std::move(world);
}

Result<ObjectRef> Cache::DecodeStored(const StoredKind& kind, std::string_view value, Revision revision) {
  // Kubernetes writes built-in kinds as protobuf; JSON (which starts with a brace) is what older versions wrote.
  const MediaType type = value.starts_with('{') ? MediaType::kJson : MediaType::kProtobuf;
  Result<ObjectPtr> object = Decode(type, value, kind.message);
  // An object keeps the version it was written in.
  for (std::size_t i = 0; !object && i < kind.versions.size(); ++i) object = Decode(type, value, kind.versions[i]);
  if (!object) return object.status();
  (*object)->mutable_meta().resourceVersion = std::to_string(revision);
  ShareManagedFields((*object)->mutable_meta().managedFields);
  if (kind.strategy.share != nullptr) kind.strategy.share(**object);
  return std::move(object).value().Freeze();
}

Result<ObjectTable> Cache::ReadKind(const StoredKind& kind, Revision revision) {
  RangeOptions options;
  options.end = RangeEnd(kind.prefix);
  options.revision = revision;
  Result<RangeResult> range = store_.Range(kind.prefix, options);
  if (!range) return range.status();
  std::vector<Entry> entries;
  entries.reserve(range->kvs.size());
  for (const KeyValue& kv : range->kvs) {
    Result<ObjectRef> object = DecodeStored(kind, kv.value, kv.mod_revision);
    if (!object) return Status(Code::kInternal, object.status().WithContext("stored under " + kv.key).message());
    entries.push_back({std::move(object).value(), kv.mod_revision});
  }
  return ObjectTable::FromSorted(std::move(entries), kind.indexes);
}

Status Cache::Load() {
  // Subscribed first, so nothing falls between reading and following: what comes meanwhile waits for apply_mu_, and is
  // skipped by its revision if it was read already. The queue never holds more than a batch or two: it is drained where
  // it is filled.
  std::lock_guard applying(apply_mu_);
  subscription_ = store_.bus().Subscribe(std::numeric_limits<std::size_t>::max(), [this] { Drain(); });
  auto world = std::make_shared<World>(*snapshot());
  world->revision = store_.revision();
  KindMaps<ObjectTable>::Editor kinds(world->kinds);
  const auto read = [&](const StoredKind& kind) -> Status {
    Result<ObjectTable> table = ReadKind(kind, world->revision);
    if (!table) return table.status();
    kinds[kind.index] = std::move(table).value();
    return {};
  };
  for (const StoredKind* kind : world->catalogue->kinds()) MINIKUBE_RETURN_IF_ERROR(read(*kind));
  world->catalogue = catalogue_of_(kinds[definitions_].objects());
  for (const Catalogue::Custom& custom : world->catalogue->custom()) MINIKUBE_RETURN_IF_ERROR(read(*custom.kind));
  world->kinds = kinds.Done();
  hub_.Start(world->revision);
  std::lock_guard lock(mu_);
  world_ = std::move(world);
  return {};
}

void Cache::OnCustomChanges(Function<void()> changed) {
  std::lock_guard applying(apply_mu_);
  on_custom_changes_ = std::move(changed);
}

void Cache::Drain() {
  std::lock_guard applying(apply_mu_);
  bool lost = false;
  for (const EventBus<Change>::Batch& changes : subscription_.Drain(lost)) {
    Batch batch(*snapshot());
    Apply(*changes, batch);
    batch.world.kinds = batch.kinds.Done();
    const Revision revision = batch.world.revision;
    auto world = std::make_shared<const World>(std::move(batch.world));
    {
      std::lock_guard lock(mu_);
      world_ = std::move(world);
    }
    hub_.Publish(std::move(batch.changes), revision);
    for (const StoredKind* kind : batch.retired) hub_.Retire(*kind);
    if (batch.custom_changes && on_custom_changes_) on_custom_changes_();
  }
}

void Cache::Apply(const std::vector<Change>& changes, Batch& batch) {
  batch.changes.reserve(changes.size());
  const Revision known = batch.world.revision;
  for (const Change& change : changes) {
    if (change.kv.mod_revision <= known) continue;  // read by Load already
    batch.world.revision = std::max(batch.world.revision, change.kv.mod_revision);
    const auto* companion = dynamic_cast<const ObjectCompanion*>(change.companion.get());
    const StoredKind* kind =
        companion != nullptr ? &companion->kind() : batch.world.catalogue->FindByKey(change.kv.key);
    if (kind == nullptr) continue;  // not an object: a range allocation, another program's key
    ApplyTo(*kind, change, batch);
    if (kind->index == definitions_) ServeDefinitions(batch);
    batch.custom_changes |= kind->index == definitions_ || (kind->custom && change.type == Change::Type::kDelete);
  }
}

// A definition that came or went is followed at once: what comes next in the batch may be an object of its kind. A kind
// begins without objects, since a definition goes only after they have gone.
void Cache::ServeDefinitions(Batch& batch) {
  const std::shared_ptr<const Catalogue> before = std::exchange(batch.world.catalogue, nullptr);
  batch.world.catalogue = catalogue_of_(batch.kinds[definitions_].objects());
  for (const Catalogue::Custom& custom : before->custom()) {
    if (batch.world.catalogue->FindByKey(custom.kind->prefix) != nullptr) continue;
    batch.kinds[custom.kind->index] = ObjectTable();
    batch.retired.push_back(custom.kind);
  }
}

void Cache::ApplyTo(const StoredKind& kind, const Change& change, Batch& batch) {
  const auto* companion = dynamic_cast<const ObjectCompanion*>(change.companion.get());
  const Revision revision = change.kv.mod_revision;
  ObjectTable& table = batch.kinds[kind.index];
  std::string_view path = std::string_view(change.kv.key).substr(kind.prefix.size());
  NameKey key;
  if (const std::size_t slash = path.find('/'); slash != std::string_view::npos) {
    key = {path.substr(0, slash), path.substr(slash + 1)};
  } else {
    key.name = path;
  }
  const Entry* before = table.Find(key);
  const ObjectRef previous = before != nullptr ? before->object : nullptr;

  if (change.type == Change::Type::kDelete) {
    if (previous.get() == nullptr) return;
    ObjectRef last = companion != nullptr ? companion->object() : nullptr;
    if (last.get() == nullptr) {
      ObjectPtr copy = ObjectPtr::Clone(*previous);
      copy->mutable_meta().resourceVersion = std::to_string(revision);
      last = std::move(copy).Freeze();
    }
    table.Erase(key);
    batch.changes.push_back({&kind, {std::move(last), previous, true, revision}});
    return;
  }
  ObjectRef object = companion != nullptr ? companion->object() : nullptr;
  if (object.get() == nullptr) {
    Result<ObjectRef> decoded = DecodeStored(kind, change.kv.value, revision);
    if (!decoded) {
      log_.Error("a stored value is no object of its type; it stays invisible",
                 {{"key", change.kv.key}, {"error", decoded.status().message()}});
      return;
    }
    object = std::move(decoded).value();
  }
  table.Set({object, revision});
  batch.changes.push_back({&kind, {std::move(object), previous, false, revision}});
}

}  // namespace minikube::api
