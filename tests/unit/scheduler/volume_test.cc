// What volumes ask of nodes, beyond what the reference covers: drivers' limits and capacities, zones, disks.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <minikube/api/storage/v1.h>
#include <minikube/simulated_env.h>

#include "unit/scheduler/workloads.h"

namespace minikube::scheduler {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using storage::v1::CSIDriver;
using storage::v1::CSINode;
using storage::v1::CSIStorageCapacity;
using storage::v1::StorageClass;
using test::Info;
using test::MakeNode;
using test::MakePod;

struct Cluster {
  Cluster() {
    for (const char* name : {"a", "b"}) profile.table.UpsertNode(Share(MakeNode(name)));
  }
  template <typename T>
  void Put(T object) {
    object.metadata.resourceVersion = std::to_string(++version);
    if (object.metadata.uid.empty()) object.metadata.uid = fmt::format("uid-{}", version);
    ++profile.storage_generation;
    profile.objects.Add(object);
  }
  // A claim that is bound to a volume of a driver's.
  void Bound(const std::string& name) {
    PersistentVolumeClaim claim;
    claim.metadata.name = name;
    claim.metadata.namespace_ = "default";
    claim.metadata.annotations["pv.kubernetes.io/bind-completed"] = "yes";
    claim.spec.accessModes = {"ReadWriteOnce"};
    claim.spec.volumeName = "volume-" + name;
    Put(claim);
    PersistentVolume volume;
    volume.metadata.name = claim.spec.volumeName;
    volume.spec.csi.Mutable().driver = "disk.example.com";
    volume.spec.csi.Mutable().volumeHandle = name;
    Put(volume);
  }
  static core::v1::Pod UserOf(const std::string& claim, const std::string& pod) {
    core::v1::Pod out = MakePod(pod);
    core::v1::Volume& volume = out.spec.volumes.push_back({});
    volume.name = "data";
    volume.persistentVolumeClaim.Mutable().claimName = claim;
    return out;
  }
  void Place(const core::v1::Pod& pod, const std::string& node) { profile.table.AddPod(node, Info(pod)); }
  // The node, or why there is none.
  std::string Decide(const core::v1::Pod& pod) {
    const Decision decision = profile.placement->Decide(*Info(pod));
    return decision.placed ? profile.table.node(decision.row).meta().name.str() : decision.message;
  }

