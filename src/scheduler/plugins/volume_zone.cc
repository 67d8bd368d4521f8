// VolumeZone: a volume that is labelled with zones or regions is used there.
#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kube/volumes.h"
#include "scheduler/plugins/storage_objects.h"

namespace minikube::scheduler {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using storage::v1::StorageClass;

constexpr std::string_view kOldZone = "failure-domain.beta.kubernetes.io/zone";
constexpr std::string_view kOldRegion = "failure-domain.beta.kubernetes.io/region";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";
constexpr std::string_view kRegion = "topology.kubernetes.io/region";
constexpr std::string_view kLabels[] = {kOldZone, kOldRegion, kZone, kRegion};

// Zones are written one after the other, with "__" between them.
std::vector<std::string> ZonesOf(std::string_view text) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t end = std::min(text.find("__"), text.size());
    std::string_view zone = text.substr(0, end);
    while (!zone.empty() && zone.front() == ' ') zone.remove_prefix(1);
    while (!zone.empty() && zone.back() == ' ') zone.remove_suffix(1);
    if (zone.empty()) return {};  // not such a list: no constraint
    out.emplace_back(zone);
    if (end == text.size()) return out;
    text.remove_prefix(end + 2);
  }
}

struct Place {
  std::string_view label;
  std::vector<std::string> values;
};

class Places final : public PluginState {
 public:
  std::vector<Place> places;
};

class VolumeZone final : public Plugin {
 public:
  explicit VolumeZone(Storage storage) : storage_(std::move(storage)) {}
  std::string_view name() const override { return "VolumeZone"; }
  std::uint32_t Events() const override {
    return kNodeAdded | kNodeLabelsChanged | kClaimChanged | kVolumeChanged | kStorageClassChanged;
  }
  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override {
    if (HasClaims(PodOf(pod))) AppendClaims(PodOf(pod), storage_, key);
  }

  Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo& info, const NodeTable&) const override {
    const core::v1::Pod& pod = PodOf(info);
    auto state = std::make_unique<Places>();
    for (const core::v1::Volume& volume : pod.spec.volumes) {
      if (!volume.persistentVolumeClaim) continue;
      const Str& name = volume.persistentVolumeClaim->claimName;
      const auto* claim = Find<PersistentVolumeClaim>(storage_, pod.metadata.namespace_, name);
      if (claim == nullptr) return NoClaim(name);
      if (claim->spec.volumeName.empty()) {
        if (Status refused = MayBeUnbound(*claim); !refused.ok()) return refused;
        continue;
      }
      const auto* bound = Find<PersistentVolume>(storage_, {}, claim->spec.volumeName);
      if (bound == nullptr) {
        return Status(Code::kNotFound, fmt::format("persistentvolume \"{}\" not found", claim->spec.volumeName.view()));
      }
      for (const std::string_view label : kLabels) {
        const Str* value = bound->metadata.labels.Find(label);
        std::vector<std::string> zones = value != nullptr ? ZonesOf(*value) : std::vector<std::string>();
        if (!zones.empty()) state->places.push_back({label, std::move(zones)});
      }
    }
    if (state->places.empty()) return std::unique_ptr<PluginState>();
    return std::unique_ptr<PluginState>(std::move(state));
  }

  bool Filters(const PodInfo&, const PluginState* state) const override { return state != nullptr; }
  void Filter(const PluginState* state, const PodInfo&, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!IsThere(static_cast<const Places&>(*state), nodes.labels(rows[i]))) verdicts[i] = kUnresolvable | 1;
    }
  }
  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict) const override {
    return {"node(s) had no available volume zone"};
  }

 private:
  Status MayBeUnbound(const PersistentVolumeClaim& claim) const {
    const std::string_view name = kube::ClassOf(claim);
    if (name.empty()) return {Code::kBadRequest, "PersistentVolumeClaim had no pv name and storageClass name"};
    const auto* storage_class = Find<StorageClass>(storage_, {}, name);
    if (storage_class == nullptr) {
      return {Code::kNotFound, fmt::format("storageclass.storage.k8s.io \"{}\" not found", name)};
    }
    if (kube::WaitsForConsumer(*storage_class)) return {};
    return {Code::kBadRequest, "PersistentVolume had no name"};
  }

  static bool IsThere(const Places& wanted, const Map<Str>& labels) {
    // A node that says nothing of zones is in a cluster without any.
    const bool zoned = std::any_of(std::begin(kLabels), std::end(kLabels),
                                   [&](std::string_view label) { return labels.Contains(label); });
    if (!zoned) return true;
    return std::all_of(wanted.places.begin(), wanted.places.end(), [&](const Place& place) {
      const Str* value = labels.Find(place.label);
      if (value == nullptr && place.label == kOldZone) value = labels.Find(kZone);
      if (value == nullptr && place.label == kOldRegion) value = labels.Find(kRegion);
      return value != nullptr &&
             std::find(place.values.begin(), place.values.end(), value->view()) != place.values.end();
    });
  }

  const Storage storage_;
};

}  // namespace

std::unique_ptr<Plugin> NewVolumeZone(Storage storage) { return std::make_unique<VolumeZone>(std::move(storage)); }

}  // namespace minikube::scheduler
