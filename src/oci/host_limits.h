// What this process, and so what it starts, may do on this machine: root inside a container often lacks a capability.
#pragma once

#include <optional>

namespace minikube::oci {

// The least oom_score_adj (proc(5)) that a process started by this one may have: -1000, or without CAP_SYS_RESOURCE
// what this process has itself or its ancestors had. Found out by trying, on this process, for a moment: call once.
// nullopt = cannot be told, or written at all.
std::optional<int> LowestOomScoreAdj();

}  // namespace minikube::oci
