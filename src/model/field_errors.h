// Validation errors with field paths, in the forms Kubernetes gives them (field.Path, field.ErrorList, NewInvalid).
//
//   ErrorList errors;
//   const FieldPath spec("spec");
//   const FieldPath containers = spec.Child("containers");
//   for (...) errors.Required(containers.Index(i, "name"), "");
//   return errors.ToStatus("apps", "Deployment", name);   // Deployment.apps "web" is invalid: spec...: Required value
//
// Thread safety: none needed; both are used by one thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/descriptor.h>
#include <minikube/status.h>
#include <minikube/types.h>

namespace minikube {

// Where an error is. A path is a chain of borrowed links, rendered only when there is an error to report, so walking a
// valid object allocates nothing. A link borrows its parent and its names: both must outlive it. That is why a
// temporary cannot have children; name the parent, or use a dotted name ("securityContext.runAsUser") for several
// steps.
class FieldPath {
 public:
  FieldPath() = default;  // the root: children are rendered without a dot before them
  explicit FieldPath(std::string_view name) : name_(name) {}

  FieldPath Child(std::string_view name) const& { return {this, Kind::kName, name, 0, {}}; }
  // parent[i], parent[i].name
  FieldPath Index(std::size_t i, std::string_view name = {}) const& { return {this, Kind::kIndex, name, i, {}}; }
  // parent[key], parent[key].name
  FieldPath Key(std::string_view key, std::string_view name = {}) const& { return {this, Kind::kKey, name, 0, key}; }
  FieldPath Child(std::string_view name) const&& = delete;
  FieldPath Index(std::size_t i, std::string_view name = {}) const&& = delete;
  FieldPath Key(std::string_view key, std::string_view name = {}) const&& = delete;

  // "spec.containers[0].name"; "<nil>" for the root itself, as in Kubernetes.
  std::string ToString() const;

 private:
  enum class Kind : std::uint8_t { kName, kIndex, kKey };
  FieldPath(const FieldPath* parent, Kind kind, std::string_view name, std::size_t index, std::string_view key)
      : parent_(parent), name_(name), key_(key), index_(index), kind_(kind) {}
  void Append(std::string& out) const;

  const FieldPath* parent_ = nullptr;
  std::string_view name_;
  std::string_view key_;
  std::size_t index_ = 0;
  Kind kind_ = Kind::kName;
};

// The offending value as an error shows it: strings quoted, numbers and booleans plain, anything else as JSON. Made for
// arguments: it borrows a string, and quotes it only when there is an error to report.
class BadValue {
 public:
  BadValue(std::string_view text) : borrowed_(text), quoted_(false) {}     // NOLINT(google-explicit-constructor)
  BadValue(const char* text) : BadValue(std::string_view(text)) {}         // NOLINT(google-explicit-constructor)
  BadValue(const std::string& text) : BadValue(std::string_view(text)) {}  // NOLINT(google-explicit-constructor)
  BadValue(const Str& text) : BadValue(text.view()) {}                     // NOLINT(google-explicit-constructor)
  BadValue(const Quantity& q) : BadValue(q.text.view()) {}                 // NOLINT(google-explicit-constructor)
  BadValue(const IntOrString& v);                                          // NOLINT(google-explicit-constructor)
  BadValue(double value);                                                  // NOLINT(google-explicit-constructor)
  BadValue(std::integral auto value)                                       // NOLINT(google-explicit-constructor)
      : text_(Integer(value)) {}
  static BadValue Json(std::string json) { return BadValue(Raw{}, std::move(json)); }
  static BadValue Message(const MessageDesc& desc, const void* message);
  template <typename T>
  static BadValue Of(const T& message) {
    return Message(DescriptorOf<T>(), static_cast<const void*>(&message));
  }
  std::string text() const;

 private:
  struct Raw {};
  BadValue(Raw, std::string text) : text_(std::move(text)) {}
  static std::string Integer(bool value) { return value ? "true" : "false"; }
  static std::string Integer(std::integral auto value) { return std::to_string(value); }
  std::string text_;
  std::string_view borrowed_;
  bool quoted_ = true;  // text_ is it; else borrowed_, to be quoted
};

class ErrorList {
 public:
  void Required(const FieldPath& path, std::string_view detail);
  void Invalid(const FieldPath& path, const BadValue& value, std::string_view detail);
  void TypeInvalid(const FieldPath& path, const BadValue& value, std::string_view detail);
  void NotSupported(const FieldPath& path, const BadValue& value, std::span<const std::string_view> supported);
  void NotSupported(const FieldPath& path, const BadValue& value, std::initializer_list<std::string_view> supported) {
    NotSupported(path, value, std::span(supported.begin(), supported.size()));
  }
  void NotFound(const FieldPath& path, const BadValue& value);
  void Duplicate(const FieldPath& path, const BadValue& value);
  void Forbidden(const FieldPath& path, std::string_view detail);
  // "may not be more than N bytes"
  void TooLong(const FieldPath& path, std::int64_t max_bytes);
  // "must have at most N items"
  void TooMany(const FieldPath& path, std::size_t actual, std::size_t max);
  void TooFew(const FieldPath& path, std::size_t actual, std::size_t min);
  // "must be at least N characters"
  void TooShort(const FieldPath& path, std::size_t min);
  void Internal(const FieldPath& path, std::string_view detail);
  // One Invalid per message: takes what the checks of validation_names.h return.
  void InvalidEach(const FieldPath& path, const BadValue& value, const std::vector<std::string>& details);
  // Immutable field changed: `Invalid value: ...: field is immutable`.
  void Immutable(const FieldPath& path, const BadValue& value);

  void Append(ErrorList other);
  bool empty() const { return causes_.empty(); }
  std::size_t size() const { return causes_.size(); }
  const std::vector<StatusCause>& causes() const { return causes_; }

  // `a` or `[a, b]`, each `path: message`, repetitions dropped; "" if empty.
  std::string ToString() const;
  // OK if empty; else kInvalid: `Kind.group "name" is invalid: ...` with one cause per error.
  Status ToStatus(std::string_view group, std::string_view kind, std::string_view name) const;

 private:
  void Add(std::string_view reason, const FieldPath& path, std::string message);
  std::vector<StatusCause> causes_;
};

// A string as Go's %q writes it, which is how Kubernetes quotes user input in messages.
std::string GoQuote(std::string_view text);

}  // namespace minikube
