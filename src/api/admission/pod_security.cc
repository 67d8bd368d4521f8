// PodSecurity: pods keep to the standard that their namespace's labels name; templates that will not are warned about.
// https://kubernetes.io/docs/concepts/security/pod-security-admission/
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <minikube/api/apps/v1.h>
#include <minikube/api/batch/v1.h>
#include <minikube/api/core/v1.h>

#include "api/admission/plugins.h"
#include "kube/owners.h"
#include "kube/pod_security.h"
#include "model/field_errors.h"

namespace minikube::api {

namespace {

using core::v1::Namespace;
using core::v1::Pod;
using kube::SecurityLevel;
using kube::SecurityPolicy;
using kube::SecurityViolation;

constexpr std::string_view kLabels = "pod-security.kubernetes.io/";
// So many pods of a namespace are held against a new level, as in kube-apiserver.
constexpr std::size_t kMostPodsChecked = 3000;

// ---- Policies -----------------------------------------------------------------------------------------------------

struct Policies {
  SecurityPolicy enforce;
  SecurityPolicy audit;
  SecurityPolicy warn;

  bool Privileged() const {
    return enforce.level == SecurityLevel::kPrivileged && audit.level == SecurityLevel::kPrivileged &&
           warn.level == SecurityLevel::kPrivileged;
  }
};

struct WrongLabel {
  std::string label;
  std::string value;
  std::string why;
  friend bool operator==(const WrongLabel&, const WrongLabel&) = default;
};

// What the labels of a namespace say, over `defaults`. What they say wrongly is as strict as can be where it counts.
Policies PoliciesOf(const Map<Str>& labels, const Policies& defaults, std::vector<WrongLabel>& wrong) {
  Policies out = defaults;
  const auto level = [&](std::string_view mode, SecurityLevel& to, SecurityLevel if_wrong) {
    const std::string key = std::string(kLabels).append(mode);
    const Str* text = labels.Find(key);
    if (text == nullptr) return false;
    const std::optional<SecurityLevel> parsed = kube::ParseSecurityLevel(text->view());
    to = parsed.value_or(if_wrong);
    if (!parsed) wrong.push_back({key, text->str(), "must be one of privileged, baseline, restricted"});
    return parsed.has_value();
  };
  const auto version = [&](std::string_view mode, int& to) {
    const std::string key = fmt::format("{}{}-version", kLabels, mode);
    const Str* text = labels.Find(key);
    if (text == nullptr) return false;
    const std::optional<int> parsed = kube::ParseSecurityVersion(text->view());
    to = parsed.value_or(SecurityPolicy::kLatest);
    if (!parsed) wrong.push_back({key, text->str(), R"(must be "latest" or "v1.x")"});
    return true;
  };
  const bool enforces = level("enforce", out.enforce.level, SecurityLevel::kRestricted);
  version("enforce", out.enforce.minor);
  level("audit", out.audit.level, SecurityLevel::kPrivileged);
  version("audit", out.audit.minor);
  level("warn", out.warn.level, SecurityLevel::kPrivileged);
  const bool warn_version = version("warn", out.warn.minor);
  // Who enforces more than he warns of warns of as much.
  const bool says_warn = labels.Contains(std::string(kLabels) + "warn");
  if (!says_warn && enforces && out.enforce.level > out.warn.level) {
    out.warn.level = out.enforce.level;
    if (!warn_version) out.warn.minor = out.enforce.minor;
  }
  return out;
}

Status ToStatus(const AdmissionRequest& request, const std::vector<WrongLabel>& wrong) {
  ErrorList errors;
  const FieldPath labels("metadata.labels");
  for (const WrongLabel& label : wrong) errors.Invalid(labels.Key(label.label), label.value, label.why);
  return errors.ToStatus(request.resource().group, request.resource().kind, request.name());
}

// ---- Pods and templates -------------------------------------------------------------------------------------------

struct Template {
  const meta::v1::ObjectMeta& metadata;
  const core::v1::PodSpec& spec;
};

// The pods that a workload makes; nullopt if it makes none.
std::optional<Template> TemplateOf(const Object& object) {
  const auto of = [](const core::v1::PodTemplateSpec& of_pods) { return Template{of_pods.metadata, of_pods.spec}; };
  if (const auto* o = object.TryAs<apps::v1::Deployment>()) return of(o->spec.template_);
  if (const auto* o = object.TryAs<apps::v1::ReplicaSet>()) return of(o->spec.template_);
  if (const auto* o = object.TryAs<apps::v1::StatefulSet>()) return of(o->spec.template_);
  if (const auto* o = object.TryAs<apps::v1::DaemonSet>()) return of(o->spec.template_);
  if (const auto* o = object.TryAs<batch::v1::Job>()) return of(o->spec.template_);
  if (const auto* o = object.TryAs<batch::v1::CronJob>()) return of(o->spec.jobTemplate.spec.template_);
  if (const auto* o = object.TryAs<core::v1::PodTemplate>()) return of(o->template_);
  if (const auto* o = object.TryAs<core::v1::ReplicationController>()) {
    if (o->spec.template_) return of(*o->spec.template_);
  }
  return std::nullopt;
}

// Of what may change in a pod, only images and new containers matter.
bool Matters(const Pod& before, const Pod& next) {
  const auto differ = [](const auto& a, const auto& b) {
    return !std::equal(a.begin(), a.end(), b.begin(), b.end(),
                       [](const auto& x, const auto& y) { return x.image == y.image; });
  };
  if (differ(before.spec.containers, next.spec.containers)) return true;
  if (differ(before.spec.initContainers, next.spec.initContainers)) return true;
  const auto& old = before.spec.ephemeralContainers;
  return std::any_of(next.spec.ephemeralContainers.begin(), next.spec.ephemeralContainers.end(), [&](const auto& c) {
    const auto was = std::find_if(old.begin(), old.end(), [&](const auto& o) { return o.name == c.name; });
    return was == old.end() || !(was->image == c.image);
  });
}

bool Lists(const std::vector<std::string>& list, std::string_view value) {
  return !value.empty() && std::find(list.begin(), list.end(), value) != list.end();
}

class PodSecurity final : public AdmissionPlugin {
 public:
  PodSecurity(Policies defaults, PodSecurityOptions options) : defaults_(defaults), options_(std::move(options)) {}

