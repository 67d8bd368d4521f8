// What a schema means to expressions: the type that the checker knows, and the shape by which values are read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cel/json_value.h"
#include "cel/type.h"
#include "structural/schema_node.h"

namespace minikube {

// The largest object that a request can carry; what bounds the sizes that a schema leaves open.
inline constexpr std::int64_t kMaxObjectBytes = std::int64_t{3} * 1024 * 1024;

struct Declaration {
  cel::TypeRef type;
  std::unique_ptr<cel::JsonShape> shape;
  std::int64_t min_bytes = 2;  // of JSON
};

// nullopt if values of that schema cannot be seen by expressions (nothing is known of them). `name` is how the type of
// an object is called. A root, of a resource or of an embedded one, has apiVersion, kind and metadata.
std::optional<Declaration> Declare(const SchemaNode& node, bool root, const std::string& name);

}  // namespace minikube
