#include "api/kinds/metadata.h"

#include <fmt/format.h>

namespace minikube::api {

namespace {

void ValidateOwners(const List<meta::v1::OwnerReference>& owners, const FieldPath& path, ErrorList& errors) {
  const meta::v1::OwnerReference* controller = nullptr;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    const meta::v1::OwnerReference& owner = owners[i];
    const std::pair<std::string_view, const Str*> required[] = {
        {"apiVersion", &owner.apiVersion}, {"kind", &owner.kind}, {"name", &owner.name}, {"uid", &owner.uid}};
    for (const auto& [name, value] : required) {
      if (value->empty()) errors.Invalid(path.Index(i, name), *value, "must not be empty");
    }
    if (!owner.controller.value_or(false)) continue;
    if (controller != nullptr) {
      errors.Invalid(
          path, BadValue::Of(owner),
          fmt::format("Only one reference can have Controller set to true. Found \"true\" in references for {} "
                      "and {}",
                      controller->name.view(), owner.name.view()));
    }
    controller = &owner;
  }
}

bool IsStandardFinalizer(const Str& name) {
  return name == "kubernetes" || name == "orphan" || name == "foregroundDeletion";
}

// Finalizers of custom resources and of what registers them need no domain.
bool WantsQualifiedFinalizers(const StoredKind& kind) {
  const std::string_view group = kind.resource->group;
  return FindResource(group, kind.resource->version, kind.resource->plural) != nullptr &&
         group != "apiextensions.k8s.io" && group != "apiregistration.k8s.io";
}

void ValidateFinalizers(const meta::v1::ObjectMeta& meta, const meta::v1::ObjectMeta* before, bool built_in,
                        const FieldPath& path, ErrorList& errors) {
  bool orphan = false;
  bool foreground = false;
  std::string added;
  for (std::size_t i = 0; i < meta.finalizers.size(); ++i) {
    const Str& finalizer = meta.finalizers[i];
    errors.InvalidEach(path, finalizer, IsQualifiedName(finalizer.view()));
    orphan |= finalizer == "orphan";
    foreground |= finalizer == "foregroundDeletion";
    bool known = false;
    if (before != nullptr) {
      for (const Str& old : before->finalizers) known |= old == finalizer;
    }
    if (built_in && !known && finalizer.view().find('/') == std::string_view::npos && !IsStandardFinalizer(finalizer)) {
      errors.Invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified");
    }
    if (!known && before != nullptr && before->deletionTimestamp)
      added += fmt::format("{}\"{}\"", added.empty() ? "" : ", ", finalizer.view());
  }
  if (orphan && foreground) {
    errors.Invalid(path, "", "finalizer orphan and foregroundDeletion cannot be both set");
  }
  if (!added.empty()) {
    errors.Forbidden(path, fmt::format("no new finalizers can be added if the object is being deleted, found new "
                                       "finalizers []string{{{}}}",
                                       added));
  }
}

void ValidateUpdate(const meta::v1::ObjectMeta& meta, const meta::v1::ObjectMeta& before, const FieldPath& path,
                    ErrorList& errors) {
  if (!(meta.name == before.name)) errors.Immutable(path.Child("name"), meta.name);
  if (!(meta.namespace_ == before.namespace_)) errors.Immutable(path.Child("namespace"), meta.namespace_);
  if (!(meta.uid == before.uid)) errors.Immutable(path.Child("uid"), meta.uid);
  if (!(meta.creationTimestamp == before.creationTimestamp)) {
    errors.Immutable(path.Child("creationTimestamp"), meta.creationTimestamp.unix_micros() / 1'000'000);
  }
  if (meta.generation < before.generation) {
    errors.Invalid(path.Child("generation"), meta.generation, "must not be decremented");
  }
}

}  // namespace

void ValidateLabels(const Map<Str>& labels, const FieldPath& path, ErrorList& errors) {
  for (const auto& [key, value] : labels) {
    errors.InvalidEach(path, key, IsQualifiedName(key.view()));
    errors.InvalidEach(path, value, IsLabelValue(value.view()));
  }
}

