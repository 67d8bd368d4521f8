#include "store/memory_engine.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <utility>

#include "store/format.h"

namespace minikube::store {
namespace {

struct Version {
  VersionInfo info;
  Revision revision = 0;
  bool deleted = false;
  std::string value;
};

using Versions = std::vector<Version>;  // by revision
using Keys = std::map<std::string, Versions, std::less<>>;

struct LoggedWrite {
  Keys::const_iterator key;  // not erased before this log entry is
  Revision previous = 0;
  bool deleted = false;
};

// The version that a read at `revision` sees, deleted or not; null if there was none yet.
const Version* At(const Versions& versions, Revision revision) {
  const auto after = std::upper_bound(versions.begin(), versions.end(), revision,
                                      [](Revision r, const Version& v) { return r < v.revision; });
  return after == versions.begin() ? nullptr : &*std::prev(after);
}

KeyValue ToKeyValue(const std::string& key, const Version& version, bool with_value) {
  return {key,
          with_value ? version.value : std::string(),
          version.info.create_revision,
          version.info.mod_revision,
          version.info.version,
          version.info.lease};
}

class MemoryEngine final : public Engine {
 public:
  Result<VersionInfo> Find(std::string_view key) override {
    std::shared_lock lock(mu_);
    const auto it = keys_.find(key);
    return it == keys_.end() || it->second.empty() ? VersionInfo() : it->second.back().info;
  }

  AppendOutcome Append(const PreparedGroup& group, Status&) override {
    std::lock_guard lock(mu_);
    for (const Lease& lease : group.granted) leases_[lease.id] = lease.ttl;
    for (const LeaseId lease : group.ended) leases_.erase(lease);
    compact_ = std::max(compact_, group.compact);
    alarm_ = group.alarm.value_or(alarm_);
    if (!group.writes.empty()) revision_ = group.writes.back().revision;
    for (const PreparedWrite& write : group.writes) {
      const auto key = keys_.try_emplace(std::string(write.key)).first;
      Version& version = key->second.emplace_back();
      version.info = write.after;
      version.revision = write.revision;
      version.deleted = write.value == nullptr;
      if (write.value != nullptr) version.value = *write.value;
      bytes_ += SizeOf(key->first, version);
      log_[write.revision].push_back({key, write.before.mod_revision, version.deleted});
      if (write.before.lease != 0) attached_.erase({write.before.lease, std::string(write.key)});
      if (write.after.lease != 0) attached_.emplace(write.after.lease, write.key);
    }
    return AppendOutcome::kAppended;
  }

  Status Sync() override { return {}; }

  Result<std::vector<std::string>> Attached(LeaseId lease, std::size_t limit) override {
    std::shared_lock lock(mu_);
    std::vector<std::string> out;
    for (auto it = attached_.lower_bound({lease, ""}); it != attached_.end() && it->first == lease; ++it) {
      if (out.size() == limit) break;
      out.push_back(it->second);
    }
    return out;
  }

  Result<RangeResult> Range(std::string_view key, const RangeOptions& options, Revision revision) const override {
    std::shared_lock lock(mu_);
    RangeResult out;
    for (auto it = keys_.lower_bound(key); it != keys_.end() && InRange(it->first, key, options.end); ++it) {
      const Version* version = At(it->second, revision);
      if (version == nullptr || version->deleted) continue;
      ++out.count;
      if (options.count_only) continue;
      if (options.limit == 0 || out.kvs.size() < options.limit) {
        out.kvs.push_back(ToKeyValue(it->first, *version, !options.keys_only));
        continue;
      }
      out.more = true;
      if (!options.exact_count) break;
    }
    return out;
  }

