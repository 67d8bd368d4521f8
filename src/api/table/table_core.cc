// Nodes, services, storage and the rest of the core group (and their like elsewhere).
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <minikube/api/discovery/v1.h>
#include <minikube/api/events/v1.h>
#include <minikube/api/networking/v1.h>
#include <minikube/api/storage/v1.h>

#include "api/table/table_cells.h"

namespace minikube::api {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string NodeRoles(const meta::v1::ObjectMeta& meta) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (const auto& [key, value] : meta.labels) {
    if (key.view().starts_with(kPrefix) && key.size() > kPrefix.size()) {
      roles.emplace(key.view().substr(kPrefix.size()));
    } else if (key == "kubernetes.io/role" && !value.empty()) {
      roles.emplace(value.view());
    }
  }
  return roles.empty() ? std::string(kNone) : fmt::format("{}", fmt::join(roles, ","));
}

void PrintNode(const Object& object, WallTime now, Cells& cells) {
  const auto& node = object.As<core::v1::Node>();
  std::string status = "Unknown";
  for (const auto& condition : node.status.conditions) {
    if (condition.type == "Ready") status = condition.status == "True" ? "Ready" : "NotReady";
  }
  if (node.spec.unschedulable) status += ",SchedulingDisabled";
  const auto address = [&node](std::string_view type) -> std::string_view {
    for (const auto& entry : node.status.addresses) {
      if (entry.type == type) return entry.address;
    }
    return kNone;
  };
  constexpr std::string_view kUnknown = "<unknown>";
  const auto& info = node.status.nodeInfo;
  cells.Text(node.metadata.name).Text(status).Text(NodeRoles(node.metadata)).Text(AgeOf(object, now));
  cells.Text(info.kubeletVersion).Text(address("InternalIP")).Text(address("ExternalIP"));
  cells.TextOr(info.osImage, kUnknown)
      .TextOr(info.kernelVersion, kUnknown)
      .TextOr(info.containerRuntimeVersion, kUnknown);
}

std::string BalancerAddresses(const core::v1::LoadBalancerStatus& status) {
  std::set<std::string> addresses;
  for (const auto& ingress : status.ingress) {
    if (!ingress.ip.empty()) {
      addresses.insert(ingress.ip.str());
    } else if (!ingress.hostname.empty()) {
      addresses.insert(ingress.hostname.str());
    }
  }
  return fmt::format("{}", fmt::join(addresses, ","));
}

std::string ExternalAddress(const core::v1::Service& service) {
  std::vector<std::string> addresses;
  for (const Str& ip : service.spec.externalIPs) addresses.push_back(ip.str());
  if (service.spec.type == "ExternalName") return service.spec.externalName.str();
  if (service.spec.type == "LoadBalancer") {
    if (std::string balancer = BalancerAddresses(service.status.loadBalancer); !balancer.empty()) {
      addresses.insert(addresses.begin(), std::move(balancer));
    }
    return addresses.empty() ? "<pending>" : JoinTexts(addresses, ",");
  }
  return addresses.empty() ? std::string(kNone) : JoinTexts(addresses, ",");
}

void PrintService(const Object& object, WallTime now, Cells& cells) {
  const auto& service = object.As<core::v1::Service>();
  std::vector<std::string> ports;
  for (const auto& port : service.spec.ports) {
    ports.push_back(port.nodePort > 0 ? fmt::format("{}:{}/{}", port.port, port.nodePort, port.protocol.view())
                                      : fmt::format("{}/{}", port.port, port.protocol.view()));
  }
  const Str cluster_ip = service.spec.clusterIPs.empty() ? service.spec.clusterIP : service.spec.clusterIPs.front();
  cells.Text(service.metadata.name).Text(service.spec.type).TextOr(cluster_ip, kNone);
  cells.TextOr(ExternalAddress(service), kNone).TextOr(JoinTexts(ports, ","), kNone).Text(AgeOf(object, now));
  cells.Text(LabelText(service.spec.selector));
}

void PrintEndpoints(const Object& object, WallTime now, Cells& cells) {
  const auto& endpoints = object.As<core::v1::Endpoints>();
  std::vector<std::string> texts;
  for (const auto& subset : endpoints.subsets) {
    if (subset.ports.empty()) {
      for (const auto& address : subset.addresses) texts.push_back(address.ip.str());
    }
    for (const auto& port : subset.ports) {
      for (const auto& address : subset.addresses) {
        const bool v6 = address.ip.view().find(':') != std::string_view::npos;
        texts.push_back(fmt::format("{}{}{}:{}", v6 ? "[" : "", address.ip.view(), v6 ? "]" : "", port.port));
      }
    }
  }
  cells.Text(endpoints.metadata.name).Text(FirstThree(texts)).Text(AgeOf(object, now));
}