  std::string_view name() const override { return "PodSecurity"; }

  bool Handles(const AdmissionTarget& target) const override {
    if (target.operation == AdmissionOperation::kDelete) return false;
    if (IsResource(target, "", "pods")) {
      for (const std::string_view ignored : {"status", "binding", "eviction", "exec", "attach", "log", "portforward"}) {
        if (target.subresource == ignored) return false;
      }
      return true;
    }
    if (!target.subresource.empty()) return false;
    if (target.resource.group.empty()) {
      return target.resource.plural == "namespaces" || target.resource.plural == "podtemplates" ||
             target.resource.plural == "replicationcontrollers";
    }
    for (const std::string_view plural : {"deployments", "replicasets", "statefulsets", "daemonsets"}) {
      if (IsResource(target, "apps", plural)) return true;
    }
    return IsResource(target, "batch", "jobs") || IsResource(target, "batch", "cronjobs");
  }

  Result<Admitted> Validate(AdmissionRequest& request) override {
    if (request.object() == nullptr) return Admitted::kNow;
    if (const auto* ns = request.object()->TryAs<Namespace>()) return JudgeNamespace(request, *ns);
    const auto* pod = request.object()->TryAs<Pod>();
    const std::optional<Template> of =
        pod != nullptr ? Template{pod->metadata, pod->spec} : TemplateOf(*request.object());
    if (!of) return Admitted::kNow;
    if (Exempt(request, of->spec)) return Admitted::kNow;
    const auto* ns = request.Find<Namespace>({}, request.ns());
    if (ns == nullptr) return Admitted::kNow;  // NamespaceLifecycle has seen to it
    std::vector<WrongLabel> wrong;
    const Policies policies = PoliciesOf(ns->metadata.labels, defaults_, wrong);
    if (wrong.empty() && policies.Privileged()) return Admitted::kNow;
    if (pod != nullptr && request.old_object() != nullptr && !Matters(request.old_object()->As<Pod>(), *pod)) {
      return Admitted::kNow;
    }
    if (!wrong.empty()) Tell(request, "error", "Failed to parse policy: " + wrong.front().why);
    return Judge(request, policies, *of, pod != nullptr);
  }

