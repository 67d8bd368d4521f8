// Deletes pods that nobody else will: bound to a node that no longer exists, being deleted without ever having had a
// node, or finished and too many.
#include <algorithm>
#include <map>
#include <set>

#include "controllers/common.h"
#include "controllers/controllers.h"

namespace minikube::controllers {
namespace {

using core::v1::Node;
using core::v1::Pod;

// How long a missing node is given to come back under its name.
constexpr Duration kQuarantine = std::chrono::seconds(40);

class PodGarbageCollector final : public Controller, public Reconciler {
 public:
  PodGarbageCollector(const ControllerContext& context, PodGcOptions options)
      : env_(context.env),
        options_(options),
        nodes_(context.reader, Client::ResourceOf<Node>(), context.strand, context.env),
        pods_(context.reader, Client::ResourceOf<Pod>(), context.strand, context.env),
        loop_(context.client, context.strand, context.env, context.log, *this, {&nodes_, &pods_}, {.name = "pod-gc"}) {
    pods_.AddIndex("node", [](const Object& object) -> std::vector<std::string> {
      const Str& node = object.As<Pod>().spec.nodeName;
      if (node.empty()) return {};
      return {node.str()};
    });
    nodes_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) { OnNode(before, after); });
    pods_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) { OnPod(before, after); });
    nodes_.Start();
    pods_.Start();
  }

  bool Idle() const override { return loop_.Idle(); }

  Plan Reconcile(const ObjectKey& key) override {
    const ObjectRef object = pods_.Get(key);
    if (!object) return {};
    const Pod& pod = object->As<Pod>();
    const Str& node = pod.spec.nodeName;
    if (node.empty()) {
      return pod.metadata.deletionTimestamp ? Delete(pod, "", "") : PruneFinished(*object);
    }
    if (nodes_.Get("", node)) return PruneFinished(*object);
    return CollectOrphan(pod);
  }

 private:
  struct Missing {
    MonoTime since{};
    bool confirmed = false;  // by a read of the API server
  };

  void OnNode(const ObjectRef& before, const ObjectRef& after) {
    const Str name = (after ? after : before)->meta().name;
    missing_.erase(name);
    if (after) return;
    for (const ObjectRef& pod : pods_.ByIndex("node", name)) loop_.Enqueue(ObjectKey::Of(*pod));
  }

  void OnPod(const ObjectRef& before, const ObjectRef& after) {
    if (before) finished_.erase({before->meta().creationTimestamp, ObjectKey::Of(*before)});
    if (!after) {
      const Str& node = before->As<Pod>().spec.nodeName;
      if (pods_.ByIndex("node", node).empty()) missing_.erase(node);
      return;
    }
    const Pod& pod = after->As<Pod>();
    if (IsPodFinished(pod) && !pod.metadata.deletionTimestamp) {
      finished_.insert({pod.metadata.creationTimestamp, ObjectKey::Of(*after)});
    }
    const bool too_many =
        options_.terminated_pod_threshold != 0 && finished_.size() > options_.terminated_pod_threshold;
    if (too_many) loop_.Enqueue(finished_.begin()->second);
    const bool unbound = pod.spec.nodeName.empty();
    if (unbound ? pod.metadata.deletionTimestamp.has_value() : !nodes_.Get("", pod.spec.nodeName)) {
      loop_.Enqueue(ObjectKey::Of(*after));
    }
  }

  // Deletes the oldest finished pod while there are too many; its deletion brings up the next one.
  Plan PruneFinished(const Object& object) {
    if (options_.terminated_pod_threshold == 0 || finished_.size() <= options_.terminated_pod_threshold) return {};
    const auto excess = finished_.size() - options_.terminated_pod_threshold;
    auto it = finished_.begin();
    for (std::size_t i = 0; i < excess; ++i, ++it) {
      if (it->second == ObjectKey::Of(object)) return Delete(object.As<Pod>(), "", "");
      loop_.Enqueue(it->second);
    }
    return {};
  }

  Plan CollectOrphan(const Pod& pod) {
    const MonoTime now = env_.clock().MonoNow();
    const auto [it, inserted] = missing_.try_emplace(pod.spec.nodeName, Missing{now, false});
    const Duration left = kQuarantine - (now - it->second.since);
    Plan plan;
    if (left > Duration(0)) {
      plan.requeue_after = left;
      return plan;
    }
    if (!it->second.confirmed) {
      plan.writes.push_back(Client::NamedRequest<Node>(Verb::kGet, "", pod.spec.nodeName));
      plan.tolerate = [this, node = pod.spec.nodeName](const ApiRequest&, const Status& status) {
        if (status.code() != Code::kNotFound) return false;
        const auto found = missing_.find(node);
        if (found != missing_.end()) found->second.confirmed = true;
        return true;
      };
      plan.requeue_after = std::chrono::milliseconds(1);
      plan.performed = [this, node = pod.spec.nodeName](const ApiRequest&, const ApiResponse&) {
        missing_.erase(node);  // it is there, though not yet in our view
      };
      return plan;
    }
    return Delete(pod, "DeletionByPodGC", "PodGC: node no longer exists");
  }

  // Without grace: nobody is there to end it gently. A pod that had not finished is told to have failed first.
  Plan Delete(const Pod& pod, std::string_view reason, std::string_view message) {
    Plan plan;
    plan.ordered = true;
    if (!reason.empty() && !IsPodFinished(pod)) plan.writes.push_back(FailRequest(pod, reason, message));
    ApiRequest request = DeleteRequest(pods_.resource(), pod.metadata);
    request.grace_period_seconds = 0;
    plan.writes.push_back(std::move(request));
    plan.tolerate = [](const ApiRequest&, const Status& status) { return status.code() == Code::kNotFound; };
    return plan;
  }

  ApiRequest FailRequest(const Pod& pod, std::string_view reason, std::string_view message) const {
    ApiRequest request = Client::NamedRequest<Pod>(Verb::kPatch, pod.metadata.namespace_, pod.metadata.name);
    request.subresource = "status";
    request.patch_type = PatchType::kStrategicMerge;
    // Nothing in it needs escaping.
    request.patch =
        std::string(R"({"status":{"phase":"Failed","conditions":[{"type":"DisruptionTarget","status":"True",)") +
        R"("reason":")" + std::string(reason) + R"(","message":")" + std::string(message) +
        R"(","lastTransitionTime":")" + FormatTime(env_.clock().Now()) + R"("}]}})";
    return request;
  }

  Env& env_;
  const PodGcOptions options_;
  std::map<Str, Missing> missing_;
  std::set<std::pair<Time, ObjectKey>> finished_;  // the oldest first
  Informer nodes_;
  Informer pods_;
  ReconcileLoop loop_;
};

}  // namespace

std::unique_ptr<Controller> NewPodGarbageCollector(const ControllerContext& context, PodGcOptions options) {
  return std::make_unique<PodGarbageCollector>(context, options);
}

}  // namespace minikube::controllers
