#include <minikube/api/core/v1.h>
#include <minikube/api/networking/v1.h>
#include <minikube/api/scheduling/v1.h>
#include <minikube/api/storage/v1.h>

#include "api/bootstrap/bootstrap.h"
#include "kube/volumes.h"
#include "model/validation_names.h"

namespace minikube::api {

namespace {

ObjectPtr MakeNamespace(std::string_view name) {
  core::v1::Namespace ns;
  ns.metadata.name = name;
  ns.metadata.labels["kubernetes.io/metadata.name"] = name;
  ns.spec.finalizers = {"kubernetes"};
  ns.status.phase = "Active";
  return ObjectPtr::Of(std::move(ns));
}

ObjectPtr MakePriorityClass(std::string_view name, std::int32_t value, std::string_view description) {
  scheduling::v1::PriorityClass priority;
  priority.metadata.name = name;
  priority.metadata.generation = 1;
  priority.value = value;
  priority.description = description;
  priority.preemptionPolicy = Str("PreemptLowerPriority");
  return ObjectPtr::Of(std::move(priority));
}

// The API server itself, as pods find it.
ObjectPtr MakeKubernetesService(std::string_view range) {
  core::v1::Service service;
  service.metadata.namespace_ = "default";
  service.metadata.name = "kubernetes";
  service.metadata.labels["component"] = "apiserver";
  service.metadata.labels["provider"] = "kubernetes";
  core::v1::ServicePort port;
  port.name = "https";
  port.protocol = "TCP";
  port.port = 443;
  port.targetPort = IntOrString(6443);
  service.spec.ports.push_back(port);
  service.spec.type = "ClusterIP";
  service.spec.sessionAffinity = "None";
  service.spec.ipFamilyPolicy = Str("SingleStack");
  service.spec.internalTrafficPolicy = Str("Cluster");
  if (const std::optional<IpPrefix> prefix = ParseCidr(range)) {
    IpAddress first = prefix->Masked();
    ++first.bytes[first.v4 ? 3 : 15];
    service.spec.clusterIP = first.ToString();
    service.spec.clusterIPs.push_back(Str(first.ToString()));
    service.spec.ipFamilies.push_back(first.v4 ? Str("IPv4") : Str("IPv6"));
  }
  return ObjectPtr::Of(std::move(service));
}

ObjectPtr MakeServiceAddress(const core::v1::Service& service) {
  networking::v1::IPAddress address;
  address.metadata.name = service.spec.clusterIP;
  address.metadata.labels["ipaddress.kubernetes.io/ip-family"] = service.spec.ipFamilies.front();
  address.metadata.labels["ipaddress.kubernetes.io/managed-by"] = "ipallocator.k8s.io";
  networking::v1::ParentReference parent;
  parent.resource = "services";
  parent.namespace_ = service.metadata.namespace_;
  parent.name = service.metadata.name;
  address.spec.parentRef = parent;
  return ObjectPtr::Of(std::move(address));
}

ObjectPtr MakeServiceCidr(std::string_view range) {
  networking::v1::ServiceCIDR cidr;
  cidr.metadata.name = "kubernetes";
  cidr.spec.cidrs.push_back(Str(range));
  return ObjectPtr::Of(std::move(cidr));
}

// Volumes on the disk of the node where their first pod runs.
ObjectPtr MakeLocalPathClass() {
  storage::v1::StorageClass local;
  local.metadata.name = "local-path";
  local.metadata.annotations[kube::kDefaultClass] = "true";
  local.provisioner = kube::kLocalPath;
  local.reclaimPolicy = Str("Delete");
  local.volumeBindingMode = Str("WaitForFirstConsumer");
  return ObjectPtr::Of(std::move(local));
}

}  // namespace

std::vector<ObjectPtr> FirstObjects() {
  std::vector<ObjectPtr> objects;
  objects.push_back(MakeLocalPathClass());
  return objects;
}

std::vector<ObjectPtr> BootstrapObjects(std::string_view service_cluster_ip_range) {
  std::vector<ObjectPtr> objects;
  for (const std::string_view name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    objects.push_back(MakeNamespace(name));
  }
  objects.push_back(
      MakePriorityClass("system-node-critical", 2'000'001'000, "For pods that a node cannot work without."));
  objects.push_back(
      MakePriorityClass("system-cluster-critical", 2'000'000'000, "For pods that the cluster cannot work without."));
  objects.push_back(MakeServiceCidr(service_cluster_ip_range));
  ObjectPtr service = MakeKubernetesService(service_cluster_ip_range);
  if (!service->As<core::v1::Service>().spec.clusterIP.empty()) {
    objects.push_back(MakeServiceAddress(service->As<core::v1::Service>()));
  }
  objects.push_back(std::move(service));
  return objects;
}

}  // namespace minikube::api
