// The Pod Security Standards (https://kubernetes.io/docs/concepts/security/pod-security-standards/): what pods of a
// level may not do. Pure functions.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/api/core/v1.h>

namespace minikube::kube {

enum class SecurityLevel : std::uint8_t { kPrivileged, kBaseline, kRestricted };

// A level, as some minor version of Kubernetes 1.x understood it.
struct SecurityPolicy {
  static constexpr int kLatest = 1'000'000;
  SecurityLevel level = SecurityLevel::kPrivileged;
  int minor = kLatest;

  std::string ToString() const;  // "restricted:latest", "baseline:v1.24"
  friend bool operator==(const SecurityPolicy&, const SecurityPolicy&) = default;
};
std::optional<SecurityLevel> ParseSecurityLevel(std::string_view text);
// The minor of "v1.24", or of "latest".
std::optional<int> ParseSecurityVersion(std::string_view text);

// What a pod does that its policy forbids, in the order of the standards.
struct SecurityViolation {
  std::string reason;  // "privileged"
  std::string detail;  // `container "a" must not set securityContext.privileged=true`
};
std::vector<SecurityViolation> SecurityViolations(const SecurityPolicy& policy, const meta::v1::ObjectMeta& metadata,
                                                  const core::v1::PodSpec& spec);
// "reason (detail), reason (detail)", and "reason, reason".
std::string DetailsOf(const std::vector<SecurityViolation>& violations);
std::string ReasonsOf(const std::vector<SecurityViolation>& violations);

}  // namespace minikube::kube
