#include "api/world/selection.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/world/custom_resource.h"

namespace minikube::api {

namespace {

constexpr SelectableField kName{"metadata.name"};
constexpr SelectableField kNamespace{"metadata.namespace"};

// Null if `resource` does not select by it.
const SelectableField* FindField(const StoredKind& kind, const ResourceDesc& resource, std::string_view path) {
  if (path == kName.path) return &kName;
  if (path == kNamespace.path) return resource.namespaced ? &kNamespace : nullptr;
  if (const CustomResourceDesc* custom = AsCustomResource(resource)) {
    const auto found = std::find_if(custom->field_selectors.begin(), custom->field_selectors.end(),
                                    [&](const SelectableField& field) { return field.path == path; });
    return found != custom->field_selectors.end() ? &*found : nullptr;
  }
  for (const SelectableField& field : kind.strategy.field_selectors) {
    if (field.path == path && (field.group.empty() ? kind.strategy.group : field.group) == resource.group)
      return &field;
  }
  return nullptr;
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

  Result<FieldSelector> fields = FieldSelector::Parse(request.field_selector);
  if (!fields) return fields.status();
  std::vector<FieldSelector::Requirement> requirements = fields->requirements();
  // A request that names its object selects by that name.
  if (!request.name.empty()) requirements.push_back({std::string(kName.path), true, request.name});
  for (const FieldSelector::Requirement& requirement : requirements) {
    const SelectableField* field = FindField(kind, *request.resource, requirement.path);
    if (field == nullptr) {
      return Status(Code::kBadRequest, fmt::format("field label not supported: {}", requirement.path));
    }
    MINIKUBE_RETURN_IF_ERROR(
        selection.fields_.Add(*kind.message, field->stored, field->otherwise, requirement.equals, requirement.value));
    if (!requirement.equals) continue;
    if (field == &kName) selection.name_ = requirement.value;
    if (requirement.value.empty() || selection.index_ != nullptr) continue;  // what has no value is in no index
    for (const StoredIndex& stored : kind.strategy.indexes) {
      if (stored.field != field->stored) continue;
      selection.index_ = stored.index;
      selection.index_value_ = requirement.value;
    }
  }
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
