// Engine: where versions of keys are kept. RevisionStore (revision_store.h) decides what is written and in which order;
// an engine applies whole groups, durably, and reads at revisions. Two exist: RocksDB and memory.
//
// Thread safety: members marked "committer" are called by one thread at a time, the others from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/store.h>

namespace minikube::store {

// The newest version of a key. mod_revision 0: the key does not exist (any more).
struct VersionInfo {
  Revision mod_revision = 0;
  Revision create_revision = 0;
  std::int64_t version = 0;
  LeaseId lease = 0;
};

// One write with everything decided. `key` and `value` are borrowed for the call.
struct PreparedWrite {
  std::string_view key;
  const std::string* value = nullptr;  // null deletes
  Revision revision = 0;
  VersionInfo before;
  VersionInfo after;  // of a deletion: all zero
};

struct Lease {
  LeaseId id = 0;
  Duration ttl{0};
};

// What becomes durable together: all or nothing.
struct PreparedGroup {
  std::vector<PreparedWrite> writes;  // by revision
  std::vector<Lease> granted;
  std::vector<LeaseId> ended;
  Revision compact = 0;       // 0 = as it was
  std::optional<bool> alarm;  // nullopt = as it was
  void Clear() {
    writes.clear();
    granted.clear();
    ended.clear();
    compact = 0;
    alarm.reset();
  }
  bool empty() const { return writes.empty() && granted.empty() && ended.empty() && compact == 0 && !alarm; }
};

struct EngineState {
  Revision revision = 1;
  Revision compact_revision = 0;
  Revision collected = 0;  // what Collect has finished
  bool alarm = false;
  std::vector<Lease> leases;
};

// Everything an engine holds at one moment, durable or not, as records of the on-disk format (format.h). The engine
// outlives it.
// Thread safety: none.
class EngineImage {
 public:
  virtual ~EngineImage() = default;
  virtual const EngineState& state() const = 0;
  // Steps to the next record, in the order of keys; false after the last. The views hold until the next call.
  virtual Result<bool> Next(std::string_view& key, std::string_view& value) = 0;
  virtual Result<std::optional<std::string>> Get(const std::string& key) const = 0;
  // A problem for each file with a block whose checksum is wrong, or that cannot be read.
  virtual std::vector<std::string> CheckFiles(const std::stop_token& stop) const = 0;
};

enum class AppendOutcome : std::uint8_t {
  kAppended,
  kNoSpace,  // nothing was written, the engine is as it was, and writing may succeed once space is made
  kBroken,   // unknown what reached the disk; the engine must not be written to again
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Committer. The newest version of `key` as of the last Append.
  virtual Result<VersionInfo> Find(std::string_view key) = 0;
  // Committer. Not durable before a Sync that began afterwards has succeeded. `status` explains any outcome but
  // kAppended.
  virtual AppendOutcome Append(const PreparedGroup& group, Status& status) = 0;
  // Makes durable what was appended before the call. One call at a time, beside any other member but Close. After an
  // error, which names the file, the engine must not be written to again.
  virtual Status Sync() = 0;
  // Does ahead what the next syncs would otherwise have to, if `unprepared`, which is cheap to ask. One call at a time,
  // beside any other member but Close.
  virtual void Prepare() {}
  virtual bool unprepared() const { return false; }
  // Committer. Keys whose newest version has `lease`, at most `limit`.
  virtual Result<std::vector<std::string>> Attached(LeaseId lease, std::size_t limit) = 0;

  // `revision` is committed; the caller checks before and after that it was not compacted meanwhile.
  virtual Result<RangeResult> Range(std::string_view key, const RangeOptions& options, Revision revision) const = 0;
  // Changes with start <= revision <= last, whole revisions, until there are `limit` (0 = no limit).
  virtual Result<Store::History> Replay(std::string_view key, std::string_view end, Revision start, Revision last,
                                        std::size_t limit) const = 0;
  // Removes what no read at or above `compact` (already durable) can see. Goes on where an earlier call was cut off,
  // returns early when `stop` is set. One call at a time.
  virtual Status Collect(Revision compact, std::atomic<bool>& stop) = 0;
  // Gives space back to the file system after Collect, if it is `needed` or much would come back. One call at a time.
  virtual Status Shrink(bool needed, std::atomic<bool>& stop) = 0;

  // Cheap enough to ask once per group.
  virtual std::uint64_t DiskBytes() const = 0;
  // False when the file system is so full that what is left should go to deletions and compaction. Cheap as well.
  virtual bool HasSpace() const = 0;
  virtual Result<std::unique_ptr<EngineImage>> Image() const = 0;
  // No call may be under way or follow.
  virtual void Close() = 0;
};

struct OpenedEngine {
  std::unique_ptr<Engine> engine;
  EngineState state;
};

}  // namespace minikube::store