 private:
  static void Tell(AdmissionRequest& request, std::string_view key, std::string value) {
    request.Annotate(std::string(kLabels).append(key), std::move(value));
  }

  bool Exempt(AdmissionRequest& request, const core::v1::PodSpec& spec) const {
    std::string_view why;
    if (Lists(options_.exempt_namespaces, request.ns())) why = "namespace";
    if (why.empty() && Lists(options_.exempt_users, request.user().name)) why = "user";
    if (why.empty() && spec.runtimeClassName && Lists(options_.exempt_runtime_classes, spec.runtimeClassName->view())) {
      why = "runtimeClass";
    }
    if (!why.empty()) Tell(request, "exempt", std::string(why));
    return !why.empty();
  }

  static Result<Admitted> Judge(AdmissionRequest& request, const Policies& policies, const Template& of, bool enforce) {
    std::map<std::string, std::vector<SecurityViolation>> known;  // by policy
    const auto judge = [&](const SecurityPolicy& policy) -> const std::vector<SecurityViolation>& {
      const auto [it, made] = known.try_emplace(policy.ToString());
      if (made) it->second = kube::SecurityViolations(policy, of.metadata, of.spec);
      return it->second;
    };
    if (const auto& violations = judge(policies.audit); !violations.empty()) {
      Tell(request, "audit-violations",
           fmt::format("would violate PodSecurity \"{}\": {}", policies.audit.ToString(), kube::DetailsOf(violations)));
    }
    if (enforce) {
      Tell(request, "enforce-policy", policies.enforce.ToString());
      if (const auto& violations = judge(policies.enforce); !violations.empty()) {
        return request.Forbid(
            fmt::format("violates PodSecurity \"{}\": {}", policies.enforce.ToString(), kube::DetailsOf(violations)));
      }
    }
    if (const auto& violations = judge(policies.warn); !violations.empty()) {
      request.Warn(
          fmt::format("would violate PodSecurity \"{}\": {}", policies.warn.ToString(), kube::DetailsOf(violations)));
    }
    return Admitted::kNow;
  }

  // Labels must make sense, unless they made none before; whoever makes a namespace stricter hears which pods of it are
  // not.
  Result<Admitted> JudgeNamespace(AdmissionRequest& request, const Namespace& ns) const {
    std::vector<WrongLabel> wrong;
    const Policies policies = PoliciesOf(ns.metadata.labels, defaults_, wrong);
    const Object* old = request.old_object();
    if (old == nullptr) {
      MINIKUBE_RETURN_IF_ERROR(ToStatus(request, wrong));
      WarnIfExempt(request, ns, policies);
      return Admitted::kNow;
    }
    std::vector<WrongLabel> wrong_before;
    const Policies before = PoliciesOf(old->meta().labels, defaults_, wrong_before);
    if (!wrong.empty() && wrong != wrong_before) return ToStatus(request, wrong);
    const SecurityPolicy& enforce = policies.enforce;
    if (enforce == before.enforce || enforce.level == SecurityLevel::kPrivileged) return Admitted::kNow;
    if (enforce.minor == before.enforce.minor && enforce.level <= before.enforce.level) return Admitted::kNow;
    if (!WarnIfExempt(request, ns, policies)) WarnOfPods(request, ns, enforce);
    return Admitted::kNow;
  }

