// Field selectors on objects: looking up metadata.name, spec.nodeName, status.phase and the like through descriptors.
//
// Thread safety: immutable values. Lifetime: a path borrows the descriptors it was compiled for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/descriptor.h>
#include <minikube/object.h>
#include <minikube/selector.h>
#include <minikube/status.h>

namespace minikube {

// A dotted path to a single scalar, resolved once per type; reading it is a few pointer steps. In a custom object the
// members below the descriptor's are looked up by name, and what is there decides whether it is a scalar.
class CompiledPath {
 public:
  // nullopt if the type has no such field, or it is not a single scalar (a list, a message).
  static std::optional<CompiledPath> Compile(const MessageDesc& desc, std::string_view path);

  // The value as text ("" if absent; booleans as "true" and "false").
  std::string Value(const void* message) const;
  // Value(message) == text, without making a string where that can be avoided.
  bool Equals(const void* message, std::string_view text) const;

 private:
  const void* Find(const void* message) const;
  std::vector<const FieldDesc*> steps_;  // not empty
  std::vector<std::string> members_;     // below the last step, which then is a Json
};

// The value at `path` of one object; nullopt as for Compile.
std::optional<std::string> FieldValue(const Object& object, std::string_view path);

// A field selector compiled for one type.
class FieldMatcher {
 public:
  FieldMatcher() = default;  // matches everything
  // Errors: kBadRequest `field label not supported: x` if the type has no such scalar. Which of its fields a resource
  // offers for selection is the caller's to check.
  static Result<FieldMatcher> Compile(const FieldSelector& selector, const MessageDesc& desc);
  // One more requirement: of the value at `path`, or, where that is empty, at `otherwise` ("" = nowhere). Errors as
  // Compile.
  Status Add(const MessageDesc& desc, std::string_view path, std::string_view otherwise, bool equals,
             std::string_view value);
  // The object must be of the type compiled for.
  bool Matches(const Object& object) const;
  bool empty() const { return terms_.empty(); }

 private:
  struct Term {
    bool Holds(const void* message) const;

    CompiledPath path;
    std::optional<CompiledPath> otherwise;
    bool equals = true;
    std::string value;
  };
  std::vector<Term> terms_;
};

}  // namespace minikube
