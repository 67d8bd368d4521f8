// The target of a request (RFC 3986): percent-decoded path segments and query parameters.
//
// Thread safety: immutable once parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/status.h>

namespace minikube::api {

// Decodes %XX, and + to a space if `plus_is_space`. Errors: kBadRequest (a % without two hex digits; a NUL byte).
Result<std::string> PercentDecode(std::string_view text, bool plus_is_space);

class Query {
 public:
  // "a=b&c=d". Errors: kBadRequest (encoding; more than 256 parameters).
  static Result<Query> Parse(std::string_view text);

  bool Has(std::string_view name) const;
  // The first value of that name, or "".
  std::string_view Get(std::string_view name) const;
  // As Kubernetes reads booleans: absent, "false" (any case) and "0" are false, anything else is true.
  bool GetBool(std::string_view name) const;
  // nullopt if absent or empty. Errors: kBadRequest.
  Result<std::optional<std::int64_t>> GetInt(std::string_view name) const;

  const std::vector<std::pair<std::string, std::string>>& all() const { return parameters_; }

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

struct Target {
  std::string path;                   // decoded, "/" first, without the query
  std::vector<std::string> segments;  // decoded; empty ones are left out
  Query query;
};

// Errors: kBadRequest (not an absolute path; encoding; an encoded slash, "." or ".." in a segment).
Result<Target> ParseTarget(std::string_view target);

}  // namespace minikube::api
