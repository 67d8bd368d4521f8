// Files for the OCI runtime: descriptors that close themselves, whole-file reads with a limit, writes that are whole or
// not there, trees removed without following anything.
//
// All of it blocks: for blocking strands and the command line. Errors: kNotFound (no such file), kTooLarge (limit),
// kUnavailable (disk full or read-only), else kInternal; messages carry the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <minikube/function.h>
#include <minikube/status.h>

#include "base/remove_tree.h"

namespace minikube::oci {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~UniqueFd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// The error of errno, about `what` ("open", "mkdir") and `path`.
Status ErrnoStatus(int error, std::string_view what, std::string_view path);

constexpr std::size_t kMaxStateFile = 4 << 20;
Result<std::string> ReadWholeFile(const std::string& path, std::size_t limit = kMaxStateFile);

enum class Durability { kMemory, kDisk };  // kDisk: synced, file and directory, before it returns
// Replaces `path` atomically (temporary file, rename).
Status WriteWholeFile(const std::string& path, std::string_view data, mode_t mode = 0600,
                      Durability durability = Durability::kMemory);

// mkdir -p; existing directories keep their mode.
Status MakeDirs(const std::string& path, mode_t mode = 0700);
using base::RemoveTree;
Status SyncDir(const std::string& path);
bool Exists(const std::string& path);
// The names in a directory, sorted, without . and .. ; empty if it cannot be read.
std::vector<std::string> ListDir(const std::string& path);

// Calls `attempt` until it returns true, for about a second; false if it never did. For what a process that died a
// moment ago held: a child it was just about to start keeps its descriptors until it has executed its program.
bool RetryForASecond(const Function<bool()>& attempt);

// Opens `path` (no leading slash) as it would be seen with `root` as the root directory: neither .. nor any symbolic
// link leads out of it (openat2, RESOLVE_IN_ROOT). -1 and errno on failure.
int OpenInRoot(int root, const std::string& path, int flags, mode_t mode = 0);

}  // namespace minikube::oci
