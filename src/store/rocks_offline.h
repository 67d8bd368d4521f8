// Stores that no server has open: looked at without changing them, and made of snapshots. The seam for faults is
// RocksDB's Env, as in rocks_engine.h; null = the real one.
#pragma once

#include <memory>
#include <string>

#include <minikube/store_tools.h>

#include "store/engine.h"

namespace rocksdb {
class Env;
}

namespace minikube::store {

// Whether somebody holds the directory's LOCK. Errors: as StoreInUse.
Result<bool> InUse(const std::string& path, rocksdb::Env* env);

// The image of a stopped store, which is locked until the image goes. Errors: as ExamineStore.
class OfflineStore {
 public:
  virtual ~OfflineStore() = default;
  virtual Result<std::unique_ptr<EngineImage>> Image() = 0;
  virtual std::uint64_t DiskBytes() const = 0;
};
Result<std::unique_ptr<OfflineStore>> OpenOffline(const StoreOptions& options, rocksdb::Env* env);

Result<SnapshotInfo> Restore(const std::string& snapshot, const StoreOptions& options, const RestoreOptions& restore,
                             rocksdb::Env* env);

// What a snapshot's record becomes in the restored store: as it is, changed, or left out (false). The bumped compacted
// revision is not among the records.
bool Restored(std::string_view key, const RestoreOptions& restore);
// The revision of the restored store. Errors: kBadRequest (negative, or more than a revision can be).
Result<Revision> RestoredRevision(Revision snapshot, const RestoreOptions& restore);

}  // namespace minikube::store
