// The kinds whose meaning needs code. One file per family; whatever is in none of them is stored by the generic path.
#pragma once

#include <span>

#include "api/world/unit.h"

namespace minikube::api {

std::span<const Behaviour> PodKinds();       // pod.cc
std::span<const Behaviour> WorkloadKinds();  // workloads.cc
std::span<const Behaviour> BatchKinds();     // batch.cc
std::span<const Behaviour> ServiceKinds();   // service.cc
std::span<const Behaviour> CoreKinds();      // core.cc
std::span<const Behaviour> RbacKinds();      // rbac_kinds.cc
std::span<const Behaviour> OtherKinds();     // other.cc

// All of them.
std::span<const std::span<const Behaviour>> AllBehaviours();

}  // namespace minikube::api
