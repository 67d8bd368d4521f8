// Label and field selectors, exactly as Kubernetes defines them (labels.Parse, fields.ParseSelector).
//
// Thread safety: immutable values. Errors: kBadRequest with the text Kubernetes gives.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/meta/v1.h>
#include <minikube/status.h>
#include <minikube/types.h>

namespace minikube {

class LabelSelector {
 public:
  enum class Op : std::uint8_t { kIn, kNotIn, kExists, kDoesNotExist, kGreater, kLess };
  struct Requirement {
    std::string key;
    Op op = Op::kIn;
    std::vector<std::string> values;  // sorted
  };
  LabelSelector() = default;  // matches everything
  // The string form: "a=b,c!=d,e in (f,g),h,!i".
  static Result<LabelSelector> Parse(std::string_view text);
  // metav1.LabelSelector; null matches nothing, empty matches everything.
  static Result<LabelSelector> From(const meta::v1::LabelSelector* selector);
  static LabelSelector FromMap(const Map<Str>& labels);

  bool Matches(const Map<Str>& labels) const;
  bool empty() const { return !nothing_ && requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  std::string ToString() const;

 private:
  std::vector<Requirement> requirements_;
  bool nothing_ = false;
};

class FieldSelector {
 public:
  struct Requirement {
    std::string path;  // "metadata.name", "spec.nodeName"
    bool equals = true;
    std::string value;
  };
  // "a=b,c!=d" with \ escapes.
  static Result<FieldSelector> Parse(std::string_view text);
  // A value as it is written in such a text.
  static std::string Escape(std::string_view value);
  const std::vector<Requirement>& requirements() const { return requirements_; }
  bool empty() const { return requirements_.empty(); }

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace minikube
