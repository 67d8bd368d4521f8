// Where images come from: OCI layouts, archives of them, `docker save` archives, plain directories.
//
// Formats: OCI image specification ("Image Layout", "Image Index", "Image Manifest"); docker-archive: manifest.json
// with Config, RepoTags, Layers.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "oci/digest.h"
#include "oci/files.h"
#include "oci/image_store.h"
#include "oci/reference.h"

namespace minikube::oci {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxManifest = 8 << 20;
constexpr int kMaxIndexDepth = 4;
constexpr std::uint64_t kMaxArchiveBytes = 64ULL << 30;
constexpr std::uint64_t kMaxArchiveEntries = 100'000;

Status Bad(std::string_view why) { return {Code::kBadRequest, fmt::format("malformed image: {}", why)}; }

std::string TextOf(const Json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

Json MemberOf(const Json& object, const char* key) {
  if (!object.is_object()) return Json();
  const auto it = object.find(key);
  return it != object.end() ? *it : Json();
}

// This machine, in the terms of the image index ("GOARCH").
std::string Architecture() {
  utsname name{};
  uname(&name);
  const std::string_view machine = name.machine;
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"x86_64", "amd64"}, {"aarch64", "arm64"},   {"armv7l", "arm"},      {"armv6l", "arm"},
      {"i686", "386"},     {"ppc64le", "ppc64le"}, {"riscv64", "riscv64"}, {"s390x", "s390x"}};
  for (const auto& [ours, theirs] : kNames) {
    if (machine == ours) return std::string(theirs);
  }
  return std::string(machine);
}

// busybox of /tmp/busybox.tar.gz: what an image without a name of its own is called.
std::string StemOf(const std::string& path) {
  std::string name = path;
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  name = name.substr(name.rfind('/') + 1);
  name = name.substr(0, name.find('.'));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  return name;
}

// The regular files of an archive, written below `target` (which only this function fills, so no link is in the way);
// its symbolic links are only remembered: old `docker save` wrote a repeated layer as a link to the first.
class ArchiveFiles {
 public:
  Status Extract(const std::string& path, const std::string& target) {
    const std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
    archive_read_support_format_tar(reader.get());
    archive_read_support_filter_all(reader.get());
    if (archive_read_open_filename(reader.get(), path.c_str(), 65536) != ARCHIVE_OK) return Error(reader.get(), path);
    archive_entry* entry = nullptr;
    std::uint64_t bytes = 0;
    std::uint64_t entries = 0;
    while (true) {
      const int result = archive_read_next_header(reader.get(), &entry);
      if (result == ARCHIVE_EOF) return {};
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return Error(reader.get(), path);
      if (++entries > kMaxArchiveEntries) return {Code::kTooLarge, fmt::format("{} has too many entries", path)};
      const char* raw = archive_entry_pathname(entry);
      const auto name = raw != nullptr ? Normalise("", raw) : std::nullopt;
      if (!name) return Bad(fmt::format("archive entry \"{}\"", raw != nullptr ? raw : ""));
      if (const char* link = archive_entry_symlink(entry)) {
        const std::size_t slash = name->rfind('/');
        if (auto to = Normalise(slash == std::string::npos ? "" : name->substr(0, slash), link)) links_[*name] = *to;
        continue;
      }
      if (const char* link = archive_entry_hardlink(entry)) {
        if (auto to = Normalise("", link)) links_[*name] = *to;
        continue;
      }
      if (archive_entry_filetype(entry) != AE_IFREG || name->empty()) continue;
      MINIKUBE_RETURN_IF_ERROR(WriteEntry(reader.get(), target + "/" + *name, bytes));
    }
  }

  // The name under which the content of `name` was written.
  std::string Follow(std::string name) const {
    for (int i = 0; i < 8; ++i) {
      const auto it = links_.find(name);
      if (it == links_.end()) break;
      name = it->second;
    }
    return name;
  }

