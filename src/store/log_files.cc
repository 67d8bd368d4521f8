#include "store/log_files.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <utility>

#include <rocksdb/file_system.h>

#include "store/aligned_bytes.h"
#include "store/log_medium.h"

namespace minikube::store {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

// Allocated at once: as much again as the log already has, within these bounds. An idle store keeps a small log, and a
// busy one pays for few changes of its files' extents.
constexpr std::uint64_t kLeastRoom = 64 << 10;
constexpr std::uint64_t kMostRoom = 1 << 20;
constexpr std::size_t kKeptBytes = 1 << 20;  // a larger buffer is given back after use

constexpr std::uint64_t WholeBlocks(std::uint64_t bytes) {
  return (bytes + LogMedium::kBlock - 1) / LogMedium::kBlock * LogMedium::kBlock;
}

}  // namespace

// Appended to by one thread while another syncs. `sync_mu_` is taken before `mu_`.
class LogFile final : public rocksdb::FSWritableFile {
 public:
  static IOStatus Make(std::shared_ptr<LogSpace> space, std::unique_ptr<LogMedium> medium,
                       std::unique_ptr<rocksdb::FSWritableFile>* result) {
    std::unique_ptr<LogFile> file(new LogFile(std::move(space), std::move(medium)));
    LogSpace& shared = *file->space_;
    std::lock_guard lock(shared.mu_);
    IOStatus status = file->Reserve(shared.reserved_);
    if (!status.ok()) return status;
    shared.newest_ = file.get();
    *result = std::move(file);
    return status;
  }
  ~LogFile() override {
    {
      std::lock_guard lock(space_->mu_);
      if (space_->newest_ == this) space_->newest_ = nullptr;
    }
    Close({}, nullptr).PermitUncheckedError();
  }

  // Room for the next `bytes`, made before it is needed, so that there is time to prepare it.
  IOStatus Reserve(std::size_t bytes) {
    std::lock_guard lock(mu_);
    const std::uint64_t needed = WholeBlocks(size_ + bytes);
    const std::uint64_t ahead = std::clamp(allocated_, kLeastRoom, kMostRoom);
    if (needed + ahead / 2 <= allocated_) return IOStatus::OK();
    const std::uint64_t room = std::max(needed, allocated_ + ahead);
    IOStatus status = medium_->Allocate(room);
    if (!status.ok()) return needed <= allocated_ ? IOStatus::OK() : status;
    allocated_ = room;
    space_->unprepared_ = true;
    return status;
  }
  std::shared_ptr<LogMedium> medium() const { return medium_; }

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    std::lock_guard lock(mu_);
    unsynced_.Append({data.data(), data.size()});
    size_ += data.size();
    return IOStatus::OK();
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    std::lock_guard sync_lock(sync_mu_);
    if (!failed_.ok()) return failed_;  // what it lost must not seem to be there after the next one
    std::uint64_t start = 0;
    {
      std::lock_guard lock(mu_);
      if (synced_ == size_) return IOStatus::OK();
      start = start_;
      writing_.swap(unsynced_);
      synced_ = size_;
      // The block that is not full goes on and will be written again.
      const std::size_t rest = size_ % LogMedium::kBlock;
      start_ = size_ - rest;
      unsynced_.Clear();
      unsynced_.Append(writing_.view().substr(writing_.size() - rest));
    }
    writing_.Pad();
    failed_ = medium_->Write(start, Slice(writing_.data(), writing_.size()));
    writing_.Clear();
    if (writing_.capacity() > kKeptBytes) writing_ = AlignedBytes();
    return failed_;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override { return Sync(options, debug); }
  bool IsSyncThreadSafe() const override { return true; }

  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = Sync(options, debug);
    std::lock_guard lock(mu_);
    IOStatus closed = medium_->Close(size_);
    return status.ok() ? closed : status;
  }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    std::lock_guard lock(mu_);
    return size_;
  }

 private:
  LogFile(std::shared_ptr<LogSpace> space, std::shared_ptr<LogMedium> medium)
      : space_(std::move(space)), medium_(std::move(medium)) {}

  const std::shared_ptr<LogSpace> space_;
  const std::shared_ptr<LogMedium> medium_;

  std::mutex sync_mu_;  // guards the two
  AlignedBytes writing_;
  IOStatus failed_;

  std::mutex mu_;             // guards all below
  AlignedBytes unsynced_;     // what begins at start_
  std::uint64_t start_ = 0;   // of the first block that is not both full and synced
  std::uint64_t size_ = 0;    // of all that was appended
  std::uint64_t synced_ = 0;  // of what a sync has taken
  std::uint64_t allocated_ = 0;
};

IOStatus LogSpace::Reserve(std::size_t bytes) {
  // What RocksDB adds: a header for each record and for each 32 KB of a long one.
  const std::size_t whole = bytes + bytes / 1024 + LogMedium::kBlock;
  std::lock_guard lock(mu_);
  reserved_ = whole;
  return newest_ == nullptr ? IOStatus::OK() : newest_->Reserve(whole);
}

void LogSpace::Prepare() {
  std::shared_ptr<LogMedium> medium;
  {
    std::lock_guard lock(mu_);
    unprepared_ = false;
    if (newest_ != nullptr) medium = newest_->medium();
  }
  if (medium != nullptr) medium->Prepare();
}

namespace {

class LogFiles final : public rocksdb::FileSystemWrapper {
 public:
  LogFiles(const std::shared_ptr<rocksdb::FileSystem>& files, const std::string& directory, LogMedia media,
           std::shared_ptr<LogSpace> space)
      : FileSystemWrapper(files), directory_(DirectoryOf(directory + "/")), media_(media), space_(std::move(space)) {}
  const char* Name() const override { return "minikube.LogFiles"; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> created;
    IOStatus status = target()->NewWritableFile(name, options, &created, debug);
    if (!status.ok() || !IsLog(name)) {
      *result = std::move(created);
      return status;
    }
    status = created->Close(options.io_options, debug);
    std::unique_ptr<LogMedium> medium;
    if (status.ok()) {
      status =
          media_ == LogMedia::kDirect ? OpenDirectMedium(name, &medium) : OpenFilesMedium(*target(), name, &medium);
    }
    if (status.ok()) status = LogFile::Make(space_, std::move(medium), result);
    return status;
  }

 private:
  static std::filesystem::path DirectoryOf(const std::string& name) {
    return std::filesystem::path(name).parent_path().lexically_normal();
  }
  bool IsLog(const std::string& name) const { return name.ends_with(".log") && DirectoryOf(name) == directory_; }
  const std::filesystem::path directory_;
  const LogMedia media_;
  const std::shared_ptr<LogSpace> space_;
};

class LogFilesEnv final : public rocksdb::EnvWrapper {
 public:
  LogFilesEnv(rocksdb::Env* env, std::shared_ptr<rocksdb::FileSystem> files) : EnvWrapper(env) {
    file_system_ = std::move(files);
    system_clock_ = env->GetSystemClock();
  }
  const char* Name() const override { return "minikube.LogFilesEnv"; }
};

}  // namespace

std::unique_ptr<rocksdb::Env> NewLogFilesEnv(rocksdb::Env* env, const std::string& directory, LogMedia media,
                                             std::shared_ptr<LogSpace> space) {
  return std::make_unique<LogFilesEnv>(
      env, std::make_shared<LogFiles>(env->GetFileSystem(), directory, media, std::move(space)));
}

}  // namespace minikube::store
