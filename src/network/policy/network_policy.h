// NodePolicies: keeps what NetworkPolicies allow the pods of this node, by a table of nftables of its own.
//
// Thread safety: everything on the strand given at construction. Lifetime: client, env and strand outlive it.
#pragma once

#include <memory>
#include <string>

#include <minikube/client.h>
#include <minikube/informer.h>
#include <minikube/log.h>

#include "network/nft/loader.h"

namespace minikube::network {

struct NodePoliciesOptions {
  std::string table;  // its name
  std::string node_name;
};

class NodePolicies {
 public:
  NodePolicies(NodePoliciesOptions options, Client& client, Env& env, Strand& strand, Logger log);
  ~NodePolicies();

  void Start();
  // Whether the kernel has all that is known so far.
  bool idle() const { return started_ && !waking_ && loader_.idle(); }
  // Takes the table away, then calls `done`.
  void Remove(Task done) { loader_.Remove(std::move(done)); }

 private:
  void Wake();
  void Sync();

  const NodePoliciesOptions options_;
  Env& env_;
  Strand& strand_;
  Table table_;
  Loader loader_;
  Informer policies_;
  Informer pods_;
  Informer namespaces_;
  bool waking_ = false;
  bool started_ = false;
  Duration rest_{};
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace minikube::network
