// What the controllers of storage share: how they find claims, volumes and pods, and how they write their states.
#pragma once

#include <string>
#include <string_view>

#include <minikube/api/core/v1.h>
#include <minikube/api/storage/v1.h>
#include <minikube/controller.h>
#include <minikube/view.h>

namespace minikube::controllers {

// Indexes; their values are kube::ClaimKey and kube::ClassKey.
extern const Index kVolumesByClaim;        // those that are bound to it or kept for it
extern const Index kFreeVolumesByClass;    // those that nobody has
extern const Index kClaimsByVolume;        // by the name that they ask for
extern const Index kUnboundClaimsByClass;  // by kNoClass if they say nothing of a class
inline constexpr std::string_view kNoClass = "-";
extern const Index kPodsByClaim;
std::string ClaimKey(const core::v1::PersistentVolumeClaim& claim);

// Writes the claim's status; null if it is so already. `volume` null: it has none.
Step* PutClaimStatus(const core::v1::PersistentVolumeClaim& claim, std::string_view phase,
                     const core::v1::PersistentVolume* volume, Plan& plan);
Step* PutVolumePhase(const core::v1::PersistentVolume& volume, std::string_view phase, std::string_view message,
                     Plan& plan);
// The step's event when it is performed, if there is a step.
void Announce(Step* step, std::string_view type, std::string_view reason, std::string message);

// The default class, or null.
const storage::v1::StorageClass* DefaultClass(const View& view);

}  // namespace minikube::controllers
