// What a pod's status says, from what its node knows. Pure functions: pod + view -> PodStatus.
//
// Phases, conditions and their reasons follow the Kubernetes documentation "Pod Lifecycle". Parts of the status that
// belong to others (conditions of other types, nominatedNodeName, resource claims) are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/pod_util.h"

namespace minikube::agent {

// One run of a container, in the form of the API (a node may hold thousands).
struct Instance {
  Str id;
  Str image;
  Str image_id;
  Str reason;
  Str message;
  Time started;
  Time finished;
  std::uint32_t attempt = 0;
  int exit_code = 0;
  ContainerState::Phase phase = ContainerState::Phase::kCreated;

  bool running() const { return phase == ContainerState::Phase::kRunning; }
  bool exited() const { return phase == ContainerState::Phase::kExited; }
};
Instance ToInstance(const ContainerState& state);

struct ContainerView {
  std::optional<Instance> current;  // the newest run
  std::optional<Instance> last;     // the one before
  Str waiting_reason;               // why there is no (new) run; "" = the usual one of a pod that is being made
  Str waiting_message;
  std::uint32_t restarts = 0;
  bool started = false;  // running, and its startup probe (if any) succeeded
  bool ready = false;    // running, and its readiness probe (if any) says so
};

struct PodView {
  bool sandbox_ready = false;
  std::vector<std::string> pod_ips;
  std::vector<std::string> host_ips;
  Time start_time;                  // when this node took note of the pod
  std::vector<ContainerView> init;  // in the order of the spec
  std::vector<ContainerView> containers;
  std::vector<ContainerView> ephemeral;
  bool over = false;  // nothing of it runs, and nothing will be started any more
  // A verdict of the node that stands above its containers: rejected, deadline exceeded.
  std::optional<Str> failed_reason;
  Str failed_message;
};

core::PodStatus MakePodStatus(const core::Pod& pod, const PodView& view, Time now);

// The phase alone. `init` and `containers` are statuses in the order of the spec.
std::string_view PhaseOf(const core::PodSpec& spec, const List<core::ContainerStatus>& init,
                         const List<core::ContainerStatus>& containers, bool over);

// Whether all plain init containers have succeeded and all sidecars have started.
bool IsInitialized(const core::Pod& pod, const std::vector<ContainerView>& init);

// Whether a container that ended with `exit_code` is to run again.
bool RestartsAfter(const core::Pod& pod, const core::Container& container, bool init, int exit_code);

}  // namespace minikube::agent
