#include "http/websocket.h"

#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/ssl.hpp>

namespace minikube {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;

constexpr std::size_t kKeptInput = 16u << 10;  // of the buffer, between messages
constexpr std::chrono::seconds kCloseWithin(2);

}  // namespace

WebSocket::WebSocket(Stream& stream, Owner owner, std::unique_ptr<Conversation> conversation, Limits limits,
                     Request request, std::vector<std::pair<std::string, std::string>> headers)
    : stream_(stream),
      owner_(std::move(owner)),
      limits_(limits),
      request_(std::move(request)),
      headers_(std::move(headers)),
      conversation_(std::move(conversation)),
      signal_(conversation_->signal()) {
  stream_.read_message_max(limits.max_message);
  // For the opening and the closing handshake; in between only the owner's deadline holds, for pings would not be
  // answered by a client that is suspended or has more to say than its process takes.
  stream_.set_option(
      websocket::stream_base::timeout{kCloseWithin, websocket::stream_base::none(), /*keep_alive_pings=*/false});
  stream_.auto_fragment(false);
  stream_.binary(!conversation_->text());
}

void WebSocket::Start() {
  owner_.expire(limits_.idle);
  KeepAlive(stream_.next_layer().lowest_layer());
  stream_.set_option(websocket::stream_base::decorator([this](websocket::response_type& response) {
    for (const auto& [name, value] : headers_) response.set(name, value);
  }));
  stream_.async_accept(request_, [this, keep = owner_.keep()](ErrorCode ec) {
    if (ec || !conversation_) return owner_.over();
    owner_.expire(limits_.idle);
    open_ = true;
    if (closing_) return Close(*closing_);
    signal_->Bind([post = owner_.post, this] { post([this] { Pump(); }); });
    NoticeBreak(stream_.next_layer().lowest_layer(), owner_);
    Pump();
  });
}

void WebSocket::Read() {
  if (reading_ || closing_ || !conversation_->Ready()) return;
  reading_ = true;
  if (in_.capacity() > kKeptInput) in_.shrink_to_fit();
  stream_.async_read(in_, [this, keep = owner_.keep()](ErrorCode ec, std::size_t) {
    reading_ = false;
    // Told to go away by the other end, or it does not keep to the protocol: Beast has said so already.
    if (ec) return owner_.over();
    if (!conversation_ || closing_) return;
    owner_.expire(limits_.idle);
    conversation_->Receive({static_cast<const char*>(in_.cdata().data()), in_.size()});
    in_.clear();
    Pump();
  });
}

void WebSocket::Pump() {
  if (!open_ || !conversation_ || closing_) return;
  if (!writing_) {
    out_.clear();
    switch (conversation_->Next(out_)) {
      case Conversation::State::kWait:
        break;
      case Conversation::State::kDone:
        return Close(websocket::close_code::normal);
      case Conversation::State::kMore:
        writing_ = true;
        stream_.async_write(asio::buffer(out_), [this, keep = owner_.keep()](ErrorCode ec, std::size_t) {
          writing_ = false;
          if (ec) return owner_.over();
          owner_.expire(limits_.idle);
          if (closing_) return Close(*closing_);
          Pump();
        });
    }
  }
  Read();
}

void WebSocket::End() { Close(websocket::close_code::going_away); }

void WebSocket::Close(websocket::close_code code) {
  if (!closing_) closing_ = code;
  if (!open_ || writing_ || std::exchange(close_sent_, true)) return;  // goes on when what is under way is through
  // Reads on until the other end agrees.
  stream_.async_close(*closing_, [this, keep = owner_.keep()](ErrorCode) { owner_.over(); });
}

void WebSocket::Sweep() {
  if (open_ && !stream_.is_open() && std::exchange(was_closing_, true)) owner_.over();
}

void WebSocket::Drop() {
  signal_->Unbind();
  conversation_.reset();
}

}  // namespace minikube
