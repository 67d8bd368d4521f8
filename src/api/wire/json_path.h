// JsonPath: the paths that definitions of kinds name fields with, as `.status.conditions[?(@.type=="Ready")].status`.
//
// Steps are .name, ['name'], [n] (negative: from the end), [*], [?(@.a.b)] and [?(@.a.b == literal)], also with !=; a
// backslash keeps the next character of a name. Other JSONPath (unions, slices, `..`) is not understood.
// Syntax: https://kubernetes.io/docs/reference/kubectl/jsonpath/. Thread safety: immutable.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/json.h>

namespace minikube::api {

class JsonPath {
 public:
  // nullopt if it is not understood.
  static std::optional<JsonPath> Parse(std::string_view text);

  // The first value it leads to; null if there is none.
  const Json* First(const Json& root) const { return FirstFrom(root, 0); }
  // Whether its first step is this member.
  bool BeginsWith(std::string_view member) const;

 private:
  friend class JsonPathParser;
  struct Step {
    enum class Kind : std::uint8_t { kMember, kItem, kEach, kFilter };
    Kind kind = Kind::kMember;
    std::string member;
    std::ptrdiff_t index = 0;
    std::vector<std::string> left;  // of a filter: members below the item
    Json right;                     // absent: there is such a member
    bool negated = false;
  };
  const Json* FirstFrom(const Json& at, std::size_t step) const;
  static bool Accepts(const Step& filter, const Json& item);

  std::vector<Step> steps_;
};

}  // namespace minikube::api
