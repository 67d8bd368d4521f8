// LogFiles: a file system for RocksDB whose log files are written into space that was filled with zeros before.
//
// A sync after an append has to commit the file's new length to the file system's journal, and with that, on ext4, wait
// for whatever else the journal's transaction holds: other files of other processes. A sync after overwriting waits for
// nothing but the data. Recovery takes zeros for the end of the log.
#pragma once

#include <memory>

#include <rocksdb/env.h>

namespace minikube::store {

// `env` with such log files. Borrowed; it must outlive the result.
std::unique_ptr<rocksdb::Env> NewLogFilesEnv(rocksdb::Env* env);

}  // namespace minikube::store
