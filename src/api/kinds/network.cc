// Ingresses, ingress classes, network policies, endpoints.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>
#include <minikube/api/networking/v1.h>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"

namespace minikube::api {

namespace {

using namespace networking::v1;  // NOLINT(google-build-using-namespace): the kinds of this file

constexpr std::string_view kClassAnnotation = "kubernetes.io/ingress.class";

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// ---- Ingress --------------------------------------------------------------------------------------------------------

template <typename Reference>
void ValidateReference(const Reference& reference, const FieldPath& path, ErrorList& errors) {
  if (reference.apiGroup) {
    errors.InvalidEach(path.Child("apiGroup"), *reference.apiGroup, IsDns1123Subdomain(reference.apiGroup->view()));
  }
  if (!reference.kind.empty()) {
    errors.InvalidEach(path.Child("kind"), reference.kind, NameIsPathSegment(reference.kind.view()));
  }
  if (!reference.name.empty()) {
    errors.InvalidEach(path.Child("name"), reference.name, NameIsPathSegment(reference.name.view()));
  }
}

void ValidateBackend(const IngressBackend& backend, const FieldPath& path, ErrorList& errors) {
  if (backend.resource && backend.service) {
    errors.Invalid(path, "", "cannot set both resource and service backends");
  } else if (backend.resource) {
    ValidateReference(*backend.resource, path.Child("resource"), errors);
  } else if (backend.service) {
    const IngressServiceBackend& service = *backend.service;
    if (!service.name.empty()) {
      errors.InvalidEach(path.Child("service.name"), service.name, NameIsDns1035Label(service.name.view()));
    }
    if (!service.port.name.empty() && service.port.number != 0) {
      errors.Invalid(path, "", "cannot set both port name & port number");
    } else if (!service.port.name.empty()) {
      errors.InvalidEach(path.Child("service.port.name"), service.port.name, IsPortName(service.port.name.view()));
    } else if (service.port.number != 0) {
      errors.InvalidEach(path.Child("service.port.number"), service.port.number, IsPortNumber(service.port.number));
    } else {
      errors.Required(path, "port name or number is required");
    }
  } else {
    errors.Invalid(path, "", "resource or service backend is required");
  }
}

void ValidatePath(const HTTPIngressPath& rule, const FieldPath& path, ErrorList& errors) {
  const std::string_view type = rule.pathType ? rule.pathType->view() : std::string_view();
  const FieldPath at = path.Child("path");
  if (!rule.pathType) {
    errors.Required(path.Child("pathType"), "pathType must be specified");
    return;
  }
  if (type == "Exact" || type == "Prefix") {
    if (!rule.path.view().starts_with('/')) errors.Invalid(at, rule.path, "must be an absolute path");
    for (const std::string_view part : {"//", "/./", "/../", "%2f", "%2F"}) {
      if (Contains(rule.path.view(), part)) errors.Invalid(at, rule.path, fmt::format("must not contain '{}'", part));
    }
    for (const std::string_view end : {"/..", "/."}) {
      if (rule.path.view().ends_with(end)) errors.Invalid(at, rule.path, fmt::format("cannot end with '{}'", end));
    }
  } else if (type == "ImplementationSpecific") {
    if (!rule.path.empty() && !rule.path.view().starts_with('/')) {
      errors.Invalid(at, rule.path, "must be an absolute path");
    }
  } else {
    errors.NotSupported(path.Child("pathType"), *rule.pathType, {"Exact", "ImplementationSpecific", "Prefix"});
  }
  ValidateBackend(rule.backend, path.Child("backend"), errors);
}

Messages HostRule(std::string_view host) {
  return Contains(host, "*") ? IsWildcardDns1123Subdomain(host) : IsDns1123Subdomain(host);
}

void ValidateIngress(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& ingress = next.As<Ingress>();
  if (before != nullptr && DeepEqual(ingress.spec, before->As<Ingress>().spec)) return;
  const FieldPath path("spec");
  if (ingress.spec.rules.empty() && !ingress.spec.defaultBackend) {
    errors.Invalid(path, BadValue::Json("null"), "either `defaultBackend` or `rules` must be specified");
  }
  if (ingress.spec.defaultBackend) {
    ValidateBackend(*ingress.spec.defaultBackend, path.Child("defaultBackend"), errors);
  }
  const FieldPath rules = path.Child("rules");
  for (std::size_t i = 0; i < ingress.spec.rules.size(); ++i) {
    const IngressRule& rule = ingress.spec.rules[i];
    if (!rule.host.empty()) {
      if (ParseIp(rule.host.view())) {
        errors.Invalid(rules.Index(i, "host"), rule.host, "must be a DNS name, not an IP address");
      }
      errors.InvalidEach(rules.Index(i, "host"), rule.host, HostRule(rule.host.view()));
    }
    if (!rule.http) continue;
    const FieldPath http = rules.Index(i, "http");
    const FieldPath paths = http.Child("paths");
    for (std::size_t k = 0; k < rule.http->paths.size(); ++k) {
      ValidatePath(rule.http->paths[k], paths.Index(k), errors);
    }
  }
  const FieldPath tls = path.Child("tls");
  for (std::size_t i = 0; i < ingress.spec.tls.size(); ++i) {
    const IngressTLS& entry = ingress.spec.tls[i];
    const FieldPath hosts = tls.Index(i, "hosts");
    for (std::size_t k = 0; k < entry.hosts.size(); ++k) {
      errors.InvalidEach(hosts.Index(k), entry.hosts[k], HostRule(entry.hosts[k].view()));
    }
    if (!entry.secretName.empty()) {
      errors.InvalidEach(tls.Index(i, "secretName"), entry.secretName, NameIsDnsSubdomain(entry.secretName.view()));
    }
  }
  const std::optional<Str>& name = ingress.spec.ingressClassName;
  if (name) errors.InvalidEach(path.Child("ingressClassName"), *name, NameIsDnsSubdomain(name->view()));
  const Str* annotation = ingress.metadata.annotations.Find(kClassAnnotation);
  if (before == nullptr && annotation != nullptr && name && !(*annotation == *name)) {
    const FieldPath annotations("annotations");
    errors.Invalid(annotations.Child(kClassAnnotation), *annotation,
                   "must match `ingressClassName` when both are specified");
  }
}

void WarnOfIngress(const Object& next, const Object*, std::vector<std::string>& warnings) {
  if (next.meta().annotations.Contains(kClassAnnotation)) {
    warnings.emplace_back(
        "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead");
  }
}

void ValidateIngressClass(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const IngressClassSpec& spec = next.As<IngressClass>().spec;
  const FieldPath controller("spec.controller");
  if (spec.controller.size() > 250) errors.TooLong(controller, 250);
  if (!spec.controller.empty())
    errors.InvalidEach(controller, spec.controller, IsDomainPrefixedPath(spec.controller.view()));
  if (spec.controller.empty()) errors.Required(controller, "");
  if (spec.parameters) {
    const IngressClassParametersReference& parameters = *spec.parameters;
    const FieldPath path("spec.parameters");
    ValidateReference(parameters, path, errors);
    const Str scope = parameters.scope.value_or(Str());
    if (!(scope == "Cluster") && !(scope == "Namespace")) {
      errors.NotSupported(path.Child("scope"), scope, {"Cluster", "Namespace"});
    } else if (scope == "Namespace" && !parameters.namespace_) {
      errors.Required(path.Child("namespace"), "`parameters.scope` is set to 'Namespace'");
    } else if (scope == "Namespace") {
      errors.InvalidEach(path.Child("namespace"), *parameters.namespace_,
                         NameIsDnsLabel(parameters.namespace_->view()));
    } else if (parameters.namespace_) {
      errors.Forbidden(path.Child("namespace"), "`parameters.scope` is set to 'Cluster'");
    }
  }
  if (before != nullptr && !(spec.controller == before->As<IngressClass>().spec.controller)) {
    errors.Immutable(controller, spec.controller);
  }
}

// ---- NetworkPolicy --------------------------------------------------------------------------------------------------

void DefaultNetworkPolicy(Object& next, const Object*) {
  auto& policy = next.As<NetworkPolicy>();
  if (!policy.spec.policyTypes.empty()) return;
  policy.spec.policyTypes = {"Ingress"};
  if (!policy.spec.egress.empty()) policy.spec.policyTypes.push_back("Egress");
}

void ValidatePolicyPort(const NetworkPolicyPort& port, const FieldPath& path, ErrorList& errors) {
  const FieldPath end = path.Child("endPort");
  if (!port.port) {
    if (port.endPort) errors.Invalid(end, *port.endPort, "may not be specified when `port` is not specified");
  } else if (port.port->is_string) {
    if (port.endPort) errors.Invalid(end, *port.endPort, "may not be specified when `port` is non-numeric");
    errors.InvalidEach(path.Child("port"), port.port->string_value, IsPortName(port.port->string_value.view()));
  } else {
    errors.InvalidEach(path.Child("port"), port.port->int_value, IsPortNumber(port.port->int_value));
    if (!port.endPort) return;
    if (*port.endPort < port.port->int_value) {
      errors.Invalid(end, port.port->int_value, "must be greater than or equal to `port`");
    }
    errors.InvalidEach(end, *port.endPort, IsPortNumber(*port.endPort));
  }
}

void ValidateBlock(const IPBlock& block, const FieldPath& path, ErrorList& errors) {
  if (block.cidr.empty()) return;  // required by the tables
  errors.InvalidEach(path.Child("cidr"), block.cidr, IsCidr(block.cidr.view(), IpForm::kAnyValid));
  const std::optional<IpPrefix> whole = ParseCidr(block.cidr.view());
  if (!whole) return;
  const FieldPath excepts = path.Child("except");
  for (std::size_t i = 0; i < block.except.size(); ++i) {
    errors.InvalidEach(excepts.Index(i), block.except[i], IsCidr(block.except[i].view(), IpForm::kAnyValid));
    const std::optional<IpPrefix> part = ParseCidr(block.except[i].view());
    if (!part) continue;
    if (!whole->Contains(part->address) || whole->length >= part->length) {
      errors.Invalid(excepts.Index(i), block.except[i], "must be a strict subset of `cidr`");
    }
  }
}

void ValidatePeer(const NetworkPolicyPeer& peer, const FieldPath& path, ErrorList& errors) {
  if (peer.podSelector) ValidateLabelSelector(*peer.podSelector, path.Child("podSelector"), errors);
  if (peer.namespaceSelector) ValidateLabelSelector(*peer.namespaceSelector, path.Child("namespaceSelector"), errors);
  if (peer.ipBlock) ValidateBlock(*peer.ipBlock, path.Child("ipBlock"), errors);
  const bool selects = peer.podSelector || peer.namespaceSelector;
  if (!selects && !peer.ipBlock) errors.Required(path, "must specify a peer");
  if (selects && peer.ipBlock) errors.Forbidden(path, "may not specify both ipBlock and another peer");
}

void ValidateRule(const List<NetworkPolicyPort>& ports, const List<NetworkPolicyPeer>& peers,
                  std::string_view peers_name, const FieldPath& path, ErrorList& errors) {
  const FieldPath ports_path = path.Child("ports");
  for (std::size_t i = 0; i < ports.size(); ++i) ValidatePolicyPort(ports[i], ports_path.Index(i), errors);
  const FieldPath peers_path = path.Child(peers_name);
  for (std::size_t i = 0; i < peers.size(); ++i) ValidatePeer(peers[i], peers_path.Index(i), errors);
}

void ValidateNetworkPolicy(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const NetworkPolicySpec& spec = next.As<NetworkPolicy>().spec;
  if (before != nullptr && DeepEqual(spec, before->As<NetworkPolicy>().spec)) return;
  const FieldPath path("spec");
  ValidateLabelSelector(spec.podSelector, path.Child("podSelector"), errors);
  const FieldPath ingress = path.Child("ingress");
  for (std::size_t i = 0; i < spec.ingress.size(); ++i) {
    ValidateRule(spec.ingress[i].ports, spec.ingress[i].from, "from", ingress.Index(i), errors);
  }
  const FieldPath egress = path.Child("egress");
  for (std::size_t i = 0; i < spec.egress.size(); ++i) {
    ValidateRule(spec.egress[i].ports, spec.egress[i].to, "to", egress.Index(i), errors);
  }
  if (spec.policyTypes.size() > 2) {
    errors.Invalid(path.Child("policyTypes"), "", "may not specify more than two policyTypes");
  }
}

// ---- Endpoints ------------------------------------------------------------------------------------------------------

template <typename T>
bool SameItems(const List<T>& a, const List<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const T& x, const T& y) { return DeepEqual(x, y); });
}

