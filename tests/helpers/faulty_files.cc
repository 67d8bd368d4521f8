#include "helpers/faulty_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include <rocksdb/system_clock.h>

namespace minikube::test {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

constexpr std::uint64_t kSector = 512;

IOStatus Stopped() { return IOStatus::IOError("the machine has stopped"); }
std::string DirectoryOf(const std::string& name) { return std::filesystem::path(name).parent_path().string(); }

}  // namespace

class SleeplessClock final : public rocksdb::SystemClockWrapper {
 public:
  SleeplessClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "minikube.SleeplessClock"; }
  void SleepForMicroseconds(int) override {}
};

class FaultyEnv final : public rocksdb::EnvWrapper {
 public:
  explicit FaultyEnv(std::unique_ptr<rocksdb::Env> env) : EnvWrapper(std::move(env)) {
    system_clock_ = std::make_shared<SleeplessClock>();
  }
  const char* Name() const override { return "minikube.FaultyEnv"; }
};

class FaultyWritableFile final : public rocksdb::FSWritableFileWrapper {
 public:
  FaultyWritableFile(FaultyFiles& files, std::string name, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileWrapper(file.get()), files_(files), name_(std::move(name)), file_(std::move(file)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus status = files_.Check(FaultyFiles::Fault::kWriteError, name_); !status.ok()) return status;
    if (IOStatus status = files_.Check(FaultyFiles::Fault::kNoSpace, name_); !status.ok()) return status;
    bool last = false;
    if (!files_.Step(last)) return Stopped();
    if (!last) return file_->Append(data, options, debug);
    const Slice part(data.data(), files_.Draw(data.size() + 1));
    file_->Append(part, options, debug).PermitUncheckedError();
    return Stopped();
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    bool last = false;
    if (!files_.Step(last)) return Stopped();
    {
      std::lock_guard lock(files_.mu_);
      // A file that is not known has survived a crash, and so is safe as it is.
      const auto [it, unknown] = files_.files_.try_emplace(name_);
      std::error_code gone;  // deleted by another thread: 0 bytes are safe
      const std::uint64_t now = std::filesystem::file_size(name_, gone);
      if (unknown) it->second.synced = gone ? 0 : now;
      if (!it->second.synced_contents && size < it->second.synced)
        it->second.synced_contents = FaultyFiles::Read(name_);
    }
    IOStatus status = file_->Truncate(size, options, debug);
    return last ? Stopped() : status;
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    if (files_.crashed()) return Stopped();
    return file_->Flush(options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus status = files_.Check(FaultyFiles::Fault::kSyncError, name_); !status.ok()) return status;
    bool last = false;
    if (!files_.Step(last) || last) return Stopped();
    const std::uint64_t size = file_->GetFileSize(options, debug);
    std::lock_guard lock(files_.mu_);
    files_.files_[name_].synced = size;
    return IOStatus::OK();
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override { return Sync(options, debug); }
  // A hint to the kernel, no promise.
  IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    IOStatus closed = file_->Close(options, debug);
    return files_.crashed() ? Stopped() : closed;
  }

 private:
  FaultyFiles& files_;
  const std::string name_;
  const std::unique_ptr<rocksdb::FSWritableFile> file_;
};

class FaultyRandomRWFile final : public rocksdb::FSRandomRWFileWrapper {
 public:
  FaultyRandomRWFile(FaultyFiles& files, std::string name, std::unique_ptr<rocksdb::FSRandomRWFile> file)
      : FSRandomRWFileWrapper(file.get()), files_(files), name_(std::move(name)), file_(std::move(file)) {}

