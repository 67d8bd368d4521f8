#include "oci/layer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "oci/digest.h"
#include "oci/files.h"

namespace minikube::oci {
namespace {

struct ArchiveFree {
  void operator()(archive* a) const { archive_read_free(a); }
};
using ArchivePtr = std::unique_ptr<archive, ArchiveFree>;

Status BadLayer(std::string_view why) { return {Code::kBadRequest, fmt::format("malformed layer: {}", why)}; }

Status ArchiveError(archive* a) {
  const char* text = archive_error_string(a);
  return BadLayer(text != nullptr ? text : "not a tar archive");
}

// The bytes of the file, hashed as they pass, through libarchive's decompressors, hashed again: what comes out is the
// uncompressed tar, and both digests are those of whole streams once Drain has run.
class TarStream {
 public:
  explicit TarStream(UniqueFd file) : file_(std::move(file)), inflate_(archive_read_new()) {}

  Status Open() {
    archive_read_support_format_raw(inflate_.get());
    archive_read_support_filter_gzip(inflate_.get());
    archive_read_support_filter_zstd(inflate_.get());
    archive_read_support_filter_bzip2(inflate_.get());
    archive_read_support_filter_xz(inflate_.get());
    if (archive_read_open(inflate_.get(), this, nullptr, &TarStream::ReadFile, nullptr) != ARCHIVE_OK) {
      return ArchiveError(inflate_.get());
    }
    archive_entry* entry = nullptr;
    if (archive_read_next_header(inflate_.get(), &entry) != ARCHIVE_OK) return ArchiveError(inflate_.get());
    return {};
  }

  // For archive_read_open of the tar reader.
  static la_ssize_t Read(archive* a, void* self, const void** data) {
    return static_cast<TarStream*>(self)->Next(a, data);
  }

  // Reads on to the end of the file: padding after the tar's end is part of both digests.
  Status Drain() {
    const void* data = nullptr;
    la_ssize_t n = 0;
    while ((n = Next(nullptr, &data)) > 0) continue;
    if (n < 0) return ArchiveError(inflate_.get());
    while ((n = ReadFile(inflate_.get(), this, &data)) > 0) continue;
    return n < 0 ? Status(Code::kInternal, "cannot read the layer") : Status();
  }
  std::string blob_digest() { return blob_.Finish(); }
  std::string diff_id() { return tar_.Finish(); }

 private:
  la_ssize_t Next(archive* a, const void** data) {
    const la_ssize_t n = archive_read_data(inflate_.get(), out_.data(), out_.size());
    if (n < 0) {
      if (a != nullptr) archive_set_error(a, EIO, "%s", archive_error_string(inflate_.get()));
      return -1;
    }
    tar_.Update(out_.data(), static_cast<std::size_t>(n));
    *data = out_.data();
    return n;
  }
  static la_ssize_t ReadFile(archive* a, void* context, const void** data) {
    auto* self = static_cast<TarStream*>(context);
    ssize_t n = 0;
    do {
      n = read(self->file_.get(), self->in_.data(), self->in_.size());
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
      archive_set_error(a, errno, "read: %s", std::strerror(errno));
      return -1;
    }
    self->blob_.Update(self->in_.data(), static_cast<std::size_t>(n));
    *data = self->in_.data();
    return n;
  }

  UniqueFd file_;
  Sha256 blob_;
  Sha256 tar_;
  std::array<char, 65536> in_;
  std::array<char, 65536> out_;
  ArchivePtr inflate_;
};

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kWhiteoutMeta = ".wh..wh.";
constexpr std::size_t kMaxPath = 4095;
constexpr std::size_t kMaxXattr = 65536;

// An entry's place: the parent directory, open, and the name in it.
struct Place {
  UniqueFd parent;
  std::string name;
};

class Unpacker {
 public:
  Unpacker(UniqueFd root, const LayerLimits& limits) : root_(std::move(root)), limits_(limits) {}

