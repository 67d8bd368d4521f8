// Over WebSocket. Channels: 0 stdin, 1 stdout, 2 stderr, 3 how it ended, 4 the size of the terminal; v5 also has 255,
// followed by the channel that ends.
#include <utility>

#include "api/streams/channel_codec.h"
#include "api/streams/exec.h"

namespace minikube::api {
namespace {

enum Channel : unsigned char { kStdin, kStdout, kStderr, kOutcome, kResize, kEnd = 255 };

struct Protocol {
  std::string_view name;
  int version;  // the first ones, without a number in their names, are alike
  bool base64;
};
constexpr Protocol kProtocols[] = {{"v5.channel.k8s.io", 5, false},       {"v4.channel.k8s.io", 4, false},
                                   {"v4.base64.channel.k8s.io", 4, true}, {"channel.k8s.io", 1, false},
                                   {"base64.channel.k8s.io", 1, true},    {"", 1, false}};

const Protocol* FindProtocol(std::string_view name) {
  for (const Protocol& protocol : kProtocols) {
    if (protocol.name == name) return &protocol;
  }
  return nullptr;
}

class ExecChannels final : public ExecConversation {
 public:
  ExecChannels(const Protocol& protocol, PodExecTarget target, std::shared_ptr<void> slot, Strand& timers)
      : ExecConversation(std::move(target), std::move(slot), timers), protocol_(protocol) {}

  bool text() const override { return protocol_.base64; }

  void Receive(std::string_view message) override {
    const std::optional<ChannelMessage> got = DecodeChannel(protocol_.base64, message);
    if (!got) return;
    switch (got->channel) {
      case kStdin:
        if (parts_.spec.in) parts_.held.Write(got->data);
        return;
      case kResize:
        if (!parts_.spec.tty && !parts_.spec.command.empty()) return;
        if (const auto size = ParseTerminalSize(got->data)) parts_.held.Resize(*size);
        return;
      case kEnd:
        if (protocol_.version == 5 && got->data == std::string_view("\0", 1)) parts_.held.CloseInput();
        return;
      default:
        return;  // nothing is to be said on the others
    }
  }

  State Next(std::string& out) override {
    parts_.strand.RunAll();
    HeldStreams& held = parts_.held;
    if (!std::exchange(greeted_, true)) {
      // The client learns that it may begin, as kubelet has it: by nothing on the first channel that it listens to.
      out = Message(parts_.spec.out ? kStdout : parts_.spec.err ? kStderr : kOutcome, "");
    } else if (const std::string_view output = held.output(); !output.empty()) {
      out = Message(held.output_stream() == OutputStream::kOut ? kStdout : kStderr, output);
      held.Took(output.size());
    } else if (held.end() == nullptr) {
      return State::kWait;
    } else {
      const std::string outcome = protocol_.version >= 4 ? parts_.Outcome() : parts_.Failure();
      if (std::exchange(said_, true) || outcome.empty()) return State::kDone;
      out = Message(kOutcome, outcome);
    }
    return State::kMore;
  }

 private:
  std::string Message(Channel channel, std::string_view data) const {
    return EncodeChannel(protocol_.base64, channel, data);
  }

  const Protocol& protocol_;
  bool greeted_ = false;
  bool said_ = false;
};

}  // namespace

std::optional<std::string> ChooseChannelProtocol(std::string_view offered) {
  if (offered.empty()) return "";
  std::optional<std::string> chosen;
  AnyElement(offered, [&](std::string_view name) {
    if (const Protocol* const found = FindProtocol(name)) chosen = found->name;
    return chosen.has_value();
  });
  return chosen;
}

std::unique_ptr<ExecConversation> NewExecChannels(std::string_view protocol, PodExecTarget target,
                                                  std::shared_ptr<void> slot, Strand& timers) {
  return std::make_unique<ExecChannels>(*FindProtocol(protocol), std::move(target), std::move(slot), timers);
}

}  // namespace minikube::api
