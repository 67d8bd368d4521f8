// Over WebSocket, by channels: of the nth port (from 0) 2n has the data, 2n+1 what went wrong. First of all each says
// its port, in two bytes, the low one first.
#include <utility>

#include "api/streams/channel_codec.h"
#include "api/streams/ports.h"

namespace minikube::api {
namespace {

class PortsChannels final : public Conversation {
 public:
  PortsChannels(bool base64, PodPortTarget target, const std::vector<std::uint16_t>& ports, std::shared_ptr<void> slot,
                Strand& timers)
      : base64_(base64), parts_(std::move(target), std::move(slot), timers) {
    for (const std::uint16_t port : ports) connections_.push_back({port, parts_.Connect(port)});
  }

  std::shared_ptr<Signal> signal() override { return parts_.signal; }
  bool Ready() override { return parts_.Ready(); }
  bool text() const override { return base64_; }

  void Receive(std::string_view message) override {
    const std::optional<ChannelMessage> got = DecodeChannel(base64_, message);
    if (!got || got->channel % 2 != 0 || got->channel / 2 >= connections_.size()) return;
    const Connection& connection = connections_[got->channel / 2];
    if (connection.held != nullptr) connection.held->Write(got->data);
  }

  State Next(std::string& out) override {
    if (greeted_ < 2 * connections_.size()) {
      const std::uint16_t port = connections_[greeted_ / 2].port;
      const char bytes[2] = {static_cast<char>(port & 0xff), static_cast<char>(port >> 8)};
      out = EncodeChannel(base64_, static_cast<unsigned char>(greeted_++), {bytes, 2});
      return State::kMore;
    }
    parts_.strand.RunAll();
    bool open = false;
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      const std::size_t at = (first_ + i) % connections_.size();
      if (Say(at, out)) {
        first_ = at + 1;  // none is to starve
        return State::kMore;
      }
      open = open || connections_[at].held != nullptr;
    }
    return open ? State::kWait : State::kDone;
  }

 private:
  struct Connection {
    std::uint16_t port;
    std::unique_ptr<HeldStreams> held;  // null once it has ended
  };

  // False if the connection has nothing to say now.
  bool Say(std::size_t at, std::string& out) {
    std::unique_ptr<HeldStreams>& held = connections_[at].held;
    const auto channel = static_cast<unsigned char>(2 * at);
    if (held == nullptr) return false;
    if (const std::string_view output = held->output(); !output.empty()) {
      out = EncodeChannel(base64_, channel, output);
      held->Took(output.size());
      return true;
    }
    if (!PortParts::Over(*held)) return false;
    const std::string trouble = parts_.Trouble(connections_[at].port, *held);
    held.reset();
    if (trouble.empty()) return false;
    out = EncodeChannel(base64_, channel + 1, trouble);
    return true;
  }

  const bool base64_;
  PortParts parts_;
  std::vector<Connection> connections_;
  std::size_t greeted_ = 0;
  std::size_t first_ = 0;
};

}  // namespace

std::unique_ptr<Conversation> NewPortsChannels(bool base64, PodPortTarget target,
                                               const std::vector<std::uint16_t>& ports, std::shared_ptr<void> slot,
                                               Strand& timers) {
  return std::make_unique<PortsChannels>(base64, std::move(target), ports, std::move(slot), timers);
}

}  // namespace minikube::api
