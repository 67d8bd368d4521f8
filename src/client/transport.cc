#include "client/transport.h"

#include <fcntl.h>

#include <atomic>
#include <charconv>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace minikube::client {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;
using tcp = boost::asio::ip::tcp;

constexpr std::size_t kPieceBytes = 64 << 10;
constexpr std::size_t kMaxHeaderBytes = 64 << 10;
constexpr std::size_t kMaxErrorBytes = 1 << 20;  // of the body of a refused stream

Status ToStatus(std::string_view doing, const error_code& error) {
  const Code code = error == beast::error::timeout            ? Code::kTimeout
                    : error == http::error::body_limit        ? Code::kTooLarge
                    : error == asio::error::operation_aborted ? Code::kCancelled
                                                              : Code::kUnavailable;
  return {code, fmt::format("{}: {}", doing, error.message())};
}

// What all connections share: where to, and as whom.
struct Endpoint {
  Kubeconfig config;
  TransportOptions options;
  ssl::context tls{ssl::context::tls_client};
  std::string authorization;

  Status Prepare() {
    error_code error;
    SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
    tls.set_verify_mode(config.skip_verify ? ssl::verify_none : ssl::verify_peer, error);
    if (config.ca.empty()) {
      tls.set_default_verify_paths(error);
    } else {
      tls.add_certificate_authority(asio::buffer(config.ca), error);
    }
    if (error) return {Code::kBadRequest, "kubeconfig: certificate-authority: " + error.message()};
    if (!config.certificate.empty()) {
      tls.use_certificate_chain(asio::buffer(config.certificate), error);
      if (error) return {Code::kBadRequest, "kubeconfig: client-certificate: " + error.message()};
      tls.use_private_key(asio::buffer(config.key), ssl::context::pem, error);
      if (error) return {Code::kBadRequest, "kubeconfig: client-key: " + error.message()};
    }
    if (!config.token.empty()) {
      authorization = "Bearer " + config.token;
    } else if (!config.basic.empty()) {
      std::string encoded(beast::detail::base64::encoded_size(config.basic.size()), '\0');
      encoded.resize(beast::detail::base64::encode(encoded.data(), config.basic.data(), config.basic.size()));
      authorization = "Basic " + encoded;
    }
    return {};
  }

  http::request<http::string_body> Build(HttpRequest request) const {
    http::request<http::string_body> out;
    out.version(11);
    out.method_string(request.method);
    out.target(config.path + request.target);
    out.set(http::field::host, config.port == "443" ? config.host : config.host + ":" + config.port);
    out.set(http::field::user_agent, options.user_agent);
    out.set(http::field::accept, request.accept);
    if (!authorization.empty()) out.set(http::field::authorization, authorization);
    if (!config.impersonate.empty()) out.set("Impersonate-User", config.impersonate);
    if (!request.content_type.empty()) out.set(http::field::content_type, request.content_type);
    out.body() = std::move(request.body);
    out.prepare_payload();
    return out;
  }
};

template <typename Body>
HttpResponse HeadOf(const http::response<Body>& response) {
  HttpResponse out;
  out.status = response.result_int();
  out.content_type = std::string(response[http::field::content_type]);
  for (auto [it, end] = response.equal_range(http::field::warning); it != end; ++it) {
    // `299 - "text"`
    const std::string_view value(it->value().data(), it->value().size());
    const std::size_t from = value.find('"');
    const std::size_t to = value.rfind('"');
    if (from != std::string_view::npos && to > from) out.warnings.emplace_back(value.substr(from + 1, to - from - 1));
  }
  const std::string retry(response[http::field::retry_after]);
  std::from_chars(retry.data(), retry.data() + retry.size(), out.retry_after_seconds);
  return out;
}