void ValidateAnnotations(const Map<Str>& annotations, const FieldPath& path, ErrorList& errors) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : annotations) {
    std::string lower = key.str();
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    errors.InvalidEach(path, key, IsQualifiedName(lower));
    bytes += key.size() + value.size();
  }
  if (bytes > static_cast<std::size_t>(kMaxAnnotationBytes)) errors.TooLong(path, kMaxAnnotationBytes);
}

void ValidateLabelSelector(const meta::v1::LabelSelector& selector, const FieldPath& path, ErrorList& errors) {
  ValidateLabels(selector.matchLabels, path.Child("matchLabels"), errors);
  const FieldPath expressions = path.Child("matchExpressions");
  for (std::size_t i = 0; i < selector.matchExpressions.size(); ++i) {
    const meta::v1::LabelSelectorRequirement& requirement = selector.matchExpressions[i];
    if (requirement.operator_ == "In" || requirement.operator_ == "NotIn") {
      if (requirement.values.empty()) {
        errors.Required(expressions.Index(i, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
      }
    } else if (requirement.operator_ == "Exists" || requirement.operator_ == "DoesNotExist") {
      if (!requirement.values.empty()) {
        errors.Forbidden(expressions.Index(i, "values"),
                         "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
    } else {
      errors.Invalid(expressions.Index(i, "operator"), requirement.operator_, "not a valid selector operator");
    }
    errors.InvalidEach(expressions.Index(i, "key"), requirement.key, IsQualifiedName(requirement.key.view()));
    const FieldPath here = expressions.Index(i);
    const FieldPath values = here.Child("values");
    for (std::size_t k = 0; k < requirement.values.size(); ++k) {
      errors.InvalidEach(values.Index(k), requirement.values[k], IsLabelValue(requirement.values[k].view()));
    }
  }
}

void ValidateMetadata(const StoredKind& kind, const meta::v1::ObjectMeta& meta, const meta::v1::ObjectMeta* before,
                      ErrorList& errors) {
  const FieldPath path("metadata");
  if (!meta.generateName.empty() && before == nullptr) {
    errors.InvalidEach(path.Child("generateName"), meta.generateName,
                       kind.strategy.name(meta.generateName.view(), NameUse::kPrefix));
  }
  if (meta.name.empty()) {
    errors.Required(path.Child("name"), "name or generateName is required");
  } else if (before == nullptr) {
    errors.InvalidEach(path.Child("name"), meta.name, kind.strategy.name(meta.name.view(), NameUse::kName));
  }
  if (kind.resource->namespaced && before == nullptr) {
    errors.InvalidEach(path.Child("namespace"), meta.namespace_, NameIsDnsLabel(meta.namespace_.view()));
  }
  if (before == nullptr || !(meta.labels == before->labels)) ValidateLabels(meta.labels, path.Child("labels"), errors);
  if (before == nullptr || !(meta.annotations == before->annotations)) {
    ValidateAnnotations(meta.annotations, path.Child("annotations"), errors);
  }
  ValidateOwners(meta.ownerReferences, path.Child("ownerReferences"), errors);
  ValidateFinalizers(meta, before, WantsQualifiedFinalizers(kind), path.Child("finalizers"), errors);
  if (before != nullptr) ValidateUpdate(meta, *before, path, errors);
}

void ValidateNonNegative(std::int64_t value, const FieldPath& path, ErrorList& errors) {
  if (value < 0) errors.Invalid(path, value, "must be greater than or equal to 0");
}

BadValue ShownMap(const Map<Str>& map) {
  std::string json = "{";
  for (const auto& [key, value] : map) {
    if (json.size() > 1) json += ',';
    json += GoQuote(key.view()) + ":" + GoQuote(value.view());
  }
  return BadValue::Json(json + "}");
}

}  // namespace minikube::api
