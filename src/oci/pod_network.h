// The built-in pod network: one bridge, a veth pair per pod, addresses of one range; by nftables masquerading to the
// outside and ports of the machine that lead to pods; hairpin (a pod may reach itself through a service).
//
// Pods send everything to the gateway, also what is for their neighbours: so the machine's rules see all of it, and
// what they have led elsewhere comes back by them.
//
// The host's side has the range's first address and is the pods' gateway. The bridge and the nftables table
// `minikube_<bridge>` exist while a pod does. Addresses are remembered by their owners (sandbox state files), which
// reserve them again after a restart.
//
// Runtimes on one machine must not share a bridge or a range, or they would give out addresses twice. A process claims
// its bridge while it uses it, and the bridge's alias says whose it is when the process is gone and its pods are not. A
// network without a bridge of the caller's choice looks for one that is its own or free: mk<n>, with the nth range.
// Thread safety: Reserve, Allocate and Release any thread; the rest one thread at a time. Those block.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/runtime.h>
#include <minikube/status.h>

#include "oci/files.h"
#include "oci/netlink.h"

namespace minikube::oci {

struct Subnet {
  Ipv4 base = 0;
  int prefix = 0;
  Ipv4 gateway() const { return base + 1; }
  Ipv4 broadcast() const { return base | ((1U << (32 - prefix)) - 1); }
  bool Contains(Ipv4 address) const { return address > gateway() && address < broadcast(); }
  std::string ToString() const;
};

std::string FormatIpv4(Ipv4 address);
std::optional<Ipv4> ParseIpv4(std::string_view text);
// Errors: kBadRequest (not IPv4 a.b.c.d/8..30).
Result<Subnet> ParseSubnet(std::string_view text);

class PodNetwork {
 public:
  // `bridge` "" = mk<n> for the smallest n such that neither it nor a route into the nth range, counted from `first`,
  // is there. `owner` tells this network from others of the machine, before and after a restart.
  PodNetwork(Subnet first, std::string bridge, std::string_view owner);

  // The next free address, going round so that a freed one rests for long. Errors: kUnavailable (none free).
  Result<Ipv4> Allocate();
  void Reserve(Ipv4 address);
  void Release(Ipv4 address);
  bool idle() const;
  // The bridge and its range, once it is up; no bridge while it is not.
  PodNetworkState state() const;

  // Claims the bridge for this runtime and makes it. Idempotent. Errors: kUnavailable (another runtime on this machine
  // uses the bridge, or none is free), kInternal.
  Status Up();
  // Lets ports of the machine lead to the pod `key` at `address` / takes that back. Errors: kBadRequest.
  Status Publish(const std::string& key, Ipv4 address, std::vector<PortMapping> ports);
  void Unpublish(const std::string& key);
  // Whether the rules in force are not those below.
  bool rules_stale() const { return rules_stale_; }
  // To be called once they are loaded. Errors: kInternal.
  Status RulesLoaded();
  // Input for `nft -f -`: replaces our table as a whole / removes it.
  std::string Rules() const;
  std::string RemoveRules() const;
  // Removes the bridge.
  Status Down();

  // Gives the network namespace of process `pid` an eth0 with `address`. `key` names the pod.
  Status Attach(const std::string& key, int pid, Ipv4 address);
  // OK if it is not attached.
  Status Detach(const std::string& key);

 private:
  static std::string LinkName(const std::string& key);
  Status Claim(const std::string& bridge);
  Status ChooseAndClaim();
  void Use(std::string bridge, Subnet subnet);
  Subnet NthRange(int n) const;

  const Subnet first_;
  const bool chooses_;
  const std::string alias_;
  std::string bridge_;
  UniqueFd claim_;
  int bridge_index_ = 0;
  int mtu_ = 1500;
  bool rules_stale_ = true;
  struct Published {
    Ipv4 address = 0;
    std::vector<PortMapping> ports;
  };
  std::map<std::string, Published> published_;

  mutable std::mutex mu_;  // guards what follows
  Subnet subnet_;
  std::set<Ipv4> used_;
  Ipv4 last_;
};

}  // namespace minikube::oci
