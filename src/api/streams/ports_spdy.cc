// Over SPDY/3.1. For each connection the client opens two streams, whose headers streamtype (data, error), port and
// requestid say what they are and that they belong together. Clients of old name no request: theirs are one after the
// other, the error stream first.
#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "api/streams/ports.h"
#include "http/spdy_connection.h"

namespace minikube::api {
namespace {

// Gathered before it is written.
constexpr std::size_t kEnough = 64u << 10;

std::uint16_t ParsePort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() ? port : 0;
}

class PortsSpdy final : public Conversation, private SpdyConnection::Handler {
 public:
  PortsSpdy(PodPortTarget target, std::shared_ptr<void> slot, Strand& timers)
      : parts_(std::move(target), std::move(slot), timers), connection_(*this) {}

  std::shared_ptr<Signal> signal() override { return parts_.signal; }
  bool Ready() override { return parts_.Ready() && connection_.output().size() < kEnough && !broken_; }

  void Receive(std::string_view bytes) override {
    if (!connection_.Receive(bytes)) broken_ = true;
  }

  State Next(std::string& out) override {
    parts_.strand.RunAll();
    if (!broken_) Serve();
    out = std::exchange(connection_.output(), {});
    if (!out.empty()) return State::kMore;
    const bool over = broken_ || (connection_.gone_away() && pairs_.empty());
    return over ? State::kDone : State::kWait;
  }

 private:
  struct Pair {
    std::uint16_t port = 0;
    std::uint32_t data = 0;  // 0 = not opened yet
    std::uint32_t error = 0;
    std::unique_ptr<HeldStreams> held;
  };

  bool OnStream(std::uint32_t stream, const SpdyHeaders& headers) override {
    const std::uint16_t port = ParsePort(FindSpdyHeader(headers, "port"));
    const std::string_view type = FindSpdyHeader(headers, "streamtype");
    const bool data = type == "data";
    if (port == 0 || (!data && type != "error")) return false;
    std::string request(FindSpdyHeader(headers, "requestid"));
    if (request.empty()) request = "stream " + std::to_string(data ? stream - 2 : stream);
    Pair& pair = pairs_[request];
    std::uint32_t& id = data ? pair.data : pair.error;
    if (id != 0) return false;
    id = stream;
    requests_[stream] = std::move(request);
    if (data) {
      pair.port = port;
      pair.held = parts_.Connect(port);
    }
    return true;
  }

  Pair* FindPair(std::uint32_t stream) {
    const auto request = requests_.find(stream);
    return request != requests_.end() ? &pairs_.at(request->second) : nullptr;
  }

  void OnData(std::uint32_t stream, std::string_view data) override {
    Pair* const pair = FindPair(stream);
    if (pair != nullptr && pair->data == stream) return pair->held->Write(data);
    connection_.Consumed(stream, data.size());
  }

  void OnFinish(std::uint32_t stream) override {
    Pair* const pair = FindPair(stream);
    if (pair != nullptr && pair->data == stream) pair->held->CloseInput();
  }

  // A client that resets either has lost interest in the connection.
  void OnReset(std::uint32_t stream) override {
    const auto request = requests_.find(stream);
    if (request == requests_.end()) return;
    const auto pair = pairs_.find(request->second);
    connection_.Send(pair->second.error, "", true);
    connection_.Reset(pair->second.data, SpdyReset::kCancel);
    Forget(pair);
  }

  using Pairs = std::map<std::string, Pair>;
  Pairs::iterator Forget(Pairs::iterator pair) {
    requests_.erase(pair->second.data);
    requests_.erase(pair->second.error);
    return pairs_.erase(pair);
  }

  // Hands on what connections have to say, until there is enough; none is to starve.
  void Serve() {
    const auto first = pairs_.upper_bound(served_);
    if (ServeFrom(first, pairs_.end())) ServeFrom(pairs_.begin(), pairs_.lower_bound(served_ + '\0'));
  }

  // False once there is enough. Ends before `end`, whose pair stays.
  bool ServeFrom(Pairs::iterator pair, Pairs::iterator end) {
    while (pair != end) {
      if (connection_.output().size() >= kEnough) return false;
      if (pair->second.held != nullptr) ServeOne(pair->first, pair->second);
      pair = Ended(pair->second) ? Forget(pair) : std::next(pair);
    }
    return true;
  }

  void ServeOne(const std::string& request, Pair& pair) {
    HeldStreams& held = *pair.held;
    if (const std::size_t taken = held.TakeTaken(); taken > 0) connection_.Consumed(pair.data, taken);
    if (held.output().empty()) return;
    const std::size_t size = std::min(held.output().size(), connection_.Room(pair.data));
    if (size == 0) return;
    connection_.Send(pair.data, held.output().substr(0, size), false);
    held.Took(size);
    served_ = request;
  }

  // Says how it ended, if it has; that waits for the stream to say it on.
  bool Ended(const Pair& pair) {
    if (pair.held == nullptr || pair.error == 0 || !PortParts::Over(*pair.held)) return false;
    const std::string trouble = parts_.Trouble(pair.port, *pair.held);
    connection_.Send(pair.error, trouble, true);
    if (trouble.empty()) {
      connection_.Send(pair.data, "", true);
    } else {
      connection_.Reset(pair.data, SpdyReset::kCancel);
    }
    return true;
  }

  PortParts parts_;
  SpdyConnection connection_;
  Pairs pairs_;                                    // by request
  std::map<std::uint32_t, std::string> requests_;  // by stream
  std::string served_;                             // the request whose output was handed on last
  bool broken_ = false;
};

}  // namespace

std::unique_ptr<Conversation> NewPortsSpdy(PodPortTarget target, std::shared_ptr<void> slot, Strand& timers) {
  return std::make_unique<PortsSpdy>(std::move(target), std::move(slot), timers);
}

}  // namespace minikube::api
