#include "kube/pod_references.h"

#include <algorithm>

namespace minikube::kube {

namespace {

using core::v1::Pod;

// True if `is` says so of any container, of whatever kind.
template <typename Is>
bool AnyContainer(const Pod& pod, const Is& is) {
  const auto any = [&](const auto& containers) { return std::any_of(containers.begin(), containers.end(), is); };
  return any(pod.spec.initContainers) || any(pod.spec.containers) || any(pod.spec.ephemeralContainers);
}

template <typename T, typename Is>
bool Named(const Box<T>& reference, const Is& is) {
  return reference && !reference->name.empty() && is(reference->name.view());
}

template <typename Is>
bool VolumeSecret(const core::v1::Volume& volume, const Is& is) {
  if (volume.azureFile && is(volume.azureFile->secretName.view())) return true;
  if (volume.cephfs && Named(volume.cephfs->secretRef, is)) return true;
  if (volume.cinder && Named(volume.cinder->secretRef, is)) return true;
  if (volume.flexVolume && Named(volume.flexVolume->secretRef, is)) return true;
  if (volume.rbd && Named(volume.rbd->secretRef, is)) return true;
  if (volume.secret && is(volume.secret->secretName.view())) return true;
  if (volume.scaleIO && Named(volume.scaleIO->secretRef, is)) return true;
  if (volume.iscsi && Named(volume.iscsi->secretRef, is)) return true;
  if (volume.storageos && Named(volume.storageos->secretRef, is)) return true;
  if (volume.csi && Named(volume.csi->nodePublishSecretRef, is)) return true;
  if (!volume.projected) return false;
  const auto& sources = volume.projected->sources;
  return std::any_of(sources.begin(), sources.end(),
                     [&](const auto& source) { return source.secret && is(source.secret->name.view()); });
}

template <typename Is>
bool AnySecret(const Pod& pod, const Is& is) {
  for (const auto& reference : pod.spec.imagePullSecrets) {
    if (is(reference.name.view())) return true;
  }
  const bool in_container = AnyContainer(pod, [&](const auto& container) {
    for (const auto& from : container.envFrom) {
      if (Named(from.secretRef, is)) return true;
    }
    for (const auto& variable : container.env) {
      if (variable.valueFrom && Named(variable.valueFrom->secretKeyRef, is)) return true;
    }
    return false;
  });
  return in_container || std::any_of(pod.spec.volumes.begin(), pod.spec.volumes.end(),
                                     [&](const auto& volume) { return VolumeSecret(volume, is); });
}

template <typename Is>
bool AnyConfigMap(const Pod& pod, const Is& is) {
  const bool in_container = AnyContainer(pod, [&](const auto& container) {
    for (const auto& from : container.envFrom) {
      if (Named(from.configMapRef, is)) return true;
    }
    for (const auto& variable : container.env) {
      if (variable.valueFrom && Named(variable.valueFrom->configMapKeyRef, is)) return true;
    }
    return false;
  });
  if (in_container) return true;
  for (const core::v1::Volume& volume : pod.spec.volumes) {
    if (volume.configMap && is(volume.configMap->name.view())) return true;
    if (!volume.projected) continue;
    for (const auto& source : volume.projected->sources) {
      if (source.configMap && is(source.configMap->name.view())) return true;
    }
  }
  return false;
}

}  // namespace

bool IsMirrorPod(const Pod& pod) { return pod.metadata.annotations.Contains("kubernetes.io/config.mirror"); }

bool ReadsSecret(const Pod& pod, std::string_view secret) {
  return AnySecret(pod, [&](std::string_view name) { return name == secret; });
}

bool ReadsConfigMap(const Pod& pod, std::string_view config_map) {
  return AnyConfigMap(pod, [&](std::string_view name) { return name == config_map; });
}

bool MountsClaim(const Pod& pod, std::string_view claim) {
  bool found = false;
  ForEachClaim(pod, [&](std::string_view name) { found |= name == claim; });
  return found;
}

bool UsesResourceClaim(const Pod& pod, std::string_view claim) {
  for (const core::v1::PodResourceClaim& used : pod.spec.resourceClaims) {
    if (used.resourceClaimName && *used.resourceClaimName == claim) return true;
    for (const core::v1::PodResourceClaimStatus& made : pod.status.resourceClaimStatuses) {
      if (made.name == used.name && made.resourceClaimName && *made.resourceClaimName == claim) return true;
    }
  }
  return pod.status.extendedResourceClaimStatus && pod.status.extendedResourceClaimStatus->resourceClaimName == claim;
}

bool RunsAs(const Pod& pod, std::string_view service_account) {
  return !service_account.empty() && pod.spec.serviceAccountName == service_account;
}

void ForEachClaim(const Pod& pod, const Function<void(std::string_view claim)>& each) {
  for (const core::v1::Volume& volume : pod.spec.volumes) {
    if (volume.persistentVolumeClaim) {
      each(volume.persistentVolumeClaim->claimName.view());
    } else if (volume.ephemeral) {
      each(pod.metadata.name.str() + "-" + volume.name.str());
    }
  }
}

bool VolumeReadsSecret(const core::v1::PersistentVolume& volume, std::string_view ns, std::string_view secret) {
  const core::v1::PersistentVolumeSpec& spec = volume.spec;
  const std::string_view claim_ns = spec.claimRef ? spec.claimRef->namespace_.view() : std::string_view();
  const auto is = [&](const Box<core::v1::SecretReference>& reference, bool or_of_claim = false) {
    if (!reference || !(reference->name == secret)) return false;
    return or_of_claim && reference->namespace_.empty() ? claim_ns == ns : reference->namespace_ == ns;
  };
  if (spec.azureFile) {
    const auto& of = spec.azureFile->secretNamespace;
    return spec.azureFile->secretName == secret && (of && !of->empty() ? of->view() : claim_ns) == ns;
  }
  if (spec.cephfs) return is(spec.cephfs->secretRef, true);
  if (spec.cinder) return is(spec.cinder->secretRef);
  if (spec.flexVolume) return is(spec.flexVolume->secretRef, true);
  if (spec.rbd) return is(spec.rbd->secretRef, true);
  if (spec.scaleIO) return is(spec.scaleIO->secretRef, true);
  if (spec.iscsi) return is(spec.iscsi->secretRef, true);
  if (spec.storageos) {
    const auto& of = spec.storageos->secretRef;
    return of && of->name == secret && of->namespace_ == ns;
  }
  if (spec.csi) {
    return is(spec.csi->nodePublishSecretRef) || is(spec.csi->nodeStageSecretRef) || is(spec.csi->nodeExpandSecretRef);
  }
  return false;
}

std::string_view FirstReference(const Pod& pod) {
  if (!pod.spec.serviceAccountName.empty()) return "serviceaccounts";
  const auto any = [](std::string_view name) { return !name.empty(); };
  if (AnySecret(pod, any)) return "secrets";
  if (AnyConfigMap(pod, any)) return "configmaps";
  if (!pod.spec.resourceClaims.empty()) return "resourceclaims";
  for (const core::v1::Volume& volume : pod.spec.volumes) {
    if (volume.csi) return "csidrivers (via CSI volumes)";
    if (volume.glusterfs) return "endpoints (via glusterFS volumes)";
    if (volume.persistentVolumeClaim) return "persistentvolumeclaims";
    if (volume.ephemeral) return "persistentvolumeclaims (via ephemeral volumes)";
    if (!volume.projected) continue;
    for (const auto& source : volume.projected->sources) {
      if (source.serviceAccountToken) return "serviceaccounts (via projected volumes)";
      if (source.clusterTrustBundle) return "clustertrustbundles";
      if (source.podCertificate) return "podcertificates";
    }
  }
  return {};
}

}  // namespace minikube::kube
