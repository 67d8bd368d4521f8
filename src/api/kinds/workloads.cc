// Deployments, ReplicaSets, StatefulSets, DaemonSets, ReplicationControllers, ControllerRevisions.
#include "api/kinds/workloads.h"

#include <set>
#include <string_view>

#include <fmt/format.h>

#include <minikube/api/apps/v1.h>
#include <minikube/selector.h>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"
#include "api/kinds/pod_spec.h"
#include "api/kinds/pod_warnings.h"
#include "api/kinds/storage.h"

namespace minikube::api {

void ValidateSelectorAndTemplate(const Box<meta::v1::LabelSelector>& selector, const core::v1::PodTemplateSpec& pods,
                                 std::string_view kind, ErrorList& errors) {
  const FieldPath spec("spec");
  const FieldPath path = spec.Child("selector");
  const FieldPath template_path = spec.Child("template");
  ValidatePodTemplate(pods, template_path, errors);
  if (!selector) return;  // required by the tables
  ValidateLabelSelector(*selector, path, errors);
  if (selector->matchLabels.empty() && selector->matchExpressions.empty()) {
    errors.Invalid(path, BadValue::Of(*selector), fmt::format("empty selector is invalid for {}", kind));
    return;
  }
  Result<LabelSelector> compiled = LabelSelector::From(selector.get());
  if (compiled && !compiled->Matches(pods.metadata.labels)) {
    const FieldPath metadata = template_path.Child("metadata");
    errors.Invalid(metadata.Child("labels"), ShownMap(pods.metadata.labels),
                   "`selector` does not match template `labels`");
  }
}

void ValidateRestartAlways(const core::v1::PodTemplateSpec& pods, ErrorList& errors) {
  const FieldPath path("spec.template.spec");
  if (!(pods.spec.restartPolicy == "Always")) {
    errors.NotSupported(path.Child("restartPolicy"), pods.spec.restartPolicy, {"Always"});
  }
  if (pods.spec.activeDeadlineSeconds) {
    errors.Forbidden(path.Child("activeDeadlineSeconds"), "activeDeadlineSeconds in a pod template that runs for ever");
  }
}

void ValidateSelectorUnchanged(const Box<meta::v1::LabelSelector>& next, const Box<meta::v1::LabelSelector>& before,
                               ErrorList& errors) {
  if (next && before) ValidateUnchanged(*next, *before, FieldPath("spec.selector"), errors);
}

void ValidateShare(const std::optional<IntOrString>& value, const FieldPath& path, ErrorList& errors) {
  if (!value) return;
  if (!value->is_string) {
    ValidateNonNegative(value->int_value, path, errors);
  } else {
    errors.InvalidEach(path, *value, IsPercent(value->string_value.view()));
  }
}

// A share of what there is.
void ValidateNotMoreThanAll(const std::optional<IntOrString>& value, const FieldPath& path, ErrorList& errors) {
  if (!value || !value->is_string || !IsPercent(value->string_value.view()).empty()) return;
  std::string_view digits = value->string_value.view();
  digits.remove_suffix(1);
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  if (digits.size() > 3 || (digits.size() == 3 && digits > "100")) {
    errors.Invalid(path, *value, "must not be greater than 100%");
  }
}

namespace {

using namespace apps::v1;  // NOLINT(google-build-using-namespace): the kinds of this file

bool IsZero(const std::optional<IntOrString>& value) {
  if (!value) return false;
  return value->is_string ? value->string_value == "0%" : value->int_value == 0;
}

// ---- Deployment ---------------------------------------------------------------------------------------------------

void DefaultDeployment(Object& next, const Object*) {
  auto& deployment = next.As<Deployment>();
  DefaultPodSpec(deployment.spec.template_.spec, PodSpecUse::kTemplate);
  DeploymentStrategy& strategy = deployment.spec.strategy;
  if (strategy.type.empty()) strategy.type = "RollingUpdate";
  if (strategy.type == "RollingUpdate" && !strategy.rollingUpdate) strategy.rollingUpdate = RollingUpdateDeployment{};
}

void ValidateDeployment(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& deployment = next.As<Deployment>();
  const DeploymentSpec& spec = deployment.spec;
  if (before != nullptr && DeepEqual(spec, before->As<Deployment>().spec)) return;
  ValidateSelectorAndTemplate(spec.selector, spec.template_, "deployment", errors);
  ValidateRestartAlways(spec.template_, errors);
  const FieldPath path("spec");
  const FieldPath strategy = path.Child("strategy");
  const FieldPath rolling = strategy.Child("rollingUpdate");
  if (spec.strategy.type == "Recreate" && spec.strategy.rollingUpdate) {
    errors.Forbidden(rolling, "may not be specified when strategy `type` is 'Recreate'");
  } else if (spec.strategy.rollingUpdate) {
    ValidateShare(spec.strategy.rollingUpdate->maxUnavailable, rolling.Child("maxUnavailable"), errors);
    ValidateNotMoreThanAll(spec.strategy.rollingUpdate->maxUnavailable, rolling.Child("maxUnavailable"), errors);
    ValidateShare(spec.strategy.rollingUpdate->maxSurge, rolling.Child("maxSurge"), errors);
    if (IsZero(spec.strategy.rollingUpdate->maxUnavailable) && IsZero(spec.strategy.rollingUpdate->maxSurge)) {
      errors.Invalid(rolling.Child("maxUnavailable"), *spec.strategy.rollingUpdate->maxUnavailable,
                     "may not be 0 when `maxSurge` is 0");
    }
  }
  if (spec.progressDeadlineSeconds && *spec.progressDeadlineSeconds <= spec.minReadySeconds) {
    errors.Invalid(path.Child("progressDeadlineSeconds"), *spec.progressDeadlineSeconds,
                   "must be greater than minReadySeconds");
  }
  if (before != nullptr) ValidateSelectorUnchanged(spec.selector, before->As<Deployment>().spec.selector, errors);
}

// ---- ReplicaSet ---------------------------------------------------------------------------------------------------

void DefaultReplicaSet(Object& next, const Object*) {
  auto& set = next.As<ReplicaSet>();
  DefaultPodSpec(set.spec.template_.spec, PodSpecUse::kTemplate);
  // Labels of the set from its template, if it has none.
  if (set.metadata.labels.empty()) set.metadata.labels = set.spec.template_.metadata.labels;
}

void ValidateReplicaSet(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& set = next.As<ReplicaSet>();
  if (before != nullptr && DeepEqual(set.spec, before->As<ReplicaSet>().spec)) return;
  ValidateSelectorAndTemplate(set.spec.selector, set.spec.template_, "replica set", errors);
  ValidateRestartAlways(set.spec.template_, errors);
  if (before != nullptr) ValidateSelectorUnchanged(set.spec.selector, before->As<ReplicaSet>().spec.selector, errors);
}

// ---- StatefulSet --------------------------------------------------------------------------------------------------

void DefaultStatefulSet(Object& next, const Object*) {
  auto& set = next.As<StatefulSet>();
  DefaultPodSpec(set.spec.template_.spec, PodSpecUse::kTemplate);
  StatefulSetUpdateStrategy& strategy = set.spec.updateStrategy;
  if (strategy.type.empty()) {
    strategy.type = "RollingUpdate";
    if (!strategy.rollingUpdate) strategy.rollingUpdate = RollingUpdateStatefulSetStrategy{};
  }
}

// The template of the pods as the controller will make them: with a volume of each claim template, in place of one of
// that name, and with a host name of its own making.
core::v1::PodTemplateSpec TemplateWithClaims(const StatefulSetSpec& spec) {
  core::v1::PodTemplateSpec pods = spec.template_;
  pods.spec.hostname = {};
  pods.spec.subdomain = {};
  if (spec.volumeClaimTemplates.empty()) return pods;
  pods.spec.volumes.clear();
  std::set<std::string_view> claimed;
  for (const core::v1::PersistentVolumeClaim& claim : spec.volumeClaimTemplates) {
    if (!claimed.insert(claim.metadata.name.view()).second) continue;
    core::v1::Volume volume;
    volume.name = claim.metadata.name;
    volume.persistentVolumeClaim.Mutable().claimName = claim.metadata.name;
    pods.spec.volumes.push_back(std::move(volume));
  }
  for (const core::v1::Volume& volume : spec.template_.spec.volumes) {
    if (!claimed.contains(volume.name.view())) pods.spec.volumes.push_back(volume);
  }
  return pods;
}

void ValidateStatefulSet(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& set = next.As<StatefulSet>();
  if (before != nullptr && DeepEqual(set.spec, before->As<StatefulSet>().spec)) return;
  const FieldPath path("spec");
  if (set.spec.updateStrategy.type == "OnDelete" && set.spec.updateStrategy.rollingUpdate) {
    errors.Invalid(path.Child("updateStrategy.rollingUpdate"), BadValue::Of(*set.spec.updateStrategy.rollingUpdate),
                   "only allowed for updateStrategy 'RollingUpdate'");
  } else if (set.spec.updateStrategy.rollingUpdate) {
    ValidateShare(set.spec.updateStrategy.rollingUpdate->maxUnavailable,
                  path.Child("updateStrategy.rollingUpdate.maxUnavailable"), errors);
    const auto& most = set.spec.updateStrategy.rollingUpdate->maxUnavailable;
    if (IsZero(most)) {
      errors.Invalid(path.Child("updateStrategy.rollingUpdate.maxUnavailable"), *most, "cannot be 0");
    }
    ValidateNotMoreThanAll(most, path.Child("updateStrategy.rollingUpdate.maxUnavailable"), errors);
  }
  if (before == nullptr) {
    const FieldPath claims = path.Child("volumeClaimTemplates");
    for (std::size_t i = 0; i < set.spec.volumeClaimTemplates.size(); ++i) {
      ValidateClaimSpec(set.spec.volumeClaimTemplates[i].spec, claims.Index(i, "spec"), errors);
    }
    if (!set.spec.serviceName.empty()) {
      errors.InvalidEach(path.Child("serviceName"), set.spec.serviceName, IsDns1123Label(set.spec.serviceName.view()));
    }
  }
  ValidateSelectorAndTemplate(set.spec.selector, TemplateWithClaims(set.spec), "statefulset", errors);
  ValidateRestartAlways(set.spec.template_, errors);
  if (before == nullptr) return;
  const auto& old = before->As<StatefulSet>();
  StatefulSetSpec rest = set.spec;
  rest.replicas = old.spec.replicas;
  rest.template_ = old.spec.template_;
  rest.updateStrategy = old.spec.updateStrategy;
  rest.minReadySeconds = old.spec.minReadySeconds;
  rest.ordinals = old.spec.ordinals;
  rest.revisionHistoryLimit = old.spec.revisionHistoryLimit;
  rest.persistentVolumeClaimRetentionPolicy = old.spec.persistentVolumeClaimRetentionPolicy;
  if (!DeepEqual(rest, old.spec)) {
    errors.Forbidden(FieldPath("spec"),
                     "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
                     "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
                     "'minReadySeconds' are forbidden");
  }
}

// ---- DaemonSet ----------------------------------------------------------------------------------------------------

void DefaultDaemonSet(Object& next, const Object*) {
  auto& set = next.As<DaemonSet>();
  DefaultPodSpec(set.spec.template_.spec, PodSpecUse::kTemplate);
  DaemonSetUpdateStrategy& strategy = set.spec.updateStrategy;
  if (strategy.type.empty()) strategy.type = "RollingUpdate";
  if (strategy.type == "RollingUpdate" && !strategy.rollingUpdate) strategy.rollingUpdate = RollingUpdateDaemonSet{};
}

void ValidateDaemonSet(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& set = next.As<DaemonSet>();
  if (before != nullptr && DeepEqual(set.spec, before->As<DaemonSet>().spec)) return;
  ValidateSelectorAndTemplate(set.spec.selector, set.spec.template_, "daemonset", errors);
  if (set.spec.updateStrategy.type == "RollingUpdate" && set.spec.updateStrategy.rollingUpdate) {
    const RollingUpdateDaemonSet& rolling = *set.spec.updateStrategy.rollingUpdate;
    const FieldPath path("spec.updateStrategy.rollingUpdate");
    const FieldPath unavailable = path.Child("maxUnavailable");
    const FieldPath surge = path.Child("maxSurge");
    ValidateShare(rolling.maxUnavailable, unavailable, errors);
    ValidateNotMoreThanAll(rolling.maxUnavailable, unavailable, errors);
    ValidateShare(rolling.maxSurge, surge, errors);
    ValidateNotMoreThanAll(rolling.maxSurge, surge, errors);
    const bool surges = rolling.maxSurge && !IsZero(rolling.maxSurge);
    const bool lacks = rolling.maxUnavailable && !IsZero(rolling.maxUnavailable);
    if (surges && lacks) {
      errors.Invalid(surge, *rolling.maxSurge, "may not be set when maxUnavailable is non-zero");
    } else if (!surges && !lacks && rolling.maxUnavailable) {
      errors.Required(unavailable, "cannot be 0 when maxSurge is 0");
    }
  }
  ValidateRestartAlways(set.spec.template_, errors);
  if (before != nullptr) ValidateSelectorUnchanged(set.spec.selector, before->As<DaemonSet>().spec.selector, errors);
}

// ---- ReplicationController ----------------------------------------------------------------------------------------

void DefaultReplicationController(Object& next, const Object*) {
  auto& controller = next.As<core::v1::ReplicationController>();
  if (!controller.spec.template_) return;
  DefaultPodSpec(controller.spec.template_.Mutable().spec, PodSpecUse::kTemplate);
  const Map<Str>& labels = controller.spec.template_->metadata.labels;
  if (controller.spec.selector.empty()) controller.spec.selector = labels;
  if (controller.metadata.labels.empty()) controller.metadata.labels = labels;
}

void ValidateReplicationController(const Object& next, const Object*, std::string_view, ErrorList& errors) {
  const auto& controller = next.As<core::v1::ReplicationController>();
  const FieldPath path("spec");
  if (controller.spec.selector.empty()) errors.Required(path.Child("selector"), "");
  if (!controller.spec.template_) {
    errors.Required(path.Child("template"), "");
    return;
  }
  const core::v1::PodTemplateSpec& pods = *controller.spec.template_;
  const FieldPath template_path = path.Child("template");
  ValidatePodTemplate(pods, template_path, errors);
  if (!LabelSelector::FromMap(controller.spec.selector).Matches(pods.metadata.labels)) {
    const FieldPath metadata = template_path.Child("metadata");
    errors.Invalid(metadata.Child("labels"), ShownMap(pods.metadata.labels),
                   "`selector` does not match template `labels`");
  }
  ValidateRestartAlways(pods, errors);
}

// ---- ControllerRevision -------------------------------------------------------------------------------------------

void ValidateControllerRevision(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& revision = next.As<ControllerRevision>();
  ValidateNonNegative(revision.revision, FieldPath("revision"), errors);
  if (before != nullptr && !(revision.data == before->As<ControllerRevision>().data)) {
    errors.Immutable(FieldPath("data"), BadValue::Json(revision.data.json.str()));
  }
}

// The pods of a set are named after it, and their names are labels.
Messages LabelName(std::string_view name, NameUse use) { return NameIsDnsLabel(name, use); }

constexpr SelectableField kReplicaSelectors[] = {"status.replicas"};

constexpr StoredIndex kReplicaSetIndexes[] = {{&kByController}};

const Strategy kKinds[] = {
    {.group = "apps",
     .plural = "deployments",
     .generation = true,
     .status_writes_metadata = kMetadataParts & ~kLabels,
     .defaults = DefaultDeployment,
     .validate = ValidateDeployment,
     .warn = WarnOfTemplate<Deployment>},
    {.group = "apps",
     .plural = "replicasets",
     .generation = true,
     .status_writes_metadata = kMetadataParts,
     .field_selectors = kReplicaSelectors,
     .indexes = kReplicaSetIndexes,
     .defaults = DefaultReplicaSet,
     .validate = ValidateReplicaSet,
     .warn = WarnOfTemplate<ReplicaSet>},
    {.group = "apps",
     .plural = "statefulsets",
     .name = LabelName,
     .generation = true,
     .status_writes_metadata = kMetadataParts,
     .defaults = DefaultStatefulSet,
     .validate = ValidateStatefulSet,
     .warn = WarnOfTemplate<StatefulSet>},
    {.group = "apps",
     .plural = "daemonsets",
     .generation = true,
     .status_writes_metadata = kMetadataParts,
     .defaults = DefaultDaemonSet,
     .validate = ValidateDaemonSet,
     .warn = WarnOfTemplate<DaemonSet>},
    {.group = "apps", .plural = "controllerrevisions", .validate = ValidateControllerRevision},
    {.group = "",
     .plural = "replicationcontrollers",
     .generation = true,
     .status_writes_metadata = kMetadataParts,
     .field_selectors = kReplicaSelectors,
     .defaults = DefaultReplicationController,
     .validate = ValidateReplicationController},
};

}  // namespace

std::span<const Strategy> WorkloadKinds() { return kKinds; }

}  // namespace minikube::api
