#include "network/policy/policy_rules.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include <minikube/selector.h>

#include "kube/pods.h"
#include "model/validation_names.h"

namespace minikube::network {
namespace {

using core::v1::Pod;
using networking::v1::NetworkPolicy;
using networking::v1::NetworkPolicyPeer;
using networking::v1::NetworkPolicyPort;
using Pods = std::vector<const Pod*>;

enum class Direction : std::uint8_t { kIn, kOut };

std::string LowerProtocol(const std::optional<Str>& protocol) {
  std::string out;
  for (const char c : protocol && !protocol->empty() ? protocol->view() : std::string_view("TCP")) {
    out += static_cast<char>(c | 0x20);
  }
  return out;
}

bool Restricts(const NetworkPolicy& policy, Direction direction) {
  const auto& types = policy.spec.policyTypes;
  if (types.empty()) return direction == Direction::kIn || !policy.spec.egress.empty();
  const std::string_view wanted = direction == Direction::kIn ? "Ingress" : "Egress";
  return std::any_of(types.begin(), types.end(), [&](const Str& type) { return type == wanted; });
}

std::optional<std::string> RangeOf(std::string_view cidr) {
  const auto prefix = ParseCidr(cidr);
  if (!prefix || !prefix->address.v4) return std::nullopt;
  return fmt::format("{}/{}", prefix->Masked().ToString(), prefix->length);
}

// The number of the pod's container port of that name and protocol.
std::optional<std::int32_t> NamedPort(const Pod& pod, std::string_view name, std::string_view protocol) {
  const auto find = [&](const auto& containers) -> std::optional<std::int32_t> {
    for (const auto& container : containers) {
      for (const auto& port : container.ports) {
        if (port.name == name && LowerProtocol(port.protocol) == protocol) return port.containerPort;
      }
    }
    return std::nullopt;
  };
  if (auto found = find(pod.spec.containers)) return found;
  return find(pod.spec.initContainers);
}

// A name for what is described: the same for the same, and for nothing else that is likely (FNV-1a).
std::string NameFor(std::string_view what, std::string_view description) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : description) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{}/{:016x}", what, hash);
}

// A selector that is malformed cannot come from the API; it means nobody.
LabelSelector SelectorFrom(const meta::v1::LabelSelector* selector) {
  auto parsed = LabelSelector::From(selector);
  return parsed ? *std::move(parsed) : LabelSelector::From(nullptr).value();
}

class Builder {
 public:
  explicit Builder(const PolicyInput& input) : input_(input) {
    out_.sets["restricted_in"].kind = {"map", "type ipv4_addr : verdict"};
    out_.sets["restricted_out"].kind = {"map", "type ipv4_addr : verdict"};
    out_.chains["forward"] = {"type filter hook forward priority 0; policy accept;",
                              "ct state established,related accept", "ip saddr vmap @restricted_out", "goto arrive"};
    // What may leave one pod must also be let in by the other.
    out_.chains["arrive"] = {"ip daddr vmap @restricted_in", "accept"};
  }

  TableContent Build() {
    for (const NetworkPolicy* policy : input_.policies) Add(*policy);
    for (const auto& [address, chain] : to_) Restrict(Direction::kIn, address, chain);
    for (const auto& [address, chain] : from_) Restrict(Direction::kOut, address, chain);
    return std::move(out_);
  }

 private:
  void Add(const NetworkPolicy& policy) {
    const auto there = input_.pods.find(policy.metadata.namespace_.view());
    if (there == input_.pods.end()) return;
    const LabelSelector selector = SelectorFrom(&policy.spec.podSelector);
    Pods own;  // of this node
    for (const Pod* pod : there->second) {
      if (pod->spec.nodeName == input_.node_name && selector.Matches(pod->metadata.labels)) own.push_back(pod);
    }
    std::erase_if(own, [](const Pod* pod) { return PolicyAddressOf(*pod).empty(); });
    if (own.empty()) return;
    for (const Direction direction : {Direction::kIn, Direction::kOut}) {
      if (!Restricts(policy, direction)) continue;
      const bool in = direction == Direction::kIn;
      const std::string chain = fmt::format("{}/{}/{}", in ? "ingress" : "egress", policy.metadata.namespace_.view(),
                                            policy.metadata.name.view());
      Rules& rules = out_.chains[chain];
      if (in) {
        for (const auto& rule : policy.spec.ingress) AddRules(policy, direction, rule.from, rule.ports, own, rules);
      } else {
        for (const auto& rule : policy.spec.egress) AddRules(policy, direction, rule.to, rule.ports, own, rules);
      }
      auto& chains = in ? to_ : from_;
      for (const Pod* pod : own) chains[PolicyAddressOf(*pod)].push_back(chain);
    }
  }

  void Restrict(Direction direction, const std::string& address, const std::vector<std::string>& policies) {
    const bool in = direction == Direction::kIn;
    const std::string chain = fmt::format("{}/{}", in ? "to" : "from", address);
    out_.sets[in ? "restricted_in" : "restricted_out"].elements[address] = "goto " + chain;
    Rules& rules = out_.chains[chain];
    // A pod that reaches itself by a Service is restricted by nobody.
    rules.push_back(in ? fmt::format("ip saddr {} accept", address) : fmt::format("ip daddr {} accept", address));
    for (const std::string& policy : policies) rules.push_back("jump " + policy);
    rules.push_back("drop");
  }

