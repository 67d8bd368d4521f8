// Events: core/v1 and events.k8s.io/v1, which are one kind. Semantics:
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
#include <fmt/format.h>

#include <minikube/api/core/v1.h>

#include "api/kinds/kinds.h"
#include "model/validation_names.h"

namespace minikube::api {

namespace {

using core::v1::Event;

constexpr std::string_view kGroup = "events.k8s.io";
constexpr std::size_t kMaxInstance = 128;
constexpr std::size_t kMaxAction = 128;
constexpr std::size_t kMaxReason = 128;
constexpr std::size_t kMaxNote = 1024;

void CheckLength(std::string_view value, std::size_t most, const FieldPath& path, ErrorList& errors) {
  if (value.size() > most) errors.Invalid(path, "", fmt::format("can have at most {} characters", most));
}

void RequireShort(std::string_view value, std::size_t most, std::string_view path, ErrorList& errors) {
  if (value.empty()) errors.Required(FieldPath(path), "");
  CheckLength(value, most, FieldPath(path), errors);
}

// An event about something cluster-scoped lives in the default namespace.
void CheckHome(const Event& event, ErrorList& errors) {
  const std::string_view home = event.metadata.namespace_.view();
  const std::string_view about = event.involvedObject.namespace_.view();
  const bool modern = !event.eventTime.empty();
  const bool at_home =
      !about.empty() ? modern || home == about : home == "default" || (modern && home == "kube-system");
  if (!at_home) errors.Invalid(FieldPath("involvedObject.namespace"), about, "does not match event.namespace");
}

// Who has an eventTime says in full who reports what.
void CheckReport(const Event& event, std::string_view controller_field, ErrorList& errors) {
  if (event.eventTime.empty()) return;
  const FieldPath controller(controller_field);
  if (event.reportingComponent.empty()) errors.Required(controller, "");
  errors.InvalidEach(controller, event.reportingComponent, IsQualifiedName(event.reportingComponent.view()));
  RequireShort(event.reportingInstance.view(), kMaxInstance, "reportingInstance", errors);
  RequireShort(event.action.view(), kMaxAction, "action", errors);
  RequireShort(event.reason.view(), kMaxReason, "reason", errors);
  CheckLength(event.message.view(), kMaxNote, FieldPath("message"), errors);
}

void CheckSeries(const Event& event, ErrorList& errors) {
  if (!event.series) return;
  if (event.series->count < 2) errors.Invalid(FieldPath("series.count"), "", "should be at least 2");
  if (event.series->lastObservedTime.empty()) errors.Required(FieldPath("series.lastObservedTime"), "");
}

void CheckNew(const Event& event, ErrorList& errors) {
  CheckSeries(event, errors);
  if (event.eventTime.empty()) errors.Required(FieldPath("eventTime"), "");
  if (event.type != "Normal" && event.type != "Warning") {
    errors.Invalid(FieldPath("type"), "", fmt::format("has invalid value: {}", event.type.view()));
  }
  const auto unset = [&](bool is, std::string_view path) {
    if (!is) errors.Invalid(FieldPath(path), "", "needs to be unset");
  };
  unset(event.firstTimestamp.empty(), "firstTimestamp");
  unset(event.lastTimestamp.empty(), "lastTimestamp");
  unset(event.count == 0, "count");
  unset(event.source.component.empty() && event.source.host.empty(), "source");
}

// Of an event, only its series goes on.
void CheckChange(const Event& next, const Event& before, ErrorList& errors) {
  const bool same = next.series && before.series ? DeepEqual(*next.series, *before.series)
                                                 : static_cast<bool>(next.series) == static_cast<bool>(before.series);
  if (!same) CheckSeries(next, errors);
  const auto text = [&](const Str& a, const Str& b, std::string_view path) {
    if (a != b) errors.Immutable(FieldPath(path), a);
  };
  if (!DeepEqual(next.involvedObject, before.involvedObject)) {
    errors.Immutable(FieldPath("involvedObject"), BadValue::Of(next.involvedObject));
  }
  if (!DeepEqual(next.source, before.source)) errors.Immutable(FieldPath("source"), BadValue::Of(next.source));
  if (next.count != before.count) errors.Immutable(FieldPath("count"), next.count);
  text(next.reason, before.reason, "reason");
  text(next.message, before.message, "message");
  text(next.type, before.type, "type");
  text(next.action, before.action, "action");
  text(next.reportingComponent, before.reportingComponent, "reportingController");
  text(next.reportingInstance, before.reportingInstance, "reportingInstance");
  if (next.eventTime != before.eventTime) errors.Immutable(FieldPath("eventTime"), "");
}

// The elder API is lenient, for the sake of its clients.
void ValidateEvent(const ResourceDesc& served, const Object& next, const Object* before, ErrorList& errors) {
  const auto& event = next.As<Event>();
  const bool strict = served.group == kGroup;
  CheckHome(event, errors);
  CheckReport(event, strict ? "reportingController" : "reportingComponent", errors);
  if (!strict) return;
  if (before == nullptr) {
    CheckNew(event, errors);
  } else {
    CheckChange(event, before->As<Event>(), errors);
  }
}

constexpr SelectableField kSelectors[] = {
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    {"source", "source.component", "reportingComponent"},
    "type",
    {"regarding.kind", "involvedObject.kind", "", kGroup},
    {"regarding.namespace", "involvedObject.namespace", "", kGroup},
    {"regarding.name", "involvedObject.name", "", kGroup},
    {"regarding.uid", "involvedObject.uid", "", kGroup},
    {"regarding.apiVersion", "involvedObject.apiVersion", "", kGroup},
    {"regarding.resourceVersion", "involvedObject.resourceVersion", "", kGroup},
    {"regarding.fieldPath", "involvedObject.fieldPath", "", kGroup},
    {"reason", "reason", "", kGroup},
    {"reportingController", "reportingComponent", "", kGroup},
    {"type", "type", "", kGroup},
};

std::vector<std::string> SubjectOf(const Object& event) { return {event.As<Event>().involvedObject.uid.str()}; }
constexpr Index kBySubject{"subject", &SubjectOf};
constexpr StoredIndex kIndexes[] = {{&kBySubject, "involvedObject.uid"}};

const Strategy kKinds[] = {
    {.group = "",
     .plural = "events",
     .create_on_update = true,
     .expires = true,
     .field_selectors = kSelectors,
     .indexes = kIndexes,
     .validate_as = ValidateEvent},
};

}  // namespace

std::span<const Strategy> EventKinds() { return kKinds; }

}  // namespace minikube::api