  // `name` relative to `dir`, without `.` and `..`; nothing if it leads out.
  static std::optional<std::string> Normalise(const std::string& dir, std::string_view name) {
    std::vector<std::string> parts;
    const std::string whole = dir + "/" + std::string(name);
    for (std::size_t at = 0; at <= whole.size();) {
      const std::size_t slash = std::min(whole.find('/', at), whole.size());
      const std::string part = whole.substr(at, slash - at);
      at = slash + 1;
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        if (parts.empty()) return std::nullopt;
        parts.pop_back();
      } else {
        parts.push_back(part);
      }
    }
    return fmt::format("{}", fmt::join(parts, "/"));
  }

 private:
  static Status Error(archive* a, const std::string& path) {
    const char* text = archive_error_string(a);
    return {Code::kBadRequest, fmt::format("{} is not an image archive: {}", path, text != nullptr ? text : "")};
  }

  static Status WriteEntry(archive* reader, const std::string& path, std::uint64_t& bytes) {
    MINIKUBE_RETURN_IF_ERROR(MakeDirs(path.substr(0, path.rfind('/'))));
    const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return ErrnoStatus(errno, "create", path);
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    int result = ARCHIVE_OK;
    while ((result = archive_read_data_block(reader, &data, &size, &offset)) == ARCHIVE_OK) {
      bytes += size;
      if (bytes > kMaxArchiveBytes) return {Code::kTooLarge, "the archive is too large"};
      for (std::size_t done = 0; done < size;) {
        const ssize_t n = pwrite(file.get(), static_cast<const char*>(data) + done, size - done,
                                 static_cast<off_t>(offset) + static_cast<off_t>(done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ErrnoStatus(errno, "write", path);
        done += static_cast<std::size_t>(n);
      }
    }
    return result == ARCHIVE_EOF ? Status() : Error(reader, path);
  }

  std::map<std::string, std::string> links_;
};

}  // namespace

// One import, under the store's lock.
class Importer {
 public:
  Importer(const ImageStore& store, std::string name, Origin origin)
      : store_(store), name_(std::move(name)), origin_(origin) {}

