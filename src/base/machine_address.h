// The address by which others know this machine.
#pragma once

#include <string>

namespace minikube {

// The IPv4 address from which the default route is taken; "" if the machine is on no network. Sends nothing. Any
// thread.
std::string MachineAddress();

}  // namespace minikube
