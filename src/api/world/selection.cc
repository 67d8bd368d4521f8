#include "api/world/selection.h"

#include <algorithm>

#include <fmt/format.h>

namespace minikube::api {

namespace {

// events.k8s.io names some fields differently from core/v1, which events are stored as.
std::string StoredFieldName(const ResourceDesc& resource, const std::string& path) {
  if (resource.group == "events.k8s.io") {
    if (path.starts_with("regarding.")) return "involvedObject." + path.substr(10);
    if (path == "reportingController") return "reportingComponent";
  }
  return path;
}

}  // namespace

Result<Selection> Selection::Of(const StoredKind& kind, const ApiRequest& request) {
  Selection selection;
  selection.ns_ = request.ns;
  Result<LabelSelector> labels = LabelSelector::Parse(request.label_selector);
  if (!labels) return labels.status();
  selection.labels_ = std::move(labels).value();

  std::string text = request.field_selector;
  // A request that names its object selects by that name.
  if (!request.name.empty())
    text += fmt::format("{}metadata.name={}", text.empty() ? "" : ",", FieldSelector::Escape(request.name));
  if (text.empty()) return selection;
  if (request.resource->group == "events.k8s.io") {
    Result<FieldSelector> served = FieldSelector::Parse(text);
    if (!served) return served.status();
    text.clear();
    for (const FieldSelector::Requirement& requirement : served->requirements()) {
      text += fmt::format("{}{}{}{}", text.empty() ? "" : ",", StoredFieldName(*request.resource, requirement.path),
                          requirement.equals ? "=" : "!=", FieldSelector::Escape(requirement.value));
    }
  }
  Result<FieldSelector> fields = FieldSelector::Parse(text);
  if (!fields) return fields.status();
  const std::span<const std::string_view> supported = kind.strategy.field_selectors;
  for (const FieldSelector::Requirement& requirement : fields->requirements()) {
    const bool known = requirement.path == "metadata.name" ||
                       (requirement.path == "metadata.namespace" && kind.resource->namespaced) ||
                       std::find(supported.begin(), supported.end(), requirement.path) != supported.end();
    if (!known) return Status(Code::kBadRequest, fmt::format("field label not supported: {}", requirement.path));
    if (!requirement.equals) continue;
    if (requirement.path == "metadata.name") selection.name_ = requirement.value;
    if (requirement.path == "spec.nodeName" && kind.prefix == "/registry/pods/") selection.node_ = requirement.value;
  }
  Result<FieldMatcher> matcher = FieldMatcher::Compile(*fields, *kind.message);
  if (!matcher) return matcher.status();
  selection.fields_ = std::move(matcher).value();
  return selection;
}

bool Selection::Matches(const Object& object) const {
  if (!ns_.empty() && !(object.meta().namespace_ == ns_)) return false;
  return fields_.Matches(object) && labels_.Matches(object.meta().labels);
}

}  // namespace minikube::api
