#include "scheduler/pod_info.h"

#include <algorithm>
#include <utility>

#include <minikube/codec.h>

namespace minikube::scheduler {
namespace {

// What kube-scheduler assumes, for scoring only, of a container that asks for nothing.
constexpr std::int64_t kDefaultMilliCpu = 100;
constexpr std::int64_t kDefaultMemory = 200 * 1024 * 1024;

bool IsSidecar(const core::v1::Container& container) { return container.restartPolicy == "Always"; }

void Maximize(ResourceAmounts& a, const ResourceAmounts& b) {
  a.milli_cpu = std::max(a.milli_cpu, b.milli_cpu);
  a.memory = std::max(a.memory, b.memory);
  a.ephemeral_storage = std::max(a.ephemeral_storage, b.ephemeral_storage);
  for (const auto& other : b.others) {
    const std::int64_t lacking = other.amount - a.Get(other.name);
    if (lacking > 0) a.Add({.others = {{other.name, lacking}}});
  }
}

// The sum over containers by `amounts`, with Kubernetes' rule for init containers and sidecars.
template <typename AmountsOfContainer>
ResourceAmounts Aggregate(const core::v1::PodSpec& spec, AmountsOfContainer amounts) {
  ResourceAmounts running;
  for (const auto& container : spec.containers) running.Add(amounts(container));
  ResourceAmounts sidecars;
  ResourceAmounts starting;  // the most that any moment of initialisation needs
  for (const auto& container : spec.initContainers) {
    ResourceAmounts now = amounts(container);
    if (IsSidecar(container)) {
      sidecars.Add(now);
      now = sidecars;
    } else {
      now.Add(sidecars);
    }
    Maximize(starting, now);
  }
  running.Add(sidecars);
  Maximize(running, starting);
  return running;
}

}  // namespace

std::int64_t ResourceAmounts::Get(std::string_view name) const {
  for (const Other& other : others) {
    if (other.name == name) return other.amount;
  }
  return 0;
}

void ResourceAmounts::Add(const ResourceAmounts& more) {
  milli_cpu += more.milli_cpu;
  memory += more.memory;
  ephemeral_storage += more.ephemeral_storage;
  for (const Other& other : more.others) {
    const auto at = std::lower_bound(others.begin(), others.end(), other,
                                     [](const Other& a, const Other& b) { return a.name < b.name; });
    if (at != others.end() && at->name == other.name) {
      at->amount += other.amount;
    } else {
      others.insert(at, other);
    }
  }
}

void ResourceAmounts::Subtract(const ResourceAmounts& less) {
  ResourceAmounts negative = less;
  negative.milli_cpu = -negative.milli_cpu;
  negative.memory = -negative.memory;
  negative.ephemeral_storage = -negative.ephemeral_storage;
  for (Other& other : negative.others) other.amount = -other.amount;
  Add(negative);
  std::erase_if(others, [](const Other& other) { return other.amount == 0; });
}

bool HostPort::ConflictsWith(const HostPort& other) const {
  if (port != other.port || !(protocol == other.protocol)) return false;
  const auto wildcard = [](const Str& address) { return address.empty() || address == "0.0.0.0" || address == "::"; };
  return wildcard(ip) || wildcard(other.ip) || ip == other.ip;
}

ResourceAmounts AmountsOf(const Map<Quantity>& resources) {
  ResourceAmounts out;
  for (const auto& [name, quantity] : resources) {
    if (name == "cpu") {
      out.milli_cpu = quantity.MilliValue();
    } else if (name == "memory") {
      out.memory = quantity.Value();
    } else if (name == "ephemeral-storage") {
      out.ephemeral_storage = quantity.Value();
    } else if (!(name == "pods")) {
      out.others.push_back({name, quantity.Value()});
    }
  }
  return out;
}

ResourceAmounts PodRequests(const core::v1::PodSpec& spec) {
  ResourceAmounts total =
      Aggregate(spec, [](const core::v1::Container& container) { return AmountsOf(container.resources.requests); });
  if (spec.resources) {
    const Map<Quantity>& pod_level = spec.resources->requests;
    if (const Quantity* cpu = pod_level.Find("cpu")) total.milli_cpu = cpu->MilliValue();
    if (const Quantity* memory = pod_level.Find("memory")) total.memory = memory->Value();
  }
  total.Add(AmountsOf(spec.overhead));
  return total;
}

namespace {

Status AddTerm(std::vector<AffinityTerm>& to, const core::v1::PodAffinityTerm& spec, const Object& owner,
               std::int64_t weight) {
  AffinityTerm term;
  term.topology_key = spec.topologyKey;
  term.weight = weight;
  Result<LabelSelector> selector = LabelSelector::From(spec.labelSelector.get());
  if (!selector) return selector.status();
  term.selector = std::move(selector).value();
  for (const Str& ns : spec.namespaces) term.namespaces.push_back(ns);
  if (spec.namespaceSelector) {
    Result<LabelSelector> namespaces = LabelSelector::From(spec.namespaceSelector.get());
    if (!namespaces) return namespaces.status();
    term.namespace_selector = std::move(namespaces).value();
  } else if (term.namespaces.empty()) {
    term.namespaces.push_back(owner.meta().namespace_);
  }
  to.push_back(std::move(term));
  return {};
}

Status Compile(const core::v1::Affinity& affinity, const Object& pod, PodAffinity& out) {
  if (affinity.podAffinity) {
    for (const auto& term : affinity.podAffinity->requiredDuringSchedulingIgnoredDuringExecution) {
      MINIKUBE_RETURN_IF_ERROR(AddTerm(out.required, term, pod, 0));
    }
    for (const auto& term : affinity.podAffinity->preferredDuringSchedulingIgnoredDuringExecution) {
      MINIKUBE_RETURN_IF_ERROR(AddTerm(out.preferred, term.podAffinityTerm, pod, term.weight));
    }
  }
  if (affinity.podAntiAffinity) {
    for (const auto& term : affinity.podAntiAffinity->requiredDuringSchedulingIgnoredDuringExecution) {
      MINIKUBE_RETURN_IF_ERROR(AddTerm(out.required_anti, term, pod, 0));
    }
    for (const auto& term : affinity.podAntiAffinity->preferredDuringSchedulingIgnoredDuringExecution) {
      MINIKUBE_RETURN_IF_ERROR(AddTerm(out.preferred, term.podAffinityTerm, pod, -term.weight));
    }
  }
  return {};
}

std::shared_ptr<const PodAffinity> AffinityOf(const Object& object) {
  const core::v1::Affinity* affinity = object.As<core::v1::Pod>().spec.affinity.get();
  if (affinity == nullptr || (!affinity->podAffinity && !affinity->podAntiAffinity)) return nullptr;
  auto out = std::make_shared<PodAffinity>();
  out->error = Compile(*affinity, object, *out);
  return out;
}

}  // namespace

bool PodAffinity::has_namespace_selector() const {
  const auto selects = [](const AffinityTerm& term) { return term.namespace_selector.has_value(); };
  return std::any_of(required.begin(), required.end(), selects) ||
         std::any_of(required_anti.begin(), required_anti.end(), selects) ||
         std::any_of(preferred.begin(), preferred.end(), selects);
}

PodInfoRef MakePodInfo(ObjectRef object) {
  const auto& pod = object->As<core::v1::Pod>();
  auto info = std::make_shared<PodInfo>();
  info->priority = pod.spec.priority.value_or(0);
  info->requests = PodRequests(pod.spec);
  const ResourceAmounts scoring = Aggregate(pod.spec, [](const core::v1::Container& container) {
    ResourceAmounts amounts = AmountsOf(container.resources.requests);
    if (!container.resources.requests.Contains("cpu")) amounts.milli_cpu = kDefaultMilliCpu;
    if (!container.resources.requests.Contains("memory")) amounts.memory = kDefaultMemory;
    return amounts;
  });
  info->scoring_milli_cpu = std::max(scoring.milli_cpu, info->requests.milli_cpu);
  info->scoring_memory = std::max(scoring.memory, info->requests.memory);
  const auto add_ports = [&](const core::v1::Container& container) {
    for (const auto& port : container.ports) {
      if (port.hostPort == 0) continue;
      info->ports.push_back({port.hostIP, port.protocol.empty() ? Str("TCP") : port.protocol, port.hostPort});
    }
  };
  for (const auto& container : pod.spec.containers) add_ports(container);
  for (const auto& container : pod.spec.initContainers) {
    if (IsSidecar(container)) add_ports(container);
  }
  info->affinity = AffinityOf(*object);
  info->object = std::move(object);
  return info;
}

void AppendLabels(const Map<Str>& labels, std::string& key) {
  for (const auto& [name, value] : labels) {
    AppendPart(name, key);
    AppendPart(value, key);
  }
  key.append(1, '\1');
}

void Plugin::Key(const PodInfo& info, const NodeTable&, std::string& key) const {
  const auto& pod = info.object->As<core::v1::Pod>();
  AppendPart(pod.metadata.namespace_, key);
  AppendLabels(pod.metadata.labels, key);
  for (const auto& owner : pod.metadata.ownerReferences) AppendPart(owner.uid, key);
  AppendMessage(pod.spec, key);
}

}  // namespace minikube::scheduler