  Result<Store::History> Replay(std::string_view key, std::string_view end, Revision start, Revision last,
                                std::size_t limit) const override {
    std::shared_lock lock(mu_);
    Store::History out;
    for (auto it = log_.lower_bound(start); it != log_.end() && it->first <= last; ++it) {
      if (limit != 0 && out.changes.size() >= limit) {
        out.next = it->first;
        return out;
      }
      for (const LoggedWrite& write : it->second) {
        if (!InRange(write.key->first, key, end)) continue;
        Change& change = out.changes.emplace_back();
        change.kv.key = write.key->first;
        change.kv.mod_revision = it->first;
        change.type = write.deleted ? Change::Type::kDelete : Change::Type::kPut;
        if (write.deleted) continue;
        change.created = write.previous == 0;
        change.kv = ToKeyValue(write.key->first, *At(write.key->second, it->first), true);
      }
    }
    out.next = last + 1;
    return out;
  }

  Status Collect(Revision compact, std::atomic<bool>& stop) override {
    while (!stop) {
      std::lock_guard lock(mu_);  // one revision at a time: readers and the committer get their turn
      const auto first = log_.begin();
      if (first == log_.end() || first->first > compact) {
        collected_ = compact;
        return {};
      }
      for (const LoggedWrite& write : first->second) {
        Erase(write.key, write.previous);
        if (write.deleted) Erase(write.key, first->first);
        if (write.key->second.empty()) keys_.erase(write.key);
      }
      log_.erase(first);
    }
    return {};
  }

  Status Shrink(bool, std::atomic<bool>&) override { return {}; }
  std::uint64_t DiskBytes() const override {
    std::shared_lock lock(mu_);
    return bytes_;
  }
  bool HasSpace() const override { return true; }
  Result<std::unique_ptr<EngineImage>> Image() const override;
  void Close() override {}

  // Takes a record of an image, in the order of keys. False for what no image has.
  bool Load(std::string_view key, std::string_view value);
  EngineState state() const {
    EngineState out{std::max({revision_, compact_, Revision{1}}), compact_, collected_, alarm_, {}};
    for (const auto& [id, ttl] : leases_) out.leases.push_back({id, ttl});
    return out;
  }

 private:
  static std::size_t SizeOf(const std::string& key, const Version& version) {
    return sizeof(Version) + key.size() + version.value.size();
  }
  void Erase(Keys::const_iterator key, Revision revision) {
    Versions& versions = keys_.find(key->first)->second;
    const auto it =
        std::find_if(versions.begin(), versions.end(), [&](const Version& v) { return v.revision == revision; });
    if (it == versions.end()) return;
    bytes_ -= SizeOf(key->first, *it);
    versions.erase(it);
  }

  mutable std::shared_mutex mu_;  // guards all below
  Keys keys_;
  std::map<Revision, std::vector<LoggedWrite>> log_;
  std::set<std::pair<LeaseId, std::string>> attached_;
  std::map<LeaseId, Duration> leases_;
  Revision revision_ = 1;
  Revision compact_ = 0;
  Revision collected_ = 0;
  bool alarm_ = false;
  std::uint64_t bytes_ = 0;
};

// All records, encoded: a copy, so that it holds up writers only while it is made.
class MemoryImage final : public EngineImage {
 public:
  explicit MemoryImage(EngineState state) : state_(std::move(state)) {}
  void Add(std::string key, std::string value) { records_.emplace(std::move(key), std::move(value)); }

  const EngineState& state() const override { return state_; }
  Result<bool> Next(std::string_view& key, std::string_view& value) override {
    if (!next_) next_ = records_.begin();
    if (*next_ == records_.end()) return false;
    key = (*next_)->first;
    value = (*next_)->second;
    ++*next_;
    return true;
  }
  Result<std::optional<std::string>> Get(const std::string& key) const override {
    const auto it = records_.find(key);
    return it == records_.end() ? std::optional<std::string>() : std::optional(it->second);
  }
  std::vector<std::string> CheckFiles(const std::stop_token&) const override { return {}; }

