#include "http/forwarder.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace minikube {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr std::chrono::seconds kConnectWithin(30);  // as kube-apiserver's dialer
constexpr std::size_t kPiece = 32u << 10;
constexpr std::size_t kMaxHead = 64u << 10;
constexpr std::size_t kMaxInput = 256u << 10;  // that an upgraded peer has not taken yet

// What concerns one connection and is not handed on.
constexpr std::string_view kHopByHop[] = {
    "Connection",        "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer",
    "Transfer-Encoding", "Upgrade"};

// With the fields that Connection names.
bool IsHopByHop(std::string_view name, std::string_view connection) {
  const auto same = [name](std::string_view other) { return EqualsIgnoreCase(name, other); };
  return std::any_of(std::begin(kHopByHop), std::end(kHopByHop), same) || AnyElement(connection, same);
}

// What tells this server who asks, and is none of the other's business.
bool IsCredential(std::string_view name) {
  constexpr std::string_view kImpersonate = "Impersonate-";
  return EqualsIgnoreCase(name, "Authorization") || EqualsIgnoreCase(name.substr(0, kImpersonate.size()), kImpersonate);
}

std::string RequestText(const HttpRequest& request) {
  std::string out = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
  const std::string_view connection = request.Header("Connection");
  const std::string_view upgrade = request.Header("Upgrade");
  for (const auto& [name, value] : request.headers) {
    if (IsHopByHop(name, connection) || IsCredential(name)) continue;
    if (EqualsIgnoreCase(name, "Content-Length") || EqualsIgnoreCase(name, "Expect")) continue;
    out += fmt::format("{}: {}\r\n", name, value);
  }
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
    out += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  if (upgrade.empty()) {
    out += "Connection: close\r\n\r\n";
  } else {
    out += fmt::format("Connection: Upgrade\r\nUpgrade: {}\r\n\r\n", upgrade);
  }
  out += request.body;
  return out;
}

// What has come from the peer and waits for the client. Any thread.
class Inbox {
 public:
  enum class End { kOpen, kWhole, kBroken };
  const std::shared_ptr<Signal>& signal() const { return signal_; }
  void Put(std::string_view piece) {
    {
      std::lock_guard lock(mu_);
      data_ += piece;
    }
    signal_->Notify();
  }
  void Close(End end) {
    {
      std::lock_guard lock(mu_);
      end_ = end;
    }
    signal_->Notify();
  }
  // Appends what there is to `out`, else tells whether there will be more.
  End Take(std::string& out) {
    std::lock_guard lock(mu_);
    if (data_.empty()) return end_;
    out += data_;
    data_.clear();
    return End::kOpen;
  }

 private:
  const std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  std::mutex mu_;
  std::string data_;
  End end_ = End::kOpen;
};

// What an answer needs of its exchange, whatever it runs over. Any thread.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void ReadMore() = 0;
  virtual void Write(std::string_view piece) = 0;
  virtual bool WantsMore() = 0;
  virtual void Leave() = 0;
  Inbox inbox;
};

class AnswerBody final : public BodySource {
 public:
  explicit AnswerBody(std::shared_ptr<Peer> peer) : peer_(std::move(peer)) { peer_->ReadMore(); }
  ~AnswerBody() override { peer_->Leave(); }
  std::shared_ptr<Signal> signal() override { return peer_->inbox.signal(); }
  State Pull(std::size_t, std::string& out) override {
    const std::size_t before = out.size();
    const Inbox::End end = peer_->inbox.Take(out);
    if (out.size() > before) {
      peer_->ReadMore();
      return State::kMore;
    }
    return end == Inbox::End::kOpen ? State::kWait : end == Inbox::End::kWhole ? State::kDone : State::kAbort;
  }

 private:
  const std::shared_ptr<Peer> peer_;
};

class PassedOn final : public Conversation {
 public:
  explicit PassedOn(std::shared_ptr<Peer> peer) : peer_(std::move(peer)) { peer_->ReadMore(); }
  ~PassedOn() override { peer_->Leave(); }
  std::shared_ptr<Signal> signal() override { return peer_->inbox.signal(); }
  void Receive(std::string_view piece) override { peer_->Write(piece); }
  bool Ready() override { return peer_->WantsMore(); }
  State Next(std::string& out) override {
    const Inbox::End end = peer_->inbox.Take(out);
    if (out.empty()) return end == Inbox::End::kOpen ? State::kWait : State::kDone;
    peer_->ReadMore();
    return State::kMore;
  }

