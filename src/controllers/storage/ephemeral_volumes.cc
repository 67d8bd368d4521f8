// Makes the claims of generic ephemeral volumes; they go with their pods.
// Semantics: https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes
#include <algorithm>

#include <fmt/format.h>

#include "controllers/controllers.h"
#include "controllers/storage/storage.h"
#include "kube/owners.h"
#include "kube/volumes.h"

namespace minikube::controllers {

using core::v1::PersistentVolumeClaim;
using core::v1::Pod;

Plan ReconcileEphemeralVolumes(const View& view, const Pod& pod) {
  Plan plan;
  if (pod.metadata.deletionTimestamp) return plan;
  for (const core::v1::Volume& volume : pod.spec.volumes) {
    if (!volume.ephemeral || !volume.ephemeral->volumeClaimTemplate) continue;
    const std::string name = kube::ClaimName(pod, volume);
    if (const auto* claim = view.Get<PersistentVolumeClaim>(pod.metadata.namespace_, name)) {
      if (kube::IsMadeFor(*claim, pod)) continue;
      plan.Warning("FailedBinding",
                   fmt::format("ephemeral volume {}: {}", volume.name.view(), kube::NotMadeFor(*claim, pod)));
      continue;
    }
    const core::v1::PersistentVolumeClaimTemplate& wanted = *volume.ephemeral->volumeClaimTemplate;
    PersistentVolumeClaim claim;
    claim.metadata.namespace_ = pod.metadata.namespace_;
    claim.metadata.name = name;
    claim.metadata.labels = wanted.metadata.labels;
    claim.metadata.annotations = wanted.metadata.annotations;
    claim.metadata.ownerReferences = {kube::ControllerRefTo(pod)};
    claim.spec = wanted.spec;
    plan.Create(claim)
        .Warning("FailedBinding", fmt::format("ephemeral volume {}: create PVC {}: {{}}", volume.name.view(), name))
        .Ignore(Code::kAlreadyExists)
        .Ignore(NamespaceTerminating);
  }
  return plan;
}

ControllerEntry EphemeralVolumeController() {
  return For<Pod>("ephemeral-volume-controller")
      .When([](const View&, const Pod& pod) {
        return std::any_of(pod.spec.volumes.begin(), pod.spec.volumes.end(),
                           [](const core::v1::Volume& volume) { return bool(volume.ephemeral); });
      })
      .Watches<PersistentVolumeClaim>([](const View& view, const PersistentVolumeClaim& claim, const Wake& wake) {
        for (const Pod* pod : view.By<Pod>(kPodsByClaim, ClaimKey(claim))) wake(KeyOf(*pod));
      })
      .Indexes<Pod>(kPodsByClaim)
      .Reconciles(&ReconcileEphemeralVolumes);
}

}  // namespace minikube::controllers
