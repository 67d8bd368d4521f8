// HttpMount: paths of the API server's HTTPS port that a host serves itself, behind the same authentication and
// authorisation: a dashboard, metrics of its own, hooks.
//
// Thread safety: called from any thread, for several requests at once; must not block. Ownership: the API server shares
// mounts (ApiServerOptions) until it is destroyed.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/auth.h>
#include <minikube/function.h>

namespace minikube {

struct MountRequest {
  std::string method;  // "GET"
  std::string path;    // decoded, without the query: "/hello/you"
  std::string query;   // as it came, without '?'
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  UserInfo user;
};

struct MountReply {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

class HttpMount {
 public:
  virtual ~HttpMount() = default;
  // "/hello": that path and all below it. Not one that the API server serves; no two mounts are within each other.
  // Asked once.
  virtual std::string prefix() const = 0;
  // Everybody may, without credentials too; otherwise whom the authorisers allow it (RBAC: nonResourceURLs).
  virtual bool open() const { return false; }
  // Calls `reply` once, on any thread, perhaps before it returns.
  virtual void Handle(MountRequest request, Function<void(MountReply)> reply) = 0;
};

}  // namespace minikube
