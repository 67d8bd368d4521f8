#include "oci/image_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "oci/digest.h"
#include "oci/files.h"
#include "oci/reference.h"

namespace minikube::oci {
namespace {

using Json = nlohmann::json;

// Enough digits that no two layers share them by accident (layer.json tells if they do on purpose), few enough that
// 127 of them and two absolute paths fit the page of options that mount(2) takes.
constexpr std::size_t kLayerDigits = 24;

std::string LayerName(std::string_view diff_id) { return std::string(HexOf(diff_id).substr(0, kLayerDigits)); }

Status NoSuchImage(std::string_view reference) {
  return {Code::kNotFound, fmt::format("image \"{}\" is not in the local store", reference)};
}

Status SyncFileSystem(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd || syncfs(fd.get()) != 0) return ErrnoStatus(errno, "sync", path);
  return {};
}

}  // namespace

std::string ImageStore::LayerPath(std::string_view diff_id) { return LayerName(diff_id) + "/fs"; }

Status ImageStore::Open() const {
  // 0700: layers hold set-user-id programs of images, which are not for users of this machine.
  for (const char* dir : {"", "/blobs/sha256", "/layers", "/refs", "/tmp"}) {
    MINIKUBE_RETURN_IF_ERROR(MakeDirs(root_ + dir));
  }
  return {};
}

Result<StoredImage> ImageStore::ReadRef(const std::string& file) const {
  auto text = ReadWholeFile(file);
  if (!text) return text.status();
  const Json json = Json::parse(*text, nullptr, false);
  const Status bad(Code::kInternal, fmt::format("{} is malformed", file));
  if (!json.is_object()) return bad;
  try {
    StoredImage out;
    out.reference = json.at("reference").get<std::string>();
    out.id = json.at("id").get<std::string>();
    out.manifest_digest = json.value("manifest", "");
    out.layers = json.at("layers").get<std::vector<std::string>>();
    out.size = json.at("size").get<std::uint64_t>();
    out.origin = json.value("pulled", false) ? Origin::kPulled : Origin::kImported;
    for (const std::string& layer : out.layers) {
      if (!IsDigest(layer)) return bad;
    }
    return IsDigest(out.id) ? Result<StoredImage>(std::move(out)) : bad;
  } catch (const Json::exception&) {
    return bad;
  }
}

std::vector<StoredImage> ImageStore::List() const {
  std::vector<StoredImage> out;
  for (const std::string& name : ListDir(root_ + "/refs")) {
    if (name.size() < 5 || name.substr(name.size() - 5) != ".json") continue;
    if (auto image = ReadRef(root_ + "/refs/" + name)) out.push_back(std::move(image).value());
  }
  return out;
}

Result<StoredImage> ImageStore::Find(std::string_view text) const {
  if (IsDigest(text)) {
    for (StoredImage& image : List()) {
      if (image.id == text) return std::move(image);
    }
    return NoSuchImage(text);
  }
  auto reference = ParseReference(text);
  if (!reference) return reference.status();
  auto found = ReadRef(fmt::format("{}/refs/{}.json", root_, HexOf(DigestOf(reference->ToString()))));
  if (found.ok() || found.status().code() != Code::kNotFound) return found;
  if (!reference->digest.empty()) {
    const std::string prefix = reference->Name() + ":";
    for (StoredImage& image : List()) {
      if (image.manifest_digest == reference->digest && image.reference.substr(0, prefix.size()) == prefix) {
        return std::move(image);
      }
    }
  }
  return NoSuchImage(text);
}

Result<ImageConfig> ImageStore::Config(const std::string& id) const {
  if (!IsDigest(id)) return Status(Code::kBadRequest, fmt::format("\"{}\" is not an image ID", id));
  auto text = ReadWholeFile(fmt::format("{}/blobs/sha256/{}", root_, HexOf(id)));
  if (!text) return text.status();
  return ParseImageConfig(*text);
}

Result<ImageInfo> ImageStore::Info(const StoredImage& image) const {
  auto config = Config(image.id);
  if (!config) return config.status();
  ImageInfo info;
  info.id = image.id;
  info.reference = image.reference;
  info.size = image.size;
  info.entrypoint = config->entrypoint;
  info.cmd = config->cmd;
  info.user = config->user;
  return info;
}

