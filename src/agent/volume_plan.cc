#include "agent/volume_plan.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <minikube/client.h>

#include "agent/local_volumes.h"
#include "kube/volumes.h"

namespace minikube::agent {
namespace {

constexpr int kDefaultMode = 0644;
constexpr std::int64_t kDefaultTokenSeconds = 3600;
// However wrong the clocks are, the server is not asked all the time.
constexpr Duration kShortestTokenUse = std::chrono::seconds(10);
constexpr Duration kLongestTokenUse = std::chrono::hours(24);

bool IsSafePath(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string_view::npos) return false;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = end + 1;
  }
  return true;
}

bool HoldsToken(const core::Volume& volume) {
  return volume.projected && std::any_of(volume.projected->sources.begin(), volume.projected->sources.end(),
                                         [](const core::VolumeProjection& p) { return bool(p.serviceAccountToken); });
}

bool IsClaim(const core::Volume& volume) { return volume.persistentVolumeClaim || volume.ephemeral; }

bool PassedOver(const core::Volume& volume, TokenVolumes token_volumes) {
  return token_volumes == TokenVolumes::kPassedOver && (HoldsToken(volume) || IsClaim(volume));
}

// Whether any container of the pod has run: then its claims were in order.
bool HasStarted(const core::Pod& pod) {
  for (const auto* list : {&pod.status.initContainerStatuses, &pod.status.containerStatuses}) {
    for (const core::ContainerStatus& status : *list) {
      if (!status.containerID.empty()) return true;
    }
  }
  return false;
}

// The contents of a ConfigMap or Secret as (key, bytes).
using Contents = std::map<std::string_view, std::string_view>;

Contents ContentsOf(const Object& object) {
  Contents out;
  if (const auto* config = object.TryAs<core::ConfigMap>()) {
    for (const auto& [key, value] : config->data) out[key] = value;
    for (const auto& [key, value] : config->binaryData) out[key] = value.view();
  } else if (const auto* secret = object.TryAs<core::Secret>()) {
    for (const auto& [key, value] : secret->data) out[key] = value.view();
  }
  return out;
}

struct Planner {
  const PodFacts& facts;
  ObjectSource& objects;
  const Tokens& tokens;
  const std::vector<PlannedVolume>& in_place;
  const std::string& local_root;

  Status AddFile(PlannedVolume& volume, std::string_view path, std::string_view data, int mode) {
    if (!IsSafePath(path)) return {Code::kBadRequest, fmt::format("invalid path {}", path)};
    for (VolumeFile& file : volume.files) {
      if (file.path != path) continue;
      file.data = data;  // of two sources for one path the later one wins
      file.mode = mode;
      return {};
    }
    volume.files.push_back({std::string(path), std::string(data), mode});
    return {};
  }

  Status AddObject(PlannedVolume& volume, const ResourceDesc& resource, std::string_view name, bool optional,
                   const List<core::KeyToPath>& items, int default_mode) {
    Result<ObjectRef> object = objects.Get(resource, facts.pod->metadata.namespace_, name);
    if (!object) return optional && object.status().code() == Code::kNotFound ? Status() : object.status();
    const Contents contents = ContentsOf(**object);
    if (items.empty()) {
      for (const auto& [key, value] : contents) MINIKUBE_RETURN_IF_ERROR(AddFile(volume, key, value, default_mode));
      return {};
    }
    for (const core::KeyToPath& item : items) {
      const auto it = contents.find(item.key);
      if (it == contents.end()) {
        if (optional) continue;
        return {Code::kNotFound, fmt::format("references non-existent {} key: {}",
                                             resource.kind == "Secret" ? "secret" : "config", item.key.view())};
      }
      MINIKUBE_RETURN_IF_ERROR(AddFile(volume, item.path, it->second, item.mode.value_or(default_mode)));
    }
    return {};
  }