  IOStatus Write(std::uint64_t offset, const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus status = files_.Check(FaultyFiles::Fault::kWriteError, name_); !status.ok()) return status;
    // What is overwritten has its space. (A file that is open may have been deleted.)
    std::error_code gone;
    const std::uint64_t size = std::filesystem::file_size(name_, gone);
    if (!gone && offset + data.size() > size) {
      if (IOStatus status = files_.Check(FaultyFiles::Fault::kNoSpace, name_); !status.ok()) return status;
    }
    bool last = false;
    if (!files_.Step(last)) return Stopped();
    {
      std::lock_guard lock(files_.mu_);
      FaultyFiles::File& file = files_.files_[name_];
      if (!file.synced_contents) file.synced_contents = FaultyFiles::Read(name_);
    }
    const Slice part(data.data(), last ? files_.Draw(data.size() + 1) : data.size());
    IOStatus written = file_->Write(offset, part, options, debug);
    return last ? Stopped() : written;
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    if (IOStatus status = files_.Check(FaultyFiles::Fault::kSyncError, name_); !status.ok()) return status;
    bool last = false;
    if (!files_.Step(last) || last) return Stopped();
    std::error_code gone;
    const std::uint64_t size = std::filesystem::file_size(name_, gone);
    if (gone) return IOStatus::OK();  // RocksDB deletes a log that it does not need while another thread syncs it
    std::lock_guard lock(files_.mu_);
    FaultyFiles::File& file = files_.files_[name_];
    file.synced_contents.reset();
    file.synced = size;
    return IOStatus::OK();
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override { return Sync(options, debug); }

 private:
  FaultyFiles& files_;
  const std::string name_;
  const std::unique_ptr<rocksdb::FSRandomRWFile> file_;
};

class FaultyDirectory final : public rocksdb::FSDirectory {
 public:
  FaultyDirectory(FaultyFiles& files, std::string name) : files_(files), name_(std::move(name)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    bool last = false;
    if (!files_.Step(last) || last) return Stopped();
    std::lock_guard lock(files_.mu_);
    files_.unsynced_.erase(name_);
    return IOStatus::OK();
  }

 private:
  FaultyFiles& files_;
  const std::string name_;
};

FaultyFiles::FaultyFiles(std::uint64_t seed) : FileSystemWrapper(rocksdb::FileSystem::Default()), random_(seed) {}

void FaultyFiles::CrashAfter(int effects) {
  std::lock_guard lock(mu_);
  crash_at_ = effects_ + effects;
}

bool FaultyFiles::crashed() const {
  std::lock_guard lock(mu_);
  return crashed_;
}

int FaultyFiles::effects() const {
  std::lock_guard lock(mu_);
  return effects_;
}

void FaultyFiles::Inject(Fault fault, std::string suffix) {
  std::lock_guard lock(mu_);
  fault_ = fault;
  fault_suffix_ = std::move(suffix);
}

bool FaultyFiles::Step(bool& last) {
  std::lock_guard lock(mu_);
  if (crashed_) return false;
  last = ++effects_ == crash_at_;
  crashed_ = last;
  return true;
}

std::size_t FaultyFiles::Draw(std::size_t below) {
  std::lock_guard lock(mu_);
  return random_() % below;
}

IOStatus FaultyFiles::Check(Fault fault, const std::string& name) const {
  std::lock_guard lock(mu_);
  if (fault_ != fault || !name.ends_with(fault_suffix_)) return IOStatus::OK();
  switch (fault) {
    case Fault::kNone:
    case Fault::kLowSpace:
      break;
    case Fault::kNoSpace:
      return IOStatus::NoSpace("While appending to file", name);
    case Fault::kWriteError:
      return IOStatus::IOError("While appending to file", name);
    case Fault::kSyncError:
      return IOStatus::IOError("While fdatasync", name);
  }
  return IOStatus::OK();
}

