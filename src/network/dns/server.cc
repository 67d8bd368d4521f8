#include "network/dns/server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace minikube::network::dns {
namespace {

// Datagrams that are answered before others have their turn.
constexpr int kBatch = 64;
// Of answers to a connection that does not read them.
constexpr std::size_t kMostUnsent = 256 * 1024;

}  // namespace

struct DnsServer::Connection {
  int fd = -1;
  std::uint64_t watch = 0;
  TimerId timer = 0;
  std::string incoming;
  std::string outgoing;
  bool waiting = false;  // for an answer: one question at a time
};

DnsServer::DnsServer(DnsServerOptions options, Listeners listeners, Responder& responder, std::function<bool()> ready,
                     Env& env, Strand& strand)
    : options_(options),
      listeners_(listeners),
      responder_(responder),
      ready_(std::move(ready)),
      env_(env),
      strand_(strand) {}

DnsServer::~DnsServer() {
  if (datagram_watch_ != 0) env_.UnwatchFd(datagram_watch_);
  if (stream_watch_ != 0) env_.UnwatchFd(stream_watch_);
  for (auto& [key, connection] : connections_) {
    if (connection->watch != 0) env_.UnwatchFd(connection->watch);
    CloseSocket(connection->fd);
  }
  CloseSocket(listeners_.datagram);
  CloseSocket(listeners_.stream);
}

void DnsServer::Start() {
  AwaitDatagrams();
  AwaitConnections();
}

void DnsServer::AwaitDatagrams() {
  datagram_watch_ =
      env_.WatchFd(listeners_.datagram, FdEvent::kReadable, strand_, [this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) DatagramsCame();
      });
}

void DnsServer::DatagramsCame() {
  datagram_watch_ = 0;
  std::array<char, 4096> buffer;
  for (int i = 0; i < kBatch; ++i) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t n =
        recvfrom(listeners_.datagram, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (n < 0) {
      if (errno == EINTR || errno == ECONNREFUSED) continue;
      break;
    }
    responder_.Respond({buffer.data(), static_cast<std::size_t>(n)}, Transport::kDatagram, ready_(),
                       [this, alive = std::weak_ptr(alive_), from, size](const std::string& answer) {
                         if (alive.expired() || answer.empty()) return;
                         // One that does not go now is lost, as any may be: who asks asks again.
                         (void)sendto(listeners_.datagram, answer.data(), answer.size(), MSG_NOSIGNAL,
                                      reinterpret_cast<const sockaddr*>(&from), size);
                       });
  }
  AwaitDatagrams();
}

void DnsServer::AwaitConnections() {
  stream_watch_ = env_.WatchFd(listeners_.stream, FdEvent::kReadable, strand_, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) ConnectionsCame();
  });
}

void DnsServer::ConnectionsCame() {
  stream_watch_ = 0;
  for (int i = 0; i < kBatch; ++i) {
    int fd = accept4(listeners_.stream, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) break;
    if (connections_.size() >= options_.max_connections) {
      CloseSocket(fd);
      continue;
    }
    auto connection = std::make_shared<Connection>();
    connection->fd = fd;
    connections_.emplace(connection.get(), connection);
    Touch(connection);
    Read(connection);
  }
  AwaitConnections();
}

void DnsServer::Touch(const std::shared_ptr<Connection>& connection) {
  strand_.Cancel(connection->timer);
  connection->timer =
      strand_.After(options_.idle_timeout, [this, alive = std::weak_ptr(alive_), weak = std::weak_ptr(connection)] {
        const auto held = weak.lock();
        if (!alive.expired() && held && held->fd >= 0) Close(*held);
      });
}

void DnsServer::Close(Connection& connection) {
  if (connection.watch != 0) env_.UnwatchFd(std::exchange(connection.watch, 0));
  strand_.Cancel(connection.timer);
  CloseSocket(connection.fd);
  connections_.erase(&connection);
}

// Reads on, if there is nothing to be answered or sent first.
void DnsServer::Read(const std::shared_ptr<Connection>& connection) {
  connection->watch = env_.WatchFd(connection->fd, FdEvent::kReadable, strand_,
                                   [this, alive = std::weak_ptr(alive_), weak = std::weak_ptr(connection)] {
                                     const auto held = weak.lock();
                                     if (alive.expired() || !held || held->fd < 0) return;
                                     held->watch = 0;
                                     const std::size_t before = held->incoming.size();
                                     // Who asks and closes its side still gets the answer.
                                     const bool open = ReceiveSome(held->fd, held->incoming, 2 * 65537);
                                     if (!open && !FirstMessage(held->incoming)) return Close(*held);
                                     if (held->incoming.size() > before) Touch(held);
                                     Serve(held);
                                   });
  if (connection->watch == 0) Close(*connection);
}

void DnsServer::Serve(const std::shared_ptr<Connection>& connection) {
  std::string& incoming = connection->incoming;
  if (connection->waiting) return;
  const std::optional<std::string_view> first = FirstMessage(incoming);
  if (!first) return Read(connection);
  const std::string question(*first);
  incoming.erase(0, question.size() + 2);
  connection->waiting = true;
  responder_.Respond(
      question, Transport::kStream, ready_(),
      [this, alive = std::weak_ptr(alive_), weak = std::weak_ptr(connection)](const std::string& answer) {
        const auto held = weak.lock();
        if (alive.expired() || !held || held->fd < 0) return;
        held->waiting = false;
        if (answer.empty()) return Close(*held);
        held->outgoing += static_cast<char>(answer.size() >> 8);
        held->outgoing += static_cast<char>(answer.size());
        held->outgoing += answer;
        // Not from within Respond: many questions at once would make a deep stack.
        strand_.Post([this, alive, weak] {
          const auto still = weak.lock();
          if (!alive.expired() && still && still->fd >= 0) Write(still);
        });
      });
}

void DnsServer::Write(const std::shared_ptr<Connection>& connection) {
  if (!SendSome(connection->fd, connection->outgoing) || connection->outgoing.size() > kMostUnsent) {
    return Close(*connection);
  }
  if (connection->outgoing.empty()) return Serve(connection);
  connection->watch = env_.WatchFd(connection->fd, FdEvent::kWritable, strand_,
                                   [this, alive = std::weak_ptr(alive_), weak = std::weak_ptr(connection)] {
                                     const auto held = weak.lock();
                                     if (alive.expired() || !held || held->fd < 0) return;
                                     held->watch = 0;
                                     Write(held);
                                   });
  if (connection->watch == 0) Close(*connection);
}

}  // namespace minikube::network::dns
