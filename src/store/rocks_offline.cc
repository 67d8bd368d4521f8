#include "store/rocks_offline.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/write_batch.h>

#include "store/examine.h"
#include "store/format.h"
#include "store/rocks_image.h"
#include "store/rocks_options.h"
#include "store/snapshot_file.h"
#include "store/witness.h"

namespace minikube::store {
namespace {

constexpr std::size_t kBatchBytes = 1u << 20;

rocksdb::Env& Real(rocksdb::Env* env) { return env != nullptr ? *env : *rocksdb::Env::Default(); }

// RocksDB's lock on a directory, held while this lives.
class DirectoryLock {
 public:
  // Errors: kConflict (somebody has it), kUnavailable.
  static Result<DirectoryLock> Take(rocksdb::Env& env, const std::string& directory) {
    const std::string name = directory + "/LOCK";
    // Asked without opening the file: closing it would drop a lock of this process.
    if (access(name.c_str(), R_OK | W_OK) != 0 && errno != ENOENT) {
      return Status(Code::kUnavailable, fmt::format("{}: {}", name, std::strerror(errno)));
    }
    rocksdb::FileLock* lock = nullptr;
    const rocksdb::Status taken = env.LockFile(name, &lock);
    if (!taken.ok()) {
      return Status(Code::kConflict,
                    fmt::format("{} is held: a process has the directory open ({})", name, taken.ToString()));
    }
    return DirectoryLock(env, lock);
  }
  DirectoryLock(DirectoryLock&& other) noexcept : env_(other.env_), lock_(std::exchange(other.lock_, nullptr)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock() {
    if (lock_ != nullptr) env_.UnlockFile(lock_).PermitUncheckedError();
  }

 private:
  DirectoryLock(rocksdb::Env& env, rocksdb::FileLock* lock) : env_(env), lock_(lock) {}
  rocksdb::Env& env_;
  rocksdb::FileLock* lock_;
};

Status CheckExists(rocksdb::Env& env, const std::string& path) {
  if (env.FileExists(path + "/CURRENT").ok()) return {};
  return {Code::kNotFound, path + ": there is no store"};
}

class ReadOnlyStore final : public OfflineStore {
 public:
  ReadOnlyStore(DirectoryLock lock, std::string path) : lock_(std::move(lock)), path_(std::move(path)) {}

  Status Open(const StoreOptions& options, rocksdb::Env& env) {
    rocksdb::Options rocks_options = MakeRocksOptions(options, &env);
    rocks_options.create_if_missing = false;
    rocksdb::DB* db = nullptr;
    const rocksdb::Status opened = rocksdb::DB::OpenForReadOnly(rocks_options, path_, &db);
    db_.reset(db);
    MINIKUBE_RETURN_IF_ERROR(ToStatus(opened, path_));
    MINIKUBE_RETURN_IF_ERROR(CheckFormat(*db_, path_));
    const Result<std::unique_ptr<EngineImage>> image = Image();
    if (!image) return image.status();
    return NotBehindWitness((*image)->state().revision, Witness::Read(env.GetFileSystem(), path_), path_);
  }
  Result<std::unique_ptr<EngineImage>> Image() override { return NewRocksImage(*db_, path_); }
  std::uint64_t DiskBytes() const override {
    std::uint64_t tables = 0, unflushed = 0;
    if (!db_->GetIntProperty(rocksdb::DB::Properties::kLiveSstFilesSize, &tables)) tables = 0;
    if (!db_->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &unflushed)) unflushed = 0;
    return tables + unflushed;
  }

 private:
  const DirectoryLock lock_;
  const std::string path_;
  std::unique_ptr<rocksdb::DB> db_;
};

// A new database in a directory beside the store's place. What a restore that was cut off left there is removed first.
class Staging {
 public:
  Staging(rocksdb::Env& env, std::string path) : env_(env), path_(std::move(path)) {}

