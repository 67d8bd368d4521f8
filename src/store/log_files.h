// LogFiles: how RocksDB's log is written. What RocksDB appends is held in memory until it is synced, and then written
// and synced in one call, in whole blocks, into space that was allocated before (log_medium.h).
//
// So a record that was appended and not synced does not survive the death of the process; the store acknowledges none
// of those. A closed log has its true length, which RocksDB records and checks; one that was not closed ends in zeros.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include <rocksdb/env.h>
#include <rocksdb/io_status.h>

namespace minikube::store {

class LogFile;
class LogMedium;

// The room in the log. Thread safety: any thread.
class LogSpace {
 public:
  // The next `bytes` that are appended to the log, even if a new file is begun before, will not fail for want of space.
  // kNoSpace: nothing has changed.
  rocksdb::IOStatus Reserve(std::size_t bytes);
  // Makes room that was allocated ready for writing. Without it the next syncs have to, and take longer.
  void Prepare();
  bool unprepared() const { return unprepared_; }

 private:
  friend class LogFile;
  std::mutex mu_;
  std::atomic<bool> unprepared_{false};
  LogFile* newest_ = nullptr;
  std::size_t reserved_ = 0;  // what a new file makes room for at once
};

enum class LogMedia : std::uint8_t { kDirect, kThroughFileSystem };

// `env` whose files named *.log in `directory` are such logs, with `space` for them. Borrows `env`.
std::unique_ptr<rocksdb::Env> NewLogFilesEnv(rocksdb::Env* env, const std::string& directory, LogMedia media,
                                             std::shared_ptr<LogSpace> space);

}  // namespace minikube::store