  Result<std::vector<ImageInfo>> Run(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "open", path);
    stem_ = StemOf(path);
    if (S_ISDIR(info.st_mode)) {
      MINIKUBE_RETURN_IF_ERROR(ImportDir(path, path));
      return std::move(added_);
    }
    const std::string dir = store_.NewTemp("archive");
    MINIKUBE_RETURN_IF_ERROR(MakeDirs(dir));
    Status status = files_.Extract(path, dir);
    if (status.ok()) status = ImportDir(dir, path);
    const Status removed = RemoveTree(dir);
    if (status.ok()) status = removed;
    if (!status.ok()) return status;
    return std::move(added_);
  }

 private:
  Status ImportDir(const std::string& dir, const std::string& shown) {
    if (Exists(dir + "/index.json")) return ImportLayout(dir);
    if (Exists(dir + "/manifest.json")) return ImportDocker(dir);
    return {Code::kBadRequest,
            fmt::format(
                "{} is neither an OCI layout nor a docker archive (a root file system becomes an image by packing it)",
                shown)};
  }

  Result<Json> ReadJson(const std::string& path) const {
    auto text = ReadWholeFile(path, kMaxManifest);
    if (!text) return text.status();
    Json json = Json::parse(*text, nullptr, false);
    if (json.is_discarded()) return Bad(fmt::format("{} is not JSON", path));
    return json;
  }

  static std::string BlobPath(const std::string& dir, const std::string& digest) {
    return fmt::format("{}/blobs/sha256/{}", dir, HexOf(digest));
  }

  Result<std::string> ReadBlob(const std::string& dir, const std::string& digest) const {
    if (!IsDigest(digest)) return Bad(fmt::format("\"{}\" is not a sha256 digest", digest));
    auto text = ReadWholeFile(BlobPath(dir, digest), kMaxManifest);
    if (!text) return text.status();
    if (DigestOf(*text) != digest) return Bad(fmt::format("blob {} has digest {}", digest, DigestOf(*text)));
    return text;
  }

  // The name a descriptor of index.json has, complete; "" if none.
  std::string NameOf(const Json& descriptor) const {
    const Json annotations = MemberOf(descriptor, "annotations");
    std::string name = TextOf(annotations, "io.containerd.image.name");
    if (name.empty()) name = TextOf(annotations, "org.opencontainers.image.ref.name");
    if (!name.empty() && name.find_first_of("/:") == std::string::npos) name = stem_ + ":" + name;  // only a tag
    return name;
  }

  Status ImportLayout(const std::string& dir) {
    auto index = ReadJson(dir + "/index.json");
    if (!index) return index.status();
    const Json manifests = MemberOf(*index, "manifests");
    if (!manifests.is_array() || manifests.empty()) return Bad("index.json names no manifest");
    std::vector<Json> named;
    for (const Json& descriptor : manifests) {
      if (!NameOf(descriptor).empty()) named.push_back(descriptor);
    }
    if (named.empty() || (named.size() > 1 && !name_.empty())) {
      auto chosen = Choose(manifests);
      if (!chosen) return chosen.status();
      return ImportDescriptor(dir, *chosen, name_.empty() ? stem_ : name_, 0);
    }
    for (const Json& descriptor : named) {
      MINIKUBE_RETURN_IF_ERROR(ImportDescriptor(dir, descriptor, name_.empty() ? NameOf(descriptor) : name_, 0));
    }
    return {};
  }

  // The manifest for this machine. One without a platform fits all.
  static Result<Json> Choose(const Json& manifests) {
    const std::string architecture = Architecture();
    std::string offered;
    for (const Json& descriptor : manifests) {
      const Json platform = MemberOf(descriptor, "platform");
      if (!platform.is_object()) return descriptor;
      if (TextOf(platform, "os") == "linux" && TextOf(platform, "architecture") == architecture) return descriptor;
      offered += fmt::format(" {}/{}", TextOf(platform, "os"), TextOf(platform, "architecture"));
    }
    return Status(Code::kBadRequest,
                  fmt::format("no image for linux/{} among the platforms it has:{}", architecture, offered));
  }

  Status ImportDescriptor(const std::string& dir, const Json& descriptor, const std::string& name, int depth) {
    const std::string digest = TextOf(descriptor, "digest");
    auto text = ReadBlob(dir, digest);
    if (!text) return text.status();
    const Json manifest = Json::parse(*text, nullptr, false);
    if (!manifest.is_object()) return Bad(fmt::format("manifest {} is not a JSON object", digest));
    if (const Json nested = MemberOf(manifest, "manifests"); nested.is_array()) {
      if (depth >= kMaxIndexDepth) return Bad("indexes are nested too deep");
      auto chosen = Choose(nested);
      if (!chosen) return chosen.status();
      return ImportDescriptor(dir, *chosen, name, depth + 1);
    }
    NewImage image;
    image.manifest_digest = digest;
    auto config = ReadBlob(dir, TextOf(MemberOf(manifest, "config"), "digest"));
    if (!config) return config.status();
    image.config = std::move(config).value();
    const Json layers = MemberOf(manifest, "layers");
    if (!layers.is_array()) return Bad("the manifest has no layers");
    for (const Json& layer : layers) {
      const std::string layer_digest = TextOf(layer, "digest");
      if (!IsDigest(layer_digest)) return Bad(fmt::format("\"{}\" is not a sha256 digest", layer_digest));
      image.layers.push_back({BlobPath(dir, layer_digest), layer_digest, ""});
    }
    return Add(image, name);
  }

  Status ImportDocker(const std::string& dir) {
    auto manifest = ReadJson(dir + "/manifest.json");
    if (!manifest) return manifest.status();
    if (!manifest->is_array() || manifest->empty()) return Bad("manifest.json names no image");
    if (manifest->size() > 1 && !name_.empty()) {
      return {Code::kBadRequest, "the archive has several images: they cannot all have the one name given"};
    }
    for (const Json& item : *manifest) {
      NewImage image;
      auto config_path = FilePath(dir, TextOf(item, "Config"));
      if (!config_path) return config_path.status();
      auto config = ReadWholeFile(*config_path, kMaxManifest);
      if (!config) return config.status();
      image.config = std::move(config).value();
      for (const Json& layer : MemberOf(item, "Layers")) {
        auto path = FilePath(dir, layer.is_string() ? layer.get<std::string>() : "");
        if (!path) return path.status();
        image.layers.push_back({std::move(path).value(), "", ""});
      }
      std::vector<std::string> names;
      for (const Json& tag : MemberOf(item, "RepoTags")) {
        if (tag.is_string()) names.push_back(tag.get<std::string>());
      }
      if (!name_.empty()) names = {name_};
      if (names.empty()) names = {stem_};
      for (const std::string& name : names) MINIKUBE_RETURN_IF_ERROR(Add(image, name));
    }
    return {};
  }

  Result<std::string> FilePath(const std::string& dir, const std::string& name) const {
    const auto clean = ArchiveFiles::Normalise("", name);
    if (!clean || clean->empty()) return Bad(fmt::format("manifest.json names the file \"{}\"", name));
    return dir + "/" + files_.Follow(*clean);
  }

  Status Add(const NewImage& image, const std::string& name) {
    auto reference = ParseReference(name);
    if (!reference) return reference.status();
    auto stored = store_.Add(image, reference->ToString(), origin_);
    if (!stored) return stored.status().WithContext(reference->ToString());
    auto info = store_.Info(*stored);
    if (!info) return info.status();
    added_.push_back(std::move(info).value());
    return {};
  }

  const ImageStore& store_;
  const std::string name_;
  const Origin origin_;
  std::string stem_;
  ArchiveFiles files_;
  std::vector<ImageInfo> added_;
};

