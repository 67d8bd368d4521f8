// The scheduler against the reference, over random clusters. MINIKUBE_SCHEDULER_SEEDS says how many (1000);
// MINIKUBE_SCHEDULER_FIRST_SEED where to begin.
#include <cstdlib>
#include <random>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/simulated_env.h>

#include "unit/scheduler/reference.h"
#include "unit/scheduler/workloads.h"

namespace minikube::scheduler {
namespace {

using test::Info;
using test::MakeNode;
using test::MakePod;

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  unsigned Below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool OneIn(unsigned n) { return Below(n) == 0; }

 private:
  std::mt19937 random_;
};

core::v1::Node RandomNode(Dice& dice, const std::string& name) {
  core::v1::Node node =
      MakeNode(name, std::to_string(1 + dice.Below(4)), fmt::format("{}Gi", 1 + dice.Below(4)), 2 + dice.Below(8));
  if (!dice.OneIn(5)) node.metadata.labels["zone"] = std::to_string(dice.Below(3));
  if (dice.OneIn(3)) node.metadata.labels["disk"] = "ssd";
  if (dice.OneIn(6)) node.spec.taints.push_back({.key = "t", .value = "v", .effect = "NoSchedule"});
  if (dice.OneIn(4)) node.spec.taints.push_back({.key = "p", .effect = "PreferNoSchedule"});
  node.spec.unschedulable = dice.OneIn(10);
  return node;
}

core::v1::PodAffinityTerm AppTerm(Dice& dice) {
  core::v1::PodAffinityTerm term;
  term.topologyKey = dice.OneIn(2) ? "zone" : "kubernetes.io/hostname";
  term.labelSelector.Mutable().matchLabels["app"] = std::to_string(dice.Below(3));
  return term;
}

void AddAffinity(Dice& dice, core::v1::Pod& pod) {
  auto& affinity = pod.spec.affinity.Mutable();
  if (dice.OneIn(3)) {
    affinity.podAffinity.Mutable().requiredDuringSchedulingIgnoredDuringExecution.push_back(AppTerm(dice));
  }
  if (dice.OneIn(2)) {
    affinity.podAntiAffinity.Mutable().requiredDuringSchedulingIgnoredDuringExecution.push_back(AppTerm(dice));
  }
  if (dice.OneIn(2)) {
    affinity.podAffinity.Mutable().preferredDuringSchedulingIgnoredDuringExecution.push_back(
        {.weight = static_cast<std::int32_t>(1 + dice.Below(50)), .podAffinityTerm = AppTerm(dice)});
  }
}

core::v1::Pod RandomPod(Dice& dice, const std::string& name) {
  core::v1::Pod pod = MakePod(name, dice.OneIn(3) ? "" : fmt::format("{}m", 100 + 100 * dice.Below(6)),
                              dice.OneIn(2) ? "" : fmt::format("{}Mi", 64 + 64 * dice.Below(6)));
  pod.metadata.labels["app"] = std::to_string(dice.Below(3));
  pod.metadata.labels["pod-name"] = name;
  if (dice.OneIn(8)) pod.metadata.namespace_ = "other";
  if (dice.OneIn(4)) pod.spec.tolerations.push_back({.key = "t", .operator_ = "Exists"});
  if (dice.OneIn(6)) pod.spec.nodeSelector["disk"] = "ssd";
  if (dice.OneIn(6)) pod.spec.containers.Mutable(0).ports.push_back({.hostPort = 80, .containerPort = 80});
  if (dice.OneIn(5)) {
    core::v1::PreferredSchedulingTerm term{.weight = static_cast<std::int32_t>(1 + dice.Below(100))};
    term.preference.matchExpressions.push_back({.key = "disk", .operator_ = "Exists"});
    pod.spec.affinity.Mutable().nodeAffinity.Mutable().preferredDuringSchedulingIgnoredDuringExecution.push_back(term);
  }
  for (unsigned i = dice.OneIn(3) ? 1 + dice.Below(2) : 0; i > 0; --i) {
    core::v1::TopologySpreadConstraint spread{.maxSkew = static_cast<std::int32_t>(1 + dice.Below(2)),
                                              .topologyKey = i == 1 ? "zone" : "kubernetes.io/hostname",
                                              .whenUnsatisfiable = dice.OneIn(2) ? "DoNotSchedule" : "ScheduleAnyway"};
    spread.labelSelector.Mutable().matchLabels["app"] = std::to_string(dice.Below(3));
    pod.spec.topologySpreadConstraints.push_back(spread);
  }
  if (dice.OneIn(3)) AddAffinity(dice, pod);
  if (pod.metadata.namespace_ == "default" && dice.OneIn(3)) {
    const unsigned first = dice.Below(6);  // one more than there are
    for (unsigned i = 0; i < 1 + dice.Below(2); ++i) {
      core::v1::Volume& volume = pod.spec.volumes.push_back({});
      volume.name = fmt::format("data-{}", i);
      volume.persistentVolumeClaim.Mutable().claimName = fmt::format("c{}", (first + i) % 6);
    }
  }
  return pod;
}

// --- Volumes ---------------------------------------------------------------------------------------------------------

// Puts the object into both worlds, as a new version.
template <typename T>
void Put(std::map<std::string, T>& known, test::DefaultProfile& profile, T object) {
  static int version = 0;
  object.metadata.resourceVersion = std::to_string(++version);
  if (object.metadata.uid.empty()) object.metadata.uid = fmt::format("uid-{}", version);
  ++profile.storage_generation;
  profile.objects.Add(object);
  known[object.metadata.name.str()] = std::move(object);
}

void AddClasses(test::ReferenceCluster& cluster, test::DefaultProfile& profile) {
  for (const auto& [name, provisioner, mode] :
       {std::tuple("now", "example.com/disk", "Immediate"),
        std::tuple("later", "example.com/disk", "WaitForFirstConsumer"),
        std::tuple("by-hand", "kubernetes.io/no-provisioner", "WaitForFirstConsumer")}) {
    storage::v1::StorageClass storage_class;
    storage_class.metadata.name = name;
    storage_class.provisioner = provisioner;
    storage_class.volumeBindingMode = Str(mode);
    Put(cluster.classes, profile, storage_class);
  }
}

core::v1::PersistentVolume RandomVolume(Dice& dice, const std::string& name, unsigned size) {
  core::v1::PersistentVolume volume;
  volume.metadata.name = name;
  volume.spec.accessModes = {"ReadWriteOnce"};
  volume.spec.capacity["storage"] = fmt::format("{}Mi", size);  // no two of a size, so that there is one answer
  volume.spec.storageClassName = dice.OneIn(2) ? "by-hand" : "later";
  volume.status.phase = dice.OneIn(6) ? "Released" : "Available";
  if (!dice.OneIn(3)) {
    core::v1::NodeSelectorRequirement here;
    here.key = dice.OneIn(2) ? "zone" : "kubernetes.io/hostname";
    here.operator_ = "In";
    here.values = {Str(here.key == "zone" ? std::to_string(dice.Below(3)) : fmt::format("n{}", dice.Below(7)))};
    core::v1::NodeSelectorTerm term;
    term.matchExpressions = {here};
    volume.spec.nodeAffinity.Mutable().required.Mutable().nodeSelectorTerms = {term};
  }
  return volume;
}

core::v1::PersistentVolumeClaim RandomClaim(Dice& dice, const std::string& name) {
  core::v1::PersistentVolumeClaim claim;
  claim.metadata.name = name;
  claim.metadata.namespace_ = "default";
  claim.spec.accessModes = {dice.OneIn(4) ? "ReadWriteOncePod" : "ReadWriteOnce"};
  claim.spec.resources.requests["storage"] = fmt::format("{}Mi", 1 + dice.Below(40));
  claim.spec.storageClassName = Str(dice.OneIn(8) ? "now" : dice.OneIn(2) ? "later" : "by-hand");
  if (dice.OneIn(10)) claim.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
  return claim;
}

// As the binder and a provisioner would.
void BindClaims(test::ReferenceCluster& cluster, test::DefaultProfile& profile, const test::ReferenceBindings& bindings,
                const std::string& node) {
  for (const auto& [name, found] : bindings) {
    core::v1::PersistentVolumeClaim claim = cluster.claims.at(name);
    core::v1::PersistentVolume volume;
    if (found.empty()) {
      volume.metadata.name = fmt::format("pvc-{}", claim.metadata.uid.view());
      volume.spec.accessModes = claim.spec.accessModes;
      volume.spec.capacity = claim.spec.resources.requests;
      volume.spec.storageClassName = *claim.spec.storageClassName;
      core::v1::NodeSelectorRequirement here;
      here.key = "kubernetes.io/hostname";
      here.operator_ = "In";
      here.values = {Str(node)};
      core::v1::NodeSelectorTerm term;
      term.matchExpressions = {here};
      volume.spec.nodeAffinity.Mutable().required.Mutable().nodeSelectorTerms = {term};
    } else {
      volume = cluster.volumes.at(found);
    }
    core::v1::ObjectReference& ref = volume.spec.claimRef.Mutable();
    ref.namespace_ = "default";
    ref.name = name;
    ref.uid = claim.metadata.uid;
    volume.status.phase = "Bound";
    claim.spec.volumeName = volume.metadata.name;
    claim.status.phase = "Bound";
    claim.metadata.annotations["pv.kubernetes.io/bind-completed"] = "yes";
    Put(cluster.volumes, profile, volume);
    Put(cluster.claims, profile, claim);
  }
}

void ChangeStorage(Dice& dice, test::ReferenceCluster& cluster, test::DefaultProfile& profile, int step) {
  if (dice.OneIn(2)) {
    const std::string name = fmt::format("v{}", step);
    return Put(cluster.volumes, profile, RandomVolume(dice, name, 1 + static_cast<unsigned>(step)));
  }
  if (dice.OneIn(6) && !cluster.volumes.empty()) {
    auto it = cluster.volumes.begin();
    std::advance(it, dice.Below(static_cast<unsigned>(cluster.volumes.size())));
    profile.objects.Remove(it->second);
    cluster.volumes.erase(it);
    ++profile.storage_generation;
    return;
  }
  const std::string name = fmt::format("c{}", dice.Below(5));
  // One that is bound stays, as an immutable spec would have it.
  if (const auto it = cluster.claims.find(name); it != cluster.claims.end() && !it->second.spec.volumeName.empty())
    return;
  Put(cluster.claims, profile, RandomClaim(dice, name));
}

// One cluster's life: nodes come, change and go, pods are placed and leave.
void Live(unsigned seed) {
  CAPTURE(seed);
  Dice dice(seed);
  SimulatedEnv env;
  test::DefaultProfile profile(env.random());
  test::ReferenceCluster cluster;
  AddClasses(cluster, profile);
  for (int step = 0; step < 60; ++step) {
    CAPTURE(step);
    const unsigned what = dice.Below(12);
    const std::string name = fmt::format("n{}", dice.Below(7));
    if (what < 2 || cluster.nodes.empty()) {
      const core::v1::Node node = RandomNode(dice, name);
      cluster.nodes[name] = node;
      profile.table.UpsertNode(Share(node));
    } else if (what == 2) {
      cluster.nodes.erase(name);
      profile.table.RemoveNode(name);
    } else if (what == 3 && !cluster.pods.empty()) {
      const auto gone = cluster.pods.begin() + dice.Below(static_cast<unsigned>(cluster.pods.size()));
      profile.table.RemovePod(gone->node, *Info(gone->pod)->object);
      cluster.pods.erase(gone);
    } else if (what >= 10) {
      ChangeStorage(dice, cluster, profile, step);
    } else {
      const core::v1::Pod pod = RandomPod(dice, fmt::format("p{}", step));
      const Decision decision = profile.placement->Decide(*Info(pod));
      const test::ReferenceDecision expected = test::DecideByTheBook(cluster, pod);
      if (cluster.nodes.empty()) continue;
      if (!decision.placed) {
        REQUIRE(decision.message == expected.message);
        REQUIRE(expected.best.empty());
        continue;
      }
      const std::string node = profile.table.node(decision.row).meta().name.str();
      CAPTURE(node, expected.message, expected.best);
      REQUIRE(expected.best.contains(node));
      BindClaims(cluster, profile, *test::BindByTheBook(cluster, pod, cluster.nodes.at(node)), node);
      profile.table.AddPod(node, Info(pod));
      cluster.pods.push_back({pod, node});
    }
  }
}

unsigned FromEnvironment(const char* name, unsigned otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

TEST_CASE("the scheduler agrees with the reference on random clusters") {
  const unsigned first = FromEnvironment("MINIKUBE_SCHEDULER_FIRST_SEED", 0);
  const unsigned count = FromEnvironment("MINIKUBE_SCHEDULER_SEEDS", 1000);
  for (unsigned seed = first; seed < first + count; ++seed) Live(seed);
}

}  // namespace
}  // namespace minikube::scheduler
