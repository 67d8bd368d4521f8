// The terminal of a process that an OCI runtime starts: the runtime makes it and sends it over a socket.
// Plain (see plain.h).
#pragma once

namespace minikube::oci::plain {

// Listens on the socket `name` in the current directory (a relative name: a socket's path may have 107 bytes only, a
// container's directory more). -1 on error.
int OpenSocket(const char* name, int backlog);
inline int OpenConsole(const char* name) { return OpenSocket(name, 1); }

// The terminal, as the runtime sent it before it returned, not blocking; -1 if it did not. Closes `console`, and
// removes `name`.
int ReceiveTerminal(int console, const char* name);

// Descriptors over a connected socket, `count` of them (4 at most, perhaps none), with a byte.
bool SendDescriptors(int socket, char byte, const int* descriptors, int count);
// How many came, with the byte; -1: nothing has come, or the other end is closed. `most` is 4 at most.
int ReceiveDescriptors(int socket, char* byte, int* descriptors, int most);
// One, or with -1 just a byte.
inline bool SendDescriptor(int socket, int descriptor) {
  return SendDescriptors(socket, 0, &descriptor, descriptor >= 0 ? 1 : 0);
}
// -1 if there is none.
int ReceiveDescriptor(int socket);

}  // namespace minikube::oci::plain
