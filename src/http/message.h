// What passes between the connections (session.cc) and whoever answers them (HttpHandler): requests whole, replies
// whole or as a source that is pulled as fast as the client reads. Nothing here knows Kubernetes or Beast.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/function.h>
#include <minikube/status.h>

namespace minikube {

// Who is at the other end of a connection, as TLS knows it. Constant once the handshake is done.
struct PeerCertificate {
  bool presented = false;
  bool verified = false;  // chains up to the client CA, in time, usable for client authentication
  std::string common_name;
  std::vector<std::string> organizations;
};

// ASCII letters compare equal in either case, as HTTP wants of field names.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);

class Signal;

struct HttpRequest {
  std::string method;
  std::string target;  // path and query, still percent-encoded
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::shared_ptr<const PeerCertificate> peer;
  // Notified when the client has gone before it was answered, so that nothing more is done for it; noticed within about
  // a second. Null if nobody can tell.
  std::shared_ptr<Signal> gone;

  // The first field of that name, or "".
  std::string_view Header(std::string_view name) const;
};

// The reason phrase of RFC 9110 for the statuses this server sends; "Unknown" for others.
std::string_view ReasonPhrase(int http_status);

// Whether it asks for a WebSocket with everything that RFC 6455 section 4.2.1 wants.
bool IsWebSocketUpgrade(const HttpRequest& request);
// Whether it asks to become `protocol` ("SPDY/3.1"), with any method.
bool IsUpgradeTo(const HttpRequest& request, std::string_view protocol);

// Calls `each` with every element of a comma-separated field value, without the space around it, until it says true;
// whether it did.
bool AnyElement(std::string_view field, const std::function<bool(std::string_view)>& each);

// "There is more": set from any thread, wakes whoever pulls. Thread safety: any thread; `wake` is called with no lock
// that Notify's caller could need, and never after Unbind has returned.
class Signal {
 public:
  // Calls the bound wake; remembered if none is bound yet.
  void Notify() {
    std::lock_guard lock(mu_);
    if (wake_) {
      wake_();
    } else {
      pending_ = true;
    }
  }
  void Bind(Task wake) {
    std::lock_guard lock(mu_);
    wake_ = std::move(wake);
    if (std::exchange(pending_, false)) wake_();
  }
  void Unbind() {
    std::lock_guard lock(mu_);
    wake_ = nullptr;
  }

 private:
  std::mutex mu_;  // `wake` only posts: it takes no other lock that is held around Notify
  Task wake_;
  bool pending_ = false;
};

// A body that is made while it is sent. Used by one connection, on one thread; destroyed when the client goes.
class BodySource {
 public:
  enum class State {
    kMore,  // pull again
    kWait,  // nothing now: pull again after the signal
    kDone,  // that was all
    kAbort  // cannot go on: cut the connection, so that the client sees that the body is not whole
  };
  virtual ~BodySource() = default;
  // Appends about `want` bytes or less to `out`, without blocking.
  virtual State Pull(std::size_t want, std::string& out) = 0;
  // Never null for a source that may answer kWait.
  virtual std::shared_ptr<Signal> signal() { return nullptr; }
};

// What a connection does after its upgrade was granted: pieces both ways, each side asked for the next one only when
// the other can take it. On a WebSocket (RFC 6455) a piece is a message; after any other upgrade the pieces are a
// stream of bytes, cut anywhere. Used by one connection, on one thread; destroyed when the client goes.
class Conversation {
 public:
  enum class State {
    kMore,  // `out` is the next piece; ask again once it has been sent
    kWait,  // nothing now: ask again after the signal
    kDone   // that was all: close
  };
  virtual ~Conversation() = default;
  // A piece came: a whole message, or some 16 KiB of bytes at most.
  virtual void Receive(std::string_view piece) = 0;
  // Whether it takes another piece now. While it does not, nothing is read; it signals when it does again.
  virtual bool Ready() = 0;
  // Whether its messages are text (UTF-8).
  virtual bool text() const { return false; }
  // Without blocking. `out` is empty.
  virtual State Next(std::string& out) = 0;
  virtual std::shared_ptr<Signal> signal() = 0;
};

struct HttpReply {
  // If set, makes the rest: called once, on the connection's thread, unless the client has gone by then. For what costs
  // time that the thread which has the answer must not spend.
  Function<void(HttpReply&)> complete;
  void Complete() {
    if (const auto make = std::exchange(complete, nullptr)) make(*this);
  }

  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  // The connection becomes something else; of the rest only `upgrade` and `headers` count.
  std::unique_ptr<Conversation> conversation;
  // What it becomes, as the Upgrade field says: "SPDY/3.1"; "" = a WebSocket, if the request IsWebSocketUpgrade.
  std::string upgrade;
  // Exactly one of the three is the body; the first that is set counts.
  std::unique_ptr<BodySource> source;
  std::shared_ptr<const std::string> shared;
  std::string body;
  bool gzip = false;   // the client takes gzip: compress if it is worth it
  bool close = false;  // end the connection after this reply
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Calls `reply` exactly once, from any thread, perhaps before Handle returns. Called from any I/O thread. If it
  // throws, the client is told 500, and the connection is closed.
  virtual void Handle(HttpRequest request, Function<void(HttpReply)> reply) = 0;
  // The reply to a request that the connection itself refuses: too large, malformed.
  virtual HttpReply Refuse(const Status& status) = 0;
};

}  // namespace minikube
