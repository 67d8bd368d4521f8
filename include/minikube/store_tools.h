// Tools for stores and their snapshots, for people who look after them; `minikube store` is made of these.
//
// A snapshot file holds everything a store holds at one revision. It is of either kind of store and can be restored
// into either. Files appear whole or not at all: they are written beside their place, synced and renamed.
// Thread safety: any thread; each call blocks until it is done.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <minikube/env.h>
#include <minikube/status.h>
#include <minikube/store.h>
#include <minikube/store_admin.h>

namespace minikube {

struct SnapshotInfo {
  Revision revision = 0;
  Revision compact_revision = 0;
  std::int64_t records = 0;
  std::uint64_t bytes = 0;  // of the file
};

// Takes a snapshot's bytes as they come and leaves them in a file, if they are a whole, undamaged snapshot.
class SnapshotFile {
 public:
  virtual ~SnapshotFile() = default;  // without Finish nothing is left
  // Errors: kInvalid (damaged), kNoSpace and kUnavailable (cannot be written), naming the file.
  virtual Status Append(std::string_view bytes) = 0;
  // After the last byte. A file that was there is replaced.
  virtual Result<SnapshotInfo> Finish() = 0;
};
Result<std::unique_ptr<SnapshotFile>> NewSnapshotFile(const std::string& path);

// All of a reader, into a file.
Result<SnapshotInfo> SaveSnapshot(SnapshotReader& reader, const std::string& path);
// Reads a snapshot file and verifies it. Errors: kNotFound, kInvalid (damaged, cut, of a later format), naming the
// file.
Result<SnapshotInfo> CheckSnapshot(const std::string& path);

struct RestoreOptions {
  // The restored store goes on this much above the snapshot's revision, with everything up to there compacted. Watches
  // and lists of clients who saw more than the snapshot has then get kExpired and begin anew, instead of taking new
  // revisions for those they know. 0: the restored store is exactly the snapshot, and watches resume within its
  // history.
  Revision bump_revision = 0;
};

// Makes the store at options.path of a snapshot file. Everything is verified before the store appears; a restore that
// was cut off leaves nothing that looks like a store, and can be repeated. Errors: as CheckSnapshot; kAlreadyExists
// (options.path is not empty), kUnavailable and kNoSpace (cannot be written).
Result<SnapshotInfo> RestoreStore(const std::string& snapshot, const StoreOptions& options,
                                  const RestoreOptions& restore = {});
// The same into memory.
Result<std::unique_ptr<Store>> RestoreMemoryStore(const std::string& snapshot, Env& env, StoreOptions options = {},
                                                  const RestoreOptions& restore = {});

// Whether a process has the store in this directory open. Errors: kNotFound (there is no store), kUnavailable.
Result<bool> StoreInUse(const std::string& path);
// A stopped store, looked at without changing it. Errors: kNotFound; kConflict (in use); kUnavailable (so damaged that
// it cannot be opened), naming the file.
Result<StoreReport> ExamineStore(const StoreOptions& options, StoreAdmin::Depth depth);
Result<SnapshotInfo> SnapshotStore(const StoreOptions& options, const std::string& file);

// The form of `minikube store status -o json` and of /debug/store/status; with `verified`, of check.
std::string ToJson(const StoreReport& report, bool verified);

}  // namespace minikube
