// What the OCI runtime writes down about sandboxes and containers, and the small files their processes leave.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <minikube/env.h>
#include <minikube/runtime.h>
#include <minikube/status.h>

#include "oci/pod_network.h"

namespace minikube::oci {

struct SandboxRecord {
  SandboxConfig config;  // of it, state.json keeps what outlives the start
  std::string boot_id;
  std::string message;
  std::optional<Ipv4> ip;
  WallTime created{};
  bool complete = false;  // false while it is being made: a crash then leaves rubbish, not a sandbox
};

struct ContainerRecord {
  std::string id;
  std::string sandbox_id;
  std::string name;
  std::uint32_t attempt = 0;
  std::string image;
  std::string image_id;
  std::string log_path;
  std::string cgroup_path;
  std::string boot_id;
  int stop_signal = 15;
  WallTime created{};
};

std::string ToJson(const SandboxRecord& record);
std::string ToJson(const ContainerRecord& record);
// Errors: kInternal (malformed).
Result<SandboxRecord> SandboxFromJson(std::string_view text);
Result<ContainerRecord> ContainerFromJson(std::string_view text);

// A process by a name that no other process ever has during one boot.
struct ProcessRef {
  int pid = 0;
  std::uint64_t start_time = 0;
};

// The file `pause` or `started`, or the same after "started " on a starter's output.
struct StartedProcess {
  ProcessRef process;
  WallTime at{};
  ProcessRef monitor;  // of a container
};
std::optional<StartedProcess> ParseStarted(std::string_view text);

// The file `exit`.
struct ExitRecord {
  int exit_code = 0;
  bool oom_killed = false;
  WallTime finished{};
  std::string reason;  // "" = follows from the rest
  std::string message;
};
std::string ToJson(const ExitRecord& record);
Result<ExitRecord> ExitFromJson(std::string_view text);

}  // namespace minikube::oci
