#include "oci/pod_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <sstream>

#include <fmt/format.h>

#include "oci/digest.h"

namespace minikube::oci {
namespace {

// Locally administered and derived from the address: a reused address keeps its MAC, so that no neighbour's cache is
// wrong.
std::string MacOf(Ipv4 address) {
  return {0x0a,
          0x58,
          static_cast<char>(address >> 24),
          static_cast<char>(address >> 16),
          static_cast<char>(address >> 8),
          static_cast<char>(address)};
}

// Of the interface that has the default route: what pods send goes out there.
int OutsideMtu() {
  auto routes = ReadWholeFile("/proc/net/route");
  if (!routes) return 1500;
  std::istringstream lines(*routes);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string interface;
    std::string destination;
    if (!(fields >> interface >> destination) || destination != "00000000") continue;
    auto text = ReadWholeFile("/sys/class/net/" + interface + "/mtu");
    const int mtu = text ? std::atoi(text->c_str()) : 0;
    return mtu >= 576 && mtu <= 65535 ? mtu : 1500;
  }
  return 1500;
}

// "minikube" and who.
std::string AliasOf(std::string_view owner) { return fmt::format("minikube {}", HexOf(DigestOf(owner)).substr(0, 32)); }

// Of an interface; nothing if there is none of that name.
std::optional<std::string> ReadAlias(const std::string& link) {
  auto text = ReadWholeFile(fmt::format("/sys/class/net/{}/ifalias", link));
  if (!text) return std::nullopt;
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *std::move(text);
}

// Whether this machine sends packets for a part of `range`, or for more than it, somewhere other than to its default
// route.
bool HasRoute(const Subnet& range) {
  auto routes = ReadWholeFile("/proc/net/route");
  if (!routes) return false;
  std::istringstream lines(*routes);
  for (std::string line; std::getline(lines, line);) {
    char interface[32];
    unsigned destination = 0;  // both as they are in memory: network byte order
    unsigned mask = 0;
    if (std::sscanf(line.c_str(), "%31s %x %*x %*x %*d %*d %*d %x", interface, &destination, &mask) != 3 || mask == 0)
      continue;
    const Ipv4 base = ntohl(destination);
    const Ipv4 last = base | ~ntohl(mask);
    if (base <= range.broadcast() && range.base <= last) return true;
  }
  return false;
}

constexpr int kCandidates = 256;

Status WriteSys(const std::string& path, std::string_view value) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || write(fd.get(), value.data(), value.size()) < 0) return ErrnoStatus(errno, "write", path);
  return {};
}

}  // namespace

std::string FormatIpv4(Ipv4 address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255, address & 255);
}

std::optional<Ipv4> ParseIpv4(std::string_view text) {
  Ipv4 out = 0;
  for (int i = 0; i < 4; ++i) {
    unsigned part = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part);
    if (error != std::errc() || part > 255) return std::nullopt;
    out = out << 8 | part;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (i == 3) break;
    if (text.empty() || text.front() != '.') return std::nullopt;
    text.remove_prefix(1);
  }
  return text.empty() ? std::optional(out) : std::nullopt;
}

std::string Subnet::ToString() const { return fmt::format("{}/{}", FormatIpv4(base), prefix); }

Result<Subnet> ParseSubnet(std::string_view text) {
  const Status bad(Code::kBadRequest, fmt::format("\"{}\" is not an IPv4 range such as 10.244.0.0/24", text));
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return bad;
  const auto address = ParseIpv4(text.substr(0, slash));
  int prefix = 0;
  const auto [end, error] = std::from_chars(text.data() + slash + 1, text.data() + text.size(), prefix);
  if (!address || error != std::errc() || end != text.data() + text.size() || prefix < 8 || prefix > 30) return bad;
  return Subnet{*address & ~((1U << (32 - prefix)) - 1), prefix};
}

PodNetwork::PodNetwork(Subnet first, std::string bridge, std::string_view owner)
    : first_(first),
      chooses_(bridge.empty()),
      alias_(AliasOf(owner)),
      bridge_(std::move(bridge)),
      subnet_(first),
      last_(first.gateway()) {}

Result<Ipv4> PodNetwork::Allocate() {
  std::lock_guard lock(mu_);
  const Ipv4 count = subnet_.broadcast() - subnet_.gateway() - 1;
  for (Ipv4 tried = 0; tried < count; ++tried) {
    last_ = subnet_.Contains(last_ + 1) ? last_ + 1 : subnet_.gateway() + 1;
    if (used_.insert(last_).second) return last_;
  }
  return Status(Code::kUnavailable, fmt::format("no address of {} is free", subnet_.ToString()));
}

void PodNetwork::Reserve(Ipv4 address) {
  std::lock_guard lock(mu_);
  used_.insert(address);
  last_ = std::max(last_, address);
}

void PodNetwork::Release(Ipv4 address) {
  std::lock_guard lock(mu_);
  used_.erase(address);
}

bool PodNetwork::idle() const {
  std::lock_guard lock(mu_);
  return used_.empty();
}

