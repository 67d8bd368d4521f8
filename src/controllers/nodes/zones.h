// Disruption: how many nodes of each zone are well, and how fast pods may therefore be evicted from those that are not.
// When most of a zone fails at once, the network is the likelier culprit than the nodes.
//
// Thread safety: none of its own.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/env.h>

namespace minikube::controllers {

class Disruption {
 public:
  enum class ZoneState { kNormal, kPartial, kFull };

  // `ready` nullopt: the node is gone. Returns whether this changed what may be evicted somewhere.
  bool Set(const std::string& node, const std::string& zone, std::optional<bool> ready);

  // No zone has a ready node: evicting could help nobody.
  bool Everywhere() const;
  ZoneState StateOf(const std::string& zone) const;

  // Takes the permission to begin evicting one node of the zone; or tells how long to wait for it (nullopt in `wait`:
  // until the state changes).
  struct Permission {
    bool granted = false;
    std::optional<Duration> wait;
  };
  Permission TakePermission(const std::string& zone, MonoTime now);

 private:
  struct Zone {
    std::size_t ready = 0;
    std::size_t not_ready = 0;
    MonoTime next{};  // when the next node may be evicted
    ZoneState State() const;
  };
  struct Member {
    std::string zone;
    bool ready = false;
  };
  std::map<std::string, Zone> zones_;
  std::map<std::string, Member> nodes_;
};

// Region and zone by the well-known labels.
std::string ZoneOf(const core::v1::Node& node);

}  // namespace minikube::controllers
