// Status and Result<T>: errors are values, everywhere, and carry what metav1.Status carries.
//
// A Status is either OK (one null pointer) or a code with a message and, for API errors, a reason and causes
// with field paths (Kubernetes API conventions, "Response Status Kind"). Codes exist where some caller branches
// on them; src/api maps them to HTTP in one function and nobody identifies an error by its text.
// Thread safety: a Status is a value; copies share an immutable representation.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace minikube {

enum class Code : std::uint8_t {
  kOk,
  kBadRequest,            // 400 malformed request or body
  kUnauthorized,          // 401 no or bad credentials
  kForbidden,             // 403 authorisation or admission said no
  kNotFound,              // 404
  kMethodNotAllowed,      // 405
  kNotAcceptable,         // 406 none of the accepted media types can be produced
  kAlreadyExists,         // 409 reason AlreadyExists
  kConflict,              // 409 reason Conflict: resourceVersion or precondition
  kExpired,               // 410 revision compacted, continue token or watch too old
  kTooLarge,              // 413
  kUnsupportedMediaType,  // 415
  kInvalid,               // 422 failed validation; causes name the fields
  kTooManyRequests,       // 429
  kInternal,              // 500 our bug, or the machine's
  kNotImplemented,        // 501
  kUnavailable,           // 503 stopping, not ready, disk full or read-only
  kTimeout,               // 504
  kNoSpace,               // 500 quota or disk full: nothing was written; deletions, reads and compaction still work
  kCancelled,             // the caller withdrew; never leaves the process
};

// metav1.StatusCause. `reason` is a CauseType such as FieldValueRequired; `field` a JSON path such as
// spec.containers[0].name.
struct StatusCause {
  std::string reason;
  std::string message;
  std::string field;
};

// metav1.StatusDetails: which object the error is about.
struct StatusDetails {
  std::string name;
  std::string group;
  std::string kind;  // for most errors the plural resource, as Kubernetes writes it
  std::string uid;
  std::vector<StatusCause> causes;
  std::int32_t retry_after_seconds = 0;
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(Code code, std::string message) : Status(code, std::move(message), StatusDetails{}) {}
  Status(Code code, std::string message, StatusDetails details)
      : rep_(std::make_shared<const Rep>(Rep{code, std::move(message), std::move(details)})) {}

  bool ok() const { return rep_ == nullptr; }
  Code code() const { return rep_ ? rep_->code : Code::kOk; }
  const std::string& message() const { return rep_ ? rep_->message : Empty().message; }
  const StatusDetails& details() const { return rep_ ? rep_->details : Empty().details; }

  // The same error with `context: ` before its message.
  Status WithContext(std::string_view context) const;

  // "Conflict: message", for logs.
  std::string ToString() const;

 private:
  struct Rep {
    Code code = Code::kOk;
    std::string message;
    StatusDetails details;
  };
  static const Rep& Empty();
  std::shared_ptr<const Rep> rep_;
};

// The metav1.StatusReason that goes with a code ("NotFound", "AlreadyExists", ...); "" for kOk.
std::string_view ReasonOf(Code code);

// The message of a Result used as a value while it holds an error is written to stderr before the process
// aborts: like an assert, value() on an error is the caller's bug.
[[noreturn]] void DieOnBadResult(const Status& status);
// The same for a Result that is made from an OK status, which says neither what the value is nor what went wrong.
[[noreturn]] void DieOnResultWithoutValue();

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<1>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  // Of an error: a status that is OK ends the process.
  Result(Status status) : state_(std::in_place_index<0>, std::move(status)) {  // NOLINT(google-explicit-constructor)
    if (std::get<0>(state_).ok()) DieOnResultWithoutValue();
  }

  bool ok() const { return state_.index() == 1; }
  explicit operator bool() const { return ok(); }
  Status status() const { return ok() ? Status() : std::get<0>(state_); }

  T& value() & { return Check(), std::get<1>(state_); }
  const T& value() const& { return Check(), std::get<1>(state_); }
  T value() && { return Check(), std::get<1>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void Check() const {
    if (!ok()) DieOnBadResult(std::get<0>(state_));
  }
  std::variant<Status, T> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Status status) : status_(std::move(status)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return status_.ok(); }
  explicit operator bool() const { return ok(); }
  Status status() const { return status_; }
  void value() const {
    if (!ok()) DieOnBadResult(status_);
  }

 private:
  Status status_;
};

}  // namespace minikube

// Returns the error of `expr` (a Status) from the enclosing function.
#define MINIKUBE_RETURN_IF_ERROR(expr)                                               \
  do {                                                                               \
    if (::minikube::Status mk_status_ = (expr); !mk_status_.ok()) return mk_status_; \
  } while (false)
