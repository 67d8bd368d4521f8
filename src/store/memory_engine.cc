#include "store/memory_engine.h"

#include <algorithm>
#include <map>
#include <mutex>
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
      if (first == log_.end() || first->first > compact) return {};
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
  Status Snapshot(const std::string&) override {
    return {Code::kNotImplemented, "an in-memory store cannot be copied to a directory"};
  }
  void Close() override {}

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
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Engine> NewMemoryEngine() { return std::make_unique<MemoryEngine>(); }

}  // namespace minikube::store
