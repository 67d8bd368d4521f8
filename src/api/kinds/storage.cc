// Volumes, claims, storage classes, and the drivers behind them.
#include "api/kinds/storage.h"

#include <algorithm>

#include <fmt/format.h>

#include <minikube/api/storage/v1.h>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"
#include "api/kinds/pod_rules.h"
#include "kube/times.h"
#include "model/access.h"

namespace minikube::api {

namespace {

using namespace core::v1;  // NOLINT(google-build-using-namespace): the kinds of this file

constexpr std::string_view kOldClassAnnotation = "volume.beta.kubernetes.io/storage-class";

void ValidateAccessModes(const List<Str>& modes, const FieldPath& path, ErrorList& errors) {
  const auto exclusive = std::count(modes.begin(), modes.end(), Str("ReadWriteOncePod"));
  if (exclusive != 0 && static_cast<std::size_t>(exclusive) != modes.size()) {
    errors.Forbidden(path, "may not use ReadWriteOncePod with other access modes");
  }
}

void ValidateClassName(const Str& name, const FieldPath& path, ErrorList& errors) {
  if (!name.empty()) errors.InvalidEach(path, name, NameIsDnsSubdomain(name.view()));
}

bool IsFractional(const Quantity* quantity) {
  return quantity != nullptr && quantity->Compare(Quantity::FromInt(quantity->Value())) != 0;
}

// ---- PersistentVolume -----------------------------------------------------------------------------------------------

void DefaultVolume(Object& next, const Object*) {
  auto& volume = next.As<PersistentVolume>();
  if (volume.status.phase.empty()) volume.status.phase = "Pending";
}

// When the phase changed, whoever changed it.
Status StampPhase(Object* next, const Object* before, HookContext& context) {
  if (next == nullptr) return {};
  PersistentVolumeStatus& status = next->As<PersistentVolume>().status;
  if (before != nullptr) {
    const PersistentVolumeStatus& old = before->As<PersistentVolume>().status;
    if (status.phase == old.phase) return {};
    const bool told = status.lastPhaseTransitionTime && status.lastPhaseTransitionTime != old.lastPhaseTransitionTime;
    if (told) return {};
  }
  status.lastPhaseTransitionTime = kube::ToTime(context.now);
  return {};
}

// The fields of a volume's spec that say what it is made of.
bool IsSource(const FieldDesc& field) {
  return field.type == FieldType::kMessage && field.name != "claimRef" && field.name != "nodeAffinity";
}

void ValidateVolumeSource(const PersistentVolumeSpec& spec, const FieldPath& path, ErrorList& errors) {
  int sources = 0;
  for (const FieldDesc& field : DescriptorOf<PersistentVolumeSpec>().fields) {
    if (!IsSource(field) || !model::IsSet(field, &spec)) continue;
    if (sources++ > 0) errors.Forbidden(path.Child(field.name), "may not specify more than 1 volume type");
  }
  if (sources == 0) errors.Required(path, "must specify a volume type");
  const auto climbs = [](std::string_view where) {
    return where == ".." || where.starts_with("../") || where.ends_with("/..") ||
           where.find("/../") != std::string_view::npos;
  };
  if (spec.hostPath && climbs(spec.hostPath->path.view())) {
    errors.Invalid(path.Child("hostPath.path"), spec.hostPath->path, "must not contain '..'");
  }
  if (spec.hostPath && spec.hostPath->path == "/" && spec.persistentVolumeReclaimPolicy == "Recycle") {
    errors.Forbidden(path.Child("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'");
  }
  if (spec.nfs && !spec.nfs->path.empty() && !spec.nfs->path.view().starts_with('/')) {
    errors.Invalid(path.Child("nfs.path"), spec.nfs->path, "must be an absolute path");
  }
  if (spec.local && climbs(spec.local->path.view())) {
    errors.Invalid(path.Child("local.path"), spec.local->path, "must not contain '..'");
  }
  if (spec.local && !(spec.nodeAffinity && spec.nodeAffinity->required)) {
    errors.Required(path.Child("nodeAffinity"), "Local volume requires node affinity");
  }
  if (spec.csi && !spec.csi->driver.empty()) {
    ValidateDriverName(spec.csi->driver.view(), path.Child("csi.driver"), errors);
  }
}

void ValidateVolume(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& spec = next.As<PersistentVolume>().spec;
  if (before != nullptr && DeepEqual(spec, before->As<PersistentVolume>().spec)) return;
  const FieldPath path("spec");
  if (spec.accessModes.empty()) errors.Required(path.Child("accessModes"), "");
  ValidateAccessModes(spec.accessModes, path.Child("accessModes"), errors);
  const FieldPath capacity = path.Child("capacity");
  if (spec.capacity.empty()) errors.Required(capacity, "");
  if (!spec.capacity.Contains("storage") || spec.capacity.size() > 1) {
    std::string shown = "{";
    for (const auto& [name, quantity] : spec.capacity) {
      shown += (shown.size() > 1 ? "," : "") + GoQuote(name.view()) + ":" + GoQuote(quantity.text.view());
    }
    errors.NotSupported(capacity, BadValue::Json(shown + "}"), {"storage"});
  }
  for (const auto& [name, quantity] : spec.capacity) {
    if (quantity.Compare("0") <= 0) errors.Invalid(capacity.Key(name.view()), quantity, "must be greater than zero");
  }
  if (spec.nodeAffinity) {
    if (spec.nodeAffinity->required) {
      ValidateNodeSelector(*spec.nodeAffinity->required, path.Child("nodeAffinity.required"), errors);
    } else {
      errors.Required(path.Child("nodeAffinity.required"), "must specify required node constraints");
    }
  }
  ValidateVolumeSource(spec, path, errors);
  ValidateClassName(spec.storageClassName, path.Child("storageClassName"), errors);
  if (spec.volumeAttributesClassName) {
    const FieldPath attributes = path.Child("volumeAttributesClassName");
    if (spec.volumeAttributesClassName->empty()) errors.Required(attributes, "an empty string is disallowed");
    ValidateClassName(*spec.volumeAttributesClassName, attributes, errors);
    if (!spec.csi) errors.Required(path.Child("csi"), "has to be specified when using volumeAttributesClassName");
  }
  if (before == nullptr) return;
  const PersistentVolumeSpec& old = before->As<PersistentVolume>().spec;
  PersistentVolumeSpec sources = spec;
  for (const FieldDesc& field : DescriptorOf<PersistentVolumeSpec>().fields) {
    if (!IsSource(field)) model::Assign(field, &old, &sources);
  }
  if (sources.csi && old.csi && !old.csi->controllerExpandSecretRef && sources.csi->controllerExpandSecretRef) {
    sources.csi.Mutable().controllerExpandSecretRef.reset();
  }
  if (!DeepEqual(sources, old)) {
    errors.Forbidden(FieldPath("spec.persistentvolumesource"),
                     "spec.persistentvolumesource is immutable after creation");
  }
  if (spec.volumeMode != old.volumeMode) errors.Immutable(FieldPath("volumeMode"), spec.volumeMode.value_or(Str()));
  if (old.nodeAffinity && !(spec.nodeAffinity && DeepEqual(*spec.nodeAffinity, *old.nodeAffinity))) {
    errors.Invalid(FieldPath("nodeAffinity"),
                   spec.nodeAffinity ? BadValue::Of(*spec.nodeAffinity) : BadValue::Json("null"), "field is immutable");
  }
}

void WarnOfVolume(const Object& next, const Object*, std::vector<std::string>& warnings) {
  const auto& volume = next.As<PersistentVolume>();
  if (volume.metadata.annotations.Contains(kOldClassAnnotation)) {
    warnings.push_back(
        fmt::format("metadata.annotations[{}]: deprecated since v1.8; use \"storageClassName\" attribute instead",
                    kOldClassAnnotation));
  }
  if (volume.spec.persistentVolumeReclaimPolicy == "Recycle") {
    warnings.emplace_back(
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
        "approach is to use dynamic provisioning.");
  }
  const std::pair<const char*, bool> gone[] = {
      {"cephfs: deprecated in v1.28, non-functional in v1.31+", static_cast<bool>(volume.spec.cephfs)},
      {"photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
       static_cast<bool>(volume.spec.photonPersistentDisk)},
      {"scaleIO: deprecated in v1.16, non-functional in v1.22+", static_cast<bool>(volume.spec.scaleIO)},
      {"storageOS: deprecated in v1.22, non-functional in v1.25+", static_cast<bool>(volume.spec.storageos)},
      {"glusterfs: deprecated in v1.25, non-functional in v1.26+", static_cast<bool>(volume.spec.glusterfs)},
      {"rbd: deprecated in v1.28, non-functional in v1.31+", static_cast<bool>(volume.spec.rbd)}};
  for (const auto& [text, used] : gone) {
    if (used) warnings.push_back(std::string("spec.") + text);
  }
}

// ---- PersistentVolumeClaim ------------------------------------------------------------------------------------------

void DefaultClaim(Object& next, const Object*) {
  auto& claim = next.As<PersistentVolumeClaim>();
  if (claim.status.phase.empty()) claim.status.phase = "Pending";
  // The two ways to say what a claim is filled from agree.
  PersistentVolumeClaimSpec& spec = claim.spec;
  if (spec.dataSource && !spec.dataSourceRef) {
    TypedObjectReference& to = spec.dataSourceRef.Mutable();
    to.apiGroup = spec.dataSource->apiGroup;
    to.kind = spec.dataSource->kind;
    to.name = spec.dataSource->name;
  }
}

bool SameSource(const TypedLocalObjectReference& a, const TypedObjectReference& b) {
  return a.kind == b.kind && a.name == b.name && a.apiGroup.value_or(Str()) == b.apiGroup.value_or(Str());
}

template <typename Reference>
void ValidateDataSource(const Reference& source, const FieldPath& path, ErrorList& errors) {
  const Str group = source.apiGroup.value_or(Str());
  if (!group.empty()) {
    errors.InvalidEach(path.Child("apiGroup"), group, IsDns1123Subdomain(group.view()));
  } else if (!source.kind.empty() && !(source.kind == "PersistentVolumeClaim")) {
    errors.Invalid(path, source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  }
}

void ValidateClaim(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& claim = next.As<PersistentVolumeClaim>();
  const FieldPath path("spec");
  if (before != nullptr && DeepEqual(claim.spec, before->As<PersistentVolumeClaim>().spec)) return;
  ValidateClaimSpec(claim.spec, path, errors);
  if (before == nullptr) return;
  const auto& old = before->As<PersistentVolumeClaim>();
  const bool bound = claim.status.phase == "Bound";
  PersistentVolumeClaimSpec rest = claim.spec;
  if (old.spec.volumeName.empty()) rest.volumeName = old.spec.volumeName;  // binding
  const Quantity* size = claim.spec.resources.requests.Find("storage");
  const Quantity* old_size = old.spec.resources.requests.Find("storage");
  if (bound) {
    if (old_size != nullptr) rest.resources.requests["storage"] = *old_size;
    rest.volumeAttributesClassName = old.spec.volumeAttributesClassName;
  }
  if (!old.spec.storageClassName) rest.storageClassName = old.spec.storageClassName;
  if (!DeepEqual(rest, old.spec)) {
    errors.Forbidden(path,
                     "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
                     "bound claims");
  }
  const Quantity* got = old.status.capacity.Find("storage");
  if (size != nullptr && old_size != nullptr && size->Compare(*old_size) < 0 &&
      (got == nullptr ? false : size->Compare(*got) <= 0)) {
    errors.Forbidden(path.Child("resources.requests.storage"), "field can not be less than status.capacity");
  }
  if (claim.spec.volumeMode != old.spec.volumeMode) {
    errors.Immutable(FieldPath("volumeMode"), claim.spec.volumeMode.value_or(Str()));
  }
}

void WarnOfClaim(const Object& next, const Object*, std::vector<std::string>& warnings) {
  const auto& claim = next.As<PersistentVolumeClaim>();
  if (claim.metadata.annotations.Contains(kOldClassAnnotation)) {
    warnings.push_back(
        fmt::format("metadata.annotations[{}]: deprecated since v1.8; use \"storageClassName\" attribute instead",
                    kOldClassAnnotation));
  }
  WarnOfClaimSpec(claim.spec, FieldPath("spec"), warnings);
}

// ---- StorageClass and drivers ---------------------------------------------------------------------------------------

void ValidateStorageClass(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& klass = next.As<storage::v1::StorageClass>();
  std::string provisioner = klass.provisioner.str();
  for (char& c : provisioner) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (!provisioner.empty()) {
    errors.InvalidEach(FieldPath("provisioner"), klass.provisioner, IsQualifiedName(provisioner));
  }
  const FieldPath parameters("parameters");
  if (klass.parameters.size() > 512) errors.TooLong(parameters, 512);
  std::size_t bytes = 0;
  for (const auto& [key, value] : klass.parameters) {
    if (key.empty()) errors.Invalid(parameters, key, "field can not be empty.");
    bytes += key.size() + value.size();
  }
  if (bytes > 256 * 1024) errors.TooLong(parameters, 256 * 1024);
  const FieldPath topologies("allowedTopologies");
  for (std::size_t i = 0; i < klass.allowedTopologies.size(); ++i) {
    const FieldPath topology = topologies.Index(i);
    const FieldPath expressions = topology.Child("matchLabelExpressions");
    std::set<std::string_view> keys;
    const auto& list = klass.allowedTopologies[i].matchLabelExpressions;
    for (std::size_t k = 0; k < list.size(); ++k) {
      if (list[k].values.empty()) errors.Required(expressions.Index(k, "values"), "");
      if (!list[k].key.empty()) {
        errors.InvalidEach(expressions.Index(k, "key"), list[k].key, IsQualifiedName(list[k].key.view()));
      }
      if (!keys.insert(list[k].key.view()).second) errors.Duplicate(expressions.Index(k, "key"), list[k].key);
    }
  }
  if (before == nullptr) return;
  const auto& old = before->As<storage::v1::StorageClass>();
  if (klass.parameters != old.parameters) {
    errors.Forbidden(parameters, "updates to parameters are forbidden.");
  }
  if (!(klass.provisioner == old.provisioner)) {
    errors.Forbidden(FieldPath("provisioner"), "updates to provisioner are forbidden.");
  }
  if (klass.reclaimPolicy != old.reclaimPolicy) {
    errors.Forbidden(FieldPath("reclaimPolicy"), "updates to reclaimPolicy are forbidden.");
  }
  if (klass.volumeBindingMode != old.volumeBindingMode) {
    errors.Immutable(FieldPath("volumeBindingMode"), klass.volumeBindingMode.value_or(Str()));
  }
}

void ValidateDriver(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& driver = next.As<storage::v1::CSIDriver>();
  if (before == nullptr) ValidateDriverName(driver.metadata.name.view(), FieldPath("metadata.name"), errors);
  const FieldPath spec("spec");
  for (const Str& mode : driver.spec.volumeLifecycleModes) {
    if (mode == "Persistent" || mode == "Ephemeral") continue;
    errors.NotSupported(spec.Child("volumeLifecycleModes"), mode, {"Ephemeral", "Persistent"});
  }
  if (driver.spec.fsGroupPolicy) {
    const Str& policy = *driver.spec.fsGroupPolicy;
    if (!(policy == "None") && !(policy == "File") && !(policy == "ReadWriteOnceWithFSType")) {
      errors.NotSupported(spec.Child("fsGroupPolicy"), policy, {"File", "None", "ReadWriteOnceWithFSType"});
    }
  }
  std::set<std::string_view> audiences;
  const FieldPath tokens = spec.Child("tokenRequests");
  for (std::size_t i = 0; i < driver.spec.tokenRequests.size(); ++i) {
    const auto& request = driver.spec.tokenRequests[i];
    if (!audiences.insert(request.audience.view()).second)
      errors.Duplicate(tokens.Index(i, "audience"), request.audience);
    if (request.expirationSeconds && *request.expirationSeconds < 600) {
      errors.Invalid(tokens.Index(i, "expirationSeconds"), *request.expirationSeconds,
                     "may not specify a duration less than 10 minutes");
    }
  }
  if (before == nullptr) return;
  const auto& old = before->As<storage::v1::CSIDriver>();
  if (driver.spec.attachRequired != old.spec.attachRequired) {
    errors.Immutable(spec.Child("attachedRequired"), driver.spec.attachRequired.value_or(true));
  }
  if (!(driver.spec.volumeLifecycleModes == old.spec.volumeLifecycleModes)) {
    errors.Immutable(spec.Child("volumeLifecycleModes"), "");
  }
}

void ValidateAttachment(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& spec = next.As<storage::v1::VolumeAttachment>().spec;
  const FieldPath path("spec");
  if (before != nullptr) {
    ValidateUnchanged(spec, before->As<storage::v1::VolumeAttachment>().spec, path, errors);
    return;
  }
  if (!spec.attacher.empty()) ValidateDriverName(spec.attacher.view(), path.Child("attacher"), errors);
  if (!spec.nodeName.empty()) {
    errors.InvalidEach(path.Child("nodeName"), spec.nodeName, NameIsDnsSubdomain(spec.nodeName.view()));
  }
  const bool named = spec.source.persistentVolumeName && !spec.source.persistentVolumeName->empty();
  const FieldPath source = path.Child("source");
  if (!spec.source.inlineVolumeSpec && !spec.source.persistentVolumeName) {
    errors.Required(source, "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
  } else if (spec.source.inlineVolumeSpec && spec.source.persistentVolumeName) {
    errors.Forbidden(source, "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
  } else if (spec.source.persistentVolumeName && !named) {
    errors.Required(source.Child("persistentVolumeName"), "must specify non empty persistentVolumeName");
  }
}

const Strategy kKinds[] = {
    {.group = "",
     .plural = "persistentvolumes",
     .returns_deleted = true,
     .status_writes_metadata = kMetadataParts,
     .defaults = DefaultVolume,
     .validate = ValidateVolume,
     .warn = WarnOfVolume,
     .allocate = StampPhase},
    {.group = "",
     .plural = "persistentvolumeclaims",
     .returns_deleted = true,
     .status_writes_metadata = kMetadataParts,
     .defaults = DefaultClaim,
     .validate = ValidateClaim,
     .warn = WarnOfClaim},
    {.group = "storage.k8s.io", .plural = "storageclasses", .validate = ValidateStorageClass},
    {.group = "storage.k8s.io", .plural = "csidrivers", .validate = ValidateDriver},
    {.group = "storage.k8s.io", .plural = "volumeattachments", .validate = ValidateAttachment},
};

}  // namespace

void ValidateDriverName(std::string_view name, const FieldPath& path, ErrorList& errors) {
  if (name.size() > 63) errors.TooLong(path, 63);
  std::string lower(name);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  errors.InvalidEach(path, name, IsDns1123Subdomain(lower));
}

void ValidateClaimSpec(const PersistentVolumeClaimSpec& spec, const FieldPath& path, ErrorList& errors) {
  if (spec.accessModes.empty()) {
    errors.Required(path.Child("accessModes"), "at least 1 access mode is required");
  }
  if (spec.selector) ValidateLabelSelector(*spec.selector, path.Child("selector"), errors);
  ValidateAccessModes(spec.accessModes, path.Child("accessModes"), errors);
  const Quantity* storage = spec.resources.requests.Find("storage");
  if (storage == nullptr) {
    errors.Required(path.Child("resources[storage]"), "");
  } else if (storage->Compare("0") <= 0) {
    errors.Invalid(path.Child("resources[storage]"), *storage, "must be greater than zero");
  }
  if (spec.storageClassName) ValidateClassName(*spec.storageClassName, path.Child("storageClassName"), errors);
  if (spec.dataSource) ValidateDataSource(*spec.dataSource, path.Child("dataSource"), errors);
  if (spec.dataSourceRef) {
    ValidateDataSource(*spec.dataSourceRef, path.Child("dataSourceRef"), errors);
    const bool elsewhere = spec.dataSourceRef->namespace_ && !spec.dataSourceRef->namespace_->empty();
    if (elsewhere) {
      const FieldPath ref = path.Child("dataSourceRef");
      errors.InvalidEach(ref.Child("namespace"), *spec.dataSourceRef->namespace_,
                         NameIsDnsLabel(spec.dataSourceRef->namespace_->view()));
      if (spec.dataSource) {
        errors.Invalid(path, path.Child("dataSource").ToString(),
                       "may not be specified when dataSourceRef.namespace is specified");
      }
    } else if (spec.dataSource && !SameSource(*spec.dataSource, *spec.dataSourceRef)) {
      errors.Invalid(path, path.Child("dataSource").ToString(), "must match dataSourceRef");
    }
  }
  if (spec.volumeAttributesClassName) {
    ValidateClassName(*spec.volumeAttributesClassName, path.Child("volumeAttributesClassName"), errors);
  }
}

void WarnOfClaimSpec(const PersistentVolumeClaimSpec& spec, const FieldPath& path, std::vector<std::string>& warnings) {
  const std::pair<const char*, const Quantity*> amounts[] = {{"requests", spec.resources.requests.Find("storage")},
                                                             {"limits", spec.resources.limits.Find("storage")}};
  for (const auto& [list, quantity] : amounts) {
    if (!IsFractional(quantity)) continue;
    warnings.push_back(
        fmt::format("{}.resources.{}[storage]: fractional byte value \"{}\" is invalid, must be an integer",
                    path.ToString(), list, quantity->text.view()));
  }
}

std::span<const Strategy> StorageKinds() { return kKinds; }

}  // namespace minikube::api
