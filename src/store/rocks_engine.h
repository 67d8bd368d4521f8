// The engine on RocksDB; the format is in format.h and docs/store.md.
#pragma once

#include <memory>

#include "store/engine.h"

namespace rocksdb {
class FileSystem;
}

namespace minikube::store {

struct OpenedEngine {
  std::unique_ptr<Engine> engine;
  EngineState state;
};

// `files` is where RocksDB reads and writes: the seam for fault injection. Null = the real file system.
Result<OpenedEngine> OpenRocksEngine(const StoreOptions& options, std::shared_ptr<rocksdb::FileSystem> files);

}  // namespace minikube::store