void PrintEndpointSlice(const Object& object, WallTime now, Cells& cells) {
  const auto& slice = object.As<discovery::v1::EndpointSlice>();
  std::vector<std::string> ports;
  for (const auto& port : slice.ports) ports.push_back(port.port ? fmt::format("{}", *port.port) : "*");
  std::vector<std::string> addresses;
  for (const auto& endpoint : slice.endpoints) {
    for (const Str& address : endpoint.addresses) addresses.push_back(address.str());
  }
  cells.Text(slice.metadata.name).Text(slice.addressType);
  cells.Text(ports.empty() ? std::string(kUnset) : FirstThree(ports));
  cells.Text(addresses.empty() ? std::string(kUnset) : FirstThree(addresses)).Text(AgeOf(object, now));
}

// What both kinds of Event come to.
struct EventRow {
  Instant first;
  Instant last;
  std::int64_t count = 1;
  std::string_view type, reason, message, field_path, kind, name, component, host;
};

void PrintEventRow(const EventRow& row, const meta::v1::ObjectMeta& meta, WallTime now, Cells& cells) {
  cells.Text(Age(row.last, now)).Text(row.type).Text(row.reason);
  cells.Text(row.name.empty() ? Lower(row.kind) : fmt::format("{}/{}", Lower(row.kind), row.name));
  cells.Text(row.field_path);
  cells.Text(row.host.empty() ? std::string(row.component) : fmt::format("{}, {}", row.component, row.host));
  std::string message(row.message);
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.pop_back();
  cells.Text(message).Text(Age(row.first, now)).Text(fmt::format("{}", row.count)).Text(meta.name);
}

void PrintEvent(const Object& object, WallTime now, Cells& cells) {
  const auto& event = object.As<core::v1::Event>();
  EventRow row;
  row.first = event.firstTimestamp.empty() ? Instant(event.eventTime) : Instant(event.firstTimestamp);
  row.last = event.lastTimestamp.empty() ? row.first : Instant(event.lastTimestamp);
  if (event.count > 0) row.count = event.count;
  if (event.series) {
    row.last = event.series->lastObservedTime;
    row.count = event.series->count;
  }
  row.type = event.type;
  row.reason = event.reason;
  row.message = event.message;
  row.field_path = event.involvedObject.fieldPath;
  row.kind = event.involvedObject.kind;
  row.name = event.involvedObject.name;
  row.component = event.source.component.empty() ? event.reportingComponent : event.source.component;
  row.host = event.source.host.empty() ? event.reportingInstance : event.source.host;
  PrintEventRow(row, event.metadata, now, cells);
}

void PrintNewEvent(const Object& object, WallTime now, Cells& cells) {
  const auto& event = object.As<events::v1::Event>();
  EventRow row;
  row.first =
      event.deprecatedFirstTimestamp.empty() ? Instant(event.eventTime) : Instant(event.deprecatedFirstTimestamp);
  row.last = event.deprecatedLastTimestamp.empty() ? row.first : Instant(event.deprecatedLastTimestamp);
  if (event.deprecatedCount > 0) row.count = event.deprecatedCount;
  if (event.series) {
    row.last = event.series->lastObservedTime;
    row.count = event.series->count;
  }
  row.type = event.type;
  row.reason = event.reason;
  row.message = event.note;
  row.field_path = event.regarding.fieldPath;
  row.kind = event.regarding.kind;
  row.name = event.regarding.name;
  row.component =
      event.deprecatedSource.component.empty() ? event.reportingController : event.deprecatedSource.component;
  row.host = event.deprecatedSource.host.empty() ? event.reportingInstance : event.deprecatedSource.host;
  PrintEventRow(row, event.metadata, now, cells);
}

void PrintNamespace(const Object& object, WallTime now, Cells& cells) {
  const auto& ns = object.As<core::v1::Namespace>();
  cells.Text(ns.metadata.name).Text(ns.status.phase).Text(AgeOf(object, now));
}

void PrintConfigMap(const Object& object, WallTime now, Cells& cells) {
  const auto& map = object.As<core::v1::ConfigMap>();

  cells.Text(map.metadata.name)
      .Int(static_cast<std::int64_t>(map.data.size() + map.binaryData.size()))
      .Text(AgeOf(object, now));
}