void ValidateEndpointIp(const Str& ip, const FieldPath& path, ErrorList& errors) {
  const Messages messages = IsIp(ip.view(), IpForm::kAnyValid);
  errors.InvalidEach(path, ip, messages);
  if (!messages.empty()) return;
  const IpAddress address = *ParseIp(ip.view());
  const auto& b = address.bytes;
  const bool zeros = std::all_of(b.begin(), b.begin() + 15, [](auto byte) { return byte == 0; });
  if (address.v4 ? (b[0] | b[1] | b[2] | b[3]) == 0 : zeros && b[15] == 0) {
    errors.Invalid(path, ip, "may not be unspecified (0.0.0.0 or ::)");
  }
  if (address.v4 ? b[0] == 127 : zeros && b[15] == 1) {
    errors.Invalid(path, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
  }
  if (address.v4 ? b[0] == 169 && b[1] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80) {
    errors.Invalid(path, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  }
  if (address.v4 ? b[0] == 224 && b[1] == 0 && b[2] == 0 : b[0] == 0xff && (b[1] & 0x0f) == 2) {
    errors.Invalid(path, ip, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  }
}

void ValidateEndpoints(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& endpoints = next.As<core::v1::Endpoints>();
  if (before != nullptr && SameItems(endpoints.subsets, before->As<core::v1::Endpoints>().subsets)) return;
  const FieldPath subsets("subsets");
  for (std::size_t i = 0; i < endpoints.subsets.size(); ++i) {
    const core::v1::EndpointSubset& subset = endpoints.subsets[i];
    if (subset.addresses.empty() && subset.notReadyAddresses.empty()) {
      errors.Required(subsets.Index(i), "must specify `addresses` or `notReadyAddresses`");
    }
    const auto look = [&](const List<core::v1::EndpointAddress>& addresses, std::string_view name) {
      const FieldPath list = subsets.Index(i, name);
      for (std::size_t k = 0; k < addresses.size(); ++k) {
        const core::v1::EndpointAddress& address = addresses[k];
        if (!address.ip.empty()) ValidateEndpointIp(address.ip, list.Index(k, "ip"), errors);
        if (!address.hostname.empty()) {
          errors.InvalidEach(list.Index(k, "hostname"), address.hostname, IsDns1123Label(address.hostname.view()));
        }
        if (address.nodeName) {
          errors.InvalidEach(list.Index(k, "nodeName"), *address.nodeName,
                             NameIsDnsSubdomain(address.nodeName->view()));
        }
      }
    };
    look(subset.addresses, "addresses");
    look(subset.notReadyAddresses, "notReadyAddresses");
    const FieldPath ports = subsets.Index(i, "ports");
    for (std::size_t k = 0; k < subset.ports.size(); ++k) {
      const core::v1::EndpointPort& port = subset.ports[k];
      if (port.name.empty()) {
        if (subset.ports.size() > 1) errors.Required(ports.Index(k, "name"), "");
      } else {
        errors.InvalidEach(ports.Index(k, "name"), port.name, IsDns1123Label(port.name.view()));
      }
    }
  }
}

void ValidateSlice(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& slice = next.As<discovery::v1::EndpointSlice>();
  const auto* old = before != nullptr ? &before->As<discovery::v1::EndpointSlice>() : nullptr;
  if (old != nullptr && !(slice.addressType == old->addressType)) {
    errors.Immutable(FieldPath("addressType"), slice.addressType);
  }
  const FieldPath endpoints("endpoints");
  constexpr std::size_t kMaxEndpoints = 1000;
  constexpr std::size_t kMaxAddresses = 100;
  if (slice.endpoints.size() > kMaxEndpoints) errors.TooMany(endpoints, slice.endpoints.size(), kMaxEndpoints);
  if (old != nullptr && SameItems(slice.endpoints, old->endpoints) && SameItems(slice.ports, old->ports)) return;
  for (std::size_t i = 0; i < slice.endpoints.size(); ++i) {
    const discovery::v1::Endpoint& endpoint = slice.endpoints[i];
    const FieldPath addresses = endpoints.Index(i, "addresses");
    if (endpoint.addresses.empty()) errors.Required(addresses, "must contain at least 1 address");
    if (endpoint.addresses.size() > kMaxAddresses) errors.TooMany(addresses, endpoint.addresses.size(), kMaxAddresses);
    for (std::size_t k = 0; k < endpoint.addresses.size(); ++k) {
      const Str& address = endpoint.addresses[k];
      if (slice.addressType == "FQDN") {
        errors.InvalidEach(addresses.Index(k), address, IsFullyQualifiedDomainName(address.view()));
        continue;
      }
      const std::optional<IpAddress> ip = ParseIp(address.view());
      const bool v4 = slice.addressType == "IPv4";
      if (!ip || ip->v4 != v4) {
        errors.Invalid(addresses.Index(k), address, v4 ? "must be an IPv4 address" : "must be an IPv6 address");
        continue;
      }
      ValidateEndpointIp(address, addresses.Index(k), errors);
    }
    if (endpoint.hostname) {
      errors.InvalidEach(endpoints.Index(i, "hostname"), *endpoint.hostname, IsDns1123Label(endpoint.hostname->view()));
    }
    if (endpoint.nodeName) {
      errors.InvalidEach(endpoints.Index(i, "nodeName"), *endpoint.nodeName,
                         NameIsDnsSubdomain(endpoint.nodeName->view()));
    }
  }
  const FieldPath ports("ports");
  std::set<std::string> names;
  for (std::size_t i = 0; i < slice.ports.size(); ++i) {
    const std::string name = slice.ports[i].name ? slice.ports[i].name->str() : std::string();
    if (!name.empty()) errors.InvalidEach(ports.Index(i, "name"), name, IsDns1123Label(name));
    if (!names.insert(name).second) errors.Duplicate(ports.Index(i, "name"), name);
  }
}

const Strategy kKinds[] = {
    {.group = "networking.k8s.io",
     .plural = "networkpolicies",
     .generation = true,
     .defaults = DefaultNetworkPolicy,
     .validate = ValidateNetworkPolicy},
    {.group = "networking.k8s.io",
     .plural = "ingresses",
     .generation = true,
     .status_writes_metadata = kMetadataParts,
     .validate = ValidateIngress,
     .warn = WarnOfIngress},
    {.group = "networking.k8s.io", .plural = "ingressclasses", .generation = true, .validate = ValidateIngressClass},
    {.group = "",
     .plural = "endpoints",
     .create_on_update = true,
     .deprecated = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
     .validate = ValidateEndpoints},
    {.group = "discovery.k8s.io", .plural = "endpointslices", .generation = true, .validate = ValidateSlice},
};

}  // namespace

std::span<const Strategy> NetworkKinds() { return kKinds; }

}  // namespace minikube::api