  SimulatedEnv env;
  test::DefaultProfile profile{env.random()};
  int version = 0;
};

TEST_CASE("a node takes as many volumes as its driver says") {
  Cluster cluster;
  for (const char* name : {"one", "two", "three"}) cluster.Bound(name);
  for (const char* name : {"a", "b"}) {
    CSINode node;
    node.metadata.name = name;
    storage::v1::CSINodeDriver& driver = node.spec.drivers.push_back({});
    driver.name = "disk.example.com";
    driver.allocatable.Mutable().count = name[0] == 'a' ? 1 : 2;
    cluster.Put(node);
  }
  cluster.Place(Cluster::UserOf("one", "p1"), "a");
  CHECK(cluster.Decide(Cluster::UserOf("two", "p2")) == "b");
  cluster.Place(Cluster::UserOf("two", "p2"), "b");
  CHECK(cluster.Decide(Cluster::UserOf("three", "p3")) == "b");
  cluster.Place(Cluster::UserOf("three", "p3"), "b");
  cluster.Bound("four");
  CHECK(cluster.Decide(Cluster::UserOf("four", "p4")) == "0/2 nodes are available: 2 node(s) exceed max volume count.");
  // What is attached there already takes no more.
  for (int i = 0; i < 8; ++i) CHECK(cluster.Decide(Cluster::UserOf("one", "p5")).size() == 1);
  // Attached, though no pod there has it.
  cluster.profile.table.RemovePod("a", *Info(Cluster::UserOf("one", "p1"))->object);
  CHECK(cluster.Decide(Cluster::UserOf("four", "p4")) == "a");
  storage::v1::VolumeAttachment attachment;
  attachment.metadata.name = "left";
  attachment.spec.attacher = "disk.example.com";
  attachment.spec.nodeName = "a";
  attachment.spec.source.persistentVolumeName = Str("volume-one");
  cluster.Put(attachment);
  CHECK(cluster.Decide(Cluster::UserOf("four", "p4")) == "0/2 nodes are available: 2 node(s) exceed max volume count.");
  CSINode larger;
  larger.metadata.name = "a";
  storage::v1::CSINodeDriver& driver = larger.spec.drivers.push_back({});
  driver.name = "disk.example.com";
  driver.allocatable.Mutable().count = 9;
  cluster.Put(larger);
  CHECK(cluster.Decide(Cluster::UserOf("four", "p4")) == "a");
}

TEST_CASE("a volume is made where its driver has the space, and its class allows it") {
  Cluster cluster;
  StorageClass fast;
  fast.metadata.name = "fast";
  fast.provisioner = "disk.example.com";
  fast.volumeBindingMode = Str("WaitForFirstConsumer");
  cluster.Put(fast);
  PersistentVolumeClaim claim;
  claim.metadata.name = "data";
  claim.metadata.namespace_ = "default";
  claim.spec.accessModes = {"ReadWriteOnce"};
  claim.spec.storageClassName = Str("fast");
  claim.spec.resources.requests["storage"] = "10Gi";
  cluster.Put(claim);
  const core::v1::Pod pod = Cluster::UserOf("data", "p");
  CHECK(cluster.Decide(pod).size() == 1);
  CSIDriver driver;
  driver.metadata.name = "disk.example.com";
  driver.spec.storageCapacity = true;
  cluster.Put(driver);
  CHECK(cluster.Decide(pod) == "0/2 nodes are available: 2 node(s) did not have enough free storage.");
  CSIStorageCapacity capacity;
  capacity.metadata.name = "on-b";
  capacity.metadata.namespace_ = "drivers";
  capacity.storageClassName = "fast";
  capacity.nodeTopology.Mutable().matchLabels["kubernetes.io/hostname"] = "b";
  capacity.capacity = Quantity("100Gi");
  capacity.maximumVolumeSize = Quantity("5Gi");
  cluster.Put(capacity);
  CHECK(cluster.Decide(pod) == "0/2 nodes are available: 2 node(s) did not have enough free storage.");
  capacity.maximumVolumeSize = Quantity("10Gi");
  cluster.Put(capacity);
  CHECK(cluster.Decide(pod) == "b");
  core::v1::TopologySelectorTerm& term = fast.allowedTopologies.push_back({});
  core::v1::TopologySelectorLabelRequirement& requirement = term.matchLabelExpressions.push_back({});
  requirement.key = "kubernetes.io/hostname";
  requirement.values = {"a"};
  cluster.Put(fast);
  CHECK(cluster.Decide(pod) ==
        "0/2 nodes are available: 1 node(s) did not have enough free storage, 1 node(s) didn't find available "
        "persistent volumes to bind.");
  // The node that was chosen before stays chosen: the volume is being made there.
  fast.allowedTopologies.clear();
  cluster.Put(fast);
  claim.metadata.annotations["volume.kubernetes.io/selected-node"] = "a";
  cluster.Put(claim);
  CHECK(cluster.Decide(pod).find("1 node(s) didn't find available persistent volumes to bind") != std::string::npos);
}

TEST_CASE("a volume of a zone is used there") {
  Cluster cluster;
  cluster.Bound("one");
  PersistentVolume volume;
  volume.metadata.name = "volume-one";
  volume.metadata.labels["topology.kubernetes.io/zone"] = "east__west";
  cluster.Put(volume);
  const core::v1::Pod pod = Cluster::UserOf("one", "p");
  CHECK(cluster.Decide(pod).size() == 1);  // no node says anything of zones
  for (const auto& [name, zone] : {std::pair("a", "north"), std::pair("b", "west")}) {
    core::v1::Node node = MakeNode(name);
    node.metadata.labels["topology.kubernetes.io/zone"] = zone;
    cluster.profile.table.UpsertNode(Share(node));
  }
  CHECK(cluster.Decide(pod) == "b");
  volume.metadata.labels["topology.kubernetes.io/zone"] = "south";
  cluster.Put(volume);
  CHECK(cluster.Decide(pod) == "0/2 nodes are available: 2 node(s) had no available volume zone.");
}

TEST_CASE("a disk is on a node once, unless all only read it") {
  Cluster cluster;
  const auto pod = [](const std::string& name, bool read_only) {
    core::v1::Pod out = MakePod(name);
    core::v1::Volume& volume = out.spec.volumes.push_back({});
    volume.name = "disk";
    volume.gcePersistentDisk.Mutable().pdName = "d";
    volume.gcePersistentDisk.Mutable().readOnly = read_only;
    return out;
  };
  cluster.Place(pod("reader", true), "a");
  CHECK(cluster.Decide(pod("writer", false)) == "b");
  cluster.Place(pod("writer", false), "b");
  CHECK(cluster.Decide(pod("reader-2", true)) == "a");
  CHECK(cluster.Decide(pod("writer-2", false)) == "0/2 nodes are available: 2 node(s) had no available disk.");
}

}  // namespace
}  // namespace minikube::scheduler