void PrintSecret(const Object& object, WallTime now, Cells& cells) {
  const auto& secret = object.As<core::v1::Secret>();
  cells.Text(secret.metadata.name).Text(secret.type);
  cells.Int(static_cast<std::int64_t>(secret.data.size())).Text(AgeOf(object, now));
}

void PrintServiceAccount(const Object& object, WallTime now, Cells& cells) {
  const auto& account = object.As<core::v1::ServiceAccount>();
  cells.Text(account.metadata.name).Int(static_cast<std::int64_t>(account.secrets.size())).Text(AgeOf(object, now));
}

std::string StorageOf(const Map<Quantity>& capacity) {
  const Quantity* storage = capacity.Find("storage");
  return storage != nullptr ? storage->text.str() : "";
}

// The class in the old annotation wins over the field.
std::string_view ClassOf(const meta::v1::ObjectMeta& meta, std::string_view field) {
  const Str* annotation = meta.annotations.Find("volume.beta.kubernetes.io/storage-class");
  return annotation != nullptr ? annotation->view() : field;
}

std::string_view TextOf(const std::optional<Str>& value) { return value && !value->empty() ? value->view() : kUnset; }

void PrintVolume(const Object& object, WallTime now, Cells& cells) {
  const auto& volume = object.As<core::v1::PersistentVolume>();
  const auto& claim = volume.spec.claimRef;
  cells.Text(volume.metadata.name).Text(StorageOf(volume.spec.capacity)).Text(AccessModes(volume.spec.accessModes));
  cells.Text(volume.spec.persistentVolumeReclaimPolicy);
  cells.Text(volume.metadata.deletionTimestamp ? "Terminating" : volume.status.phase.view());
  cells.Text(claim ? fmt::format("{}/{}", claim->namespace_.view(), claim->name.view()) : "");
  cells.Text(ClassOf(volume.metadata, volume.spec.storageClassName));
  cells.Text(TextOf(volume.spec.volumeAttributesClassName)).Text(volume.status.reason).Text(AgeOf(object, now));
  cells.Text(TextOf(volume.spec.volumeMode));
}

void PrintClaim(const Object& object, WallTime now, Cells& cells) {
  const auto& claim = object.As<core::v1::PersistentVolumeClaim>();
  const bool bound = !claim.spec.volumeName.empty();
  cells.Text(claim.metadata.name);
  cells.Text(claim.metadata.deletionTimestamp ? "Terminating" : claim.status.phase.view());
  cells.Text(claim.spec.volumeName);
  cells.Text(bound ? StorageOf(claim.status.capacity) : "").Text(bound ? AccessModes(claim.status.accessModes) : "");
  cells.Text(
      ClassOf(claim.metadata, claim.spec.storageClassName ? claim.spec.storageClassName->view() : std::string_view()));
  cells.Text(TextOf(claim.spec.volumeAttributesClassName)).Text(AgeOf(object, now));
  cells.Text(TextOf(claim.spec.volumeMode));
}

void PrintStorageClass(const Object& object, WallTime now, Cells& cells) {
  const auto& storage = object.As<storage::v1::StorageClass>();
  std::string name = storage.metadata.name.str();
  for (const std::string_view key :
       {"storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"}) {
    const Str* value = storage.metadata.annotations.Find(key);
    if (value != nullptr && *value == "true") {
      name += " (default)";
      break;
    }
  }
  cells.Text(name).Text(storage.provisioner);
  cells.Text(storage.reclaimPolicy ? storage.reclaimPolicy->view() : "Delete");
  cells.Text(storage.volumeBindingMode ? storage.volumeBindingMode->view() : "Immediate");
  cells.Bool(storage.allowVolumeExpansion.value_or(false)).Text(AgeOf(object, now));
}

void PrintQuota(const Object& object, WallTime now, Cells& cells) {
  const auto& quota = object.As<core::v1::ResourceQuota>();
  std::vector<std::string> requests;
  std::vector<std::string> limits;
  for (const auto& [resource, hard] : quota.status.hard) {
    const Quantity* used = quota.status.used.Find(resource.view());
    std::string text =
        fmt::format("{}: {}/{}", resource.view(), used != nullptr ? used->text.view() : "0", hard.text.view());
    (resource.view().starts_with("limits") ? limits : requests).push_back(std::move(text));
  }
  cells.Text(quota.metadata.name)
      .Text(JoinTexts(requests, ", "))
      .Text(JoinTexts(limits, ", "))
      .Text(AgeOf(object, now));
}

