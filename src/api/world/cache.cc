#include "api/world/cache.h"

#include <limits>

#include <minikube/codec.h>

#include "api/world/companion.h"
#include "api/world/range_end.h"
#include "model/managed_fields.h"

namespace minikube::api {

Cache::Cache(const Registry& registry, Store& store, WatchHub& hub, Logger log)
    : registry_(registry), store_(store), hub_(hub), log_(std::move(log)) {
  world_ = NewWorld();
}

std::shared_ptr<World> Cache::NewWorld() const {
  auto world = std::make_shared<World>();
  world->kinds.reserve(registry_.kinds().size());
  for (const StoredKind& kind : registry_.kinds()) world->kinds.emplace_back(kind.indexes);
  return world;
}

Result<ObjectRef> Cache::DecodeStored(const StoredKind& kind, std::string_view value, Revision revision) {
  // Kubernetes writes built-in kinds as protobuf; JSON (which starts with a brace) is what older versions wrote.
  const MediaType type = value.starts_with('{') ? MediaType::kJson : MediaType::kProtobuf;
  Result<ObjectPtr> object = Decode(type, value, kind.message);
  if (!object) return object.status();
  (*object)->mutable_meta().resourceVersion = std::to_string(revision);
  ShareManagedFields((*object)->mutable_meta().managedFields);
  if (kind.strategy.share != nullptr) kind.strategy.share(**object);
  return std::move(object).value().Freeze();
}

Status Cache::Load() {
  // Subscribed first, so nothing falls between reading and following: what comes meanwhile waits for apply_mu_, and is
  // skipped by its revision if it was read already. The queue never holds more than a batch or two: it is drained where
  // it is filled.
  std::lock_guard applying(apply_mu_);
  subscription_ = store_.bus().Subscribe(std::numeric_limits<std::size_t>::max(), [this] { Drain(); });
  auto world = NewWorld();
  world->revision = store_.revision();
  for (const StoredKind& kind : registry_.kinds()) {
    RangeOptions options;
    options.end = RangeEnd(kind.prefix);
    options.revision = world->revision;
    Result<RangeResult> range = store_.Range(kind.prefix, options);
    if (!range) return range.status();
    std::vector<Entry> entries;
    entries.reserve(range->kvs.size());
    for (const KeyValue& kv : range->kvs) {
      Result<ObjectRef> object = DecodeStored(kind, kv.value, kv.mod_revision);
      if (!object) return Status(Code::kInternal, object.status().WithContext("stored under " + kv.key).message());
      entries.push_back({std::move(object).value(), kv.mod_revision});
    }
    world->kinds[kind.index] = ObjectTable::FromSorted(std::move(entries), kind.indexes);
  }
  hub_.Start(world->revision);
  std::lock_guard lock(mu_);
  world_ = std::move(world);
  return {};
}

void Cache::Drain() {
  std::lock_guard applying(apply_mu_);
  bool lost = false;
  for (const EventBus<Change>::Batch& batch : subscription_.Drain(lost)) {
    auto world = std::make_shared<World>(*snapshot());
    std::vector<KindEvent> events;
    Apply(*batch, *world, events);
    const Revision revision = world->revision;
    {
      std::lock_guard lock(mu_);
      world_ = std::move(world);
    }
    hub_.Publish(events, revision);
  }
}

void Cache::Apply(const std::vector<Change>& changes, World& world, std::vector<KindEvent>& events) {
  events.reserve(changes.size());
  const Revision known = world.revision;
  for (const Change& change : changes) {
    const Revision revision = change.kv.mod_revision;
    if (revision <= known) continue;  // read by Load already
    const auto* companion = dynamic_cast<const ObjectCompanion*>(change.companion.get());
    const StoredKind* kind = companion != nullptr ? &companion->kind() : registry_.FindByKey(change.kv.key);
    world.revision = std::max(world.revision, revision);
    if (kind == nullptr) continue;  // not an object: a range allocation, another program's key

    ObjectTable& table = world.kinds[kind->index];
    std::string_view path = std::string_view(change.kv.key).substr(kind->prefix.size());
    NameKey key;
    if (const std::size_t slash = path.find('/'); slash != std::string_view::npos) {
      key = {path.substr(0, slash), path.substr(slash + 1)};
    } else {
      key.name = path;
    }
    const Entry* before = table.Find(key);
    const ObjectRef previous = before != nullptr ? before->object : nullptr;

    if (change.type == Change::Type::kDelete) {
      if (previous.get() == nullptr) continue;
      ObjectRef last = companion != nullptr ? companion->object() : nullptr;
      if (last.get() == nullptr) {
        ObjectPtr copy = ObjectPtr::Clone(*previous);
        copy->mutable_meta().resourceVersion = std::to_string(revision);
        last = std::move(copy).Freeze();
      }
      table.Erase(key);
      events.push_back({kind, std::make_shared<const ChangeEvent>(std::move(last), previous, true, revision)});
      continue;
    }
    ObjectRef object = companion != nullptr ? companion->object() : nullptr;
    if (object.get() == nullptr) {
      Result<ObjectRef> decoded = DecodeStored(*kind, change.kv.value, revision);
      if (!decoded) {
        log_.Error("a stored value is no object of its type; it stays invisible",
                   {{"key", change.kv.key}, {"error", decoded.status().message()}});
        continue;
      }
      object = std::move(decoded).value();
    }
    table.Set({object, revision});
    events.push_back({kind, std::make_shared<const ChangeEvent>(std::move(object), previous, false, revision)});
  }
}

}  // namespace minikube::api
