#include "model/convert.h"

#include <minikube/api/autoscaling/v1.h>
#include <minikube/api/autoscaling/v2.h>
#include <minikube/api/core/v1.h>
#include <minikube/api/events/v1.h>
#include <minikube/api/resource/v1.h>
#include <minikube/api/resource/v1beta1.h>
#include <minikube/codec.h>
#include <minikube/json.h>
#include <catch2/catch.hpp>

#include "model/access.h"

namespace minikube {
namespace {

template <typename To, typename From>
To As(const From& from) {
  Result<ObjectPtr> out = Convert(*Share(from), DescriptorOf<To>());
  INFO(out.status().ToString());
  REQUIRE(out.ok());
  return (*out)->template As<To>();
}

// A value for every field, the lists and maps of one element, to a depth.
void Fill(const MessageDesc& desc, void* message, int depth) {
  for (const FieldDesc& field : desc.fields) {
    if (field.type == FieldType::kMessage && depth == 0) continue;
    void* value = nullptr;
    switch (field.shape) {
      case Shape::kList:
        value = model::ListAppend(field, message);
        break;
      case Shape::kMap:
        value = model::MapMutable(field, message, "key");
        break;
      default:
        value = model::Mutable(field, message);
    }
    switch (field.type) {
      case FieldType::kBool:
        model::As<bool>(value) = true;
        break;
      case FieldType::kInt32:
        model::As<std::int32_t>(value) = 7;
        break;
      case FieldType::kInt64:
        model::As<std::int64_t>(value) = 7;
        break;
      case FieldType::kDouble:
        model::As<double>(value) = 0.5;
        break;
      case FieldType::kString:
        model::As<Str>(value) = field.name;
        break;
      case FieldType::kBytes:
        model::As<Bytes>(value).data = "bytes";
        break;
      case FieldType::kQuantity:
        model::As<Quantity>(value) = "3";
        break;
      case FieldType::kIntOrString:
        model::As<IntOrString>(value) = IntOrString("50%");
        break;
      case FieldType::kTime:
      case FieldType::kMicroTime:
        model::As<Instant>(value) = Instant::FromUnixMicros(1'000'000);
        break;
      case FieldType::kDuration:
        model::As<Span>(value).nanos = 1;
        break;
      case FieldType::kRawJson:
        model::As<RawJson>(value).json = "{}";
        break;
      case FieldType::kJson:
        model::As<Json>(value) = Json::Object();
        break;
      case FieldType::kMessage:
        Fill(*field.message, value, depth - 1);
        break;
    }
  }
}

TEST_CASE("Every kind served in a version it is not stored in goes there and back with nothing lost") {
  std::size_t count = 0;
  for (const ResourceDesc& resource : AllResources()) {
    if (resource.storage_message == nullptr || resource.storage_message == resource.message) continue;
    if (resource.kind == "HorizontalPodAutoscaler") continue;  // not every combination of its fields has a meaning
    CAPTURE(resource.group, resource.version, resource.plural);
    ++count;
    ObjectPtr object = ObjectPtr::New(*resource.message);
    Fill(*resource.message, object->mutable_data(), 10);
    Result<ObjectPtr> stored = Convert(*object, *resource.storage_message);
    REQUIRE(stored.ok());
    Result<ObjectPtr> back = Convert(**stored, *resource.message);
    REQUIRE(back.ok());
    CHECK(EncodeJson(**back) == EncodeJson(*object));
  }
  CHECK(count >= 10);
}

TEST_CASE("Events have two names and one content") {
  core::v1::Event event;
  event.metadata.name = "e";
  event.involvedObject.name = "pod";
  event.message = "hello";
  event.source.component = "kubelet";
  event.count = 3;
  event.reportingComponent = "r";
  event.lastTimestamp = Time{Instant::FromUnixMicros(5'000'000)};
  const auto newer = As<events::v1::Event>(event);
  CHECK(newer.regarding.name == "pod");
  CHECK(newer.note == "hello");
  CHECK(newer.deprecatedSource.component == "kubelet");
  CHECK(newer.deprecatedCount == 3);
  CHECK(newer.reportingController == "r");
  CHECK(newer.deprecatedLastTimestamp == event.lastTimestamp);
  CHECK(DeepEqual(As<core::v1::Event>(newer), event));
}

TEST_CASE("Device requests of resource.k8s.io/v1beta1 are flat") {
  resource::v1beta1::ResourceClaim claim;
  resource::v1beta1::DeviceRequest request;
  request.name = "gpu";
  request.deviceClassName = "big";
  request.count = 2;
  resource::v1beta1::DeviceRequest either;
  either.name = "either";
  either.firstAvailable = {resource::v1beta1::DeviceSubRequest{.name = "a", .deviceClassName = "small"}};
  claim.spec.devices.requests = {request, either};
  const auto v1 = As<resource::v1::ResourceClaim>(claim);
  REQUIRE(v1.spec.devices.requests.size() == 2);
  REQUIRE(v1.spec.devices.requests[0].exactly);
  CHECK(v1.spec.devices.requests[0].exactly->deviceClassName == "big");
  CHECK(v1.spec.devices.requests[0].exactly->count == 2);
  CHECK_FALSE(v1.spec.devices.requests[1].exactly);
  CHECK(v1.spec.devices.requests[1].firstAvailable[0].deviceClassName == "small");
  CHECK(DeepEqual(As<resource::v1beta1::ResourceClaim>(v1), claim));
}

autoscaling::v2::MetricSpec Resource(std::string_view name, std::int32_t utilization) {
  autoscaling::v2::MetricSpec metric;
  metric.type = "Resource";
  metric.resource.Mutable().name = name;
  metric.resource.Mutable().target.type = "Utilization";
  metric.resource.Mutable().target.averageUtilization = utilization;
  return metric;
}

TEST_CASE("autoscaling/v1 keeps in annotations what it has no fields for") {
  namespace v1 = autoscaling::v1;
  namespace v2 = autoscaling::v2;
  v2::HorizontalPodAutoscaler hpa;
  hpa.metadata.annotations["mine"] = "stays";
  hpa.spec.maxReplicas = 5;
  v2::MetricSpec pods;
  pods.type = "Pods";
  pods.pods.Mutable().metric.name = "qps";
  pods.pods.Mutable().target.type = "AverageValue";
  pods.pods.Mutable().target.averageValue = Quantity("500m");
  v2::MetricSpec object;
  object.type = "Object";
  object.object.Mutable().describedObject = {.kind = "Service", .name = "web", .apiVersion = "v1"};
  object.object.Mutable().metric.name = "hits";
  object.object.Mutable().metric.selector = meta::v1::LabelSelector{.matchLabels = {{"a", "b"}}};
  object.object.Mutable().target.type = "Value";
  object.object.Mutable().target.value = Quantity("10");
  hpa.spec.metrics = {Resource("memory", 70), pods, object, Resource("cpu", 80)};
  hpa.spec.behavior.Mutable().scaleDown.Mutable().stabilizationWindowSeconds = 60;
  v2::MetricStatus status;
  status.type = "Resource";
  status.resource.Mutable().name = "cpu";
  status.resource.Mutable().current.averageUtilization = 75;
  status.resource.Mutable().current.averageValue = Quantity("750m");
  hpa.status.currentMetrics = {status};
  hpa.status.conditions = {v2::HorizontalPodAutoscalerCondition{.type = "AbleToScale", .status = "True"}};

  const auto old = As<v1::HorizontalPodAutoscaler>(hpa);
  CHECK(old.spec.targetCPUUtilizationPercentage == 80);
  CHECK(old.status.currentCPUUtilizationPercentage == 75);
  CHECK(old.metadata.annotations.size() == 5);
  const Str* metrics = old.metadata.annotations.Find("autoscaling.alpha.kubernetes.io/metrics");
  REQUIRE(metrics != nullptr);
  CHECK_THAT(metrics->str(),
             Catch::Contains(R"({"pods":{"metricName":"qps","targetAverageValue":"500m"},"type":"Pods"})"));
  CHECK(DeepEqual(As<v2::HorizontalPodAutoscaler>(old), hpa));
}

TEST_CASE("A v1 autoscaler with only a CPU target is a v2 one with one metric") {
  autoscaling::v1::HorizontalPodAutoscaler old;
  old.spec.targetCPUUtilizationPercentage = 50;
  old.metadata.annotations["autoscaling.alpha.kubernetes.io/metrics"] = "not json";
  const auto hpa = As<autoscaling::v2::HorizontalPodAutoscaler>(old);
  REQUIRE(hpa.spec.metrics.size() == 1);
  CHECK(hpa.spec.metrics[0].resource->target.averageUtilization == 50);
  CHECK(hpa.metadata.annotations.empty());
}

TEST_CASE("Only versions of one kind convert into one another") {
  const ObjectRef pod = Share(core::v1::Pod{});
  CHECK(Convert(*pod, DescriptorOf<core::v1::Service>()).status().code() == Code::kBadRequest);
  CHECK(Convert(*pod, DescriptorOf<core::v1::PodSpec>()).status().code() == Code::kBadRequest);
  CHECK(Convert(*pod, DescriptorOf<core::v1::Pod>()).ok());
}

TEST_CASE("A resource is stored under the group and version of its storage type") {
  const ResourceDesc* events = FindResource("events.k8s.io", "v1", "events");
  REQUIRE(events != nullptr);
  CHECK(&StorageResource(*events) == FindResource("", "v1", "events"));
  const ResourceDesc* pods = FindResource("", "v1", "pods");
  CHECK(&StorageResource(*pods) == pods);
  CHECK(&StorageResource(*FindResource("autoscaling", "v1", "horizontalpodautoscalers")) ==
        FindResource("autoscaling", "v2", "horizontalpodautoscalers"));
  for (const ResourceDesc& resource : AllResources()) {
    if (resource.storage_message != nullptr) CHECK(StorageResource(resource).message == resource.storage_message);
  }
}

}  // namespace
}  // namespace minikube