void PrintComponentStatus(const Object& object, WallTime, Cells& cells) {
  const auto& component = object.As<core::v1::ComponentStatus>();
  std::string_view status = "Unknown";
  std::string_view message;
  std::string_view error;
  for (const auto& condition : component.conditions) {
    if (condition.type != "Healthy") continue;
    status = condition.status == "True" ? "Healthy" : "Unhealthy";
    message = condition.message;
    error = condition.error;
  }
  cells.Text(component.metadata.name).Text(status).Text(message).Text(error);
}

void PrintIngress(const Object& object, WallTime now, Cells& cells) {
  const auto& ingress = object.As<networking::v1::Ingress>();
  std::string_view name = kNone;
  if (ingress.spec.ingressClassName) {
    name = ingress.spec.ingressClassName->view();
  } else if (const Str* annotation = ingress.metadata.annotations.Find("kubernetes.io/ingress.class")) {
    name = annotation->view();
  }
  std::vector<std::string> hosts;
  for (const auto& rule : ingress.spec.rules) {
    if (!rule.host.empty()) hosts.push_back(rule.host.str());
  }
  std::vector<std::string> addresses;
  for (const auto& entry : ingress.status.loadBalancer.ingress) {
    addresses.push_back((entry.ip.empty() ? entry.hostname : entry.ip).str());
  }
  cells.Text(ingress.metadata.name).Text(name).Text(hosts.empty() ? "*" : FirstThree(hosts));
  cells.Text(JoinTexts(addresses, ",")).Text(ingress.spec.tls.empty() ? "80" : "80, 443").Text(AgeOf(object, now));
}

void PrintIngressClass(const Object& object, WallTime now, Cells& cells) {
  const auto& ingress_class = object.As<networking::v1::IngressClass>();
  std::string parameters(kNone);
  if (const auto& reference = ingress_class.spec.parameters) {
    const std::string_view group = reference->apiGroup ? reference->apiGroup->view() : std::string_view();
    parameters =
        fmt::format("{}{}{}/{}", reference->kind.view(), group.empty() ? "" : ".", group, reference->name.view());
  }
  cells.Text(ingress_class.metadata.name).Text(ingress_class.spec.controller).Text(parameters).Text(AgeOf(object, now));
}

void PrintNetworkPolicy(const Object& object, WallTime now, Cells& cells) {
  const auto& policy = object.As<networking::v1::NetworkPolicy>();
  cells.Text(policy.metadata.name).Text(SelectorText(&policy.spec.podSelector)).Text(AgeOf(object, now));
}

}  // namespace

Printer FindCorePrinter(const MessageDesc& desc) {
  static const struct {
    const MessageDesc* desc;
    Printer printer;
  } kPrinters[] = {
      {&DescriptorOf<core::v1::Node>(), PrintNode},
      {&DescriptorOf<core::v1::Service>(), PrintService},
      {&DescriptorOf<core::v1::Endpoints>(), PrintEndpoints},
      {&DescriptorOf<core::v1::Event>(), PrintEvent},
      {&DescriptorOf<core::v1::Namespace>(), PrintNamespace},
      {&DescriptorOf<core::v1::ConfigMap>(), PrintConfigMap},
      {&DescriptorOf<core::v1::Secret>(), PrintSecret},
      {&DescriptorOf<core::v1::ServiceAccount>(), PrintServiceAccount},
      {&DescriptorOf<core::v1::PersistentVolume>(), PrintVolume},
      {&DescriptorOf<core::v1::PersistentVolumeClaim>(), PrintClaim},
      {&DescriptorOf<core::v1::ResourceQuota>(), PrintQuota},
      {&DescriptorOf<core::v1::ComponentStatus>(), PrintComponentStatus},
      {&DescriptorOf<discovery::v1::EndpointSlice>(), PrintEndpointSlice},
      {&DescriptorOf<events::v1::Event>(), PrintNewEvent},
      {&DescriptorOf<storage::v1::StorageClass>(), PrintStorageClass},
      {&DescriptorOf<networking::v1::Ingress>(), PrintIngress},
      {&DescriptorOf<networking::v1::IngressClass>(), PrintIngressClass},
      {&DescriptorOf<networking::v1::NetworkPolicy>(), PrintNetworkPolicy},
  };
  for (const auto& entry : kPrinters) {
    if (entry.desc == &desc) return entry.printer;
  }
  return nullptr;
}

}  // namespace minikube::api
