// One layer of an image, from its tar stream into a directory in overlayfs form.
//
// Format: OCI image specification, "Image Layer Filesystem Changeset". Whiteouts (.wh.NAME) become character devices
// 0/0, opaque directories (.wh..wh..opq) the attribute trusted.overlay.opaque, as overlayfs has them. Nothing in the
// stream is trusted: no entry leads outside the directory (names with .. are refused; links in parent directories
// resolve inside it), no entry forges overlayfs' own marks, sizes and counts are bounded, and the stream's digests are
// checked to its last byte. Blocks. Needs root (ownership, device nodes, attributes).
#pragma once

#include <cstdint>
#include <string>

#include <minikube/status.h>

namespace minikube::oci {

struct LayerLimits {
  std::uint64_t max_bytes = 64ULL << 30;  // of all files, unpacked
  std::uint64_t max_entries = 4'000'000;
};

struct LayerSource {
  std::string path;         // a tar, plain or compressed with gzip, zstd, bzip2 or xz
  std::string blob_digest;  // expected digest of the file as it is; "" = not known
  std::string diff_id;      // expected digest of the uncompressed tar; "" = not known
};

struct LayerResult {
  std::string diff_id;
  std::uint64_t size = 0;  // bytes of its files
};

// Unpacks into the existing empty directory `target`, and syncs nothing. On error `target` holds rubbish: remove it.
// Errors: kBadRequest (malformed, hostile, wrong digest), kTooLarge, kUnavailable (disk full), kInternal.
Result<LayerResult> UnpackLayer(const LayerSource& source, const std::string& target, const LayerLimits& limits = {});

}  // namespace minikube::oci
