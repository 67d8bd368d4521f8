// What NetworkPolicies ask of a node's nftables, as tables.
#include <functional>
#include <map>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "network/policy/policy_rules.h"

namespace minikube::network {
namespace {

using core::v1::Namespace;
using core::v1::Pod;
using networking::v1::NetworkPolicy;
using networking::v1::NetworkPolicyPeer;
using networking::v1::NetworkPolicyPort;

// Two namespaces: default, with pods web (10.244.0.2), db (10.244.0.3) here and far (10.244.1.2) elsewhere; and shop,
// labelled team=a, with pod till (10.244.0.4).
class World {
 public:
  World() {
    Space("default", "");
    Space("shop", "a");
    Add("default", "web", "10.244.0.2", "here");
    Add("default", "db", "10.244.0.3", "here");
    Add("default", "far", "10.244.1.2", "there");
    Add("shop", "till", "10.244.0.4", "here");
    Add("default", "host", "192.0.2.1", "here", [](Pod& pod) { pod.spec.hostNetwork = true; });
    Add("default", "done", "10.244.0.9", "here", [](Pod& pod) { pod.status.phase = "Succeeded"; });
  }

  void Policy(std::string_view app, const std::function<void(NetworkPolicy&)>& change) {
    NetworkPolicy& policy = policies_.emplace_back();
    policy.metadata.namespace_ = "default";
    policy.metadata.name = Str(fmt::format("p{}", policies_.size()));
    if (!app.empty()) policy.spec.podSelector.matchLabels["app"] = Str(app);
    policy.spec.policyTypes = {"Ingress"};
    change(policy);
  }

  TableContent Build() {
    PolicyInput input;
    input.node_name = "here";
    for (const NetworkPolicy& policy : policies_) input.policies.push_back(&policy);
    for (const Namespace& space : spaces_) input.namespaces[space.metadata.name.view()] = &space;
    for (const Pod& pod : pods_) input.pods[pod.metadata.namespace_.view()].push_back(&pod);
    return PolicyTable(input);
  }

  // Whether the table lets a TCP connection pass: a slow reading of what was built, by the meaning of its words.
  bool Passes(const std::string& from, const std::string& to, int port) {
    const TableContent table = Build();
    return Run(table, "forward", {from, to, port}).value_or(true);
  }

 private:
  struct Packet {
    std::string from, to;
    int port;
  };

  void Space(std::string_view name, std::string_view team) {
    Namespace& space = spaces_.emplace_back();
    space.metadata.name = name;
    if (!team.empty()) space.metadata.labels["team"] = Str(team);
  }
  void Add(std::string_view ns, std::string_view name, std::string_view ip, std::string_view node,
           const std::function<void(Pod&)>& change = {}) {
    Pod& pod = pods_.emplace_back();
    pod.metadata.namespace_ = ns;
    pod.metadata.name = name;
    pod.metadata.labels["app"] = Str(name);
    pod.spec.nodeName = node;
    pod.status.phase = "Running";
    pod.status.podIP = ip;
    pod.spec.containers.push_back({});
    pod.spec.containers.Mutable(0).ports.push_back({.name = "http", .containerPort = name == "db" ? 5432 : 8080});
    if (change) change(pod);
  }

  static bool InRange(const std::string& address, const std::string& range) {
    const auto number = [](const std::string& text) {
      unsigned a = 0, b = 0, c = 0, d = 0;
      std::sscanf(text.c_str(), "%u.%u.%u.%u", &a, &b, &c, &d);
      return a << 24 | b << 16 | c << 8 | d;
    };
    const std::size_t slash = range.find('/');
    if (slash == std::string::npos) return address == range;
    const int length = std::stoi(range.substr(slash + 1));
    const unsigned mask = length == 0 ? 0 : ~0U << (32 - length);
    return (number(address) & mask) == (number(range) & mask);
  }

