#include "simulation/truth.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "api/world/cache.h"
#include "api/world/companion.h"
#include "simulation/promises.h"

namespace minikube::simulation {
namespace {

const std::string kNoEnd(1, '\0');

std::uint64_t HashOf(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace

Truth::Truth(const api::Catalogue& registry, Verdict& verdict)
    : registry_(registry), verdict_(verdict), units_(registry.kinds().size()) {}

void Truth::Attach(Store& store) {
  subscription_ = store.bus().Subscribe(std::numeric_limits<std::size_t>::max(), [this] { Drain(); });
  if (store.revision() < revision_) {
    return verdict_.Broken(kNothingLost, "the store is at revision {} after {} was published", store.revision(),
                           revision_);
  }
  // What became durable in the last life, and was not published any more.
  const Result<Store::History> missed = store.Replay("", kNoEnd, revision_ + 1, 0);
  if (!missed) return verdict_.Broken(kHistoryReadable, "{}", missed.status().ToString());
  for (const Change& change : missed->changes) Take(change);
  Audit(store, std::numeric_limits<std::uint64_t>::max());
}

void Truth::Drain() {
  bool lost = false;
  for (const auto& batch : subscription_.Drain(lost)) {
    for (const Change& change : *batch) Take(change);
  }
  if (lost) verdict_.Broken(kBusInOrder, "an unbounded subscriber lost its place");
}

void Truth::Take(const Change& change) {
  const Revision revision = change.kv.mod_revision;
  if (revision != revision_ && revision != revision_ + 1) {
    verdict_.Broken(kBusInOrder, "revision {} of {} comes after {}", revision, change.kv.key, revision_);
  }
  revision_ = std::max(revision_, revision);
  const bool deleted = change.type == Change::Type::kDelete;
  raw_.push_back({revision, change.kv.key, HashOf(change.kv.value), deleted});

  const api::StoredKind* unit = registry_.FindByKey(change.kv.key);
  if (unit == nullptr) return;  // not an object
  PerUnit& of = units_[unit->index];
  const auto* companion = dynamic_cast<const api::ObjectCompanion*>(change.companion.get());
  TruthChange out;
  out.revision = revision;
  if (!deleted) {
    out.after = companion != nullptr ? companion->object() : nullptr;
    if (!out.after) {
      Result<ObjectRef> decoded = api::Cache::DecodeStored(*unit, change.kv.value, revision);
      if (!decoded) return verdict_.Broken(kHistoryReadable, "{}: {}", change.kv.key, decoded.status().ToString());
      out.after = *std::move(decoded);
    }
    ObjectRef& slot = of.objects[ObjectKey::Of(*out.after)];
    out.before = std::exchange(slot, out.after);
  } else {
    std::string_view path = std::string_view(change.kv.key).substr(unit->prefix.size());
    const std::size_t slash = path.find('/');
    const ObjectKey key = slash == std::string_view::npos ? ObjectKey{Str(), path}
                                                          : ObjectKey{path.substr(0, slash), path.substr(slash + 1)};
    const auto it = of.objects.find(key);
    if (it == of.objects.end()) {
      return verdict_.Broken(kBusInOrder, "revision {} deletes {}, which does not exist", revision, change.kv.key);
    }
    out.before = std::move(it->second);
    of.objects.erase(it);
  }
  of.changes.push_back(out);
  for (const Listener& listener : listeners_) listener(*unit, out);
}

void Truth::Audit(const Store& store, std::uint64_t pick) {
  const Revision oldest = std::max<Revision>(1, store.status().compact_revision);
  const auto span = static_cast<std::uint64_t>(revision_ - oldest + 1);
  const Revision at =
      pick == std::numeric_limits<std::uint64_t>::max() ? revision_ : oldest + static_cast<Revision>(pick % span);
  std::map<std::string_view, const Raw*> expected;
  std::size_t next = 0;
  for (; next < raw_.size() && raw_[next].revision <= at; ++next) {
    const Raw& raw = raw_[next];
    if (raw.deleted) {
      expected.erase(raw.key);
    } else {
      expected[raw.key] = &raw;
    }
  }
  RangeOptions options;
  options.end = kNoEnd;
  options.revision = at;
  const Result<RangeResult> range = store.Range("", options);
  if (!range) return verdict_.Broken(kHistoryReadable, "at revision {}: {}", at, range.status().ToString());
  auto want = expected.begin();
  for (const KeyValue& kv : range->kvs) {
    if (want == expected.end() || want->first != kv.key || want->second->revision != kv.mod_revision ||
        want->second->value != HashOf(kv.value)) {
      return verdict_.Broken(kHistoryReadable, "at revision {} there is {} of revision {} instead of {}", at, kv.key,
                             kv.mod_revision, want == expected.end() ? "nothing" : want->first);
    }
    ++want;
  }
  if (want != expected.end()) {
    return verdict_.Broken(kHistoryReadable, "at revision {} {} is missing", at, want->first);
  }
  if (at <= store.status().compact_revision) return;
  const Result<Store::History> history = store.Replay("", kNoEnd, at + 1, 0);
  if (!history) return verdict_.Broken(kHistoryReadable, "from {}: {}", at + 1, history.status().ToString());
  for (const Change& change : history->changes) {
    if (next == raw_.size()) break;
    const Raw& raw = raw_[next++];
    if (raw.revision != change.kv.mod_revision || raw.key != change.kv.key ||
        raw.deleted != (change.type == Change::Type::kDelete)) {
      return verdict_.Broken(kHistoryReadable, "the history has revision {} of {} instead of {} of {}",
                             change.kv.mod_revision, change.kv.key, raw.revision, raw.key);
    }
  }
  if (next != raw_.size())
    verdict_.Broken(kHistoryReadable, "the history ends before revision {}", raw_[next].revision);
}

ObjectRef Truth::Find(const api::StoredKind& unit, const ObjectKey& key) const {
  const auto& objects = units_[unit.index].objects;
  const auto it = objects.find(key);
  return it == objects.end() ? ObjectRef() : it->second;
}

const TruthChange* Truth::At(const api::StoredKind& unit, Revision revision, const ObjectKey& key) const {
  const std::vector<TruthChange>& all = changes(unit);
  auto it = std::lower_bound(all.begin(), all.end(), revision,
                             [](const TruthChange& change, Revision r) { return change.revision < r; });
  for (; it != all.end() && it->revision == revision; ++it) {
    if (ObjectKey::Of(it->object()) == key) return &*it;
  }
  return nullptr;
}

}  // namespace minikube::simulation