  bool WarnIfExempt(AdmissionRequest& request, const Namespace& ns, const Policies& policies) const {
    if (!Lists(options_.exempt_namespaces, ns.metadata.name.view())) return false;
    std::string said;
    const auto add = [&](std::string_view mode, const SecurityPolicy& policy) {
      const std::string key = std::string(kLabels).append(mode);
      const bool set = ns.metadata.labels.Contains(key) || ns.metadata.labels.Contains(key + "-version");
      if (!set || policy.level == SecurityLevel::kPrivileged) return;
      said += fmt::format("{}{}={}", said.empty() ? "" : ", ", mode, policy.ToString());
    };
    add("enforce", policies.enforce);
    add("audit", policies.audit);
    add("warn", policies.warn);
    if (!said.empty()) {
      request.Warn(fmt::format("namespace \"{}\" is exempt from Pod Security, and the policy ({}) will be ignored",
                               ns.metadata.name.view(), said));
    }
    return true;
  }

  void WarnOfPods(AdmissionRequest& request, const Namespace& ns, const SecurityPolicy& policy) const {
    // Pods of one owner are alike: the first of each goes first.
    std::vector<ObjectRef> first;
    std::vector<ObjectRef> rest;
    std::set<std::string> owners;
    request.world().ForEach(Client::ResourceOf<Pod>(), ns.metadata.name.view(), [&](const ObjectRef& object) {
      const Pod& pod = object->As<Pod>();
      const auto& runtime = pod.spec.runtimeClassName;
      if (runtime && Lists(options_.exempt_runtime_classes, runtime->view())) return;
      const meta::v1::OwnerReference* owner = kube::ControllerOf(pod.metadata);
      (owner == nullptr || owners.insert(owner->uid.str()).second ? first : rest).push_back(object);
    });
    first.insert(first.end(), rest.begin(), rest.end());
    const std::size_t checked = std::min(first.size(), kMostPodsChecked);
    std::map<std::string, std::set<std::string>> pods;  // by what they do
    for (std::size_t i = 0; i < checked; ++i) {
      const Pod& pod = first[i]->As<Pod>();
      const auto violations = kube::SecurityViolations(policy, pod.metadata, pod.spec);
      if (!violations.empty()) pods[kube::ReasonsOf(violations)].insert(pod.metadata.name.str());
    }
    if (checked < first.size()) {
      request.Warn(fmt::format("new PodSecurity enforce level only checked against the first {} of {} existing pods",
                               checked, first.size()));
    }
    if (pods.empty()) return;
    request.Warn(fmt::format("existing pods in namespace \"{}\" violate the new PodSecurity enforce level \"{}\"",
                             ns.metadata.name.view(), policy.ToString()));
    std::set<std::string> lines;
    for (const auto& [reasons, names] : pods) {
      const std::size_t others = names.size() - 1;
      const std::string more = others == 0 ? "" : fmt::format(" (and {} other pod{})", others, others == 1 ? "" : "s");
      lines.insert(fmt::format("{}{}: {}", *names.begin(), more, reasons));
    }
    for (const std::string& line : lines) request.Warn(line);
  }

  const Policies defaults_;
  const PodSecurityOptions options_;
};

}  // namespace

Result<std::shared_ptr<AdmissionPlugin>> NewPodSecurity(const PodSecurityOptions& options) {
  Policies defaults;
  const auto parse = [](const std::string& level, const std::string& version, SecurityPolicy& to) -> Status {
    const std::optional<SecurityLevel> parsed = kube::ParseSecurityLevel(level);
    const std::optional<int> minor = kube::ParseSecurityVersion(version);
    if (!parsed || !minor) {
      return {Code::kBadRequest, fmt::format("\"{}:{}\" is no level of pod security", level, version)};
    }
    to = {*parsed, *minor};
    return {};
  };
  MINIKUBE_RETURN_IF_ERROR(parse(options.enforce, options.enforce_version, defaults.enforce));
  MINIKUBE_RETURN_IF_ERROR(parse(options.audit, options.audit_version, defaults.audit));
  MINIKUBE_RETURN_IF_ERROR(parse(options.warn, options.warn_version, defaults.warn));
  return std::shared_ptr<AdmissionPlugin>(std::make_shared<PodSecurity>(defaults, options));
}

}  // namespace minikube::api
