// The cluster's names: what the zone of the cluster (cluster.local) answers. Kubernetes DNS-Based Service Discovery,
// schema version 1.1.0, and the records of pods by address.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>
#include <minikube/object.h>

#include "network/dns/message.h"

namespace minikube::network::dns {

// Where the zone has its names from. Each is a look-up by a key, never a search.
class ClusterNames {
 public:
  virtual ~ClusterNames() = default;
  virtual bool HasNamespace(std::string_view ns) const = 0;
  virtual ObjectRef FindService(std::string_view ns, std::string_view name) const = 0;
  virtual std::vector<ObjectRef> SlicesOf(std::string_view ns, std::string_view service) const = 0;
  // Services with this cluster address; slices with this address of an endpoint.
  virtual std::vector<ObjectRef> ServicesAt(std::string_view address) const = 0;
  virtual std::vector<ObjectRef> SlicesAt(std::string_view address) const = 0;
};

struct Answer {
  Rcode rcode = Rcode::kNoError;
  std::vector<Record> answers;
  std::vector<Record> authority;
  std::vector<Record> additional;
  std::optional<std::string> alias;  // the last answer says that the question is about this name instead
};

class Zone {
 public:
  // `server` is the cluster DNS address. `names` outlives it.
  Zone(std::string domain, std::string server, const ClusterNames& names);

  const std::string& domain() const { return domain_; }
  // nullopt if the question is about names of others: those outside the zone, and addresses that nobody here has.
  std::optional<Answer> Resolve(const Question& question) const;

 private:
  struct Found;  // what is known of a name
  Found Look(const std::vector<std::string>& labels, std::uint16_t type) const;
  Found LookService(std::string_view ns, std::string_view name, std::uint16_t type) const;
  Found LookBelowService(const std::vector<std::string>& labels, std::uint16_t type) const;
  Found LookPorts(std::string_view ns, std::string_view name, std::string_view port, std::string_view protocol,
                  std::uint16_t type) const;
  std::optional<Answer> ResolveAddress(const Question& question) const;
  std::string NameOf(std::string_view ns, std::string_view service) const;
  Record Soa() const;

  const std::string domain_;
  const std::string server_;
  const ClusterNames& names_;
};

}  // namespace minikube::network::dns
