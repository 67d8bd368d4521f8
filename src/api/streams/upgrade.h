// What a connection is to become, as client and server agree on it: Kubernetes' subprotocols of WebSocket and SPDY/3.1.
//
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/message.h"

namespace minikube::api {

// For a request that is no WebSocket's. Makes `reply` grant SPDY/3.1, but for the conversation, with the first protocol
// of X-Stream-Protocol-Version that is in `spoken`, and returns that. nullopt: `reply` refuses, saying what is amiss.
std::optional<std::string> ChooseSpdyProtocol(const HttpRequest& request, std::span<const std::string_view> spoken,
                                              HttpReply& reply);

// Refuses a WebSocket whose subprotocols are not spoken.
HttpReply NoSuchSubprotocol(std::string_view spoken);

}  // namespace minikube::api
