#include "http/server.h"

#include <fcntl.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include "base/short_slices.h"
#include "http/session.h"
#include "http/tls_context.h"

namespace minikube {

namespace asio = boost::asio;
using asio::ip::tcp;

// Streams that are pulled in one task.
constexpr std::size_t kWokenAtOnce = 64;

void WorkerDoor::Post(Task task) {
  std::lock_guard lock(mu_);
  if (io_ != nullptr) asio::post(*io_, std::move(task));
}

void WorkerDoor::Wake(std::weak_ptr<HttpSession> session) {
  std::lock_guard lock(mu_);
  if (io_ == nullptr) return;
  woken_.push_back(std::move(session));
  if (woken_.size() == 1) asio::post(*io_, [self = shared_from_this()] { self->WakeSome(); });
}

void WorkerDoor::WakeSome() {
  std::vector<std::weak_ptr<HttpSession>> some;
  {
    std::lock_guard lock(mu_);
    while (!woken_.empty() && some.size() < kWokenAtOnce) {
      some.push_back(std::move(woken_.front()));
      woken_.pop_front();
    }
    if (!woken_.empty() && io_ != nullptr) asio::post(*io_, [self = shared_from_this()] { self->WakeSome(); });
  }
  for (const auto& weak : some) {
    if (const auto session = weak.lock()) session->Wake();
  }
}

HttpWorker::HttpWorker(HttpShared& shared)
    : shared_(shared), work_(io_.get_executor()), door_(std::make_shared<WorkerDoor>(io_)), sweeper_(io_) {}

HttpWorker::~HttpWorker() { Join(); }

void HttpWorker::Run() {
  thread_ = std::thread([this] {
    base::TakeShortSlices();
    door_->thread_.store(std::this_thread::get_id(), std::memory_order_release);
    for (;;) {
      // Handlers' exceptions end in their session; what is left is memory that has run out, and the connection it
      // belonged to is closed by its deadline.
      try {
        io_.run();
        return;
      } catch (const std::exception& e) {
        shared_.log.Error("exception on an I/O thread", {{"what", e.what()}});
      }
    }
  });
}

void HttpWorker::BeginStop() {
  door_->Post([this] {
    if (stopping_) return;
    stopping_ = true;
    stop_by_ = shared_.clock.MonoNow() + shared_.limits.stop;
    const std::vector<std::shared_ptr<HttpSession>> sessions(sessions_.begin(), sessions_.end());
    for (const auto& session : sessions) session->BeginStop();
    StopWhenEmpty();
    sweeping_ = false;
    ArmSweeper();
  });
}

void HttpWorker::Join() {
  if (thread_.joinable()) {
    BeginStop();
    thread_.join();
  }
  {
    std::lock_guard lock(door_->mu_);
    door_->io_ = nullptr;
  }
  sessions_.clear();
}

void HttpWorker::StopWhenEmpty() {
  if (!stopping_ || !sessions_.empty()) return;
  work_.reset();
  sweeper_.cancel();
  io_.stop();
}

void HttpWorker::Adopt(tcp::socket socket, std::shared_ptr<asio::ssl::context> tls) {
  if (stopping_) return;
  sessions_.push_back(NewHttpSession(*this, std::move(socket), std::move(tls)));
  sessions_.back()->Start();
  ArmSweeper();
}

void HttpWorker::Remove(HttpSession* session) {
  sessions_.remove_if([session](const auto& other) { return other.get() == session; });
  StopWhenEmpty();
}

// One timer per thread looks after every deadline: a timer per socket operation would cost more than the requests.
void HttpWorker::ArmSweeper() {
  if (sweeping_ || (sessions_.empty() && !stopping_)) return;
  sweeping_ = true;
  sweeper_.expires_after(stopping_ ? std::chrono::milliseconds(50) : std::chrono::milliseconds(500));
  sweeper_.async_wait([this](boost::system::error_code ec) {
    if (ec) return;
    sweeping_ = false;
    const MonoTime now = shared_.clock.MonoNow();
    const std::vector<std::shared_ptr<HttpSession>> sessions(sessions_.begin(), sessions_.end());
    for (const auto& session : sessions) {
      if (stopping_ && now >= stop_by_) {
        session->Close();
      } else {
        session->CheckDeadline(now);
      }
    }
    ArmSweeper();
  });
}

std::string_view HttpWorker::HttpDate() {
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(shared_.clock.Now().time_since_epoch()).count();
  if (now != date_second_) {
    date_second_ = now;
    const auto seconds = static_cast<std::time_t>(now);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    date_ = fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday], parts.tm_mday,
                        kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  }
  return date_;
}

namespace {

// Asio makes sockets that the programs a host starts would inherit.
void KeepFromChildren(int socket) { fcntl(socket, F_SETFD, FD_CLOEXEC); }

class HttpServerImpl final : public HttpServer {
 public:
  HttpServerImpl(HttpServerOptions options, HttpHandler& handler, Clock& clock, Logger log)
      : options_(std::move(options)), shared_{handler,        clock, options_.limits, options_.compress_on_loopback,
                                              std::move(log), {}} {}
  ~HttpServerImpl() override { Stop(); }