  // The verdict of a chain; nullopt if it has none.
  static std::optional<bool> Run(const TableContent& table, const std::string& chain, const Packet& packet) {
    for (const std::string& rule : table.chains.at(chain)) {
      std::vector<std::string> words;
      std::size_t at = 0;
      while (at < rule.size()) {
        const std::size_t end = std::min(rule.find(' ', at), rule.size());
        words.push_back(rule.substr(at, end - at));
        at = end + 1;
      }
      if (words[0] == "type" || words[0] == "ct") continue;
      bool matches = true;
      std::size_t i = 0;
      const auto field = [&](const std::string& word) { return word == "saddr" ? packet.from : packet.to; };
      for (; matches && i < words.size();) {
        if (words[i] == "ip" && words[i + 2] == "vmap") {
          const auto& map = table.sets.at(words[i + 3].substr(1)).elements;
          const auto found = map.find(field(words[i + 1]));
          if (found != map.end()) return Run(table, found->second.substr(5), packet).value_or(true);
          matches = false;
        } else if (words[i] == "ip" && words[i + 2] == ".") {  // ip daddr . tcp dport @set
          const auto& set = table.sets.at(words[i + 5].substr(1)).elements;
          matches = set.contains(fmt::format("{} . {}", packet.to, packet.port));
          i += 6;
        } else if (words[i] == "ip") {
          const bool negated = words[i + 2] == "!=";
          const std::string& what = words[i + (negated ? 3 : 2)];
          const bool in = what[0] == '@' ? table.sets.at(what.substr(1)).elements.contains(field(words[i + 1]))
                                         : InRange(field(words[i + 1]), what);
          matches = in != negated;
          i += negated ? 4 : 3;
        } else if (words[i] == "meta") {
          matches = words[i + 2] == "tcp";
          i += 3;
        } else if (words[i] == "tcp" || words[i] == "udp") {
          int low = 0, high = 0;
          if (std::sscanf(words[i + 2].c_str(), "%d-%d", &low, &high) == 1) high = low;
          matches = words[i] == "tcp" && packet.port >= low && packet.port <= high;
          i += 3;
        } else if (words[i] == "accept" || words[i] == "drop") {
          return words[i] == "accept";
        } else if (words[i] == "goto") {
          return Run(table, words[i + 1], packet);
        } else if (words[i] == "jump") {
          if (const auto verdict = Run(table, words[i + 1], packet)) return verdict;
          i += 2;
        } else {
          FAIL("no such word: " << words[i] << " in " << rule);
        }
      }
    }
    return std::nullopt;
  }

