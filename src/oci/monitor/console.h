// The terminal of a process that an OCI runtime starts: the runtime makes it and sends it over a socket.
// Plain (see plain.h).
#pragma once

namespace minikube::oci::plain {

// Listens on the socket `name` in the current directory (a relative name: a socket's path may have 107 bytes only, a
// container's directory more). -1 on error.
int OpenConsole(const char* name);

// The terminal, as the runtime sent it before it returned, not blocking; -1 if it did not. Closes `console`, and
// removes `name`.
int ReceiveTerminal(int console, const char* name);

// One descriptor over a connected socket, with a byte. Receiving: -1 if there is none.
bool SendDescriptor(int socket, int descriptor);
int ReceiveDescriptor(int socket);

}  // namespace minikube::oci::plain
