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
  info->object = std::move(object);
  return info;
}

std::string ClassKey(const core::v1::Pod& pod) {
  std::string key = pod.metadata.namespace_.str() + '\0';
  for (const auto& [name, value] : pod.metadata.labels) {
    key.append(name.view()).append(1, '\0').append(value.view()).append(1, '\0');
  }
  EncodeProtobufMessage(DescriptorOf<core::v1::PodSpec>(), &pod.spec, key);
  return key;
}

}  // namespace minikube::scheduler
