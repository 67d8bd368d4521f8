// Where a pod may run: affinity, tolerations, spreading, gates.
#include <algorithm>

#include <fmt/format.h>

#include "api/kinds/metadata.h"
#include "api/kinds/pod_rules.h"

namespace minikube::api {

namespace {

using namespace core::v1;  // NOLINT(google-build-using-namespace): the types of this file

void ValidateRequirement(const NodeSelectorRequirement& requirement, const FieldPath& path, ErrorList& errors) {
  const std::string_view op = requirement.operator_.view();
  const FieldPath values = path.Child("values");
  if ((op == "In" || op == "NotIn") && requirement.values.empty()) {
    errors.Required(values, "must be specified when `operator` is 'In' or 'NotIn'");
  }
  if ((op == "Exists" || op == "DoesNotExist") && !requirement.values.empty()) {
    errors.Forbidden(values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  }
  if ((op == "Gt" || op == "Lt") && requirement.values.size() != 1) {
    errors.Required(values, "must be specified single value when `operator` is 'Lt' or 'Gt'");
  }
  if (!requirement.key.empty()) {
    errors.InvalidEach(path.Child("key"), requirement.key, IsQualifiedName(requirement.key.view()));
  }
  for (std::size_t i = 0; i < requirement.values.size(); ++i) {
    errors.InvalidEach(values.Index(i), requirement.values[i], IsLabelValue(requirement.values[i].view()));
  }
}

// Of the fields of nodes, the name alone can be asked for.
void ValidateFieldRequirement(const NodeSelectorRequirement& requirement, const FieldPath& path, ErrorList& errors) {
  if (!(requirement.operator_ == "In") && !(requirement.operator_ == "NotIn")) {
    errors.Invalid(path.Child("operator"), requirement.operator_, "not a valid selector operator");
  } else if (requirement.values.size() != 1) {
    errors.Required(path.Child("values"),
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
  }
  if (!(requirement.key == "metadata.name")) {
    errors.Invalid(path.Child("key"), requirement.key, "not a valid field selector key");
    return;
  }
  const FieldPath values = path.Child("values");
  for (std::size_t i = 0; i < requirement.values.size(); ++i) {
    errors.InvalidEach(values.Index(i), requirement.values[i], NameIsDnsSubdomain(requirement.values[i].view()));
  }
}

void ValidateTerm(const NodeSelectorTerm& term, const FieldPath& path, ErrorList& errors) {
  const FieldPath expressions = path.Child("matchExpressions");
  for (std::size_t i = 0; i < term.matchExpressions.size(); ++i) {
    ValidateRequirement(term.matchExpressions[i], expressions.Index(i), errors);
  }
  const FieldPath fields = path.Child("matchFields");
  for (std::size_t i = 0; i < term.matchFields.size(); ++i) {
    ValidateFieldRequirement(term.matchFields[i], fields.Index(i), errors);
  }
}

// Keys of the pod's own labels that join the selector: a label key each, and not one that the selector has already.
void ValidateLabelKeys(const List<Str>& keys, const Box<meta::v1::LabelSelector>& selector, const FieldPath& path,
                       ErrorList& errors) {
  if (!keys.empty() && !selector) {
    errors.Forbidden(path, "must not be specified when labelSelector is not set");
    return;
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    errors.InvalidEach(path.Index(i), keys[i], IsQualifiedName(keys[i].view()));
    if (selector->matchLabels.Contains(keys[i].view())) {
      errors.Invalid(path.Index(i), keys[i], "exists in both matchLabelKeys and labelSelector");
    }
  }
}

void ValidatePodTerm(const PodAffinityTerm& term, const FieldPath& path, ErrorList& errors) {
  if (term.labelSelector) ValidateLabelSelector(*term.labelSelector, path.Child("labelSelector"), errors);
  if (term.namespaceSelector) ValidateLabelSelector(*term.namespaceSelector, path.Child("namespaceSelector"), errors);
  for (const Str& name : term.namespaces) {
    errors.InvalidEach(path.Child("namespace"), name, NameIsDnsLabel(name.view()));
  }
  ValidateLabelKeys(term.matchLabelKeys, term.labelSelector, path.Child("matchLabelKeys"), errors);
  ValidateLabelKeys(term.mismatchLabelKeys, term.labelSelector, path.Child("mismatchLabelKeys"), errors);
  const FieldPath match = path.Child("matchLabelKeys");
  for (std::size_t i = 0; i < term.matchLabelKeys.size(); ++i) {
    if (std::find(term.mismatchLabelKeys.begin(), term.mismatchLabelKeys.end(), term.matchLabelKeys[i]) !=
        term.mismatchLabelKeys.end()) {
      errors.Invalid(match.Index(i), term.matchLabelKeys[i], "exists in both matchLabelKeys and mismatchLabelKeys");
    }
  }
  if (!term.topologyKey.empty()) {
    errors.InvalidEach(path.Child("topologyKey"), term.topologyKey, IsQualifiedName(term.topologyKey.view()));
  }
}

template <typename PodTerms>
void ValidatePodTerms(const PodTerms& terms, const FieldPath& path, ErrorList& errors) {
  const FieldPath required = path.Child("requiredDuringSchedulingIgnoredDuringExecution");
  for (std::size_t i = 0; i < terms.requiredDuringSchedulingIgnoredDuringExecution.size(); ++i) {
    ValidatePodTerm(terms.requiredDuringSchedulingIgnoredDuringExecution[i], required.Index(i), errors);
  }
  const FieldPath preferred = path.Child("preferredDuringSchedulingIgnoredDuringExecution");
  for (std::size_t i = 0; i < terms.preferredDuringSchedulingIgnoredDuringExecution.size(); ++i) {
    const WeightedPodAffinityTerm& weighted = terms.preferredDuringSchedulingIgnoredDuringExecution[i];
    ValidatePodTerm(weighted.podAffinityTerm, preferred.Index(i, "podAffinityTerm"), errors);
  }
}

}  // namespace

void ValidateNodeSelector(const NodeSelector& selector, const FieldPath& path, ErrorList& errors) {
  const FieldPath terms = path.Child("nodeSelectorTerms");
  if (selector.nodeSelectorTerms.empty()) errors.Required(terms, "must have at least one node selector term");
  for (std::size_t i = 0; i < selector.nodeSelectorTerms.size(); ++i) {
    ValidateTerm(selector.nodeSelectorTerms[i], terms.Index(i), errors);
  }
}

void ValidateAffinity(const Affinity& affinity, const FieldPath& path, ErrorList& errors) {
  if (affinity.nodeAffinity) {
    const FieldPath node = path.Child("nodeAffinity");
    if (affinity.nodeAffinity->requiredDuringSchedulingIgnoredDuringExecution) {
      ValidateNodeSelector(*affinity.nodeAffinity->requiredDuringSchedulingIgnoredDuringExecution,
                           node.Child("requiredDuringSchedulingIgnoredDuringExecution"), errors);
    }
    const FieldPath preferred = node.Child("preferredDuringSchedulingIgnoredDuringExecution");
    const auto& terms = affinity.nodeAffinity->preferredDuringSchedulingIgnoredDuringExecution;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      ValidateTerm(terms[i].preference, preferred.Index(i, "preference"), errors);
    }
  }
  if (affinity.podAffinity) ValidatePodTerms(*affinity.podAffinity, path.Child("podAffinity"), errors);
  if (affinity.podAntiAffinity) ValidatePodTerms(*affinity.podAntiAffinity, path.Child("podAntiAffinity"), errors);
}

void ValidateTolerations(const List<Toleration>& tolerations, const FieldPath& path, ErrorList& errors) {
  for (std::size_t i = 0; i < tolerations.size(); ++i) {
    const Toleration& toleration = tolerations[i];
    if (!toleration.key.empty()) {
      errors.InvalidEach(path.Index(i, "key"), toleration.key, IsQualifiedName(toleration.key.view()));
    }
    const std::string_view op = toleration.operator_.view();
    if (toleration.key.empty() && op != "Exists") {
      errors.Invalid(path.Index(i, "operator"), toleration.operator_,
                     "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
    }
    if (toleration.tolerationSeconds && !(toleration.effect == "NoExecute")) {
      errors.Invalid(path.Index(i, "effect"), toleration.effect,
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (op.empty() || op == "Equal") {
      errors.InvalidEach(path.Index(i, "operator"), toleration.value, IsLabelValue(toleration.value.view()));
    }
    if (op == "Exists" && !toleration.value.empty()) {
      errors.Invalid(path.Index(i, "operator"), toleration.value, "value must be empty when `operator` is 'Exists'");
    }
  }
}

void ValidateSpreadConstraints(const List<TopologySpreadConstraint>& constraints, const FieldPath& path,
                               ErrorList& errors) {
  for (std::size_t i = 0; i < constraints.size(); ++i) {
    const TopologySpreadConstraint& constraint = constraints[i];
    const FieldPath here = path.Index(i);
    if (constraint.maxSkew <= 0) {
      errors.Invalid(here.Child("maxSkew"), constraint.maxSkew, "must be greater than zero");
    }
    if (!constraint.topologyKey.empty()) {
      errors.InvalidEach(here.Child("topologyKey"), constraint.topologyKey,
                         IsQualifiedName(constraint.topologyKey.view()));
    }
    for (std::size_t k = i + 1; k < constraints.size(); ++k) {
      if (!(constraints[k].topologyKey == constraint.topologyKey)) continue;
      if (!(constraints[k].whenUnsatisfiable == constraint.whenUnsatisfiable)) continue;
      errors.Duplicate(here.Child("{topologyKey, whenUnsatisfiable}"),
                       fmt::format("{{{}, {}}}", constraint.topologyKey.view(), constraint.whenUnsatisfiable.view()));
      break;
    }
    if (constraint.minDomains && !(constraint.whenUnsatisfiable == "DoNotSchedule")) {
      errors.Invalid(here.Child("minDomains"), *constraint.minDomains,
                     fmt::format("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}",
                                 constraint.whenUnsatisfiable.view()));
    }
    ValidateLabelKeys(constraint.matchLabelKeys, constraint.labelSelector, here.Child("matchLabelKeys"), errors);
    if (constraint.labelSelector) {
      ValidateLabelSelector(*constraint.labelSelector, here.Child("labelSelector"), errors);
    }
  }
}

void ValidateGates(const PodSpec& spec, const FieldPath& path, ErrorList& errors) {
  const FieldPath readiness = path.Child("readinessGates");
  for (std::size_t i = 0; i < spec.readinessGates.size(); ++i) {
    const Str& type = spec.readinessGates[i].conditionType;
    errors.InvalidEach(readiness.Index(i, "conditionType"), type, IsQualifiedName(type.view()));
  }
  const FieldPath scheduling = path.Child("schedulingGates");
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < spec.schedulingGates.size(); ++i) {
    const Str& name = spec.schedulingGates[i].name;
    errors.InvalidEach(scheduling.Index(i), name, IsQualifiedName(name.view()));
    if (!names.insert(name.view()).second) errors.Duplicate(scheduling.Index(i), name);
  }
}

}  // namespace minikube::api
