// Types of the checker.
//
// Thread safety: immutable. A type is shared; an object type keeps what describes it alive, or that lives for ever.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/types.h>

namespace minikube {
struct MessageDesc;
}

namespace minikube::cel {

struct Type;
using TypeRef = std::shared_ptr<const Type>;

// The fields of an object type.
class ObjectInfo {
 public:
  virtual ~ObjectInfo() = default;
  virtual std::string_view name() const = 0;
  // Null if it has no such field.
  virtual TypeRef Field(std::string_view name) const = 0;
};

struct Type {
  enum class Kind : std::uint8_t {
    kDyn,
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kString,
    kBytes,
    kTimestamp,
    kDuration,
    kList,      // params: element
    kMap,       // params: key, value
    kOptional,  // params: value
    kType,      // params: what it is the type of
    kOpaque,    // by name
    kObject,
    kParam,  // by name: of a signature
  };
  // No bound is known.
  static constexpr std::int64_t kUnbounded = -1;

  Kind kind = Kind::kDyn;
  Str name;
  std::vector<TypeRef> params;
  std::shared_ptr<const ObjectInfo> object;
  // How large a string, list or map can be; for estimates of cost, no part of the type's identity.
  std::int64_t max_size = kUnbounded;

  std::string ToString() const;
};

namespace types {
const TypeRef& Dyn();
const TypeRef& Null();
const TypeRef& Bool();
const TypeRef& Int();
const TypeRef& Uint();
const TypeRef& Double();
const TypeRef& String();
const TypeRef& Bytes();
const TypeRef& Timestamp();
const TypeRef& Duration();
TypeRef Sized(const TypeRef& type, std::int64_t max_size);
TypeRef List(TypeRef element, std::int64_t max_size = Type::kUnbounded);
TypeRef Map(TypeRef key, TypeRef value, std::int64_t max_size = Type::kUnbounded);
TypeRef Optional(TypeRef value);
TypeRef TypeOf(TypeRef type);
TypeRef Opaque(std::string_view name);
TypeRef Object(std::shared_ptr<const ObjectInfo> info);
TypeRef Param(std::string_view name);
// From its spelling in a signature: "list(A)", "map(string, dyn)", "kubernetes.Quantity"; a single capital letter is a
// parameter. The text must be one.
TypeRef Parse(std::string_view text);
}  // namespace types

}  // namespace minikube::cel
