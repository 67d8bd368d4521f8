// ExecRelay: between the strand of whoever holds the streams of a command, and the agent's, on which the runtime's end
// of them lives.
//
// Thread safety: Holder, any thread; the rest on the agent's strand, but AgentStopped, after that strand has stopped.
// Lifetime: both strands outlive it; what is posted to the agent's after it stopped is dropped.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <minikube/env.h>
#include <minikube/exec.h>

namespace minikube::agent {

class ExecRelay : public std::enable_shared_from_this<ExecRelay> {
 public:
  ExecRelay(Strand& agent, Strand& holder, Function<void(Status)> accepted, ExecEvents events);

  // What the holder gets, once. It keeps `keep` for as long as it may post to the agent's strand.
  std::unique_ptr<ExecStreams> Holder(std::shared_ptr<void> keep);
  bool abandoned() const { return abandoned_; }

  // What the runtime is to tell.
  ExecEvents RuntimeEvents();
  // The runtime's answer to the request.
  void Answer(Result<std::unique_ptr<ExecStreams>> streams);
  // The agent has ended, and the process with it.
  void AgentStopped();

 private:
  class Handle;
  // `task` runs on the holder's strand unless the holder has gone.
  void Tell(Task task);
  template <typename F>
  void OnAgent(F task);

  Strand& agent_;
  Strand& holder_;
  std::atomic<bool> abandoned_ = false;
  bool answered_ = false;
  bool ended_ = false;
  std::unique_ptr<ExecStreams> streams_;
  // Called on the holder's strand.
  const Function<void(Status)> accepted_;
  const ExecEvents events_;
};

}  // namespace minikube::agent
