// The few socket calls that DNS needs, without blocking. Thread safety: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <minikube/status.h>

namespace minikube::network::dns {

enum class Transport : std::uint8_t { kDatagram, kStream };

// A socket that is, or is about to be, connected to "a.b.c.d", "x::y", "a.b.c.d:port" or "[x::y]:port" (53 where none
// is given); -1 with errno if there is none.
int ConnectTo(std::string_view server, Transport transport);
// Sockets that listen at an IPv4 address, both on the same port. Errors: kUnavailable.
struct Listeners {
  int datagram = -1;
  int stream = -1;
  int port = 0;
};
Result<Listeners> ListenAt(const std::string& address);
// Closes and forgets; nothing for -1.
void CloseSocket(int& fd);

bool SendDatagram(int fd, std::string_view bytes);
// nullopt with errno; EAGAIN if there is none now.
std::optional<std::string> ReceiveDatagram(int fd);
// Sends what goes now and cuts it off `bytes`. False if the connection is broken.
bool SendSome(int fd, std::string& bytes);
// Appends what has come, up to `limit` bytes in all. False at the end of the connection, also if something came before
// it.
bool ReceiveSome(int fd, std::string& bytes, std::size_t limit);
// The first message of a connection's bytes (RFC 1035, 4.2.2: two octets of length before it); nullopt until all of it
// is there.
std::optional<std::string_view> FirstMessage(std::string_view bytes);

}  // namespace minikube::network::dns
