// Image references, read as Docker reads them: busybox is docker.io/library/busybox:latest.
#pragma once

#include <string>
#include <string_view>

#include <minikube/status.h>

namespace minikube::oci {

struct Reference {
  std::string registry;    // docker.io, localhost:5000
  std::string repository;  // library/busybox
  std::string tag;         // "" if there is a digest and no tag
  std::string digest;      // "" or sha256:...

  // docker.io/library/busybox
  std::string Name() const { return registry + "/" + repository; }
  // docker.io/library/busybox:1.36 ; a digest wins over the tag beside it, as it does when pulling.
  std::string ToString() const { return digest.empty() ? Name() + ":" + tag : Name() + "@" + digest; }
};

// Errors: kBadRequest `couldn't parse image name "X": invalid reference format`.
// Grammar: https://github.com/distribution/reference (domain, path components, tag, digest).
Result<Reference> ParseReference(std::string_view text);

}  // namespace minikube::oci
