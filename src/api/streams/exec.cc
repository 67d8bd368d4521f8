#include "api/streams/exec.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "api/streams/upgrade.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

// Input that the process has not taken yet. With a message of the most bytes on top of it this is what one client may
// have the server keep.
constexpr std::size_t kMaxInput = 256u << 10;
constexpr std::size_t kMaxResize = 256;
constexpr std::chrono::seconds kAcceptWithin(10);

constexpr std::string_view kSpdyProtocols[] = {"v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io",
                                               "channel.k8s.io"};

// A command that the node has not agreed to yet. Used on the frontend's strand only.
struct Pending {
  std::unique_ptr<ExecConversation> conversation;
  HttpReply grant;
  Function<void(HttpReply)> reply;

  void Advance(bool overdue) {
    if (!conversation) return;
    std::optional<Status> accepted = conversation->Accepted();
    if (!accepted && overdue) accepted = Status(Code::kTimeout, "the node did not answer in time");
    if (!accepted) return;
    conversation->signal()->Unbind();
    if (!accepted->ok()) {
      conversation.reset();
      return reply(StatusReply(*accepted));
    }
    grant.conversation = std::move(conversation);
    reply(std::move(grant));
  }
};

void ReplyWhenAccepted(std::unique_ptr<ExecConversation> conversation, HttpReply grant, Strand& strand,
                       Function<void(HttpReply)> reply) {
  auto pending = std::make_shared<Pending>();
  pending->conversation = std::move(conversation);
  pending->grant = std::move(grant);
  pending->reply = std::move(reply);
  strand.After(kAcceptWithin, [pending] { pending->Advance(true); });
  // The signal belongs to the conversation, and that to `pending`: a strong reference here would be a cycle.
  pending->conversation->signal()->Bind([weak = std::weak_ptr(pending), &strand] {
    strand.Post([weak] {
      if (const auto held = weak.lock()) held->Advance(false);
    });
  });
}

HeldStreams::Open Asking(const std::shared_ptr<NodeApi>& node, ExecRequest request) {
  return [node = node.get(), request = std::move(request)](Strand& strand, Function<void(Status)> accepted,
                                                           ExecEvents events) {
    return node->Exec(request, strand, std::move(accepted), std::move(events));
  };
}

}  // namespace

ExecParts::ExecParts(PodExecTarget target, std::shared_ptr<void> held_slot, Strand& timers)
    : spec(target.request.spec),
      slot(std::move(held_slot)),
      node(std::move(target.node)),
      strand(timers, signal),
      held(strand, waiting_input, Asking(node, std::move(target.request))) {}

bool ExecParts::Ready() {
  strand.RunAll();
  return waiting_input < kMaxInput;
}

std::string ExecParts::Outcome() const {
  const Result<int>& exit_code = *held.end();
  if (exit_code && *exit_code == 0) return R"({"metadata":{},"status":"Success"})";
  if (!exit_code) return StatusReply({Code::kInternal, Failure()}).body;
  const nlohmann::ordered_json json = {
      {"metadata", nlohmann::ordered_json::object()},
      {"status", "Failure"},
      {"message", Failure()},
      {"reason", "NonZeroExitCode"},
      {"details", {{"causes", {{{"reason", "ExitCode"}, {"message", std::to_string(*exit_code)}}}}}}};
  return json.dump();
}

std::string ExecParts::Failure() const {
  const Result<int>& exit_code = *held.end();
  if (exit_code && *exit_code == 0) return "";
  if (exit_code) return fmt::format("command terminated with non-zero exit code: exit status {}", *exit_code);
  return fmt::format("Internal error occurred: error {} container: {}",
                     spec.command.empty() ? "attaching to" : "executing command in", exit_code.status().message());
}

std::optional<TerminalSize> ParseTerminalSize(std::string_view text) {
  if (text.size() > kMaxResize) return std::nullopt;
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto read = [&](const char* name) -> std::uint16_t {
    if (!json.is_object() || !json.contains(name) || !json[name].is_number_unsigned()) return 0;
    const auto value = json[name].get<std::uint64_t>();
    return value > UINT16_MAX ? 0 : static_cast<std::uint16_t>(value);
  };
  const TerminalSize size{read("Width"), read("Height")};
  if (size.width == 0 || size.height == 0) return std::nullopt;
  return size;
}

const std::optional<Status>& ExecConversation::Accepted() {
  parts_.strand.RunAll();
  return parts_.held.accepted();
}

void StartExec(const HttpRequest& request, PodExecTarget target, std::shared_ptr<void> slot, Strand& strand,
               Function<void(HttpReply)> reply) {
  HttpReply grant;
  grant.status = 101;
  if (IsWebSocketUpgrade(request)) {
    const std::optional<std::string> protocol = ChooseChannelProtocol(request.Header("Sec-WebSocket-Protocol"));
    if (!protocol) {
      return reply(
          NoSuchSubprotocol("v5.channel.k8s.io, v4.channel.k8s.io, channel.k8s.io, "
                            "v4.base64.channel.k8s.io, base64.channel.k8s.io"));
    }
    if (!protocol->empty()) grant.headers.emplace_back("Sec-WebSocket-Protocol", *protocol);
    return ReplyWhenAccepted(NewExecChannels(*protocol, std::move(target), std::move(slot), strand), std::move(grant),
                             strand, std::move(reply));
  }
  const std::optional<std::string> protocol = ChooseSpdyProtocol(request, kSpdyProtocols, grant);
  if (!protocol) return reply(std::move(grant));
  ReplyWhenAccepted(NewExecSpdy(*protocol, std::move(target), std::move(slot), strand), std::move(grant), strand,
                    std::move(reply));
}

}  // namespace minikube::api