  Status Open(StoreOptions options) {
    MINIKUBE_RETURN_IF_ERROR(ToStatus(env_.CreateDirIfMissing(path_), path_));
    MINIKUBE_RETURN_IF_ERROR(Clear());
    options.path = path_;
    rocksdb::DB* db = nullptr;
    const rocksdb::Status opened = rocksdb::DB::Open(MakeRocksOptions(options, &env_), path_, &db);
    db_.reset(db);
    return ToStatus(opened, path_);
  }

  Status Put(std::string_view key, std::string_view value) {
    batch_.Put(ToSlice(key), ToSlice(value));
    return batch_.GetDataSize() < kBatchBytes ? Status() : Write();
  }

  // Everything is in files and makes a sound store of that revision.
  Status Complete(Revision revision) {
    MINIKUBE_RETURN_IF_ERROR(Write());
    MINIKUBE_RETURN_IF_ERROR(ToStatus(db_->Flush({}), path_));
    MINIKUBE_RETURN_IF_ERROR(CheckFormat(*db_, path_));
    Result<std::unique_ptr<EngineImage>> image = NewRocksImage(*db_, path_);
    if (!image) return image.status();
    StoreUsage usage;
    std::vector<std::string> problems;
    MINIKUBE_RETURN_IF_ERROR(Examine(**image, StoreAdmin::Depth::kVerify, {}, usage, problems));
    if (const Revision found = (*image)->state().revision; found != revision) {
      problems.push_back(fmt::format("it ends at revision {} instead of {}", found, revision));
    }
    if (!problems.empty()) return {Code::kInvalid, "its records contradict one another: " + problems.front()};
    return {};
  }

  // Puts it in its place, durably.
  Status MoveTo(const std::string& path) {
    const rocksdb::Status closed = db_->Close();
    db_.reset();
    MINIKUBE_RETURN_IF_ERROR(ToStatus(closed, path_));
    MINIKUBE_RETURN_IF_ERROR(Sync(path_));
    MINIKUBE_RETURN_IF_ERROR(ToStatus(env_.RenameFile(path_, path), path));
    const std::filesystem::path parent = std::filesystem::path(path).parent_path();
    return Sync(parent.empty() ? "." : parent.string());
  }

  // Whatever is left of it; what cannot be removed now is removed by the next restore.
  void Remove() {
    db_.reset();
    if (Clear().ok()) {
      env_.DeleteFile(path_ + "/LOCK").PermitUncheckedError();
      env_.DeleteDir(path_).PermitUncheckedError();
    }
  }

 private:
  Status Write() {
    rocksdb::WriteOptions write;
    write.disableWAL = true;  // flushed as a whole at the end
    const rocksdb::Status written = db_->Write(write, &batch_);
    batch_.Clear();
    return ToStatus(written, path_);
  }

  // Under the lock: files of a restore that still runs are not to be touched.
  Status Clear() {
    const Result<DirectoryLock> lock = DirectoryLock::Take(env_, path_);
    if (!lock) return lock.status();
    std::vector<std::string> names;
    MINIKUBE_RETURN_IF_ERROR(ToStatus(env_.GetChildren(path_, &names), path_));
    for (const std::string& name : names) {
      if (name == "." || name == ".." || name == "LOCK") continue;
      MINIKUBE_RETURN_IF_ERROR(ToStatus(env_.DeleteFile(path_ + "/" + name), path_));
    }
    return {};
  }

  Status Sync(const std::string& directory) {
    std::unique_ptr<rocksdb::Directory> opened;
    rocksdb::Status status = env_.NewDirectory(directory, &opened);
    if (status.ok()) status = opened->Fsync();
    return ToStatus(status, directory);
  }