// One connection, used by one exchange or stream at a time. Everything on the transport's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Done = Function<void(error_code, const char* doing)>;

  Connection(asio::io_context& io, std::shared_ptr<Endpoint> endpoint)
      : endpoint_(std::move(endpoint)), resolver_(io), stream_(io, endpoint_->tls) {}

  beast::ssl_stream<beast::tcp_stream>& stream() { return stream_; }
  beast::flat_buffer& buffer() { return buffer_; }
  bool used = false;  // has carried an exchange: the server may have closed it since

  void Connect(Done done) {
    const Kubeconfig& config = endpoint_->config;
    if (!config.skip_verify) stream_.set_verify_callback(ssl::host_name_verification(config.server_name));
    error_code not_an_address;
    asio::ip::make_address(config.server_name, not_an_address);
    if (not_an_address) SSL_set_tlsext_host_name(stream_.native_handle(), config.server_name.c_str());
    resolver_.async_resolve(config.host, config.port,
                            [self = shared_from_this(), done = std::move(done)](
                                error_code error, tcp::resolver::results_type found) mutable {
                              if (error) return done(error, "resolve");
                              self->OnResolved(std::move(found), std::move(done));
                            });
  }
  void Close() {
    resolver_.cancel();
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
  }

 private:
  void OnResolved(tcp::resolver::results_type found, Done done) {
    Lowest().expires_after(Timeout());
    Lowest().async_connect(
        found, [self = shared_from_this(), done = std::move(done)](error_code error, const tcp::endpoint&) mutable {
          if (error) return done(error, "connect");
          error_code ignored;
          // Asio makes sockets that the programs a host starts would inherit.
          fcntl(self->Lowest().socket().native_handle(), F_SETFD, FD_CLOEXEC);
          self->Lowest().socket().set_option(tcp::no_delay(true), ignored);
          self->Lowest().socket().set_option(asio::socket_base::keep_alive(true), ignored);
          self->stream_.async_handshake(ssl::stream_base::client, [self, done = std::move(done)](error_code failed) {
            done(failed, "TLS handshake");
          });
        });
  }
  beast::tcp_stream& Lowest() { return beast::get_lowest_layer(stream_); }
  std::chrono::steady_clock::duration Timeout() const {
    return std::chrono::duration_cast<std::chrono::steady_clock::duration>(endpoint_->options.timeout);
  }

  const std::shared_ptr<Endpoint> endpoint_;
  tcp::resolver resolver_;
  beast::ssl_stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
};

class TransportImpl;

// One request and its whole response.
class ExchangeOp : public std::enable_shared_from_this<ExchangeOp> {
 public:
  ExchangeOp(TransportImpl& transport, http::request<http::string_body> request,
             Function<void(Result<HttpResponse>)> done)
      : transport_(transport), request_(std::move(request)), done_(std::move(done)) {}
  void Start(std::shared_ptr<Connection> connection);
  // Of one that has been started, or not: the place that it has in the pool is given back by who knows.
  bool Abort();

 private:
  void Send();
  void Fail(error_code error, const char* doing);
  void Finish(Result<HttpResponse> result, bool reusable);

  TransportImpl& transport_;
  http::request<http::string_body> request_;
  Function<void(Result<HttpResponse>)> done_;
  std::shared_ptr<Connection> connection_;
  std::optional<http::response_parser<http::string_body>> parser_;
};

// One request and a response without end.
class StreamOp : public std::enable_shared_from_this<StreamOp> {
 public:
  StreamOp(asio::io_context& io, std::shared_ptr<Endpoint> endpoint, http::request<http::string_body> request,
           Duration silence, StreamCallbacks callbacks)
      : silence_(std::chrono::duration_cast<std::chrono::steady_clock::duration>(silence)),
        connection_(std::make_shared<Connection>(io, std::move(endpoint))),
        request_(std::move(request)),
        callbacks_(std::move(callbacks)) {}

  void Start() {
    if (ended_) return;
    connection_->Connect([self = shared_from_this()](error_code error, const char* doing) {
      if (error) return self->End(ToStatus(doing, error));
      self->SendHead();
    });
  }
  void ReadMore() {
    if (ended_) return;
    parser_.get().body().data = piece_.data();
    parser_.get().body().size = piece_.size();
    Lowest().expires_after(silence_);
    http::async_read_some(connection_->stream(), connection_->buffer(), parser_,
                          [self = shared_from_this()](error_code error, std::size_t) { self->OnPiece(error); });
  }
  void Cancel() {
    ended_ = true;
    connection_->Close();
  }

