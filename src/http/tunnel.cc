#include "http/tunnel.h"

#include <utility>

#include <boost/asio/write.hpp>

namespace minikube {

namespace asio = boost::asio;

Tunnel::Tunnel(Stream& stream, Owner owner, std::unique_ptr<Conversation> conversation, std::chrono::milliseconds idle,
               std::string head, std::string early)
    : stream_(stream),
      owner_(std::move(owner)),
      idle_(idle),
      conversation_(std::move(conversation)),
      signal_(conversation_->signal()),
      early_(std::move(early)),
      out_(std::move(head)) {}

void Tunnel::Start() {
  KeepAlive(stream_.lowest_layer());
  Write();
  signal_->Bind([post = owner_.post, this] { post([this] { Pump(); }); });
  NoticeBreak(stream_.lowest_layer(), owner_);
}

void Tunnel::Read() {
  if (reading_ || ending_ || !conversation_->Ready()) return;
  if (!early_.empty()) {
    conversation_->Receive(std::exchange(early_, {}));
    return owner_.post([this] { Pump(); });
  }
  reading_ = true;
  stream_.async_read_some(asio::buffer(in_), [this, keep = owner_.keep()](ErrorCode ec, std::size_t size) {
    reading_ = false;
    if (ec) return owner_.over();
    if (!conversation_ || ending_) return;
    owner_.expire(idle_);
    conversation_->Receive({in_.data(), size});
    Pump();
  });
}

void Tunnel::Pump() {
  if (!conversation_ || ending_) return;
  if (!writing_) {
    out_.clear();
    switch (conversation_->Next(out_)) {
      case Conversation::State::kWait:
        break;
      case Conversation::State::kDone:
        return End();
      case Conversation::State::kMore:
        Write();
    }
  }
  Read();
}

void Tunnel::Write() {
  owner_.expire(idle_);
  writing_ = true;
  asio::async_write(stream_, asio::buffer(out_), [this, keep = owner_.keep()](ErrorCode ec, std::size_t) {
    writing_ = false;
    if (ec) return owner_.over();
    if (!conversation_) return;
    if (ending_) return owner_.leave();
    owner_.expire(idle_);
    Pump();
  });
}

void Tunnel::End() {
  if (std::exchange(ending_, true) || writing_) return;  // goes on when what is under way is through
  owner_.leave();
}

void Tunnel::Drop() {
  signal_->Unbind();
  conversation_.reset();
}

}  // namespace minikube
