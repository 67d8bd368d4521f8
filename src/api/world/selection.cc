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
  // No part can hold a zero byte, for it has passed a parser or is a name.
  selection.key_ = fmt::format("{}{}{}{}{}{}{}", request.ns, '\0', request.label_selector, '\0', request.field_selector,
                               '\0', request.name);

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
    if (requirement.value.empty()) continue;  // what has no value is in no index
    for (const StoredIndex& stored : kind.strategy.indexes) {
      if (selection.index_ != nullptr || stored.field != requirement.path) continue;
      selection.index_ = stored.index;
      selection.index_value_ = requirement.value;
    }
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

namespace {

// Behind every object of the namespace: names are ASCII.
NameKey EndOf(std::string_view ns) { return {ns, "\x7f"}; }

}  // namespace

Selected::Selected(const ObjectTable& table, const Selection& selection, NameKey after)
    : table_(table), selection_(selection) {
  if (after.ns.empty() && after.name.empty()) after.ns = selection.ns();
  entries_ = table.LowerBound(after);
  if (entries_ && EntryOrder::Compare(EntryOrder::KeyOf(*entries_), after) == 0) ++entries_;
  if (!selection.name().empty() || selection.index() == nullptr) return;
  index_ = table.FindIndex(selection.index()->name);
  if (index_ == nullptr) return;
  const client::IndexKey from{selection.index_value(), after};
  range_ = index_->LowerBound(from);
  if (range_ && client::IndexOrder::Compare(client::IndexOrder::KeyOf(*range_), from) == 0) ++range_;
}

const Entry* Selected::Next() {
  for (const Entry* entry = NextCandidate(); entry != nullptr; entry = NextCandidate()) {
    ++looked_at_;
    if (selection_.Matches(*entry->object)) return entry;
  }
  return nullptr;
}

const Entry* Selected::NextCandidate() {
  if (ended_) return nullptr;
  const std::string& ns = selection_.ns();
  if (index_ != nullptr) {
    if (!range_ || !(range_->value == selection_.index_value())) return nullptr;
    if (!ns.empty() && !(range_->ns == ns)) return nullptr;
    const Entry* entry = table_.Find({range_->ns.view(), range_->name.view()});
    ++range_;
    return entry;
  }
  while (entries_) {
    const NameKey key = EntryOrder::KeyOf(*entries_);
    if (!ns.empty() && key.ns != ns) return nullptr;
    if (selection_.name().empty()) {
      const Entry* entry = &*entries_;
      ++entries_;
      return entry;
    }
    // One object at most in each namespace: found, and on to the next namespace.
    const Entry* entry = key.name <= selection_.name() ? table_.Find({key.ns, selection_.name()}) : nullptr;
    ended_ = key.ns.empty();
    entries_ = table_.LowerBound(EndOf(key.ns));
    if (entry != nullptr || ended_) return entry;
  }
  return nullptr;
}

}  // namespace minikube::api
