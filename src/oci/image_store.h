// The image store: what images there are, and their unpacked layers.
//
//   <root>/blobs/sha256/<hex>    configurations, by digest
//   <root>/layers/<name>/fs      one unpacked layer in overlayfs form, shared by all images and containers that have
//   it; <root>/layers/<name>/layer.json   <name> is the start of its diff ID's digits, layer.json has the whole
//   <root>/refs/<hex>.json       one file per reference: name, image, layers; <hex> is the reference's sha256
//   <root>/tmp/                  imports in the making; nothing in it counts
//   <root>/lock                  held by whoever imports
// Compressed layers are not kept. Everything appears by rename, after a sync: a crash leaves either the whole image or,
// at most, layers that no reference names yet. Several processes may use one store: readers need no lock.
//
// Thread safety: all members, any thread. All of them block.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/runtime.h>
#include <minikube/status.h>

#include "oci/files.h"
#include "oci/image_config.h"
#include "oci/layer.h"

namespace minikube::oci {

// Who vouches for a reference: a registry may have a newer image under it, a hand that imported it has not.
enum class Origin { kImported, kPulled };

struct StoredImage {
  std::string reference;
  std::string id;
  std::string manifest_digest;      // "" for docker archives and packed images
  std::vector<std::string> layers;  // diff IDs, lowest first
  std::uint64_t size = 0;
  Origin origin = Origin::kImported;
};

// One image to be added: its configuration's bytes, and where its layers are, lowest first.
struct NewImage {
  std::string config;
  std::string manifest_digest;
  std::vector<LayerSource> layers;
};

class ImageStore {
 public:
  // `root` is the store's own directory. Nothing is touched before Open.
  explicit ImageStore(std::string root) : root_(std::move(root)) {}

  Status Open() const;

  // By reference, by name and manifest digest, or by image ID (sha256:...). Errors: kNotFound, kBadRequest.
  Result<StoredImage> Find(std::string_view reference) const;
  std::vector<StoredImage> List() const;
  Result<ImageConfig> Config(const std::string& id) const;
  // What the Runtime interface tells about an image.
  Result<ImageInfo> Info(const StoredImage& image) const;

  // The directory that LayerNames are relative to.
  std::string layers_dir() const { return root_ + "/layers"; }
  // <name>/fs of a layer.
  static std::string LayerPath(std::string_view diff_id);

  // Imports an OCI layout directory, or an archive (tar, maybe compressed) of one or as of `docker save`.
  // `name` "" = the names it has inside. Errors: kBadRequest (no image, malformed), kNotFound (path), as UnpackLayer.
  Result<std::vector<ImageInfo>> Import(const std::string& path, const std::string& name, Origin origin) const;
  // Makes an image of one layer of the directory `options.rootfs`.
  Result<ImageInfo> Pack(const ImagePackOptions& options) const;

 private:
  friend class Importer;
  // The rest needs the lock.
  Result<StoredImage> Add(const NewImage& image, const std::string& reference, Origin origin) const;
  Result<std::uint64_t> AddLayer(const LayerSource& source) const;
  Result<StoredImage> ReadRef(const std::string& file) const;
  std::string NewTemp(std::string_view what) const;

  const std::string root_;
};

// Holds the store's lock while it lives, and clears what crashed imports left.
class ImportLock {
 public:
  // Waits for it.
  static Result<ImportLock> Take(const std::string& store_root);

 private:
  explicit ImportLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace minikube::oci