 private:
  void SendHead() {
    Lowest().expires_after(silence_);
    http::async_write(connection_->stream(), request_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return self->End(ToStatus("write", error));
      self->parser_.header_limit(kMaxHeaderBytes);
      self->parser_.body_limit(boost::none);
      http::async_read_header(self->connection_->stream(), self->connection_->buffer(), self->parser_,
                              [self](error_code failed, std::size_t) {
                                if (failed) return self->End(ToStatus("read", failed));
                                self->OnHead();
                              });
    });
  }
  void OnHead() {
    if (ended_) return;
    head_ = HeadOf(parser_.get());
    if (head_.status >= 200 && head_.status < 300) {
      callbacks_.on_head(head_);
    } else {
      refused_ = true;
    }
    ReadMore();
  }
  void OnPiece(error_code error) {
    if (ended_) return;
    const std::size_t size = piece_.size() - parser_.get().body().size;
    if (error == http::error::need_buffer) error = {};
    if (refused_) {
      head_.body.append(piece_.data(), size);
      if (!error && !parser_.is_done() && head_.body.size() < kMaxErrorBytes) return ReadMore();
      callbacks_.on_head(head_);
      return End({});
    }
    if (size > 0) {
      callbacks_.on_data(std::string(piece_.data(), size));
      if (error || parser_.is_done()) End(error ? ToStatus("read", error) : Status());
      return;
    }
    if (error) return End(ToStatus("read", error));
    if (parser_.is_done()) return End({});
    ReadMore();
  }
  void End(Status why) {
    if (std::exchange(ended_, true)) return;
    connection_->Close();
    callbacks_.on_end(std::move(why));
  }
  beast::tcp_stream& Lowest() { return beast::get_lowest_layer(connection_->stream()); }

  const std::chrono::steady_clock::duration silence_;
  const std::shared_ptr<Connection> connection_;
  http::request<http::string_body> request_;
  const StreamCallbacks callbacks_;
  http::response_parser<http::buffer_body> parser_;
  HttpResponse head_;
  std::vector<char> piece_ = std::vector<char>(kPieceBytes);
  bool refused_ = false;
  bool ended_ = false;
};

class StreamHandle final : public Stream {
 public:
  StreamHandle(std::weak_ptr<asio::io_context> io, std::shared_ptr<StreamOp> op)
      : io_(std::move(io)), op_(std::move(op)) {}
  ~StreamHandle() override {
    if (const auto io = io_.lock()) asio::post(*io, [op = op_] { op->Cancel(); });
  }
  void ReadMore() override {
    if (const auto io = io_.lock()) asio::post(*io, [op = op_] { op->ReadMore(); });
  }

 private:
  const std::weak_ptr<asio::io_context> io_;
  const std::shared_ptr<StreamOp> op_;
};

class TransportImpl final : public Transport {
 public:
  TransportImpl(std::shared_ptr<Endpoint> endpoint, Env& env)
      : endpoint_(std::move(endpoint)), strand_(env.NewBlockingStrand("remote-client")) {
    strand_->Post([io = io_] { io->run(); });
  }
  ~TransportImpl() override { TransportImpl::Stop(); }

  Task Exchange(HttpRequest request, Function<void(Result<HttpResponse>)> done) override {
    auto op = std::make_shared<ExchangeOp>(*this, endpoint_->Build(std::move(request)), std::move(done));
    asio::post(*io_, [this, op] {
      waiting_.push_back(op);
      Pump();
    });
    return [this, weak_io = std::weak_ptr(io_), weak = std::weak_ptr(op)] {
      // What is posted to a stopped one does not run.
      if (const auto io = weak_io.lock()) asio::post(*io, [this, weak] { Cancel(weak.lock()); });
    };
  }

  std::unique_ptr<Stream> Open(HttpRequest request, Duration silence, StreamCallbacks callbacks) override {
    auto op = std::make_shared<StreamOp>(*io_, endpoint_, endpoint_->Build(std::move(request)), silence,
                                         std::move(callbacks));
    asio::post(*io_, [op] { op->Start(); });
    return std::make_unique<StreamHandle>(io_, std::move(op));
  }

  void Stop() override {
    if (stopped_.exchange(true)) return;
    work_.reset();
    io_->stop();
    strand_.reset();  // waits for run() to return
  }

