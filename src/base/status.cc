#include <minikube/status.h>

#include <cstdio>
#include <cstdlib>

namespace minikube {

const Status::Rep& Status::Empty() {
  static const Rep empty;
  return empty;
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  return {rep_->code, std::string(context) + ": " + rep_->message, rep_->details};
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  const std::string_view reason = ReasonOf(code());
  return reason.empty() ? message() : std::string(reason) + ": " + message();
}

std::string_view ReasonOf(Code code) {
  switch (code) {
    case Code::kOk:
      return "";
    case Code::kBadRequest:
      return "BadRequest";
    case Code::kUnauthorized:
      return "Unauthorized";
    case Code::kForbidden:
      return "Forbidden";
    case Code::kNotFound:
      return "NotFound";
    case Code::kMethodNotAllowed:
      return "MethodNotAllowed";
    case Code::kNotAcceptable:
      return "NotAcceptable";
    case Code::kAlreadyExists:
      return "AlreadyExists";
    case Code::kConflict:
      return "Conflict";
    case Code::kExpired:
      return "Expired";
    case Code::kTooLarge:
      return "RequestEntityTooLarge";
    case Code::kUnsupportedMediaType:
      return "UnsupportedMediaType";
    case Code::kInvalid:
      return "Invalid";
    case Code::kTooManyRequests:
      return "TooManyRequests";
    case Code::kInternal:
      return "InternalError";
    case Code::kNotImplemented:
      return "NotImplemented";
    case Code::kUnavailable:
      return "ServiceUnavailable";
    case Code::kTimeout:
      return "Timeout";
    case Code::kNoSpace:
      return "";  // Kubernetes passes etcd's error on and has no reason for it
    case Code::kCancelled:
      return "Cancelled";
  }
  return "Unknown";
}

void DieOnBadResult(const Status& status) {
  std::fprintf(stderr, "minikube: value() of a failed Result: %s\n", status.ToString().c_str());
  std::abort();
}

void DieOnResultWithoutValue() {
  std::fprintf(stderr, "minikube: a Result made from a Status that is OK\n");
  std::abort();
}

}  // namespace minikube
