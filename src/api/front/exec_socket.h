// The streams of a command in a container over a WebSocket: Kubernetes' channel protocols v5.channel.k8s.io and
// v4.channel.k8s.io. The first byte of a message is its channel: 0 stdin, 1 stdout, 2 stderr, 3 how it ended (a
// metav1.Status as JSON), 4 the size of the terminal ({"Width":80,"Height":24}); v5 also has 255, followed by the
// channel that ends.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include <minikube/env.h>
#include <minikube/function.h>

#include "api/stages/api_core.h"
#include "http/message.h"

namespace minikube::api {

enum class ChannelProtocol : std::uint8_t { kV4, kV5 };

// The first one of a Sec-WebSocket-Protocol field that is spoken here; nullopt if there is none.
std::optional<ChannelProtocol> ChooseChannelProtocol(std::string_view offered);

// Asks the node, and calls `reply` once: with its refusal, or with the conversation. `slot` is held for as long as the
// command's streams are. `reply` runs on `strand`, which outlives all.
void StartExec(PodExecTarget target, ChannelProtocol protocol, std::shared_ptr<void> slot, Strand& strand,
               Function<void(HttpReply)> reply);

}  // namespace minikube::api