 private:
  const std::shared_ptr<Peer> peer_;
};

// One request and its answer. Everything private on the forwarder's thread.
template <typename Stream>
class Exchange final : public Peer, public std::enable_shared_from_this<Exchange<Stream>> {
 public:
  template <typename... Args>
  Exchange(HttpRequest request, Function<void(Result<HttpReply>)> reply, Args&&... stream)
      : stream_(std::forward<Args>(stream)...),
        upgrades_(!request.Header("Upgrade").empty()),
        head_(request.method == "HEAD"),
        text_(RequestText(request)),
        reply_(std::move(reply)) {}

  void Start(const ForwardTarget& to) {
    error_code error;
    const asio::ip::address address = asio::ip::make_address(to.host, error);
    if (error) return Fail(error);
    tcp::endpoint endpoint(address, static_cast<std::uint16_t>(std::atoi(to.port.c_str())));
    Lowest().expires_after(kConnectWithin);
    Lowest().async_connect(endpoint, [self = this->shared_from_this()](error_code failed) {
      if (failed) return self->Fail(failed);
      self->Connected();
    });
  }

  void ReadMore() override { Post(&Exchange::Read); }
  void Leave() override { Post(&Exchange::Close); }
  void Write(std::string_view piece) override {
    {
      std::lock_guard lock(mu_);
      waiting_ += piece;
    }
    Post(&Exchange::Flush);
  }
  bool WantsMore() override {
    std::lock_guard lock(mu_);
    return waiting_.size() < kMaxInput;
  }

 private:
  beast::tcp_stream& Lowest() { return beast::get_lowest_layer(stream_); }

  void Post(void (Exchange::*step)()) {
    asio::post(stream_.get_executor(), [self = this->shared_from_this(), step] { (self.get()->*step)(); });
  }

  void Connected() {
    // Asio makes sockets that the programs a host starts would inherit.
    fcntl(Lowest().socket().native_handle(), F_SETFD, FD_CLOEXEC);
    error_code ignored;
    Lowest().socket().set_option(tcp::no_delay(true), ignored);
    if constexpr (std::is_same_v<Stream, beast::tcp_stream>) {
      Send();
    } else {
      stream_.async_handshake(ssl::stream_base::client, [self = this->shared_from_this()](error_code failed) {
        if (failed) return self->Fail(failed);
        self->Send();
      });
    }
  }

  void Send() {
    Lowest().expires_never();  // how long an answer takes is between the client and its peer
    asio::async_write(stream_, asio::buffer(text_), [self = this->shared_from_this()](error_code failed, std::size_t) {
      if (failed) return self->Fail(failed);
      self->ReadHead();
    });
  }

