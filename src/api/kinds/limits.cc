// What bounds others: quotas, limit ranges, autoscalers, disruption budgets.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <minikube/api/autoscaling/v2.h>
#include <minikube/api/core/v1.h>
#include <minikube/api/policy/v1.h>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"
#include "api/kinds/resources.h"
#include "api/kinds/workloads.h"

namespace minikube::api {

namespace {

using namespace core::v1;         // NOLINT(google-build-using-namespace): the kinds of this file
using namespace autoscaling::v2;  // NOLINT(google-build-using-namespace): the kinds of this file

// ---- ResourceQuota --------------------------------------------------------------------------------------------------

bool IsQuotaResource(std::string_view name) {
  if (name.starts_with("count/") || name.find('/') != std::string_view::npos) return true;
  return IsStandardResource(name) && name != "storage" && !name.starts_with("limits.hugepages-");
}

void ValidateScopes(const ResourceQuotaSpec& spec, const FieldPath& path, ErrorList& errors) {
  const FieldPath scopes = path.Child("scopes");
  std::string json = "[";
  for (const Str& scope : spec.scopes) json += (json.size() > 1 ? "," : "") + GoQuote(scope.view());
  const BadValue shown = BadValue::Json(json + "]");
  const auto has = [&](std::string_view scope) {
    return std::find(spec.scopes.begin(), spec.scopes.end(), Str(scope)) != spec.scopes.end();
  };
  const auto known = [](std::string_view scope) {
    return scope == "Terminating" || scope == "NotTerminating" || scope == "BestEffort" || scope == "NotBestEffort" ||
           scope == "PriorityClass" || scope == "CrossNamespacePodAffinity" || scope == "VolumeAttributesClass";
  };
  for (const Str& scope : spec.scopes) {
    if (!known(scope.view())) errors.Invalid(scopes, shown, "unsupported scope");
  }
  if ((has("BestEffort") && has("NotBestEffort")) || (has("Terminating") && has("NotTerminating"))) {
    errors.Invalid(scopes, shown, "conflicting scopes");
  }
  if (!spec.scopeSelector) return;
  const FieldPath selector = path.Child("scopeSelector");
  const FieldPath expressions = selector.Child("matchExpressions");
  for (std::size_t i = 0; i < spec.scopeSelector->matchExpressions.size(); ++i) {
    const ScopedResourceSelectorRequirement& requirement = spec.scopeSelector->matchExpressions[i];
    const std::string_view op = requirement.operator_.view();
    const std::string_view scope = requirement.scopeName.view();
    const FieldPath here = expressions.Index(i);
    if (!scope.empty() && !known(scope)) {
      errors.Invalid(here.Child("scopeName"), requirement.scopeName, "unsupported scope");
    }
    if (scope != "PriorityClass" && scope != "VolumeAttributesClass" && known(scope) && op != "Exists") {
      errors.Invalid(here.Child("operator"), requirement.operator_,
                     "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
                     "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort "
                     "or ResourceQuotaScopeCrossNamespacePodAffinity");
    }
    if ((op == "In" || op == "NotIn") && requirement.values.empty()) {
      errors.Required(here.Child("values"),
                      "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    }
    if ((op == "Exists" || op == "DoesNotExist") && !requirement.values.empty()) {
      errors.Invalid(here.Child("values"), "",
                     "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
    }
  }
}

void ValidateQuota(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const ResourceQuotaSpec& spec = next.As<ResourceQuota>().spec;
  const FieldPath path("spec");
  const FieldPath hard = path.Child("hard");
  for (const auto& [key, quantity] : spec.hard) {
    const std::string_view name = key.view();
    const Messages messages = IsQualifiedName(name);
    errors.InvalidEach(hard.Key(name), name, messages);
    if (messages.empty() && !IsQuotaResource(name)) {
      if (!IsStandardResource(name)) {
        errors.Invalid(hard.Key(name), name, "must be a standard resource type or fully qualified");
      }
      errors.Invalid(hard.Key(name), name, "must be a standard resource for quota");
    }
    ValidateAmount(name, quantity, hard.Key(name), errors);
  }
  ValidateScopes(spec, path, errors);
  if (before == nullptr) return;
  std::set<std::string_view> now;
  std::set<std::string_view> then;
  for (const Str& scope : spec.scopes) now.insert(scope.view());
  for (const Str& scope : before->As<ResourceQuota>().spec.scopes) then.insert(scope.view());
  if (now != then) errors.Invalid(path.Child("scopes"), "", "field is immutable");
}

// ---- LimitRange -----------------------------------------------------------------------------------------------------

void DefaultLimitRange(Object& next, const Object*) {
  auto& limits = next.As<LimitRange>().spec.limits;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (!(limits[i].type == "Container")) continue;
    LimitRangeItem& item = limits.Mutable(i);
    for (const auto& [name, max] : Map<Quantity>(item.max)) {
      if (!item.default_.Contains(name.view())) item.default_[name.view()] = max;
    }
    for (const auto& [name, value] : Map<Quantity>(item.default_)) {
      if (!item.defaultRequest.Contains(name.view())) item.defaultRequest[name.view()] = value;
    }
    for (const auto& [name, min] : Map<Quantity>(item.min)) {
      if (!item.defaultRequest.Contains(name.view())) item.defaultRequest[name.view()] = min;
    }
  }
}

void ValidateItemNames(const Map<Quantity>& quantities, const FieldPath& path, ErrorList& errors) {
  for (const auto& entry : quantities) {
    errors.InvalidEach(path.Key(entry.key.view()), entry.key, IsQualifiedName(entry.key.view()));
  }
}

// The amounts of one resource are in order: min, default request, default, max.
void ValidateOrder(const LimitRangeItem& item, std::string_view name, const FieldPath& path, ErrorList& errors) {
  struct Bound {
    const char* words;
    const Quantity* value;
  };
  const Bound min{"min value", item.min.Find(name)};
  const Bound max{"max value", item.max.Find(name)};
  const Bound limit{"default limit value", item.default_.Find(name)};
  const Bound plain_limit{"default value", limit.value};
  const Bound request{"default request value", item.defaultRequest.Find(name)};
  const auto check = [&](const Bound& low, const Bound& high, std::string_view field, const Quantity* shown) {
    if (low.value == nullptr || high.value == nullptr || low.value->Compare(*high.value) <= 0) return;
    const FieldPath list = path.Child(field);
    errors.Invalid(list.Key(name), *shown,
                   fmt::format("{} {} is greater than {} {}", low.words, low.value->text.view(), high.words,
                               high.value->text.view()));
  };
  check(min, max, "min", min.value);
  check(min, request, "defaultRequest", request.value);
  check(request, max, "defaultRequest", request.value);
  check(request, limit, "defaultRequest", request.value);
  check(min, plain_limit, "default", min.value);
  check(plain_limit, max, "default", max.value);
  const Quantity* ratio = item.maxLimitRequestRatio.Find(name);
  if (ratio == nullptr) return;
  const FieldPath ratios = path.Child("maxLimitRequestRatio");
  if (ratio->Compare("1") < 0) {
    errors.Invalid(ratios.Key(name), *ratio, fmt::format("ratio {} is less than 1", ratio->text.view()));
  }
  if (min.value == nullptr || max.value == nullptr || min.value->MilliValue() == 0) return;
  const double widest = static_cast<double>(max.value->MilliValue()) / static_cast<double>(min.value->MilliValue());
  if (static_cast<double>(ratio->MilliValue()) / 1000 > widest) {
    errors.Invalid(ratios.Key(name), *ratio,
                   fmt::format("ratio {} is greater than max/min = {:f}", ratio->text.view(), widest));
  }
}

void ValidateLimitRange(const Object& next, const Object*, std::string_view, ErrorList& errors) {
  const auto& limits = next.As<LimitRange>().spec.limits;
  const FieldPath path("spec.limits");
  std::set<std::string_view> types;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const LimitRangeItem& item = limits[i];
    const FieldPath here = path.Index(i);
    if (!item.type.empty() && !(item.type == "Pod") && !(item.type == "Container") &&
        !(item.type == "PersistentVolumeClaim") && item.type.view().find('/') == std::string_view::npos) {
      errors.Invalid(here.Child("type"), item.type, "must be a standard limit type or fully qualified");
    }
    if (!types.insert(item.type.view()).second) errors.Duplicate(here.Child("type"), item.type);
    ValidateItemNames(item.max, here.Child("max"), errors);
    ValidateItemNames(item.min, here.Child("min"), errors);
    if (item.type == "Pod") {
      if (!item.default_.empty()) errors.Forbidden(here.Child("default"), "may not be specified when `type` is 'Pod'");
      if (!item.defaultRequest.empty()) {
        errors.Forbidden(here.Child("defaultRequest"), "may not be specified when `type` is 'Pod'");
      }
    } else {
      ValidateItemNames(item.default_, here.Child("default"), errors);
      ValidateItemNames(item.defaultRequest, here.Child("defaultRequest"), errors);
    }
    if (item.type == "PersistentVolumeClaim" && !item.min.Contains("storage") && !item.max.Contains("storage")) {
      errors.Required(here.Child("limits"),
                      "either minimum or maximum storage value is required, but neither was provided");
    }
    std::set<std::string_view> names;
    for (const Map<Quantity>* map :
         {&item.max, &item.min, &item.default_, &item.defaultRequest, &item.maxLimitRequestRatio}) {
      for (const auto& entry : *map) names.insert(entry.key.view());
    }
    for (const std::string_view name : names) ValidateOrder(item, name, here, errors);
  }
}

// ---- HorizontalPodAutoscaler ----------------------------------------------------------------------------------------

HPAScalingPolicy Policy(std::string_view type, std::int32_t value, std::int32_t seconds) {
  HPAScalingPolicy policy;
  policy.type = type;
  policy.value = value;
  policy.periodSeconds = seconds;
  return policy;
}

void DefaultAutoscaler(Object& next, const Object*) {
  HorizontalPodAutoscalerSpec& spec = next.As<HorizontalPodAutoscaler>().spec;
  if (spec.metrics.empty()) {
    MetricSpec metric;
    metric.type = "Resource";
    ResourceMetricSource& cpu = metric.resource.Mutable();
    cpu.name = "cpu";
    cpu.target.type = "Utilization";
    cpu.target.averageUtilization = 80;
    spec.metrics.push_back(std::move(metric));
  }
  if (!spec.behavior) return;
  HPAScalingRules& up = spec.behavior.Mutable().scaleUp.Mutable();
  if (!up.stabilizationWindowSeconds) up.stabilizationWindowSeconds = 0;
  if (!up.selectPolicy) up.selectPolicy = Str("Max");
  if (up.policies.empty()) up.policies = {Policy("Pods", 4, 15), Policy("Percent", 100, 15)};
  HPAScalingRules& down = spec.behavior.Mutable().scaleDown.Mutable();
  if (!down.selectPolicy) down.selectPolicy = Str("Max");
  if (down.policies.empty()) down.policies = {Policy("Percent", 100, 15)};
}

void ValidateTarget(const MetricTarget& target, const FieldPath& path, ErrorList& errors) {
  const Str& type = target.type;
  if (!(type == "Utilization") && !(type == "Value") && !(type == "AverageValue")) {
    errors.Invalid(path.Child("type"), type, "must be either Utilization, Value, or AverageValue");
  }
  if (target.value && target.value->Compare("0") <= 0) {
    errors.Invalid(path.Child("value"), *target.value, "must be positive");
  }
  if (target.averageValue && target.averageValue->Compare("0") <= 0) {
    errors.Invalid(path.Child("averageValue"), *target.averageValue, "must be positive");
  }
}

void ValidateResourceTarget(const MetricTarget& target, const FieldPath& path, ErrorList& errors) {
  ValidateTarget(target, path, errors);
  if (!target.averageUtilization && !target.averageValue) {
    errors.Required(path.Child("averageUtilization"), "must set either a target raw value or a target utilization");
  } else if (target.averageUtilization && target.averageValue) {
    errors.Forbidden(path.Child("averageValue"), "may not set both a target raw value and a target utilization");
  }
}

void ValidateValueTarget(const MetricTarget& target, const FieldPath& path, ErrorList& errors) {
  ValidateTarget(target, path, errors);
  if (!target.value && !target.averageValue) {
    errors.Required(path.Child("averageValue"), "must set either a target value for metric or a per-pod target");
  }
}

void ValidateMetric(const MetricSpec& metric, const FieldPath& path, ErrorList& errors) {
  struct Source {
    std::string_view type;
    std::string_view field;
    bool given;
  };
  const Source sources[] = {{"Object", "object", static_cast<bool>(metric.object)},
                            {"External", "external", static_cast<bool>(metric.external)},
                            {"Pods", "pods", static_cast<bool>(metric.pods)},
                            {"Resource", "resource", static_cast<bool>(metric.resource)},
                            {"ContainerResource", "containerResource", static_cast<bool>(metric.containerResource)}};
  const auto source =
      std::find_if(std::begin(sources), std::end(sources), [&](const Source& s) { return metric.type == s.type; });
  if (source == std::end(sources)) {
    if (!metric.type.empty()) {
      errors.NotSupported(path.Child("type"), metric.type,
                          {"ContainerResource", "External", "Object", "Pods", "Resource"});
    }
    return;
  }
  if (!source->given) {
    errors.Required(path.Child(source->field), "must populate information for the given metric source");
  }
  for (const Source& other : sources) {
    if (other.given && other.type != source->type) {
      errors.Forbidden(path.Child(other.field), "must populate the given metric source only");
    }
  }
  if (metric.resource) ValidateResourceTarget(metric.resource->target, path.Child("resource.target"), errors);
  if (metric.containerResource) {
    ValidateResourceTarget(metric.containerResource->target, path.Child("containerResource.target"), errors);
  }
  if (metric.pods) {
    ValidateTarget(metric.pods->target, path.Child("pods.target"), errors);
    if (!metric.pods->target.averageValue) {
      errors.Required(path.Child("pods.target.averageValue"), "must specify a positive target averageValue");
    }
  }
  if (metric.object) ValidateValueTarget(metric.object->target, path.Child("object.target"), errors);
  if (metric.external) ValidateValueTarget(metric.external->target, path.Child("external.target"), errors);
}

void ValidateScaling(const Box<HPAScalingRules>& rules, const FieldPath& path, ErrorList& errors) {
  if (!rules) return;
  if (rules->selectPolicy && !(*rules->selectPolicy == "Max") && !(*rules->selectPolicy == "Min") &&
      !(*rules->selectPolicy == "Disabled")) {
    errors.NotSupported(path.Child("selectPolicy"), *rules->selectPolicy, {"Disabled", "Max", "Min"});
  }
  const FieldPath policies = path.Child("policies");
  if (rules->policies.empty()) errors.Required(policies, "must specify at least one Policy");
  for (std::size_t i = 0; i < rules->policies.size(); ++i) {
    const Str& type = rules->policies[i].type;
    if (type == "Pods" || type == "Percent") continue;
    errors.NotSupported(policies.Index(i, "type"), type, {"Percent", "Pods"});
  }
  if (rules->tolerance && rules->tolerance->Compare("0") < 0) {
    errors.Invalid(path.Child("tolerance"), *rules->tolerance, "must be greater than or equal to 0");
  }
}

void ValidateAutoscaler(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const HorizontalPodAutoscalerSpec& spec = next.As<HorizontalPodAutoscaler>().spec;
  if (before != nullptr && DeepEqual(spec, before->As<HorizontalPodAutoscaler>().spec)) return;
  const FieldPath path("spec");
  if (spec.minReplicas && spec.maxReplicas < *spec.minReplicas) {
    errors.Invalid(path.Child("maxReplicas"), spec.maxReplicas, "must be greater than or equal to `minReplicas`");
  }
  const FieldPath target = path.Child("scaleTargetRef");
  if (!spec.scaleTargetRef.kind.empty()) {
    errors.InvalidEach(target.Child("kind"), spec.scaleTargetRef.kind,
                       NameIsPathSegment(spec.scaleTargetRef.kind.view()));
  }
  if (!spec.scaleTargetRef.name.empty()) {
    errors.InvalidEach(target.Child("name"), spec.scaleTargetRef.name,
                       NameIsPathSegment(spec.scaleTargetRef.name.view()));
  }
  const FieldPath metrics = path.Child("metrics");
  bool can_be_none = false;
  for (std::size_t i = 0; i < spec.metrics.size(); ++i) {
    ValidateMetric(spec.metrics[i], metrics.Index(i), errors);
    can_be_none |= spec.metrics[i].type == "Object" || spec.metrics[i].type == "External";
  }
  if (spec.minReplicas && *spec.minReplicas == 0 && !can_be_none) {
    errors.Forbidden(metrics,
                     "must specify at least one Object or External metric to support scaling to zero replicas");
  }
  if (!spec.behavior) return;
  const FieldPath behavior = path.Child("behavior");
  ValidateScaling(spec.behavior->scaleUp, behavior.Child("scaleUp"), errors);
  ValidateScaling(spec.behavior->scaleDown, behavior.Child("scaleDown"), errors);
}

// ---- PodDisruptionBudget --------------------------------------------------------------------------------------------

void ValidateBudget(const Object& next, const Object*, std::string_view, ErrorList& errors) {
  const auto& spec = next.As<policy::v1::PodDisruptionBudget>().spec;
  const FieldPath path("spec");
  if (spec.minAvailable && spec.maxUnavailable) {
    errors.Invalid(path, BadValue::Of(spec), "minAvailable and maxUnavailable cannot be both set");
  }
  ValidateShare(spec.minAvailable, path.Child("minAvailable"), errors);
  ValidateNotMoreThanAll(spec.minAvailable, path.Child("minAvailable"), errors);
  ValidateShare(spec.maxUnavailable, path.Child("maxUnavailable"), errors);
  ValidateNotMoreThanAll(spec.maxUnavailable, path.Child("maxUnavailable"), errors);
  if (spec.selector) ValidateLabelSelector(*spec.selector, path.Child("selector"), errors);
}

const Strategy kKinds[] = {
    {.group = "",
     .plural = "limitranges",
     .create_on_update = true,
     .defaults = DefaultLimitRange,
     .validate = ValidateLimitRange},
    {.group = "",
     .plural = "resourcequotas",
     .returns_deleted = true,
     .status_writes_metadata = kMetadataParts,
     .validate = ValidateQuota},
    {.group = "autoscaling",
     .plural = "horizontalpodautoscalers",
     .status_writes_metadata = kMetadataParts,
     .defaults = DefaultAutoscaler,
     .validate = ValidateAutoscaler},
    {.group = "policy",
     .plural = "poddisruptionbudgets",
     .generation = true,
     .unconditional_update = false,
     .status_writes_metadata = kMetadataParts,
     .validate = ValidateBudget},
};

}  // namespace

std::span<const Strategy> LimitKinds() { return kKinds; }

}  // namespace minikube::api
