#include "oci/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace minikube::oci {
namespace {

Status WriteAll(int fd, std::string_view data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t n = write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "write", path);
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

struct DirCloser {
  DIR* dir;
  ~DirCloser() {
    if (dir != nullptr) closedir(dir);
  }
};

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}

Status ErrnoStatus(int error, std::string_view what, std::string_view path) {
  Code code = Code::kInternal;
  if (error == ENOENT || error == ENOTDIR) code = Code::kNotFound;
  if (error == ENOSPC || error == EDQUOT || error == EROFS) code = Code::kUnavailable;
  return {code, fmt::format("{} {}: {}", what, path, std::strerror(error))};
}

Result<std::string> ReadWholeFile(const std::string& path, std::size_t limit) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", path);
  std::string data;
  char buffer[16384];
  while (true) {
    const ssize_t n = read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read", path);
    if (n == 0) return data;
    if (data.size() + static_cast<std::size_t>(n) > limit) {
      return Status(Code::kTooLarge, fmt::format("{} is larger than {} bytes", path, limit));
    }
    data.append(buffer, static_cast<std::size_t>(n));
  }
}

Status WriteWholeFile(const std::string& path, std::string_view data, mode_t mode, Durability durability) {
  const std::string tmp = path + ".tmp";
  {
    const UniqueFd fd(open(tmp.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!fd) return ErrnoStatus(errno, "create", tmp);
    MINIKUBE_RETURN_IF_ERROR(WriteAll(fd.get(), data, tmp));
    if (fchmod(fd.get(), mode) != 0) return ErrnoStatus(errno, "chmod", tmp);
    if (durability == Durability::kDisk && fsync(fd.get()) != 0) return ErrnoStatus(errno, "fsync", tmp);
  }
  if (rename(tmp.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, "rename", path);
  if (durability == Durability::kMemory) return {};
  const std::size_t slash = path.rfind('/');
  return SyncDir(slash == std::string::npos ? "." : path.substr(0, slash));
}

Status MakeDirs(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0 || (errno == EEXIST && Exists(path + "/."))) return {};
  if (errno != ENOENT) return ErrnoStatus(errno, "mkdir", path);
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos || slash == 0) return ErrnoStatus(ENOENT, "mkdir", path);
  MINIKUBE_RETURN_IF_ERROR(MakeDirs(path.substr(0, slash), mode));
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return ErrnoStatus(errno, "mkdir", path);
  return {};
}

Status SyncDir(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", path);
  return fsync(fd.get()) == 0 ? Status() : ErrnoStatus(errno, "fsync", path);
}

bool Exists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

std::vector<std::string> ListDir(const std::string& path) {
  std::vector<std::string> names;
  const DirCloser dir{opendir(path.c_str())};
  if (dir.dir == nullptr) return names;
  while (const dirent* entry = readdir(dir.dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool RetryForASecond(const Function<bool()>& attempt) {
  for (int i = 0; i < 100; ++i) {
    if (attempt()) return true;
    poll(nullptr, 0, 10);
  }
  return attempt();
}

int OpenInRoot(int root, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how));
}

}  // namespace minikube::oci
