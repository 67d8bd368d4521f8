// Deletes pods that nobody else will: bound to a node that no longer exists, being deleted without ever having had a
// node, or finished and too many.
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "controllers/controllers.h"
#include "kube/conditions.h"
#include "kube/pods.h"

namespace minikube::controllers {
namespace {

using core::v1::Node;
using core::v1::Pod;

// How long a missing node is given to come back under its name.
constexpr Duration kQuarantine = std::chrono::seconds(40);
constexpr std::size_t kAtOnce = 16;  // finished pods that go

// Without grace: nobody is there to end it gently. A pod that had not finished is told to have failed first.
Plan Delete(const View& view, const Pod& pod, std::string_view reason, std::string_view message) {
  Plan plan;
  plan.InOrder();
  if (!reason.empty() && !kube::IsPodFinished(pod)) {
    core::v1::PodStatus failed;
    failed.phase = "Failed";
    failed.conditions = {
        kube::MakeCondition<core::v1::PodCondition>("DisruptionTarget", "True", reason, message, view.Now())};
    plan.MergeStatus(pod, failed).IgnoreGone();
  }
  plan.Delete(pod).Grace(0).IgnoreGone();
  return plan;
}

// What no object says: since when a node is missing, and which finished pods are the oldest.
class Remains {
 public:
  explicit Remains(std::size_t threshold) : threshold_(threshold) {}

  void OnNode(const View& view, const Node* before, const Node* after, const Wake& wake) {
    const Str& name = (after != nullptr ? after : before)->metadata.name;
    missing_.erase(name);
    if (after != nullptr) return;
    for (const Pod* pod : view.By<Pod>(kByNode, name)) wake(KeyOf(*pod));
  }

  void OnPod(const View& view, const Pod* before, const Pod* after, const Wake& wake) {
    if (before != nullptr) finished_.erase({before->metadata.creationTimestamp, KeyOf(*before)});
    if (after == nullptr) {
      if (view.By<Pod>(kByNode, before->spec.nodeName).empty()) missing_.erase(before->spec.nodeName);
    } else if (kube::IsPodFinished(*after) && !after->metadata.deletionTimestamp) {
      finished_.insert({after->metadata.creationTimestamp, KeyOf(*after)});
    }
    auto it = finished_.begin();
    for (std::size_t excess = Excess(); excess > 0; --excess, ++it) wake(it->second);
  }

  static bool IsLost(const View& view, const Pod& pod) {
    if (pod.spec.nodeName.empty()) return pod.metadata.deletionTimestamp.has_value();
    return view.Get<Node>("", pod.spec.nodeName) == nullptr;
  }

  Plan Reconcile(const View& view, const Pod& pod) {
    if (!IsLost(view, pod)) return IsTooOld(pod) ? Delete(view, pod, "", "") : Plan();
    return pod.spec.nodeName.empty() ? Delete(view, pod, "", "") : CollectOrphan(view, pod);
  }

 private:
  // How many of the oldest are to go now; the deletion of one brings up the next.
  std::size_t Excess() const {
    return threshold_ != 0 && finished_.size() > threshold_ ? std::min(finished_.size() - threshold_, kAtOnce) : 0;
  }
  bool IsTooOld(const Pod& pod) const {
    auto it = finished_.begin();
    for (std::size_t excess = Excess(); excess > 0; --excess, ++it) {
      if (it->second == KeyOf(pod)) return true;
    }
    return false;
  }

  Plan CollectOrphan(const View& view, const Pod& pod) {
    Plan plan;
    MonoTime& since = missing_.try_emplace(pod.spec.nodeName, view.MonoNow()).first->second;
    const Result<ApiResponse>* node = view.Answer<Node>("", pod.spec.nodeName);
    // It is there, though not yet in our view.
    if (node != nullptr && node->ok()) since = view.MonoNow();
    const Duration left = kQuarantine - (view.MonoNow() - since);
    if (left > Duration(0)) {
      plan.Again(left);
    } else if (node == nullptr) {
      plan.Read<Node>("", pod.spec.nodeName);
    } else {
      return Delete(view, pod, "DeletionByPodGC", "PodGC: node no longer exists");
    }
    return plan;
  }

  const std::size_t threshold_;
  std::map<Str, MonoTime> missing_;
  std::set<std::pair<Time, ObjectKey>> finished_;  // the oldest first
};

}  // namespace

ControllerEntry PodGarbageCollector(std::size_t terminated_pod_threshold) {
  const auto remains = std::make_shared<Remains>(terminated_pod_threshold);
  return For<Pod>("pod-garbage-collector")
      .When(&Remains::IsLost)
      .Watches<Pod>([remains](const View& view, const Pod* before, const Pod* after, const Wake& wake) {
        remains->OnPod(view, before, after, wake);
      })
      .Watches<Node>([remains](const View& view, const Node* before, const Node* after, const Wake& wake) {
        remains->OnNode(view, before, after, wake);
      })
      .Indexes<Pod>(kByNode)
      .Reconciles([remains](const View& view, const Pod& pod) { return remains->Reconcile(view, pod); });
}

}  // namespace minikube::controllers