  void AddRules(const NetworkPolicy& policy, Direction direction, const List<NetworkPolicyPeer>& peers,
                const List<NetworkPolicyPort>& ports, const Pods& own, Rules& rules) {
    const std::string_view verdict = direction == Direction::kIn ? "accept" : "goto arrive";
    std::vector<std::string> who;
    if (peers.empty()) who.emplace_back();
    for (const NetworkPolicyPeer& peer : peers) {
      if (auto match = MatchOf(policy, direction, peer)) who.push_back(*std::move(match));
    }
    std::vector<std::string> where;
    if (ports.empty()) where.emplace_back();
    for (const NetworkPolicyPort& port : ports) {
      if (auto match = MatchOf(direction, port, own)) where.push_back(*std::move(match));
    }
    for (const std::string& from : who) {
      for (const std::string& to : where) rules.push_back(fmt::format("{}{}{}", from, to, verdict));
    }
  }

  // "ip saddr @... ", with a blank at the end.
  std::optional<std::string> MatchOf(const NetworkPolicy& policy, Direction direction, const NetworkPolicyPeer& peer) {
    const std::string_view field = direction == Direction::kIn ? "ip saddr" : "ip daddr";
    if (peer.ipBlock) {
      const auto range = RangeOf(peer.ipBlock->cidr);
      if (!range) return std::nullopt;
      std::string match = *range == "0.0.0.0/0" ? "" : fmt::format("{} {} ", field, *range);
      std::set<std::string> except;
      for (const Str& each : peer.ipBlock->except) {
        if (const auto inner = RangeOf(each)) except.insert(*inner);
      }
      for (const std::string& each : except) match += fmt::format("{} != {} ", field, each);
      return match;
    }
    return fmt::format("{} @{} ", field, SetOf(policy, peer));
  }

  // The set of the addresses of the pods that the peer's selectors mean.
  std::string SetOf(const NetworkPolicy& policy, const NetworkPolicyPeer& peer) {
    const LabelSelector spaces = SelectorFrom(peer.namespaceSelector.get());
    const LabelSelector everyone;
    const LabelSelector pods = peer.podSelector ? SelectorFrom(peer.podSelector.get()) : everyone;
    const std::string description =
        peer.namespaceSelector
            ? fmt::format("namespaces {} pods {}", spaces.ToString(), pods.ToString())
            : fmt::format("namespace {} pods {}", policy.metadata.namespace_.view(), pods.ToString());
    std::string name = NameFor("peers", description);
    const auto [it, fresh] = out_.sets.try_emplace(name);
    if (!fresh) return name;
    it->second.kind = {"set", "type ipv4_addr"};
    for (const auto& [ns, its_pods] : input_.pods) {
      if (peer.namespaceSelector) {
        const auto space = input_.namespaces.find(ns);
        if (space == input_.namespaces.end() || !spaces.Matches(space->second->metadata.labels)) continue;
      } else if (ns != policy.metadata.namespace_) {
        continue;
      }
      for (const Pod* pod : its_pods) {
        const std::string address = PolicyAddressOf(*pod);
        if (!address.empty() && pods.Matches(pod->metadata.labels)) it->second.elements[address] = "";
      }
    }
    return name;
  }

  // "tcp dport 80 ", with a blank at the end. A port's name is one of the pod that is spoken to.
  std::optional<std::string> MatchOf(Direction direction, const NetworkPolicyPort& port, const Pods& own) {
    const std::string protocol = LowerProtocol(port.protocol);
    if (!port.port) return fmt::format("meta l4proto {} ", protocol);
    if (!port.port->is_string) {
      if (!port.endPort || *port.endPort == port.port->int_value) {
        return fmt::format("{} dport {} ", protocol, port.port->int_value);
      }
      if (*port.endPort < port.port->int_value) return std::nullopt;
      return fmt::format("{} dport {}-{} ", protocol, port.port->int_value, *port.endPort);
    }
    const std::string_view name = port.port->string_value;
    const std::string set = NameFor("ports", fmt::format("{} {} {}", static_cast<int>(direction), protocol, name));
    auto& content = out_.sets[set];
    content.kind = {"set", "type ipv4_addr . inet_service"};
    const auto add = [&](const Pod* pod) {
      const std::string address = PolicyAddressOf(*pod);
      const auto number = NamedPort(*pod, name, protocol);
      if (!address.empty() && number) content.elements[fmt::format("{} . {}", address, *number)] = "";
    };
    if (direction == Direction::kIn) {
      std::for_each(own.begin(), own.end(), add);
    } else {
      for (const auto& [ns, pods] : input_.pods) std::for_each(pods.begin(), pods.end(), add);
    }
    return fmt::format("ip daddr . {} dport @{} ", protocol, set);
  }

  const PolicyInput& input_;
  TableContent out_;
  // The policies' chains of each restricted pod, by its address.
  std::map<std::string, std::vector<std::string>> to_;
  std::map<std::string, std::vector<std::string>> from_;
};

}  // namespace

std::string PolicyAddressOf(const Pod& pod) {
  if (pod.spec.hostNetwork || kube::IsPodFinished(pod)) return "";
  const auto is_v4 = [](std::string_view text) {
    const auto address = ParseIp(text);
    return address && address->v4;
  };
  for (const core::v1::PodIP& ip : pod.status.podIPs) {
    if (is_v4(ip.ip)) return ip.ip.str();
  }
  return is_v4(pod.status.podIP) ? pod.status.podIP.str() : "";
}

TableContent PolicyTable(const PolicyInput& input) { return Builder(input).Build(); }

}  // namespace minikube::network
