// LogMedium: where the bytes of one log are kept, in whole blocks, each write durable when it returns.
//
// Thread safety: Write and Close one at a time, Allocate and Prepare beside them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <rocksdb/io_status.h>
#include <rocksdb/slice.h>

namespace rocksdb {
class FileSystem;
}

namespace minikube::store {

class LogMedium {
 public:
  static constexpr std::size_t kBlock = 4096;  // of offsets, sizes and addresses

  virtual ~LogMedium() = default;
  // Writing up to `size` will not fail for want of space; it reads as zeros. If it fails nothing has changed.
  virtual rocksdb::IOStatus Allocate(std::uint64_t size) = 0;
  // Does ahead, in what is allocated, what the next writes would have to do first.
  virtual void Prepare() = 0;
  virtual rocksdb::IOStatus Write(std::uint64_t offset, const rocksdb::Slice& data) = 0;
  // Cuts the log to its true length.
  virtual rocksdb::IOStatus Close(std::uint64_t size) = 0;
};

// Of the existing empty file `name`, past the page cache (O_DIRECT) where the file system can: one call for writing and
// syncing, which costs little more than half of the two.
rocksdb::IOStatus OpenDirectMedium(const std::string& name, std::unique_ptr<LogMedium>* result);
// The same through RocksDB's interface, for file systems that tests make.
rocksdb::IOStatus OpenFilesMedium(rocksdb::FileSystem& files, const std::string& name,
                                  std::unique_ptr<LogMedium>* result);

}  // namespace minikube::store
