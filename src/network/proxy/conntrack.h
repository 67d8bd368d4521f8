// The kernel's connection tracker, where its memory of datagrams is stale: UDP has no end of a connection, so a client
// that keeps sending would be led to a destination that is gone for as long as it does.
#pragma once

#include <string>
#include <vector>

#include <minikube/status.h>

#include "network/proxy/service_rules.h"

namespace minikube::network {

// Forgets flows of UDP datagrams to these services that lead to none of their destinations. Returns how many. Speaks
// ctnetlink (linux/netfilter/nfnetlink_conntrack.h) in the network namespace of the calling thread; blocks. Errors:
// kInternal.
Result<int> ForgetStaleDatagrams(const std::vector<DatagramService>& services);

}  // namespace minikube::network
