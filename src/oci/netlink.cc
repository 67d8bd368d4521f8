#include "oci/netlink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace minikube::oci {

// A request being built: header, fixed part, attributes, nested ones.
struct Netlink::Message {
  Message(std::uint16_t type, std::uint16_t flags) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    Append(&header, sizeof header);
  }
  void Append(const void* data, std::size_t size) {
    bytes.insert(bytes.end(), static_cast<const char*>(data), static_cast<const char*>(data) + size);
    bytes.resize((bytes.size() + 3) & ~std::size_t{3});
  }
  void Attribute(std::uint16_t type, const void* data, std::size_t size) {
    const rtattr header{static_cast<std::uint16_t>(sizeof(rtattr) + size), type};
    Append(&header, sizeof header);
    Append(data, size);
  }
  void Attribute(std::uint16_t type, std::string_view text) {
    Attribute(type, std::string(text).c_str(), text.size() + 1);
  }
  void Attribute(std::uint16_t type, std::uint32_t value) { Attribute(type, &value, sizeof value); }
  std::size_t Begin(std::uint16_t type) {
    const std::size_t at = bytes.size();
    const rtattr header{0, type};
    Append(&header, sizeof header);
    return at;
  }
  void End(std::size_t at) {
    const auto size = static_cast<std::uint16_t>(bytes.size() - at);
    std::memcpy(bytes.data() + at, &size, sizeof size);
  }
  std::vector<char> bytes;
};

Result<Netlink> Netlink::Open() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return ErrnoStatus(errno, "open", "netlink socket");
  return Netlink(std::move(fd));
}

Result<Netlink> Netlink::OpenIn(int netns) {
  const UniqueFd own(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!own) return ErrnoStatus(errno, "open", "/proc/thread-self/ns/net");
  if (setns(netns, CLONE_NEWNET) != 0) return ErrnoStatus(errno, "enter", "the pod's network namespace");
  Result<Netlink> opened = Open();
  // A thread left in a pod's network would do the host's work there; there is no way on without going back.
  if (setns(own.get(), CLONE_NEWNET) != 0)
    DieOnBadResult(ErrnoStatus(errno, "return from", "the pod's network namespace"));
  return opened;
}

// Sends, and reads to the acknowledgement. The interface index of a link answer, or 0.
Result<int> Netlink::Transact(Message& message, const char* what) {
  nlmsghdr header{};
  std::memcpy(&header, message.bytes.data(), sizeof header);
  header.nlmsg_len = static_cast<std::uint32_t>(message.bytes.size());
  header.nlmsg_seq = ++sequence_;
  std::memcpy(message.bytes.data(), &header, sizeof header);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (sendto(fd_.get(), message.bytes.data(), message.bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
             sizeof kernel) < 0) {
    return ErrnoStatus(errno, what, "netlink");
  }
  int index = 0;
  alignas(nlmsghdr) char buffer[32768];
  while (true) {
    const ssize_t received = recv(fd_.get(), buffer, sizeof buffer, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return ErrnoStatus(errno, what, "netlink");
    auto left = static_cast<unsigned>(received);
    for (const auto* each = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(each, left);
         each = NLMSG_NEXT(each, left)) {
      if (each->nlmsg_seq != sequence_) continue;
      if (each->nlmsg_type == RTM_NEWLINK) index = static_cast<const ifinfomsg*>(NLMSG_DATA(each))->ifi_index;
      if (each->nlmsg_type != NLMSG_ERROR) continue;
      const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(each))->error;
      if (error == 0) return index;
      Code code = Code::kInternal;
      if (error == EEXIST) code = Code::kAlreadyExists;
      if (error == ENODEV) code = Code::kNotFound;
      return Status(code, fmt::format("{}: {}", what, std::strerror(error)));
    }
  }
}

Result<int> Netlink::LinkIndex(const std::string& name) {
  Message message(RTM_GETLINK, 0);
  const ifinfomsg info{};
  message.Append(&info, sizeof info);
  message.Attribute(IFLA_IFNAME, name);
  auto index = Transact(message, "find link");
  if (!index && index.status().code() == Code::kNotFound) return 0;
  return index;
}

