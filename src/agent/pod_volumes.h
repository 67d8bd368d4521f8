// PodVolumes: brings the volumes of one pod into being, and keeps those made of API objects up to date.
//
// Level-triggered: Sync takes the next step. It watches the ConfigMaps and Secrets that the pod names, asks for its
// service account tokens and renews them in time. Thread safety: the agent's strand.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent_context.h"
#include "agent/container_worker.h"
#include "agent/pod_files.h"

namespace minikube::agent {

class PodVolumes : public std::enable_shared_from_this<PodVolumes> {
 public:
  // Whether there is anything to do for the pod on this node.
  static bool Needed(const AgentContext& context, const core::Pod& pod);

  PodVolumes(AgentContext& context, PodScope& scope) : context_(context), scope_(scope) {}
  ~PodVolumes();

  // Begins to watch what the pod names.
  void Start();
  void Sync();
  // The pod's own data has changed: files made of it may have, too.
  void MarkDirty() { dirty_ = true; }

  bool ready() const { return ready_; }
  // No more steps, and none under way: the pod's directory may be removed.
  void Stop() { stopped_ = true; }
  bool busy() const { return applying_; }
  const std::vector<PlannedVolume>& planned() const { return planned_; }

 private:
  void WatchBoundVolumes();
  void RequestTokens();
  void RequestToken(const TokenNeed& need);
  void Apply(std::vector<PlannedVolume> plan);
  void Failed(const std::string& message);
  void RetryAfter(Duration delay);

  AgentContext& context_;
  PodScope& scope_;
  std::vector<ObjectCache::Pin> pins_;
  std::map<std::string, ObjectCache::Pin> bound_;  // volumes behind the pod's claims, by name
  std::vector<PlannedVolume> planned_;
  Tokens tokens_;
  std::map<TokenNeed, TimerId> token_timers_;  // 0: asked for
  std::string shown_;                          // the error that the last event was about
  Duration retry_{};
  Duration token_retry_{};
  TimerId retry_timer_ = 0;
  bool ready_ = false;
  bool dirty_ = true;
  bool applying_ = false;
  bool stopped_ = false;
};

}  // namespace minikube::agent
