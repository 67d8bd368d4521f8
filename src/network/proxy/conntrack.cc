#include "network/proxy/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace minikube::network {
namespace {

struct Socket {
  explicit Socket(int descriptor) : fd(descriptor) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd >= 0) close(fd);
  }
  const int fd;
};

Status Failed(const char* what) {
  return {Code::kInternal, fmt::format("{} the connection tracker: {}", what, std::strerror(errno))};
}

// One attribute after the other of `data`: type (without flags) and contents.
template <typename Each>
void ForEachAttribute(std::string_view data, const Each& each) {
  while (data.size() >= sizeof(nlattr)) {
    nlattr header;
    std::memcpy(&header, data.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > data.size()) return;
    each(header.nla_type & NLA_TYPE_MASK, data.substr(sizeof header, header.nla_len - sizeof header));
    data.remove_prefix(std::min<std::size_t>(NLA_ALIGN(header.nla_len), data.size()));
  }
}

struct Side {
  std::string source;
  std::string destination;
  int source_port = 0;
  int destination_port = 0;
  int protocol = 0;
};

std::string AddressIn(std::string_view data) {
  char text[INET_ADDRSTRLEN] = "";
  if (data.size() == sizeof(in_addr)) inet_ntop(AF_INET, data.data(), text, sizeof text);
  return text;
}
int PortIn(std::string_view data) {
  if (data.size() < 2) return 0;
  return static_cast<unsigned char>(data[0]) << 8 | static_cast<unsigned char>(data[1]);
}

Side ReadSide(std::string_view tuple) {
  Side side;
  ForEachAttribute(tuple, [&](int type, std::string_view data) {
    if (type == CTA_TUPLE_IP) {
      ForEachAttribute(data, [&](int field, std::string_view value) {
        if (field == CTA_IP_V4_SRC) side.source = AddressIn(value);
        if (field == CTA_IP_V4_DST) side.destination = AddressIn(value);
      });
    }
    if (type != CTA_TUPLE_PROTO) return;
    ForEachAttribute(data, [&](int field, std::string_view value) {
      if (field == CTA_PROTO_NUM && !value.empty()) side.protocol = static_cast<unsigned char>(value[0]);
      if (field == CTA_PROTO_SRC_PORT) side.source_port = PortIn(value);
      if (field == CTA_PROTO_DST_PORT) side.destination_port = PortIn(value);
    });
  });
  return side;
}

// Which destinations a flow to an address and port may have.
class Wanted {
 public:
  explicit Wanted(const std::vector<DatagramService>& services) {
    for (const DatagramService& service : services) {
      by_front_[{service.address, service.port}].insert(service.destinations.begin(), service.destinations.end());
    }
  }
  bool IsStale(const Side& original, const Side& reply) const {
    const std::set<Destination>* wanted = Find(original.destination, original.destination_port);
    if (wanted == nullptr) wanted = FindNodePort(original.destination, original.destination_port);
    return wanted != nullptr && !wanted->contains({reply.source, reply.source_port});
  }

 private:
  const std::set<Destination>* Find(const std::string& address, int port) const {
    const auto it = by_front_.find({address, port});
    return it != by_front_.end() ? &it->second : nullptr;
  }
  // Only addresses of the machine have node ports.
  const std::set<Destination>* FindNodePort(const std::string& address, int port) const {
    const std::set<Destination>* found = Find("", port);
    if (found == nullptr) return nullptr;
    const Socket probe(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in own{};
    own.sin_family = AF_INET;
    inet_pton(AF_INET, address.c_str(), &own.sin_addr);
    const bool ours = bind(probe.fd, reinterpret_cast<sockaddr*>(&own), sizeof own) == 0;
    return ours ? found : nullptr;
  }

  std::map<std::pair<std::string, int>, std::set<Destination>> by_front_;
};

std::string Message(int type, int flags, std::string_view attributes) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof(nfgenmsg)) + attributes.size());
  header.nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  nfgenmsg generic{};
  generic.nfgen_family = AF_INET;
  generic.version = NFNETLINK_V0;
  std::string out(reinterpret_cast<const char*>(&header), sizeof header);
  out.append(reinterpret_cast<const char*>(&generic), sizeof generic);
  out.append(attributes);
  return out;
}