  Status Open() {
    MINIKUBE_RETURN_IF_ERROR(SetCertificate(options_.serving));
    int threads = options_.threads;
    if (threads <= 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    for (int i = 0; i < threads; ++i) workers_.push_back(std::make_unique<HttpWorker>(shared_));

    boost::system::error_code ec;
    const auto address = asio::ip::make_address(options_.host, ec);
    if (ec) return {Code::kUnavailable, fmt::format("cannot listen on \"{}\": not an address", options_.host)};
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_ = std::make_unique<tcp::acceptor>(workers_[0]->io());
    acceptor_->open(endpoint.protocol(), ec);
    if (!ec) KeepFromChildren(acceptor_->native_handle());
    if (!ec) acceptor_->set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor_->bind(endpoint, ec);
    if (!ec) acceptor_->listen(asio::socket_base::max_listen_connections, ec);
    if (!ec) port_ = acceptor_->local_endpoint(ec).port();
    if (ec) {
      return {Code::kUnavailable,
              fmt::format("cannot listen on {}:{}: {}", options_.host, options_.port, ec.message())};
    }
    return {};
  }

  void Serve() override {
    Accept();
    for (const auto& worker : workers_) worker->Run();
  }

  std::uint16_t port() const override { return port_; }
  const HttpStats& stats() const override { return shared_.stats; }

  Status SetCertificate(const KeyPair& serving) override {
    Result<SslContext> context = NewServerTls(serving, options_.client_ca_pem);
    if (!context) return context.status();
    auto tls = std::make_shared<asio::ssl::context>(context->release());
    std::lock_guard lock(tls_mu_);
    tls_ = std::move(tls);
    return {};
  }

  void Stop() override {
    std::lock_guard lock(stop_mu_);
    if (workers_.empty()) return;
    workers_[0]->door()->Post([this] {
      boost::system::error_code ignored;
      acceptor_->close(ignored);
    });
    for (const auto& worker : workers_) worker->BeginStop();
    for (const auto& worker : workers_) worker->Join();
    retry_.reset();
    acceptor_.reset();
    workers_.clear();
  }

 private:
  void Accept() {
    HttpWorker& worker = *workers_[next_++ % workers_.size()];
    acceptor_->async_accept(worker.io(), [this, &worker](boost::system::error_code ec, tcp::socket socket) {
      if (!acceptor_->is_open() || ec == asio::error::operation_aborted) return;
      if (ec) {
        // Out of descriptors or memory: try again when some may have come back, not at once.
        shared_.log.Warning("accept failed", {{"error", ec.message()}});
        retry_ = std::make_unique<asio::steady_timer>(workers_[0]->io(), std::chrono::milliseconds(100));
        retry_->async_wait([this](boost::system::error_code wait) {
          if (!wait && acceptor_->is_open()) Accept();
        });
        return;
      }
      KeepFromChildren(socket.native_handle());
      Welcome(worker, std::move(socket));
      Accept();
    });
  }

  void Welcome(HttpWorker& worker, tcp::socket socket) {
    shared_.stats.accepted.fetch_add(1, std::memory_order_relaxed);
    if (shared_.stats.connections.load(std::memory_order_relaxed) >=
        static_cast<std::int64_t>(options_.limits.max_connections)) {
      shared_.stats.refused.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    shared_.stats.connections.fetch_add(1, std::memory_order_relaxed);
    std::shared_ptr<asio::ssl::context> tls;
    {
      std::lock_guard lock(tls_mu_);
      tls = tls_;
    }
    // The count is given back by whoever ends up with the socket: the session, or this closure if it is dropped unrun.
    struct Seat {
      HttpStats* stats;
      ~Seat() {
        if (stats != nullptr) stats->connections.fetch_sub(1, std::memory_order_relaxed);
      }
    };
    auto seat = std::make_shared<Seat>(Seat{nullptr});
    seat->stats = &shared_.stats;
    worker.door()->Post([&worker, seat, socket = std::move(socket), tls = std::move(tls)]() mutable {
      if (worker.stopping()) return;
      seat->stats = nullptr;
      worker.Adopt(std::move(socket), std::move(tls));
    });
  }

  HttpServerOptions options_;
  HttpShared shared_;
  std::uint16_t port_ = 0;
  std::mutex tls_mu_;
  std::shared_ptr<asio::ssl::context> tls_;
  std::mutex stop_mu_;
  std::vector<std::unique_ptr<HttpWorker>> workers_;
  std::unique_ptr<tcp::acceptor> acceptor_;  // used on workers_[0]'s thread
  std::unique_ptr<asio::steady_timer> retry_;
  std::size_t next_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(HttpServerOptions options, HttpHandler& handler, Clock& clock,
                                                       Logger log) {
  auto server = std::make_unique<HttpServerImpl>(std::move(options), handler, clock, std::move(log));
  if (Status status = server->Open(); !status.ok()) return status;
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace minikube