  Status AddDownward(PlannedVolume& volume, const List<core::DownwardAPIVolumeFile>& items, int default_mode) {
    for (const core::DownwardAPIVolumeFile& item : items) {
      Result<std::string> value = Status(Code::kBadRequest, "a downward API file names no field");
      if (item.fieldRef) {
        value = FieldValue(facts, item.fieldRef->fieldPath);
      } else if (item.resourceFieldRef) {
        const core::Container* container = FindContainer(*facts.pod, item.resourceFieldRef->containerName);
        if (container == nullptr) {
          return {Code::kBadRequest,
                  fmt::format("container {} not found", item.resourceFieldRef->containerName.view())};
        }
        value = ResourceValue(facts, *container, *item.resourceFieldRef);
      }
      if (!value) return value.status();
      MINIKUBE_RETURN_IF_ERROR(AddFile(volume, item.path, *value, item.mode.value_or(default_mode)));
    }
    return {};
  }

  Status AddProjection(PlannedVolume& volume, const core::VolumeProjection& source, int mode) {
    if (source.configMap) {
      return AddObject(volume, Client::ResourceOf<core::ConfigMap>(), source.configMap->name,
                       source.configMap->optional.value_or(false), source.configMap->items, mode);
    }
    if (source.secret) {
      return AddObject(volume, Client::ResourceOf<core::Secret>(), source.secret->name,
                       source.secret->optional.value_or(false), source.secret->items, mode);
    }
    if (source.downwardAPI) return AddDownward(volume, source.downwardAPI->items, mode);
    if (source.serviceAccountToken) {
      for (const auto& [need, token] : tokens) {
        if (need.volume != volume.name || need.path != source.serviceAccountToken->path.view()) continue;
        // Whoever the container runs as, only it may read: the owner, and with fsGroup the group.
        return AddFile(volume, need.path, token, volume.group ? 0640 : mode == kDefaultMode ? 0644 : mode);
      }
      return {Code::kUnavailable, "the service account token has not been issued yet"};
    }
    return {Code::kNotImplemented, "this kind of projection is not supported by this node"};
  }

  // The claim behind the volume, if the pod may use it.
  Result<ObjectRef> FindClaim(const core::Volume& volume) {
    const core::Pod& pod = *facts.pod;
    Result<ObjectRef> found = objects.Get(Client::ResourceOf<core::PersistentVolumeClaim>(), pod.metadata.namespace_,
                                          kube::ClaimName(pod, volume));
    if (!found) return found.status().WithContext("failed to fetch PVC from API server");
    const auto& claim = (*found)->As<core::PersistentVolumeClaim>();
    if (volume.ephemeral && !kube::IsMadeFor(claim, pod)) {
      return Status(Code::kBadRequest, kube::NotMadeFor(claim, pod));
    }
    if (claim.metadata.deletionTimestamp && !HasStarted(pod)) return Status(Code::kBadRequest, "PVC is being deleted");
    if (!kube::IsFullyBound(claim) || claim.status.phase == "Lost") {
      return Status(Code::kBadRequest, "PVC is not bound");
    }
    // The scheduler need not wait for the last of the binder's writes.
    if (!(claim.status.phase == "Bound")) return Status(Code::kUnavailable, "PVC is being bound");
    return found;
  }

  Status FillClaim(PlannedVolume& out, const core::Volume& volume) {
    for (const PlannedVolume& old : in_place) {
      if (old.name != out.name) continue;
      out = old;
      return {};
    }
    Result<ObjectRef> found = FindClaim(volume);
    if (!found) return found.status();
    const auto& claim = (*found)->As<core::PersistentVolumeClaim>();
    const std::string_view name = claim.spec.volumeName;
    Result<ObjectRef> bound = objects.Get(Client::ResourceOf<core::PersistentVolume>(), {}, name);
    if (!bound) return bound.status().WithContext(fmt::format("failed to fetch PV {} from API server", name));
    const auto& persistent = (*bound)->As<core::PersistentVolume>();
    if (!persistent.spec.claimRef || !(persistent.spec.claimRef->uid == claim.metadata.uid)) {
      return {Code::kBadRequest, fmt::format("PV {} is not bound to the claim", name)};
    }
    if (!kube::IsReachableFrom(persistent, facts.node_labels)) {
      return {Code::kBadRequest, fmt::format("MountVolume.NodeAffinity check failed for volume \"{}\" : no matching "
                                             "NodeSelectorTerms",
                                             name)};
    }
    if (kube::IsBlock(persistent.spec.volumeMode)) {
      return {Code::kNotImplemented,
              fmt::format("PV {} has volumeMode Block, which is not supported by this node", name)};
    }
    out.claimed = true;
    out.read_only = volume.persistentVolumeClaim && volume.persistentVolumeClaim->readOnly;
    return FillPersistent(out, persistent);
  }

