#include "api/admission/admission.h"

#include <algorithm>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>
#include <minikube/api/node/v1.h>
#include <minikube/api/rbac/v1.h>
#include <minikube/api/scheduling/v1.h>

#include "api/admission/storage.h"
#include "api/kinds/token_volume.h"
#include "api/registry/verbs.h"
#include "api/wire/errors.h"
#include "model/access.h"

namespace minikube::api {

namespace {

using core::v1::Pod;

// The pod that is being created by this operation, or null.
Pod* NewPod(Attempt& attempt) {
  if (attempt.effect != Attempt::Effect::kCreate || attempt.kind->message != &DescriptorOf<Pod>()) return nullptr;
  return &attempt.next->As<Pod>();
}

// ---- Mutating -----------------------------------------------------------------------------------------------------

// What the static pods of a node show at the API server: not ours to change.
bool IsMirror(const Pod& pod) { return pod.metadata.annotations.Find("kubernetes.io/config.mirror") != nullptr; }

// Pods without a service account get their namespace's default one, and a volume with a token of theirs.
Status ServiceAccount(Attempt& attempt) {
  Pod* pod = NewPod(attempt);
  if (pod == nullptr || IsMirror(*pod)) return {};
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
Status Priority(Attempt& attempt) {
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
Status RuntimeClass(Attempt& attempt) {
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
Status DefaultTolerationSeconds(Attempt& attempt) {
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
Status TaintNodesByCondition(Attempt& attempt) {
  if (attempt.effect != Attempt::Effect::kCreate || attempt.kind->message != &DescriptorOf<core::v1::Node>()) return {};
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

// ---- Validating ---------------------------------------------------------------------------------------------------

bool IsImmortal(std::string_view ns) { return ns == "default" || ns == "kube-system" || ns == "kube-public"; }

// Objects live in namespaces that exist and are not about to go; some namespaces never go.
Status NamespaceLifecycle(Attempt& attempt) {
  const StoredKind& namespaces = attempt.world->catalogue->Get("", "namespaces");
  if (attempt.kind == &namespaces && attempt.request().verb == Verb::kDelete && IsImmortal(attempt.request().name)) {
    return ForbiddenError(attempt.resource(), attempt.request().name, "this namespace may not be deleted");
  }
  if (!attempt.kind->resource->namespaced || attempt.effect != Attempt::Effect::kCreate) return {};
  const std::string_view ns = attempt.next->meta().namespace_.view();
  const Entry* entry = attempt.world->Find(namespaces.index, {}, ns);
  if (entry == nullptr) return NotFoundError(*namespaces.resource, ns);
  if (!entry->object->meta().deletionTimestamp) return {};
  const std::string_view name = attempt.next->meta().name.view();
  Status status =
      ForbiddenError(attempt.resource(), name,
                     fmt::format("unable to create new content in namespace {} because it is being terminated", ns));
  StatusDetails details = status.details();
  details.causes.push_back(
      {"NamespaceTerminating", fmt::format("namespace {} is being terminated", ns), "metadata.namespace"});
  return {status.code(), status.message(), std::move(details)};
}

std::string RuleText(const rbac::v1::PolicyRule& rule) {
  std::string text = "{";
  const auto add = [&](std::string_view label, const List<Str>& values) {
    if (values.empty()) return;
    if (text.size() > 1) text += ", ";
    text += fmt::format("{}:[", label);
    for (std::size_t i = 0; i < values.size(); ++i) text += fmt::format("{}\"{}\"", i > 0 ? " " : "", values[i].view());
    text += "]";
  };
  add("APIGroups", rule.apiGroups);
  add("Resources", rule.resources);
  add("ResourceNames", rule.resourceNames);
  add("NonResourceURLs", rule.nonResourceURLs);
  add("Verbs", rule.verbs);
  return text + "}";
}

bool SameRules(const List<rbac::v1::PolicyRule>& a, const List<rbac::v1::PolicyRule>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const rbac::v1::PolicyRule& x, const rbac::v1::PolicyRule& y) { return DeepEqual(x, y); });
}

// Rules that leave nothing out.
Rbac::Rules Everything() {
  rbac::v1::PolicyRule resources;
  resources.verbs = resources.apiGroups = resources.resources = {"*"};
  rbac::v1::PolicyRule paths;
  paths.verbs = paths.nonResourceURLs = {"*"};
  return {std::move(resources), std::move(paths)};
}

bool Aggregates(const rbac::v1::ClusterRole& role) {
  return role.aggregationRule && !role.aggregationRule->clusterRoleSelectors.empty();
}

// Whether an update changes nothing but what the garbage collector goes by.
bool ChangesOwnersAlone(const Attempt& attempt) {
  if (!attempt.before) return false;
  ObjectPtr next = ObjectPtr::Clone(*attempt.next);
  const meta::v1::ObjectMeta& before = attempt.before->meta();
  meta::v1::ObjectMeta& meta = next->mutable_meta();
  meta.ownerReferences = before.ownerReferences;
  meta.finalizers = before.finalizers;
  meta.managedFields = before.managedFields;
  return Equal(*next, *attempt.before);
}

// Nobody grants what he does not have himself, unless he may escalate (roles) or bind (bindings).
Status RbacEscalation(Attempt& attempt) {
  constexpr std::string_view kRbac = "rbac.authorization.k8s.io";
  if (attempt.effect == Attempt::Effect::kDelete || attempt.kind->resource->group != kRbac) return {};
  const UserInfo& user = attempt.user();
  const std::string_view ns = attempt.next->meta().namespace_.view();
  const std::string_view plural = attempt.kind->resource->plural;
  const std::string_view name = attempt.next->meta().name.view();
  Rbac::Rules wanted;
  if (const auto* role = attempt.next->TryAs<rbac::v1::Role>()) {
    if (attempt.before && SameRules(role->rules, attempt.before->As<rbac::v1::Role>().rules)) return {};
    wanted.assign(role->rules.begin(), role->rules.end());
    if (attempt.core.rbac.Allows(*attempt.world, user, {"escalate", kRbac, plural, {}, ns, name, {}})) return {};
  } else if (const auto* cluster_role = attempt.next->TryAs<rbac::v1::ClusterRole>()) {
    if (attempt.core.rbac.Allows(*attempt.world, user, {"escalate", kRbac, plural, {}, {}, name, {}})) return {};
    if (ChangesOwnersAlone(attempt)) return {};
    // An aggregated role may come to have any rules, and keeps its own from being narrowed: it is for those who may do
    // everything.
    const bool aggregates =
        Aggregates(*cluster_role) || (attempt.before && Aggregates(attempt.before->As<rbac::v1::ClusterRole>()));
    if (aggregates && !Rbac::NotCovered(attempt.core.rbac.RulesFor(*attempt.world, user, {}), Everything()).empty()) {
      return ForbiddenError(attempt.resource(), name, "must have cluster-admin privileges to use the aggregationRule");
    }
    wanted.assign(cluster_role->rules.begin(), cluster_role->rules.end());
  } else {
    const rbac::v1::RoleRef* ref = nullptr;
    if (const auto* binding = attempt.next->TryAs<rbac::v1::RoleBinding>()) ref = &binding->roleRef;
    if (const auto* binding = attempt.next->TryAs<rbac::v1::ClusterRoleBinding>()) ref = &binding->roleRef;
    if (ref == nullptr) return {};
    const std::string_view roles = ref->kind == "ClusterRole" ? "clusterroles" : "roles";
    if (attempt.core.rbac.Allows(*attempt.world, user, {"bind", kRbac, roles, {}, ns, ref->name.view(), {}})) return {};
    std::optional<Rbac::Rules> rules = attempt.core.rbac.RulesOf(*attempt.world, *ref, ns);
    if (!rules) {
      const bool masters = std::find(user.groups.begin(), user.groups.end(), kMastersGroup) != user.groups.end();
      if (masters) return {};
      const StoredKind& kind = attempt.world->catalogue->Get(kRbac, roles);
      return NotFoundError(*kind.resource, ref->name.view());
    }
    wanted = std::move(*rules);
  }
  const Rbac::Rules missing = Rbac::NotCovered(attempt.core.rbac.RulesFor(*attempt.world, user, ns), wanted);
  if (missing.empty()) return {};
  std::string groups;
  for (const std::string& group : user.groups) groups += fmt::format("{}\"{}\"", groups.empty() ? "" : " ", group);
  std::string rules;
  for (const rbac::v1::PolicyRule& rule : missing) rules += "\n" + RuleText(rule);
  return ForbiddenError(attempt.resource(), name,
                        fmt::format("user \"{}\" (groups=[{}]) is attempting to grant RBAC permissions not currently "
                                    "held:{}",
                                    user.name, groups, rules));
}

constexpr AdmissionPlugin kMutating[] = {
    {"ServiceAccount", ServiceAccount},
    {"RuntimeClass", RuntimeClass},
    {"Priority", Priority},
    {"DefaultTolerationSeconds", DefaultTolerationSeconds},
    {"StorageObjectInUseProtection", StorageObjectInUseProtection},
    {"DefaultStorageClass", DefaultStorageClass},
    {"TaintNodesByCondition", TaintNodesByCondition},
};
constexpr AdmissionPlugin kValidating[] = {
    {"NamespaceLifecycle", NamespaceLifecycle},
    {"RBACEscalation", RbacEscalation},
    {"PersistentVolumeClaimResize", PersistentVolumeClaimResize},
};

Status RunAll(std::span<const AdmissionPlugin> plugins, Attempt& attempt) {
  for (const AdmissionPlugin& plugin : plugins) MINIKUBE_RETURN_IF_ERROR(plugin.run(attempt));
  return {};
}

}  // namespace

std::span<const AdmissionPlugin> MutatingPlugins() { return kMutating; }
std::span<const AdmissionPlugin> ValidatingPlugins() { return kValidating; }

Status AdmitMutate(Attempt& attempt) { return RunAll(kMutating, attempt); }
Status AdmitValidate(Attempt& attempt) { return RunAll(kValidating, attempt); }

}  // namespace minikube::api
