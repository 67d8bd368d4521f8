#include "store/log_files.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include <rocksdb/file_system.h>

namespace minikube::store {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// Filled at once: as much again as the log already has, within these bounds. An idle store keeps a small log, and a
// busy one pays for few journal commits.
constexpr std::uint64_t kLeastFill = 64 << 10;
constexpr std::uint64_t kMostFill = 1 << 20;

class LogFile final : public rocksdb::FSWritableFile {
 public:
  LogFile(rocksdb::FileSystem& files, std::string name, std::unique_ptr<rocksdb::FSRandomRWFile> file)
      : files_(files), name_(std::move(name)), file_(std::move(file)) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    if (size_ + data.size() > filled_) {
      const std::uint64_t fill = std::max<std::uint64_t>(data.size(), std::clamp(size_, kLeastFill, kMostFill));
      const std::string zeros(fill, '\0');
      if (IOStatus status = file_->Write(filled_, zeros, options, debug); !status.ok()) return status;
      filled_ += fill;
    }
    IOStatus status = file_->Write(size_, data, options, debug);
    if (status.ok()) size_ += data.size();
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override { return file_->Sync(options, debug); }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override { return file_->Fsync(options, debug); }
  // A closed log has its true length, which RocksDB records and checks.
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    if (file_ == nullptr) return IOStatus::OK();
    IOStatus status = file_->Close(options, debug);
    file_.reset();
    if (!status.ok() || filled_ == size_) return status;
    std::unique_ptr<rocksdb::FSWritableFile> whole;  // POSIX files are cut through this interface only
    status = files_.ReopenWritableFile(name_, {}, &whole, debug);
    if (status.ok()) status = whole->Truncate(size_, options, debug);
    if (status.ok()) status = whole->Close(options, debug);
    return status;
  }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }
  ~LogFile() override { Close({}, nullptr).PermitUncheckedError(); }

 private:
  rocksdb::FileSystem& files_;
  const std::string name_;
  std::unique_ptr<rocksdb::FSRandomRWFile> file_;
  std::uint64_t size_ = 0;
  std::uint64_t filled_ = 0;
};

class LogFiles final : public rocksdb::FileSystemWrapper {
 public:
  explicit LogFiles(const std::shared_ptr<rocksdb::FileSystem>& files) : FileSystemWrapper(files) {}
  const char* Name() const override { return "minikube.LogFiles"; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> created;
    IOStatus status = target()->NewWritableFile(name, options, &created, debug);
    if (!status.ok() || !name.ends_with(".log")) {
      *result = std::move(created);
      return status;
    }
    status = created->Close(options.io_options, debug);
    std::unique_ptr<rocksdb::FSRandomRWFile> file;
    if (status.ok()) status = target()->NewRandomRWFile(name, options, &file, debug);
    if (status.ok()) *result = std::make_unique<LogFile>(*target(), name, std::move(file));
    return status;
  }
};

class LogFilesEnv final : public rocksdb::EnvWrapper {
 public:
  explicit LogFilesEnv(rocksdb::Env* env) : EnvWrapper(env) {
    file_system_ = std::make_shared<LogFiles>(env->GetFileSystem());
  }
  const char* Name() const override { return "minikube.LogFilesEnv"; }
};

}  // namespace

std::unique_ptr<rocksdb::Env> NewLogFilesEnv(rocksdb::Env* env) { return std::make_unique<LogFilesEnv>(env); }

}  // namespace minikube::store
