#include <map>

#include <fmt/format.h>

#include <minikube/api/rbac/v1.h>

#include "api/bootstrap/bootstrap.h"

namespace minikube::api {

namespace {

constexpr std::string_view kControllerPrefix = "system:controller:";
constexpr std::string_view kInformersRole = "system:minikube:controller-informers";
constexpr std::string_view kApiGroup = "rbac.authorization.k8s.io";

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    if (end != 0) parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

List<Str> Items(std::string_view text) {
  List<Str> items;
  for (const std::string_view item : Split(text, ',')) items.push_back(item == "core" ? Str() : Str(item));
  return items;
}

// metadata as Kubernetes gives it to its bootstrap objects.
meta::v1::ObjectMeta Meta(std::string_view ns, std::string_view name) {
  meta::v1::ObjectMeta meta;
  meta.namespace_ = ns;
  meta.name = name;
  meta.labels["kubernetes.io/bootstrapping"] = "rbac-defaults";
  meta.annotations["rbac.authorization.kubernetes.io/autoupdate"] = "true";
  return meta;
}

rbac::v1::Subject AccountSubject(std::string_view ns, std::string_view name) {
  rbac::v1::Subject subject;
  subject.kind = "ServiceAccount";
  subject.namespace_ = ns;
  subject.name = name;
  return subject;
}

rbac::v1::RoleRef Ref(std::string_view kind, std::string_view name) {
  rbac::v1::RoleRef ref;
  ref.apiGroup = kApiGroup;
  ref.kind = kind;
  ref.name = name;
  return ref;
}

rbac::v1::ClusterRoleBinding Binding(std::string_view name, std::string_view role) {
  rbac::v1::ClusterRoleBinding binding;
  binding.metadata = Meta({}, name);
  binding.roleRef = Ref("ClusterRole", role);
  return binding;
}

std::optional<rbac::v1::PolicyRule> ParseRule(const std::vector<std::string_view>& words) {
  rbac::v1::PolicyRule rule;
  if (words.size() == 1 && words[0] == "events") {
    rule.apiGroups = {"", "events.k8s.io"};
    rule.resources = {"events"};
    rule.verbs = {"create", "patch", "update"};
  } else if (words.size() == 3 && words[0] == "url") {
    rule.nonResourceURLs = Items(words[1]);
    rule.verbs = Items(words[2]);
  } else if (words.size() == 3 || words.size() == 4) {
    rule.apiGroups = Items(words[0]);
    rule.resources = Items(words[1]);
    rule.verbs = Items(words[2]);
    if (words.size() == 4) rule.resourceNames = Items(words[3]);
  } else {
    return std::nullopt;
  }
  return rule;
}

// "ns/name", or "name" alone.
std::pair<std::string_view, std::string_view> SplitName(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {{}, text};
  return {text.substr(0, slash), text.substr(slash + 1)};
}

// One object being read.
class Reader {
 public:
  bool Head(const std::vector<std::string_view>& words) {
    Flush();
    if (words.size() < 2) return false;
    const auto [ns, name] = SplitName(words[1]);
    if (words[0] == "clusterrole" || words[0] == "role") {
      if (words.size() != 2) return false;
      role_.emplace();
      role_->metadata = words[0] == "role" ? Meta(ns, name) : Meta({}, words[1]);
      return true;
    }
    if ((words[0] != "clusterrolebinding" && words[0] != "rolebinding") || words.size() != 4) return false;
    binding_.emplace();
    binding_->metadata = words[0] == "rolebinding" ? Meta(ns, name) : Meta({}, words[1]);
    binding_->roleRef = Ref(words[2] == "role" ? "Role" : "ClusterRole", words[3]);
    return true;
  }

  bool Line(const std::vector<std::string_view>& words) {
    if (binding_) {
      if (words.size() != 2) return false;
      const auto [ns, name] = SplitName(words[1]);
      if (words[0] == "serviceaccount") {
        binding_->subjects.push_back(AccountSubject(ns, name));
        return true;
      }
      rbac::v1::Subject subject;
      subject.kind = words[0] == "user" ? "User" : "Group";
      subject.apiGroup = kApiGroup;
      subject.name = words[1];
      binding_->subjects.push_back(std::move(subject));
      return words[0] == "user" || words[0] == "group";
    }
    if (!role_) return false;
    if (words[0] == "label" && words.size() == 3) {
      role_->metadata.labels[words[1]] = words[2];
      return true;
    }
    if (words[0] == "aggregate" && words.size() == 2) {
      meta::v1::LabelSelector selector;
      selector.matchLabels[words[1]] = "true";
      role_->aggregationRule.Mutable().clusterRoleSelectors.push_back(std::move(selector));
      return true;
    }
    std::optional<rbac::v1::PolicyRule> rule = ParseRule(words);
    if (!rule) return false;
    role_->rules.push_back(std::move(*rule));
    return true;
  }

  std::vector<ObjectPtr> Finish() {
    Flush();
    rbac::v1::ClusterRoleBinding informers = Binding(kInformersRole, kInformersRole);
    for (const std::string& controller : controllers_) {
      const std::string_view account = std::string_view(controller).substr(kControllerPrefix.size());
      rbac::v1::ClusterRoleBinding binding = Binding(controller, controller);
      binding.subjects.push_back(AccountSubject("kube-system", account));
      informers.subjects.push_back(AccountSubject("kube-system", account));
      objects_.push_back(ObjectPtr::Of(std::move(binding)));
    }
    if (!controllers_.empty()) objects_.push_back(ObjectPtr::Of(std::move(informers)));
    return std::move(objects_);
  }

 private:
  void Flush() {
    if (role_ && !role_->metadata.namespace_.empty()) {
      rbac::v1::Role role;
      role.metadata = role_->metadata;
      role.rules = role_->rules;
      objects_.push_back(ObjectPtr::Of(std::move(role)));
    } else if (role_) {
      if (role_->metadata.name.view().starts_with(kControllerPrefix))
        controllers_.push_back(role_->metadata.name.str());
      objects_.push_back(ObjectPtr::Of(std::move(*role_)));
    }
    if (binding_ && !binding_->metadata.namespace_.empty()) {
      rbac::v1::RoleBinding binding;
      binding.metadata = binding_->metadata;
      binding.roleRef = binding_->roleRef;
      binding.subjects = binding_->subjects;
      objects_.push_back(ObjectPtr::Of(std::move(binding)));
    } else if (binding_) {
      objects_.push_back(ObjectPtr::Of(std::move(*binding_)));
    }
    role_.reset();
    binding_.reset();
  }

  // A ClusterRole can hold what a Role holds, so both are read into one; the same for bindings.
  std::optional<rbac::v1::ClusterRole> role_;
  std::optional<rbac::v1::ClusterRoleBinding> binding_;
  std::vector<ObjectPtr> objects_;
  std::vector<std::string> controllers_;
};

}  // namespace

Result<std::vector<ObjectPtr>> ParseRbacPolicy(std::string_view text) {
  Reader reader;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::vector<std::string_view> words = Split(line, ' ');
    if (words.empty()) continue;
    const bool good = line.front() == ' ' ? reader.Line(words) : reader.Head(words);
    if (!good) return Status(Code::kInternal, fmt::format("RBAC policy, line {}: {}", number, line));
  }
  return reader.Finish();
}

}  // namespace minikube::api
