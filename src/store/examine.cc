#include "store/examine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "store/format.h"

namespace minikube::store {
namespace {

constexpr std::size_t kMaxProblems = 100;
constexpr int kRecordsBetweenStops = 1024;

// One pass over the records in the order of their keys: versions ('d'), leases ('e'), attachments ('k'), the log ('l'),
// the rest ('m').
class Examiner {
 public:
  Examiner(const EngineImage& image, bool verify, StoreUsage& usage, std::vector<std::string>& problems)
      : image_(image), state_(image.state()), verify_(verify), usage_(usage), problems_(problems) {}

  Status Take(std::string_view key, std::string_view value) {
    switch (key.empty() ? '\0' : key.front()) {
      case kDataSpace:
        return Data(key, value);
      case kLeaseSpace:
        return LeaseRecord(key, value);
      case kAttachedSpace:
        return verify_ ? Attached(key) : Status();
      case kLogSpace:
        return verify_ ? Log(key, value) : Status();
      case kMetaSpace:
        if (key != kFormatKey && key != kCompactKey && key != kCollectKey && key != kAlarmKey) {
          Problem("unknown record {:?}", key);
        }
        return {};
      default:
        Problem("unknown record {:?}", key);
        return {};
    }
  }

  void End() {
    if (!verify_) return;
    if (logged_ != versions_) {
      Problem("the log names {} versions above the compacted revision, but there are {}", logged_, versions_);
    }
    if (attached_ != attached_expected_) {
      Problem("{} keys have a lease, but {} are attached to one", attached_expected_, attached_);
    }
  }

 private:
  struct Version {
    std::string key;
    Revision revision = 0;
    bool deleted = false;
    Revision create_revision = 0;
    std::int64_t version = 0;
  };

