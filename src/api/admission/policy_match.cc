#include "api/admission/policy_match.h"

#include <algorithm>

#include <minikube/api/core/v1.h>
#include <minikube/selector.h>

namespace minikube::api {

namespace {

using admissionregistration::v1::MatchResources;
using admissionregistration::v1::NamedRuleWithOperations;

bool Lists(const List<Str>& list, std::string_view value) {
  return std::any_of(list.begin(), list.end(), [&](const Str& item) { return item == "*" || item == value; });
}

// "pods", "pods/status", "*", "*/*", "pods/*", "*/scale".
bool MatchesResource(const List<Str>& list, std::string_view plural, std::string_view subresource) {
  return std::any_of(list.begin(), list.end(), [&](const Str& item) {
    const std::string_view text = item.view();
    const std::size_t slash = text.find('/');
    const std::string_view resource = text.substr(0, slash);
    const std::string_view sub = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
    return (resource == "*" || resource == plural) && (sub == "*" || sub == subresource);
  });
}

bool Matches(const NamedRuleWithOperations& rule, const AdmissionRequest& request, const ResourceDesc& resource) {
  if (!Lists(rule.operations, NameOf(request.operation()))) return false;
  if (!Lists(rule.apiGroups, resource.group) || !Lists(rule.apiVersions, resource.version)) return false;
  if (!MatchesResource(rule.resources, resource.plural, request.subresource())) return false;
  if (rule.scope && *rule.scope == "Namespaced" && !resource.namespaced) return false;
  if (rule.scope && *rule.scope == "Cluster" && resource.namespaced) return false;
  return rule.resourceNames.empty() || std::any_of(rule.resourceNames.begin(), rule.resourceNames.end(),
                                                   [&](const Str& name) { return name == request.name(); });
}

bool MatchesAny(const List<NamedRuleWithOperations>& rules, const AdmissionRequest& request,
                const ResourceDesc& resource) {
  return std::any_of(rules.begin(), rules.end(), [&](const auto& rule) { return Matches(rule, request, resource); });
}

// The request's resource, and those that serve the same kind, if they count as the same.
std::vector<const ResourceDesc*> Versions(const AdmissionRequest& request, const Catalogue& catalogue, bool all) {
  std::vector<const ResourceDesc*> out{&request.resource()};
  const StoredKind* kind = all ? catalogue.Find(request.resource()) : nullptr;
  if (kind == nullptr) return out;
  for (const ResourceDesc* resource : catalogue.resources()) {
    const bool same = resource != out.front() && resource->plural == out.front()->plural;
    if (same && catalogue.Find(*resource) == kind) out.push_back(resource);
  }
  return out;
}

Result<bool> MatchesNamespace(const AdmissionRequest& request, const meta::v1::LabelSelector* of) {
  if (of == nullptr || (of->matchLabels.empty() && of->matchExpressions.empty())) return true;
  const auto* incoming = request.object() != nullptr ? request.object()->TryAs<core::v1::Namespace>() : nullptr;
  const auto* gone = request.old_object() != nullptr ? request.old_object()->TryAs<core::v1::Namespace>() : nullptr;
  const core::v1::Namespace* ns = incoming != nullptr ? incoming : gone;
  if (ns == nullptr && request.ns().empty()) return true;  // objects of no namespace are never left out
  if (ns == nullptr) ns = request.Find<core::v1::Namespace>({}, request.ns());
  Result<LabelSelector> selector = LabelSelector::From(of);
  if (!selector) return selector.status();
  return ns != nullptr && selector->Matches(ns->metadata.labels);
}

Result<bool> MatchesObject(const AdmissionRequest& request, const meta::v1::LabelSelector* of) {
  if (of == nullptr || (of->matchLabels.empty() && of->matchExpressions.empty())) return true;
  Result<LabelSelector> selector = LabelSelector::From(of);
  if (!selector) return selector.status();
  for (const Object* object : {request.object(), request.old_object()}) {
    if (object != nullptr && selector->Matches(object->meta().labels)) return true;
  }
  return false;
}

}  // namespace

std::string_view NameOf(AdmissionOperation operation) {
  switch (operation) {
    case AdmissionOperation::kCreate:
      return "CREATE";
    case AdmissionOperation::kUpdate:
      return "UPDATE";
    case AdmissionOperation::kDelete:
      return "DELETE";
  }
  return "";
}

Result<const ResourceDesc*> MatchOf(const AdmissionRequest& request, const Catalogue& catalogue,
                                    const MatchResources& constraints) {
  const bool all = !constraints.matchPolicy || *constraints.matchPolicy == "Equivalent";
  const std::vector<const ResourceDesc*> versions = Versions(request, catalogue, all);
  for (const ResourceDesc* version : versions) {
    if (MatchesAny(constraints.excludeResourceRules, request, *version)) return nullptr;
  }
  const auto found = std::find_if(versions.begin(), versions.end(), [&](const ResourceDesc* version) {
    return MatchesAny(constraints.resourceRules, request, *version);
  });
  // A binding without rules narrows nothing.
  const bool free = constraints.resourceRules.empty();
  if (found == versions.end() && !free) return nullptr;
  for (const Result<bool>& selected : {MatchesNamespace(request, constraints.namespaceSelector.get()),
                                       MatchesObject(request, constraints.objectSelector.get())}) {
    if (!selected) return selected.status();
    if (!*selected) return nullptr;
  }
  return free ? versions.front() : *found;
}

}  // namespace minikube::api
