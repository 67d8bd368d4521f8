// pods/exec and pods/attach: from a request that is granted to a conversation with the client, in whichever of
// Kubernetes' protocols it asks for.
//
//   WebSocket   [v4.|v5.]channel.k8s.io, [v4.]base64.channel.k8s.io, or none named: exec_channels
//   SPDY/3.1    [v2.|v3.|v4.]channel.k8s.io: exec_spdy
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <minikube/env.h>
#include <minikube/function.h>

#include "api/stages/api_core.h"
#include "api/streams/held_streams.h"
#include "http/message.h"

namespace minikube::api {

// Asks the node, and calls `reply` once: with a refusal, or with the conversation. `slot` is held for as long as the
// command's streams are. `reply` runs on `strand`, which outlives all.
void StartExec(const HttpRequest& request, PodExecTarget target, std::shared_ptr<void> slot, Strand& strand,
               Function<void(HttpReply)> reply);

// What both kinds of conversation are made of.
struct ExecParts {
  ExecParts(PodExecTarget target, std::shared_ptr<void> held_slot, Strand& timers);

  const ExecSpec spec;
  const std::shared_ptr<void> slot;
  const std::shared_ptr<Signal> signal = std::make_shared<Signal>();
  const std::shared_ptr<NodeApi> node;
  PulledStrand strand;
  std::size_t waiting_input = 0;
  HeldStreams held;

  // Whether the client is to be listened to: not while the process takes nothing.
  bool Ready();
  // How it ended, as the protocols from v4 on say it: a metav1.Status in JSON.
  std::string Outcome() const;
  // And as those before do: why it failed; "" = it did not.
  std::string Failure() const;
};

// The size of a terminal as clients send it: {"Width":80,"Height":24}; nullopt for anything else.
std::optional<TerminalSize> ParseTerminalSize(std::string_view json);

// A conversation that begins with the node's consent.
class ExecConversation : public Conversation {
 public:
  ExecConversation(PodExecTarget target, std::shared_ptr<void> slot, Strand& timers)
      : parts_(std::move(target), std::move(slot), timers) {}
  std::shared_ptr<Signal> signal() override { return parts_.signal; }
  bool Ready() override { return parts_.Ready(); }
  // The node's answer; nullopt if it has not come yet.
  const std::optional<Status>& Accepted();

 protected:
  ExecParts parts_;
};

// exec_channels.cc. The subprotocol that is chosen of a Sec-WebSocket-Protocol field; nullopt if none is spoken here.
std::optional<std::string> ChooseChannelProtocol(std::string_view offered);
std::unique_ptr<ExecConversation> NewExecChannels(std::string_view protocol, PodExecTarget target,
                                                  std::shared_ptr<void> slot, Strand& timers);

// exec_spdy.cc
std::unique_ptr<ExecConversation> NewExecSpdy(std::string_view protocol, PodExecTarget target,
                                              std::shared_ptr<void> slot, Strand& timers);

}  // namespace minikube::api
