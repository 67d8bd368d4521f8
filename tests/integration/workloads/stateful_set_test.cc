#include <minikube/api/apps/v1.h>

#include "integration/workloads/workloads.h"

namespace minikube {
namespace {

using apps::v1::ControllerRevision;
using apps::v1::StatefulSet;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;

StatefulSet Make(std::int32_t replicas) {
  StatefulSet set;
  set.metadata.name = "db";
  set.metadata.namespace_ = "default";
  set.spec.replicas = replicas;
  set.spec.serviceName = "db";
  set.spec.selector.Mutable().matchLabels["app"] = "db";
  set.spec.template_ = Workloads::Template("db");
  return set;
}

bool Ready(const StatefulSet& set) {
  return set.status.observedGeneration == set.metadata.generation && set.status.readyReplicas == *set.spec.replicas &&
         set.status.replicas == *set.spec.replicas && set.status.updatedReplicas == *set.spec.replicas;
}

std::vector<std::string> Names(Workloads& world) {
  std::vector<std::string> out;
  for (const Pod& pod : world.List<Pod>()) out.push_back(pod.metadata.name.str());
  return out;
}

TEST_CASE("a stateful set starts in order, and all at once if it may") {
  Workloads world;
  const bool parallel = GENERATE(false, true);
  StatefulSet set = Make(3);
  set.spec.minReadySeconds = 2;
  set.spec.ordinals.Mutable().start = 5;
  if (parallel) set.spec.podManagementPolicy = "Parallel";
  REQUIRE(world.client().Create(set).status().ToString() == "OK");
  REQUIRE(world.Until<StatefulSet>("db", [](const StatefulSet& now) { return now.status.availableReplicas == 3; }));
  CHECK(Names(world) == std::vector<std::string>{"db-5", "db-6", "db-7"});
  const Pod first = world.Get<Pod>("db-5");
  const Pod last = world.Get<Pod>("db-7");
  CHECK((first.metadata.creationTimestamp < last.metadata.creationTimestamp) == !parallel);
  CHECK(first.spec.hostname == "db-5");
  CHECK(first.spec.subdomain == "db");
  CHECK(*first.metadata.labels.Find("apps.kubernetes.io/pod-index") == "5");
}

TEST_CASE("a stateful set rolls out from the top, stops at its partition, and goes back") {
  Workloads world;
  REQUIRE(world.client().Create(Make(3)).status().ToString() == "OK");
  REQUIRE(world.Until<StatefulSet>("db", Ready));
  const std::string first = world.Get<StatefulSet>("db").status.currentRevision.str();
  world.Change<StatefulSet>("db", [](StatefulSet& set) {
    set.spec.template_.spec.containers.Mutable(0).image = "image:2";
    set.spec.updateStrategy.type = "RollingUpdate";
    set.spec.updateStrategy.rollingUpdate.Mutable().partition = 2;
  });
  const auto images = [&] {
    std::string out;
    for (const Pod& pod : world.List<Pod>()) out += pod.spec.containers[0].image.str() + " ";
    return out;
  };
  REQUIRE(world.Until<StatefulSet>(
      "db", [](const StatefulSet& set) { return set.status.updatedReplicas == 1 && set.status.readyReplicas == 3; }));
  CHECK(images() == "image:1 image:1 image:2 ");
  CHECK(world.Get<StatefulSet>("db").status.currentRevision == first);
  // A pod below the partition comes back as it was.
  REQUIRE(world.client().Delete<Pod>("default", "db-0").ok());
  REQUIRE(world.Until<StatefulSet>("db", [](const StatefulSet& set) { return set.status.readyReplicas == 2; }));
  REQUIRE(world.Until<StatefulSet>("db", [](const StatefulSet& set) { return set.status.readyReplicas == 3; }));
  CHECK(images() == "image:1 image:1 image:2 ");
  world.Change<StatefulSet>("db",
                            [](StatefulSet& set) { set.spec.updateStrategy.rollingUpdate.Mutable().partition = 0; });
  REQUIRE(world.Until<StatefulSet>("db", Ready));
  CHECK(images() == "image:2 image:2 image:2 ");
  CHECK(world.List<ControllerRevision>().size() == 2);
  world.Change<StatefulSet>("db",
                            [](StatefulSet& set) { set.spec.template_.spec.containers.Mutable(0).image = "image:1"; });
  REQUIRE(world.Until<StatefulSet>("db", Ready));
  CHECK(images() == "image:1 image:1 image:1 ");
  CHECK(world.Get<StatefulSet>("db").status.currentRevision == first);
  CHECK(world.List<ControllerRevision>().size() == 2);
  CHECK(world.client().Get<ControllerRevision>("default", first)->revision == 3);
}

TEST_CASE("claims are made with their pods, and kept or deleted as asked") {
  Workloads world;
  StatefulSet set = Make(2);
  PersistentVolumeClaim claim;
  claim.metadata.name = "data";
  claim.spec.accessModes = {"ReadWriteOnce"};
  claim.spec.resources.requests["storage"] = "1Gi";
  set.spec.volumeClaimTemplates = {claim};
  const bool deletes = GENERATE(false, true);
  if (deletes) {
    set.spec.persistentVolumeClaimRetentionPolicy.Mutable().whenScaled = "Delete";
    set.spec.persistentVolumeClaimRetentionPolicy.Mutable().whenDeleted = "Delete";
  }
  REQUIRE(world.client().Create(set).status().ToString() == "OK");
  REQUIRE(world.Until<StatefulSet>("db", Ready));
  REQUIRE(world.List<PersistentVolumeClaim>().size() == 2);
  CHECK(world.Get<Pod>("db-1").spec.volumes[0].persistentVolumeClaim->claimName == "data-db-1");
  world.Change<StatefulSet>("db", [](StatefulSet& now) { now.spec.replicas = 1; });
  REQUIRE(world.Until([&] { return world.List<Pod>().size() == 1; }));
  const std::size_t left = deletes ? 1 : 2;
  CHECK(world.Until([&] { return world.List<PersistentVolumeClaim>().size() == left; }));
  REQUIRE(world.client().Delete<StatefulSet>("default", "db").ok());
  CHECK(world.Until([&] { return world.List<Pod>().empty(); }));
  CHECK(world.Until([&] { return world.List<PersistentVolumeClaim>().size() == (deletes ? 0 : 2); }));
}

TEST_CASE("a stateful set is scaled down from the top, and what ends comes back") {
  Workloads world;
  REQUIRE(world.client().Create(Make(3)).status().ToString() == "OK");
  REQUIRE(world.Until<StatefulSet>("db", Ready));
  const Str uid = world.Get<Pod>("db-1").metadata.uid;
  REQUIRE(world.client().Delete<Pod>("default", "db-1").ok());
  REQUIRE(world.Until([&] {
    const Result<Pod> pod = world.client().Get<Pod>("default", "db-1");
    return pod && !(pod->metadata.uid == uid) && Ready(world.Get<StatefulSet>("db"));
  }));
  world.Change<StatefulSet>("db", [](StatefulSet& set) { set.spec.replicas = 1; });
  REQUIRE(world.Until<StatefulSet>("db", Ready));
  CHECK(Names(world) == std::vector<std::string>{"db-0"});
}

}  // namespace
}  // namespace minikube
