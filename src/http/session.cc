#include "http/session.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <optional>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "http/gzip.h"
#include "http/tls_context.h"
#include "http/tunnel.h"
#include "http/websocket.h"

namespace minikube {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

// Bodies from this size on are compressed for clients that take it; below, the round trip costs more than the bytes.
constexpr std::size_t kGzipFrom = 128u << 10;
// Bodies are written in pieces of about this size.
constexpr std::size_t kWriteSlice = 256u << 10;
constexpr std::size_t kRecord = 16u << 10;     // what a TLS record takes
constexpr std::size_t kKeptInput = 64u << 10;  // of an idle connection's buffer
constexpr std::size_t kChunkHead = 10;         // eight hexadecimal digits and a line end
constexpr std::size_t kMoveUpTo = 16u << 10;

// A whole body as a source, so that compressing it does not need a second copy of it.
class TextSource final : public BodySource {
 public:
  explicit TextSource(std::shared_ptr<const std::string> text) : text_(std::move(text)) {}
  State Pull(std::size_t want, std::string& out) override {
    const std::string_view piece = std::string_view(*text_).substr(at_, want);
    out += piece;
    at_ += piece.size();
    return at_ < text_->size() ? State::kMore : State::kDone;
  }

 private:
  std::shared_ptr<const std::string> text_;
  std::size_t at_ = 0;
};

class GzipSource final : public BodySource {
 public:
  explicit GzipSource(std::unique_ptr<BodySource> inner) : inner_(std::move(inner)) {}
  State Pull(std::size_t want, std::string& out) override {
    State state = State::kMore;
    const std::size_t before = out.size();
    while (state == State::kMore && out.size() - before < want) {
      plain_.clear();
      state = inner_->Pull(want, plain_);
      gzip_.Write(plain_, state == State::kDone, out);
    }
    return state;
  }
  std::shared_ptr<Signal> signal() override { return inner_->signal(); }

 private:
  std::unique_ptr<BodySource> inner_;
  GzipStream gzip_;
  std::string plain_;
};

class Session final : public HttpSession, public std::enable_shared_from_this<Session> {
 public:
  Session(HttpWorker& worker, tcp::socket socket, std::shared_ptr<asio::ssl::context> tls)
      : worker_(worker), shared_(worker.shared()), tls_(std::move(tls)), stream_(std::move(socket), *tls_) {}

  ~Session() override { shared_.stats.connections.fetch_sub(1, std::memory_order_relaxed); }

