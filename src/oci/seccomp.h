// The seccomp filter of `seccompProfile: RuntimeDefault`, in the form of the OCI runtime specification.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace minikube::oci {

// Refuses (EPERM) the system calls that reach beyond a container or into parts of the kernel that no application needs,
// except those that one of `capabilities` ("CAP_SYS_TIME") is there for. Everything else is allowed.
nlohmann::json DefaultSeccomp(const std::vector<std::string>& capabilities);

}  // namespace minikube::oci
