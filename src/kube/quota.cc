#include "kube/quota.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "kube/pods.h"

namespace minikube::kube {

namespace {

using core::v1::Container;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using core::v1::Service;

constexpr std::string_view kCount = "count/";
constexpr std::string_view kRequests = "requests.";
constexpr std::string_view kHugePages = "hugepages-";
constexpr std::string_view kByClass = ".storageclass.storage.k8s.io/";

constexpr std::string_view kPodCounters[] = {"count/pods",
                                             "cpu",
                                             "memory",
                                             "ephemeral-storage",
                                             "requests.cpu",
                                             "requests.memory",
                                             "requests.ephemeral-storage",
                                             "limits.cpu",
                                             "limits.memory",
                                             "limits.ephemeral-storage",
                                             "pods"};
constexpr std::string_view kServiceCounters[] = {"count/services", "services", "services.nodeports",
                                                 "services.loadbalancers"};
constexpr std::string_view kClaimCounters[] = {"count/persistentvolumeclaims", "persistentvolumeclaims",
                                               "requests.storage"};
// Kinds that were counted by their plain name before count/ came.
constexpr std::string_view kPlainCounters[] = {"configmaps", "replicationcontrollers", "resourcequotas", "secrets"};
// A quota of these asks every container to say what it needs.
constexpr std::string_view kDemanding[] = {"cpu",        "memory",       "requests.cpu", "requests.memory",
                                           "limits.cpu", "limits.memory"};

template <std::size_t n>
bool Has(const std::string_view (&list)[n], std::string_view value) {
  return std::find(std::begin(list), std::end(list), value) != std::end(list);
}

// "example.com/gpu", not "kubernetes.io/batch-cpu", nor what quotas call it.
bool IsExtended(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos || name.starts_with(kRequests)) return false;
  return name.find("kubernetes.io/") == std::string_view::npos ||
         name.starts_with("deviceclass.resource.kubernetes.io/");
}

bool IsPodCounter(std::string_view counter) {
  if (Has(kPodCounters, counter) || counter.starts_with(kHugePages)) return true;
  if (!counter.starts_with(kRequests)) return false;
  const std::string_view rest = counter.substr(kRequests.size());
  return rest.starts_with(kHugePages) || IsExtended(rest);
}

bool IsClaimCounter(std::string_view counter) {
  if (Has(kClaimCounters, counter)) return true;
  const std::size_t at = counter.find(kByClass);
  if (at == std::string_view::npos) return false;
  const std::string_view what = counter.substr(at + kByClass.size());
  return what == "persistentvolumeclaims" || what == "requests.storage";
}

std::string CountOf(const QuotaSubject& subject) {
  std::string out(kCount);
  out += subject.plural;
  if (!subject.group.empty()) out.append(".").append(subject.group);
  return out;
}

// ---- Usage --------------------------------------------------------------------------------------------------------

// What a container, or a whole pod, with these requests and limits counts.
Amounts ComputeUsage(const Amounts& requests, const Amounts& limits) {
  Amounts out;
  out["pods"] = Quantity("1");
  for (const std::string_view name : {"cpu", "memory", "ephemeral-storage"}) {
    if (const Quantity* request = requests.Find(name)) {
      out[name] = *request;
      out[std::string(kRequests).append(name)] = *request;
    }
    if (const Quantity* limit = limits.Find(name)) out[std::string("limits.").append(name)] = *limit;
  }
  for (const auto& [name, request] : requests) {
    const bool huge = name.view().starts_with(kHugePages);
    if (huge) out[name.view()] = request;
    if (huge || IsExtended(name.view())) out[std::string(kRequests).append(name.view())] = request;
  }
  return out;
}

// A container that is being resized needs the larger of what it has and what it shall have.
core::v1::PodSpec WithResizes(const Pod& pod) {
  core::v1::PodSpec spec = pod.spec;
  const auto raise = [](List<Container>& containers, const List<core::v1::ContainerStatus>& statuses) {
    for (const core::v1::ContainerStatus& status : statuses) {
      if (!status.resources && status.allocatedResources.empty()) continue;
      for (std::size_t i = 0; i < containers.size(); ++i) {
        if (!(containers[i].name == status.name)) continue;
        core::v1::ResourceRequirements& resources = containers.Mutable(i).resources;
        if (status.resources) Raise(resources.requests, status.resources->requests);
        if (status.resources) Raise(resources.limits, status.resources->limits);
        Raise(resources.requests, status.allocatedResources);
      }
    }
  };
  raise(spec.containers, pod.status.containerStatuses);
  raise(spec.initContainers, pod.status.initContainerStatuses);
  return spec;
}

// Whether it takes part in the node's life, or soon will: one that is stuck on its way out is not held against anybody.
bool IsCharged(const Pod& pod, WallTime now) {
  if (IsPodFinished(pod)) return false;
  const auto& deleted = pod.metadata.deletionTimestamp;
  if (!deleted || !pod.metadata.deletionGracePeriodSeconds) return true;
  const std::int64_t until = deleted->unix_micros() + *pod.metadata.deletionGracePeriodSeconds * 1'000'000;
  return std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() <= until;
}

Amounts PodUsage(const Pod& pod, WallTime now) {
  Amounts out;
  if (IsCharged(pod, now)) {
    const core::v1::PodSpec spec = WithResizes(pod);
    Amounts requests = PodRequests(spec);
    Amounts limits = PodLimits(spec);
    if (!spec.overhead.empty()) {
      Add(requests, spec.overhead);
      for (const auto& [name, quantity] : spec.overhead) {
        if (const Quantity* limit = limits.Find(name.view())) limits[name.view()] = Sum(*limit, quantity);
      }
    }
    out = ComputeUsage(requests, limits);
  }
  out["count/pods"] = Quantity("1");
  return out;
}

Amounts ServiceUsage(const Service& service) {
  Amounts out;
  std::int64_t ports = 0;
  const bool balanced = service.spec.type == "LoadBalancer";
  if (service.spec.type == "NodePort" || balanced) {
    const bool all = !balanced || service.spec.allocateLoadBalancerNodePorts.value_or(true);
    for (const core::v1::ServicePort& port : service.spec.ports) ports += all || port.nodePort != 0 ? 1 : 0;
  }
  out["count/services"] = Quantity("1");
  out["services"] = Quantity("1");
  out["services.nodeports"] = Quantity::FromInt(ports);
  out["services.loadbalancers"] = Quantity::FromInt(balanced ? 1 : 0);
  return out;
}

std::string_view ClassOf(const PersistentVolumeClaim& claim) {
  if (const Str* old = claim.metadata.annotations.Find("volume.beta.kubernetes.io/storage-class")) return old->view();
  return claim.spec.storageClassName ? claim.spec.storageClassName->view() : std::string_view();
}

Amounts ClaimUsage(const PersistentVolumeClaim& claim) {
  Amounts out;
  const std::string_view in = ClassOf(claim);
  const auto count = [&](std::string_view name, const Quantity& quantity) {
    out[name] = quantity;
    if (!in.empty()) out[std::string(in).append(kByClass).append(name)] = quantity;
  };
  count("persistentvolumeclaims", Quantity("1"));
  out["count/persistentvolumeclaims"] = Quantity("1");
  const Quantity* asked = claim.spec.resources.requests.Find("storage");
  if (asked == nullptr) return out;
  const Quantity* allocated = claim.status.allocatedResources.Find("storage");
  Quantity storage = allocated != nullptr && allocated->Compare(*asked) > 0 ? *allocated : *asked;
  if (storage.MilliValue() % 1000 != 0) storage = Quantity::FromInt(storage.Value());
  count("requests.storage", storage);
  return out;
}

// ---- Scopes -------------------------------------------------------------------------------------------------------

bool IsTerminating(const Pod& pod) { return pod.spec.activeDeadlineSeconds.value_or(-1) >= 0; }

// No container asks for cpu or memory.
bool IsBestEffort(const core::v1::PodSpec& spec) {
  const auto asks = [](const core::v1::ResourceRequirements& resources) {
    for (const std::string_view name : {"cpu", "memory"}) {
      for (const Amounts* amounts : {&resources.requests, &resources.limits}) {
        const Quantity* quantity = amounts->Find(name);
        if (quantity != nullptr && !IsZero(*quantity)) return true;
      }
    }
    return false;
  };
  if (spec.resources && asks(*spec.resources)) return false;
  const auto any = [&](const List<Container>& containers) {
    return std::any_of(containers.begin(), containers.end(), [&](const Container& c) { return asks(c.resources); });
  };
  return !any(spec.containers) && !any(spec.initContainers);
}

bool AcrossNamespaces(const core::v1::PodAffinityTerm& term) {
  return !term.namespaces.empty() || term.namespaceSelector;
}

template <typename Affinity>
bool AnyAcrossNamespaces(const Affinity& affinity) {
  for (const auto& term : affinity.requiredDuringSchedulingIgnoredDuringExecution) {
    if (AcrossNamespaces(term)) return true;
  }
  for (const auto& weighted : affinity.preferredDuringSchedulingIgnoredDuringExecution) {
    if (AcrossNamespaces(weighted.podAffinityTerm)) return true;
  }
  return false;
}

bool AcrossNamespaces(const Pod& pod) {
  if (!pod.spec.affinity) return false;
  const core::v1::Affinity& affinity = *pod.spec.affinity;
  return (affinity.podAffinity && AnyAcrossNamespaces(*affinity.podAffinity)) ||
         (affinity.podAntiAffinity && AnyAcrossNamespaces(*affinity.podAntiAffinity));
}

// The values of a scope that an object has, against a requirement's.
bool Meets(const core::v1::ScopedResourceSelectorRequirement& requirement, const std::vector<std::string_view>& has) {
  const auto listed = [&](std::string_view value) {
    return std::any_of(requirement.values.begin(), requirement.values.end(),
                       [&](const Str& item) { return item == value; });
  };
  const std::string_view op = requirement.operator_.view();
  if (op == "Exists") return !has.empty();
  if (op == "DoesNotExist") return has.empty();
  const bool any = std::any_of(has.begin(), has.end(), listed);
  if (op == "In") return any;
  // One of them that is not listed, or none at all.
  return op == "NotIn" && (has.empty() || std::any_of(has.begin(), has.end(), [&](auto v) { return !listed(v); }));
}

bool PodMeets(const core::v1::ScopedResourceSelectorRequirement& requirement, const Pod& pod) {
  const std::string_view scope = requirement.scopeName.view();
  if (scope == "Terminating") return IsTerminating(pod);
  if (scope == "NotTerminating") return !IsTerminating(pod);
  if (scope == "BestEffort") return IsBestEffort(pod.spec);
  if (scope == "NotBestEffort") return !IsBestEffort(pod.spec);
  if (scope == "CrossNamespacePodAffinity") return AcrossNamespaces(pod);
  if (scope != "PriorityClass") return false;
  std::vector<std::string_view> has;
  if (!pod.spec.priorityClassName.empty()) has.push_back(pod.spec.priorityClassName.view());
  return Meets(requirement, has);
}

bool ClaimMeets(const core::v1::ScopedResourceSelectorRequirement& requirement, const PersistentVolumeClaim& claim) {
  if (!(requirement.scopeName == "VolumeAttributesClass")) return false;
  std::set<std::string_view> names;
  const auto add = [&](const std::optional<Str>& name) {
    if (name && !name->empty()) names.insert(name->view());
  };
  add(claim.spec.volumeAttributesClassName);
  add(claim.status.currentVolumeAttributesClassName);
  if (claim.status.modifyVolumeStatus && !claim.status.modifyVolumeStatus->targetVolumeAttributesClassName.empty()) {
    names.insert(claim.status.modifyVolumeStatus->targetVolumeAttributesClassName.view());
  }
  return Meets(requirement, {names.begin(), names.end()});
}

}  // namespace

