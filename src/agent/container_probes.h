// ContainerProbes: the startup, readiness and liveness probes of one running container.
//
// Each probe runs alone on its own timer; readiness and liveness begin when the startup probe has succeeded. Made when
// a container runs, destroyed when it has stopped. Thread safety: the agent's strand.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "agent/handler.h"

namespace minikube::agent {

class ContainerProbes {
 public:
  struct Owner {
    std::function<void()> changed;                                    // started() or ready() did
    std::function<void(std::string_view reason, std::string)> event;  // a warning about the container
    std::function<void(std::string)> kill;  // why the container is to be restarted; asked once
  };
  struct Target {
    core::Container container;
    std::string container_id;
    std::string pod_ip;
    WallTime started;
  };

  static bool Wanted(const core::Container& container) {
    return container.startupProbe || container.readinessProbe || container.livenessProbe;
  }
  // `was_ready`: an adopted container is taken to be as it was reported until a probe says otherwise.
  ContainerProbes(AgentContext& context, Target target, Owner owner, bool was_ready);
  ~ContainerProbes();

  // For a container that is being stopped: whether it lives is no question any more, whether it is ready still is.
  void KeepReadinessOnly();

  bool started() const { return started_; }
  bool ready() const { return started_ && ready_; }

 private:
  enum Kind : std::uint8_t { kStartup, kReadiness, kLiveness };
  struct Probe {
    const core::Probe* spec = nullptr;  // in target_
    std::unique_ptr<RunningHandler> running;
    TimerId timer = 0;
    int successes = 0;
    int failures = 0;
    bool warned = false;
  };
  void Arm(Kind kind, Duration delay);
  void BeginAfterStartup();
  Duration FirstDelay(const core::Probe& spec) const;
  void Run(Kind kind);
  void Answered(Kind kind, const Status& status);
  void Passed(Kind kind);
  void Missed(Kind kind);

  AgentContext& context_;
  Target target_;
  Owner owner_;
  std::array<Probe, 3> probes_;
  bool started_ = false;
  bool ready_ = false;
  bool killed_ = false;
};

}  // namespace minikube::agent