Result<std::vector<ImageInfo>> ImageStore::Import(const std::string& path, const std::string& name,
                                                  Origin origin) const {
  MINIKUBE_RETURN_IF_ERROR(Open());
  auto lock = ImportLock::Take(root_);
  if (!lock) return lock.status();
  return Importer(*this, name, origin).Run(path);
}

namespace {

// Writes the tree below `root` as a tar: names sorted, owners as numbers, hard links kept, sockets left out.
class TreeWriter {
 public:
  explicit TreeWriter(std::string root)
      : root_(std::move(root)),
        disk_(archive_read_disk_new(), archive_read_free),
        tar_(archive_write_new(), archive_write_free) {}

  Status Write(const std::string& path) {
    archive_read_disk_set_symlink_physical(disk_.get());
    archive_read_disk_set_behavior(disk_.get(), ARCHIVE_READDISK_NO_ACL | ARCHIVE_READDISK_NO_FFLAGS);
    archive_write_set_format_pax_restricted(tar_.get());
    archive_write_set_options(tar_.get(), "hdrcharset=BINARY");
    if (archive_write_open_filename(tar_.get(), path.c_str()) != ARCHIVE_OK) return Failed(tar_.get());
    MINIKUBE_RETURN_IF_ERROR(Visit(""));
    return archive_write_close(tar_.get()) == ARCHIVE_OK ? Status() : Failed(tar_.get());
  }

 private:
  using Archive = std::unique_ptr<archive, int (*)(archive*)>;

  Status Failed(archive* a) const {
    const char* text = archive_error_string(a);
    return {Code::kInternal, fmt::format("pack {}: {}", root_, text != nullptr ? text : "failed")};
  }

