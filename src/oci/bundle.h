// A container's config.json: OCI runtime specification 1.0, with the defaults containerd gives Kubernetes' containers.
//
// No seccomp profile is set (RuntimeDefault is not implemented: containers run unconfined by seccomp).
#pragma once

#include <string>
#include <vector>

#include <minikube/runtime.h>
#include <minikube/status.h>

#include "oci/image_config.h"
#include "oci/users.h"

namespace minikube::oci {

struct BundleInput {
  const ContainerConfig& config;
  const SandboxConfig& sandbox;
  const ImageConfig& image;
  ResolvedUser user;
  std::string container_dir;  // rootfs and shm are in it
  std::string sandbox_dir;    // hosts, hostname and resolv.conf are in it
  std::string cgroup_path;
  int pause_pid = 0;
  bool cgroup_v2 = false;
  int target_pid = 0;  // a process whose PID namespace the container joins; 0 = as its pod says
};

// The capabilities (CAP_...) of a container, in the kernel's order. Errors: kBadRequest (unknown name).
Result<std::vector<std::string>> Capabilities(const ContainerConfig& config);

// The text of config.json. Errors: kBadRequest (no command, malformed mount, unknown capability).
Result<std::string> MakeBundleConfig(const BundleInput& input);

}  // namespace minikube::oci
