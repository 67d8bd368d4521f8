// What a Json tree is to expressions: a view that knows, where a schema says it, what the values are.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <minikube/json.h>

#include "cel/type.h"
#include "cel/value.h"

namespace minikube::cel {

// What a value of a tree is. Made of a schema, once; immutable.
struct JsonShape {
  enum class Form : std::uint8_t {
    kDyn,        // as it is spelled
    kDouble,     // a number, however it is spelled
    kInteger,    // a whole number: 1.0 is one
    kTimestamp,  // RFC 3339
    kDate,       // a day, as a timestamp
    kDuration,
    kBytes,  // base64
    kList,
    kMap,     // any keys, all of one shape
    kObject,  // the fields that are declared, by their names in expressions
  };
  struct Field {
    Str name;  // in expressions
    Str json_name;
    std::unique_ptr<JsonShape> shape;
  };
  Form form = Form::kDyn;
  Str type_name;                       // kObject
  std::vector<Field> fields;           // kObject: sorted by name
  std::unique_ptr<JsonShape> element;  // kList, kMap

  const Field* Find(std::string_view name) const;
};

// The value, as that shape (null: kDyn). Borrows both. What is not of its shape is an error.
Value FromJson(const Json& tree, const JsonShape* shape);

// A name as expressions spell it, which have fewer letters for it: "a-b" is a__dash__b, "namespace" __namespace__.
// Empty if it cannot be spelled.
std::string EscapeName(std::string_view name);

}  // namespace minikube::cel
