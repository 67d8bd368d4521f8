#include "store/log_medium.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include <rocksdb/file_system.h>

#include "store/aligned_bytes.h"

namespace minikube::store {
namespace {

using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr std::size_t kZeros = 64 << 10;          // the buffer, written as often as needed
constexpr std::uint64_t kZeroAtOnce = 256 << 10;  // with one call

IOStatus Failed(const char* what, const std::string& name) {
  const int error = errno;
  const std::string message = std::string(what) + " " + name;
  return error == ENOSPC || error == EDQUOT ? IOStatus::NoSpace(message, strerror(error))
                                            : IOStatus::IOError(message, strerror(error));
}

// Space is allocated, and then filled with zeros before it is first used, so that a write changes nothing but data: for
// a new length or a new extent the file system's journal would have to wait for other files as well.
class DirectMedium final : public LogMedium {
 public:
  DirectMedium(std::string name, int fd) : name_(std::move(name)), fd_(fd), zeros_(kZeros) {
    zeros_.Append(std::string(kZeros, '\0'));
  }
  ~DirectMedium() override {
    if (fd_ >= 0) close(fd_);
  }

  IOStatus Allocate(std::uint64_t size) override {
    std::lock_guard lock(allocate_mu_);
    const std::uint64_t now = allocated_;
    if (size <= now) return IOStatus::OK();
    int result = 0;
    do {
      result = fallocate(fd_, 0, static_cast<off_t>(now), static_cast<off_t>(size - now));
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EOPNOTSUPP) return Failed("While allocating", name_);
    allocated_ = size;
    if (result == 0) return IOStatus::OK();
    // A file system that cannot allocate: what has been written has its space.
    std::lock_guard zero_lock(zero_mu_);
    IOStatus status = Zero(size);
    if (!status.ok()) allocated_ = now;
    return status;
  }

  // The lock is given up between pieces: a write waits for one at most.
  void Prepare() override {
    for (;;) {
      std::lock_guard lock(zero_mu_);
      // A write that needs what could not be zeroed will find out why.
      if (closed_ || zeroed_ >= allocated_ || !Zero(zeroed_ + 1).ok()) return;
    }
  }

  IOStatus Write(std::uint64_t offset, const Slice& data) override {
    const std::uint64_t end = offset + data.size();
    if (IOStatus status = Allocate(end); !status.ok()) return status;
    if (end > zeroed_) {
      std::lock_guard lock(zero_mu_);
      if (IOStatus status = Zero(end); !status.ok()) return status;
    }
    return WriteAll(offset, {{const_cast<char*>(data.data()), data.size()}});
  }

  IOStatus Close(std::uint64_t size) override {
    std::lock_guard lock(zero_mu_);
    if (std::exchange(closed_, true)) return IOStatus::OK();
    IOStatus status;
    if (allocated_ != size && ftruncate(fd_, static_cast<off_t>(size)) != 0) status = Failed("While truncating", name_);
    if (close(std::exchange(fd_, -1)) != 0 && status.ok()) status = Failed("While closing", name_);
    return status;
  }

 private:
  // At least up to `upto`, and not beyond what is allocated. Holding zero_mu_.
  IOStatus Zero(std::uint64_t upto) {
    while (zeroed_ < upto) {
      const std::uint64_t end = std::min<std::uint64_t>(zeroed_ + kZeroAtOnce, allocated_);
      std::vector<iovec> pieces;
      for (std::uint64_t at = zeroed_; at < end; at += pieces.back().iov_len) {
        pieces.push_back({zeros_.data(), static_cast<std::size_t>(std::min<std::uint64_t>(kZeros, end - at))});
      }
      if (IOStatus status = WriteAll(zeroed_, std::move(pieces)); !status.ok()) return status;
      zeroed_ = end;
    }
    return IOStatus::OK();
  }

  IOStatus WriteAll(std::uint64_t offset, std::vector<iovec> pieces) {
    for (auto first = pieces.begin(); first != pieces.end();) {
      const ssize_t n = pwritev(fd_, &*first, static_cast<int>(pieces.end() - first), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return Failed("While writing", name_);
      offset += static_cast<std::uint64_t>(n);
      for (auto left = static_cast<std::size_t>(n); left > 0;) {
        const std::size_t step = std::min(left, first->iov_len);
        first->iov_base = static_cast<char*>(first->iov_base) + step;
        first->iov_len -= step;
        left -= step;
        if (first->iov_len == 0) ++first;
      }
    }
    return IOStatus::OK();
  }

  const std::string name_;
  int fd_;
  AlignedBytes zeros_;
  std::mutex allocate_mu_;
  std::atomic<std::uint64_t> allocated_{0};
  std::mutex zero_mu_;
  std::atomic<std::uint64_t> zeroed_{0};  // changed under zero_mu_
  bool closed_ = false;                   // the same
};

class FilesMedium final : public LogMedium {
 public:
  FilesMedium(rocksdb::FileSystem& files, std::string name, std::unique_ptr<rocksdb::FSRandomRWFile> file)
      : files_(files), name_(std::move(name)), file_(std::move(file)) {}

  IOStatus Allocate(std::uint64_t size) override {
    std::lock_guard lock(allocate_mu_);
    if (size <= allocated_) return IOStatus::OK();
    IOStatus status = file_->Write(allocated_, std::string(size - allocated_, '\0'), {}, nullptr);
    if (status.ok()) allocated_ = size;
    return status;
  }
  void Prepare() override {}  // Allocate has written the zeros
  IOStatus Write(std::uint64_t offset, const Slice& data) override {
    IOStatus status = Allocate(offset + data.size());
    if (status.ok()) status = file_->Write(offset, data, {}, nullptr);
    if (status.ok()) status = file_->Sync({}, nullptr);
    return status;
  }
  IOStatus Close(std::uint64_t size) override {
    if (file_ == nullptr) return IOStatus::OK();
    IOStatus status = file_->Close({}, nullptr);
    file_.reset();
    if (!status.ok() || allocated_ == size || !files_.FileExists(name_, {}, nullptr).ok()) return status;
    std::unique_ptr<rocksdb::FSWritableFile> whole;  // POSIX files are cut through this interface only
    status = files_.ReopenWritableFile(name_, {}, &whole, nullptr);
    if (status.ok()) status = whole->Truncate(size, {}, nullptr);
    if (status.ok()) status = whole->Close({}, nullptr);
    return status;
  }

 private:
  rocksdb::FileSystem& files_;
  const std::string name_;
  std::unique_ptr<rocksdb::FSRandomRWFile> file_;
  std::mutex allocate_mu_;
  std::uint64_t allocated_ = 0;  // changed under allocate_mu_
};

}  // namespace

IOStatus OpenDirectMedium(const std::string& name, std::unique_ptr<LogMedium>* result) {
  constexpr int kFlags = O_WRONLY | O_DSYNC | O_CLOEXEC;
  int fd = open(name.c_str(), kFlags | O_DIRECT);
  if (fd < 0 && errno == EINVAL) fd = open(name.c_str(), kFlags);  // tmpfs, for one, has nothing but a cache
  if (fd < 0) return Failed("While opening", name);
  *result = std::make_unique<DirectMedium>(name, fd);
  return IOStatus::OK();
}

IOStatus OpenFilesMedium(rocksdb::FileSystem& files, const std::string& name, std::unique_ptr<LogMedium>* result) {
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  IOStatus status = files.NewRandomRWFile(name, {}, &file, nullptr);
  if (status.ok()) *result = std::make_unique<FilesMedium>(files, name, std::move(file));
  return status;
}

}  // namespace minikube::store
