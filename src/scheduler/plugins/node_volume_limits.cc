// NodeVolumeLimits: a node takes as many volumes of a CSI driver as the driver says it can attach.
#include <map>
#include <set>
#include <string>

#include <fmt/format.h>

#include "kube/volumes.h"
#include "scheduler/plugins/storage_objects.h"
#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using storage::v1::CSINode;
using storage::v1::StorageClass;
using storage::v1::VolumeAttachment;

// Volumes of drivers, as (driver, what the driver calls the volume).
using Volumes = std::set<std::pair<std::string, std::string>>;

class NodeVolumeLimits final : public Plugin {
 public:
  explicit NodeVolumeLimits(Storage storage) : storage_(std::move(storage)) {}
  std::string_view name() const override { return "NodeVolumeLimits"; }
  std::uint32_t Events() const override { return kAssignedPodDeleted | kClaimChanged | kDriverChanged; }

  // What the pods of a row have attached is not in the table: where there are limits at all, every change counts.
  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override {
    if (!HasClaims(PodOf(pod)) || !AreLimits()) return;
    AppendClaims(PodOf(pod), storage_, key);
    AppendNumber(static_cast<std::int64_t>(storage_.generation()), key);
  }

  Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo& pod, const NodeTable&) const override {
    auto state = std::make_unique<Wanted>();
    if (HasClaims(PodOf(pod)) && AreLimits()) {
      if (Status status = Collect(PodOf(pod), state->volumes, true); !status.ok()) return status;
    }
    if (state->volumes.empty()) return std::unique_ptr<PluginState>();
    return std::unique_ptr<PluginState>(std::move(state));
  }

  bool Filters(const PodInfo&, const PluginState* state) const override { return state != nullptr; }
  void Filter(const PluginState* state, const PodInfo&, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!HasRoom(static_cast<const Wanted&>(*state).volumes, nodes, rows[i])) verdicts[i] = 1;
    }
  }
  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict) const override {
    return {"node(s) exceed max volume count"};
  }

 private:
  struct Wanted final : PluginState {
    Volumes volumes;
  };

  static std::map<std::string_view, int> LimitsOf(const CSINode& node) {
    std::map<std::string_view, int> limits;
    for (const auto& driver : node.spec.drivers) {
      if (driver.allocatable && driver.allocatable->count) limits[driver.name] = *driver.allocatable->count;
    }
    return limits;
  }

  bool AreLimits() const {
    bool any = false;
    storage_.objects.ForEach(Client::ResourceOf<CSINode>(), {},
                             [&](const ObjectRef& node) { any = any || !LimitsOf(node->As<CSINode>()).empty(); });
    return any;
  }

  // Adds the pod's volumes of drivers. A claim that is missing is an error for a new pod alone.
  Status Collect(const Pod& pod, Volumes& out, bool is_new) const {
    for (const core::v1::Volume& volume : pod.spec.volumes) {
      const std::string name = kube::ClaimName(pod, volume);
      if (name.empty()) continue;
      const auto* claim = Find<PersistentVolumeClaim>(storage_, pod.metadata.namespace_, name);
      if (claim == nullptr) {
        if (!is_new) continue;
        return {Code::kNotFound, fmt::format("looking up PVC {}/{}: persistentvolumeclaim \"{}\" not found",
                                             pod.metadata.namespace_.view(), name, name)};
      }
      if (volume.ephemeral && !kube::IsMadeFor(*claim, pod)) {
        return {Code::kBadRequest, kube::NotMadeFor(*claim, pod)};
      }
      AddVolume(*claim, out);
    }
    return {};
  }

  void AddVolume(const PersistentVolumeClaim& claim, Volumes& out) const {
    const auto* bound =
        claim.spec.volumeName.empty() ? nullptr : Find<PersistentVolume>(storage_, {}, claim.spec.volumeName);
    if (bound != nullptr) {
      if (bound->spec.csi) out.insert({bound->spec.csi->driver.str(), bound->spec.csi->volumeHandle.str()});
      return;
    }
    // One that is still to be made, by the driver of its class; "\n" is in no handle.
    const std::string_view class_name = kube::ClassOf(claim);
    const auto* storage_class = class_name.empty() ? nullptr : Find<StorageClass>(storage_, {}, class_name);
    if (storage_class == nullptr) return;
    out.insert({storage_class->provisioner.str(),
                fmt::format("\n{}", kube::ClaimKey(claim.metadata.namespace_, claim.metadata.name))});
  }

  bool HasRoom(const Volumes& wanted, const NodeTable& nodes, NodeIndex row) const {
    const std::string_view node = nodes.node(row).meta().name;
    const auto* drivers = Find<CSINode>(storage_, {}, node);
    if (drivers == nullptr) return true;
    const std::map<std::string_view, int> limits = LimitsOf(*drivers);
    if (limits.empty()) return true;
    Volumes there;
    for (const PodInfoRef& pod : nodes.columns().pods[row]) (void)Collect(PodOf(*pod), there, false);
    AddAttached(node, there);
    std::map<std::string_view, int> count;
    for (const auto& [driver, handle] : there) ++count[driver];
    std::map<std::string_view, int> more;
    for (const auto& volume : wanted) {
      if (!there.contains(volume)) ++more[volume.first];
    }
    for (const auto& [driver, number] : more) {
      const auto limit = limits.find(driver);
      if (limit != limits.end() && count[driver] + number > limit->second) return false;
    }
    return true;
  }

  // What is attached to the node though no pod there has it (any more).
  void AddAttached(std::string_view node, Volumes& out) const {
    const auto add = [&](const ObjectRef& object) {
      const auto& spec = object->As<VolumeAttachment>().spec;
      if (spec.attacher.empty() || !spec.source.persistentVolumeName) return;
      const auto* volume = Find<PersistentVolume>(storage_, {}, *spec.source.persistentVolumeName);
      if (volume != nullptr && volume->spec.csi) {
        out.insert({spec.attacher.str(), volume->spec.csi->volumeHandle.str()});
      }
    };
    storage_.objects.ForEachBy(Client::ResourceOf<VolumeAttachment>(), kAttachmentsByNode, node, add);
  }

  const Storage storage_;
};

}  // namespace

std::unique_ptr<Plugin> NewNodeVolumeLimits(Storage storage) {
  return std::make_unique<NodeVolumeLimits>(std::move(storage));
}

}  // namespace minikube::scheduler
