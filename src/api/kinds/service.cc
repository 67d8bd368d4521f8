// Services, and the addresses and ports of which there is one each.
//
// A cluster address is reserved by creating its IPAddress object in the transaction that writes the Service, a node
// port by a claim in it: two Services cannot get the same one, whoever decides.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>
#include <minikube/api/networking/v1.h>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"
#include "api/wire/errors.h"
#include "api/world/catalogue.h"

namespace minikube::api {

namespace {

using core::v1::Service;
using core::v1::ServicePort;
using core::v1::ServiceSpec;

constexpr std::int32_t kFirstNodePort = 30000;
constexpr std::int32_t kLastNodePort = 32767;
constexpr std::string_view kNone = "None";

bool IsExternalName(const ServiceSpec& spec) { return spec.type == "ExternalName"; }
bool HasNodePorts(const ServiceSpec& spec) {
  return spec.type == "NodePort" || (spec.type == "LoadBalancer" && spec.allocateLoadBalancerNodePorts.value_or(true));
}

// Load balancers that send only to nodes with a pod ask the nodes about it.
bool NeedsHealthCheckPort(const ServiceSpec& spec) {
  return spec.type == "LoadBalancer" && spec.externalTrafficPolicy == "Local";
}

// ---- Defaults -----------------------------------------------------------------------------------------------------

// What only the former type had goes with it, unless the user says it anew.
void DropWhatTypeLacks(ServiceSpec& spec, const ServiceSpec& old) {
  if (spec.type == old.type) return;
  const bool external =
      spec.type == "NodePort" || spec.type == "LoadBalancer" || (spec.type == "ClusterIP" && !spec.externalIPs.empty());
  if (!external && spec.externalTrafficPolicy == old.externalTrafficPolicy) spec.externalTrafficPolicy = {};
  if (spec.type == "LoadBalancer") return;
  if (spec.allocateLoadBalancerNodePorts == old.allocateLoadBalancerNodePorts) {
    spec.allocateLoadBalancerNodePorts.reset();
  }
  if (spec.loadBalancerClass == old.loadBalancerClass) spec.loadBalancerClass.reset();
  if (spec.healthCheckNodePort == old.healthCheckNodePort) spec.healthCheckNodePort = 0;
}

void DefaultService(Object& next, const Object* before) {
  ServiceSpec& spec = next.As<Service>().spec;
  if (spec.type.empty()) spec.type = "ClusterIP";
  if (before != nullptr) DropWhatTypeLacks(spec, before->As<Service>().spec);
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    const ServicePort& port = spec.ports[i];
    const bool unset =
        port.targetPort.is_string ? port.targetPort.string_value.empty() : port.targetPort.int_value == 0;
    if (unset) {
      ServicePort& to = spec.ports.Mutable(i);
      to.targetPort = IntOrString(to.port);
    }
  }
  const bool external =
      spec.type == "NodePort" || spec.type == "LoadBalancer" || (spec.type == "ClusterIP" && !spec.externalIPs.empty());
  if (external && spec.externalTrafficPolicy.empty()) spec.externalTrafficPolicy = "Cluster";
  if (!IsExternalName(spec) && !spec.internalTrafficPolicy) spec.internalTrafficPolicy = Str("Cluster");
  if (spec.type == "LoadBalancer" && !spec.allocateLoadBalancerNodePorts) spec.allocateLoadBalancerNodePorts = true;
  if (spec.sessionAffinity == "None") spec.sessionAffinityConfig.reset();
  if (spec.sessionAffinity == "ClientIP" && !(spec.sessionAffinityConfig && spec.sessionAffinityConfig->clientIP)) {
    spec.sessionAffinityConfig.Mutable().clientIP = core::v1::ClientIPConfig{};
  }
}

// ---- Allocation ---------------------------------------------------------------------------------------------------

const StoredKind& Addresses(const HookContext& context) {
  return context.world.catalogue->Get("networking.k8s.io", "ipaddresses");
}

IpAddress Offset(IpAddress base, std::uint64_t offset) {
  for (int i = base.v4 ? 3 : 15; i >= 0 && offset != 0; --i) {
    offset += base.bytes[static_cast<std::size_t>(i)];
    base.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(offset);
    offset >>= 8;
  }
  return base;
}

// How many addresses a range has for services; the largest ranges are used in part.
std::uint64_t RangeSize(const IpPrefix& range) {
  const std::size_t bits = std::min<std::size_t>(range.address.bits() - range.length, 20);
  // Without the network's own address and, in IPv4, the broadcast address.
  const std::uint64_t all = std::uint64_t{1} << bits;
  return range.address.v4 ? (all > 2 ? all - 2 : 0) : all - 1;
}

void Reserve(const Service& service, std::string_view ip, bool v4, HookContext& context) {
  networking::v1::IPAddress address;
  address.metadata.name = ip;
  address.metadata.uid = NewUid(context.random);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(context.now.time_since_epoch()).count();
  address.metadata.creationTimestamp = {Instant::FromUnixMicros(seconds * 1'000'000)};
  address.metadata.labels["ipaddress.kubernetes.io/ip-family"] = v4 ? "IPv4" : "IPv6";
  address.metadata.labels["ipaddress.kubernetes.io/managed-by"] = "ipallocator.k8s.io";
  networking::v1::ParentReference parent;
  parent.resource = "services";
  parent.namespace_ = service.metadata.namespace_;
  parent.name = service.metadata.name;
  address.spec.parentRef = parent;
  context.side_writes.push_back({&Addresses(context), "", std::string(ip), 0, ObjectPtr::Of(std::move(address))});
}

void Release(std::string_view ip, HookContext& context) {
  const StoredKind& kind = Addresses(context);
  const Entry* entry = context.world.Find(kind.index, {}, ip);
  if (entry != nullptr) context.side_writes.push_back({&kind, "", std::string(ip), entry->revision, {}});
}

Status InvalidAddress(const Service& service, std::string_view why) {
  ErrorList errors;
  errors.Invalid(FieldPath("spec.clusterIPs"), BadValue::Json(fmt::format("[\"{}\"]", service.spec.clusterIP.view())),
                 fmt::format("failed to allocate IP {}: {}", service.spec.clusterIP.view(), why));
  return errors.ToStatus("", "Service", service.metadata.name.view());
}

Status AllocateAddress(Service& service, HookContext& context) {
  const std::optional<IpPrefix> range = ParseCidr(context.service_cluster_ip_range);
  if (!range) return {Code::kInternal, "the service range is not a CIDR"};
  const StoredKind& kind = Addresses(context);
  const auto taken = [&](std::string_view ip) { return context.world.Find(kind.index, {}, ip) != nullptr; };
  ServiceSpec& spec = service.spec;
  if (spec.clusterIP.empty()) {
    const std::uint64_t size = RangeSize(*range);
    if (size == 0) return InvalidAddress(service, "the service range has no addresses");
    const IpAddress base = range->Masked();
    const std::uint64_t start = context.random.Next() % size;
    for (std::uint64_t i = 0; i < size && spec.clusterIP.empty(); ++i) {
      const std::string ip = Offset(base, 1 + (start + i) % size).ToString();
      if (!taken(ip)) spec.clusterIP = ip;
    }
    if (spec.clusterIP.empty()) return {Code::kInternal, "failed to allocate a serviceIP: range is full"};
  } else {
    const std::optional<IpAddress> ip = ParseIp(spec.clusterIP.view());
    if (!ip || !range->Contains(*ip)) {
      return InvalidAddress(service,
                            fmt::format("the provided IP ({}) is not in the valid range. The range of valid IPs "
                                        "is {}",
                                        spec.clusterIP.view(), context.service_cluster_ip_range));
    }
    if (taken(spec.clusterIP.view())) return InvalidAddress(service, "provided IP is already allocated");
  }
  spec.clusterIPs = {spec.clusterIP};
  Reserve(service, spec.clusterIP.view(), range->address.v4, context);
  return {};
}

// Node ports that the service has; of one number for several protocols once.
std::set<std::int32_t> NodePortsOf(const ServiceSpec& spec) {
  std::set<std::int32_t> ports;
  for (const ServicePort& port : spec.ports) ports.insert(port.nodePort);
  ports.insert(spec.healthCheckNodePort);
  ports.erase(0);
  return ports;
}

// Ports of all services but this one. Services are few and node ports fewer, so they are looked at, not indexed.
std::set<std::int32_t> PortsInUse(const Service& service, const HookContext& context) {
  std::set<std::int32_t> used;
  for (auto it = context.world.kinds[context.world.catalogue->Get("", "services").index].Begin(); it; ++it) {
    const auto& other = it->object->As<Service>();
    if (!(other.metadata.uid == service.metadata.uid)) used.merge(NodePortsOf(other.spec));
  }
  return used;
}

std::string_view ProtocolOf(const ServicePort& port) { return port.protocol.empty() ? "TCP" : port.protocol.view(); }

// Some free port; 0 if there is none.
std::int32_t FreePort(const std::set<std::int32_t>& used, Random& random) {
  constexpr std::uint64_t kCount = kLastNodePort - kFirstNodePort + 1;
  const std::uint64_t start = random.Next() % kCount;
  for (std::uint64_t k = 0; k < kCount; ++k) {
    const auto candidate = static_cast<std::int32_t>(kFirstNodePort + static_cast<std::int32_t>((start + k) % kCount));
    if (!used.contains(candidate)) return candidate;
  }
  return 0;
}

Status AllocateNodePorts(Service& service, HookContext& context) {
  ServiceSpec& spec = service.spec;
  const std::set<std::int32_t> others = PortsInUse(service, context);
  std::set<std::int32_t> used = others;
  std::set<std::pair<std::int32_t, std::string_view>> own;  // a number may serve once for each protocol
  const FieldPath ports("spec.ports");
  ErrorList errors;
  const auto check = [&](const FieldPath& path, std::int32_t port, std::string_view protocol) {
    if (port < kFirstNodePort || port > kLastNodePort) {
      errors.Invalid(path, port,
                     fmt::format("provided port is not in the valid range. The range of valid ports is {}-{}",
                                 kFirstNodePort, kLastNodePort));
    } else if (others.contains(port) || !own.emplace(port, protocol).second) {
      errors.Invalid(path, port, "provided port is already allocated");
    }
    used.insert(port);
  };
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    const ServicePort& port = spec.ports[i];
    if (port.nodePort != 0) check(ports.Index(i, "nodePort"), port.nodePort, ProtocolOf(port));
  }
  if (spec.healthCheckNodePort != 0) check(FieldPath("spec.healthCheckNodePort"), spec.healthCheckNodePort, "health");
  MINIKUBE_RETURN_IF_ERROR(errors.ToStatus("", "Service", service.metadata.name.view()));

