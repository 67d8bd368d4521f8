#include "api/auth/rbac.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include <fmt/format.h>

#include <minikube/selector.h>

#include "api/wire/errors.h"

namespace minikube::api {

namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";
constexpr std::string_view kNodeRole = "system:node";

using rbac::v1::PolicyRule;

bool Has(const List<Str>& list, std::string_view value) {
  return std::any_of(list.begin(), list.end(), [&](const Str& item) { return item == value || item == "*"; });
}

bool ResourceMatches(const List<Str>& resources, std::string_view resource, std::string_view subresource) {
  return std::any_of(resources.begin(), resources.end(), [&](const Str& item) {
    const std::string_view text = item.view();
    if (text == "*") return true;
    if (subresource.empty()) return text == resource;
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos || text.substr(slash + 1) != subresource) return false;
    return text.substr(0, slash) == "*" || text.substr(0, slash) == resource;
  });
}

bool NameMatches(const List<Str>& names, std::string_view name) {
  return names.empty() || std::any_of(names.begin(), names.end(), [&](const Str& item) { return item == name; });
}

bool PathMatches(const List<Str>& urls, std::string_view path) {
  return std::any_of(urls.begin(), urls.end(), [&](const Str& item) {
    const std::string_view text = item.view();
    if (text.ends_with('*')) return path.starts_with(text.substr(0, text.size() - 1));
    return text == path;
  });
}

bool RuleAllows(const PolicyRule& rule, const Access& access) {
  if (!Has(rule.verbs, access.verb)) return false;
  if (!access.path.empty()) return PathMatches(rule.nonResourceURLs, access.path);
  return Has(rule.apiGroups, access.group) && ResourceMatches(rule.resources, access.resource, access.subresource) &&
         NameMatches(rule.resourceNames, access.name);
}

// Escalation compares rules, not requests: a held "*" covers everything, "*/scale" covers "x/scale".
bool CoversOne(const PolicyRule& held, const PolicyRule& wanted) {
  const auto all = [](const List<Str>& have, const List<Str>& want) {
    return std::all_of(want.begin(), want.end(), [&](const Str& item) { return Has(have, item.view()); });
  };
  if (!all(held.verbs, wanted.verbs)) return false;
  if (!wanted.nonResourceURLs.empty()) {
    return std::all_of(wanted.nonResourceURLs.begin(), wanted.nonResourceURLs.end(),
                       [&](const Str& url) { return PathMatches(held.nonResourceURLs, url.view()); });
  }
  if (held.resources.empty() || !all(held.apiGroups, wanted.apiGroups)) return false;
  for (const Str& item : wanted.resources) {
    const std::string_view text = item.view();
    const std::size_t slash = text.find('/');
    const std::string_view sub = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
    if (!ResourceMatches(held.resources, text.substr(0, slash), sub)) return false;
  }
  if (held.resourceNames.empty()) return true;
  if (wanted.resourceNames.empty()) return false;
  return std::all_of(wanted.resourceNames.begin(), wanted.resourceNames.end(),
                     [&](const Str& name) { return NameMatches(held.resourceNames, name.view()); });
}

// One rule per verb and thing.
Rbac::Rules BreakDown(const PolicyRule& rule) {
  Rbac::Rules out;
  for (const Str& verb : rule.verbs) {
    for (const Str& group : rule.apiGroups) {
      for (const Str& resource : rule.resources) {
        PolicyRule single{.verbs = {verb}, .apiGroups = {group}, .resources = {resource}};
        if (rule.resourceNames.empty()) out.push_back(single);
        for (const Str& name : rule.resourceNames) {
          single.resourceNames = {name};
          out.push_back(single);
        }
      }
    }
    for (const Str& url : rule.nonResourceURLs) out.push_back({.verbs = {verb}, .nonResourceURLs = {url}});
  }
  return out;
}

Rbac::Rules ToRules(const List<PolicyRule>& list) { return {list.begin(), list.end()}; }

}  // namespace

// ---- The index ----------------------------------------------------------------------------------------------------

// One binding as seen from a subject.
struct Grant {
  std::string ns;  // "" = everywhere
  std::shared_ptr<const Rbac::Rules> rules;
  std::string binding;  // `ClusterRoleBinding "b" of ClusterRole "r" to`, for the reason
};

struct Rbac::Index {
  std::array<EntryMap, 4> sources;                                 // the snapshots it was made from
  std::unordered_map<std::string, std::vector<Grant>> by_subject;  // "u:<user>", "g:<group>"
  std::shared_ptr<const Rules> node_rules;

