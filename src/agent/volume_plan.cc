#include "agent/volume_plan.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <minikube/client.h>

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

bool PassedOver(const core::Volume& volume, TokenVolumes token_volumes) {
  return token_volumes == TokenVolumes::kPassedOver && HoldsToken(volume);
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

  Status Fill(PlannedVolume& out, const core::Volume& volume) {
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
      out.kind = PlannedVolume::Kind::kHostPath;
      out.host_path = volume.hostPath->path.str();
      if (volume.hostPath->type) out.host_path_type = volume.hostPath->type->str();
      out.group.reset();  // what belongs to the machine stays as it is
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

Result<std::vector<PlannedVolume>> PlanVolumes(const PodFacts& facts, ObjectSource& objects, const Tokens& tokens,
                                               TokenVolumes token_volumes) {
  Planner planner{facts, objects, tokens};
  std::vector<PlannedVolume> out;
  for (const core::Volume& volume : facts.pod->spec.volumes) {
    if (PassedOver(volume, token_volumes)) continue;
    PlannedVolume planned;
    planned.name = volume.name.str();
    if (facts.pod->spec.securityContext) planned.group = facts.pod->spec.securityContext->fsGroup;
    if (Status status = planner.Fill(planned, volume); !status.ok()) {
      return Status(status.code(),
                    fmt::format("MountVolume.SetUp failed for volume \"{}\" : {}", planned.name, status.message()));
    }
    out.push_back(std::move(planned));
  }
  return out;
}

}  // namespace minikube::agent