  void Start() override {
    error_code ignored;
    stream_.lowest_layer().set_option(tcp::no_delay(true), ignored);
    compress_ =
        shared_.compress_on_loopback || !stream_.lowest_layer().remote_endpoint(ignored).address().is_loopback();
    Expire(shared_.limits.handshake);
    stream_.async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](error_code ec) {
      if (ec) return self->NoHandshake(ec);
      self->peer_ = std::make_shared<const PeerCertificate>(PeerOf(self->stream_.native_handle()));
      self->AwaitRequest();
    });
  }

  void CheckDeadline(MonoTime now) override {
    if (upgraded_) upgraded_->Sweep();
    // Who waits for a while may leave meanwhile; asking for it at once would cost every request a system call.
    if (state_ == State::kHandling && !upgrade_ && std::exchange(waits_, true)) WatchPeer();
    if (deadline_ && now >= *deadline_) Close();
  }

  void BeginStop() override {
    if (state_ == State::kIdle || state_ == State::kReading) return Close();
    close_after_ = true;
    // A watch or a followed log may end at any time; a list goes on to its end.
    if (state_ == State::kStreaming && signal_) EndStream();
    if (state_ == State::kConversing) upgraded_->End();
  }

  void Wake() override {
    woken_ = true;
    Pump();
  }

  void Close() override {
    if (state_ == State::kClosed) return;
    if (state_ == State::kHandling && gone_) gone_->Notify();
    FinishRequest();
    state_ = State::kClosed;
    deadline_.reset();
    ReleaseSource();
    if (upgraded_) upgraded_->Drop();
    error_code ignored;
    stream_.lowest_layer().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.lowest_layer().close(ignored);
    // Its pending operations end with an error and drop their references; the worker drops its own.
    const auto self = shared_from_this();
    worker_.Remove(this);
  }

 private:
  enum class State { kIdle, kReading, kHandling, kReplying, kStreaming, kConversing, kShutdown, kClosed };
  using Parser = http::request_parser<http::string_body>;

  void Expire(std::chrono::milliseconds after) { deadline_ = shared_.clock.MonoNow() + after; }

  // Who speaks HTTP to this port is told, in HTTP, what is wrong.
  void NoHandshake(error_code ec) {
    const bool http = ec.category() == asio::error::get_ssl_category() &&
                      ERR_GET_REASON(static_cast<unsigned long>(ec.value())) == SSL_R_HTTP_REQUEST;
    if (!http || state_ == State::kClosed) return Close();
    out_ =
        "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        "Client sent an HTTP request to an HTTPS server.\n";
    asio::async_write(stream_.next_layer(), asio::buffer(out_),
                      [self = shared_from_this()](error_code, std::size_t) { self->Close(); });
  }

  // Waits for the first byte of a request with the idle limit, then for the rest with the read limit.
  void AwaitRequest() {
    if (state_ == State::kClosed) return;
    if (worker_.stopping()) return Shutdown();
    state_ = State::kIdle;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(shared_.limits.max_header_bytes));
    parser_->body_limit(shared_.limits.max_body_bytes);
    parser_->eager(false);
    if (buffer_.size() > 0) return ReadHeader();
    Expire(shared_.limits.idle);
    if (reading_ahead_) return;  // WatchPeer's read goes on, into this buffer; it will call ReadHeader
    if (buffer_.capacity() > kKeptInput) buffer_.shrink_to_fit();
    stream_.async_read_some(buffer_.prepare(4096), [self = shared_from_this()](error_code ec, std::size_t n) {
      if (ec) return self->Close();
      self->buffer_.commit(n);
      self->ReadHeader();
    });
  }

  void ReadHeader() {
    state_ = State::kReading;
    Expire(shared_.limits.read);
    http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](error_code ec, std::size_t) {
      if (ec) return self->RefuseInput(ec);
      if (EqualsIgnoreCase(ToView(self->parser_->get()[http::field::expect]), "100-continue")) {
        return self->SendContinue();
      }
      self->ReadBody();
    });
  }

  void SendContinue() {
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(stream_, asio::buffer(out_), [self = shared_from_this()](error_code ec, std::size_t) {
      if (ec) return self->Close();
      self->ReadBody();
    });
  }

  void ReadBody() {
    if (parser_->is_done()) return Dispatch();
    parser_->eager(true);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code ec, std::size_t) {
      if (ec) return self->RefuseInput(ec);
      self->Dispatch();
    });
  }

  void RefuseInput(error_code ec) {
    if (state_ == State::kClosed) return;
    Status status;
    if (ec == http::error::body_limit) {
      status =
          Status(Code::kTooLarge, fmt::format("Request entity too large: limit is {}", shared_.limits.max_body_bytes));
    } else if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
      status = Status(Code::kTooLarge, "request header fields too large");
    } else if (ec.category() == make_error_code(http::error::bad_method).category() &&
               ec != http::error::end_of_stream && ec != http::error::partial_message) {
      status = Status(Code::kBadRequest, "malformed HTTP request: " + ec.message());
    } else {
      return Close();
    }
    HttpReply reply = shared_.handler.Refuse(status);
    if (ec == http::error::header_limit) reply.status = 431;
    reply.close = true;
    head_request_ = false;
    lingering_ = true;
    Reply(std::move(reply));
  }

  static std::string_view ToView(boost::beast::string_view text) { return {text.data(), text.size()}; }

  void Dispatch() {
    auto& message = parser_->get();
    HttpRequest request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    request.headers.reserve(8);
    for (const auto& field : message) {
      request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    request.body = std::move(message.body());
    request.peer = peer_;
    gone_ = std::make_shared<Signal>();
    request.gone = gone_;
    upgrade_ = !request.Header("Upgrade").empty();
    waits_ = false;
    head_request_ = message.method() == http::verb::head;
    http_1_0_ = message.version() < 11;
    if (!message.keep_alive()) close_after_ = true;

    state_ = State::kHandling;
    deadline_.reset();
    in_flight_ = true;
    shared_.stats.in_flight.fetch_add(1, std::memory_order_relaxed);
    try {
      shared_.handler.Handle(std::move(request), [weak = weak_from_this(), door = worker_.door()](HttpReply reply) {
        if (door->OnThread()) {
          if (auto self = weak.lock()) self->Handled(std::move(reply));
          return;
        }
        door->Post([weak, reply = std::move(reply)]() mutable {
          if (auto self = weak.lock()) self->Handled(std::move(reply));
        });
      });
    } catch (const std::exception& e) {
      HandlerThrew(e.what());
    } catch (...) {
      HandlerThrew("not a std::exception");
    }
  }

  void Handled(HttpReply reply) {
    if (state_ != State::kHandling) return;
    try {
      reply.Complete();
    } catch (const std::exception& e) {
      return HandlerThrew(e.what());
    }
    Reply(std::move(reply));
  }

  // The client is answered, and the connection ends: what the handler may still say does not belong to a later request.
  void HandlerThrew(std::string_view what) {
    shared_.stats.handler_exceptions.fetch_add(1, std::memory_order_relaxed);
    shared_.log.Error("a request's handler threw", {{"what", std::string(what)}});
    HttpReply reply = shared_.handler.Refuse(Status(Code::kInternal, "the request could not be handled"));
    reply.close = true;
    Handled(std::move(reply));
  }

  void FinishRequest() {
    gone_.reset();
    if (!std::exchange(in_flight_, false)) return;
    shared_.stats.in_flight.fetch_sub(1, std::memory_order_relaxed);
  }

  void Reply(HttpReply reply) {
    if (state_ == State::kClosed) return;
    if (reply.close || worker_.stopping()) close_after_ = true;
    if (reply.conversation) return Converse(std::move(reply));
    const bool streamed = static_cast<bool>(reply.source);
    if (!reply.source && !reply.shared && reply.body.size() >= kGzipFrom) {
      reply.shared = std::make_shared<const std::string>(std::move(reply.body));
    }
    // A source with a signal is live: what it gives must reach the client at once, not sit in a compressor.
    const bool compress = compress_ && reply.gzip &&
                          (streamed ? !reply.source->signal() : reply.shared && reply.shared->size() >= kGzipFrom);
    if (compress) {
      if (!streamed) reply.source = std::make_unique<TextSource>(std::move(reply.shared));
      reply.source = std::make_unique<GzipSource>(std::move(reply.source));
    }
    // HTTP/1.0 has no chunks: the end of the body is the end of the connection.
    if (reply.source && http_1_0_) close_after_ = true;

    out_.clear();
    TakeBuffer();
    WriteHead(reply, compress);
    if (head_request_) {
      ReleaseSource();
      return Send({}, &Session::AfterReply);
    }
    if (reply.source) {
      source_ = std::move(reply.source);
      return StartStream();
    }
    if (reply.shared) {
      shared_body_ = std::move(reply.shared);
      return Send(*shared_body_, &Session::AfterReply);
    }
    // Small: header and body leave in one piece.
    out_ += reply.body;
    Send({}, &Session::AfterReply);
  }

  // The rest of the connection is the conversation's.
  void Converse(HttpReply reply) {
    // On a WebSocket nobody speaks before the upgrade is granted; and Beast could not be given what is here already.
    if ((buffer_.size() > 0 && reply.upgrade.empty()) || worker_.stopping()) return Close();
    state_ = State::kConversing;
    streaming_ = true;
    shared_.stats.streams.fetch_add(1, std::memory_order_relaxed);
    Upgraded::Owner owner;
    owner.keep = [this] { return shared_from_this(); };
    owner.post = [weak = weak_from_this(), door = worker_.door()](Task task) {
      door->Post([weak, task = std::move(task)] {
        if (const auto self = weak.lock()) task();
      });
    };
    owner.expire = [this](std::chrono::milliseconds after) { Expire(after); };
    owner.over = [this] { Close(); };
    owner.leave = [this] {
      if (state_ == State::kConversing) Leave();
    };
    const std::chrono::milliseconds idle = shared_.limits.conversation_idle;
    if (reply.upgrade.empty()) {
      upgraded_ = std::make_unique<WebSocket>(stream_, std::move(owner), std::move(reply.conversation),
                                              WebSocket::Limits{shared_.limits.max_message_bytes, idle}, parser_->get(),
                                              std::move(reply.headers));
    } else {
      std::string head =
          fmt::format("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {}\r\n", reply.upgrade);
      for (const auto& [name, value] : reply.headers) head += fmt::format("{}: {}\r\n", name, value);
      head += "\r\n";
      std::string early(static_cast<const char*>(buffer_.cdata().data()), buffer_.size());
      buffer_.consume(buffer_.size());
      upgraded_ = std::make_unique<Tunnel>(stream_, std::move(owner), std::move(reply.conversation), idle,
                                           std::move(head), std::move(early));
    }
    upgraded_->Start();
  }

  // All has been sent: says goodbye, and waits a little for the other end's, while what it still sends is read and
  // dropped.
  void Leave() {
    state_ = State::kShutdown;
    upgraded_->Drop();  // what it holds is free as of now
    Expire(std::chrono::seconds(2));
    stream_.async_shutdown([self = shared_from_this()](error_code) {
      if (self->state_ == State::kClosed) return;
      error_code ignored;
      self->stream_.lowest_layer().shutdown(tcp::socket::shutdown_send, ignored);
      self->Linger();
    });
  }

  void WriteHead(const HttpReply& reply, bool compressed) {
    fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\n", reply.status, ReasonPhrase(reply.status));
    for (const auto& [name, value] : reply.headers) fmt::format_to(std::back_inserter(out_), "{}: {}\r\n", name, value);
    if (!reply.content_type.empty())
      fmt::format_to(std::back_inserter(out_), "Content-Type: {}\r\n", reply.content_type);
    if (compressed) out_ += "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n";
    fmt::format_to(std::back_inserter(out_), "Date: {}\r\n", worker_.HttpDate());
    if (reply.source) {
      if (!http_1_0_) out_ += "Transfer-Encoding: chunked\r\n";
    } else if (reply.status != 304) {
      const std::size_t size = reply.shared ? reply.shared->size() : reply.body.size();
      fmt::format_to(std::back_inserter(out_), "Content-Length: {}\r\n", size);
    }
    if (close_after_) out_ += "Connection: close\r\n";
    out_ += "\r\n";
  }

  // Sends out_, then `rest`, in slices that each have their own deadline; then calls `next`. What the socket takes is
  // sent at once, in one call however many TLS records it is; most often that is all.
  void Send(std::string_view rest, void (Session::*next)()) {
    if (state_ != State::kStreaming) state_ = State::kReplying;
    const std::string_view slice = rest.substr(0, kWriteSlice);
    rest.remove_prefix(slice.size());
    const bool together = !slice.empty() && out_.size() + slice.size() <= kRecord;
    if (together) out_ += slice;
    const std::optional<std::string_view> records =
        worker_.tls_writer().Encrypt(stream_.native_handle(), out_, together ? std::string_view() : slice);
    PutBuffer();
    if (!records) return Close();
    const ssize_t sent =
        send(stream_.next_layer().native_handle(), records->data(), records->size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return Close();
    const std::string_view unsent = records->substr(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    if (unsent.empty()) return Sent(rest, next);
    unsent_ = unsent;
    writing_ = true;
    Expire(shared_.limits.write);
    asio::async_write(stream_.next_layer(), asio::buffer(unsent_),
                      [self = shared_from_this(), rest, next](error_code ec, std::size_t) {
                        self->writing_ = false;
                        std::string().swap(self->unsent_);
                        if (ec || self->state_ == State::kClosed) return self->Close();
                        self->Sent(rest, next);
                      });
  }

  void Sent(std::string_view rest, void (Session::*next)()) {
    if (rest.empty()) return ((*this).*next)();
    // Others first: who reads as fast as we write must not keep the thread.
    writing_ = true;
    Expire(shared_.limits.write);
    asio::post(worker_.io(), [self = shared_from_this(), rest, next] {
      self->writing_ = false;
      if (self->state_ != State::kClosed) self->Send(rest, next);
    });
  }

  // out_ borrows the worker's buffer from when something is put into it until it is encrypted.
  void TakeBuffer() {
    if (out_.empty()) out_.swap(worker_.buffer());
  }
  void PutBuffer() {
    out_.clear();
    if (out_.capacity() > worker_.buffer().capacity()) out_.swap(worker_.buffer());
    if (out_.capacity() > kRecord) out_.shrink_to_fit();
  }

  void AfterReply() {
    FinishRequest();
    shared_body_.reset();
    if (close_after_) return Shutdown();
    AwaitRequest();
  }

  // Streams: pull, frame, write, again; wait for the signal when there is nothing.
  void StartStream() {
    state_ = State::kStreaming;
    shared_.stats.streams.fetch_add(1, std::memory_order_relaxed);
    streaming_ = true;
    signal_ = source_->signal();
    if (signal_) {
      signal_->Bind([weak = weak_from_this(), door = worker_.door()] { door->Wake(weak); });
      WatchPeer();
    }
    Pump();
  }

  void Pump() {
    if (state_ != State::kStreaming || !source_ || writing_) return;
    auto state = BodySource::State::kMore;
    woken_ = false;
    TakeBuffer();
    const std::size_t chunk = BeginChunk();
    const std::size_t begin = out_.size();
    while (state == BodySource::State::kMore && out_.size() - begin < kWriteSlice) {
      state = source_->Pull(kWriteSlice - (out_.size() - begin), out_);
    }
    if (state == BodySource::State::kAbort) return Close();
    EndChunk(chunk, begin);
    if (state == BodySource::State::kDone) return EndStream();
    waiting_ = state == BodySource::State::kWait;
    if (out_.empty()) {
      PutBuffer();
      deadline_.reset();  // nothing to send: as long as it takes
      return;
    }
    Send({}, &Session::AfterPiece);
  }

  void AfterPiece() {
    if (ending_) return FinishStream();
    if (waiting_ && !woken_) {
      deadline_.reset();
      return;
    }
    // Others first, as in Sent.
    Expire(shared_.limits.write);
    asio::post(worker_.io(), [self = shared_from_this()] { self->Pump(); });
  }

  // A chunk is written where it is sent from, behind room for its size. Returns where it begins.
  std::size_t BeginChunk() {
    const std::size_t at = out_.size();
    if (!http_1_0_) out_.append(kChunkHead, '0');
    return at;
  }
  // The data from `begin` on is the chunk that began at `at`; without data there is none.
  void EndChunk(std::size_t at, std::size_t begin) {
    if (out_.size() == begin) return out_.resize(at);
    if (http_1_0_) return;
    std::string head = fmt::format("{:x}\r\n", out_.size() - begin);
    if (out_.size() - begin >= kMoveUpTo) head.insert(0, kChunkHead - head.size(), '0');  // rather than move it all
    out_.replace(at, kChunkHead, head);
    out_ += "\r\n";
  }

  // The source is done, or the server stops: the body ends properly.
  void EndStream() {
    if (ending_) return;
    ending_ = true;
    ReleaseSource();
    if (!writing_) FinishStream();  // else AfterPiece goes on
  }

  void FinishStream() {
    ending_ = false;
    streaming_ = false;
    shared_.stats.streams.fetch_sub(1, std::memory_order_relaxed);
    state_ = State::kReplying;
    if (!http_1_0_) out_ += "0\r\n\r\n";
    Send({}, &Session::AfterReply);
  }

  void ReleaseSource() {
    if (signal_) signal_->Unbind();
    signal_.reset();
    source_.reset();
    if (state_ == State::kClosed && std::exchange(streaming_, false)) {
      shared_.stats.streams.fetch_sub(1, std::memory_order_relaxed);
    }
  }

  // While a stream runs, or a request waits, nothing is expected from the client; this read is how we learn that it has
  // gone.
  void WatchPeer() {
    if (reading_ahead_ || buffer_.size() > 0) return;
    reading_ahead_ = true;
    stream_.async_read_some(buffer_.prepare(1024), [self = shared_from_this()](error_code ec, std::size_t n) {
      self->reading_ahead_ = false;
      if (ec) return self->Close();
      self->buffer_.commit(n);
      // A request sent ahead stays in the buffer for later, and we stop reading: one read at a time.
      if (self->state_ == State::kIdle) self->ReadHeader();
    });
  }

  // Says goodbye in TLS and in TCP so that what was sent arrives, then closes.
  void Shutdown() {
    state_ = State::kShutdown;
    Expire(std::chrono::seconds(1));
    if (lingering_) {
      // Input that was refused unread would make the kernel reset the connection, and the reply with it.
      error_code ignored;
      stream_.lowest_layer().shutdown(tcp::socket::shutdown_send, ignored);
      return Linger();
    }
    stream_.async_shutdown([self = shared_from_this()](error_code) { self->Close(); });
  }

  void Linger() {
    stream_.next_layer().async_read_some(asio::buffer(discard_),
                                         [self = shared_from_this()](error_code ec, std::size_t) {
                                           if (ec) return self->Close();
                                           self->Linger();
                                         });
  }

  HttpWorker& worker_;
  HttpShared& shared_;
  std::shared_ptr<asio::ssl::context> tls_;
  asio::ssl::stream<tcp::socket> stream_;
  std::shared_ptr<const PeerCertificate> peer_;

  State state_ = State::kIdle;
  std::optional<MonoTime> deadline_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  bool head_request_ = false;
  bool http_1_0_ = false;
  bool close_after_ = false;
  bool lingering_ = false;
  bool compress_ = false;  // the peer is far enough away
  bool in_flight_ = false;
  std::shared_ptr<Signal> gone_;  // of the request that is being handled
  bool upgrade_ = false;          // it wants another protocol, so what comes next is none of ours to read
  bool waits_ = false;            // it has been there for a sweep

  std::string out_;     // header, chunks: what is sent next; empty while nothing is being made
  std::string unsent_;  // TLS records that the socket had no room for
  bool writing_ = false;
  std::shared_ptr<const std::string> shared_body_;

  std::unique_ptr<BodySource> source_;
  std::shared_ptr<Signal> signal_;
  bool streaming_ = false;      // counted in stats.streams
  bool ending_ = false;         // the source is done; the last piece is being written
  bool waiting_ = false;        // the source answered kWait
  bool woken_ = false;          // it has signalled since the last pull
  bool reading_ahead_ = false;  // WatchPeer's read is pending
  std::array<char, 1024> discard_;
  std::unique_ptr<Upgraded> upgraded_;  // from kConversing on
};

}  // namespace

std::shared_ptr<HttpSession> NewHttpSession(HttpWorker& worker, tcp::socket socket,
                                            std::shared_ptr<asio::ssl::context> tls) {
  return std::make_shared<Session>(worker, std::move(socket), std::move(tls));
}

}  // namespace minikube
