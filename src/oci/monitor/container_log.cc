#include "oci/monitor/container_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace minikube::oci::plain {

bool ContainerLog::Open(const char* path, long long max_size, long long max_files) {
  const int n = snprintf(path_, sizeof path_, "%s", path);
  if (n < 0 || static_cast<std::size_t>(n) + 8 >= sizeof path_) return errno = ENAMETOOLONG, false;
  max_size_ = max_size;
  max_files_ = max_files;
  fd_ = open(path_, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  struct stat info {};
  if (fd_ < 0 || fstat(fd_, &info) != 0) return false;
  size_ = info.st_size;
  return true;
}

// The time of day changes its digits before the fraction once a second; the rest is nine digits.
void ContainerLog::Stamp() {
  const std::uint64_t now = WallNanos();
  const std::uint64_t second = now / 1'000'000'000U;
  if (second != stamped_second_) {
    const auto seconds = static_cast<time_t>(second);
    tm parts{};
    gmtime_r(&seconds, &parts);
    strftime(time_, sizeof time_, "%Y-%m-%dT%H:%M:%S", &parts);
    stamped_second_ = second;
  }
  snprintf(time_ + 19, sizeof time_ - 19, ".%09uZ", static_cast<unsigned>(now % 1'000'000'000U));
}

void ContainerLog::Append(const char* stream, bool partial, const char* data, std::size_t size) {
  constexpr std::size_t kHeader = 64;
  if (used_ + kHeader + size + 1 > sizeof buffer_) Flush();
  Stamp();
  const int header = snprintf(buffer_ + used_, kHeader, "%s %s %c ", time_, stream, partial ? 'P' : 'F');
  used_ += static_cast<std::size_t>(header);
  memcpy(buffer_ + used_, data, size);
  used_ += size;
  buffer_[used_++] = '\n';
}

void ContainerLog::Flush() {
  if (used_ == 0) return;
  if (max_size_ > 0 && size_ > 0 && size_ + static_cast<long long>(used_) > max_size_) Rotate();
  if (WriteAll(fd_, buffer_, used_)) size_ += static_cast<long long>(used_);
  used_ = 0;
}

void ContainerLog::Rotate() {
  char from[kPathMax];
  char to[kPathMax];
  for (long long i = max_files_ - 1; i >= 1; --i) {
    const int a =
        i == 1 ? snprintf(from, sizeof from, "%s", path_) : snprintf(from, sizeof from, "%s.%lld", path_, i - 1);
    const int b = snprintf(to, sizeof to, "%s.%lld", path_, i);
    if (a > 0 && b > 0 && static_cast<std::size_t>(b) < sizeof to) rename(from, to);
  }
  const int fd = open(path_, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return;  // the old file, now renamed, takes the rest
  close(fd_);
  fd_ = fd;
  size_ = 0;
}

bool LogStream::Pump(ContainerLog& log, bool* blocked) {
  *blocked = false;
  const bool shared = attachments_ != nullptr && attachments_->any();
  std::size_t room = kMaxLine - used_;
  if (shared && room > Attachments::kPiece) room = Attachments::kPiece;
  const ssize_t n = read(fd_, line_ + used_, room);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
    *blocked = errno == EAGAIN;
    return true;
  }
  if (n <= 0) {  // a terminal says EIO when its last user has gone
    if (used_ > 0) log.Append(name_, true, line_, used_);
    used_ = 0;
    log.Flush();
    close(fd_);
    fd_ = -1;
    return false;
  }
  if (shared) attachments_->Copy(output_, line_ + used_, static_cast<std::size_t>(n));
  std::size_t scanned = used_;
  used_ += static_cast<std::size_t>(n);
  std::size_t begin = 0;
  while (const void* newline = memchr(line_ + scanned, '\n', used_ - scanned)) {
    const auto end = static_cast<std::size_t>(static_cast<const char*>(newline) - line_);
    log.Append(name_, false, line_ + begin, end - begin);
    begin = scanned = end + 1;
  }
  if (begin == 0 && used_ == kMaxLine) {
    log.Append(name_, true, line_, used_);
    begin = used_;
  }
  memmove(line_, line_ + begin, used_ - begin);
  used_ -= begin;
  log.Flush();
  return true;
}

}  // namespace minikube::oci::plain
