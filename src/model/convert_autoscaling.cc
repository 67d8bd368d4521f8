// HorizontalPodAutoscaler between autoscaling/v1, which knows only a CPU target, and v2. What v1 has no field for
// travels in annotations, in the JSON of the (unserved) types MetricSpec, MetricStatus, ... of v1, so that nothing is
// lost.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <minikube/api/autoscaling/v1.h>
#include <minikube/api/autoscaling/v2.h>
#include <minikube/codec.h>
#include <nlohmann/json.hpp>

#include "model/convert_internal.h"
#include "model/json_text.h"

namespace minikube::internal {
namespace {

using Json = nlohmann::json;
namespace v1 = autoscaling::v1;
namespace v2 = autoscaling::v2;

constexpr std::string_view kMetrics = "autoscaling.alpha.kubernetes.io/metrics";
constexpr std::string_view kCurrentMetrics = "autoscaling.alpha.kubernetes.io/current-metrics";
constexpr std::string_view kConditions = "autoscaling.alpha.kubernetes.io/conditions";
constexpr std::string_view kBehavior = "autoscaling.alpha.kubernetes.io/behavior";
constexpr int kMaxDepth = 100;

template <typename T>
Json ToJson(const T& message) {
  std::string text;
  EncodeJsonMessage(DescriptorOf<T>(), &message, text);
  Result<Json> out = ParseJson(text, kMaxDepth);
  return out ? std::move(*out) : Json::object();
}

template <typename T>
std::optional<T> FromJson(const Json& json) {
  T out;
  if (!DecodeJsonMessage(DescriptorOf<T>(), JsonText(json), &out).ok()) return std::nullopt;
  return out;
}

// One value, as JSON pointers into a metric of v2 and of v1.
struct Place {
  const char* v2;
  const char* v1;
};
constexpr Place kSpecPlaces[] = {
    {"/type", "/type"},
    {"/object/describedObject", "/object/target"},
    {"/object/metric/name", "/object/metricName"},
    {"/object/metric/selector", "/object/selector"},
    {"/object/target/value", "/object/targetValue"},
    {"/object/target/averageValue", "/object/averageValue"},
    {"/pods/metric/name", "/pods/metricName"},
    {"/pods/metric/selector", "/pods/selector"},
    {"/pods/target/averageValue", "/pods/targetAverageValue"},
    {"/resource/name", "/resource/name"},
    {"/resource/target/averageUtilization", "/resource/targetAverageUtilization"},
    {"/resource/target/averageValue", "/resource/targetAverageValue"},
    {"/containerResource/name", "/containerResource/name"},
    {"/containerResource/container", "/containerResource/container"},
    {"/containerResource/target/averageUtilization", "/containerResource/targetAverageUtilization"},
    {"/containerResource/target/averageValue", "/containerResource/targetAverageValue"},
    {"/external/metric/name", "/external/metricName"},
    {"/external/metric/selector", "/external/metricSelector"},
    {"/external/target/value", "/external/targetValue"},
    {"/external/target/averageValue", "/external/targetAverageValue"},
};
constexpr Place kStatusPlaces[] = {
    {"/type", "/type"},
    {"/object/describedObject", "/object/target"},
    {"/object/metric/name", "/object/metricName"},
    {"/object/metric/selector", "/object/selector"},
    {"/object/current/value", "/object/currentValue"},
    {"/object/current/averageValue", "/object/averageValue"},
    {"/pods/metric/name", "/pods/metricName"},
    {"/pods/metric/selector", "/pods/selector"},
    {"/pods/current/averageValue", "/pods/currentAverageValue"},
    {"/resource/name", "/resource/name"},
    {"/resource/current/averageUtilization", "/resource/currentAverageUtilization"},
    {"/resource/current/averageValue", "/resource/currentAverageValue"},
    {"/containerResource/name", "/containerResource/name"},
    {"/containerResource/container", "/containerResource/container"},
    {"/containerResource/current/averageUtilization", "/containerResource/currentAverageUtilization"},
    {"/containerResource/current/averageValue", "/containerResource/currentAverageValue"},
    {"/external/metric/name", "/external/metricName"},
    {"/external/metric/selector", "/external/metricSelector"},
    {"/external/current/value", "/external/currentValue"},
    {"/external/current/averageValue", "/external/currentAverageValue"},
};

enum class Direction : std::uint8_t { kToV1, kToV2 };

// Pointers into what users wrote may run into scalars; at() would throw, so this asks first.
const Json* Find(const Json& root, const char* pointer) {
  const Json* at = &root;
  std::string_view rest(pointer);
  while (!rest.empty()) {
    const std::size_t end = rest.find('/', 1);
    if (!at->is_object()) return nullptr;
    const auto it = at->find(rest.substr(1, end == std::string_view::npos ? end : end - 1));
    if (it == at->end()) return nullptr;
    at = &*it;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  }
  return at;
}

Json Translate(const Json& metric, std::span<const Place> places, Direction direction) {
  Json out = Json::object();
  for (const Place& place : places) {
    const bool to_v1 = direction == Direction::kToV1;
    const Json* value = Find(metric, to_v1 ? place.v2 : place.v1);
    if (value != nullptr) out[Json::json_pointer(to_v1 ? place.v1 : place.v2)] = *value;
  }
  return out;
}

// v1 does not say what kind of target a metric has; the values present do.
void NameTargetTypes(Json& metric) {
  for (const char* source : {"object", "pods", "resource", "containerResource", "external"}) {
    const auto it = metric.find(source);
    if (it == metric.end() || !it->is_object()) continue;
    Json& target = (*it)["target"];
    if (!target.is_object()) target = Json::object();
    if (target.contains("averageUtilization")) {
      target["type"] = "Utilization";
    } else if (target.contains("averageValue")) {
      target["type"] = "AverageValue";
    } else {
      target["type"] =
          std::string_view(source) == "object" || std::string_view(source) == "external" ? "Value" : "AverageValue";
    }
  }
}

template <typename T>
void AddArray(meta::v1::ObjectMeta& metadata, std::string_view key, const T& metrics, std::span<const Place> places) {
  Json array = Json::array();
  for (const auto& metric : metrics) array.push_back(Translate(ToJson(metric), places, Direction::kToV1));
  if (!array.empty()) metadata.annotations[key] = JsonText(array);
}

// The elements of the JSON array in the annotation that decode as T; nullopt without the annotation, or if it is not
// one.
template <typename T>
std::optional<List<T>> TakeArray(const meta::v1::ObjectMeta& metadata, std::string_view key,
                                 std::span<const Place> places) {
  const Str* text = metadata.annotations.Find(key);
  if (text == nullptr) return std::nullopt;
  const Result<Json> array = ParseJson(*text, kMaxDepth);
  if (!array || !array->is_array()) return std::nullopt;
  List<T> out;
  for (const Json& item : *array) {
    Json metric = places.empty() ? item : Translate(item, places, Direction::kToV2);
    if constexpr (std::is_same_v<T, v2::MetricSpec>) NameTargetTypes(metric);
    std::optional<T> value = FromJson<T>(metric);
    if (!value) return std::nullopt;
    out.push_back(std::move(*value));
  }
  return out;
}

void DropAnnotations(meta::v1::ObjectMeta& metadata) {
  for (std::string_view key : {kMetrics, kCurrentMetrics, kConditions, kBehavior}) metadata.annotations.Erase(key);
}

bool IsCpuUtilization(const v2::MetricSpec& metric) {
  return metric.type == "Resource" && metric.resource && metric.resource->name == "cpu" &&
         metric.resource->target.averageUtilization.has_value();
}

}  // namespace

void FinishHpaV2ToV1(const void* from, void* to) {
  const auto& in = *static_cast<const v2::HorizontalPodAutoscaler*>(from);
  auto& out = *static_cast<v1::HorizontalPodAutoscaler*>(to);
  // Only what this conversion produces may stand there.
  DropAnnotations(out.metadata);
  List<v2::MetricSpec> others;
  for (const v2::MetricSpec& metric : in.spec.metrics) {
    if (!IsCpuUtilization(metric)) {
      others.push_back(metric);
    } else if (!out.spec.targetCPUUtilizationPercentage) {
      out.spec.targetCPUUtilizationPercentage = metric.resource->target.averageUtilization;
    }
  }
  for (const v2::MetricStatus& metric : in.status.currentMetrics) {
    if (metric.type == "Resource" && metric.resource && metric.resource->name == "cpu" &&
        metric.resource->current.averageUtilization) {
      out.status.currentCPUUtilizationPercentage = metric.resource->current.averageUtilization;
    }
  }
  AddArray(out.metadata, kMetrics, others, kSpecPlaces);
  AddArray(out.metadata, kCurrentMetrics, in.status.currentMetrics, kStatusPlaces);
  if (!in.status.conditions.empty()) {
    Json array = Json::array();
    for (const auto& condition : in.status.conditions) array.push_back(ToJson(condition));
    out.metadata.annotations[kConditions] = JsonText(array);
  }
  if (in.spec.behavior) out.metadata.annotations[kBehavior] = JsonText(ToJson(*in.spec.behavior));
}

void FinishHpaV1ToV2(const void* from, void* to) {
  const auto& in = *static_cast<const v1::HorizontalPodAutoscaler*>(from);
  auto& out = *static_cast<v2::HorizontalPodAutoscaler*>(to);
  if (auto others = TakeArray<v2::MetricSpec>(in.metadata, kMetrics, kSpecPlaces)) {
    out.spec.metrics = std::move(*others);
  }
  if (in.spec.targetCPUUtilizationPercentage) {
    v2::MetricSpec cpu;
    cpu.type = "Resource";
    v2::ResourceMetricSource& source = cpu.resource.Mutable();
    source.name = "cpu";
    source.target.type = "Utilization";
    source.target.averageUtilization = in.spec.targetCPUUtilizationPercentage;
    out.spec.metrics.push_back(std::move(cpu));
  }
  if (auto metrics = TakeArray<v2::MetricStatus>(in.metadata, kCurrentMetrics, kStatusPlaces)) {
    out.status.currentMetrics = std::move(*metrics);
  } else if (in.status.currentCPUUtilizationPercentage) {
    v2::MetricStatus cpu;
    cpu.type = "Resource";
    v2::ResourceMetricStatus& source = cpu.resource.Mutable();
    source.name = "cpu";
    source.current.averageUtilization = in.status.currentCPUUtilizationPercentage;
    out.status.currentMetrics.push_back(std::move(cpu));
  }
  if (auto conditions = TakeArray<v2::HorizontalPodAutoscalerCondition>(in.metadata, kConditions, {})) {
    out.status.conditions = std::move(*conditions);
  }
  if (const Str* text = in.metadata.annotations.Find(kBehavior)) {
    const Result<Json> json = ParseJson(*text, kMaxDepth);
    if (auto behavior = json ? FromJson<v2::HorizontalPodAutoscalerBehavior>(*json) : std::nullopt) {
      out.spec.behavior = std::move(*behavior);
    }
  }
  DropAnnotations(out.metadata);
}

}  // namespace minikube::internal
