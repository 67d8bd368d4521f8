// What a core is made with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <minikube/api_server.h>

#include "crypto/signing_key.h"

namespace minikube::api {

// An IP address and a port.
struct ServerAddress {
  std::string ip;
  std::uint16_t port = 0;
};

struct CoreOptions {
  std::string service_cluster_ip_range;
  std::size_t max_watch_queue = 8192;
  NodeApiResolver nodes;
  ApiServerExtensions extensions;  // its authorisers, admission plugins and audit sinks are the core's affair
  PodSecurityOptions pod_security;
  // Of service account tokens; none = a new one, so that tokens do not outlive the core.
  std::optional<SigningKey> signing_key;
  // The user of a token that somebody else knows (the token file), for TokenReviews; may be empty.
  std::function<std::optional<UserInfo>(std::string_view token)> known_token;
};

}  // namespace minikube::api
