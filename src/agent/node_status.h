// What a node says of itself: facts of the machine, and the Node object made of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <minikube/node_agent.h>

#include "agent/pod_util.h"

namespace minikube::agent {

struct MachineFacts {
  std::string hostname;
  std::string machine_id;
  std::string system_uuid;
  std::string boot_id;
  std::string kernel_version;
  std::string os_image;
  std::string architecture;  // as Go names it: amd64, arm64
  std::string internal_ip;
  int cpus = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t storage_bytes = 0;                 // of the file system that holds the agent's root
  std::string local_path_root;                    // where its local-path volumes are; "" = it has no disk
  std::map<std::string, std::int64_t> hugepages;  // "hugepages-2Mi" -> bytes
};

struct Pressure {
  bool memory = false;
  bool disk = false;
  bool pids = false;
};

// Reads /proc, /sys and /etc; what cannot be read stays empty. `root` names the file system of interest.
MachineFacts ReadMachineFacts(const std::string& root);
Pressure ReadPressure(const std::string& root);
// A machine for nodes that only pretend: the same for the same name.
MachineFacts PretendedFacts(const std::string& node_name);

// Puts into `node` what this agent answers for: its labels, where its local-path volumes are, and its status.
// Everything else stays: other labels and annotations, taints, podCIDR, conditions of other types. Heartbeat times are
// `now`.
void FillNode(const NodeAgentOptions& options, const MachineFacts& facts, const RuntimeVersion& runtime,
              const std::vector<ImageInfo>& images, const Pressure& pressure, Time now, core::Node& node);

// Whether the two statuses differ in more than their heartbeats.
bool StatusChanged(const core::NodeStatus& before, const core::NodeStatus& after);

}  // namespace minikube::agent
