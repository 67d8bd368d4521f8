#include "api/streams/body_socket.h"

#include <utility>

#include "api/streams/upgrade.h"
#include "crypto/base64.h"

namespace minikube::api {
namespace {

constexpr std::size_t kPiece = 32u << 10;

class BodySocket final : public Conversation {
 public:
  BodySocket(BodyCut cut, BodyForm form, bool greeting, std::unique_ptr<BodySource> source)
      : cut_(cut), form_(form), greeting_(greeting), source_(std::move(source)) {}

  std::shared_ptr<Signal> signal() override { return source_->signal(); }
  bool text() const override { return form_ != BodyForm::kBinary; }
  bool Ready() override { return true; }
  void Receive(std::string_view) override {}

  State Next(std::string& out) override {
    if (std::exchange(greeting_, false)) return State::kMore;
    while (true) {
      const std::size_t head = cut_ == BodyCut::kPrefixed ? 4 : 0;
      const std::size_t end = MessageEnd();
      if (end > at_ && (done_ || end != std::string::npos)) {
        const std::string_view message(held_.data() + at_ + head, end - at_ - head);
        out = form_ == BodyForm::kBase64 ? Base64(message) : std::string(message);
        at_ = end;
        return State::kMore;
      }
      held_.erase(0, at_);
      at_ = 0;
      if (done_) return State::kDone;
      const std::size_t before = held_.size();
      switch (source_->Pull(kPiece, held_)) {
        case BodySource::State::kMore:
          break;
        case BodySource::State::kWait:
          if (held_.size() == before) return State::kWait;
          break;
        case BodySource::State::kDone:
        case BodySource::State::kAbort:
          done_ = true;
      }
    }
  }

 private:
  // Where the message that begins at at_ ends; npos: it is not whole yet; at_: there is nothing.
  std::size_t MessageEnd() const {
    const std::size_t left = held_.size() - at_;
    if (left == 0) return at_;
    std::size_t end = held_.size();
    if (cut_ == BodyCut::kLines) {
      const std::size_t newline = held_.find('\n', at_);
      end = newline == std::string::npos ? newline : newline + 1;
    } else if (cut_ == BodyCut::kPrefixed) {
      if (left < 4) return done_ ? at_ : std::string::npos;
      std::size_t size = 4;
      for (std::size_t i = 0, value = 0; i < 4; ++i) {
        value = value << 8 | static_cast<unsigned char>(held_[at_ + i]);
        if (i == 3) size += value;
      }
      end = size > left ? std::string::npos : at_ + size;
    }
    return end == std::string::npos && done_ ? held_.size() : end;
  }

  const BodyCut cut_;
  const BodyForm form_;
  bool greeting_;
  const std::unique_ptr<BodySource> source_;
  std::string held_;  // what was pulled and not sent, from at_ on
  std::size_t at_ = 0;
  bool done_ = false;
};

}  // namespace

void OverWebSocket(BodyCut cut, BodyForm form, bool greeting, HttpReply& reply) {
  reply.conversation = std::make_unique<BodySocket>(cut, form, greeting, std::move(reply.source));
  reply.headers.clear();
  reply.status = 101;
}

void LogOverWebSocket(const HttpRequest& request, HttpReply& reply) {
  constexpr std::string_view kBinary = "binary.k8s.io";
  constexpr std::string_view kBase64 = "base64.binary.k8s.io";
  if (reply.source == nullptr) return;
  const std::string_view offered = request.Header("Sec-WebSocket-Protocol");
  std::string_view chosen;
  AnyElement(offered, [&](std::string_view name) {
    if (name == kBinary || name == kBase64) chosen = name == kBinary ? kBinary : kBase64;
    return !chosen.empty();
  });
  if (chosen.empty() && !offered.empty()) {
    reply = NoSuchSubprotocol("binary.k8s.io, base64.binary.k8s.io");
    return;
  }
  OverWebSocket(BodyCut::kPieces, chosen == kBase64 ? BodyForm::kBase64 : BodyForm::kBinary, true, reply);
  if (!chosen.empty()) reply.headers.emplace_back("Sec-WebSocket-Protocol", chosen);
}

void WatchOverWebSocket(const HttpRequest& request, bool protobuf, HttpReply& reply) {
  if (reply.source == nullptr) return;
  const std::string_view offered = request.Header("Sec-WebSocket-Protocol");
  if (offered.find(',') != std::string_view::npos) {
    reply = NoSuchSubprotocol("a watch has none; one that is named is taken as it is");
    return;
  }
  OverWebSocket(protobuf ? BodyCut::kPrefixed : BodyCut::kLines, protobuf ? BodyForm::kBinary : BodyForm::kText, false,
                reply);
  if (!offered.empty()) reply.headers.emplace_back("Sec-WebSocket-Protocol", offered);
}

}  // namespace minikube::api
