// Claims and volumes in whole lives: provisioned where their pod goes, kept as long as they are used, reclaimed.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <minikube/api/apps/v1.h>
#include <minikube/api/storage/v1.h>

#include "integration/workloads/workloads.h"

namespace minikube {
namespace {

using apps::v1::Deployment;
using apps::v1::StatefulSet;
using core::v1::Event;
using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using storage::v1::StorageClass;

PersistentVolumeClaim Claim(std::string_view name, std::string_view size = "1Gi") {
  PersistentVolumeClaim claim;
  claim.metadata.name = name;
  claim.metadata.namespace_ = "default";
  claim.spec.accessModes = {"ReadWriteOnce"};
  claim.spec.resources.requests["storage"] = size;
  return claim;
}

Pod UserOf(std::string_view claim, std::string_view name = "user") {
  Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = "default";
  pod.spec = Workloads::Template("user").spec;
  core::v1::Volume& volume = pod.spec.volumes.push_back({});
  volume.name = "data";
  volume.persistentVolumeClaim.Mutable().claimName = claim;
  return pod;
}

PersistentVolume Volume(std::string_view name, std::string_view size, std::string_view storage_class = "by-hand") {
  PersistentVolume volume;
  volume.metadata.name = name;
  volume.spec.capacity["storage"] = size;
  volume.spec.accessModes = {"ReadWriteOnce"};
  volume.spec.storageClassName = storage_class;
  volume.spec.persistentVolumeReclaimPolicy = "Retain";
  volume.spec.hostPath.Mutable().path = fmt::format("/data/{}", name);
  return volume;
}

void OnNode(PersistentVolume& volume, std::string_view node) {
  core::v1::NodeSelectorRequirement here;
  here.key = "kubernetes.io/hostname";
  here.operator_ = "In";
  here.values = {node};
  core::v1::NodeSelectorTerm term;
  term.matchExpressions = {here};
  volume.spec.nodeAffinity.Mutable().required.Mutable().nodeSelectorTerms = {term};
}

StorageClass Class(std::string_view name, std::string_view mode) {
  StorageClass storage_class;
  storage_class.metadata.name = name;
  storage_class.provisioner = "kubernetes.io/no-provisioner";
  storage_class.volumeBindingMode = Str(mode);
  return storage_class;
}

struct Volumes : Workloads {
  using Workloads::Workloads;
  template <typename T>
  void Create(const T& object) {
    REQUIRE(client().Create(object).status().ToString() == "OK");
  }
  std::string Phase(std::string_view claim) { return Get<PersistentVolumeClaim>(claim).status.phase.str(); }
  bool UntilBound(std::string_view claim) {
    return Until<PersistentVolumeClaim>(claim, [](const auto& now) { return now.status.phase == "Bound"; });
  }
  bool UntilRunning(std::string_view pod) {
    return Until<Pod>(pod, [](const Pod& now) { return now.status.phase == "Running"; });
  }
  PersistentVolume VolumeNamed(std::string_view name) { return client().Get<PersistentVolume>("", name).value(); }
  std::string VolumeOf(std::string_view claim) { return Get<PersistentVolumeClaim>(claim).spec.volumeName.str(); }
  std::vector<PersistentVolume> All() { return client().List<PersistentVolume>("").value(); }
  // Whether somebody said so of the object.
  bool Said(std::string_view object, std::string_view reason, std::string_view text) {
    const std::vector<Event> events = List<Event>();
    return std::any_of(events.begin(), events.end(), [&](const Event& event) {
      return event.involvedObject.name == object && event.reason == reason &&
             event.message.view().find(text) != std::string_view::npos;
    });
  }
};

TEST_CASE("a claim of the default class gets a volume on the node of its pod, which goes with the claim") {
  Volumes world;
  world.Create(Claim("data"));
  CHECK(world.Get<PersistentVolumeClaim>("data").spec.storageClassName == Str("local-path"));
  REQUIRE(world.Until([&] { return world.Said("data", "WaitForFirstConsumer", "waiting for first consumer"); }));
  CHECK(world.All().empty());
  world.Create(UserOf("data"));
  REQUIRE(world.UntilRunning("user"));
  REQUIRE(world.UntilBound("data"));
  const PersistentVolume volume = world.VolumeNamed(world.VolumeOf("data"));
  CHECK(volume.status.phase == "Bound");
  CHECK(volume.status.lastPhaseTransitionTime);
  CHECK(volume.spec.nodeAffinity->required->nodeSelectorTerms[0].matchExpressions[0].values[0] ==
        world.Get<Pod>("user").spec.nodeName);
  // Deleted while it is used, it stays; a new pod is not given it.
  REQUIRE(world.client().Delete<PersistentVolumeClaim>("default", "data").ok());
  world.env.RunFor(std::chrono::minutes(1));
  CHECK(world.Phase("data") == "Bound");
  world.Create(UserOf("data", "late"));
  REQUIRE(world.Until(
      [&] { return world.Said("late", "FailedScheduling", "persistentvolumeclaim \"data\" is being deleted"); }));
  REQUIRE(world.client().Delete<Pod>("default", "late").ok());
  REQUIRE(world.client().Delete<Pod>("default", "user").ok());
  CHECK(world.Until([&] { return world.List<PersistentVolumeClaim>().empty() && world.All().empty(); }));
}

TEST_CASE("a stateful set keeps its volumes through rollouts, deletions and scaling") {
  Volumes world;
  StatefulSet set;
  set.metadata.name = "db";
  set.metadata.namespace_ = "default";
  set.spec.replicas = 3;
  set.spec.serviceName = "db";
  set.spec.selector.Mutable().matchLabels["app"] = "db";
  set.spec.template_ = Workloads::Template("db");
  set.spec.volumeClaimTemplates = {Claim("data")};
  world.Create(set);
  const auto ready = [](const StatefulSet& now) {
    return now.status.observedGeneration == now.metadata.generation && now.status.readyReplicas == *now.spec.replicas &&
           now.status.updatedReplicas == *now.spec.replicas && now.status.replicas == *now.spec.replicas;
  };
  REQUIRE(world.Until<StatefulSet>("db", ready));
  const auto places = [&] {
    std::map<std::string, std::string> out;
    for (int i = 0; i < 3; ++i) {
      const Pod pod = world.Get<Pod>(fmt::format("db-{}", i));
      out[world.VolumeOf(fmt::format("data-db-{}", i))] = pod.spec.nodeName.str();
    }
    return out;
  };
  const auto before = places();
  REQUIRE(before.size() == 3);
  world.Change<StatefulSet>("db",
                            [](StatefulSet& now) { now.spec.template_.spec.containers.Mutable(0).image = "image:2"; });
  REQUIRE(world.Until<StatefulSet>("db", ready));
  CHECK(places() == before);
  world.Change<StatefulSet>("db", [](StatefulSet& now) { now.spec.replicas = 0; });
  REQUIRE(world.Until([&] { return world.List<Pod>().empty(); }));
  CHECK(world.List<PersistentVolumeClaim>().size() == 3);
  world.Change<StatefulSet>("db", [](StatefulSet& now) { now.spec.replicas = 3; });
  REQUIRE(world.Until<StatefulSet>("db", ready));
  CHECK(places() == before);
}

TEST_CASE("volumes made by hand are given to the claims they fit, each once") {
  const std::string mode = GENERATE("Immediate", "WaitForFirstConsumer");
  CAPTURE(mode);
  Volumes world;
  world.Create(Class("by-hand", mode));
  constexpr int kCount = 12;
  for (int i = 0; i < kCount; ++i) {
    PersistentVolume volume = Volume(fmt::format("v{}", i), fmt::format("{}Gi", i + 1));
    OnNode(volume, i % 2 == 0 ? "a" : "b");
    world.Create(volume);
  }
  for (int i = 0; i < kCount; ++i) {
    PersistentVolumeClaim claim = Claim(fmt::format("c{}", i));
    claim.spec.storageClassName = Str("by-hand");
    world.Create(claim);
    world.Create(UserOf(claim.metadata.name, fmt::format("p{}", i)));
  }
  std::set<std::string> given;
  for (int i = 0; i < kCount; ++i) {
    REQUIRE(world.UntilRunning(fmt::format("p{}", i)));
    const PersistentVolume volume = world.VolumeNamed(world.VolumeOf(fmt::format("c{}", i)));
    CHECK(given.insert(volume.metadata.name.str()).second);
    CHECK(volume.spec.claimRef->name == fmt::format("c{}", i));
    CHECK(volume.spec.nodeAffinity->required->nodeSelectorTerms[0].matchExpressions[0].values[0] ==
          world.Get<Pod>(fmt::format("p{}", i)).spec.nodeName);
    CHECK(world.Phase(fmt::format("c{}", i)) == "Bound");
  }
  // One that is released is nobody's until somebody takes the claim's name off it.
  const std::string name = world.VolumeOf("c0");
  REQUIRE(world.client().Delete<Pod>("default", "p0").ok());
  REQUIRE(world.client().Delete<PersistentVolumeClaim>("default", "c0").ok());
  REQUIRE(world.Until([&] { return world.VolumeNamed(name).status.phase == "Released"; }));
  PersistentVolumeClaim late = Claim("late");
  late.spec.storageClassName = Str("by-hand");
  world.Create(late);
  world.Create(UserOf("late"));
  world.env.RunFor(std::chrono::minutes(1));
  CHECK(world.Phase("late") == "Pending");
  PersistentVolume again = world.VolumeNamed(name);
  again.spec.claimRef.reset();
  REQUIRE(world.client().Update(again).ok());
  REQUIRE(world.UntilRunning("user"));
  CHECK(world.VolumeOf("late") == name);
}

TEST_CASE("why a pod with claims is not scheduled is said as kube-scheduler says it") {
  Volumes world({}, {"a", "b"});
  world.Create(Class("now", "Immediate"));
  world.Create(Class("later", "WaitForFirstConsumer"));
  const auto pending = [&](std::string_view text) {
    const bool said = world.Until([&] { return world.Said("user", "FailedScheduling", text); });
    if (said) return true;
    for (const Event& event : world.List<Event>()) UNSCOPED_INFO(event.reason.view() << ": " << event.message.view());
    return false;
  };
  SECTION("no claim") {
    world.Create(UserOf("data"));
    CHECK(pending("0/2 nodes are available: persistentvolumeclaim \"data\" not found."));
    world.Create(Claim("data"));
    CHECK(world.UntilRunning("user"));
  }
  SECTION("not bound") {
    PersistentVolumeClaim claim = Claim("data");
    claim.spec.storageClassName = Str("now");
    world.Create(claim);
    world.Create(UserOf("data"));
    CHECK(pending("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."));
    world.Create(Volume("v", "1Gi", "now"));
    CHECK(world.UntilRunning("user"));
  }
  SECTION("nothing to bind") {
    PersistentVolumeClaim claim = Claim("data");
    claim.spec.storageClassName = Str("later");
    world.Create(claim);
    world.Create(UserOf("data"));
    CHECK(pending("0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."));
    world.Create(Volume("v", "1Gi", "later"));
    CHECK(world.UntilRunning("user"));
  }
  SECTION("elsewhere") {
    PersistentVolume volume = Volume("v", "1Gi", "now");
    OnNode(volume, "a");
    world.Create(volume);
    PersistentVolumeClaim claim = Claim("data");
    claim.spec.storageClassName = Str("now");
    world.Create(claim);
    REQUIRE(world.UntilBound("data"));
    Pod pod = UserOf("data");
    pod.spec.nodeSelector["kubernetes.io/hostname"] = "b";
    world.Create(pod);
    CHECK(pending("1 node(s) didn't match PersistentVolume's node affinity"));
    CHECK(pending("1 node(s) didn't match Pod's node affinity/selector"));
  }
  SECTION("another zone") {
    PersistentVolume volume = Volume("v", "1Gi", "now");
    volume.metadata.labels["topology.kubernetes.io/zone"] = "west";
    world.Create(volume);
    PersistentVolumeClaim claim = Claim("data");
    claim.spec.storageClassName = Str("now");
    world.Create(claim);
    REQUIRE(world.UntilBound("data"));
    for (const char* name : {"a", "b"}) {
      auto node = world.client().Get<core::v1::Node>("", name).value();
      node.metadata.labels["topology.kubernetes.io/zone"] = "east";
      REQUIRE(world.client().Update(node).ok());
    }
    world.Create(UserOf("data"));
    CHECK(pending("0/2 nodes are available: 2 node(s) had no available volume zone."));
  }
  SECTION("one pod at a time") {
    PersistentVolumeClaim claim = Claim("data");
    claim.spec.accessModes = {"ReadWriteOncePod"};
    world.Create(claim);
    world.Create(UserOf("data", "first"));
    REQUIRE(world.UntilRunning("first"));
    world.Create(UserOf("data"));
    CHECK(
        pending("node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by "
                "another pod"));
    REQUIRE(world.client().Delete<Pod>("default", "first").ok());
    CHECK(world.UntilRunning("user"));
  }
}

TEST_CASE("volumes that are no longer than their pods") {
  Volumes world;
  Deployment deployment;
  deployment.metadata.name = "web";
  deployment.metadata.namespace_ = "default";
  deployment.spec.replicas = 2;
  deployment.spec.selector.Mutable().matchLabels["app"] = "web";
  deployment.spec.template_ = Workloads::Template("web");
  core::v1::Volume& volume = deployment.spec.template_.spec.volumes.push_back({});
  volume.name = "scratch";
  volume.ephemeral.Mutable().volumeClaimTemplate.Mutable().spec = Claim("").spec;
  world.Create(deployment);
  REQUIRE(world.Until<Deployment>("web", [](const Deployment& now) { return now.status.readyReplicas == 2; }));
  CHECK(world.List<PersistentVolumeClaim>().size() == 2);
  CHECK(world.All().size() == 2);
  REQUIRE(world.client().Delete<Deployment>("default", "web").ok());
  CHECK(world.Until([&] { return world.List<PersistentVolumeClaim>().empty() && world.All().empty(); }));
}

TEST_CASE("claims are expanded where their class allows it") {
  Volumes world;
  world.Create(Claim("data"));
  const auto grow = [&] {
    PersistentVolumeClaim claim = world.Get<PersistentVolumeClaim>("data");
    claim.spec.resources.requests["storage"] = "2Gi";
    return world.client().Update(claim).status();
  };
  CHECK(grow().message().find("spec is immutable after creation except resources.requests") != std::string::npos);
  world.Create(UserOf("data"));
  REQUIRE(world.UntilRunning("user"));
  CHECK(grow().message().find("the storageclass that provisions the pvc must support resize") != std::string::npos);
  auto storage_class = world.client().Get<StorageClass>("", "local-path").value();
  storage_class.allowVolumeExpansion = true;
  REQUIRE(world.client().Update(storage_class).ok());
  REQUIRE(grow().ToString() == "OK");
  CHECK(world.Until<PersistentVolumeClaim>(
      "data", [](const auto& now) { return *now.status.capacity.Find("storage") == Quantity("2Gi"); }));
  CHECK(*world.VolumeNamed(world.VolumeOf("data")).spec.capacity.Find("storage") == Quantity("2Gi"));
}

TEST_CASE("a claim without a class gets the default one when there is one") {
  Volumes world;
  REQUIRE(world.client().Delete<StorageClass>("", "local-path").ok());
  world.Create(Claim("data"));
  REQUIRE(world.Until([&] { return world.Said("data", "FailedBinding", "no storage class is set"); }));
  CHECK_FALSE(world.Get<PersistentVolumeClaim>("data").spec.storageClassName);
  StorageClass fallback;
  fallback.metadata.name = "fallback";
  fallback.metadata.annotations["storageclass.kubernetes.io/is-default-class"] = "true";
  fallback.provisioner = "minikube.dev/local-path";
  fallback.volumeBindingMode = Str("WaitForFirstConsumer");
  world.Create(fallback);
  REQUIRE(world.Until<PersistentVolumeClaim>("data", [](const auto& now) { return bool(now.spec.storageClassName); }));
  world.Create(UserOf("data"));
  CHECK(world.UntilRunning("user"));
}

TEST_CASE("volumes go with their namespace") {
  Volumes world;
  core::v1::Namespace ns;
  ns.metadata.name = "team";
  world.Create(ns);
  PersistentVolumeClaim claim = Claim("data");
  claim.metadata.namespace_ = "team";
  world.Create(claim);
  Pod pod = UserOf("data");
  pod.metadata.namespace_ = "team";
  world.Create(pod);
  REQUIRE(WaitFor<Pod>(
              world.client(), world.env, "team", "user", [](const Pod& now) { return now.status.phase == "Running"; },
              std::chrono::hours(1))
              .ok());
  REQUIRE(world.All().size() == 1);
  REQUIRE(world.client().Delete<core::v1::Namespace>("", "team").ok());
  CHECK(world.Until([&] { return world.All().empty() && !world.client().Get<core::v1::Namespace>("", "team").ok(); }));
}

}  // namespace
}  // namespace minikube
