// VolumeRestrictions: claims for one pod alone (ReadWriteOncePod), and disks that a node cannot have twice.
#include <algorithm>
#include <map>
#include <set>

#include "kube/volumes.h"
#include "scheduler/plugins/storage_objects.h"
#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using core::v1::Volume;

enum Conflict : Verdict { kDisk = 1, kClaimInUse = 2 };

bool IsDisk(const Volume& volume) {
  return volume.gcePersistentDisk || volume.awsElasticBlockStore || volume.rbd || volume.iscsi;
}

bool Overlap(const List<Str>& a, const List<Str>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Str& x) { return std::find(b.begin(), b.end(), x) != b.end(); });
}

// The same disk, and not only read by both.
bool AreAtOdds(const Volume& a, const Volume& b) {
  if (a.gcePersistentDisk && b.gcePersistentDisk && a.gcePersistentDisk->pdName == b.gcePersistentDisk->pdName &&
      !(a.gcePersistentDisk->readOnly && b.gcePersistentDisk->readOnly)) {
    return true;
  }
  if (a.awsElasticBlockStore && b.awsElasticBlockStore &&
      a.awsElasticBlockStore->volumeID == b.awsElasticBlockStore->volumeID) {
    return true;
  }
  if (a.iscsi && b.iscsi && a.iscsi->iqn == b.iscsi->iqn && !(a.iscsi->readOnly && b.iscsi->readOnly)) return true;
  return a.rbd && b.rbd && Overlap(a.rbd->monitors, b.rbd->monitors) && a.rbd->pool == b.rbd->pool &&
         a.rbd->image == b.rbd->image && !(a.rbd->readOnly && b.rbd->readOnly);
}

// How often pods on nodes have the claims that only one pod may have.
class InUse final : public PluginState {
 public:
  InUse(Str ns, std::set<std::string> claims) : ns_(std::move(ns)), claims_(std::move(claims)) {}

  bool empty() const { return claims_.empty(); }
  int total() const { return total_; }

  void Recount(const NodeTable& nodes, NodeIndex row) {
    int count = 0;
    if (row < nodes.columns().pods.size()) {
      for (const PodInfoRef& pod : nodes.columns().pods[row]) count += CountOf(PodOf(*pod));
    }
    int& kept = by_row_[row];
    total_ += count - kept;
    kept = count;
    if (count == 0) by_row_.erase(row);
  }

 private:
  int CountOf(const Pod& pod) const {
    if (!(pod.metadata.namespace_ == ns_)) return 0;
    return static_cast<int>(std::count_if(pod.spec.volumes.begin(), pod.spec.volumes.end(), [&](const Volume& volume) {
      return volume.persistentVolumeClaim && claims_.contains(volume.persistentVolumeClaim->claimName.str());
    }));
  }

  const Str ns_;
  const std::set<std::string> claims_;
  std::map<NodeIndex, int> by_row_;
  int total_ = 0;
};

class VolumeRestrictions final : public Plugin {
 public:
  explicit VolumeRestrictions(Storage storage) : storage_(std::move(storage)) {}
  std::string_view name() const override { return "VolumeRestrictions"; }
  std::uint32_t Events() const override { return kNodeAdded | kAssignedPodDeleted | kClaimChanged; }

  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override {
    for (const Volume& volume : PodOf(pod).spec.volumes) {
      if (IsDisk(volume)) AppendMessage(volume, key);
    }
    if (HasClaims(PodOf(pod))) AppendClaims(PodOf(pod), storage_, key);
  }

  Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo& info, const NodeTable& nodes) const override {
    const Pod& pod = PodOf(info);
    std::set<std::string> alone;
    for (const Volume& volume : pod.spec.volumes) {
      if (!volume.persistentVolumeClaim) continue;
      const Str& name = volume.persistentVolumeClaim->claimName;
      const auto* claim = Find<PersistentVolumeClaim>(storage_, pod.metadata.namespace_, name);
      if (claim == nullptr) return NoClaim(name);
      const List<Str>& modes = claim->spec.accessModes;
      if (std::find(modes.begin(), modes.end(), Str("ReadWriteOncePod")) != modes.end()) alone.insert(name.str());
    }
    if (alone.empty()) return std::unique_ptr<PluginState>();
    auto state = std::make_unique<InUse>(pod.metadata.namespace_, std::move(alone));
    for (NodeIndex row = 0; row < nodes.rows(); ++row) state->Recount(nodes, row);
    return std::unique_ptr<PluginState>(std::move(state));
  }
  void Update(PluginState* state, const PodInfo&, const NodeTable& nodes,
              std::span<const NodeIndex> rows) const override {
    if (state == nullptr) return;
    for (const NodeIndex row : rows) static_cast<InUse*>(state)->Recount(nodes, row);
  }
  bool RowLocal(const PluginState* state) const override { return state == nullptr; }

  bool Filters(const PodInfo& pod, const PluginState* state) const override {
    const auto& volumes = PodOf(pod).spec.volumes;
    return state != nullptr || std::any_of(volumes.begin(), volumes.end(), IsDisk);
  }
  void Filter(const PluginState* state, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    const bool in_use = state != nullptr && static_cast<const InUse*>(state)->total() > 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (DisksClash(PodOf(pod), nodes.columns().pods[rows[i]])) {
        verdicts[i] = kDisk;
      } else if (in_use) {
        verdicts[i] = kClaimInUse;
      }
    }
  }
  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict verdict) const override {
    if (verdict == kDisk) return {"node(s) had no available disk"};
    return {
        "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another "
        "pod"};
  }

 private:
  static bool DisksClash(const Pod& pod, const std::vector<PodInfoRef>& others) {
    return std::any_of(pod.spec.volumes.begin(), pod.spec.volumes.end(), [&](const Volume& volume) {
      if (!IsDisk(volume)) return false;
      return std::any_of(others.begin(), others.end(), [&](const PodInfoRef& other) {
        const auto& theirs = PodOf(*other).spec.volumes;
        return std::any_of(theirs.begin(), theirs.end(), [&](const Volume& it) { return AreAtOdds(volume, it); });
      });
    });
  }

  const Storage storage_;
};

}  // namespace

std::unique_ptr<Plugin> NewVolumeRestrictions(Storage storage) {
  return std::make_unique<VolumeRestrictions>(std::move(storage));
}

}  // namespace minikube::scheduler
