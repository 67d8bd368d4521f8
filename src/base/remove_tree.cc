#include "base/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include <fmt/format.h>

namespace minikube::base {
namespace {

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

Status Failed(int error, std::string_view what, std::string_view path) {
  return {Code::kInternal, fmt::format("{} {}: {}", what, path, std::strerror(error))};
}

DIR* OpenTop(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return nullptr;
  DIR* const dir = fdopendir(fd);
  if (dir == nullptr) close(fd);
  return dir;
}

// Opens a child directory that is neither a link nor a mount point: what is mounted there is not ours to remove.
int OpenChildDir(int dir, const char* name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  return static_cast<int>(syscall(SYS_openat2, dir, name, &how, sizeof how));
}

class TreeRemover {
 public:
  TreeRemover(int top, const std::string& path) : top_(top), path_(path) {}

  // Removes what is in the directory `fd` (taken over). `moved` is set if something deep was put into the top instead.
  Status RemoveChildren(int fd, int depth, bool& moved) {
    const Directory dir(fdopendir(fd), &closedir);
    if (dir == nullptr) {
      const int error = errno;
      close(fd);
      return Failed(error, "read", path_);
    }
    while (true) {
      errno = 0;
      const dirent* entry = readdir(dir.get());
      if (entry == nullptr) return errno != 0 ? Failed(errno, "read", path_) : Status();
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (unlinkat(dirfd(dir.get()), entry->d_name, 0) == 0 || errno == ENOENT) continue;
      if (errno != EISDIR && errno != EPERM) return Error(errno, "remove", name);
      if (unlinkat(dirfd(dir.get()), entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT) continue;
      if (errno != ENOTEMPTY && errno != EEXIST) return Error(errno, "remove", name);
      if (depth >= kMaxDepth) {
        // Each level holds a descriptor; a tree of any depth (containers make what they like) must not use them up.
        const std::string shallow = fmt::format(".deep-{}", moves_++);
        if (renameat(dirfd(dir.get()), entry->d_name, top_, shallow.c_str()) != 0) return Error(errno, "move", name);
        moved = true;
        continue;
      }
      const int child = OpenChildDir(dirfd(dir.get()), entry->d_name);
      if (child < 0) return Error(errno, "open", name);
      MINIKUBE_RETURN_IF_ERROR(RemoveChildren(child, depth + 1, moved));
      if (unlinkat(dirfd(dir.get()), entry->d_name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        return Error(errno, "remove", name);
      }
    }
  }

 private:
  static constexpr int kMaxDepth = 100;
  Status Error(int error, std::string_view what, std::string_view name) const {
    return Failed(error, what, fmt::format("{}/.../{}", path_, name));
  }
  const int top_;
  const std::string& path_;
  std::uint64_t moves_ = 0;
};

}  // namespace

Status RemoveTree(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return errno == ENOENT ? Status() : Failed(errno, "stat", path);
  if (!S_ISDIR(info.st_mode)) {
    return unlink(path.c_str()) == 0 || errno == ENOENT ? Status() : Failed(errno, "remove", path);
  }
  const Directory top(OpenTop(path), &closedir);
  if (top == nullptr) return errno == ENOENT ? Status() : Failed(errno, "open", path);
  TreeRemover remover(dirfd(top.get()), path);
  for (bool moved = true; moved;) {
    moved = false;
    const int fd = openat(dirfd(top.get()), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return Failed(errno, "open", path);
    MINIKUBE_RETURN_IF_ERROR(remover.RemoveChildren(fd, 0, moved));
  }
  return rmdir(path.c_str()) == 0 || errno == ENOENT ? Status() : Failed(errno, "remove", path);
}

}  // namespace minikube::base
