// fieldPath of a rule: ".spec.name", ".labels['a.b']".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "structural/schema_node.h"

namespace minikube {

// As errors show it ("spec.name", "labels[a.b]"; "" for none); nullopt if it leads to no member of the schema.
std::optional<std::string> NormalizeRulePath(std::string_view path, const SchemaNode& node);

}  // namespace minikube
