// RocksDB's options for a small, durable store, each with its reason.
#pragma once

#include <memory>
#include <string>

#include <rocksdb/options.h>

#include <minikube/store.h>

namespace minikube::store {

rocksdb::Options MakeRocksOptions(const StoreOptions& options, rocksdb::Env* env);

}  // namespace minikube::store
