// What others call this machine: for the certificate of a server that listens on all its addresses.
#pragma once

#include <string>
#include <vector>

namespace minikube::api {

// The hostname, then the addresses of all interfaces that are up, sorted; without loopback and link-local ones, which
// mean something else elsewhere. What cannot be found out is left out. Any thread.
std::vector<std::string> MachineNames();

}  // namespace minikube::api
