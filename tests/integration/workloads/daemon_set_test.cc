#include <algorithm>
#include <map>

#include <minikube/api/apps/v1.h>

#include "integration/workloads/workloads.h"

namespace minikube {
namespace {

using apps::v1::ControllerRevision;
using apps::v1::DaemonSet;
using core::v1::Node;
using core::v1::Pod;

DaemonSet Make() {
  DaemonSet set;
  set.metadata.name = "log";
  set.metadata.namespace_ = "default";
  set.spec.selector.Mutable().matchLabels["app"] = "log";
  set.spec.template_ = Workloads::Template("log");
  return set;
}

std::function<bool(const DaemonSet&)> RolledOut(std::int32_t nodes) {
  return [nodes](const DaemonSet& set) {
    const auto& status = set.status;
    return status.observedGeneration == set.metadata.generation && status.desiredNumberScheduled == nodes &&
           status.updatedNumberScheduled == nodes && status.numberAvailable == nodes && status.numberUnavailable == 0;
  };
}

// The images of the pods by node.
std::map<std::string, std::string> Images(Workloads& world) {
  std::map<std::string, std::string> out;
  for (const Pod& pod : world.List<Pod>()) {
    out[pod.spec.nodeName.str()] += pod.spec.containers[0].image.str();
  }
  return out;
}
using Places = std::map<std::string, std::string>;

void ChangeNode(Workloads& world, std::string_view name, const std::function<void(Node&)>& change) {
  REQUIRE(world.Until([&] {
    Node node = world.client().Get<Node>("", name).value();
    change(node);
    return world.client().Update(node).ok();
  }));
}

TEST_CASE("a daemon set has a pod on every node that it means, and follows the nodes") {
  Workloads world;
  DaemonSet set = Make();
  set.spec.template_.spec.nodeSelector["disk"] = "ssd";
  REQUIRE(world.client().Create(set).status().ToString() == "OK");
  REQUIRE(world.Until<DaemonSet>("log", RolledOut(0)));
  CHECK(world.List<Pod>().empty());
  for (const char* name : {"a", "b"}) {
    ChangeNode(world, name, [](Node& node) { node.metadata.labels["disk"] = "ssd"; });
  }
  REQUIRE(world.Until<DaemonSet>("log", RolledOut(2)));
  CHECK(Images(world) == Places{{"a", "image:1"}, {"b", "image:1"}});
  // Closed to others, a node keeps its daemons and gets them.
  ChangeNode(world, "c", [](Node& node) {
    node.metadata.labels["disk"] = "ssd";
    node.spec.unschedulable = true;
  });
  REQUIRE(world.Until<DaemonSet>("log", RolledOut(3)));
  ChangeNode(world, "a", [](Node& node) { node.metadata.labels["disk"] = "hdd"; });
  REQUIRE(world.Until([&] { return Images(world) == Places{{"b", "image:1"}, {"c", "image:1"}}; }));
  // A taint that keeps others away lets those stay that are there.
  ChangeNode(world, "b", [](Node& node) { node.spec.taints.push_back({.key = "mine", .effect = "NoSchedule"}); });
  REQUIRE(world.Until<DaemonSet>("log", [](const DaemonSet& now) {
    return now.status.desiredNumberScheduled == 1 && now.status.numberMisscheduled == 1;
  }));
  CHECK(Images(world).contains("b"));
  // A pod that goes comes back.
  const auto on_c = [&] {
    std::string name;
    for (const Pod& pod : world.List<Pod>()) {
      if (pod.spec.nodeName == "c") name = pod.metadata.name.str();
    }
    return name;
  };
  const std::string gone = on_c();
  REQUIRE(world.client().Delete<Pod>("default", gone).ok());
  REQUIRE(world.Until([&] {
    const std::string name = on_c();
    return !name.empty() && name != gone && RolledOut(1)(world.Get<DaemonSet>("log"));
  }));
  REQUIRE(world.client().Delete<DaemonSet>("default", "log").ok());
  CHECK(world.Until([&] { return world.List<Pod>().empty() && world.List<ControllerRevision>().empty(); }));
}

TEST_CASE("a daemon set is rolled out node by node, or beside the old pods, and back") {
  Workloads world;
  DaemonSet set = Make();
  const bool surges = GENERATE(false, true);
  set.spec.minReadySeconds = 2;
  set.spec.updateStrategy.type = "RollingUpdate";
  auto& rolling = set.spec.updateStrategy.rollingUpdate.Mutable();
  rolling.maxUnavailable = IntOrString{surges ? 0 : 1};
  rolling.maxSurge = IntOrString{surges ? 1 : 0};
  REQUIRE(world.client().Create(set).status().ToString() == "OK");
  REQUIRE(world.Until<DaemonSet>("log", RolledOut(3)));
  std::size_t most = 0;
  std::size_t fewest = 3;
  for (const char* image : {"image:2", "image:1"}) {
    world.Change<DaemonSet>("log",
                            [&](DaemonSet& now) { now.spec.template_.spec.containers.Mutable(0).image = image; });
    REQUIRE(world.Until([&] {
      std::size_t alive = 0;
      for (const Pod& pod : world.List<Pod>()) alive += pod.metadata.deletionTimestamp ? 0 : 1;
      most = std::max(most, alive);
      fewest = std::min(fewest, alive);
      return RolledOut(3)(world.Get<DaemonSet>("log")) && alive == 3;
    }));
    for (const Pod& pod : world.List<Pod>()) {
      if (!pod.metadata.deletionTimestamp) CHECK(pod.spec.containers[0].image == image);
    }
  }
  CHECK(most == (surges ? 4 : 3));
  CHECK(fewest >= (surges ? 3 : 2));  // what lasts less than a look at it may not be seen
  CHECK(world.List<ControllerRevision>().size() == 2);
}

TEST_CASE("a daemon set that updates on delete waits for it") {
  Workloads world;
  DaemonSet set = Make();
  set.spec.updateStrategy.type = "OnDelete";
  REQUIRE(world.client().Create(set).status().ToString() == "OK");
  REQUIRE(world.Until<DaemonSet>("log", RolledOut(3)));
  world.Change<DaemonSet>("log",
                          [](DaemonSet& now) { now.spec.template_.spec.containers.Mutable(0).image = "image:2"; });
  REQUIRE(world.Until<DaemonSet>("log", [](const DaemonSet& now) {
    return now.status.observedGeneration == 2 && now.status.updatedNumberScheduled == 0;
  }));
  world.env.RunFor(std::chrono::minutes(1));
  CHECK(Images(world) == Places{{"a", "image:1"}, {"b", "image:1"}, {"c", "image:1"}});
  for (const Pod& pod : world.List<Pod>()) {
    if (pod.spec.nodeName == "b") REQUIRE(world.client().Delete<Pod>("default", pod.metadata.name).ok());
  }
  REQUIRE(world.Until<DaemonSet>("log", [](const DaemonSet& now) {
    return now.status.updatedNumberScheduled == 1 && now.status.numberAvailable == 3;
  }));
  CHECK(Images(world) == Places{{"a", "image:1"}, {"b", "image:2"}, {"c", "image:1"}});
}

}  // namespace
}  // namespace minikube