  // The rest on the transport's thread.
  asio::io_context& io() { return *io_; }
  const TransportOptions& options() const { return endpoint_->options; }
  std::shared_ptr<Connection> NewConnection() { return std::make_shared<Connection>(*io_, endpoint_); }
  void Release(std::shared_ptr<Connection> reusable) {
    --busy_;
    if (reusable) idle_.push_back(std::move(reusable));
    Pump();
  }

 private:
  void Cancel(const std::shared_ptr<ExchangeOp>& op) {
    if (op == nullptr || !op->Abort()) return;
    if (std::erase(waiting_, op) == 0) Release(nullptr);
  }
  void Pump() {
    while (!waiting_.empty() && busy_ < endpoint_->options.max_connections) {
      const auto op = std::move(waiting_.front());
      waiting_.pop_front();
      ++busy_;
      std::shared_ptr<Connection> connection;
      if (!idle_.empty()) {
        connection = std::move(idle_.back());
        idle_.pop_back();
      }
      op->Start(std::move(connection));
    }
  }

  const std::shared_ptr<Endpoint> endpoint_;
  const std::shared_ptr<asio::io_context> io_ = std::make_shared<asio::io_context>(1);
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(*io_);
  std::unique_ptr<Strand> strand_;
  std::deque<std::shared_ptr<ExchangeOp>> waiting_;
  std::vector<std::shared_ptr<Connection>> idle_;
  std::size_t busy_ = 0;
  std::atomic<bool> stopped_{false};
};

void ExchangeOp::Start(std::shared_ptr<Connection> connection) {
  if (connection) {
    connection_ = std::move(connection);
    return Send();
  }
  connection_ = transport_.NewConnection();
  connection_->Connect([self = shared_from_this()](error_code error, const char* doing) {
    if (error) return self->Fail(error, doing);
    self->Send();
  });
}

bool ExchangeOp::Abort() {
  if (!done_) return false;
  // The connection stays with this until what is under way on it has ended.
  if (connection_ != nullptr) connection_->Close();
  std::exchange(done_, {})(Status(Code::kCancelled, "the request was withdrawn"));
  return true;
}

void ExchangeOp::Send() {
  if (!done_) return;
  auto& stream = connection_->stream();
  beast::get_lowest_layer(stream).expires_after(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(transport_.options().timeout));
  http::async_write(stream, request_, [self = shared_from_this()](error_code error, std::size_t) {
    if (error || !self->done_) return self->Fail(error, "write");
    self->parser_.emplace();
    self->parser_->header_limit(kMaxHeaderBytes);
    self->parser_->body_limit(self->transport_.options().max_response_bytes);
    http::async_read(self->connection_->stream(), self->connection_->buffer(), *self->parser_,
                     [self](error_code failed, std::size_t) {
                       if (failed) return self->Fail(failed, "read");
                       HttpResponse response = HeadOf(self->parser_->get());
                       response.body = std::move(self->parser_->get().body());
                       self->Finish(std::move(response), self->parser_->keep_alive());
                     });
  });
}

void ExchangeOp::Fail(error_code error, const char* doing) {
  if (!done_) return;
  // A kept connection may have been closed by the server meanwhile. What only reads is simply sent again.
  const bool stale = connection_->used && error != beast::error::timeout && (!parser_ || !parser_->got_some());
  if (stale && request_.method() == http::verb::get) {
    connection_.reset();
    parser_.reset();
    return Start(nullptr);
  }
  Finish(ToStatus(doing, error), false);
}

void ExchangeOp::Finish(Result<HttpResponse> result, bool reusable) {
  if (!done_) return;
  const auto done = std::exchange(done_, {});
  std::shared_ptr<Connection> connection = std::move(connection_);
  if (reusable) {
    connection->used = true;
    beast::get_lowest_layer(connection->stream()).expires_never();
  }
  done(std::move(result));
  transport_.Release(reusable ? std::move(connection) : nullptr);
}

}  // namespace

Result<std::unique_ptr<Transport>> Transport::New(Kubeconfig config, TransportOptions options, Env& env) {
  auto endpoint = std::make_shared<Endpoint>();
  endpoint->config = std::move(config);
  endpoint->options = std::move(options);
  MINIKUBE_RETURN_IF_ERROR(endpoint->Prepare());
  return std::unique_ptr<Transport>(std::make_unique<TransportImpl>(std::move(endpoint), env));
}

}  // namespace minikube::client
