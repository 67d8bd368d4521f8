// Pods and pod templates.
#include <algorithm>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"
#include "api/kinds/pod_spec.h"
#include "api/kinds/pod_warnings.h"
#include "api/kinds/token_volume.h"

namespace minikube::api {

namespace {

using core::v1::Pod;
using core::v1::PodSpec;

void PreparePod(Object& next, const Object* before, const HookContext&) {
  if (before != nullptr) return;
  auto& pod = next.As<Pod>();
  pod.status = {};
  pod.status.phase = "Pending";
  pod.status.qosClass = QosClassOf(pod.spec);
}

void DefaultPod(Object& next, const Object*) {
  auto& pod = next.As<Pod>();
  DefaultPodSpec(pod.spec, PodSpecUse::kPod);
  if (pod.status.phase.empty()) pod.status.phase = "Pending";
  if (pod.status.qosClass.empty()) pod.status.qosClass = QosClassOf(pod.spec);
}

// Additions only, in any order.
bool OnlyAdds(const List<core::v1::Toleration>& next, const List<core::v1::Toleration>& before) {
  return std::all_of(before.begin(), before.end(), [&](const core::v1::Toleration& old) {
    return std::any_of(next.begin(), next.end(), [&](const core::v1::Toleration& t) { return DeepEqual(t, old); });
  });
}

// What may change is set back, so that what remains must be equal.
void SetBackMutable(PodSpec& spec, const PodSpec& before, ErrorList& errors) {
  const FieldPath path("spec");
  const auto images = [](List<core::v1::Container>& containers, const List<core::v1::Container>& old) {
    for (std::size_t i = 0; i < containers.size() && i < old.size(); ++i) {
      if (!(containers[i].image == old[i].image)) containers.Mutable(i).image = old[i].image;
    }
  };
  images(spec.containers, before.containers);
  images(spec.initContainers, before.initContainers);
  if (OnlyAdds(spec.tolerations, before.tolerations)) spec.tolerations = before.tolerations;
  if (before.activeDeadlineSeconds && !spec.activeDeadlineSeconds) {
    errors.Invalid(path.Child("activeDeadlineSeconds"), BadValue::Json("null"),
                   "must not update from a positive integer to nil value");
  } else if (before.activeDeadlineSeconds && *spec.activeDeadlineSeconds > *before.activeDeadlineSeconds) {
    errors.Invalid(path.Child("activeDeadlineSeconds"), *spec.activeDeadlineSeconds,
                   "must be less than or equal to previous value");
  }
  spec.activeDeadlineSeconds = before.activeDeadlineSeconds;
  if (before.terminationGracePeriodSeconds.value_or(0) < 0 && spec.terminationGracePeriodSeconds == 1) {
    spec.terminationGracePeriodSeconds = before.terminationGracePeriodSeconds;
  }
  // Gates are lifted one by one, and while any is there the pod's place is still open.
  const bool gated = !before.schedulingGates.empty();
  const bool only_lifted = std::all_of(spec.schedulingGates.begin(), spec.schedulingGates.end(), [&](const auto& gate) {
    return std::any_of(before.schedulingGates.begin(), before.schedulingGates.end(),
                       [&](const auto& old) { return old.name == gate.name; });
  });
  if (only_lifted) spec.schedulingGates = before.schedulingGates;
  if (gated) {
    const bool kept = std::all_of(before.nodeSelector.begin(), before.nodeSelector.end(), [&](const auto& old) {
      const Str* value = spec.nodeSelector.Find(old.key.view());
      return value != nullptr && *value == old.value;
    });
    if (kept) spec.nodeSelector = before.nodeSelector;
    if (!before.affinity || !before.affinity->nodeAffinity) spec.affinity = before.affinity;
  }
}

void ValidatePod(const Object& object, const Object* old, std::string_view subresource, ErrorList& errors) {
  const auto& pod = object.As<Pod>();
  const FieldPath path("spec");
  if (old == nullptr) {
    if (!pod.spec.ephemeralContainers.empty()) {
      errors.Forbidden(path.Child("ephemeralContainers"), "cannot be set on create");
    }
    ValidatePodSpec(pod.spec, path, errors);
    return;
  }
  const auto& before = old->As<Pod>();
  if (DeepEqual(pod.spec, before.spec)) return;
  ValidatePodSpec(pod.spec, path, errors);
  if (subresource == "ephemeralcontainers") {
    const FieldPath containers = path.Child("ephemeralContainers");
    for (const core::v1::EphemeralContainer& kept : before.spec.ephemeralContainers) {
      const auto found = std::find_if(pod.spec.ephemeralContainers.begin(), pod.spec.ephemeralContainers.end(),
                                      [&](const auto& container) { return container.name == kept.name; });
      if (found == pod.spec.ephemeralContainers.end()) {
        errors.Forbidden(containers, "existing ephemeral containers \"" + kept.name.str() + "\" may not be removed\n");
      } else if (!DeepEqual(*found, kept)) {
        errors.Forbidden(containers, "existing ephemeral containers \"" + kept.name.str() + "\" may not be changed\n");
      }
    }
    return;
  }
  if (subresource == "resize") {
    if (QosClassOf(pod.spec) != QosClassOf(before.spec)) {
      errors.Invalid(path, std::string(QosClassOf(pod.spec)), "Pod QOS Class may not change as a result of resizing");
    }
    return;
  }
  if (pod.spec.containers.size() != before.spec.containers.size()) {
    errors.Forbidden(path.Child("containers"), "pod updates may not add or remove containers");
    return;
  }
  if (pod.spec.initContainers.size() != before.spec.initContainers.size()) {
    errors.Forbidden(path.Child("initContainers"), "pod updates may not add or remove containers");
    return;
  }
  PodSpec rest = pod.spec;
  SetBackMutable(rest, before.spec, errors);
  if (!DeepEqual(rest, before.spec)) {
    errors.Forbidden(
        path,
        "pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
        "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
        "previously negative)");
  }
}

void Warn(const Object& next, const Object* before, std::vector<std::string>& warnings) {
  const auto& pod = next.As<Pod>();
  if (before == nullptr && !IsDns1123Label(pod.metadata.name.view()).empty()) {
    for (const std::string& why : IsDns1123Label(pod.metadata.name.view())) {
      warnings.push_back(
          "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
          "recommended: [" +
          why + "]");
    }
  }
  if (before != nullptr && DeepEqual(pod.spec, before->As<Pod>().spec)) return;
  WarnOfPod(pod.spec, pod.metadata, "", warnings);
}

std::optional<std::int64_t> GraceOfPod(const Object& object, std::optional<std::int64_t> asked) {
  const auto& pod = object.As<Pod>();
  // Nobody runs it, or nothing of it runs any more.
  if (pod.spec.nodeName.empty() || pod.status.phase == "Failed" || pod.status.phase == "Succeeded") return 0;
  const std::int64_t period = asked ? *asked : pod.spec.terminationGracePeriodSeconds.value_or(30);
  return period < 0 ? 1 : period;
}

void DefaultPodTemplate(Object& next, const Object*) {
  DefaultPodSpec(next.As<core::v1::PodTemplate>().template_.spec, PodSpecUse::kTemplate);
}

void ValidatePodTemplateObject(const Object& next, const Object*, std::string_view, ErrorList& errors) {
  ValidatePodTemplate(next.As<core::v1::PodTemplate>().template_, FieldPath("template"), errors);
}

constexpr SelectableField kPodSelectors[] = {
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
    {"spec.host", "spec.nodeName"},  // as the oldest clients call it
};

constexpr StoredIndex kPodIndexes[] = {{&kByNode, "spec.nodeName"}, {&kByController}};

const Strategy kKinds[] = {
    {.group = "",
     .plural = "pods",
     .generation = true,
     .returns_deleted = true,
     .status_writes_metadata = kMetadataParts & ~kOwnerReferences,
     .field_selectors = kPodSelectors,
     .indexes = kPodIndexes,
     .prepare = PreparePod,
     .defaults = DefaultPod,
     .validate = ValidatePod,
     .warn = Warn,
     .share = [](Object& stored) { ShareTokenVolume(stored.As<core::v1::Pod>().spec); },
     .grace_period = GraceOfPod},
    {.group = "",
     .plural = "podtemplates",
     .generation = true,
     .returns_deleted = true,
     .defaults = DefaultPodTemplate,
     .validate = ValidatePodTemplateObject},
};

}  // namespace

std::span<const Strategy> PodKinds() { return kKinds; }

}  // namespace minikube::api
