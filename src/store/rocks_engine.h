// The engine on RocksDB; the format is in format.h and docs/store.md.
#pragma once

#include <memory>

#include "store/engine.h"

namespace rocksdb {
class Env;
}

namespace minikube::store {

// `env` is RocksDB's world (files, clock): the seam for fault injection. Borrowed; null = the real one.
Result<OpenedEngine> OpenRocksEngine(const StoreOptions& options, rocksdb::Env* env);

}  // namespace minikube::store
