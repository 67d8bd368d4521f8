#include "controllers/nodes/zones.h"

#include <algorithm>

namespace minikube::controllers {
namespace {

constexpr double kUnhealthyThreshold = 0.55;
constexpr std::size_t kLargeZone = 50;
constexpr Duration kEvictionInterval = std::chrono::seconds(10);       // one node per 10 s
constexpr Duration kSlowEvictionInterval = std::chrono::seconds(100);  // in a large zone that is partly down

}  // namespace

Disruption::ZoneState Disruption::Zone::State() const {
  if (ready == 0 && not_ready > 0) return ZoneState::kFull;
  const double total = static_cast<double>(ready + not_ready);
  if (not_ready > 2 && static_cast<double>(not_ready) / total >= kUnhealthyThreshold) return ZoneState::kPartial;
  return ZoneState::kNormal;
}

bool Disruption::Set(const std::string& node, const std::string& zone, std::optional<bool> ready) {
  const bool before_everywhere = Everywhere();
  const ZoneState before = StateOf(zone);
  if (const auto it = nodes_.find(node); it != nodes_.end()) {
    Zone& old = zones_[it->second.zone];
    --(it->second.ready ? old.ready : old.not_ready);
    nodes_.erase(it);
  }
  if (ready) {
    nodes_[node] = {zone, *ready};
    ++(*ready ? zones_[zone].ready : zones_[zone].not_ready);
  }
  return before_everywhere != Everywhere() || before != StateOf(zone);
}

bool Disruption::Everywhere() const {
  return !nodes_.empty() &&
         std::all_of(zones_.begin(), zones_.end(), [](const auto& entry) { return entry.second.ready == 0; });
}

Disruption::ZoneState Disruption::StateOf(const std::string& zone) const {
  const auto it = zones_.find(zone);
  return it != zones_.end() ? it->second.State() : ZoneState::kNormal;
}

Disruption::Permission Disruption::TakePermission(const std::string& name, MonoTime now) {
  if (Everywhere()) return {};
  Zone& zone = zones_[name];
  Duration interval = kEvictionInterval;
  if (zone.State() == ZoneState::kPartial) {
    if (zone.ready + zone.not_ready <= kLargeZone) return {};
    interval = kSlowEvictionInterval;
  }
  if (zone.next != MonoTime{} && now < zone.next) return {false, zone.next - now};
  zone.next = now + interval;
  return {true, std::nullopt};
}

std::string ZoneOf(const core::v1::Node& node) {
  const Str* region = node.metadata.labels.Find("topology.kubernetes.io/region");
  const Str* zone = node.metadata.labels.Find("topology.kubernetes.io/zone");
  return (region != nullptr ? region->str() : std::string()) + "/" + (zone != nullptr ? zone->str() : std::string());
}

}  // namespace minikube::controllers