std::optional<QuotaSubject> SubjectOf(std::string_view counter) {
  if (IsPodCounter(counter)) return QuotaSubject{"", "pods"};
  if (Has(kServiceCounters, counter)) return QuotaSubject{"", "services"};
  if (IsClaimCounter(counter)) return QuotaSubject{"", "persistentvolumeclaims"};
  if (Has(kPlainCounters, counter)) return QuotaSubject{"", counter};
  if (!counter.starts_with(kCount)) return std::nullopt;
  const std::string_view name = counter.substr(kCount.size());
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return QuotaSubject{"", name};
  return QuotaSubject{name.substr(dot + 1), name.substr(0, dot)};
}

std::vector<Str> CountersOf(const QuotaSubject& subject, const Amounts& hard) {
  std::vector<Str> out;
  for (const auto& [name, quantity] : hard) {
    const std::optional<QuotaSubject> of = SubjectOf(name.view());
    if (of && of->group == subject.group && of->plural == subject.plural) out.push_back(name);
  }
  return out;
}

Amounts UsageOf(const QuotaSubject& subject, const Object& object, WallTime now) {
  if (const auto* pod = object.TryAs<Pod>()) return PodUsage(*pod, now);
  if (const auto* service = object.TryAs<Service>()) return ServiceUsage(*service);
  if (const auto* claim = object.TryAs<PersistentVolumeClaim>()) return ClaimUsage(*claim);
  Amounts out;
  out[CountOf(subject)] = Quantity("1");
  if (subject.group.empty() && Has(kPlainCounters, subject.plural)) out[subject.plural] = Quantity("1");
  return out;
}

