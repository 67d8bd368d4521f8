// Snapshot files in RocksDB's world of files, which tests make fail. `env` is borrowed.
#pragma once

#include <memory>
#include <string>

#include <rocksdb/env.h>

#include <minikube/store_tools.h>

#include "store/snapshot_codec.h"

namespace minikube::store {

Result<std::unique_ptr<SnapshotFile>> NewSnapshotFile(rocksdb::Env& env, const std::string& path);
// Decodes a whole file. Errors: as CheckSnapshot, and those of `record`.
Result<SnapshotInfo> ReadSnapshotFile(rocksdb::Env& env, const std::string& path, SnapshotDecoder& decoder);

}  // namespace minikube::store
