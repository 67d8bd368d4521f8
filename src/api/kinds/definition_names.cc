#include "api/kinds/definition_names.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

namespace minikube::api {

namespace {

using apiextensions::v1::CustomResourceDefinition;
using apiextensions::v1::CustomResourceDefinitionNames;

using Names = std::set<std::string, std::less<>>;

// Takes `wanted` if it is free or ours already; else says whose conflict it is, as `reason`.
struct Decision {
  const NamesInUse& others;
  std::string reason;
  std::string message;

  void Take(const Str& wanted, Str& accepted, const Names& used, std::string_view conflict) {
    if (!(wanted == accepted) && used.contains(wanted.view())) {
      reason = conflict;
      message = fmt::format("\"{}\" is already in use", wanted.view());
      return;
    }
    accepted = wanted;
  }
  void TakeShortNames(const List<Str>& wanted, List<Str>& accepted) {
    std::string problems;
    int count = 0;
    for (const Str& name : wanted) {
      const bool ours = std::find(accepted.begin(), accepted.end(), name) != accepted.end();
      if (ours || !others.resources.contains(name.view())) continue;
      problems += fmt::format("{}\"{}\" is already in use", count++ == 0 ? "" : ", ", name.view());
    }
    if (count == 0) {
      accepted = wanted;
      return;
    }
    reason = "ShortNamesConflict";
    message = count == 1 ? problems : fmt::format("[{}]", problems);
  }
};

// "resources/<name>" and "kinds/<name>".
Names ClaimsOf(const CustomResourceDefinition* definition) {
  Names out;
  if (definition == nullptr) return out;
  const CustomResourceDefinitionNames& names = definition->status.acceptedNames;
  const auto add = [&](std::string_view what, const Str& name) {
    if (!name.empty())
      out.insert(fmt::format("customnames/{}/{}/{}", definition->spec.group.view(), what, name.view()));
  };
  add("resources", names.plural);
  add("resources", names.singular);
  for (const Str& name : names.shortNames) add("resources", name);
  add("kinds", names.kind);
  add("kinds", names.listKind);
  return out;
}

}  // namespace

bool IsConditionTrue(const CustomResourceDefinition& definition, std::string_view type) {
  for (const auto& condition : definition.status.conditions) {
    if (condition.type == type) return condition.status == "True";
  }
  return false;
}

void SetCondition(CustomResourceDefinition& definition, std::string_view type, bool status, std::string_view reason,
                  std::string_view message, WallTime now) {
  apiextensions::v1::CustomResourceDefinitionCondition next;
  next.type = type;
  next.status = status ? "True" : "False";
  next.reason = reason;
  next.message = message;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  next.lastTransitionTime = Time{Instant::FromUnixMicros(seconds * 1'000'000)};
  auto& conditions = definition.status.conditions;
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    if (!(conditions[i].type == type)) continue;
    if (conditions[i].status == next.status) next.lastTransitionTime = conditions[i].lastTransitionTime;
    if (!DeepEqual(conditions[i], next)) conditions.Mutable(i) = next;
    return;
  }
  conditions.push_back(next);
}

void AcceptNames(CustomResourceDefinition& definition, const NamesInUse& others, WallTime now) {
  const CustomResourceDefinitionNames& wanted = definition.spec.names;
  CustomResourceDefinitionNames& accepted = definition.status.acceptedNames;
  Decision decision{others, {}, {}};
  decision.Take(wanted.plural, accepted.plural, others.resources, "PluralConflict");
  decision.Take(wanted.singular, accepted.singular, others.resources, "SingularConflict");
  decision.TakeShortNames(wanted.shortNames, accepted.shortNames);
  decision.Take(wanted.kind, accepted.kind, others.kinds, "KindConflict");
  decision.Take(wanted.listKind, accepted.listKind, others.kinds, "ListKindConflict");
  accepted.categories = wanted.categories;
  const bool free = decision.reason.empty();
  SetCondition(definition, "NamesAccepted", free, free ? "NoConflicts" : decision.reason,
               free ? "no conflicts found" : decision.message, now);
  if (IsConditionTrue(definition, "Established")) return;
  SetCondition(definition, "Established", free, free ? "InitialNamesAccepted" : "NotAccepted",
               free ? "the initial names have been accepted" : "not all names are accepted", now);
}

std::vector<Claim> NameClaims(const CustomResourceDefinition* next, const CustomResourceDefinition* before) {
  const Names now = ClaimsOf(next);
  const Names then = ClaimsOf(before);
  std::vector<Claim> claims;
  for (const std::string& name : now) {
    if (!then.contains(name)) claims.push_back({name, true});
  }
  for (const std::string& name : then) {
    if (!now.contains(name)) claims.push_back({name, false});
  }
  return claims;
}

}  // namespace minikube::api