  std::vector<NetworkPolicy> policies_;
  std::vector<Namespace> spaces_;
  std::vector<Pod> pods_;
};

NetworkPolicyPeer Peer(std::string_view app, std::optional<std::string_view> team = std::nullopt) {
  NetworkPolicyPeer peer;
  if (!app.empty()) peer.podSelector.Mutable().matchLabels["app"] = Str(app);
  if (team) {
    peer.namespaceSelector.Mutable();
    if (!team->empty()) peer.namespaceSelector.Mutable().matchLabels["team"] = Str(*team);
  }
  return peer;
}
NetworkPolicyPeer Block(std::string_view cidr, std::vector<Str> except = {}) {
  NetworkPolicyPeer peer;
  peer.ipBlock.Mutable().cidr = cidr;
  peer.ipBlock.Mutable().except = List<Str>(except.begin(), except.end());
  return peer;
}

const std::string kWeb = "10.244.0.2";
const std::string kDb = "10.244.0.3";
const std::string kTill = "10.244.0.4";
const std::string kFar = "10.244.1.2";
const std::string kOutside = "198.51.100.9";

}  // namespace

TEST_CASE("Without policies everything passes, and there is nothing but the way through") {
  World world;
  const TableContent table = world.Build();
  CHECK(table.chains.size() == 2);
  CHECK(world.Passes(kOutside, kWeb, 80));
}

TEST_CASE("A policy that allows nothing cuts the pods that it selects off, in its direction alone") {
  World world;
  world.Policy("web", [](NetworkPolicy&) {});
  CHECK_FALSE(world.Passes(kDb, kWeb, 80));
  CHECK_FALSE(world.Passes(kOutside, kWeb, 80));
  CHECK(world.Passes(kWeb, kDb, 80));
  CHECK(world.Passes(kWeb, kWeb, 80));
  CHECK(world.Passes(kTill, kDb, 80));
  world.Policy("", [](NetworkPolicy& policy) { policy.spec.policyTypes = {"Egress"}; });
  CHECK_FALSE(world.Passes(kWeb, kDb, 80));
  CHECK_FALSE(world.Passes(kDb, kOutside, 80));
  CHECK(world.Passes(kTill, kDb, 80));  // of another namespace
  CHECK(world.Passes(kFar, kDb, 80));   // another node's to restrict
}

TEST_CASE("Pods of other nodes, of the host's network and such as have ended are not restricted here") {
  World world;
  world.Policy("", [](NetworkPolicy&) {});
  const TableContent table = world.Build();
  CHECK(table.sets.at("restricted_in").elements == Elements{{kWeb, "goto to/" + kWeb}, {kDb, "goto to/" + kDb}});
}

TEST_CASE("Peers: pods of the namespace, pods of namespaces, namespaces, ranges of addresses") {
  const auto from = [](NetworkPolicyPeer peer) {
    World world;
    world.Policy("web", [&](NetworkPolicy& policy) {
      policy.spec.ingress.push_back({});
      policy.spec.ingress.Mutable(0).from.push_back(peer);
    });
    std::string out;
    for (const auto& [name, address] :
         std::map<std::string, std::string>{{"db", kDb}, {"till", kTill}, {"far", kFar}, {"outside", kOutside}}) {
      if (world.Passes(address, kWeb, 80)) out += name + " ";
    }
    return out;
  };
  CHECK(from(Peer("db")) == "db ");
  CHECK(from(Peer("till")).empty());
  CHECK(from(Peer("", "a")) == "till ");
  CHECK(from(Peer("", "")) == "db far till ");
  CHECK(from(Peer("far", "")) == "far ");
  CHECK(from(Peer("db", "a")).empty());
  CHECK(from(Block("10.244.0.0/16")) == "db far till ");
  CHECK(from(Block("10.244.0.0/16", {"10.244.1.0/24", "10.244.0.4/32"})) == "db ");
  CHECK(from(Block("0.0.0.0/0", {"10.0.0.0/8"})) == "outside ");
}

TEST_CASE("Ports: numbers, ranges, names of the pod that is spoken to, whole protocols") {
  const auto open = [](const std::function<void(NetworkPolicyPort&)>& change) {
    World world;
    world.Policy("", [&](NetworkPolicy& policy) {
      policy.spec.ingress.push_back({});
      NetworkPolicyPort port;
      change(port);
      policy.spec.ingress.Mutable(0).ports.push_back(port);
    });
    std::string out;
    for (const int port : {80, 85, 90, 5432, 8080}) {
      if (world.Passes(kOutside, kWeb, port)) out += fmt::format("web:{} ", port);
      if (world.Passes(kOutside, kDb, port)) out += fmt::format("db:{} ", port);
    }
    return out;
  };
  CHECK(open([](NetworkPolicyPort& port) { port.port = IntOrString(80); }) == "web:80 db:80 ");
  CHECK(open([](NetworkPolicyPort& port) {
          port.port = IntOrString(80);
          port.endPort = 85;
        }) == "web:80 db:80 web:85 db:85 ");
  CHECK(open([](NetworkPolicyPort& port) { port.port = IntOrString("http"); }) == "db:5432 web:8080 ");
  CHECK(open([](NetworkPolicyPort& port) { port.port = IntOrString("none"); }).empty());
  CHECK(open([](NetworkPolicyPort& port) { port.protocol = Str("UDP"); }).empty());
  CHECK(open([](NetworkPolicyPort& port) { port.protocol = Str("TCP"); }) ==
        "web:80 db:80 web:85 db:85 web:90 db:90 web:5432 db:5432 web:8080 db:8080 ");
}

TEST_CASE("Policies add up, and both ends must agree") {
  World world;
  world.Policy("web", [](NetworkPolicy& policy) {
    policy.spec.policyTypes = {"Egress"};
    policy.spec.egress.push_back({});
    policy.spec.egress.Mutable(0).to.push_back(Peer("db"));
  });
  CHECK(world.Passes(kWeb, kDb, 5432));
  CHECK_FALSE(world.Passes(kWeb, kOutside, 443));
  world.Policy("db", [](NetworkPolicy&) {});
  CHECK_FALSE(world.Passes(kWeb, kDb, 5432));
  world.Policy("db", [](NetworkPolicy& policy) {
    policy.spec.ingress.push_back({});
    policy.spec.ingress.Mutable(0).from.push_back(Peer("web"));
  });
  CHECK(world.Passes(kWeb, kDb, 5432));
  CHECK_FALSE(world.Passes(kTill, kDb, 5432));
  world.Policy("web", [](NetworkPolicy& policy) {
    policy.spec.policyTypes = {"Egress"};
    policy.spec.egress.push_back({});
    policy.spec.egress.Mutable(0).to.push_back(Block("198.51.100.0/24"));
  });
  CHECK(world.Passes(kWeb, kOutside, 443));
}

TEST_CASE("Who is meant is a set that all share who mean the same; a change of pods changes sets") {
  World world;
  for (int i = 0; i < 3; ++i) {
    world.Policy("web", [&](NetworkPolicy& policy) {
      policy.spec.ingress.push_back({});
      policy.spec.ingress.Mutable(0).from.push_back(Peer("", ""));
    });
  }
  CHECK(world.Build().sets.size() == 3);  // two maps, and one set of peers
}

}  // namespace minikube::network
