// VolumeBinding: a pod goes where its claims' volumes are or can be, and is bound once they are bound to it.
//
// Reserve assumes what was decided for the chosen node; PreBind writes it (the volume names the claim, or the claim the
// node where a volume is to be made) and waits until the binder has done the rest. That a write has been performed is
// told by the informers, never by the answer alone: a decision upon the claim is not made before it is seen.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "kube/numbers.h"
#include "kube/volumes.h"
#include "scheduler/plugins/volume_match.h"

namespace minikube::scheduler {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;

// How long a binding may take, as in kube-scheduler.
constexpr Duration kBindTimeout = std::chrono::minutes(10);

class VolumeBinding final : public VolumeBinder {
 public:
  explicit VolumeBinding(Storage storage) : storage_(std::move(storage)), matcher_(storage_, assumed_) {}
  ~VolumeBinding() override { *alive_ = false; }

  std::string_view name() const override { return "VolumeBinding"; }
  std::uint32_t Events() const override {
    return kNodeAdded | kNodeLabelsChanged | kClaimChanged | kVolumeChanged | kStorageClassChanged | kDriverChanged;
  }
  void Start(const PluginContext& context) override { context_.emplace(context); }

  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override {
    if (HasClaims(PodOf(pod))) matcher_.AppendKey(PodOf(pod), key);
  }
  Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo& pod, const NodeTable&) const override {
    if (!HasClaims(PodOf(pod))) return std::unique_ptr<PluginState>();
    Result<std::unique_ptr<PodClaims>> claims = matcher_.Claims(PodOf(pod));
    if (!claims) return claims.status();
    return std::unique_ptr<PluginState>(std::move(claims).value());
  }
  bool Filters(const PodInfo&, const PluginState* state) const override { return state != nullptr; }
  void Filter(const PluginState* state, const PodInfo&, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    const auto& claims = static_cast<const PodClaims&>(*state);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Verdict conflicts = VolumeMatcher::Match(claims, nodes.node(rows[i]).meta()).conflicts;
      if (conflicts != kPass) verdicts[i] = kUnresolvable | conflicts;
    }
  }
  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict verdict) const override {
    std::vector<std::string> out;
    if ((verdict & kNodeConflict) != 0) out.emplace_back("node(s) didn't match PersistentVolume's node affinity");
    if ((verdict & kNothingToBind) != 0) {
      out.emplace_back("node(s) didn't find available persistent volumes to bind");
    }
    if ((verdict & kNotEnoughSpace) != 0) out.emplace_back("node(s) did not have enough free storage");
    if ((verdict & kVolumeMissing) != 0) {
      out.emplace_back("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
    }
    return out;
  }

  Status Reserve(const PodInfo& pod, const NodeTable& nodes, NodeIndex row) override {
    if (!HasClaims(PodOf(pod))) return {};
    Result<std::unique_ptr<PodClaims>> claims = matcher_.Claims(PodOf(pod));
    if (!claims) return claims.status();
    VolumePlan plan = VolumeMatcher::Match(**claims, nodes.node(row).meta());
    if (plan.conflicts != kPass) return {Code::kConflict, "the pod's volumes have changed"};
    if (plan.bind.empty() && plan.make.empty()) return {};
    auto binding = std::make_shared<Binding>();
    binding->node = nodes.node(row).meta().name;
    for (const ObjectRef& volume : plan.bind) {
      assumed_.volumes[volume->meta().name] = volume;
      binding->volumes.push_back({volume, 0});
    }
    for (const ObjectRef& claim : plan.make) {
      assumed_.chosen[ClaimKeyOf(*claim)] = binding->node;
      binding->claims.push_back({claim, 0});
    }
    bindings_[pod.object->meta().uid] = std::move(binding);
    return {};
  }

  void Unreserve(const PodInfo& pod, const NodeTable&, NodeIndex) override { Forget(pod); }
  void PostBind(const PodInfo& pod, const NodeTable&, NodeIndex) override { Forget(pod); }

  void PreBind(const PodInfo& pod, const NodeTable&, NodeIndex, Done done) override {
    const auto it = bindings_.find(pod.object->meta().uid);
    if (it == bindings_.end()) return done({});
    const std::shared_ptr<Binding> binding = it->second;
    binding->done = std::move(done);
    binding->timer = context_->strand.After(kBindTimeout, [alive = alive_, this, binding] {
      if (!*alive) return;
      binding->timer = 0;
      Finish(*binding, {Code::kTimeout, "binding volumes: context deadline exceeded"});
    });
    for (std::size_t i = 0; i < binding->volumes.size(); ++i) WriteVolume(binding, i);
    for (std::size_t i = 0; i < binding->claims.size(); ++i) WriteClaim(binding, i);
    Look(*binding);
  }

  void Changed() override {
    // Who is done may make others begin.
    std::vector<std::shared_ptr<Binding>> waiting;
    for (const auto& [uid, binding] : bindings_) {
      if (binding->done) waiting.push_back(binding);
    }
    for (const auto& binding : waiting) Look(*binding);
  }

 private:
  struct Written {
    ObjectRef object;           // as it was decided upon
    std::int64_t revision = 0;  // since which it is written; 0 = not yet
  };
  struct Binding {
    Str node;
    std::vector<Written> volumes;
    std::vector<Written> claims;
    Done done;  // while it is waited for
    TimerId timer = 0;
  };

  static std::string ClaimKeyOf(const Object& claim) {
    return kube::ClaimKey(claim.meta().namespace_, claim.meta().name);
  }

  void WriteVolume(const std::shared_ptr<Binding>& binding, std::size_t i) {
    const ObjectRef& volume = binding->volumes[i].object;
    // It was kept for the claim when it was found: nothing to write.
    const auto* now = Find<PersistentVolume>(storage_, {}, volume->meta().name);
    if (now != nullptr && now->spec.claimRef && now->spec.claimRef->uid == UidOf(*volume)) {
      binding->volumes[i].revision = 1;
      return;
    }
    Write(binding, volume, binding->volumes[i].revision);
  }
  static const Str& UidOf(const Object& volume) { return volume.As<PersistentVolume>().spec.claimRef->uid; }

  void WriteClaim(const std::shared_ptr<Binding>& binding, std::size_t i) {
    PersistentVolumeClaim next = binding->claims[i].object->As<PersistentVolumeClaim>();
    const Str* chosen = next.metadata.annotations.Find(kube::kSelectedNode);
    if (chosen != nullptr && *chosen == binding->node) {
      binding->claims[i].revision = 1;
      return;
    }
    next.metadata.annotations[kube::kSelectedNode] = binding->node;
    Write(binding, Share(std::move(next)), binding->claims[i].revision);
  }

  // This very version: what somebody has changed since was decided upon wrongly.
  void Write(const std::shared_ptr<Binding>& binding, const ObjectRef& object, std::int64_t& revision) {
    ApiRequest request;
    request.verb = Verb::kUpdate;
    request.resource = object->TryAs<PersistentVolume>() != nullptr ? &Client::ResourceOf<PersistentVolume>()
                                                                    : &Client::ResourceOf<PersistentVolumeClaim>();
    request.ns = object->meta().namespace_.str();
    request.name = object->meta().name.str();
    request.object = object;
    context_->client
        .Do(std::move(request), context_->strand,
            [alive = alive_, this, binding, &revision](const Result<ApiResponse>& response) {
              if (!*alive) return;
              if (!response) {
                return Finish(*binding, response.status().WithContext("binding volumes"));
              }
              revision = kube::RevisionOf(response->object->meta().resourceVersion);
              Look(*binding);
            })
        .Detach();
  }

  // Whether everything is bound by now, or cannot be any more.
  void Look(Binding& binding) {
    if (!binding.done) return;
    bool all = true;
    for (const Written& written : binding.volumes) {
      const Result<bool> bound = IsBound(written);
      if (!bound) return Finish(binding, bound.status().WithContext("binding volumes"));
      all = all && *bound;
    }
    for (const Written& written : binding.claims) {
      const Result<bool> bound = IsMade(written, binding.node);
      if (!bound) return Finish(binding, bound.status().WithContext("binding volumes"));
      all = all && *bound;
    }
    if (all) Finish(binding, {});
  }

  Result<bool> IsBound(const Written& written) const {
    if (written.revision == 0) return false;
    const Str& name = written.object->meta().name;
    const auto* volume = Find<PersistentVolume>(storage_, {}, name);
    if (volume == nullptr) {
      return Status(Code::kNotFound, fmt::format("persistentvolume \"{}\" not found", name.view()));
    }
    if (kube::RevisionOf(volume->metadata.resourceVersion) < written.revision) return false;
    if (!volume->spec.claimRef || volume->spec.claimRef->uid.empty()) {
      return Status(Code::kConflict, fmt::format("ClaimRef got reset for pv \"{}\"", name.view()));
    }
    const auto& ref = *written.object->As<PersistentVolume>().spec.claimRef;
    const auto* claim = Find<PersistentVolumeClaim>(storage_, ref.namespace_, ref.name);
    if (claim == nullptr || !(claim->metadata.uid == ref.uid)) return NoClaim(ref.name);
    return IsBound(*claim);
  }

  Result<bool> IsMade(const Written& written, const Str& node) const {
    if (written.revision == 0) return false;
    const meta::v1::ObjectMeta& meta = written.object->meta();
    const auto* claim = Find<PersistentVolumeClaim>(storage_, meta.namespace_, meta.name);
    if (claim == nullptr || !(claim->metadata.uid == meta.uid)) return NoClaim(meta.name);
    if (kube::RevisionOf(claim->metadata.resourceVersion) < written.revision) return false;
    const Str* chosen = claim->metadata.annotations.Find(kube::kSelectedNode);
    // Whoever cannot make it there takes the choice back.
    if (chosen == nullptr || !(*chosen == node)) {
      return Status(Code::kConflict, fmt::format("provisioning failed for PVC \"{}\"", meta.name.view()));
    }
    return IsBound(*claim);
  }

  // One that is going is not bound any more.
  static Result<bool> IsBound(const PersistentVolumeClaim& claim) {
    if (kube::IsFullyBound(claim)) return true;
    if (!claim.metadata.deletionTimestamp) return false;
    return Status(Code::kConflict,
                  fmt::format("persistentvolumeclaim \"{}\" is being deleted", claim.metadata.name.view()));
  }

  void Finish(Binding& binding, const Status& status) {
    if (!binding.done) return;
    if (binding.timer != 0) context_->strand.Cancel(std::exchange(binding.timer, 0));
    std::exchange(binding.done, nullptr)(status);
  }

  void Forget(const PodInfo& pod) {
    const auto it = bindings_.find(pod.object->meta().uid);
    if (it == bindings_.end()) return;
    const std::shared_ptr<Binding> binding = std::move(it->second);
    bindings_.erase(it);
    for (const Written& written : binding->volumes) {
      if (!IsShared(&Binding::volumes, *written.object)) assumed_.volumes.erase(written.object->meta().name);
    }
    for (const Written& written : binding->claims) {
      if (!IsShared(&Binding::claims, *written.object)) assumed_.chosen.erase(ClaimKeyOf(*written.object));
    }
    binding->done = nullptr;
    if (binding->timer != 0) context_->strand.Cancel(binding->timer);
  }

  // Whether another pod counts on the same.
  bool IsShared(std::vector<Written> Binding::*list, const Object& object) const {
    return std::any_of(bindings_.begin(), bindings_.end(), [&](const auto& other) {
      const std::vector<Written>& written = (*other.second).*list;
      return std::any_of(written.begin(), written.end(),
                         [&](const Written& it) { return it.object->meta().uid == object.meta().uid; });
    });
  }

  const Storage storage_;
  Assumed assumed_;
  const VolumeMatcher matcher_;
  std::optional<PluginContext> context_;
  std::map<Str, std::shared_ptr<Binding>> bindings_;  // by UID of the pod
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<VolumeBinder> NewVolumeBinding(Storage storage) {
  return std::make_unique<VolumeBinding>(std::move(storage));
}

}  // namespace minikube::scheduler
