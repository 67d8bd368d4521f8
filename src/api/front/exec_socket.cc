#include "api/front/exec_socket.h"

#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "api/front/pulled_strand.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

constexpr char kStdin = 0;
constexpr char kStdout = 1;
constexpr char kStderr = 2;
constexpr char kOutcome = 3;
constexpr char kResize = 4;
constexpr char kEnd = static_cast<char>(255);

// Input that the process has not taken yet. With a message of the most bytes on top of it this is what one client may
// have the server keep.
constexpr std::size_t kMaxInput = 256u << 10;
constexpr std::size_t kMaxResize = 256;
constexpr std::chrono::seconds kAcceptWithin(10);

struct Protocol {
  ChannelProtocol id;
  std::string_view name;
};
constexpr Protocol kProtocols[] = {{ChannelProtocol::kV5, "v5.channel.k8s.io"},
                                   {ChannelProtocol::kV4, "v4.channel.k8s.io"}};

// What channel 3 says at the end.
std::string Outcome(const Result<int>& exit_code) {
  if (exit_code && *exit_code == 0) return R"({"metadata":{},"status":"Success"})";
  if (exit_code) {
    const nlohmann::ordered_json json = {
        {"metadata", nlohmann::ordered_json::object()},
        {"status", "Failure"},
        {"message", fmt::format("command terminated with non-zero exit code: exit status {}", *exit_code)},
        {"reason", "NonZeroExitCode"},
        {"details", {{"causes", {{{"reason", "ExitCode"}, {"message", std::to_string(*exit_code)}}}}}}};
    return json.dump();
  }
  return StatusReply({Code::kInternal, fmt::format("Internal error occurred: error executing command in container: {}",
                                                   exit_code.status().message())})
      .body;
}

class ExecConversation final : public Conversation {
 public:
  ExecConversation(PodExecTarget target, ChannelProtocol protocol, std::shared_ptr<void> slot, Strand& timers)
      : protocol_(protocol),
        spec_(target.request.spec),
        slot_(std::move(slot)),
        signal_(std::make_shared<Signal>()),
        node_(std::move(target.node)),
        strand_(timers, signal_) {
    ExecEvents events;
    events.on_output = [this](OutputStream stream, std::string data) {
      message_ = stream == OutputStream::kOut ? kStdout : kStderr;
      message_ += data;
      streams_->ReadOn();
    };
    events.on_taken = [this](std::size_t bytes) { waiting_input_ -= std::min(bytes, waiting_input_); };
    events.on_end = [this](Result<int> exit_code) { exit_code_ = std::move(exit_code); };
    streams_ = node_->Exec(
        std::move(target.request), strand_, [this](Status status) { accepted_ = std::move(status); },
        std::move(events));
    // The client learns that it may begin, as kubelet has it: by nothing on the first channel that it listens to.
    message_ = spec_.out ? kStdout : spec_.err ? kStderr : kOutcome;
  }

  // The node's answer to the request; nullopt if it has not come yet.
  const std::optional<Status>& Accepted() {
    while (!accepted_ && strand_.RunOne()) {
    }
    return accepted_;
  }

  std::shared_ptr<Signal> signal() override { return signal_; }
  bool Ready() override { return waiting_input_ < kMaxInput; }

  void Receive(std::string_view message) override {
    if (message.empty()) return;
    const std::string_view rest = message.substr(1);
    switch (message.front()) {
      case kStdin:
        if (!spec_.in || input_closed_ || rest.empty()) return;
        waiting_input_ += rest.size();
        return streams_->Write(std::string(rest));
      case kResize:
        return Resize(rest);
      case kEnd:
        if (protocol_ != ChannelProtocol::kV5 || rest != std::string_view("\0", 1)) return;
        if (!std::exchange(input_closed_, true)) streams_->CloseInput();
        return;
      default:
        return;  // nothing is to be said on the others
    }
  }

  State Next(std::string& out) override {
    // The next piece of output is asked for when the task of the one before runs, and each is a message of its own:
    // this is how a slow client slows the process down.
    while (message_.empty() && strand_.RunOne()) {
    }
    if (message_.empty() && exit_code_) {
      if (std::exchange(said_, true)) return State::kDone;
      message_ = kOutcome + Outcome(*exit_code_);
    }
    if (message_.empty()) return State::kWait;
    out = std::exchange(message_, {});
    return State::kMore;
  }

 private:
  void Resize(std::string_view text) {
    if (!spec_.tty || text.size() > kMaxResize) return;
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    const auto read = [&](const char* name) -> std::uint16_t {
      if (!json.is_object() || !json.contains(name) || !json[name].is_number_unsigned()) return 0;
      const auto value = json[name].get<std::uint64_t>();
      return value > UINT16_MAX ? 0 : static_cast<std::uint16_t>(value);
    };
    const TerminalSize size{read("Width"), read("Height")};
    if (size.width > 0 && size.height > 0) streams_->Resize(size);
  }

  const ChannelProtocol protocol_;
  const ExecSpec spec_;
  const std::shared_ptr<void> slot_;
  const std::shared_ptr<Signal> signal_;
  const std::shared_ptr<NodeApi> node_;
  PulledStrand strand_;
  std::optional<Status> accepted_;
  std::string message_;
  std::size_t waiting_input_ = 0;
  bool input_closed_ = false;
  std::optional<Result<int>> exit_code_;
  bool said_ = false;
  std::unique_ptr<ExecStreams> streams_;  // last: goes first, so that no callback finds the rest gone
};

// A command that the node has not agreed to yet. Used on the frontend's strand only.
struct Pending {
  std::unique_ptr<ExecConversation> conversation;
  ChannelProtocol protocol;
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
    HttpReply out;
    out.status = 101;
    for (const Protocol& known : kProtocols) {
      if (known.id == protocol) out.headers.emplace_back("Sec-WebSocket-Protocol", known.name);
    }
    out.conversation = std::move(conversation);
    reply(std::move(out));
  }
};

}  // namespace

std::optional<ChannelProtocol> ChooseChannelProtocol(std::string_view offered) {
  std::optional<ChannelProtocol> chosen;
  AnyElement(offered, [&](std::string_view name) {
    for (const Protocol& known : kProtocols) {
      if (known.name == name) chosen = known.id;
    }
    return chosen.has_value();
  });
  return chosen;
}

void StartExec(PodExecTarget target, ChannelProtocol protocol, std::shared_ptr<void> slot, Strand& strand,
               Function<void(HttpReply)> reply) {
  auto pending = std::make_shared<Pending>();
  pending->protocol = protocol;
  pending->reply = std::move(reply);
  pending->conversation = std::make_unique<ExecConversation>(std::move(target), protocol, std::move(slot), strand);
  strand.After(kAcceptWithin, [pending] { pending->Advance(true); });
  // The signal belongs to the conversation, and that to `pending`: a strong reference here would be a cycle.
  pending->conversation->signal()->Bind([weak = std::weak_ptr(pending), &strand] {
    strand.Post([weak] {
      if (const auto held = weak.lock()) held->Advance(false);
    });
  });
}

}  // namespace minikube::api