  void ReadHead() {
    parser_.emplace();
    parser_->header_limit(kMaxHead);
    parser_->body_limit(boost::none);
    parser_->skip(head_);
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = this->shared_from_this()](error_code failed, std::size_t) {
                              if (failed) return self->Fail(failed);
                              const unsigned status = self->parser_->get().result_int();
                              if (status >= 100 && status < 200 && status != 101) return self->ReadHead();
                              self->Answer(static_cast<int>(status));
                            });
  }

  void Answer(int status) {
    const auto reply = std::exchange(reply_, nullptr);
    if (!reply) return;
    const auto& answer = parser_->get();
    HttpReply out;
    out.status = status;
    out.content_type.clear();
    const std::string connection(answer[http::field::connection]);
    for (const auto& field : answer) {
      const std::string name(field.name_string());
      if (IsHopByHop(name, connection) || field.name() == http::field::content_length ||
          field.name() == http::field::date) {
        continue;
      }
      if (field.name() == http::field::content_type) {
        out.content_type = std::string(field.value());
      } else {
        out.headers.emplace_back(name, std::string(field.value()));
      }
    }
    if (status == 101) {
      if (!upgrades_) return reply(Status(Code::kUnavailable, "the other side changed the protocol unasked"));
      out.upgrade = std::string(answer[http::field::upgrade]);
      if (out.upgrade.empty()) return reply(Status(Code::kUnavailable, "the other side names no protocol"));
      out.conversation = std::make_unique<PassedOn>(this->shared_from_this());
      raw_ = true;
    } else if (status != 204 && status != 304) {
      out.source = std::make_unique<AnswerBody>(this->shared_from_this());
    } else {
      Close();
    }
    reply(std::move(out));
  }

  void Read() {
    if (closed_ || reading_) return;
    if (raw_) return ReadRaw();
    if (parser_->is_done()) return Ended(Inbox::End::kWhole);
    reading_ = true;
    parser_->get().body().data = piece_.data();
    parser_->get().body().size = piece_.size();
    http::async_read_some(stream_, buffer_, *parser_,
                          [self = this->shared_from_this()](error_code failed, std::size_t) { self->Came(failed); });
  }

  void Came(error_code failed) {
    reading_ = false;
    if (closed_) return;
    const std::size_t size = piece_.size() - parser_->get().body().size;
    if (size > 0) inbox.Put({piece_.data(), size});
    if (failed && failed != http::error::need_buffer) return Ended(Inbox::End::kBroken);
    if (parser_->is_done()) return Ended(Inbox::End::kWhole);
    if (size == 0) Read();
  }

  void ReadRaw() {
    if (buffer_.size() > 0) {  // came with the head
      inbox.Put({static_cast<const char*>(buffer_.cdata().data()), buffer_.size()});
      return buffer_.consume(buffer_.size());
    }
    reading_ = true;
    stream_.async_read_some(asio::buffer(piece_),
                            [self = this->shared_from_this()](error_code failed, std::size_t size) {
                              self->reading_ = false;
                              if (self->closed_) return;
                              if (failed) return self->Ended(Inbox::End::kWhole);
                              self->inbox.Put({self->piece_.data(), size});
                            });
  }

  void Flush() {
    if (closed_ || writing_) return;
    {
      std::lock_guard lock(mu_);
      if (waiting_.empty()) return;
      text_ = std::exchange(waiting_, {});
    }
    inbox.signal()->Notify();  // it takes more now
    writing_ = true;
    asio::async_write(stream_, asio::buffer(text_), [self = this->shared_from_this()](error_code failed, std::size_t) {
      self->writing_ = false;
      if (self->closed_) return;
      if (failed) return self->Ended(Inbox::End::kWhole);
      self->Flush();
    });
  }

  void Ended(Inbox::End end) {
    Close();
    inbox.Close(end);
  }
  void Fail(error_code error) {
    Close();
    if (const auto reply = std::exchange(reply_, nullptr)) reply(Status(Code::kUnavailable, error.message()));
  }
  void Close() {
    if (std::exchange(closed_, true)) return;
    error_code ignored;
    Lowest().socket().close(ignored);
  }

  Stream stream_;
  const bool upgrades_;
  const bool head_;
  std::string text_;  // what is being written
  Function<void(Result<HttpReply>)> reply_;
  beast::flat_buffer buffer_;
  std::optional<http::response_parser<http::buffer_body>> parser_;
  std::array<char, kPiece> piece_;
  bool raw_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool closed_ = false;
  std::mutex mu_;
  std::string waiting_;  // of the client's, for the peer; guarded by mu_
};

}  // namespace

struct Forwarder::Impl {
  explicit Impl(Env& of) : env(of) { tls.set_verify_mode(ssl::verify_none); }

  // Most servers never forward anything: no thread for them.
  asio::io_context& Running() {
    std::lock_guard lock(mu);
    if (strand == nullptr) {
      strand = env.NewBlockingStrand("forwarder");
      strand->Post([this] { io.run(); });
    }
    return io;
  }

  Env& env;
  ssl::context tls{ssl::context::tls_client};
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  std::mutex mu;
  std::unique_ptr<Strand> strand;  // guarded by mu
};

Forwarder::Forwarder(Env& env) : impl_(std::make_unique<Impl>(env)) {}

Forwarder::~Forwarder() {
  impl_->io.stop();
  impl_->strand.reset();  // waits for run() to return
}

void Forwarder::Forward(const ForwardTarget& to, HttpRequest request, Function<void(Result<HttpReply>)> reply) {
  asio::io_context& io = impl_->Running();
  const std::shared_ptr<Signal> gone = std::move(request.gone);
  const auto start = [&](auto exchange) {
    if (gone != nullptr) {
      gone->Bind([weak = std::weak_ptr(exchange)] {
        if (const auto left = weak.lock()) left->Leave();
      });
    }
    asio::post(io, [exchange, to] { exchange->Start(to); });
  };
  if (to.tls) {
    start(std::make_shared<Exchange<beast::ssl_stream<beast::tcp_stream>>>(std::move(request), std::move(reply), io,
                                                                           impl_->tls));
  } else {
    start(std::make_shared<Exchange<beast::tcp_stream>>(std::move(request), std::move(reply), io));
  }
}

}  // namespace minikube