std::string Attribute(int type, std::string_view data) {
  nlattr header{};
  header.nla_type = static_cast<std::uint16_t>(type);
  header.nla_len = static_cast<std::uint16_t>(sizeof header + data.size());
  std::string out(reinterpret_cast<const char*>(&header), sizeof header);
  out.append(data);
  out.resize(NLA_ALIGN(out.size()), '\0');
  return out;
}

// The `tuple` and `zone` attributes of flows that are stale, as the tracker wants them back to forget them.
void Collect(std::string_view payload, const Wanted& wanted, std::vector<std::string>& stale) {
  if (payload.size() < sizeof(nfgenmsg)) return;
  Side original;
  Side reply;
  std::string name;
  ForEachAttribute(payload.substr(sizeof(nfgenmsg)), [&](int type, std::string_view data) {
    if (type == CTA_TUPLE_ORIG) {
      original = ReadSide(data);
      name += Attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, data);
    }
    if (type == CTA_TUPLE_REPLY) reply = ReadSide(data);
    if (type == CTA_ZONE) name += Attribute(CTA_ZONE, data);
  });
  if (original.protocol == IPPROTO_UDP && wanted.IsStale(original, reply)) stale.push_back(std::move(name));
}

// Calls `each` with type and payload of every message of an answer, until it returns false.
Status Receive(int fd, const std::function<bool(int type, std::string_view payload)>& each) {
  std::vector<char> buffer(1 << 16);
  for (;;) {
    const ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("cannot read");
    std::string_view data(buffer.data(), static_cast<std::size_t>(n));
    while (data.size() >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, data.data(), sizeof header);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > data.size()) break;
      if (!each(header.nlmsg_type, data.substr(sizeof header, header.nlmsg_len - sizeof header))) return {};
      data.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), data.size()));
    }
  }
}

int ErrorIn(std::string_view payload) {
  int error = 0;
  if (payload.size() >= sizeof error) std::memcpy(&error, payload.data(), sizeof error);
  return -error;
}

}  // namespace

Result<int> ForgetStaleDatagrams(const std::vector<DatagramService>& services) {
  const Socket tracker(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (tracker.fd < 0) return Failed("cannot reach");
  const timeval patience{5, 0};
  setsockopt(tracker.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const auto send_all = [&](const std::string& message) {
    return send(tracker.fd, message.data(), message.size(), 0) == static_cast<ssize_t>(message.size());
  };

  const Wanted wanted(services);
  std::vector<std::string> stale;
  if (!send_all(Message(IPCTNL_MSG_CT_GET, NLM_F_DUMP, ""))) return Failed("cannot ask");
  int error = 0;
  Status received = Receive(tracker.fd, [&](int type, std::string_view payload) {
    if (type == NLMSG_ERROR) error = ErrorIn(payload);
    if (type == NLMSG_ERROR || type == NLMSG_DONE) return false;
    Collect(payload, wanted, stale);
    return true;
  });
  if (!received.ok()) return received;
  if (error != 0) {
    errno = error;
    return Failed("cannot list what is in");
  }

  for (const std::string& flow : stale) {
    if (!send_all(Message(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, flow))) return Failed("cannot ask");
    received = Receive(tracker.fd, [&](int type, std::string_view payload) {
      if (type == NLMSG_ERROR) error = ErrorIn(payload);
      return type != NLMSG_ERROR;
    });
    if (!received.ok()) return received;
    if (error == 0 || error == ENOENT) continue;  // it may have ended by itself
    errno = error;
    return Failed("cannot remove a flow from");
  }
  return static_cast<int>(stale.size());
}

}  // namespace minikube::network