  Status FillPersistent(PlannedVolume& out, const core::PersistentVolume& persistent) {
    if (persistent.spec.hostPath) {
      FillHostPath(out, *persistent.spec.hostPath);
      return {};
    }
    if (!persistent.spec.local) {
      return {Code::kNotImplemented,
              fmt::format("PV {} is of a type that is not supported by this node", persistent.metadata.name.view())};
    }
    out.kind = PlannedVolume::Kind::kLocal;
    out.host_path = persistent.spec.local->path.str();
    if (!IsLocalPath(persistent)) return {};
    if (!persistent.metadata.annotations.Contains(kube::kLocalPathMade)) {
      return {Code::kUnavailable, "its directory has not been made yet"};
    }
    out.host_path = LocalPathOf(local_root, persistent.metadata.name);
    return {};
  }

  static void FillHostPath(PlannedVolume& out, const core::HostPathVolumeSource& source) {
    out.kind = PlannedVolume::Kind::kHostPath;
    out.host_path = source.path.str();
    if (source.type) out.host_path_type = source.type->str();
    out.group.reset();  // what belongs to the machine stays as it is
  }

  Status Fill(PlannedVolume& out, const core::Volume& volume) {
    if (IsClaim(volume)) return FillClaim(out, volume);
    if (volume.emptyDir) {
      const std::string_view medium = volume.emptyDir->medium;
      if (!medium.empty() && medium != "Memory") {
        return {Code::kNotImplemented, fmt::format("emptyDir medium {} is not supported by this node", medium)};
      }
      out.kind = medium.empty() ? PlannedVolume::Kind::kDirectory : PlannedVolume::Kind::kMemory;
      if (volume.emptyDir->sizeLimit) out.size_limit = volume.emptyDir->sizeLimit->Value();
      return {};
    }
    if (volume.hostPath) {
      FillHostPath(out, *volume.hostPath);
      return {};
    }
    out.kind = PlannedVolume::Kind::kFiles;
    if (volume.configMap) {
      const core::ConfigMapVolumeSource& source = *volume.configMap;
      return AddObject(out, Client::ResourceOf<core::ConfigMap>(), source.name, source.optional.value_or(false),
                       source.items, source.defaultMode.value_or(kDefaultMode));
    }
    if (volume.secret) {
      const core::SecretVolumeSource& source = *volume.secret;
      out.secret = true;
      return AddObject(out, Client::ResourceOf<core::Secret>(), source.secretName, source.optional.value_or(false),
                       source.items, source.defaultMode.value_or(kDefaultMode));
    }
    if (volume.downwardAPI) {
      return AddDownward(out, volume.downwardAPI->items, volume.downwardAPI->defaultMode.value_or(kDefaultMode));
    }
    if (volume.projected) {
      const int mode = volume.projected->defaultMode.value_or(kDefaultMode);
      for (const core::VolumeProjection& source : volume.projected->sources) {
        if (source.secret || source.serviceAccountToken) out.secret = true;
        MINIKUBE_RETURN_IF_ERROR(AddProjection(out, source, mode));
      }
      return {};
    }
    return {Code::kNotImplemented, "volumes of this type are not supported by this node"};
  }
};

}  // namespace

bool NeedsVolumes(const core::Pod& pod, TokenVolumes token_volumes) {
  return std::any_of(pod.spec.volumes.begin(), pod.spec.volumes.end(),
                     [&](const core::Volume& volume) { return !PassedOver(volume, token_volumes); }) ||
         !ObjectsOf(pod, token_volumes).empty();
}

Duration TokenUse(Duration lifetime) { return std::clamp(lifetime / 5 * 4, kShortestTokenUse, kLongestTokenUse); }

