#include "oci/monitor/console.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>

namespace minikube::oci::plain {

int OpenConsole(const char* name) {
  sockaddr_un address{AF_UNIX, {}};
  const int n = snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
  if (n < 0 || static_cast<std::size_t>(n) >= sizeof address.sun_path) return -1;
  const int console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (console < 0) return -1;
  if (bind(console, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(console, 1) == 0) {
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

bool SendDescriptor(int socket, int descriptor) {
  char data = 0;
  iovec part{&data, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

int ReceiveDescriptor(int socket) {
  char data[256];  // the runtime sends a name along
  iovec part{data, sizeof data};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  int descriptor = -1;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) > 0) {
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    }
  }
  return descriptor;
}

}  // namespace minikube::oci::plain
