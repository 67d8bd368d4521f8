// From a container's spec to what the runtime is told: environment, command, mounts, security. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "agent/pod_files.h"

namespace minikube::agent {

struct ContainerInputs {
  const PodFacts* facts = nullptr;
  const core::Container* container = nullptr;
  const ImageInfo* image = nullptr;
  const std::vector<PlannedVolume>* volumes = nullptr;
  const PodPaths* paths = nullptr;
  ObjectSource* objects = nullptr;
  EnvList services;  // the environment variables of services
  std::string sandbox_id;
  std::string target_container;  // ID of the container whose processes it shares; "" = none
  std::uint32_t attempt = 0;
  std::int64_t memory_capacity = 0;  // of the node
  bool files = true;                 // false: nothing is mounted (a runtime that pretends)
};

struct SubPathBind {
  std::string volume;  // directory of the volume
  std::string sub_path;
  std::string target;
};

struct PreparedContainer {
  ContainerConfig config;
  std::vector<SubPathBind> binds;  // to be made before it starts
  std::string termination_path;    // to be created before it starts; empty = none
};

// Errors, with the message of CreateContainerConfigError: kUnavailable (an object is not known yet), kNotFound,
// kBadRequest.
Result<PreparedContainer> PrepareContainer(const ContainerInputs& inputs);

SandboxConfig MakeSandboxConfig(const core::Pod& pod, const std::string& log_directory, std::uint32_t attempt);

// The sandbox's id for its n-th attempt, and a container's.
std::string SandboxId(const core::Pod& pod, std::uint32_t attempt);
std::string ContainerId(std::string_view sandbox_id, std::string_view container, std::uint32_t attempt);

}  // namespace minikube::agent