std::vector<TokenNeed> TokensOf(const core::Pod& pod) {
  std::vector<TokenNeed> out;
  for (const core::Volume& volume : pod.spec.volumes) {
    if (!volume.projected) continue;
    for (const core::VolumeProjection& source : volume.projected->sources) {
      if (!source.serviceAccountToken) continue;
      const core::ServiceAccountTokenProjection& token = *source.serviceAccountToken;
      out.push_back({volume.name.str(), token.path.str(), token.audience.str(),
                     token.expirationSeconds.value_or(kDefaultTokenSeconds)});
    }
  }
  return out;
}

std::vector<ObjectName> ObjectsOf(const core::Pod& pod, TokenVolumes token_volumes) {
  std::set<ObjectName> names;
  const auto config = [&](std::string_view name) {
    names.insert({&Client::ResourceOf<core::ConfigMap>(), std::string(name)});
  };
  const auto secret = [&](std::string_view name) {
    names.insert({&Client::ResourceOf<core::Secret>(), std::string(name)});
  };
  for (const core::Volume& volume : pod.spec.volumes) {
    if (PassedOver(volume, token_volumes)) continue;
    if (volume.configMap) config(volume.configMap->name);
    if (volume.secret) secret(volume.secret->secretName);
    if (IsClaim(volume)) {
      names.insert({&Client::ResourceOf<core::PersistentVolumeClaim>(), kube::ClaimName(pod, volume)});
    }
    if (!volume.projected) continue;
    for (const core::VolumeProjection& source : volume.projected->sources) {
      if (source.configMap) config(source.configMap->name);
      if (source.secret) secret(source.secret->name);
    }
  }
  for (const List<core::Container>* list : {&pod.spec.initContainers, &pod.spec.containers}) {
    for (const core::Container& container : *list) {
      for (const core::EnvFromSource& source : container.envFrom) {
        if (source.configMapRef) config(source.configMapRef->name);
        if (source.secretRef) secret(source.secretRef->name);
      }
      for (const core::EnvVar& variable : container.env) {
        if (!variable.valueFrom) continue;
        if (variable.valueFrom->configMapKeyRef) config(variable.valueFrom->configMapKeyRef->name);
        if (variable.valueFrom->secretKeyRef) secret(variable.valueFrom->secretKeyRef->name);
      }
    }
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> BoundVolumesOf(const core::Pod& pod, ObjectSource& objects) {
  std::vector<std::string> names;
  for (const std::string& name : kube::ClaimsOf(pod)) {
    const Result<ObjectRef> found =
        objects.Get(Client::ResourceOf<core::PersistentVolumeClaim>(), pod.metadata.namespace_, name);
    if (!found) continue;
    const Str& bound = (*found)->As<core::PersistentVolumeClaim>().spec.volumeName;
    if (!bound.empty()) names.push_back(bound.str());
  }
  return names;
}

Result<std::vector<PlannedVolume>> PlanVolumes(const PodFacts& facts, ObjectSource& objects, const Tokens& tokens,
                                               TokenVolumes token_volumes, const std::vector<PlannedVolume>& in_place,
                                               const std::string& local_root) {
  Planner planner{facts, objects, tokens, in_place, local_root};
  std::vector<PlannedVolume> out;
  for (const core::Volume& volume : facts.pod->spec.volumes) {
    if (PassedOver(volume, token_volumes)) continue;
    PlannedVolume planned;
    planned.name = volume.name.str();
    if (const auto& context = facts.pod->spec.securityContext) {
      planned.group = context->fsGroup;
      planned.group_at_root = IsClaim(volume) && context->fsGroupChangePolicy == Str("OnRootMismatch");
    }
    if (Status status = planner.Fill(planned, volume); !status.ok()) {
      if (IsClaim(volume)) {
        return Status(status.code(),
                      fmt::format("Unable to attach or mount volumes: unmounted volumes=[{0}], unattached volumes=[], "
                                  "failed to process volumes=[{0}]: error processing PVC {1}/{2}: {3}",
                                  planned.name, facts.pod->metadata.namespace_.view(),
                                  kube::ClaimName(*facts.pod, volume), status.message()));
      }
      return Status(status.code(),
                    fmt::format("MountVolume.SetUp failed for volume \"{}\" : {}", planned.name, status.message()));
    }
    out.push_back(std::move(planned));
  }
  return out;
}

}  // namespace minikube::agent
