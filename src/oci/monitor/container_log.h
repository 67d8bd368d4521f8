// The container's log file in the format of CRI: `2026-01-02T03:04:05.123456789Z stdout F text`.
// Plain (see plain.h): static buffers only, one instance per process.
#pragma once

#include <cstddef>
#include <cstdint>

#include "oci/monitor/attachments.h"
#include "oci/monitor/plain.h"

namespace minikube::oci::plain {

// Appends records, and rotates: `path` becomes `path`.1, that `path`.2, and so on, the oldest goes. A record never
// spans files. If the disk is full records are dropped: a container must not hang because its log cannot be written.
class ContainerLog {
 public:
  // False if the file cannot be opened (errno). `max_size` 0 = no rotation; `max_files` counts the current one too.
  bool Open(const char* path, long long max_size, long long max_files);
  // `partial`: the line goes on in the stream's next record.
  void Append(const char* stream, bool partial, const char* data, std::size_t size);
  // Hands what was appended to the kernel.
  void Flush();

 private:
  void Rotate();
  void Stamp();

  char path_[kPathMax];
  char buffer_[32768];
  char time_[40];
  std::size_t used_ = 0;
  std::uint64_t stamped_second_ = 0;
  long long size_ = 0;
  long long max_size_ = 0;
  long long max_files_ = 0;
  int fd_ = -1;
};

// One output of the container: cuts what it writes into lines of at most 16 KiB.
class LogStream {
 public:
  static constexpr std::size_t kMaxLine = 16384;

  void Open(int fd, const char* name) { fd_ = fd, name_ = name; }
  // Whoever is attached gets a copy, as it comes, as the output of that number.
  void Share(Attachments* attachments, int output) { attachments_ = attachments, output_ = output; }
  int fd() const { return fd_; }
  // Reads once and appends to `log`. False at the end of the stream, which is then closed; true with errno EAGAIN in
  // `*blocked` if there was nothing to read.
  bool Pump(ContainerLog& log, bool* blocked);

 private:
  int fd_ = -1;
  const char* name_ = "";
  Attachments* attachments_ = nullptr;
  int output_ = 0;
  std::size_t used_ = 0;
  char line_[kMaxLine];
};

}  // namespace minikube::oci::plain
