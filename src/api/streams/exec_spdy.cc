// Over SPDY/3.1. The client opens a stream for each that it asked for (their header streamtype says which), one for
// errors, and from v3 on one for the size of the terminal. At the end the stream for errors says how it ended.
#include <algorithm>
#include <array>
#include <utility>

#include "api/streams/exec.h"
#include "http/spdy_connection.h"

namespace minikube::api {
namespace {

// For the client to open its streams.
constexpr std::chrono::seconds kStreamsWithin(30);
// Gathered before it is written.
constexpr std::size_t kEnough = 64u << 10;
// Of a size that is still without its end.
constexpr std::size_t kMaxSizeText = 256;

class ExecSpdy final : public ExecConversation, private SpdyConnection::Handler {
 public:
  ExecSpdy(bool outcome_is_status, PodExecTarget target, std::shared_ptr<void> slot, Strand& timers)
      : ExecConversation(std::move(target), std::move(slot), timers),
        outcome_is_status_(outcome_is_status),
        connection_(*this) {
    timer_ = parts_.strand.After(kStreamsWithin, [this] { late_ = true; });
  }
  ~ExecSpdy() override { parts_.strand.Cancel(timer_); }

  bool Ready() override { return ExecConversation::Ready() && connection_.output().size() < kEnough && !over_; }

  void Receive(std::string_view bytes) override {
    if (!connection_.Receive(bytes)) over_ = true;
  }

  State Next(std::string& out) override {
    parts_.strand.RunAll();
    if (const std::size_t taken = parts_.held.TakeTaken(); taken > 0) connection_.Consumed(ids_[kIn], taken);
    if (!over_) {
      SendOutput();
      SayOutcome();
      if (late_ && !AllOpen()) Leave();
    }
    out = std::exchange(connection_.output(), {});
    if (!out.empty()) return State::kMore;
    return over_ ? State::kDone : State::kWait;
  }

 private:
  enum Role : std::size_t { kError, kIn, kOut, kErr, kSize, kRoles };
  static constexpr std::array<std::string_view, kRoles> kNames = {"error", "stdin", "stdout", "stderr", "resize"};

  bool OnStream(std::uint32_t stream, const SpdyHeaders& headers) override {
    const auto name = std::find(kNames.begin(), kNames.end(), FindSpdyHeader(headers, "streamtype"));
    if (name == kNames.end()) return false;
    std::uint32_t& id = ids_[static_cast<std::size_t>(name - kNames.begin())];
    if (id != 0) return false;
    id = stream;
    return true;
  }

  void OnData(std::uint32_t stream, std::string_view data) override {
    if (stream == ids_[kIn] && parts_.spec.in) return parts_.held.Write(data);
    connection_.Consumed(stream, data.size());
    if (stream == ids_[kSize]) TakeSizes(data);
  }

  void OnFinish(std::uint32_t stream) override {
    if (stream == ids_[kIn]) parts_.held.CloseInput();
  }
  void OnReset(std::uint32_t stream) override { OnFinish(stream); }

  // Sizes come one after another, cut anywhere.
  void TakeSizes(std::string_view data) {
    for (const char c : data) {
      if (size_text_.size() < kMaxSizeText) size_text_ += c;
      if (c != '}') continue;
      if (const auto size = ParseTerminalSize(std::exchange(size_text_, {}))) parts_.held.Resize(*size);
    }
  }

  bool AllOpen() const {
    return ids_[kError] != 0 && (!parts_.spec.in || ids_[kIn] != 0) && (!parts_.spec.out || ids_[kOut] != 0) &&
           (!parts_.spec.err || ids_[kErr] != 0);
  }

  // What the process says before the client has opened the stream for it waits.
  void SendOutput() {
    HeldStreams& held = parts_.held;
    while (!held.output().empty() && connection_.output().size() < kEnough) {
      const std::uint32_t stream = ids_[held.output_stream() == OutputStream::kOut ? kOut : kErr];
      if (stream == 0) return;
      std::size_t size = held.output().size();
      if (connection_.IsOpen(stream)) {
        size = std::min(size, connection_.Room(stream));
        if (size == 0) return;
        connection_.Send(stream, held.output().substr(0, size), false);
      }
      held.Took(size);
      parts_.strand.RunAll();
    }
  }

  void SayOutcome() {
    if (parts_.held.end() == nullptr || !AllOpen()) return;
    connection_.Send(ids_[kError], outcome_is_status_ ? parts_.Outcome() : parts_.Failure(), true);
    for (const Role role : {kOut, kErr, kIn, kSize}) connection_.Send(ids_[role], "", true);
    Leave();
  }

  void Leave() {
    connection_.GoAway();
    over_ = true;
  }

  const bool outcome_is_status_;
  SpdyConnection connection_;
  std::array<std::uint32_t, kRoles> ids_{};  // 0 = not opened yet
  std::string size_text_;
  TimerId timer_ = 0;
  bool late_ = false;
  bool over_ = false;  // what the connection has to say yet is the last
};

}  // namespace

std::unique_ptr<ExecConversation> NewExecSpdy(std::string_view protocol, PodExecTarget target,
                                              std::shared_ptr<void> slot, Strand& timers) {
  return std::make_unique<ExecSpdy>(protocol == "v4.channel.k8s.io", std::move(target), std::move(slot), timers);
}

}  // namespace minikube::api
