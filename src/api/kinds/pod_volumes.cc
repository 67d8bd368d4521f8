// What a pod mounts: the sources of its volumes, and references to its own fields.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "api/kinds/metadata.h"
#include "api/kinds/pod_rules.h"
#include "api/kinds/storage.h"
#include "model/access.h"

namespace minikube::api {

namespace {

using namespace core::v1;  // NOLINT(google-build-using-namespace): the types of this file

bool Climbs(std::string_view path) {
  while (true) {
    const std::size_t slash = path.find('/');
    if (path.substr(0, slash) == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

// A file that the kubelet writes into a volume; names that begin with ".." are its own.
void ValidateProjectedPath(std::string_view value, const FieldPath& path, ErrorList& errors) {
  ValidateDescendingPath(value, path, errors);
  if (value.starts_with("..") && !Climbs(value)) errors.Invalid(path, value, "must not start with '..'");
}

void ValidateItems(const List<KeyToPath>& items, const FieldPath& path, ErrorList& errors) {
  const FieldPath list = path.Child("items");
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i].path.empty()) ValidateProjectedPath(items[i].path.view(), list.Index(i, "path"), errors);
  }
}

void ValidateDownwardItems(const List<DownwardAPIVolumeFile>& items, const FieldPath& path, ErrorList& errors) {
  const FieldPath list = path.Child("items");
  for (std::size_t i = 0; i < items.size(); ++i) {
    const DownwardAPIVolumeFile& file = items[i];
    const FieldPath here = list.Index(i);
    if (!file.path.empty()) ValidateProjectedPath(file.path.view(), here.Child("path"), errors);
    if (file.fieldRef) {
      ValidateFieldRef(*file.fieldRef, FieldRefUse::kVolume, here.Child("fieldRef"), errors);
      if (file.resourceFieldRef) {
        errors.Invalid(here, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
      }
    } else if (file.resourceFieldRef) {
      ValidateResourceFieldRef(*file.resourceFieldRef, FieldRefUse::kVolume, here.Child("resourceFieldRef"), errors);
    } else {
      errors.Required(here, "one of fieldRef and resourceFieldRef is required");
    }
  }
}

// The parts of one volume, which must not write one file twice.
void ValidateProjected(const ProjectedVolumeSource& projected, const FieldPath& path, ErrorList& errors) {
  const FieldPath sources = path.Child("sources");
  std::set<std::string_view> paths;
  const auto claim = [&](std::string_view file, const Str& who, const FieldPath& where) {
    if (!file.empty() && !paths.insert(file).second) errors.Invalid(where, who, "conflicting duplicate paths");
  };
  for (std::size_t i = 0; i < projected.sources.size(); ++i) {
    const VolumeProjection& source = projected.sources[i];
    const FieldPath here = sources.Index(i);
    const int kinds = (source.secret ? 1 : 0) + (source.downwardAPI ? 1 : 0) + (source.configMap ? 1 : 0) +
                      (source.serviceAccountToken ? 1 : 0) + (source.clusterTrustBundle ? 1 : 0) +
                      (source.podCertificate ? 1 : 0);
    if (kinds > 1) errors.Forbidden(here, "may not specify more than 1 volume type");
    if (source.secret) {
      const FieldPath at = here.Child("secret");
      if (source.secret->name.empty()) errors.Required(at.Child("name"), "");
      ValidateItems(source.secret->items, at, errors);
      for (const KeyToPath& item : source.secret->items) claim(item.path.view(), source.secret->name, at);
    }
    if (source.configMap) {
      const FieldPath at = here.Child("configMap");
      if (source.configMap->name.empty()) errors.Required(at.Child("name"), "");
      ValidateItems(source.configMap->items, at, errors);
      for (const KeyToPath& item : source.configMap->items) claim(item.path.view(), source.configMap->name, at);
    }
    if (source.downwardAPI) {
      const FieldPath at = here.Child("downwardAPI");
      ValidateDownwardItems(source.downwardAPI->items, at, errors);
      for (const DownwardAPIVolumeFile& item : source.downwardAPI->items) claim(item.path.view(), item.path, at);
    }
    if (source.serviceAccountToken && !source.serviceAccountToken->path.empty()) {
      const FieldPath at = here.Child("serviceAccountToken");
      ValidateProjectedPath(source.serviceAccountToken->path.view(), at.Child("path"), errors);
      claim(source.serviceAccountToken->path.view(), source.serviceAccountToken->path, at);
    }
  }
}

void ValidateIscsi(const ISCSIVolumeSource& iscsi, const FieldPath& path, ErrorList& errors) {
  const std::string_view iqn = iscsi.iqn.view();
  if (!iqn.empty() && !iqn.starts_with("iqn") && !iqn.starts_with("eui") && !iqn.starts_with("naa")) {
    errors.Invalid(path.Child("iqn"), iscsi.iqn, "must be valid format starting with iqn, eui, or naa");
  }
  errors.InvalidEach(path.Child("lun"), iscsi.lun, IsInRange(iscsi.lun, 0, 255));
  if ((iscsi.chapAuthDiscovery || iscsi.chapAuthSession) && !iscsi.secretRef) {
    errors.Required(path.Child("secretRef"), "");
  }
}

void ValidateCsi(const CSIVolumeSource& csi, const FieldPath& path, ErrorList& errors) {
  if (!csi.driver.empty()) ValidateDriverName(csi.driver.view(), path.Child("driver"), errors);
  if (csi.nodePublishSecretRef && csi.nodePublishSecretRef->name.empty()) {
    const FieldPath secret = path.Child("nodePublishSecretRef");
    errors.Required(secret.Child("name"), "");
  }
}

void ValidateSource(const Volume& volume, const FieldPath& path, ErrorList& errors) {
  if (volume.hostPath && Climbs(volume.hostPath->path.view())) {
    errors.Invalid(path.Child("hostPath.path"), volume.hostPath->path, "must not contain '..'");
  }
  if (volume.emptyDir && volume.emptyDir->sizeLimit && volume.emptyDir->sizeLimit->Compare("0") < 0) {
    errors.Forbidden(path.Child("emptyDir.sizeLimit"), "SizeLimit field must be a valid resource quantity");
  }
  if (volume.emptyDir && volume.emptyDir->medium.view().starts_with("HugePages-") &&
      Quantity(volume.emptyDir->medium.view().substr(10)).Value() == 0) {
    errors.Invalid(path.Child("emptyDir.medium"), volume.emptyDir->medium, "unknown size of pages");
  }
  if (volume.gitRepo && !volume.gitRepo->directory.empty()) {
    ValidateDescendingPath(volume.gitRepo->directory.view(), path.Child("gitRepo.directory"), errors);
  }
  if (volume.secret) {
    const FieldPath at = path.Child("secret");
    if (volume.secret->secretName.empty()) errors.Required(at.Child("secretName"), "");
    ValidateItems(volume.secret->items, at, errors);
  }
  if (volume.configMap) {
    const FieldPath at = path.Child("configMap");
    if (volume.configMap->name.empty()) errors.Required(at.Child("name"), "");
    ValidateItems(volume.configMap->items, at, errors);
  }
  if (volume.downwardAPI) ValidateDownwardItems(volume.downwardAPI->items, path.Child("downwardAPI"), errors);
  if (volume.projected) ValidateProjected(*volume.projected, path.Child("projected"), errors);
  if (volume.nfs && !volume.nfs->path.empty() && !volume.nfs->path.view().starts_with('/')) {
    errors.Invalid(path.Child("nfs.path"), volume.nfs->path, "must be an absolute path");
  }
  if (volume.iscsi) ValidateIscsi(*volume.iscsi, path.Child("iscsi"), errors);
  if (volume.csi) ValidateCsi(*volume.csi, path.Child("csi"), errors);
  if (volume.ephemeral) {
    const FieldPath at = path.Child("ephemeral.volumeClaimTemplate");
    if (!volume.ephemeral->volumeClaimTemplate) {
      errors.Required(at, "");
    } else {
      const PersistentVolumeClaimTemplate& claim = *volume.ephemeral->volumeClaimTemplate;
      ValidateLabels(claim.metadata.labels, at.Child("metadata.labels"), errors);
      ValidateAnnotations(claim.metadata.annotations, at.Child("metadata.annotations"), errors);
      ValidateClaimSpec(claim.spec, at.Child("spec"), errors);
    }
  }
}

constexpr std::array<std::string_view, 13> kConvertible = {
    "metadata.annotations",    "metadata.labels",    "metadata.name",      "metadata.namespace", "metadata.uid",
    "spec.nodeName",           "spec.restartPolicy", "spec.schedulerName", "spec.hostNetwork",   "status.phase",
    "spec.serviceAccountName", "status.hostIP",      "status.podIP",
};
constexpr std::array<std::string_view, 9> kEnvFields = {
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs",
};
constexpr std::array<std::string_view, 5> kVolumeFields = {
    "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
};
constexpr std::array<std::string_view, 6> kResourceFields = {
    "limits.cpu",   "limits.ephemeral-storage",   "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
};

template <typename Names>
bool Has(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::size_t SourcesOf(const Volume& volume) {
  const MessageDesc& desc = DescriptorOf<Volume>();
  return static_cast<std::size_t>(std::count_if(desc.fields.begin(), desc.fields.end(), [&](const FieldDesc& field) {
    return field.name != "name" && model::IsSet(field, &volume);
  }));
}

void ValidateDescendingPath(std::string_view value, const FieldPath& path, ErrorList& errors) {
  if (value.starts_with('/')) errors.Invalid(path, value, "must be a relative path");
  if (Climbs(value)) errors.Invalid(path, value, "must not contain '..'");
}

void ValidateFieldRef(const ObjectFieldSelector& ref, FieldRefUse use, const FieldPath& path, ErrorList& errors) {
  const FieldPath field = path.Child("fieldPath");
  std::string_view name = ref.fieldPath.view();
  if (name.empty()) return;  // required by the tables
  if (!ref.apiVersion.empty() && !(ref.apiVersion == "v1")) {
    errors.Invalid(field, ref.fieldPath,
                   fmt::format("error converting fieldPath: unsupported pod version: {}", ref.apiVersion.view()));
    return;
  }
  const std::size_t bracket = name.find("['");
  if (bracket != std::string_view::npos && name.ends_with("']")) {
    const std::string_view of = name.substr(0, bracket);
    std::string key(name.substr(bracket + 2, name.size() - bracket - 4));
    if (of == "metadata.annotations") {
      for (char& c : key) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (of != "metadata.labels") {
      errors.Invalid(field, ref.fieldPath,
                     fmt::format("error converting fieldPath: field label does not support subscript: {}", of));
      return;
    }
    errors.InvalidEach(path, key, IsQualifiedName(key));
    return;
  }
  if (name == "spec.host") name = "spec.nodeName";
  const bool known = Has(kConvertible, name) || Has(kEnvFields, name);
  if (!known) {
    errors.Invalid(field, ref.fieldPath,
                   fmt::format("error converting fieldPath: field label not supported: {}", name));
    return;
  }
  const std::span<const std::string_view> allowed = use == FieldRefUse::kEnv
                                                        ? std::span<const std::string_view>(kEnvFields)
                                                        : std::span<const std::string_view>(kVolumeFields);
  if (!Has(allowed, name)) errors.NotSupported(field, name, allowed);
}

void ValidateResourceFieldRef(const ResourceFieldSelector& ref, FieldRefUse use, const FieldPath& path,
                              ErrorList& errors) {
  const std::string_view name = ref.resource.view();
  if (use == FieldRefUse::kVolume && ref.containerName.empty()) {
    errors.Required(path.Child("containerName"), "");
  } else if (!name.empty() && !Has(kResourceFields, name) && !name.starts_with("limits.hugepages-") &&
             !name.starts_with("requests.hugepages-")) {
    errors.NotSupported(path.Child("resource"), ref.resource, kResourceFields);
  }
  if (ref.divisor.empty() || ref.divisor.Compare("0") == 0) return;
  static constexpr std::string_view kCpu[] = {"1m", "1"};
  static constexpr std::string_view kBytes[] = {"1",   "1k",  "1M",  "1G",  "1T",  "1P", "1E",
                                                "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"};
  const bool cpu = name.ends_with(".cpu");
  const std::span<const std::string_view> allowed =
      cpu ? std::span<const std::string_view>(kCpu) : std::span<const std::string_view>(kBytes);
  if (std::any_of(allowed.begin(), allowed.end(), [&](auto unit) { return ref.divisor.Compare(unit) == 0; })) return;
  const std::string_view what = cpu                                   ? "cpu resource"
                                : name.ends_with(".memory")           ? "memory resource"
                                : name.ends_with("ephemeral-storage") ? "local ephemeral storage resource"
                                                                      : "hugepages resource";
  errors.Invalid(path.Child("divisor"), ref.resource,
                 cpu ? "only divisor's values 1m and 1 are supported with the cpu resource"
                     : fmt::format("only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are "
                                   "supported with the {}",
                                   what));
}

void ValidateVolumes(const List<Volume>& volumes, std::set<std::string_view>& names, const FieldPath& path,
                     ErrorList& errors) {
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    const Volume& volume = volumes[i];
    if (!volume.name.empty()) {
      errors.InvalidEach(path.Index(i, "name"), volume.name, IsDns1123Label(volume.name.view()));
      if (!names.insert(volume.name.view()).second) errors.Duplicate(path.Index(i, "name"), volume.name);
    }
    const std::size_t sources = SourcesOf(volume);
    if (sources == 0) errors.Required(path.Index(i), "must specify a volume type");
    if (sources > 1) errors.Forbidden(path.Index(i), "may not specify more than 1 volume type");
    ValidateSource(volume, path.Index(i), errors);
  }
}

}  // namespace minikube::api