  template <typename F>
  bool AnyGrant(const UserInfo& user, std::string_view ns, const F& f) const {
    const auto visit = [&](const std::string& subject) {
      const auto it = by_subject.find(subject);
      if (it == by_subject.end()) return false;
      return std::any_of(it->second.begin(), it->second.end(),
                         [&](const Grant& grant) { return (grant.ns.empty() || grant.ns == ns) && f(grant, subject); });
    };
    if (visit("u:" + user.name)) return true;
    for (const std::string& group : user.groups) {
      if (visit("g:" + group)) return true;
    }
    return false;
  }
};

Rbac::Rbac(const Catalogue& catalogue)
    : roles_(catalogue.Get(kGroup, "roles").index),
      role_bindings_(catalogue.Get(kGroup, "rolebindings").index),
      cluster_roles_(catalogue.Get(kGroup, "clusterroles").index),
      cluster_role_bindings_(catalogue.Get(kGroup, "clusterrolebindings").index) {}

Rbac::Rules Rbac::EffectiveRules(const World& world, const rbac::v1::ClusterRole& role) const {
  Rules rules;
  std::vector<const rbac::v1::ClusterRole*> seen;  // aggregation goes through aggregated roles, and may go in circles
  const auto collect = [&](const auto& self, const rbac::v1::ClusterRole& from) -> void {
    seen.push_back(&from);
    for (const PolicyRule& rule : from.rules) {
      if (std::none_of(rules.begin(), rules.end(), [&](const PolicyRule& r) { return DeepEqual(r, rule); })) {
        rules.push_back(rule);
      }
    }
    if (!from.aggregationRule) return;
    for (const meta::v1::LabelSelector& selector : from.aggregationRule->clusterRoleSelectors) {
      Result<LabelSelector> compiled = LabelSelector::From(&selector);
      if (!compiled) continue;  // refused by validation; one that got in anyway selects nothing
      for (auto it = world.kinds[cluster_roles_].Begin(); it; ++it) {
        const auto& other = it->object->As<rbac::v1::ClusterRole>();
        if (!compiled->Matches(other.metadata.labels)) continue;
        if (std::find(seen.begin(), seen.end(), &other) == seen.end()) self(self, other);
      }
    }
  };
  collect(collect, role);
  return rules;
}

std::optional<Rbac::Rules> Rbac::RulesOf(const World& world, const rbac::v1::RoleRef& ref, std::string_view ns) const {
  if (ref.kind == "ClusterRole") {
    const Entry* entry = world.Find(cluster_roles_, {}, ref.name.view());
    if (entry == nullptr) return std::nullopt;
    return EffectiveRules(world, entry->object->As<rbac::v1::ClusterRole>());
  }
  const Entry* entry = world.Find(roles_, ns, ref.name.view());
  if (entry == nullptr) return std::nullopt;
  return ToRules(entry->object->As<rbac::v1::Role>().rules);
}

std::shared_ptr<const Rbac::Index> Rbac::IndexOf(const World& world) const {
  const std::array<std::size_t, 4> kinds = {roles_, role_bindings_, cluster_roles_, cluster_role_bindings_};
  {
    std::lock_guard lock(mu_);
    const auto fresh = [&](std::size_t i) { return index_->sources[i].same(world.kinds[kinds[i]].objects()); };
    if (index_ != nullptr && fresh(0) && fresh(1) && fresh(2) && fresh(3)) return index_;
  }
  auto index = std::make_shared<Index>();
  for (std::size_t i = 0; i < 4; ++i) index->sources[i] = world.kinds[kinds[i]].objects();
  std::unordered_map<std::string, std::shared_ptr<const Rules>> roles;  // each role's rules are shared by its bindings
  const auto add = [&](std::string_view ns, const rbac::v1::RoleRef& ref, std::string_view kind, const Str& name,
                       const List<rbac::v1::Subject>& subjects) {
    const std::string role_key = ref.kind == "ClusterRole" ? ref.name.str() : fmt::format("{}/{}", ns, ref.name.view());
    auto [it, made] = roles.try_emplace(role_key, nullptr);
    if (made) {
      if (std::optional<Rules> rules = RulesOf(world, ref, ns)) {
        it->second = std::make_shared<const Rules>(std::move(*rules));
      }
    }
    if (it->second == nullptr) return;  // a binding to a role that does not exist grants nothing
    Grant grant{std::string(ns), it->second,
                fmt::format("{} \"{}{}{}\" of {} \"{}\" to", kind, name.view(), ns.empty() ? "" : "/", ns,
                            ref.kind.view(), ref.name.view())};
    for (const rbac::v1::Subject& subject : subjects) {
      std::string key;
      if (subject.kind == "User") {
        key = "u:" + subject.name.str();
      } else if (subject.kind == "Group") {
        key = "g:" + subject.name.str();
      } else {
        const std::string_view home = subject.namespace_.empty() ? ns : subject.namespace_.view();
        key = fmt::format("u:system:serviceaccount:{}:{}", home, subject.name.view());
      }
      index->by_subject[key].push_back(grant);
    }
  };
  for (auto it = world.kinds[cluster_role_bindings_].Begin(); it; ++it) {
    const auto& binding = it->object->As<rbac::v1::ClusterRoleBinding>();
    add({}, binding.roleRef, "ClusterRoleBinding", binding.metadata.name, binding.subjects);
  }
  for (auto it = world.kinds[role_bindings_].Begin(); it; ++it) {
    const auto& binding = it->object->As<rbac::v1::RoleBinding>();
    add(binding.metadata.namespace_.view(), binding.roleRef, "RoleBinding", binding.metadata.name, binding.subjects);
  }
  if (const Entry* node = world.Find(cluster_roles_, {}, kNodeRole)) {
    index->node_rules = std::make_shared<const Rules>(EffectiveRules(world, node->object->As<rbac::v1::ClusterRole>()));
  }
  std::lock_guard lock(mu_);
  index_ = index;
  return index;
}

