// ServiceProxy: makes the Services of the cluster reachable from this node and its pods, as kube-proxy does, by a table
// of nftables of its own that follows Services and EndpointSlices.
//
// Thread safety: everything on the strand given at construction. Lifetime: client, env and strand outlive it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <minikube/client.h>
#include <minikube/informer.h>
#include <minikube/log.h>

#include "network/nft/loader.h"
#include "network/proxy/service_rules.h"

namespace minikube::network {

struct ServiceProxyOptions {
  std::string table;  // name of the table
  std::string node_name;
  std::string service_range;  // CIDR
  // Services that this process itself serves: namespace/name to where.
  std::map<ObjectKey, Destination> here;
  // What else leads where from this machine and its pods.
  std::vector<std::pair<Destination, Destination>> forwards;
};

class ServiceProxy {
 public:
  ServiceProxy(ServiceProxyOptions options, Client& client, Env& env, Strand& strand, Logger log);
  ~ServiceProxy();

  void Start();
  // The interfaces that pods of this node are behind. `done` is called once that is in force, or cannot be.
  void SetPodLinks(const std::vector<std::string>& links, Task done);
  // Whether the kernel has all that is known so far.
  bool idle() const { return started_ && dirty_.empty() && loader_.idle() && !forgetting_; }
  // Takes the table away, then calls `done`.
  void Remove(Task done) { loader_.Remove(std::move(done)); }
  const Table& table() const { return table_; }

 private:
  using ElementKey = std::pair<std::string, std::string>;

  bool HasSynced() const;
  void Changed(const ObjectKey& service);
  void Wake();
  void Sync();
  ServiceRules RulesOf(const ObjectKey& key) const;
  NodeFacts Facts() const;
  void Give(const ObjectKey& owner, ServiceRules rules);
  void TakeBack(const ObjectKey& owner);
  void ForgetStale();

  const ServiceProxyOptions options_;
  Env& env_;
  Strand& strand_;
  const Logger log_;
  Table table_;
  Loader loader_;
  std::unique_ptr<Informer> services_;
  std::unique_ptr<Informer> slices_;
  std::unique_ptr<Informer> nodes_;
  NodeFacts facts_;

  // What is in the table, and for whom. Services may share chains, and claim one and the same address (externalIPs):
  // the first one has it.
  std::map<ObjectKey, ServiceRules> parts_;
  std::map<std::string, std::size_t> chain_users_;
  std::map<std::string, std::size_t> set_users_;
  std::map<ElementKey, std::map<ObjectKey, std::string>> claims_;

  std::vector<Task> waiting_;  // for the first load
  std::set<ObjectKey> dirty_;
  bool waking_ = false;
  bool started_ = false;
  bool datagrams_changed_ = false;
  bool forgetting_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  std::unique_ptr<Strand> worker_;  // for what blocks; last, so that it goes first
};

}  // namespace minikube::network
