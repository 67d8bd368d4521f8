#include "oci/monitor/console.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>

namespace minikube::oci::plain {
namespace {

constexpr std::size_t kMostDescriptors = 4;

}  // namespace

int OpenSocket(const char* name, int backlog) {
  sockaddr_un address{AF_UNIX, {}};
  const int n = snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
  if (n < 0 || static_cast<std::size_t>(n) >= sizeof address.sun_path) return -1;
  const int console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (console < 0) return -1;
  if (bind(console, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(console, backlog) == 0) {
    return console;
  }
  close(console);
  return -1;
}

int ReceiveTerminal(int console, const char* name) {
  const int connection = accept4(console, nullptr, nullptr, SOCK_CLOEXEC);
  close(console);
  unlink(name);
  if (connection < 0) return -1;
  const int terminal = ReceiveDescriptor(connection);
  if (terminal >= 0) fcntl(terminal, F_SETFL, O_NONBLOCK);
  close(connection);
  return terminal;
}

bool SendDescriptors(int socket, char byte, const int* descriptors, int count) {
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    const std::size_t size = static_cast<std::size_t>(count) * sizeof(int);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), descriptors, size);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

int ReceiveDescriptors(int socket, char* byte, int* descriptors, int most) {
  char data[256];  // the runtime sends a name along
  iovec part{data, sizeof data};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(static_cast<std::size_t>(most) * sizeof(int));
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) return -1;
  if (byte != nullptr) *byte = data[0];
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return 0;
  const auto count = static_cast<int>((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  memcpy(descriptors, CMSG_DATA(header), static_cast<std::size_t>(count) * sizeof(int));
  return count;
}

int ReceiveDescriptor(int socket) {
  int descriptor = -1;
  return ReceiveDescriptors(socket, nullptr, &descriptor, 1) == 1 ? descriptor : -1;
}

}  // namespace minikube::oci::plain