bool InScopes(const core::v1::ResourceQuotaSpec& quota, const Object& object) {
  const auto* pod = object.TryAs<Pod>();
  const auto* claim = object.TryAs<PersistentVolumeClaim>();
  const auto meets = [&](const core::v1::ScopedResourceSelectorRequirement& requirement) {
    return pod != nullptr ? PodMeets(requirement, *pod) : claim != nullptr && ClaimMeets(requirement, *claim);
  };
  for (const Str& scope : quota.scopes) {
    core::v1::ScopedResourceSelectorRequirement requirement;
    requirement.scopeName = scope;
    requirement.operator_ = "Exists";
    if (!meets(requirement)) return false;
  }
  if (!quota.scopeSelector) return true;
  const auto& all = quota.scopeSelector->matchExpressions;
  return std::all_of(all.begin(), all.end(), meets);
}

std::string MissingOfPod(const Pod& pod, const std::vector<Str>& counters) {
  if (pod.spec.resources && !(pod.spec.resources->requests.empty() && pod.spec.resources->limits.empty())) return {};
  std::map<std::string_view, std::set<std::string_view>> missing;  // containers, by counter
  const auto look = [&](const List<Container>& containers) {
    for (const Container& container : containers) {
      const Amounts usage = ComputeUsage(container.resources.requests, container.resources.limits);
      for (const Str& counter : counters) {
        if (Has(kDemanding, counter.view()) && !usage.Contains(counter.view())) {
          missing[counter.view()].insert(container.name.view());
        }
      }
    }
  };
  look(pod.spec.containers);
  look(pod.spec.initContainers);
  std::string out;
  for (const auto& [counter, containers] : missing) {
    out.append(out.empty() ? "must specify " : "; ").append(counter).append(" for: ");
    bool first = true;
    for (const std::string_view container : containers) {
      if (!std::exchange(first, false)) out += ",";
      out += container;
    }
  }
  return out;
}

}  // namespace minikube::kube