Status Netlink::AddBridge(const std::string& name, const std::string& mac, int mtu) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  const ifinfomsg info{};
  message.Append(&info, sizeof info);
  message.Attribute(IFLA_IFNAME, name);
  message.Attribute(IFLA_ADDRESS, mac.data(), mac.size());
  message.Attribute(IFLA_MTU, static_cast<std::uint32_t>(mtu));
  const std::size_t link = message.Begin(IFLA_LINKINFO);
  message.Attribute(IFLA_INFO_KIND, "bridge");
  message.End(link);
  return Transact(message, "add bridge").status();
}

Status Netlink::AddVeth(const VethRequest& request) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  const ifinfomsg info{};
  message.Append(&info, sizeof info);
  message.Attribute(IFLA_IFNAME, request.name);
  message.Attribute(IFLA_MTU, static_cast<std::uint32_t>(request.mtu));
  message.Attribute(IFLA_MASTER, static_cast<std::uint32_t>(request.bridge));
  const std::size_t link = message.Begin(IFLA_LINKINFO);
  message.Attribute(IFLA_INFO_KIND, "veth");
  const std::size_t data = message.Begin(IFLA_INFO_DATA);
  const std::size_t peer = message.Begin(VETH_INFO_PEER);
  message.Append(&info, sizeof info);
  message.Attribute(IFLA_IFNAME, request.peer_name);
  message.Attribute(IFLA_MTU, static_cast<std::uint32_t>(request.mtu));
  message.Attribute(IFLA_ADDRESS, request.peer_mac.data(), request.peer_mac.size());
  message.Attribute(IFLA_NET_NS_FD, static_cast<std::uint32_t>(request.peer_netns));
  message.End(peer);
  message.End(data);
  message.End(link);
  return Transact(message, "add veth").status();
}

Status Netlink::SetUp(int link) {
  Message message(RTM_NEWLINK, 0);
  ifinfomsg info{};
  info.ifi_index = link;
  info.ifi_flags = IFF_UP;
  info.ifi_change = IFF_UP;
  message.Append(&info, sizeof info);
  return Transact(message, "set link up").status();
}

Status Netlink::AddAddress(int link, Ipv4 address, int prefix) {
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  ifaddrmsg info{};
  info.ifa_family = AF_INET;
  info.ifa_prefixlen = static_cast<std::uint8_t>(prefix);
  info.ifa_index = static_cast<std::uint32_t>(link);
  message.Append(&info, sizeof info);
  const Ipv4 wire = htonl(address);
  const Ipv4 broadcast = htonl(address | (prefix < 31 ? (1U << (32 - prefix)) - 1 : 0));
  message.Attribute(IFA_LOCAL, wire);
  message.Attribute(IFA_ADDRESS, wire);
  if (prefix < 31) message.Attribute(IFA_BROADCAST, broadcast);
  return Transact(message, "add address").status();
}

Status Netlink::AddDefaultRoute(int link, Ipv4 gateway) {
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  rtmsg route{};
  route.rtm_family = AF_INET;
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_BOOT;
  route.rtm_scope = RT_SCOPE_UNIVERSE;
  route.rtm_type = RTN_UNICAST;
  route.rtm_flags = RTNH_F_ONLINK;
  message.Append(&route, sizeof route);
  message.Attribute(RTA_GATEWAY, htonl(gateway));
  message.Attribute(RTA_OIF, static_cast<std::uint32_t>(link));
  return Transact(message, "add default route").status();
}

Status Netlink::DeleteLink(const std::string& name) {
  Message message(RTM_DELLINK, 0);
  const ifinfomsg info{};
  message.Append(&info, sizeof info);
  message.Attribute(IFLA_IFNAME, name);
  const Status status = Transact(message, "delete link").status();
  return status.code() == Code::kNotFound ? Status() : status;
}

}  // namespace minikube::oci
