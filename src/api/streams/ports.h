// pods/portforward: from a request that is granted to a conversation in which many connections to ports of a pod share
// one with the client, in whichever of Kubernetes' protocols it asks for.
//
//   SPDY/3.1    portforward.k8s.io: each connection has two streams, for its data and for what went wrong (ports_spdy)
//   WebSocket   SPDY/3.1+portforward.k8s.io: the same, its bytes in messages
//   WebSocket   v4.channel.k8s.io, v4.base64.channel.k8s.io, or none named: one connection for each port that the
//               request names, each with two channels (ports_channels)
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/stages/api_core.h"
#include "api/streams/held_streams.h"
#include "http/message.h"

namespace minikube::api {

// `slot` is held for as long as the conversation is; `timers` outlives it.
HttpReply StartPorts(const HttpRequest& request, PodPortTarget target, const std::vector<std::uint16_t>& ports,
                     std::shared_ptr<void> slot, Strand& timers);

// What both kinds of conversation are made of.
struct PortParts {
  PortParts(PodPortTarget target, std::shared_ptr<void> held_slot, Strand& timers);

  const std::shared_ptr<void> slot;
  const std::shared_ptr<Signal> signal = std::make_shared<Signal>();
  const std::shared_ptr<NodeApi> node;
  const PodPortRequest request;  // but for the port
  PulledStrand strand;
  std::size_t waiting_input = 0;  // of all connections

  std::unique_ptr<HeldStreams> Connect(std::uint16_t port);
  // Whether the client is to be listened to: not while too much waits for the pod, of whichever connection.
  bool Ready();
  // Why a connection ended, as clients print it; "" = because either side closed it.
  std::string Trouble(std::uint16_t port, const HeldStreams& held) const;
  // A conversation that cannot refuse any more: whether the node has refused, or the connection has ended.
  static bool Over(const HeldStreams& held);
};

std::unique_ptr<Conversation> NewPortsSpdy(PodPortTarget target, std::shared_ptr<void> slot, Strand& timers);
std::unique_ptr<Conversation> NewPortsChannels(bool base64, PodPortTarget target,
                                               const std::vector<std::uint16_t>& ports, std::shared_ptr<void> slot,
                                               Strand& timers);

}  // namespace minikube::api
