#include "api/streams/ports.h"

#include <utility>

#include <fmt/format.h>

#include "api/streams/upgrade.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

// What waits for the pod, of all connections of a client together. One that takes nothing holds up the others then, as
// they share one connection; in between it does not.
constexpr std::size_t kMaxInput = 1u << 20;

constexpr std::string_view kPortForward = "portforward.k8s.io";
constexpr std::string_view kTunnel = "SPDY/3.1+portforward.k8s.io";
constexpr std::string_view kChannels = "v4.channel.k8s.io";
constexpr std::string_view kBase64Channels = "v4.base64.channel.k8s.io";

// The first of the subprotocols offered that is spoken; "" if none is named, nullopt if none is spoken.
std::optional<std::string_view> ChooseSubprotocol(std::string_view offered) {
  if (offered.empty()) return "";
  std::optional<std::string_view> chosen;
  AnyElement(offered, [&](std::string_view name) {
    for (const std::string_view each : {kTunnel, kChannels, kBase64Channels}) {
      if (name == each) chosen = each;
    }
    return chosen.has_value();
  });
  return chosen;
}

}  // namespace

PortParts::PortParts(PodPortTarget target, std::shared_ptr<void> held_slot, Strand& timers)
    : slot(std::move(held_slot)),
      node(std::move(target.node)),
      request(std::move(target.request)),
      strand(timers, signal) {}

std::unique_ptr<HeldStreams> PortParts::Connect(std::uint16_t port) {
  return std::make_unique<HeldStreams>(
      strand, waiting_input, [&](Strand& on, Function<void(Status)> accepted, ExecEvents events) {
        PodPortRequest wanted = request;
        wanted.port = port;
        return node->Connect(std::move(wanted), on, std::move(accepted), std::move(events));
      });
}

bool PortParts::Ready() {
  strand.RunAll();
  return waiting_input < kMaxInput;
}

bool PortParts::Over(const HeldStreams& held) {
  return held.end() != nullptr || (held.accepted() && !held.accepted()->ok());
}

std::string PortParts::Trouble(std::uint16_t port, const HeldStreams& held) const {
  const Status& why = held.end() != nullptr ? held.end()->status() : *held.accepted();
  if (why.ok()) return "";
  return fmt::format("error forwarding port {} to pod {}, uid {}: {}", port, request.pod, request.pod_uid,
                     why.message());
}

HttpReply StartPorts(const HttpRequest& request, PodPortTarget target, const std::vector<std::uint16_t>& ports,
                     std::shared_ptr<void> slot, Strand& timers) {
  HttpReply reply;
  if (!IsWebSocketUpgrade(request)) {
    if (ChooseSpdyProtocol(request, {&kPortForward, 1}, reply)) {
      reply.conversation = NewPortsSpdy(std::move(target), std::move(slot), timers);
    }
    return reply;
  }
  const auto protocol = ChooseSubprotocol(request.Header("Sec-WebSocket-Protocol"));
  if (!protocol) return NoSuchSubprotocol(fmt::format("{}, {}, {}", kTunnel, kChannels, kBase64Channels));
  reply.status = 101;
  if (!protocol->empty()) reply.headers.emplace_back("Sec-WebSocket-Protocol", *protocol);
  if (*protocol == kTunnel) {
    reply.conversation = NewPortsSpdy(std::move(target), std::move(slot), timers);
  } else if (ports.empty()) {
    return StatusReply({Code::kBadRequest, "query parameter \"ports\" is required"});
  } else {
    reply.conversation =
        NewPortsChannels(*protocol == kBase64Channels, std::move(target), ports, std::move(slot), timers);
  }
  return reply;
}

}  // namespace minikube::api