  Status Run(archive* tar) {
    archive_entry* entry = nullptr;
    while (true) {
      const int result = archive_read_next_header(tar, &entry);
      if (result == ARCHIVE_EOF) break;
      // A warning is about names in the process's locale, which is not used.
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return ArchiveError(tar);
      if (++entries_ > limits_.max_entries) return {Code::kTooLarge, "the layer has too many entries"};
      MINIKUBE_RETURN_IF_ERROR(Apply(tar, entry));
    }
    // Directories get their times last: filling them changes those.
    for (const auto& [path, times] : dir_times_) {
      const UniqueFd dir(OpenInRoot(root_.get(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      if (dir) futimens(dir.get(), times.data());
    }
    return {};
  }
  std::uint64_t size() const { return size_; }

 private:
  static const char* Utf8Or(const char* utf8, const char* raw) { return utf8 != nullptr ? utf8 : raw; }

  // The entry's path, relative and clean: no empty, `.` or `..` component. Empty for the root itself.
  static Result<std::string> CleanPath(const char* raw, std::string_view what) {
    if (raw == nullptr) return BadLayer(fmt::format("an entry without a {}", what));
    std::string_view rest = raw;
    if (rest.size() > kMaxPath) return BadLayer(fmt::format("a {} of {} bytes", what, rest.size()));
    std::string out;
    while (!rest.empty()) {
      const std::size_t slash = rest.find('/');
      const std::string_view part = rest.substr(0, slash);
      rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
      if (part.empty() || part == ".") continue;
      if (part == "..") return BadLayer(fmt::format("{} \"{}\" leads out of the layer", what, raw));
      if (part.size() > 255) return BadLayer(fmt::format("{} \"{}\" has a component that is too long", what, raw));
      if (!out.empty()) out += '/';
      out += part;
    }
    return out;
  }

  // Opens the directory `path`, making what is missing. Links in it resolve inside the layer.
  Result<UniqueFd> OpenDir(const std::string& path) {
    UniqueFd dir(OpenInRoot(root_.get(), path, O_RDONLY | O_DIRECTORY));
    if (dir) return dir;
    if (errno != ENOENT || path.empty())
      return BadLayer(fmt::format("directory \"{}\": {}", path, std::strerror(errno)));
    const std::size_t slash = path.rfind('/');
    auto parent = OpenDir(slash == std::string::npos ? "" : path.substr(0, slash));
    if (!parent) return parent.status();
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    if (mkdirat(parent->get(), name.c_str(), 0755) != 0) {
      // A dangling link: what it points to is not in this layer.
      return BadLayer(fmt::format("directory \"{}\": {}", path, std::strerror(errno)));
    }
    return UniqueFd(OpenInRoot(root_.get(), path, O_RDONLY | O_DIRECTORY));
  }

  Result<Place> Locate(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    auto parent = OpenDir(slash == std::string::npos ? "" : path.substr(0, slash));
    if (!parent) return parent.status();
    return Place{std::move(parent).value(), slash == std::string::npos ? path : path.substr(slash + 1)};
  }

  static Status Failed(std::string_view what, const std::string& path) { return ErrnoStatus(errno, what, path); }

  // Makes room for something that is not a directory.
  static Status Clear(const Place& place, const std::string& path) {
    if (unlinkat(place.parent.get(), place.name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return Failed("replace", path);
    return RemoveTree(fmt::format("/proc/self/fd/{}/{}", place.parent.get(), place.name));
  }

  Status Apply(archive* tar, archive_entry* entry) {
    auto path = CleanPath(Utf8Or(archive_entry_pathname_utf8(entry), archive_entry_pathname(entry)), "name");
    if (!path) return path.status();
    const mode_t type = archive_entry_filetype(entry);
    if (path->empty()) {
      if (type != AE_IFDIR) return BadLayer("the root is not a directory");
      return Attributes(root_.get(), entry, *path);
    }
    auto place = Locate(*path);
    if (!place) return place.status();
    if (place->name.substr(0, kWhiteout.size()) == kWhiteout) return Whiteout(*place, *path);
    if (const char* link = Utf8Or(archive_entry_hardlink_utf8(entry), archive_entry_hardlink(entry))) {
      return Hardlink(*place, *path, link);
    }
    if (type == AE_IFDIR) return Directory(*place, *path, entry);
    MINIKUBE_RETURN_IF_ERROR(Clear(*place, *path));
    switch (type) {
      case AE_IFREG:
        return Regular(*place, *path, tar, entry);
      case AE_IFLNK:
        return Symlink(*place, *path, entry);
      case AE_IFCHR:
      case AE_IFBLK:
      case AE_IFIFO:
        return Node(*place, *path, entry, type);
      default:
        return BadLayer(fmt::format("\"{}\" is of an unknown type", *path));
    }
  }

  Status Whiteout(const Place& place, const std::string& path) {
    if (place.name == kOpaque) {
      if (fsetxattr(place.parent.get(), "trusted.overlay.opaque", "y", 1, 0) != 0) return Failed("mark opaque", path);
      return {};
    }
    if (place.name.substr(0, kWhiteoutMeta.size()) == kWhiteoutMeta) return {};  // bookkeeping of aufs
    const std::string hidden = place.name.substr(kWhiteout.size());
    if (hidden.empty() || hidden == "." || hidden == "..") return BadLayer(fmt::format("whiteout \"{}\"", path));
    if (mknodat(place.parent.get(), hidden.c_str(), S_IFCHR, makedev(0, 0)) == 0) return {};
    if (errno != EEXIST) return Failed("mknod", path);
    // A whiteout hides lower layers only; what this layer itself has there stays, alone.
    const UniqueFd dir(openat(place.parent.get(), hidden.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (dir && fsetxattr(dir.get(), "trusted.overlay.opaque", "y", 1, 0) != 0) return Failed("mark opaque", path);
    return {};
  }

  Status Directory(const Place& place, const std::string& path, archive_entry* entry) {
    struct stat info {};
    bool was_whiteout = false;
    if (fstatat(place.parent.get(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(info.st_mode)) {
      was_whiteout = S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
      MINIKUBE_RETURN_IF_ERROR(Clear(place, path));
    }
    if (mkdirat(place.parent.get(), place.name.c_str(), 0700) != 0 && errno != EEXIST) return Failed("mkdir", path);
    const UniqueFd dir(openat(place.parent.get(), place.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!dir) return Failed("open", path);
    if (was_whiteout && fsetxattr(dir.get(), "trusted.overlay.opaque", "y", 1, 0) != 0)
      return Failed("mark opaque", path);
    MINIKUBE_RETURN_IF_ERROR(Attributes(dir.get(), entry, path));
    if (archive_entry_mtime_is_set(entry) != 0) dir_times_.emplace_back(path, Times(entry));
    return {};
  }

  Status Regular(const Place& place, const std::string& path, archive* tar, archive_entry* entry) {
    const UniqueFd file(
        openat(place.parent.get(), place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return Failed("create", path);
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    int result = ARCHIVE_OK;
    while ((result = archive_read_data_block(tar, &data, &size, &offset)) == ARCHIVE_OK) {
      size_ += size;
      if (size_ > limits_.max_bytes) return {Code::kTooLarge, "the layer is too large"};
      for (std::size_t done = 0; done < size;) {
        const ssize_t n = pwrite(file.get(), static_cast<const char*>(data) + done, size - done,
                                 static_cast<off_t>(offset) + static_cast<off_t>(done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Failed("write", path);
        done += static_cast<std::size_t>(n);
      }
    }
    if (result != ARCHIVE_EOF) return ArchiveError(tar);
    const la_int64_t length = archive_entry_size(entry);  // a sparse file may end in a hole
    if (length > 0 && ftruncate(file.get(), length) != 0) return Failed("truncate", path);
    MINIKUBE_RETURN_IF_ERROR(Attributes(file.get(), entry, path));
    if (archive_entry_mtime_is_set(entry) != 0) futimens(file.get(), Times(entry).data());
    return {};
  }

  Status Symlink(const Place& place, const std::string& path, archive_entry* entry) {
    const char* to = Utf8Or(archive_entry_symlink_utf8(entry), archive_entry_symlink(entry));
    if (to == nullptr || *to == '\0') return BadLayer(fmt::format("link \"{}\" without a target", path));
    if (symlinkat(to, place.parent.get(), place.name.c_str()) != 0) return Failed("symlink", path);
    if (fchownat(place.parent.get(), place.name.c_str(), Owner(entry), Group(entry), AT_SYMLINK_NOFOLLOW) != 0) {
      return Failed("chown", path);
    }
    return {};
  }

  Status Hardlink(const Place& place, const std::string& path, const char* raw) {
    auto target = CleanPath(raw, "hard link");
    if (!target) return target.status();
    const std::size_t slash = target->rfind('/');
    const UniqueFd parent(
        OpenInRoot(root_.get(), slash == std::string::npos ? "" : target->substr(0, slash), O_PATH | O_DIRECTORY));
    const std::string name = slash == std::string::npos ? *target : target->substr(slash + 1);
    struct stat info {};
    if (!parent || fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return BadLayer(fmt::format("hard link \"{}\" to \"{}\", which the layer does not have", path, raw));
    }
    // A link to an overlayfs whiteout would be one; to a directory is impossible.
    if (S_ISDIR(info.st_mode) || (S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0))) {
      return BadLayer(fmt::format("hard link \"{}\" to \"{}\", which is no file", path, raw));
    }
    struct stat old {};
    if (fstatat(place.parent.get(), place.name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0 && old.st_dev == info.st_dev &&
        old.st_ino == info.st_ino) {
      return {};
    }
    MINIKUBE_RETURN_IF_ERROR(Clear(place, path));
    if (linkat(parent.get(), name.c_str(), place.parent.get(), place.name.c_str(), 0) != 0) return Failed("link", path);
    return {};
  }

  Status Node(const Place& place, const std::string& path, archive_entry* entry, mode_t type) {
    const dev_t device = type == AE_IFIFO ? 0 : archive_entry_rdev(entry);
    if (type == AE_IFCHR && device == makedev(0, 0)) {
      return BadLayer(fmt::format("\"{}\" is a character device 0/0, which would forge a whiteout", path));
    }
    const mode_t mode = archive_entry_perm(entry) & 07777;
    if (mknodat(place.parent.get(), place.name.c_str(), type | mode, device) != 0) return Failed("mknod", path);
    if (fchownat(place.parent.get(), place.name.c_str(), Owner(entry), Group(entry), AT_SYMLINK_NOFOLLOW) != 0) {
      return Failed("chown", path);
    }
    // Past the umask. The name was made a moment ago in a directory nobody else reaches: it is no link.
    if (fchmodat(place.parent.get(), place.name.c_str(), mode, 0) != 0) return Failed("chmod", path);
    return {};
  }

  static uid_t Owner(archive_entry* entry) { return static_cast<uid_t>(archive_entry_uid(entry)); }
  static gid_t Group(archive_entry* entry) { return static_cast<gid_t>(archive_entry_gid(entry)); }
  static std::array<timespec, 2> Times(archive_entry* entry) {
    const timespec modified{archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)};
    return {modified, modified};
  }

  // Owner first: changing it clears set-id bits and capabilities.
  Status Attributes(int fd, archive_entry* entry, const std::string& path) {
    if (fchown(fd, Owner(entry), Group(entry)) != 0) return Failed("chown", path);
    if (fchmod(fd, archive_entry_perm(entry) & 07777) != 0) return Failed("chmod", path);
    archive_entry_xattr_reset(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      const std::string_view key = name;
      // Of the others, trusted.overlay.* would forge overlayfs' marks and labels belong to the machine that made them.
      if (key != "security.capability" && key.substr(0, 5) != "user.") continue;
      if (key.substr(0, 13) == "user.overlay.") continue;
      if (size > kMaxXattr) return BadLayer(fmt::format("attribute {} of \"{}\" is too large", key, path));
      if (fsetxattr(fd, name, value, size, 0) != 0 && errno != ENOTSUP && errno != ENOSPC && errno != EPERM) {
        return Failed(fmt::format("set {}", key), path);
      }
    }
    return {};
  }

  UniqueFd root_;
  LayerLimits limits_;
  std::uint64_t entries_ = 0;
  std::uint64_t size_ = 0;
  std::vector<std::pair<std::string, std::array<timespec, 2>>> dir_times_;
};

}  // namespace

Result<LayerResult> UnpackLayer(const LayerSource& source, const std::string& target, const LayerLimits& limits) {
  UniqueFd file(open(source.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return ErrnoStatus(errno, "open", source.path);
  UniqueFd root(open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return ErrnoStatus(errno, "open", target);

  const auto stream = std::make_unique<TarStream>(std::move(file));
  MINIKUBE_RETURN_IF_ERROR(stream->Open());
  const ArchivePtr tar(archive_read_new());
  archive_read_support_format_tar(tar.get());
  archive_read_support_format_empty(tar.get());
  if (archive_read_open(tar.get(), stream.get(), nullptr, &TarStream::Read, nullptr) != ARCHIVE_OK) {
    return ArchiveError(tar.get());
  }
  Unpacker unpacker(std::move(root), limits);
  MINIKUBE_RETURN_IF_ERROR(unpacker.Run(tar.get()));
  MINIKUBE_RETURN_IF_ERROR(stream->Drain());

  if (const std::string digest = stream->blob_digest(); !source.blob_digest.empty() && digest != source.blob_digest) {
    return BadLayer(fmt::format("its digest is {}, not {}", digest, source.blob_digest));
  }
  LayerResult result{stream->diff_id(), unpacker.size()};
  if (!source.diff_id.empty() && result.diff_id != source.diff_id) {
    return BadLayer(fmt::format("its uncompressed digest is {}, not {}", result.diff_id, source.diff_id));
  }
  return result;
}

}  // namespace minikube::oci