  template <typename... Args>
  void Problem(fmt::format_string<Args...> text, Args&&... args) {
    if (problems_.size() < kMaxProblems) problems_.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  Status Data(std::string_view bytes, std::string_view value) {
    Version version;
    DataRecord record;
    if (!ParseDataKey(bytes, version.key, version.revision)) {
      Problem("key {:?} cannot be decoded", bytes);
      return {};
    }
    if (!ParseDataRecord(value, record)) {
      Problem("key {:?}: its version at revision {} cannot be decoded", version.key, version.revision);
      return {};
    }
    version.deleted = record.deleted;
    version.create_revision = record.create_revision;
    version.version = record.version;
    const bool newest = !newer_ || newer_->key != version.key;
    const std::uint64_t size = version.key.size() + record.value.size();
    if (newest && !record.deleted) {
      ++usage_.keys;
      usage_.bytes += size;
    } else {
      ++usage_.history;
      usage_.history_bytes += size;
    }
    if (verify_) {
      CheckVersion(version, record);
      if (!newest) CheckOrder(version, *newer_);
      if (newest && record.lease != 0) MINIKUBE_RETURN_IF_ERROR(CheckAttached(version.key, record.lease));
    }
    newer_ = std::move(version);
    return {};
  }

  void CheckVersion(const Version& v, const DataRecord& record) {
    const bool plausible = v.revision >= 2 && v.revision <= state_.revision;
    const bool sound =
        record.deleted ? record.create_revision == 0 && record.version == 0 && record.lease == 0 && record.value.empty()
                       : record.create_revision >= 2 && record.create_revision <= v.revision && record.version >= 1 &&
                             record.lease >= 0 && (record.version == 1) == (record.create_revision == v.revision);
    if (!plausible || !sound) Problem("key {:?}: its version at revision {} contradicts itself", v.key, v.revision);
    if (v.revision > state_.compact_revision) ++versions_;
    if (v.revision <= state_.compact_revision && state_.collected >= state_.compact_revision && record.deleted) {
      Problem("key {:?}: its deletion at revision {} should have been removed", v.key, v.revision);
    }
  }

  void CheckOrder(const Version& older, const Version& newer) {
    const bool follows =
        newer.deleted || older.deleted ? newer.deleted != older.deleted && (newer.deleted || newer.version == 1)
        : newer.version == 1           ? false
                             : newer.version == older.version + 1 && newer.create_revision == older.create_revision;
    if (!follows) {
      Problem("key {:?}: its versions at revisions {} and {} do not follow one another", older.key, older.revision,
              newer.revision);
    }
    if (newer.revision <= state_.compact_revision && state_.collected >= state_.compact_revision) {
      Problem("key {:?}: its version at revision {} should have been removed", older.key, older.revision);
    }
  }

  Status CheckAttached(const std::string& key, LeaseId lease) {
    ++attached_expected_;
    const Result<std::optional<std::string>> found = image_.Get(AttachedPrefix(lease) + key);
    if (!found) return found.status();
    if (!*found) Problem("key {:?} has lease {}, which does not know it", key, lease);
    return {};
  }

  Status LeaseRecord(std::string_view key, std::string_view value) {
    LeaseId id = 0;
    std::int64_t ttl = 0;
    if (!ParseRevision(key.substr(1), id) || !ParseRevision(value, ttl) || ttl <= 0) {
      Problem("a lease cannot be decoded: {:?}", key);
      return {};
    }
    ++usage_.leases;
    return {};
  }

  Status Attached(std::string_view bytes) {
    LeaseId id = 0;
    if (bytes.size() <= 1 + kRevisionBytes || !ParseRevision(bytes.substr(1, kRevisionBytes), id)) {
      Problem("an attachment to a lease cannot be decoded: {:?}", bytes);
      return {};
    }
    ++attached_;
    const Result<std::optional<std::string>> lease = image_.Get(LeaseKey(id));
    if (!lease) return lease.status();
    if (!*lease) {
      Problem("key {:?} is attached to lease {}, which does not exist", bytes.substr(1 + kRevisionBytes), id);
    }
    return {};
  }

  Status Log(std::string_view bytes, std::string_view value) {
    Revision revision = 0;
    if (!ParseRevision(bytes.substr(1), revision) || !ParseLogRecord(value, entries_) || entries_.empty()) {
      Problem("a log entry cannot be decoded: {:?}", bytes);
      return {};
    }
    if (revision <= state_.compact_revision) return {};  // waits to be removed
    const Revision expected = next_logged_ != 0 ? next_logged_ : std::max<Revision>(state_.compact_revision + 1, 2);
    if (revision != expected) Problem("revisions {} to {} are missing from the log", expected, revision - 1);
    next_logged_ = revision + 1;
    for (const LogEntry& entry : entries_) {
      ++logged_;
      MINIKUBE_RETURN_IF_ERROR(CheckLogged(entry, revision));
    }
    return {};
  }

  // What a revision above the compacted one wrote, and what it superseded, must both be readable.
  Status CheckLogged(const LogEntry& entry, Revision revision) {
    Result<std::optional<bool>> written = Deleted(entry.key, revision);
    if (!written) return written.status();
    if (*written != std::optional(entry.deleted)) {
      Problem("key {:?}: the log has a version at revision {} that is {}", entry.key, revision,
              *written ? "another" : "not there");
    }
    if (entry.previous == 0) {
      if (entry.deleted) Problem("key {:?}: revision {} deletes what did not exist", entry.key, revision);
      return {};
    }
    Result<std::optional<bool>> before = Deleted(entry.key, entry.previous);
    if (!before) return before.status();
    if (*before != std::optional(false) || entry.previous >= revision) {
      Problem("key {:?}: its version at revision {}, which revision {} superseded, is not there", entry.key,
              entry.previous, revision);
    }
    return {};
  }

  // Whether that version is a deletion; nullopt if there is none.
  Result<std::optional<bool>> Deleted(std::string_view key, Revision revision) {
    scratch_.clear();
    AppendDataKey(key, revision, scratch_);
    const Result<std::optional<std::string>> found = image_.Get(scratch_);
    if (!found) return found.status();
    DataRecord record;
    if (!*found || !ParseDataRecord(**found, record)) return std::optional<bool>();
    return std::optional(record.deleted);
  }

  const EngineImage& image_;
  const EngineState& state_;
  const bool verify_;
  StoreUsage& usage_;
  std::vector<std::string>& problems_;
  std::optional<Version> newer_;  // the version before, in the order of keys; newer if it is of the same key
  std::int64_t versions_ = 0;     // above the compacted revision, as are logged_
  std::int64_t logged_ = 0;
  Revision next_logged_ = 0;  // the revision that the log should have next; 0 before the first
  std::int64_t attached_ = 0;
  std::int64_t attached_expected_ = 0;
  std::vector<LogEntry> entries_;
  std::string scratch_;
};

Status Walk(EngineImage& image, Examiner& examiner, const std::stop_token& stop) {
  std::string_view key, value;
  for (int i = 0;; ++i) {
    if (i % kRecordsBetweenStops == 0 && stop.stop_requested()) return {Code::kCancelled, "the store is stopping"};
    const Result<bool> more = image.Next(key, value);
    if (!more) return more.status();
    if (!*more) break;
    MINIKUBE_RETURN_IF_ERROR(examiner.Take(key, value));
  }
  examiner.End();
  return {};
}

}  // namespace

Status Examine(EngineImage& image, StoreAdmin::Depth depth, const std::stop_token& stop, StoreUsage& usage,
               std::vector<std::string>& problems) {
  const bool verify = depth == StoreAdmin::Depth::kVerify;
  if (verify) problems = image.CheckFiles(stop);
  Examiner examiner(image, verify, usage, problems);
  Status walked = Walk(image, examiner, stop);
  if (walked.ok() || walked.code() == Code::kCancelled || !verify) return walked;
  problems.push_back(walked.message());
  return {};
}

}  // namespace minikube::store
