#include "network/dns/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace minikube::network::dns {
namespace {

constexpr int kPort = 53;
constexpr int kAttempts = 64;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

std::optional<Address> Parse(std::string_view text) {
  int port = kPort;
  std::string host(text);
  const std::size_t colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  const bool one_colon = colon != std::string_view::npos && text.find(':') == colon;
  if (one_colon || (bracketed && colon > text.find(']'))) {
    const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) return std::nullopt;
    host = text.substr(0, colon);
  }
  if (bracketed && host.size() > 2) host = host.substr(1, host.find(']') - 1);
  Address out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<std::uint16_t>(port));
    out.size = sizeof *v4;
    return out;
  }
  if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return std::nullopt;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(static_cast<std::uint16_t>(port));
  out.size = sizeof *v6;
  return out;
}

// -1 with errno.
int BindTo(const std::string& address, int type, int port) {
  const int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &at.sin_addr);
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0 && (type == SOCK_DGRAM || listen(fd, 128) == 0)) {
    return fd;
  }
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

int ConnectTo(std::string_view server, Transport transport) {
  const auto address = Parse(server);
  if (!address) {
    errno = EINVAL;
    return -1;
  }
  const int type = transport == Transport::kDatagram ? SOCK_DGRAM : SOCK_STREAM;
  int fd = socket(address->storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address->storage), address->size) == 0 || errno == EINPROGRESS)
    return fd;
  const int error = errno;
  CloseSocket(fd);
  errno = error;
  return -1;
}

// The port that the system gives for one kind may be taken for the other: then another one.
Result<Listeners> ListenAt(const std::string& address) {
  Listeners out;
  for (int i = 0; i < kAttempts; ++i) {
    out.stream = BindTo(address, SOCK_STREAM, 0);
    if (out.stream < 0) break;
    sockaddr_in at{};
    socklen_t size = sizeof at;
    getsockname(out.stream, reinterpret_cast<sockaddr*>(&at), &size);
    out.port = ntohs(at.sin_port);
    out.datagram = BindTo(address, SOCK_DGRAM, out.port);
    if (out.datagram >= 0) return out;
    CloseSocket(out.stream);
  }
  return Status(Code::kUnavailable, fmt::format("cannot listen at {}: {}", address, std::strerror(errno)));
}

void CloseSocket(int& fd) {
  if (fd >= 0) close(std::exchange(fd, -1));
}

bool SendDatagram(int fd, std::string_view bytes) {
  return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

std::optional<std::string> ReceiveDatagram(int fd) {
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);
    if (n >= 0) return std::string(buffer.data(), static_cast<std::size_t>(n));
    if (errno != EINTR) return std::nullopt;
  }
}

bool SendSome(int fd, std::string& bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    bytes.erase(0, static_cast<std::size_t>(n));
  }
  return true;
}

bool ReceiveSome(int fd, std::string& bytes, std::size_t limit) {
  std::array<char, 16384> buffer;
  while (bytes.size() < limit) {
    const ssize_t n = recv(fd, buffer.data(), std::min(buffer.size(), limit - bytes.size()), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return false;
    bytes.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return true;
}

std::optional<std::string_view> FirstMessage(std::string_view bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const std::size_t size =
      static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8 | static_cast<unsigned char>(bytes[1]);
  if (bytes.size() < size + 2) return std::nullopt;
  return bytes.substr(2, size);
}

}  // namespace minikube::network::dns