std::string FaultyFiles::Read(const std::string& name) {
  std::ifstream in(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void FaultyFiles::Write(const std::string& name, const std::string& contents) {
  std::ofstream out(name, std::ios::binary | std::ios::trunc);
  out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
}

void FaultyFiles::Recover() {
  std::lock_guard lock(mu_);
  for (auto& [directory, entries] : unsynced_) {
    // A journal keeps the order: what survives is a prefix of the changes.
    const std::size_t kept = entries.empty() ? 0 : random_() % (entries.size() + 1);
    while (entries.size() > kept) {
      const Entry entry = std::move(entries.back());
      entries.pop_back();
      if (entry.from) {
        std::error_code ignored;
        std::filesystem::rename(entry.name, *entry.from, ignored);
        files_[*entry.from] = std::exchange(files_[entry.name], {});
      }
      if (entry.before) {
        Write(entry.name, *entry.before);
        files_[entry.name].synced = entry.before->size();
      } else {
        std::filesystem::remove(entry.name);
        files_.erase(entry.name);
      }
    }
  }
  unsynced_.clear();
  for (auto& [name, file] : files_) {
    if (!std::filesystem::exists(name)) continue;
    std::string contents = Read(name);
    if (file.synced_contents) {
      // Any sector may have either of its states, and the length any between the two.
      const std::string& synced = *file.synced_contents;
      if (contents.size() > synced.size())
        contents.resize(synced.size() + random_() % (contents.size() - synced.size() + 1));
      for (std::uint64_t at = 0; at < contents.size(); at += kSector) {
        if (random_() % 2 == 0) continue;
        for (std::uint64_t i = at; i < std::min<std::uint64_t>(contents.size(), at + kSector); ++i) {
          contents[i] = i < synced.size() ? synced[i] : '\0';
        }
      }
      Write(name, contents);
      continue;
    }
    if (contents.size() <= file.synced) continue;
    contents.resize(file.synced + random_() % (contents.size() - file.synced + 1));
    Write(name, contents);
  }
  files_.clear();
  crashed_ = false;
  crash_at_ = -1;
  fault_ = Fault::kNone;
}

IOStatus FaultyFiles::NewWritableFile(const std::string& name, const FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* debug) {
  bool last = false;
  if (!Step(last)) return Stopped();
  Entry entry{name, std::nullopt, std::nullopt};
  if (std::filesystem::exists(name)) entry.before = Read(name);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus status = target()->NewWritableFile(name, options, &file, debug);
  if (!status.ok()) return status;
  {
    std::lock_guard lock(mu_);
    files_[name] = {};
    unsynced_[DirectoryOf(name)].push_back(std::move(entry));
  }
  if (last) return Stopped();
  *result = std::make_unique<FaultyWritableFile>(*this, name, std::move(file));
  return status;
}

IOStatus FaultyFiles::ReopenWritableFile(const std::string& name, const FileOptions& options,
                                         std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* debug) {
  if (crashed()) return Stopped();
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus status = target()->ReopenWritableFile(name, options, &file, debug);
  if (status.ok()) *result = std::make_unique<FaultyWritableFile>(*this, name, std::move(file));
  return status;
}

IOStatus FaultyFiles::NewRandomRWFile(const std::string& name, const FileOptions& options,
                                      std::unique_ptr<rocksdb::FSRandomRWFile>* result, IODebugContext* debug) {
  if (crashed()) return Stopped();
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  IOStatus status = target()->NewRandomRWFile(name, options, &file, debug);
  if (status.ok()) *result = std::make_unique<FaultyRandomRWFile>(*this, name, std::move(file));
  return status;
}

IOStatus FaultyFiles::NewDirectory(const std::string& name, const IOOptions&,
                                   std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) {
  if (crashed()) return Stopped();
  *result = std::make_unique<FaultyDirectory>(*this, std::filesystem::path(name).lexically_normal().string());
  return IOStatus::OK();
}

IOStatus FaultyFiles::DeleteFile(const std::string& name, const IOOptions& options, IODebugContext* debug) {
  bool last = false;
  if (!Step(last)) return Stopped();
  Entry entry{name, Read(name), std::nullopt};
  IOStatus status = target()->DeleteFile(name, options, debug);
  if (!status.ok()) return status;
  std::lock_guard lock(mu_);
  files_.erase(name);
  unsynced_[DirectoryOf(name)].push_back(std::move(entry));
  return last ? Stopped() : status;
}

IOStatus FaultyFiles::RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                                 IODebugContext* debug) {
  bool last = false;
  if (!Step(last)) return Stopped();
  Entry entry{to, std::nullopt, from};
  if (std::filesystem::exists(to)) entry.before = Read(to);
  IOStatus status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  std::lock_guard lock(mu_);
  files_[to] = std::exchange(files_[from], {});
  files_.erase(from);
  unsynced_[DirectoryOf(to)].push_back(std::move(entry));
  return last ? Stopped() : status;
}

IOStatus FaultyFiles::GetFreeSpace(const std::string& path, const IOOptions& options, std::uint64_t* bytes,
                                   IODebugContext* debug) {
  {
    std::lock_guard lock(mu_);
    if (fault_ == Fault::kNoSpace || fault_ == Fault::kLowSpace) {
      *bytes = 0;
      return IOStatus::OK();
    }
  }
  return target()->GetFreeSpace(path, options, bytes, debug);
}

std::unique_ptr<rocksdb::Env> NewFaultyEnv(std::shared_ptr<FaultyFiles> files) {
  return std::make_unique<FaultyEnv>(rocksdb::NewCompositeEnv(std::move(files)));
}

}  // namespace minikube::test