  constexpr std::string_view kFull = "failed to allocate a nodePort: range is full";
  std::map<std::int32_t, std::int32_t> by_port;  // ports that differ in the protocol alone share their node port
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    const ServicePort& port = spec.ports[i];
    if (port.nodePort != 0) by_port.emplace(port.port, port.nodePort);
  }
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    const ServicePort& port = spec.ports[i];
    if (port.nodePort != 0) continue;
    const auto known = by_port.find(port.port);
    std::int32_t chosen = known != by_port.end() ? known->second : 0;
    if (chosen == 0 || !own.emplace(chosen, ProtocolOf(port)).second) chosen = FreePort(used, context.random);
    if (chosen == 0) return {Code::kInternal, std::string(kFull)};
    by_port.emplace(port.port, chosen);
    used.insert(chosen);
    spec.ports.Mutable(i).nodePort = chosen;
  }
  if (NeedsHealthCheckPort(spec) && spec.healthCheckNodePort == 0) {
    spec.healthCheckNodePort = FreePort(used, context.random);
    if (spec.healthCheckNodePort == 0) return {Code::kInternal, std::string(kFull)};
  }
  return {};
}

// Takes the ports that the service has now and had not, gives back those that it had and has not.
void ClaimNodePorts(const ServiceSpec* next, const ServiceSpec* before, HookContext& context) {
  const std::set<std::int32_t> now = next != nullptr ? NodePortsOf(*next) : std::set<std::int32_t>();
  const std::set<std::int32_t> then = before != nullptr ? NodePortsOf(*before) : std::set<std::int32_t>();
  const auto claim = [&](std::int32_t port, bool taken) {
    context.claims.push_back({fmt::format("nodeports/{}", port), taken});
  };
  for (const std::int32_t port : now) {
    if (!then.contains(port)) claim(port, true);
  }
  for (const std::int32_t port : then) {
    if (!now.contains(port)) claim(port, false);
  }
}

