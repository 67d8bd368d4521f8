// HttpSession: one connection, from handshake to close; and HttpWorker, the I/O thread it lives on.
//
// Internal to the HTTP server (includes Asio). A session is used on its worker's thread only.
#pragma once

#include <atomic>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <minikube/env.h>

#include "http/message.h"
#include "http/server.h"
#include "http/tls_writer.h"

namespace minikube {

class HttpSession;

// Where tasks for a worker's thread are posted from outside. Outlives the worker, so that a late answer of the handler
// finds a closed door instead of a dead io_context.
class WorkerDoor : public std::enable_shared_from_this<WorkerDoor> {
 public:
  explicit WorkerDoor(boost::asio::io_context& io) : io_(&io) {}
  // Runs `task` on the worker's thread, or drops it if the worker has ended.
  void Post(Task task);
  // Has the session's stream pulled on the worker's thread. Many at once take their turns from one list, a few in each
  // task, so that other connections are not kept waiting.
  void Wake(std::weak_ptr<HttpSession> session);
  bool OnThread() const { return std::this_thread::get_id() == thread_.load(std::memory_order_acquire); }

 private:
  friend class HttpWorker;
  void WakeSome();

  std::atomic<std::thread::id> thread_;
  std::mutex mu_;
  boost::asio::io_context* io_;                   // guarded by mu_; null once closed
  std::deque<std::weak_ptr<HttpSession>> woken_;  // guarded by mu_
};

// What sessions share. Constant after construction but for the counters.
struct HttpShared {
  HttpHandler& handler;
  Clock& clock;
  HttpLimits limits;
  bool compress_on_loopback;
  Logger log;
  HttpStats stats;
};

class HttpWorker {
 public:
  explicit HttpWorker(HttpShared& shared);
  ~HttpWorker();

  boost::asio::io_context& io() { return io_; }
  HttpShared& shared() { return shared_; }
  const std::shared_ptr<WorkerDoor>& door() const { return door_; }

  void Run();        // starts the thread
  void BeginStop();  // any thread
  void Join();       // closes what is left once limits.stop has passed; any thread but its own

  // On the worker's thread.
  void Adopt(boost::asio::ip::tcp::socket socket, std::shared_ptr<boost::asio::ssl::context> tls);
  void Remove(HttpSession* session);
  bool stopping() const { return stopping_; }
  TlsWriter& tls_writer() { return tls_writer_; }
  // A buffer that sessions take while they make what they send, and put back; it stays in the processor's caches.
  std::string& buffer() { return buffer_; }
  std::string_view HttpDate();  // RFC 9110 section 5.6.7, made once a second

 private:
  void ArmSweeper();
  void StopWhenEmpty();

  HttpShared& shared_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::shared_ptr<WorkerDoor> door_;
  boost::asio::steady_timer sweeper_;
  bool sweeping_ = false;
  bool stopping_ = false;
  MonoTime stop_by_;
  std::list<std::shared_ptr<HttpSession>> sessions_;
  TlsWriter tls_writer_;
  std::string buffer_;
  std::int64_t date_second_ = -1;
  std::string date_;
  std::thread thread_;
};

// The only view that the worker has of a session.
class HttpSession {
 public:
  virtual ~HttpSession() = default;
  virtual void Start() = 0;
  // Closes it if its deadline has passed.
  virtual void CheckDeadline(MonoTime now) = 0;
  // Idle: closes. Streaming: ends the stream. Otherwise: closes after the reply.
  virtual void BeginStop() = 0;
  virtual void Close() = 0;
  // Its stream has more to give.
  virtual void Wake() = 0;
};

std::shared_ptr<HttpSession> NewHttpSession(HttpWorker& worker, boost::asio::ip::tcp::socket socket,
                                            std::shared_ptr<boost::asio::ssl::context> tls);

}  // namespace minikube