PodNetworkState PodNetwork::state() const {
  if (bridge_index_ == 0) return {};
  return {bridge_, subnet_.ToString()};
}

// The claim is a name in the abstract socket space: it belongs to this network namespace, as the bridge does, and goes
// with the process.
Status PodNetwork::Claim(const std::string& bridge) {
  if (claim_) return {};
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return ErrnoStatus(errno, "open", "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "minikube-bridge-" + bridge;
  std::memcpy(address.sun_path + 1, name.data(), std::min(name.size(), sizeof address.sun_path - 1));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (!RetryForASecond([&] { return bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0; })) {
    if (errno != EADDRINUSE) return ErrnoStatus(errno, "claim bridge", bridge);
    return {Code::kUnavailable, fmt::format("bridge {} is used by another runtime on this machine", bridge)};
  }
  claim_ = std::move(fd);
  return {};
}

Subnet PodNetwork::NthRange(int n) const {
  return {first_.base + (static_cast<Ipv4>(n) << (32 - first_.prefix)), first_.prefix};
}

void PodNetwork::Use(std::string bridge, Subnet subnet) {
  if (bridge == bridge_) return;
  bridge_ = std::move(bridge);
  std::lock_guard lock(mu_);
  subnet_ = subnet;
  last_ = subnet.gateway();
  for (const Ipv4 used : used_) {
    if (subnet.Contains(used)) last_ = std::max(last_, used);
  }
}

Status PodNetwork::ChooseAndClaim() {
  if (claim_) return {};
  const auto name = [](int n) { return fmt::format("mk{}", n); };
  // Its own one first: pods that outlived the last process are on it.
  for (int n = 0; n < kCandidates; ++n) {
    if (ReadAlias(name(n)) != alias_) continue;
    MINIKUBE_RETURN_IF_ERROR(Claim(name(n)));
    Use(name(n), NthRange(n));
    return {};
  }
  for (int n = 0; n < kCandidates; ++n) {
    if (ReadAlias(name(n)) || HasRoute(NthRange(n)) || !Claim(name(n)).ok()) continue;
    if (!ReadAlias(name(n))) {
      Use(name(n), NthRange(n));
      return {};
    }
    claim_ = UniqueFd();  // made, and its process ended, between the two looks
  }
  return {Code::kUnavailable,
          fmt::format("no range of addresses from {} on is free on this machine", first_.ToString())};
}

Status PodNetwork::Up() {
  if (bridge_index_ != 0) return {};
  MINIKUBE_RETURN_IF_ERROR(chooses_ ? ChooseAndClaim() : Claim(bridge_));
  auto netlink = Netlink::Open();
  if (!netlink) return netlink.status();
  mtu_ = OutsideMtu();
  const Status added = netlink->AddBridge(bridge_, MacOf(subnet_.gateway()), mtu_);
  if (!added.ok() && added.code() != Code::kAlreadyExists) return added;
  MINIKUBE_RETURN_IF_ERROR(WriteSys(fmt::format("/sys/class/net/{}/ifalias", bridge_), alias_));
  auto index = netlink->LinkIndex(bridge_);
  if (!index) return index.status();
  const Status address = netlink->AddAddress(*index, subnet_.gateway(), subnet_.prefix);
  if (!address.ok() && address.code() != Code::kAlreadyExists) return address;
  MINIKUBE_RETURN_IF_ERROR(netlink->SetUp(*index));
  MINIKUBE_RETURN_IF_ERROR(WriteSys("/proc/sys/net/ipv4/ip_forward", "1"));
  // Where the kernel can do that: frames which a pod sends to another one past the gateway meet the same rules.
  (void)WriteSys(fmt::format("/sys/class/net/{}/bridge/nf_call_iptables", bridge_), "1");
  bridge_index_ = *index;
  return {};
}

Status PodNetwork::Publish(const std::string& key, Ipv4 address, std::vector<PortMapping> ports) {
  for (PortMapping& port : ports) {
    const bool known = port.protocol == "TCP" || port.protocol == "UDP" || port.protocol == "SCTP";
    const bool in_range =
        port.host_port > 0 && port.host_port < 65536 && port.container_port > 0 && port.container_port < 65536;
    if (port.host_ip == "0.0.0.0") port.host_ip.clear();
    if (known && in_range && (port.host_ip.empty() || ParseIpv4(port.host_ip))) continue;
    return {Code::kBadRequest, fmt::format("port {} ({}) of this machine's address \"{}\" cannot be forwarded",
                                           port.host_port, port.protocol, port.host_ip)};
  }
  if (ports.empty()) return {};
  published_[key] = {address, std::move(ports)};
  rules_stale_ = true;
  return {};
}

void PodNetwork::Unpublish(const std::string& key) {
  if (published_.erase(key) != 0) rules_stale_ = true;
}

Status PodNetwork::RulesLoaded() {
  rules_stale_ = false;
  // The machine's own programs reach a pod's port by 127.0.0.1 too, and pods may be led to a server that listens only
  // there. Who may do so the rules say.
  return WriteSys(fmt::format("/proc/sys/net/ipv4/conf/{}/route_localnet", bridge_), "1");
}

std::string PodNetwork::Rules() const {
  const std::string range = subnet_.ToString();
  std::string ports;
  std::string own;
  for (const auto& [key, pod] : published_) {
    for (const PortMapping& port : pod.ports) {
      const char* protocol = port.protocol == "UDP" ? "udp" : port.protocol == "SCTP" ? "sctp" : "tcp";
      if (const auto host = ParseIpv4(port.host_ip)) ports += fmt::format("    ip daddr {}", FormatIpv4(*host));
      ports += fmt::format("    {} dport {} dnat to {}:{}\n", protocol, port.host_port, FormatIpv4(pod.address),
                           port.container_port);
    }
    own += fmt::format("{0}{1} . {1}", own.empty() ? "" : ", ", FormatIpv4(pod.address));
  }
  std::string chains;
  if (!ports.empty()) {
    // What a pod sends to itself by the machine's port, and what the machine sends from its loopback: the answers must
    // come back this way.
    chains = fmt::format(
        "  chain hostports {{\n{1}  }}\n"
        "  chain incoming {{\n"
        "    type nat hook prerouting priority -100; policy accept;\n"
        "    fib daddr type local jump hostports\n"
        "  }}\n"
        "  chain own {{\n"
        "    type nat hook output priority -100; policy accept;\n"
        "    fib daddr type local jump hostports\n"
        "  }}\n"
        "  chain returning {{\n"
        "    type nat hook postrouting priority 99; policy accept;\n"
        "    oifname \"{0}\" ct status dnat ip saddr 127.0.0.0/8 masquerade\n"
        "    oifname \"{0}\" ip saddr . ip daddr {{ {2} }} masquerade\n"
        "  }}\n",
        bridge_, ports, own);
  }
  // Adding before deleting makes the deletion valid whether or not the table is there; nft applies all or nothing.
  // Nobody but the machine itself reaches its loopback addresses. And pods are not told of shorter ways to each other.
  return fmt::format(
      "table ip minikube_{0} {{}}\ndelete table ip minikube_{0}\n"
      "table ip minikube_{0} {{\n"
      "  chain postrouting {{\n"
      "    type nat hook postrouting priority 100; policy accept;\n"
      "    ip saddr {1} ip daddr != {1} ip daddr != 224.0.0.0/4 masquerade\n"
      "  }}\n"
      "  chain guard {{\n"
      "    type filter hook prerouting priority -300; policy accept;\n"
      "    iifname \"{0}\" ip daddr 127.0.0.0/8 drop\n"
      "  }}\n"
      "  chain quiet {{\n"
      "    type filter hook output priority 0; policy accept;\n"
      "    oifname \"{0}\" icmp type redirect drop\n"
      "  }}\n"
      "{2}"
      "}}\n",
      bridge_, range, chains);
}

std::string PodNetwork::RemoveRules() const {
  return fmt::format("table ip minikube_{0} {{}}\ndelete table ip minikube_{0}\n", bridge_);
}

Status PodNetwork::Down() {
  auto netlink = Netlink::Open();
  if (!netlink) return netlink.status();
  MINIKUBE_RETURN_IF_ERROR(netlink->DeleteLink(bridge_));
  bridge_index_ = 0;
  rules_stale_ = true;
  claim_ = UniqueFd();
  return {};
}

std::string PodNetwork::LinkName(const std::string& key) {
  return fmt::format("veth{}", HexOf(DigestOf(key)).substr(0, 10));
}

Status PodNetwork::Attach(const std::string& key, int pid, Ipv4 address) {
  const std::string path = fmt::format("/proc/{}/ns/net", pid);
  const UniqueFd netns(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns) return ErrnoStatus(errno, "open", path);
  auto host = Netlink::Open();
  if (!host) return host.status();
  const std::string name = LinkName(key);
  MINIKUBE_RETURN_IF_ERROR(host->DeleteLink(name));  // of an attempt that crashed
  MINIKUBE_RETURN_IF_ERROR(host->AddVeth({name, "eth0", netns.get(), MacOf(address), bridge_index_, mtu_}));
  auto index = host->LinkIndex(name);
  if (!index) return index.status();
  MINIKUBE_RETURN_IF_ERROR(WriteSys(fmt::format("/sys/class/net/{}/brport/hairpin_mode", name), "1"));
  MINIKUBE_RETURN_IF_ERROR(host->SetUp(*index));

  auto pod = Netlink::OpenIn(netns.get());
  if (!pod) return pod.status();
  auto eth0 = pod->LinkIndex("eth0");
  if (!eth0) return eth0.status();
  MINIKUBE_RETURN_IF_ERROR(pod->AddAddress(*eth0, address, 32));
  MINIKUBE_RETURN_IF_ERROR(pod->SetUp(*eth0));
  return pod->AddDefaultRoute(*eth0, subnet_.gateway());
}

Status PodNetwork::Detach(const std::string& key) {
  auto netlink = Netlink::Open();
  if (!netlink) return netlink.status();
  return netlink->DeleteLink(LinkName(key));
}

}  // namespace minikube::oci
