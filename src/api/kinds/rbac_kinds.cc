// Roles and bindings. That nobody grants what he lacks is admission's (admission.cc).
#include <minikube/api/rbac/v1.h>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"

namespace minikube::api {

namespace {

using namespace rbac::v1;  // NOLINT(google-build-using-namespace): the kinds of this file

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

void ValidateRules(const List<PolicyRule>& rules, bool namespaced, ErrorList& errors) {
  const FieldPath path("rules");
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const PolicyRule& rule = rules[i];
    if (rule.verbs.empty()) errors.Required(path.Index(i, "verbs"), "verbs must contain at least one value");
    if (!rule.nonResourceURLs.empty()) {
      if (namespaced) {
        errors.Invalid(path.Index(i, "nonResourceURLs"), rule.nonResourceURLs.front(),
                       "namespaced rules cannot apply to non-resource URLs");
      }
      if (!rule.apiGroups.empty() || !rule.resources.empty() || !rule.resourceNames.empty()) {
        errors.Invalid(path.Index(i, "nonResourceURLs"), rule.nonResourceURLs.front(),
                       "rules cannot apply to both regular resources and non-resource URLs");
      }
      continue;
    }
    if (rule.apiGroups.empty()) {
      errors.Required(path.Index(i, "apiGroups"), "resource rules must supply at least one api group");
    }
    if (rule.resources.empty()) {
      errors.Required(path.Index(i, "resources"), "resource rules must supply at least one resource");
    }
  }
}

void ValidateRole(const Object& next, const Object*, std::string_view, ErrorList& errors) {
  ValidateRules(next.As<Role>().rules, true, errors);
}

void ValidateClusterRole(const Object& next, const Object*, std::string_view, ErrorList& errors) {
  const auto& role = next.As<ClusterRole>();
  ValidateRules(role.rules, false, errors);
  if (!role.aggregationRule) return;
  const FieldPath path("aggregationRule");
  const FieldPath selectors = path.Child("clusterRoleSelectors");
  if (role.aggregationRule->clusterRoleSelectors.empty()) {
    errors.Required(selectors, "at least one clusterRoleSelector required if aggregationRule is non-nil");
  }
  for (std::size_t i = 0; i < role.aggregationRule->clusterRoleSelectors.size(); ++i) {
    ValidateLabelSelector(role.aggregationRule->clusterRoleSelectors[i], selectors.Index(i), errors);
  }
}

void DefaultSubjects(List<Subject>& subjects, RoleRef& ref) {
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (subjects[i].apiGroup.empty() && (subjects[i].kind == "User" || subjects[i].kind == "Group")) {
      subjects.Mutable(i).apiGroup = kGroup;
    }
  }
  if (ref.apiGroup.empty()) ref.apiGroup = kGroup;
}

void ValidateBinding(const List<Subject>& subjects, const RoleRef& ref, const RoleRef* before, bool cluster,
                     ErrorList& errors) {
  const FieldPath role("roleRef");
  if (!(ref.apiGroup == kGroup)) errors.NotSupported(role.Child("apiGroup"), ref.apiGroup, {kGroup});
  if (cluster && !(ref.kind == "ClusterRole")) errors.NotSupported(role.Child("kind"), ref.kind, {"ClusterRole"});
  if (!cluster && !(ref.kind == "ClusterRole") && !(ref.kind == "Role")) {
    errors.NotSupported(role.Child("kind"), ref.kind, {"ClusterRole", "Role"});
  }
  if (ref.name.empty()) {
    errors.Required(role.Child("name"), "");
  } else {
    errors.InvalidEach(role.Child("name"), ref.name, NameIsPathSegment(ref.name.view()));
  }
  const FieldPath path("subjects");
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const Subject& subject = subjects[i];
    if (subject.name.empty()) errors.Required(path.Index(i, "name"), "");
    if (subject.kind == "ServiceAccount") {
      if (!subject.apiGroup.empty()) errors.NotSupported(path.Index(i, "apiGroup"), subject.apiGroup, {""});
      if (cluster && subject.namespace_.empty()) errors.Required(path.Index(i, "namespace"), "");
    } else if (subject.kind == "User" || subject.kind == "Group") {
      if (!(subject.apiGroup == kGroup)) errors.NotSupported(path.Index(i, "apiGroup"), subject.apiGroup, {kGroup});
    } else {
      errors.NotSupported(path.Index(i, "kind"), subject.kind, {"Group", "ServiceAccount", "User"});
    }
  }
  if (before != nullptr && !DeepEqual(ref, *before)) {
    errors.Invalid(role, BadValue::Of(ref), "cannot change roleRef");
  }
}

void DefaultRoleBinding(Object& next, const Object*) {
  auto& binding = next.As<RoleBinding>();
  DefaultSubjects(binding.subjects, binding.roleRef);
}

void ValidateRoleBinding(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& binding = next.As<RoleBinding>();
  ValidateBinding(binding.subjects, binding.roleRef, before != nullptr ? &before->As<RoleBinding>().roleRef : nullptr,
                  false, errors);
}

void DefaultClusterRoleBinding(Object& next, const Object*) {
  auto& binding = next.As<ClusterRoleBinding>();
  DefaultSubjects(binding.subjects, binding.roleRef);
}

void ValidateClusterRoleBinding(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& binding = next.As<ClusterRoleBinding>();
  ValidateBinding(binding.subjects, binding.roleRef,
                  before != nullptr ? &before->As<ClusterRoleBinding>().roleRef : nullptr, true, errors);
}

Messages PathName(std::string_view name, NameUse use) { return NameIsPathSegment(name, use); }

const Strategy kKinds[] = {
    {.group = kGroup, .plural = "roles", .name = PathName, .create_on_update = true, .validate = ValidateRole},
    {.group = kGroup,
     .plural = "clusterroles",
     .name = PathName,
     .create_on_update = true,
     .validate = ValidateClusterRole},
    {.group = kGroup,
     .plural = "rolebindings",
     .name = PathName,
     .create_on_update = true,
     .defaults = DefaultRoleBinding,
     .validate = ValidateRoleBinding},
    {.group = kGroup,
     .plural = "clusterrolebindings",
     .name = PathName,
     .create_on_update = true,
     .defaults = DefaultClusterRoleBinding,
     .validate = ValidateClusterRoleBinding},
};

}  // namespace

std::span<const Strategy> RbacKinds() { return kKinds; }

}  // namespace minikube::api