  rocksdb::Env& env_;
  const std::string path_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteBatch batch_;
};

Status CheckEmpty(rocksdb::Env& env, const std::string& path) {
  std::vector<std::string> names;
  const rocksdb::Status listed = env.GetChildren(path, &names);
  if (listed.IsNotFound() || listed.IsPathNotFound()) return {};
  MINIKUBE_RETURN_IF_ERROR(ToStatus(listed, path));
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    return {Code::kAlreadyExists, path + " is not empty: move it away first, nothing is overwritten"};
  }
  return {};
}

Result<SnapshotInfo> Fill(Staging& staging, const std::string& snapshot, const RestoreOptions& restore,
                          rocksdb::Env& env) {
  SnapshotDecoder decoder([&](std::string_view key, std::string_view value) {
    return Restored(key, restore) ? staging.Put(key, value) : Status();
  });
  Result<SnapshotInfo> info = ReadSnapshotFile(env, snapshot, decoder);
  if (!info) return info;
  const Result<Revision> revision = RestoredRevision(info->revision, restore);
  if (!revision) return revision.status();
  if (restore.bump_revision != 0) {
    std::string bytes;
    AppendRevision(*revision, bytes);
    MINIKUBE_RETURN_IF_ERROR(staging.Put(kCompactKey, bytes));
  }
  if (Status complete = staging.Complete(*revision); !complete.ok()) {
    return complete.code() == Code::kInvalid ? complete.WithContext(snapshot) : complete;
  }
  return info;
}

}  // namespace

Result<bool> InUse(const std::string& path, rocksdb::Env* env) {
  MINIKUBE_RETURN_IF_ERROR(CheckExists(Real(env), path));
  const Result<DirectoryLock> lock = DirectoryLock::Take(Real(env), path);
  if (lock) return false;
  if (lock.status().code() == Code::kConflict) return true;
  return lock.status();
}

Result<std::unique_ptr<OfflineStore>> OpenOffline(const StoreOptions& options, rocksdb::Env* env) {
  MINIKUBE_RETURN_IF_ERROR(CheckExists(Real(env), options.path));
  Result<DirectoryLock> lock = DirectoryLock::Take(Real(env), options.path);
  if (!lock) return lock.status();
  auto store = std::make_unique<ReadOnlyStore>(std::move(*lock), options.path);
  MINIKUBE_RETURN_IF_ERROR(store->Open(options, Real(env)));
  return std::unique_ptr<OfflineStore>(std::move(store));
}

Result<SnapshotInfo> Restore(const std::string& snapshot, const StoreOptions& options, const RestoreOptions& restore,
                             rocksdb::Env* env) {
  MINIKUBE_RETURN_IF_ERROR(CheckEmpty(Real(env), options.path));
  std::error_code error;
  if (const auto parent = std::filesystem::path(options.path).parent_path(); !parent.empty()) {
    std::filesystem::create_directories(parent, error);
    if (error) return Status(Code::kUnavailable, fmt::format("{}: {}", parent.string(), error.message()));
  }
  Staging staging(Real(env), options.path + ".restoring");
  // Before anything is removed: another restore may be at it.
  if (Status opened = staging.Open(options); !opened.ok()) return opened;
  Result<SnapshotInfo> info = Fill(staging, snapshot, restore, Real(env));
  if (info) {
    if (Status moved = staging.MoveTo(options.path); !moved.ok()) info = moved;
  }
  if (!info) staging.Remove();
  return info;
}

bool Restored(std::string_view key, const RestoreOptions& restore) {
  if (key == kAlarmKey) return false;  // about the space at the old place
  return key != kCompactKey || restore.bump_revision == 0;
}

Result<Revision> RestoredRevision(Revision snapshot, const RestoreOptions& restore) {
  if (restore.bump_revision < 0) return Status(Code::kBadRequest, "revisions do not go back");
  if (restore.bump_revision > std::numeric_limits<Revision>::max() - snapshot) {
    return Status(Code::kBadRequest,
                  fmt::format("revisions do not reach {} above {}", restore.bump_revision, snapshot));
  }
  return snapshot + restore.bump_revision;
}

}  // namespace minikube::store
