// The kinds whose meaning needs code. One file per family; whatever is in none of them is stored by the generic path.
#pragma once

#include <span>

#include "api/world/stored_kind.h"

namespace minikube::api {

std::span<const Strategy> PodKinds();          // pod.cc
std::span<const Strategy> WorkloadKinds();     // workloads.cc
std::span<const Strategy> BatchKinds();        // batch.cc
std::span<const Strategy> ServiceKinds();      // service.cc
std::span<const Strategy> CoreKinds();         // core.cc
std::span<const Strategy> EventKinds();        // events.cc
std::span<const Strategy> RbacKinds();         // rbac_kinds.cc
std::span<const Strategy> StorageKinds();      // storage.cc
std::span<const Strategy> NetworkKinds();      // network.cc
std::span<const Strategy> LimitKinds();        // limits.cc
std::span<const Strategy> DefinitionKinds();   // definition.cc
std::span<const Strategy> CertificateKinds();  // certificates.cc
std::span<const Strategy> OtherKinds();        // other.cc

// All of them.
std::span<const std::span<const Strategy>> AllStrategies();

}  // namespace minikube::api
