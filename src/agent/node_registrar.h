// NodeRegistrar: keeps the Node object and the Lease of this node in the API as they should be.
//
// The lease is the heartbeat; the Node is written when something in it has changed, or when `status_interval` has
// passed. A Node that somebody deletes is registered again. Thread safety: the agent's strand.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <minikube/informer.h>

#include "agent/agent_context.h"
#include "agent/node_status.h"

namespace minikube::agent {

class NodeRegistrar : public std::enable_shared_from_this<NodeRegistrar> {
 public:
  // `registered` is called once, when the Node is there.
  NodeRegistrar(AgentContext& context, MachineFacts facts, std::function<void()> registered);
  ~NodeRegistrar();

  void Start();
  // Images have come or gone.
  void ImagesChanged();
  ObjectRef node() const { return node_; }

 private:
  void Tick();
  void Ensure();
  void Write(ApiRequest request);
  void Wrote(Result<ApiResponse> response);
  void RenewLease();
  void SendLease(Verb verb, ObjectRef lease);
  void LeaseAnswered(Verb verb, Result<ApiResponse> response);
  template <typename F>
  auto Bind(F f) {
    return [weak = weak_from_this(), f = std::move(f)](auto&&... answer) mutable {
      if (const auto self = weak.lock()) f(*self, std::forward<decltype(answer)>(answer)...);
    };
  }

  AgentContext& context_;
  const MachineFacts facts_;
  std::function<void()> registered_;
  std::unique_ptr<Informer> informer_;
  ObjectRef node_;   // the newest version known
  ObjectRef lease_;  // as last written; null: not known
  std::vector<ImageInfo> images_;
  MonoTime status_written_{};
  Duration retry_{};
  bool writing_ = false;
  bool renewing_ = false;
  TimerId tick_timer_ = 0;
  TimerId retry_timer_ = 0;
};

}  // namespace minikube::agent
