// What new pods and nodes are given by the cluster.
#include <algorithm>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>
#include <minikube/api/node/v1.h>
#include <minikube/api/scheduling/v1.h>

#include "api/admission/plugins.h"
#include "api/kinds/token_volume.h"
#include "api/wire/errors.h"
#include "kube/pod_references.h"

namespace minikube::api {

namespace {

using core::v1::Pod;

// The pod that is being created, or updated, by this operation, or null.
Pod* NewPod(Attempt& attempt) {
  if (attempt.kind->message != &DescriptorOf<Pod>()) return nullptr;
  return &attempt.next->As<Pod>();
}

// Pods without a service account get their namespace's default one, and a volume with a token of theirs.
Status AdmitServiceAccount(Attempt& attempt) {
  Pod* pod = NewPod(attempt);
  if (pod == nullptr || kube::IsMirrorPod(*pod)) return {};
  core::v1::PodSpec& spec = pod->spec;
  if (spec.serviceAccountName.empty()) spec.serviceAccountName = spec.serviceAccount;
  if (spec.serviceAccountName.empty()) spec.serviceAccountName = "default";
  spec.serviceAccount = spec.serviceAccountName;
  const StoredKind& accounts = attempt.world->catalogue->Get("", "serviceaccounts");
  const Entry* entry =
      attempt.world->Find(accounts.index, pod->metadata.namespace_.view(), spec.serviceAccountName.view());
  if (entry == nullptr) {
    // The default account is made by a controller, and a new namespace need not wait for it: the pod's node will.
    if (spec.serviceAccountName == "default") {
      if (spec.automountServiceAccountToken.value_or(true)) MountServiceAccountToken(spec);
      return {};
    }
    return ForbiddenError(
        attempt.resource(), pod->metadata.name.view(),
        fmt::format("error looking up service account {}/{}: serviceaccount \"{}\" not found",
                    pod->metadata.namespace_.view(), spec.serviceAccountName.view(), spec.serviceAccountName.view()));
  }
  const auto& account = entry->object->As<core::v1::ServiceAccount>();
  if (spec.imagePullSecrets.empty()) spec.imagePullSecrets = account.imagePullSecrets;
  const bool automount = account.automountServiceAccountToken.value_or(true);
  if (spec.automountServiceAccountToken.value_or(automount)) MountServiceAccountToken(spec);
  return {};
}

// A pod's priority is its class's value.
Status AdmitPriority(Attempt& attempt) {
  Pod* pod = NewPod(attempt);
  if (pod == nullptr) return {};
  core::v1::PodSpec& spec = pod->spec;
  const StoredKind& classes = attempt.world->catalogue->Get("scheduling.k8s.io", "priorityclasses");
  const scheduling::v1::PriorityClass* chosen = nullptr;
  if (!spec.priorityClassName.empty()) {
    const Entry* entry = attempt.world->Find(classes.index, {}, spec.priorityClassName.view());
    if (entry == nullptr) {
      return ForbiddenError(attempt.resource(), pod->metadata.name.view(),
                            fmt::format("no PriorityClass with name {} was found", spec.priorityClassName.view()));
    }
    chosen = &entry->object->As<scheduling::v1::PriorityClass>();
  } else {
    for (auto it = attempt.world->kinds[classes.index].Begin(); it; ++it) {
      const auto& candidate = it->object->As<scheduling::v1::PriorityClass>();
      // Of several global defaults the least important wins.
      if (candidate.globalDefault && (chosen == nullptr || candidate.value < chosen->value)) chosen = &candidate;
    }
    if (chosen != nullptr) spec.priorityClassName = chosen->metadata.name;
  }
  const std::int32_t priority = chosen != nullptr ? chosen->value : 0;
  const Str policy =
      chosen != nullptr && chosen->preemptionPolicy ? *chosen->preemptionPolicy : Str("PreemptLowerPriority");
  if (spec.priority && *spec.priority != priority) {
    return ForbiddenError(attempt.resource(), pod->metadata.name.view(),
                          fmt::format("the integer value of priority ({}) must not be provided in pod spec; priority "
                                      "admission controller computed {} from the given PriorityClass name",
                                      *spec.priority, priority));
  }
  if (spec.preemptionPolicy && !(*spec.preemptionPolicy == policy)) {
    return ForbiddenError(attempt.resource(), pod->metadata.name.view(),
                          fmt::format("the string value of PreemptionPolicy ({}) must not be provided in pod spec; "
                                      "priority admission controller computed {} from the given PriorityClass name",
                                      spec.preemptionPolicy->view(), policy.view()));
  }
  spec.priority = priority;
  spec.preemptionPolicy = policy;
  return {};
}

// Pods of a runtime class take over what running by it costs and where it can be done.
Status AdmitRuntimeClass(Attempt& attempt) {
  Pod* pod = NewPod(attempt);
  if (pod == nullptr) return {};
  core::v1::PodSpec& spec = pod->spec;
  const auto refuse = [&](std::string_view why) {
    return ForbiddenError(attempt.resource(), pod->metadata.name.view(), why);
  };
  if (!spec.runtimeClassName || spec.runtimeClassName->empty()) {
    if (spec.overhead.empty()) return {};
    return refuse("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
  }
  const StoredKind& kind = attempt.world->catalogue->Get("node.k8s.io", "runtimeclasses");
  const Entry* entry = attempt.world->Find(kind.index, {}, spec.runtimeClassName->view());
  if (entry == nullptr) {
    return refuse(fmt::format("pod rejected: RuntimeClass \"{}\" not found", spec.runtimeClassName->view()));
  }
  const auto& runtime = entry->object->As<node::v1::RuntimeClass>();
  const Map<Quantity> overhead = runtime.overhead ? runtime.overhead->podFixed : Map<Quantity>();
  if (!spec.overhead.empty() && spec.overhead != overhead) {
    return refuse("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  }
  spec.overhead = overhead;
  if (!runtime.scheduling) return {};
  for (const auto& [key, value] : runtime.scheduling->nodeSelector) {
    const Str* own = spec.nodeSelector.Find(key.view());
    if (own != nullptr && !(*own == value)) {
      return refuse(
          fmt::format("conflict: runtimeClass.scheduling.nodeSelector[{}] = {}; pod.spec.nodeSelector[{}] = {}",
                      key.view(), value.view(), key.view(), own->view()));
    }
    spec.nodeSelector[key.view()] = value;
  }
  for (const core::v1::Toleration& toleration : runtime.scheduling->tolerations) {
    const bool known = std::any_of(spec.tolerations.begin(), spec.tolerations.end(),
                                   [&](const auto& own) { return DeepEqual(own, toleration); });
    if (!known) spec.tolerations.push_back(toleration);
  }
  return {};
}

// Pods stay five minutes on a node that is not ready or not reachable, unless they say otherwise.
Status AdmitDefaultTolerationSeconds(Attempt& attempt) {
  Pod* pod = NewPod(attempt);
  if (pod == nullptr) return {};
  for (const std::string_view taint : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    const auto& tolerations = pod->spec.tolerations;
    const bool said = std::any_of(tolerations.begin(), tolerations.end(), [&](const core::v1::Toleration& t) {
      return (t.key == taint || t.key.empty()) && (t.effect == "NoExecute" || t.effect.empty());
    });
    if (said) continue;
    core::v1::Toleration toleration;
    toleration.key = taint;
    toleration.operator_ = "Exists";
    toleration.effect = "NoExecute";
    toleration.tolerationSeconds = 300;
    pod->spec.tolerations.push_back(std::move(toleration));
  }
  return {};
}

// A new node takes no pods before the node controller has seen it ready.
Status AdmitTaintNodesByCondition(Attempt& attempt) {
  auto& node = attempt.next->As<core::v1::Node>();
  constexpr std::string_view kTaint = "node.kubernetes.io/not-ready";
  for (const core::v1::Taint& taint : node.spec.taints) {
    if (taint.key == kTaint && taint.effect == "NoSchedule") return {};
  }
  core::v1::Taint taint;
  taint.key = kTaint;
  taint.effect = "NoSchedule";
  node.spec.taints.push_back(std::move(taint));
  return {};
}

bool IsPodWrite(const AdmissionTarget& target) {
  const bool write = target.operation == AdmissionOperation::kCreate || target.operation == AdmissionOperation::kUpdate;
  return write && target.subresource.empty() && IsResource(target, "", "pods");
}

bool IsNodeCreate(const AdmissionTarget& target) {
  return target.operation == AdmissionOperation::kCreate && target.subresource.empty() &&
         IsResource(target, "", "nodes");
}

}  // namespace

const PlainPlugin kServiceAccount{"ServiceAccount", IsPodCreate, AdmitServiceAccount};
const PlainPlugin kPriority{"Priority", IsPodCreate, AdmitPriority};
const PlainPlugin kRuntimeClass{"RuntimeClass", IsPodCreate, AdmitRuntimeClass};
const PlainPlugin kDefaultTolerationSeconds{"DefaultTolerationSeconds", IsPodWrite, AdmitDefaultTolerationSeconds};
const PlainPlugin kTaintNodesByCondition{"TaintNodesByCondition", IsNodeCreate, AdmitTaintNodesByCondition};

}  // namespace minikube::api
