#include "base/machine_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace minikube {

std::string MachineAddress() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return "";
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(53);
  inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);  // RFC 5737: for documentation
  sockaddr_in from{};
  socklen_t size = sizeof from;
  char text[INET_ADDRSTRLEN] = "";
  // Connecting a datagram socket chooses a route and sends nothing.
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&from), &size) == 0) {
    inet_ntop(AF_INET, &from.sin_addr, text, sizeof text);
  }
  close(fd);
  return text;
}

}  // namespace minikube