// ---- Decisions ----------------------------------------------------------------------------------------------------

Rbac::Decision Rbac::Decide(const World& world, const UserInfo& user, const Access& access) const {
  if (std::find(user.groups.begin(), user.groups.end(), kMastersGroup) != user.groups.end()) return {true, ""};
  const std::shared_ptr<const Index> index = IndexOf(world);
  Decision decision;
  const auto allows = [&](const Rules& rules) {
    return std::any_of(rules.begin(), rules.end(), [&](const PolicyRule& rule) { return RuleAllows(rule, access); });
  };
  decision.allowed = index->AnyGrant(user, access.ns, [&](const Grant& grant, std::string_view subject) {
    if (!allows(*grant.rules)) return false;
    decision.reason = fmt::format("RBAC: allowed by {} {} \"{}\"", grant.binding,
                                  subject.starts_with("u:") ? "User" : "Group", subject.substr(2));
    return true;
  });
  return decision;
}

bool Rbac::NodesMay(const World& world, const Access& access) const {
  const std::shared_ptr<const Index> index = IndexOf(world);
  if (index->node_rules == nullptr) return false;
  return std::any_of(index->node_rules->begin(), index->node_rules->end(),
                     [&](const PolicyRule& rule) { return RuleAllows(rule, access); });
}

Rbac::Rules Rbac::RulesFor(const World& world, const UserInfo& user, std::string_view ns) const {
  if (std::find(user.groups.begin(), user.groups.end(), kMastersGroup) != user.groups.end()) {
    return {PolicyRule{.verbs = {"*"}, .apiGroups = {"*"}, .resources = {"*"}},
            PolicyRule{.verbs = {"*"}, .nonResourceURLs = {"*"}}};
  }
  Rules rules;
  IndexOf(world)->AnyGrant(user, ns, [&](const Grant& grant, std::string_view) {
    rules.insert(rules.end(), grant.rules->begin(), grant.rules->end());
    return false;
  });
  return rules;
}

Rbac::Rules Rbac::NotCovered(const Rules& held, const Rules& wanted) {
  Rules missing;
  for (const PolicyRule& rule : wanted) {
    for (PolicyRule& single : BreakDown(rule)) {
      const bool covered =
          std::any_of(held.begin(), held.end(), [&](const PolicyRule& have) { return CoversOne(have, single); });
      if (!covered) missing.push_back(std::move(single));
    }
  }
  return missing;
}

Status Rbac::Forbidden(const UserInfo& user, const Access& access, std::string_view reason) {
  const std::string suffix = reason.empty() ? "" : fmt::format(": {}", reason);
  if (!access.path.empty()) {
    return {Code::kForbidden,
            fmt::format("forbidden: User \"{}\" cannot {} path \"{}\"{}", user.name, access.verb, access.path, suffix)};
  }
  const std::string resource = access.subresource.empty() ? std::string(access.resource)
                                                          : fmt::format("{}/{}", access.resource, access.subresource);
  const std::string scope =
      access.ns.empty() ? "at the cluster scope" : fmt::format("in the namespace \"{}\"", access.ns);
  const std::string what = QualifiedResource(access.group, access.resource);
  StatusDetails details;
  details.name = access.name;
  details.group = access.group;
  details.kind = access.resource;
  return {Code::kForbidden,
          fmt::format("{}{} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {}{}", what,
                      access.name.empty() ? "" : fmt::format(" \"{}\"", access.name), user.name, access.verb, resource,
                      access.group, scope, suffix),
          std::move(details)};
}

}  // namespace minikube::api