std::string ImageStore::NewTemp(std::string_view what) const {
  // Only the holder of the lock makes these, and Take cleared the directory: counting up finds a free name.
  for (int i = 0;; ++i) {
    const std::string path = fmt::format("{}/tmp/{}-{}", root_, what, i);
    if (!Exists(path)) return path;
  }
}

Result<std::uint64_t> ImageStore::AddLayer(const LayerSource& source) const {
  const std::string final_path = layers_dir() + "/" + LayerName(source.diff_id);
  if (auto meta = ReadWholeFile(final_path + "/layer.json")) {
    const Json json = Json::parse(*meta, nullptr, false);
    if (!json.is_object() || json.value("diffID", Json()) != Json(source.diff_id)) {
      return Status(Code::kBadRequest, fmt::format("layer {} collides with another one's name", source.diff_id));
    }
    const Json size = json.value("size", Json());
    return size.is_number_unsigned() ? size.get<std::uint64_t>() : 0;
  }
  const std::string tmp = NewTemp("layer");
  MINIKUBE_RETURN_IF_ERROR(MakeDirs(tmp + "/fs"));
  // The root directory's own mode is the image's affair only if the layer says so.
  if (chmod((tmp + "/fs").c_str(), 0755) != 0) return ErrnoStatus(errno, "chmod", tmp);
  auto unpacked = UnpackLayer(source, tmp + "/fs");
  if (!unpacked) {
    const Status cleared = RemoveTree(tmp);  // the error that matters is the first; the next import clears the rest
    return unpacked.status();
  }
  const Json meta = {{"diffID", unpacked->diff_id}, {"size", unpacked->size}};
  MINIKUBE_RETURN_IF_ERROR(WriteWholeFile(tmp + "/layer.json", meta.dump()));
  MINIKUBE_RETURN_IF_ERROR(SyncFileSystem(tmp));
  if (rename(tmp.c_str(), final_path.c_str()) != 0) return ErrnoStatus(errno, "rename", final_path);
  MINIKUBE_RETURN_IF_ERROR(SyncDir(layers_dir()));
  return unpacked->size;
}

Result<StoredImage> ImageStore::Add(const NewImage& image, const std::string& reference, Origin origin) const {
  auto config = ParseImageConfig(image.config);
  if (!config) return config.status();
  if (config->diff_ids.size() != image.layers.size()) {
    return Status(Code::kBadRequest, fmt::format("malformed image: {} layers, but {} diff IDs", image.layers.size(),
                                                 config->diff_ids.size()));
  }
  StoredImage out{reference, config->id, image.manifest_digest, config->diff_ids, 0, origin};
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    LayerSource source = image.layers[i];
    source.diff_id = config->diff_ids[i];
    auto size = AddLayer(source);
    if (!size) return size.status();
    out.size += *size;
  }
  MINIKUBE_RETURN_IF_ERROR(
      WriteWholeFile(fmt::format("{}/blobs/sha256/{}", root_, HexOf(out.id)), image.config, 0600, Durability::kDisk));
  const Json ref = {{"reference", out.reference}, {"id", out.id},     {"manifest", out.manifest_digest},
                    {"layers", out.layers},       {"size", out.size}, {"pulled", origin == Origin::kPulled}};
  MINIKUBE_RETURN_IF_ERROR(WriteWholeFile(fmt::format("{}/refs/{}.json", root_, HexOf(DigestOf(out.reference))),
                                          ref.dump(), 0600, Durability::kDisk));
  return out;
}

Result<ImportLock> ImportLock::Take(const std::string& store_root) {
  const std::string path = store_root + "/lock";
  ImportLock lock(UniqueFd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
  if (!lock.fd_) return ErrnoStatus(errno, "open", path);
  while (flock(lock.fd_.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return ErrnoStatus(errno, "lock", path);
  }
  for (const std::string& name : ListDir(store_root + "/tmp")) {
    MINIKUBE_RETURN_IF_ERROR(RemoveTree(store_root + "/tmp/" + name));
  }
  return lock;
}

}  // namespace minikube::oci
