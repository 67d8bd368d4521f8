#include "simulation/convergence.h"

#include <algorithm>
#include <map>
#include <set>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>

#include "simulation/promises.h"
#include "simulation/rules.h"

namespace minikube::simulation {
namespace {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;
using core::v1::Node;
using core::v1::Pod;

class Look {
 public:
  Look(const Truth& truth, SimulatedCluster& cluster) : truth_(truth), cluster_(cluster) {}

  std::vector<Problem> Run() {
    Nodes();
    AllObjects();
    ReplicaSets();
    Deployments();
    Pods();
    if (problems_.empty()) {
      for (std::size_t node = 0; node < cluster_.nodes(); ++node) Machine(node);
    }
    return std::move(problems_);
  }

 private:
  template <typename T>
  const std::map<ObjectKey, ObjectRef>& All() const {
    return truth_.objects(truth_.UnitOf<T>());
  }
  template <typename... Args>
  void Say(std::string_view promise, fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back({promise, fmt::format(format, std::forward<Args>(args)...)});
  }

  void Nodes() {
    for (std::size_t i = 0; i < cluster_.nodes(); ++i) {
      const std::string& name = cluster_.node(i).name;
      const ObjectRef object = truth_.Find(truth_.UnitOf<Node>(), ObjectKey{Str(), name});
      if (!object) {
        Say(kConverges, "node {} is not registered", name);
        continue;
      }
      const Node& node = object->As<Node>();
      const bool ready = std::any_of(node.status.conditions.begin(), node.status.conditions.end(),
                                     [](const auto& c) { return c.type == "Ready" && c.status == "True"; });
      if (!ready) Say(kConverges, "node {} is not ready", name);
      for (const core::v1::Taint& taint : node.spec.taints) {
        Say(kConverges, "node {} is tainted {}", name, taint.key.view());
      }
      if (node.spec.unschedulable) Say(kConverges, "node {} is cordoned", name);
    }
  }

  // What holds for every kind.
  void AllObjects() {
    std::map<Str, const Object*> by_uid;
    for (const api::StoredKind* each : truth_.registry().kinds()) {
      const api::StoredKind& unit = *each;
      for (const auto& [key, object] : truth_.objects(unit)) by_uid[object->meta().uid] = object.get();
    }
    const api::StoredKind& namespaces = truth_.UnitOf<core::v1::Namespace>();
    for (const api::StoredKind* each : truth_.registry().kinds()) {
      const api::StoredKind& unit = *each;
      for (const auto& [key, object] : truth_.objects(unit)) {
        const meta::v1::ObjectMeta& meta = object->meta();
        if (meta.deletionTimestamp) {
          Say(&unit == &namespaces ? kNamespacesVanish : kConverges, "{} {} is still being deleted",
              unit.resource->plural, key.ToString());
        }
        if (!meta.namespace_.empty() && !truth_.Find(namespaces, ObjectKey{Str(), meta.namespace_})) {
          Say(kNamespacesVanish, "{} {} is in no namespace", unit.resource->plural, key.ToString());
        }
        if (unit.resource->kind == "Event") continue;
        for (const meta::v1::OwnerReference& owner : meta.ownerReferences) {
          if (!by_uid.contains(owner.uid)) {
            Say(kNoOrphans, "{} {} has outlived its owner {} {}", unit.resource->plural, key.ToString(),
                owner.kind.view(), owner.name.view());
          }
        }
      }
    }
  }

  void ReplicaSets() {
    std::map<Str, int> active;
    for (const auto& [key, object] : All<Pod>()) {
      const meta::v1::OwnerReference* owner = ControllerRef(object->meta());
      if (owner != nullptr && IsActive(object->As<Pod>())) ++active[owner->uid];
    }
    for (const auto& [key, object] : All<ReplicaSet>()) {
      const ReplicaSet& set = object->As<ReplicaSet>();
      const int wanted = set.spec.replicas.value_or(1);
      if (active[set.metadata.uid] != wanted) {
        Say(kReplicasConverge, "replica set {} has {} pods of {}", key.ToString(), active[set.metadata.uid], wanted);
      } else if (set.status.replicas != wanted || set.status.readyReplicas != wanted) {
        Say(kReplicasConverge, "replica set {} tells of {} pods, {} ready, of {}", key.ToString(), set.status.replicas,
            set.status.readyReplicas, wanted);
      }
    }
  }

  void Deployments() {
    for (const auto& [key, object] : All<Deployment>()) {
      const Deployment& deployment = object->As<Deployment>();
      const auto& status = deployment.status;
      const int replicas = deployment.spec.replicas.value_or(1);
      if (status.observedGeneration != deployment.metadata.generation || status.replicas != replicas ||
          status.updatedReplicas != replicas || status.availableReplicas != replicas) {
        Say(kConverges, "deployment {} has {} pods, {} updated, {} available, of {}", key.ToString(), status.replicas,
            status.updatedReplicas, status.availableReplicas, replicas);
      }
    }
  }

  void Pods() {
    for (const auto& [key, object] : All<Pod>()) {
      const Pod& pod = object->As<Pod>();
      if (!IsActive(pod)) continue;
      if (pod.spec.nodeName.empty()) {
        Say(kConverges, "pod {} is not bound", key.ToString());
      } else if (!IsReady(pod)) {
        Say(kConverges, "pod {} on {} is not ready", key.ToString(), pod.spec.nodeName.view());
      }
    }
  }

  void Machine(std::size_t index) {
    const std::string& node = cluster_.node(index).name;
    const Runtime::Inventory inventory = cluster_.InventoryOf(index);
    std::map<Str, const Pod*> pods;
    for (const auto& [key, object] : All<Pod>()) {
      const Pod& pod = object->As<Pod>();
      if (pod.spec.nodeName == node) pods[pod.metadata.uid] = &pod;
    }
    std::map<std::string, const Pod*> sandboxes;
    std::set<Str> have;
    for (const SandboxState& sandbox : inventory.sandboxes) {
      const auto it = pods.find(Str(sandbox.pod_uid));
      if (it == pods.end()) {
        Say(kNoLeakOnNodes, "{} has a sandbox of pod {}/{}, which is not there", node, sandbox.ns, sandbox.name);
        continue;
      }
      if (!have.insert(it->first).second) {
        Say(kNoLeakOnNodes, "{} has two sandboxes of pod {}/{}", node, sandbox.ns, sandbox.name);
      }
      sandboxes[sandbox.id] = it->second;
    }
    std::map<Str, int> running;
    for (const ContainerState& container : inventory.containers) {
      const auto it = sandboxes.find(container.sandbox_id);
      if (it == sandboxes.end()) {
        Say(kNoLeakOnNodes, "{} has container {} without a sandbox", node, container.name);
      } else if (container.phase == ContainerState::Phase::kRunning) {
        ++running[it->second->metadata.uid];
      }
    }
    for (const auto& [uid, pod] : pods) {
      const int wanted = IsActive(*pod) ? static_cast<int>(pod->spec.containers.size()) : 0;
      if (running[uid] != wanted) {
        Say(kNoLeakOnNodes, "{} runs {} containers of pod {}, not {}", node, running[uid], pod->metadata.name.view(),
            wanted);
      }
    }
  }

  const Truth& truth_;
  SimulatedCluster& cluster_;
  std::vector<Problem> problems_;
};

}  // namespace

std::vector<Problem> Unsettled(const Truth& truth, SimulatedCluster& cluster) { return Look(truth, cluster).Run(); }

}  // namespace minikube::simulation