 private:
  const EngineState state_;
  std::map<std::string, std::string> records_;
  std::optional<std::map<std::string, std::string>::const_iterator> next_;
};

Result<std::unique_ptr<EngineImage>> MemoryEngine::Image() const {
  std::shared_lock lock(mu_);
  auto image = std::make_unique<MemoryImage>(state());
  const auto number = [](Revision value) {
    std::string out;
    AppendRevision(value, out);
    return out;
  };
  image->Add(std::string(kFormatKey), FormatName());
  if (compact_ != 0) image->Add(std::string(kCompactKey), number(compact_));
  if (collected_ != 0) image->Add(std::string(kCollectKey), number(collected_));
  if (alarm_) image->Add(std::string(kAlarmKey), "");
  for (const auto& [id, ttl] : leases_) image->Add(LeaseKey(id), number(ttl.count()));
  for (const auto& [lease, key] : attached_) image->Add(AttachedPrefix(lease) + key, "");
  for (const auto& [revision, writes] : log_) {
    std::string record;
    for (const LoggedWrite& write : writes) AppendLogEntry({write.deleted, write.previous, write.key->first}, record);
    image->Add(LogKey(revision), std::move(record));
  }
  for (const auto& [key, versions] : keys_) {
    for (const Version& version : versions) {
      std::string name, record;
      AppendDataKey(key, version.revision, name);
      AppendDataHeader({version.deleted, version.info.create_revision, version.info.version, version.info.lease, {}},
                       record);
      image->Add(std::move(name), record + version.value);
    }
  }
  return std::unique_ptr<EngineImage>(std::move(image));
}

bool MemoryEngine::Load(std::string_view bytes, std::string_view value) {
  if (bytes.empty()) return false;
  const std::string_view rest = bytes.substr(1);
  switch (bytes.front()) {
    case kDataSpace: {
      std::string key;
      Version version;
      DataRecord record;
      if (!ParseDataKey(bytes, key, version.revision) || !ParseDataRecord(value, record)) return false;
      version.deleted = record.deleted;
      version.value = record.value;
      if (!record.deleted) {
        version.info = {version.revision, record.create_revision, record.version, record.lease};
      }
      bytes_ += SizeOf(key, version);
      Versions& versions = keys_[std::move(key)];
      versions.insert(versions.begin(), std::move(version));  // the newest comes first
      return true;
    }
    case kLeaseSpace: {
      LeaseId id = 0;
      std::int64_t ttl = 0;
      if (!ParseRevision(rest, id) || !ParseRevision(value, ttl)) return false;
      leases_[id] = Duration(ttl);
      return true;
    }
    case kAttachedSpace: {
      LeaseId id = 0;
      if (rest.size() < kRevisionBytes || !ParseRevision(rest.substr(0, kRevisionBytes), id)) return false;
      attached_.emplace(id, rest.substr(kRevisionBytes));
      return true;
    }
    case kLogSpace: {
      Revision revision = 0;
      std::vector<LogEntry> entries;
      if (!ParseRevision(rest, revision) || !ParseLogRecord(value, entries)) return false;
      revision_ = std::max(revision_, revision);
      // Up to what was collected there is nothing left to remove, and nothing to replay.
      for (const LogEntry& entry : entries) {
        const auto key = keys_.find(entry.key);
        if (key != keys_.end()) log_[revision].push_back({key, entry.previous, entry.deleted});
      }
      return true;
    }
    case kMetaSpace:
      if (bytes == kFormatKey) return value == FormatName();
      if (bytes == kCompactKey) return ParseRevision(value, compact_);
      if (bytes == kCollectKey) return ParseRevision(value, collected_);
      if (bytes == kAlarmKey) return alarm_ = true;
      return false;
    default:
      return false;
  }
}

}  // namespace

std::unique_ptr<Engine> NewMemoryEngine() { return std::make_unique<MemoryEngine>(); }

MemoryLoader::MemoryLoader() : engine_(std::make_unique<MemoryEngine>()) {}

bool MemoryLoader::Add(std::string_view key, std::string_view value) {
  return static_cast<MemoryEngine&>(*engine_).Load(key, value);
}

OpenedEngine MemoryLoader::Finish() {
  EngineState state = static_cast<MemoryEngine&>(*engine_).state();
  return {std::move(engine_), std::move(state)};
}

}  // namespace minikube::store