void SetFamilies(ServiceSpec& spec) {
  if (IsExternalName(spec)) {
    spec.ipFamilies.clear();
    spec.ipFamilyPolicy.reset();
    return;
  }
  if (!spec.ipFamilyPolicy) spec.ipFamilyPolicy = Str("SingleStack");
  if (spec.ipFamilies.empty()) {
    const std::optional<IpAddress> ip = ParseIp(spec.clusterIP.view());
    spec.ipFamilies = {ip && !ip->v4 ? Str("IPv6") : Str("IPv4")};
  }
}

// Updates that do not mention node ports keep them; a type without them gives them up.
void KeepOrDropNodePorts(ServiceSpec& spec, const ServiceSpec& old) {
  const bool has = HasNodePorts(spec);
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    if (!has) {
      if (spec.ports[i].nodePort != 0) spec.ports.Mutable(i).nodePort = 0;
      continue;
    }
    if (spec.ports[i].nodePort != 0) continue;
    for (const ServicePort& port : old.ports) {
      if (port.port == spec.ports[i].port && ProtocolOf(port) == ProtocolOf(spec.ports[i]) && port.nodePort != 0) {
        spec.ports.Mutable(i).nodePort = port.nodePort;
      }
    }
  }
  if (!NeedsHealthCheckPort(spec)) {
    spec.healthCheckNodePort = 0;
  } else if (spec.healthCheckNodePort == 0) {
    spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

// The cluster has addresses of one family; a service cannot have others.
Status CheckFamilies(const Service& service, const HookContext& context) {
  const ServiceSpec& spec = service.spec;
  if (IsExternalName(spec)) return {};
  const std::optional<IpPrefix> range = ParseCidr(context.service_cluster_ip_range);
  // Without a selector a headless service's addresses are its owner's to say.
  const bool free = spec.clusterIP == kNone && spec.selector.empty();
  if (!range || free) return {};
  const std::string_view have = range->address.v4 ? "IPv4" : "IPv6";
  ErrorList errors;
  const FieldPath path("spec");
  if (spec.ipFamilyPolicy && *spec.ipFamilyPolicy == "RequireDualStack") {
    errors.Invalid(path.Child("ipFamilyPolicy"), *spec.ipFamilyPolicy,
                   "this cluster is not configured for dual-stack services");
  }
  const FieldPath families = path.Child("ipFamilies");
  for (std::size_t i = 0; i < spec.ipFamilies.size(); ++i) {
    if (spec.ipFamilies[i] == have) continue;
    errors.Invalid(families.Index(i), spec.ipFamilies[i], "not configured on this cluster");
  }
  return errors.ToStatus("", "Service", service.metadata.name.view());
}

Status AllocateService(Object* next, const Object* before, HookContext& context) {
  const std::string_view old_ip = before != nullptr ? before->As<Service>().spec.clusterIP.view() : std::string_view();
  const bool had_ip = !old_ip.empty() && old_ip != kNone;
  const ServiceSpec* old_spec = before != nullptr ? &before->As<Service>().spec : nullptr;
  if (next == nullptr) {
    if (had_ip) Release(old_ip, context);
    ClaimNodePorts(nullptr, old_spec, context);
    return {};
  }
  auto& service = next->As<Service>();
  ServiceSpec& spec = service.spec;
  MINIKUBE_RETURN_IF_ERROR(CheckFamilies(service, context));
  if (spec.clusterIP.empty() && !spec.clusterIPs.empty()) spec.clusterIP = spec.clusterIPs.front();
  if (IsExternalName(spec)) {
    spec.clusterIP = {};
    spec.clusterIPs.clear();
    if (had_ip) Release(old_ip, context);
  } else if (spec.clusterIP == kNone) {
    spec.clusterIPs = {Str(kNone)};
  } else if (had_ip && (spec.clusterIP.empty() || spec.clusterIP == old_ip)) {
    // Updates that do not mention the address keep it.
    spec.clusterIP = old_ip;
    spec.clusterIPs = before->As<Service>().spec.clusterIPs;
  } else if (!had_ip) {
    MINIKUBE_RETURN_IF_ERROR(AllocateAddress(service, context));
  }
  SetFamilies(spec);
  if (old_spec != nullptr) KeepOrDropNodePorts(spec, *old_spec);
  if (HasNodePorts(spec)) MINIKUBE_RETURN_IF_ERROR(AllocateNodePorts(service, context));
  ClaimNodePorts(&spec, old_spec, context);
  return {};
}

// ---- Validation ---------------------------------------------------------------------------------------------------

void ValidatePort(const ServiceSpec& spec, std::size_t i, const FieldPath& ports, ErrorList& errors) {
  const ServicePort& port = spec.ports[i];
  if (port.name.empty()) {
    if (spec.ports.size() > 1) errors.Required(ports.Index(i, "name"), "");
  } else {
    errors.InvalidEach(ports.Index(i, "name"), port.name, IsDns1123Label(port.name.view()));
  }
  errors.InvalidEach(ports.Index(i, "port"), port.port, IsPortNumber(port.port));
  if (port.targetPort.is_string) {
    errors.InvalidEach(ports.Index(i, "targetPort"), port.targetPort, IsPortName(port.targetPort.string_value.view()));
  } else {
    errors.InvalidEach(ports.Index(i, "targetPort"), port.targetPort, IsPortNumber(port.targetPort.int_value));
  }
}

// How traffic comes in, from where, and by which families of addresses.
void ValidatePolicies(const ServiceSpec& spec, const ServiceSpec* old, const FieldPath& path, ErrorList& errors) {
  const bool external =
      spec.type == "NodePort" || spec.type == "LoadBalancer" || (spec.type == "ClusterIP" && !spec.externalIPs.empty());
  if (!spec.externalTrafficPolicy.empty() && !external) {
    errors.Invalid(path.Child("externalTrafficPolicy"), spec.externalTrafficPolicy,
                   "may only be set for externally-accessible services");
  }
  if (spec.healthCheckNodePort != 0 && !NeedsHealthCheckPort(spec)) {
    errors.Invalid(path.Child("healthCheckNodePort"), spec.healthCheckNodePort,
                   "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
  }
  const bool balanced = spec.type == "LoadBalancer";
  if (!balanced && !spec.loadBalancerSourceRanges.empty()) {
    errors.Forbidden(path.Child("LoadBalancerSourceRanges"), "may only be used when `type` is 'LoadBalancer'");
  }
  const FieldPath ranges = path.Child("loadBalancerSourceRanges");
  for (std::size_t i = 0; i < spec.loadBalancerSourceRanges.size(); ++i) {
    const Str& range = spec.loadBalancerSourceRanges[i];
    errors.InvalidEach(ranges.Index(i), range, IsCidr(range.view(), IpForm::kAnyValid));
  }
  if (!balanced && spec.allocateLoadBalancerNodePorts) {
    errors.Forbidden(path.Child("allocateLoadBalancerNodePorts"), "may only be used when `type` is 'LoadBalancer'");
  }
  const FieldPath load_balancer = path.Child("loadBalancerClass");
  if (!balanced && spec.loadBalancerClass) {
    errors.Forbidden(load_balancer, "may only be used when `type` is 'LoadBalancer'");
  } else if (spec.loadBalancerClass) {
    errors.InvalidEach(load_balancer, *spec.loadBalancerClass, IsQualifiedName(spec.loadBalancerClass->view()));
  }
  if (balanced && old != nullptr && old->type == "LoadBalancer" && spec.loadBalancerClass != old->loadBalancerClass) {
    errors.Immutable(load_balancer, spec.loadBalancerClass.value_or(Str()));
  }
  if (spec.sessionAffinityConfig && spec.sessionAffinityConfig->clientIP) {
    const std::int32_t seconds = spec.sessionAffinityConfig->clientIP->timeoutSeconds.value_or(10800);
    if (seconds <= 0 || seconds > 86400) {
      errors.Invalid(path.Child("sessionAffinityConfig.clientIP.timeoutSeconds"), seconds,
                     "must be greater than 0 and less than 86400");
    }
  }
  if (spec.trafficDistribution && !(*spec.trafficDistribution == "PreferClose") &&
      !(*spec.trafficDistribution == "PreferSameZone") && !(*spec.trafficDistribution == "PreferSameNode")) {
    errors.NotSupported(path.Child("trafficDistribution"), *spec.trafficDistribution,
                        {"PreferClose", "PreferSameNode", "PreferSameZone"});
  }
}

void WarnOfService(const Object& next, const Object*, std::vector<std::string>& warnings) {
  const auto& service = next.As<Service>();
  const ServiceSpec& spec = service.spec;
  if (service.metadata.annotations.Contains("service.kubernetes.io/topology-aware-hints")) {
    warnings.emplace_back(
        "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use "
        "service.kubernetes.io/topology-mode instead");
  }
  const bool headless = spec.type == "ClusterIP" && spec.clusterIP == kNone;
  if (headless) {
    if (!spec.loadBalancerIP.empty()) warnings.emplace_back("spec.loadBalancerIP is ignored for headless services");
    if (!spec.externalIPs.empty()) warnings.emplace_back("spec.externalIPs is ignored for headless services");
    if (!(spec.sessionAffinity == kNone)) {
      warnings.emplace_back("spec.SessionAffinity is ignored for headless services");
    }
  }
  if (IsExternalName(spec) && !spec.externalIPs.empty()) {
    warnings.emplace_back("spec.externalIPs is ignored when spec.type is \"ExternalName\"");
  } else if (!headless && !spec.externalIPs.empty()) {
    warnings.emplace_back("spec.externalIPs is deprecated and may no longer be implemented in some clusters");
  }
  if (!IsExternalName(spec) && !spec.externalName.empty()) {
    warnings.emplace_back("spec.externalName is ignored when spec.type is not \"ExternalName\"");
  }
  if (spec.trafficDistribution && *spec.trafficDistribution == "PreferClose") {
    warnings.emplace_back("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"");
  }
}

void ValidateService(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& service = next.As<Service>();
  const ServiceSpec& spec = service.spec;
  const FieldPath path("spec");
  const FieldPath ports = path.Child("ports");
  const bool headless = spec.clusterIP == kNone;
  if (spec.ports.empty() && !headless && !IsExternalName(spec)) errors.Required(ports, "");
  std::set<std::string_view> names;
  std::set<std::pair<std::int32_t, std::string_view>> seen;
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    const ServicePort& port = spec.ports[i];
    ValidatePort(spec, i, ports, errors);
    if (!port.name.empty() && !names.insert(port.name.view()).second) {
      errors.Duplicate(ports.Index(i, "name"), port.name);
    }
    if (!seen.emplace(port.port, port.protocol.view()).second) {
      errors.Duplicate(ports.Index(i), BadValue::Of(port));
    }
    if (port.nodePort != 0 && !HasNodePorts(spec)) {
      errors.Forbidden(ports.Index(i, "nodePort"), "may not be used when `type` is '" + spec.type.str() + "'");
    }
  }
  ValidateLabels(spec.selector, path.Child("selector"), errors);
  ValidatePolicies(spec, before != nullptr ? &before->As<Service>().spec : nullptr, path, errors);
  if (IsExternalName(spec)) {
    const FieldPath name = path.Child("externalName");
    std::string_view target = spec.externalName.view();
    if (target.ends_with('.')) target.remove_suffix(1);
    if (target.empty()) {
      errors.Required(name, "");
    } else {
      errors.InvalidEach(name, spec.externalName, IsDns1123Subdomain(target));
    }
  }
  if (headless && (spec.type == "NodePort" || spec.type == "LoadBalancer")) {
    errors.Invalid(path.Child("clusterIPs"), BadValue::Json("[\"None\"]"),
                   "may not be set to 'None' for " + spec.type.str() + " services");
  }
  const FieldPath external = path.Child("externalIPs");
  for (std::size_t i = 0; i < spec.externalIPs.size(); ++i) {
    errors.InvalidEach(external.Index(i), spec.externalIPs[i], IsIp(spec.externalIPs[i].view(), IpForm::kAnyValid));
  }
  if (before == nullptr) return;
  const ServiceSpec& old = before->As<Service>().spec;
  if (!IsExternalName(spec) && !IsExternalName(old) && !old.clusterIP.empty() && !(spec.clusterIP == old.clusterIP)) {
    const FieldPath ips = path.Child("clusterIPs");
    errors.Invalid(ips.Index(0), spec.clusterIP, "may not change once set");
  }
}

Messages ServiceName(std::string_view name, NameUse use) { return NameIsDns1035Label(name, use); }

constexpr SelectableField kServiceSelectors[] = {"spec.clusterIP", "spec.type"};

const Strategy kKinds[] = {
    {.group = "",
     .plural = "services",
     .name = ServiceName,
     .create_on_update = true,
     .returns_deleted = true,
     .status_writes_metadata = kMetadataParts,
     .field_selectors = kServiceSelectors,
     .defaults = DefaultService,
     .validate = ValidateService,
     .warn = WarnOfService,
     .allocate = AllocateService},
};

}  // namespace

std::span<const Strategy> ServiceKinds() { return kKinds; }

}  // namespace minikube::api
