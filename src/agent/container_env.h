// What a container finds in its environment: the downward API, variables from ConfigMaps and Secrets, $(NAME)
// expansion.
//
// Pure functions; they read objects through ObjectSource. Errors carry the message that the container's waiting state
// shows (reason CreateContainerConfigError). Thread safety: as the ObjectSource given.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/status.h>

#include "agent/pod_util.h"

namespace minikube::agent {

// ConfigMaps and Secrets, by name.
class ObjectSource {
 public:
  virtual ~ObjectSource() = default;
  // Errors: kNotFound (`configmap "x" not found`), kUnavailable (not known yet: ask again when told of a change).
  virtual Result<ObjectRef> Get(const ResourceDesc& resource, std::string_view ns, std::string_view name) = 0;
};

// What the downward API may tell beside the pod object itself.
struct PodFacts {
  const core::Pod* pod = nullptr;
  std::vector<std::string> pod_ips;  // as the runtime says: newer than the status in `pod`
  std::vector<std::string> host_ips;
  Map<Quantity> allocatable;  // of the node; stands in for limits that are not set
  Map<Str> node_labels;
};

using EnvList = std::vector<std::pair<std::string, std::string>>;
using Lookup = std::function<const std::string*(std::string_view name)>;

// Replaces $(NAME) by what `lookup` finds, $$ by $; a reference to an unknown name stays as it is.
std::string Expand(std::string_view text, const Lookup& lookup);
Lookup LookupIn(const EnvList& env);

// The value of a downward API field such as metadata.labels['app']. Errors: kBadRequest for a path it does not have.
Result<std::string> FieldValue(const PodFacts& facts, std::string_view path);
// The value of limits.cpu, requests.memory, ... in units of the divisor, rounded up.
Result<std::string> ResourceValue(const PodFacts& facts, const core::Container& container,
                                  const core::ResourceFieldSelector& selector);

// The environment of `container`: `services`, envFrom, then env in order; later ones replace earlier ones of the same
// name.
Result<EnvList> ResolveEnv(const PodFacts& facts, const core::Container& container, ObjectSource& objects,
                           EnvList services = {});

}  // namespace minikube::agent
