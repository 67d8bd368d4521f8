// Validation of what all objects have: metadata, labels, selectors.
#pragma once

#include "api/world/stored_kind.h"

namespace minikube::api {

inline constexpr std::int64_t kMaxAnnotationBytes = 256 * 1024;

// metadata of a new state; `before` is null on create.
void ValidateMetadata(const StoredKind& kind, const meta::v1::ObjectMeta& meta, const meta::v1::ObjectMeta* before,
                      ErrorList& errors);
void ValidateLabels(const Map<Str>& labels, const FieldPath& path, ErrorList& errors);
void ValidateAnnotations(const Map<Str>& annotations, const FieldPath& path, ErrorList& errors);
void ValidateLabelSelector(const meta::v1::LabelSelector& selector, const FieldPath& path, ErrorList& errors);

// Checks used by many kinds.
void ValidateNonNegative(std::int64_t value, const FieldPath& path, ErrorList& errors);
// `next` must equal `before`, both of one message type.
template <typename T>
void ValidateUnchanged(const T& next, const T& before, const FieldPath& path, ErrorList& errors) {
  if (!DeepEqual(next, before)) errors.Immutable(path, BadValue::Of(next));
}
// A map as an error shows it.
BadValue ShownMap(const Map<Str>& map);

}  // namespace minikube::api
