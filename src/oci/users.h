// Who a container runs as: the image's USER and the pod's securityContext, resolved in the image's own passwd and
// group.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/status.h>

namespace minikube::oci {

// The content of `path` (relative, such as etc/passwd) as the union of the unpacked layers `lower_to_upper` shows it:
// whiteouts, opaque directories and symbolic links (resolved inside the union) are honoured. Nothing if it is not there
// or not a regular file of at most 1 MiB.
std::optional<std::string> ReadInLayers(const std::vector<std::string>& lower_to_upper, std::string_view path);

struct UserRequest {
  std::string image_user;                   // name, uid, name:group, uid:gid; "" = root
  std::optional<std::int64_t> run_as_user;  // wins over the image's
  std::optional<std::int64_t> run_as_group;
  std::vector<std::int64_t> supplemental_groups;
};

struct ResolvedUser {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> additional_gids;
  std::string home;  // "/" if unknown
};

// `passwd` and `group` are the files' texts ("" if there are none).
// Errors: kBadRequest (unknown name, number out of range).
Result<ResolvedUser> ResolveUser(const UserRequest& request, std::string_view passwd, std::string_view group);

}  // namespace minikube::oci
