// The few requests of rtnetlink(7) that a bridged pod network needs, without the `ip` program. IPv4.
//
// Thread safety: one thread at a time. Blocks for as long as the kernel takes (it has no other side).
#pragma once

#include <cstdint>
#include <string>

#include <minikube/status.h>

#include "oci/files.h"

namespace minikube::oci {

// An IPv4 address in host byte order.
using Ipv4 = std::uint32_t;

struct VethRequest {
  std::string name;       // on this side
  std::string peer_name;  // on the other
  int peer_netns = -1;    // descriptor of the network namespace the peer is put into
  std::string peer_mac;   // six bytes
  int bridge = 0;         // index of the bridge that takes this side
  int mtu = 1500;
};

class Netlink {
 public:
  // Speaks to the network namespace of the calling thread.
  static Result<Netlink> Open();
  // Speaks to the network namespace `netns` refers to; the calling thread is there only while it opens the socket.
  static Result<Netlink> OpenIn(int netns);

  // 0 if there is no such interface.
  Result<int> LinkIndex(const std::string& name);
  // kAlreadyExists if there is one of that name.
  Status AddBridge(const std::string& name, const std::string& mac, int mtu);
  Status AddVeth(const VethRequest& request);
  Status SetUp(int link);
  // kAlreadyExists if the link has it.
  Status AddAddress(int link, Ipv4 address, int prefix);
  // The gateway need not be in a range of the link's own addresses.
  Status AddDefaultRoute(int link, Ipv4 gateway);
  // OK if there is none.
  Status DeleteLink(const std::string& name);

 private:
  explicit Netlink(UniqueFd fd) : fd_(std::move(fd)) {}
  struct Message;
  Result<int> Transact(Message& message, const char* what);

  UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

}  // namespace minikube::oci