  Status Visit(const std::string& relative) {
    const std::string path = relative.empty() ? root_ : root_ + "/" + relative;
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), archive_entry_free);
    archive_entry_copy_pathname(entry.get(), relative.empty() ? "./" : relative.c_str());
    archive_entry_copy_sourcepath(entry.get(), path.c_str());
    if (archive_read_disk_entry_from_file(disk_.get(), entry.get(), -1, nullptr) < ARCHIVE_WARN) {
      return Failed(disk_.get());
    }
    const mode_t type = archive_entry_filetype(entry.get());
    if (type == AE_IFSOCK) return {};
    // Numbers mean the same on every machine, names do not.
    archive_entry_set_uname(entry.get(), nullptr);
    archive_entry_set_gname(entry.get(), nullptr);
    if (type != AE_IFDIR && archive_entry_nlink(entry.get()) > 1) {
      const auto key = std::make_pair(archive_entry_dev(entry.get()), archive_entry_ino64(entry.get()));
      const auto [it, first] = seen_.emplace(key, relative);
      if (!first) {
        archive_entry_copy_hardlink(entry.get(), it->second.c_str());
        archive_entry_set_size(entry.get(), 0);
      }
    }
    if (archive_write_header(tar_.get(), entry.get()) < ARCHIVE_WARN) return Failed(tar_.get());
    if (type == AE_IFREG && archive_entry_hardlink(entry.get()) == nullptr)
      MINIKUBE_RETURN_IF_ERROR(Content(path, entry.get()));
    if (type != AE_IFDIR) return {};
    for (const std::string& name : ListDir(path)) {
      MINIKUBE_RETURN_IF_ERROR(Visit(relative.empty() ? name : relative + "/" + name));
    }
    return {};
  }

  Status Content(const std::string& path, archive_entry* entry) {
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file) return ErrnoStatus(errno, "open", path);
    std::vector<char> buffer(65536);
    la_int64_t left = archive_entry_size(entry);
    while (left > 0) {
      const ssize_t n =
          read(file.get(), buffer.data(), std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(left)));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return {Code::kInternal, fmt::format("{} changed while it was packed", path)};
      if (archive_write_data(tar_.get(), buffer.data(), static_cast<std::size_t>(n)) != n) return Failed(tar_.get());
      left -= n;
    }
    return {};
  }

  const std::string root_;
  Archive disk_;
  Archive tar_;
  std::map<std::pair<dev_t, la_int64_t>, std::string> seen_;
};

}  // namespace

Result<ImageInfo> ImageStore::Pack(const ImagePackOptions& options) const {
  auto reference = ParseReference(options.name);
  if (!reference) return reference.status();
  if (!reference->digest.empty()) return Status(Code::kBadRequest, "an image is packed under a tag, not a digest");
  struct stat info {};
  if (stat(options.rootfs.c_str(), &info) != 0) return ErrnoStatus(errno, "open", options.rootfs);
  if (!S_ISDIR(info.st_mode)) return Status(Code::kBadRequest, fmt::format("{} is not a directory", options.rootfs));
  MINIKUBE_RETURN_IF_ERROR(Open());
  auto lock = ImportLock::Take(root_);
  if (!lock) return lock.status();

  const std::string tar = NewTemp("pack");
  MINIKUBE_RETURN_IF_ERROR(TreeWriter(options.rootfs).Write(tar));
  Sha256 hash;
  {
    const UniqueFd file(open(tar.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return ErrnoStatus(errno, "open", tar);
    std::vector<char> buffer(1 << 16);
    ssize_t n = 0;
    while ((n = read(file.get(), buffer.data(), buffer.size())) != 0) {
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, "read", tar);
      hash.Update(buffer.data(), static_cast<std::size_t>(n));
    }
  }
  const std::string diff_id = hash.Finish();
  Json config = {{"Entrypoint", options.entrypoint}};
  if (!options.cmd.empty()) config["Cmd"] = options.cmd;
  if (!options.env.empty()) config["Env"] = options.env;
  if (!options.user.empty()) config["User"] = options.user;
  if (!options.working_dir.empty()) config["WorkingDir"] = options.working_dir;
  const Json image = {{"architecture", Architecture()},
                      {"os", "linux"},
                      {"config", config},
                      {"rootfs", {{"type", "layers"}, {"diff_ids", {diff_id}}}}};
  auto stored = Add({image.dump(-1, ' ', false, Json::error_handler_t::replace), "", {{tar, "", ""}}},
                    reference->ToString(), Origin::kImported);
  MINIKUBE_RETURN_IF_ERROR(RemoveTree(tar));
  if (!stored) return stored.status();
  return Info(*stored);
}

}  // namespace minikube::oci

namespace minikube {

Result<std::vector<ImageInfo>> ImportImage(const std::string& root, const std::string& path, const std::string& name) {
  return oci::ImageStore(root + "/images").Import(path, name, oci::Origin::kImported);
}

Result<ImageInfo> PackImage(const std::string& root, const ImagePackOptions& options) {
  return oci::ImageStore(root + "/images").Pack(options);
}

}  // namespace minikube
