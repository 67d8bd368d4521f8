// A consistent view of the RocksDB database under a store, for whoever reads all of it or its state.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <rocksdb/db.h>

#include "store/engine.h"

namespace minikube::store {

// RocksDB names the file and the cause in its text. kNoSpace if that is the cause, kUnavailable otherwise.
Status ToStatus(const rocksdb::Status& status, std::string_view path);
Status Malformed(std::string_view path, std::string_view what);
inline std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
inline rocksdb::Slice ToSlice(std::string_view view) { return {view.data(), view.size()}; }

// Whether the database is a store of the version that we read, by kFormatKey. kNotFound: it is empty.
Status CheckFormat(rocksdb::DB& db, const std::string& path);

// As of now. `db` outlives it.
Result<std::unique_ptr<EngineImage>> NewRocksImage(rocksdb::DB& db, const std::string& path);

}  // namespace minikube::store
