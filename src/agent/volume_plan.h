// What the volumes of a pod shall hold: pure functions from the pod and the objects it names to a list of volumes with
// their files. pod_files.h carries it out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/container_env.h"

namespace minikube::agent {

struct VolumeFile {
  std::string path;  // relative, without ".."
  std::string data;
  int mode = 0644;
  friend bool operator==(const VolumeFile&, const VolumeFile&) = default;
};

struct PlannedVolume {
  enum class Kind : std::uint8_t {
    kDirectory,  // emptyDir
    kMemory,     // emptyDir with medium Memory
    kHostPath,
    kLocal,  // a directory of the machine that is there already: a claim's
    kFiles,  // files that the API server's objects define; updated in one step
  };
  std::string name;
  Kind kind = Kind::kDirectory;
  std::string host_path;  // kHostPath, kLocal
  std::string host_path_type;
  std::int64_t size_limit = 0;  // kMemory; 0 = the kernel's choice
  bool secret = false;          // kFiles: never on a disk
  std::vector<VolumeFile> files;
  bool claimed = false;               // of a claim: as long as the pod is here, what is at host_path stays
  bool read_only = false;             // every mount of it
  std::optional<std::int64_t> group;  // owner group of what is in it (fsGroup)
  bool group_at_root = false;         // if what is in it is another's: only where its root is, too
  friend bool operator==(const PlannedVolume&, const PlannedVolume&) = default;
};

// What happens to volumes that hold a token of the pod's service account, and to claims. Where nothing runs nobody
// reads them: a node that only pretends passes over them, so that thousands of such nodes ask for no tokens and watch
// neither certificates nor claims.
enum class TokenVolumes : std::uint8_t { kMade, kPassedOver };

// Whether the pod has anything that PlanVolumes or ResolveEnv work on.
bool NeedsVolumes(const core::Pod& pod, TokenVolumes token_volumes);

// A service account token that a projected volume asks for.
struct TokenNeed {
  std::string volume;
  std::string path;
  std::string audience;
  std::int64_t expiration_seconds = 3600;
  friend auto operator<=>(const TokenNeed&, const TokenNeed&) = default;
};
std::vector<TokenNeed> TokensOf(const core::Pod& pod);
using Tokens = std::map<TokenNeed, std::string>;
// How long a token that has `lifetime` left when it is made is used: as its readers expect, four fifths of that, and no
// longer than a day.
Duration TokenUse(Duration lifetime);

// The ConfigMaps, Secrets and claims that the pod names anywhere: volumes, env, envFrom.
struct ObjectName {
  const ResourceDesc* resource;
  std::string name;
  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;
};
std::vector<ObjectName> ObjectsOf(const core::Pod& pod, TokenVolumes token_volumes = TokenVolumes::kMade);

// The volume that is bound to a claim of the pod, as far as that is known.
std::vector<std::string> BoundVolumesOf(const core::Pod& pod, ObjectSource& objects);

// `in_place`: what the pod has already; what is behind a claim is not asked for again. `local_root`: the directory of
// this node's local-path volumes.
// Errors: kUnavailable (an object or token is not known yet), kNotFound, kBadRequest, kNotImplemented (a volume type
// that this node does not have), each with the message of a FailedMount event.
Result<std::vector<PlannedVolume>> PlanVolumes(const PodFacts& facts, ObjectSource& objects, const Tokens& tokens,
                                               TokenVolumes token_volumes = TokenVolumes::kMade,
                                               const std::vector<PlannedVolume>& in_place = {},
                                               const std::string& local_root = {});

}  // namespace minikube::agent
