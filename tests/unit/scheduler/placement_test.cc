#include <map>
#include <random>
#include <set>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/simulated_env.h>

#include "scheduler/placement.h"
#include "unit/scheduler/scheduler_objects.h"
#include "unit/scheduler/workloads.h"

namespace minikube::scheduler {
namespace {

using test::Info;
using test::MakeNode;
using test::MakePod;

struct World {
  World() : profile(env.random()), table(profile.table), placement(profile.placement.get()) {}
  void Add(const core::v1::Node& node) { table.UpsertNode(Share(node)); }
  Decision Decide(const core::v1::Pod& pod) { return placement->Decide(*Info(pod)); }
  // Decides and assumes; "" where nothing fits.
  std::string Place(const core::v1::Pod& pod) {
    const Decision decision = Decide(pod);
    if (!decision.placed) return "";
    const std::string node = table.node(decision.row).meta().name.str();
    table.AddPod(node, Info(pod));
    return node;
  }
  SimulatedEnv env;
  test::DefaultProfile profile;
  NodeTable& table;
  Placement* placement;
};

core::v1::PodAffinityTerm Term(std::string_view app, std::string_view topology_key) {
  core::v1::PodAffinityTerm term;
  term.topologyKey = topology_key;
  term.labelSelector.Mutable().matchLabels["app"] = app;
  return term;
}

TEST_CASE("without nodes there is nothing to schedule on") {
  World world;
  const Decision decision = world.Decide(MakePod("pod"));
  CHECK_FALSE(decision.placed);
  CHECK(decision.message == "no nodes available to schedule pods");
  CHECK((decision.events & kNodeAdded) != 0);
}

TEST_CASE("requests are held against what is free, and the message counts the reasons") {
  World world;
  world.Add(MakeNode("a", "2", "4Gi"));
  world.Add(MakeNode("b", "1", "1Gi"));
  world.Add(MakeNode("full", "8", "8Gi", 0));
  CHECK(world.Place(MakePod("one", "1500m", "1Gi")) == "a");
  const Decision decision = world.Decide(MakePod("two", "1500m", "2Gi"));
  CHECK_FALSE(decision.placed);
  CHECK(decision.message == "0/3 nodes are available: 1 Insufficient memory, 1 Too many pods, 2 Insufficient cpu.");
  CHECK((decision.events & kAssignedPodDeleted) != 0);
  world.table.RemovePod("a", *Info(MakePod("one"))->object);
  CHECK(world.Place(MakePod("two", "1500m", "2Gi")) == "a");
}

TEST_CASE("extended resources count too") {
  World world;
  core::v1::Node node = MakeNode("a");
  node.status.allocatable["example.com/gpu"] = Quantity("1");
  world.Add(node);
  core::v1::Pod pod = MakePod("one");
  pod.spec.containers.Mutable(0).resources.requests["example.com/gpu"] = Quantity("1");
  CHECK(world.Place(pod) == "a");
  pod.metadata.name = "two";
  pod.metadata.uid = "two";
  CHECK(world.Decide(pod).message == "0/1 nodes are available: 1 Insufficient example.com/gpu.");
}

TEST_CASE("init containers count by the largest, sidecars by the sum") {
  core::v1::Pod pod = MakePod("pod", "100m");
  core::v1::Container init{.name = "init"};
  init.resources.requests["cpu"] = Quantity("300m");
  core::v1::Container sidecar{.name = "sidecar"};
  sidecar.resources.requests["cpu"] = Quantity("50m");
  sidecar.restartPolicy = Str("Always");
  pod.spec.initContainers.push_back(sidecar);
  pod.spec.initContainers.push_back(init);
  CHECK(PodRequests(pod.spec).milli_cpu == 350);
  pod.spec.initContainers.Mutable(1).resources.requests["cpu"] = Quantity("10m");
  CHECK(PodRequests(pod.spec).milli_cpu == 150);
  pod.spec.overhead["cpu"] = Quantity("5m");
  CHECK(PodRequests(pod.spec).milli_cpu == 155);
}

TEST_CASE("the emptier node is preferred") {
  World world;
  world.Add(MakeNode("a"));
  world.Add(MakeNode("b"));
  const std::string first = world.Place(MakePod("one", "1", "1Gi"));
  const std::string second = world.Place(MakePod("two", "1", "1Gi"));
  CHECK(first != second);
}

TEST_CASE("taints keep pods away unless they are tolerated") {
  World world;
  core::v1::Node node = MakeNode("a");
  node.spec.taints.push_back({.key = "dedicated", .value = "db", .effect = "NoSchedule"});
  world.Add(node);
  core::v1::Pod pod = MakePod("pod");
  CHECK(world.Decide(pod).message == "0/1 nodes are available: 1 node(s) had untolerated taint(s).");
  pod.spec.tolerations.push_back({.key = "dedicated", .operator_ = "Equal", .value = "db"});
  CHECK(world.Decide(pod).placed);
}

TEST_CASE("a cordoned node takes no pods") {
  World world;
  core::v1::Node node = MakeNode("a");
  node.spec.unschedulable = true;
  world.Add(node);
  CHECK(world.Decide(MakePod("pod")).message == "0/1 nodes are available: 1 node(s) were unschedulable.");
  node.spec.unschedulable = false;
  CHECK(world.table.UpsertNode(Share(node)) == kNodeTaintsChanged);
  CHECK(world.Decide(MakePod("pod")).placed);
}

TEST_CASE("node selectors and affinity choose nodes by label") {
  World world;
  core::v1::Node ssd = MakeNode("ssd");
  ssd.metadata.labels["disk"] = "ssd";
  ssd.metadata.labels["cores"] = "16";
  world.Add(ssd);
  world.Add(MakeNode("plain"));
  core::v1::Pod pod = MakePod("pod");
  pod.spec.nodeSelector["disk"] = "ssd";
  CHECK(world.Place(pod) == "ssd");
  pod.spec.nodeSelector["disk"] = "tape";
  CHECK(world.Decide(pod).message == "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.");

  struct Case {
    std::string key, op;
    List<Str> values;
    std::string expected;
  };
  for (const Case& c : {Case{"disk", "Exists", {}, "ssd"}, Case{"disk", "DoesNotExist", {}, "plain"},
                        Case{"disk", "In", {"hdd", "ssd"}, "ssd"}, Case{"disk", "NotIn", {"ssd"}, "plain"},
                        Case{"cores", "Gt", {"8"}, "ssd"}, Case{"cores", "Lt", {"8"}, ""}}) {
    CAPTURE(c.key, c.op);
    core::v1::Pod chosen = MakePod("pod");
    core::v1::NodeSelectorTerm term;
    term.matchExpressions.push_back({.key = c.key, .operator_ = c.op, .values = c.values});
    chosen.spec.affinity.Mutable()
        .nodeAffinity.Mutable()
        .requiredDuringSchedulingIgnoredDuringExecution.Mutable()
        .nodeSelectorTerms.push_back(term);
    const Decision decision = world.Decide(chosen);
    CHECK((decision.placed ? world.table.node(decision.row).meta().name.str() : "") == c.expected);
  }
}

TEST_CASE("host ports are not given twice") {
  World world;
  world.Add(MakeNode("a"));
  core::v1::Pod pod = MakePod("one");
  pod.spec.containers.Mutable(0).ports.push_back({.hostPort = 80, .containerPort = 80});
  CHECK(world.Place(pod) == "a");
  pod.metadata.uid = "two";
  CHECK(world.Decide(pod).message ==
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.");
}

TEST_CASE("hard spreading keeps the skew") {
  World world;
  for (const char* name : {"a1", "a2", "b1"}) {
    core::v1::Node node = MakeNode(name);
    node.metadata.labels["zone"] = std::string(name).substr(0, 1);
    world.Add(node);
  }
  std::map<std::string, int> zones;
  for (int i = 0; i < 8; ++i) {
    core::v1::Pod pod = MakePod("pod" + std::to_string(i));
    pod.metadata.labels["app"] = "web";
    core::v1::TopologySpreadConstraint spread{
        .maxSkew = 1, .topologyKey = "zone", .whenUnsatisfiable = "DoNotSchedule"};
    spread.labelSelector.Mutable().matchLabels["app"] = "web";
    pod.spec.topologySpreadConstraints.push_back(spread);
    const std::string node = world.Place(pod);
    REQUIRE_FALSE(node.empty());
    ++zones[node.substr(0, 1)];
    CHECK(std::abs(zones["a"] - zones["b"]) <= 1);
  }
}

TEST_CASE("pods of one owner spread by default") {
  World world;
  for (int i = 0; i < 4; ++i) world.Add(MakeNode("n" + std::to_string(i)));
  Map<Str> labels;
  labels["app"] = "web";
  world.profile.default_selectors = [&](const Object&) {
    return std::vector<LabelSelector>{LabelSelector::FromMap(labels)};
  };
  std::set<std::string> used;
  for (int i = 0; i < 4; ++i) {
    core::v1::Pod pod = MakePod("pod" + std::to_string(i));
    pod.metadata.labels["app"] = "web";
    used.insert(world.Place(pod));
  }
  CHECK(used.size() == 4);
}

TEST_CASE("pod affinity brings together, anti-affinity keeps apart") {
  World world;
  world.Add(MakeNode("a"));
  world.Add(MakeNode("b"));
  core::v1::Pod cache = MakePod("cache");
  cache.metadata.labels["app"] = "cache";
  const std::string home = world.Place(cache);

  core::v1::Pod with = MakePod("with");
  with.spec.affinity.Mutable().podAffinity.Mutable().requiredDuringSchedulingIgnoredDuringExecution.push_back(
      Term("cache", "kubernetes.io/hostname"));
  CHECK(world.Place(with) == home);

  core::v1::Pod apart = MakePod("apart");
  apart.metadata.labels["app"] = "apart";
  auto& anti = apart.spec.affinity.Mutable().podAntiAffinity.Mutable();
  anti.requiredDuringSchedulingIgnoredDuringExecution.push_back(Term("cache", "kubernetes.io/hostname"));
  anti.requiredDuringSchedulingIgnoredDuringExecution.push_back(Term("apart", "kubernetes.io/hostname"));
  const std::string other = world.Place(apart);
  CHECK(other != home);
  apart.metadata.uid = "again";
  CHECK(world.Decide(apart).message == "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.");

  // A pod that the one already there objects to.
  core::v1::Pod rival = MakePod("rival");
  rival.metadata.labels["app"] = "cache";
  CHECK(world.Place(rival) == home);
}

TEST_CASE("the first of a group that wants to be together may go anywhere") {
  World world;
  world.Add(MakeNode("a"));
  core::v1::Pod pod = MakePod("pod");
  pod.metadata.labels["app"] = "group";
  pod.spec.affinity.Mutable().podAffinity.Mutable().requiredDuringSchedulingIgnoredDuringExecution.push_back(
      Term("group", "kubernetes.io/hostname"));
  CHECK(world.Place(pod) == "a");
  pod.spec.affinity.Mutable().podAffinity.Mutable().requiredDuringSchedulingIgnoredDuringExecution =
      List<core::v1::PodAffinityTerm>{Term("nobody", "kubernetes.io/hostname")};
  CHECK(world.Decide(pod).message == "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.");
}

// What a kind of workload costs: how often a plugin begins anew, and how many rows are judged for a pod.
struct Cost {
  double answers_per_pod;
  double rows_per_pod;
};

Cost CostOf(const test::Workload& workload, int nodes) {
  World world;
  for (int i = 0; i < nodes; ++i) world.Add(test::ZonedNode(i));
  world.profile.default_selectors = workload.default_selectors;
  for (const core::v1::Pod& pod : workload.pods) REQUIRE_FALSE(world.Place(pod).empty());
  const Placement::Work& work = world.placement->work();
  const auto pods = static_cast<double>(workload.pods.size());
  REQUIRE(work.decisions == workload.pods.size());
  return {static_cast<double>(work.answers) / pods, static_cast<double>(work.rows) / pods};
}

TEST_CASE("pods that differ in what no plugin reads cost no more than pods that do not differ") {
  constexpr int kNodes = 500;
  const Cost one_class = CostOf(test::OneClass(1000), kNodes);
  // The thirteen plugins of the profile each begin once; from then on a decision changes one row.
  CHECK(one_class.answers_per_pod <= 0.013);
  CHECK(one_class.rows_per_pod < 5);
  for (const test::Workload& workload :
       {test::DaemonSetPods(kNodes), test::StatefulSetPods(1000), test::JobPods(1000)}) {
    CAPTURE(workload.name);
    const Cost cost = CostOf(workload, kNodes);
    CHECK(cost.answers_per_pod <= 2 * one_class.answers_per_pod);
    CHECK(cost.rows_per_pod <= 2 * one_class.rows_per_pod);
  }
  // A Deployment of ten is a class for spreading alone, and begins once.
  CHECK(CostOf(test::DeploymentPods(100, 10), kNodes).answers_per_pod <= 0.12);
}

TEST_CASE("a pod that names its nodes is placed there, or told what is wrong") {
  World world;
  for (int i = 0; i < 3; ++i) world.Add(test::ZonedNode(i));
  core::v1::Pod pod = test::DaemonSetPods(3).pods[1];
  CHECK(world.Place(pod) == "node-1");
  pod.spec.containers.Mutable(0).resources.requests["cpu"] = Quantity("64");
  CHECK(world.Decide(pod).message ==
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].");
  world.table.RemoveNode("node-1");
  CHECK(world.Decide(pod).message == "0/2 nodes are available: 2 node(s) didn't satisfy plugin(s) [NodeAffinity].");
  core::v1::NodeSelectorTerm& term = pod.spec.affinity.Mutable()
                                         .nodeAffinity.Mutable()
                                         .requiredDuringSchedulingIgnoredDuringExecution.Mutable()
                                         .nodeSelectorTerms.Mutable(0);
  term.matchFields.push_back({.key = "metadata.name", .operator_ = "In", .values = List<Str>{"node-0"}});
  CHECK(world.Decide(pod).message == "0/2 nodes are available: pod affinity terms conflict.");
}

TEST_CASE("a promise of a node holds against pods of no more priority, and is tried first") {
  World world;
  world.Add(MakeNode("a", "2"));
  world.Add(MakeNode("b", "8"));
  core::v1::Pod promised = MakePod("promised", "2");
  promised.spec.priority = 10;
  world.placement->Nominate("a", Info(promised));
  core::v1::Pod other = MakePod("other", "1");
  other.spec.nodeSelector["kubernetes.io/hostname"] = "a";
  const Decision refused = world.Decide(other);
  CHECK(refused.message ==
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector.");
  other.spec.priority = 11;
  CHECK(world.Decide(other).placed);
  CHECK(world.Place(promised) == "a");  // though b is emptier
  world.placement->Unnominate("uid-promised");
  CHECK(world.placement->NominatedTo("a").empty());
}

// What the class cache remembers must not differ from judging everything anew.
TEST_CASE("incremental decisions equal decisions from scratch, over random histories") {
  const auto seed = GENERATE(range(0u, 10u));
  CAPTURE(seed);
  std::mt19937 random(seed);
  World world;
  std::vector<std::pair<std::string, core::v1::Pod>> placed;
  int serial = 0;
  for (int step = 0; step < 300; ++step) {
    const unsigned what = random() % 10;
    if (what == 0 || world.table.size() == 0) {
      core::v1::Node node = MakeNode(fmt::format("n{}", random() % 12), std::to_string(1 + random() % 4));
      node.metadata.labels["zone"] = std::to_string(random() % 3);
      if (random() % 4 == 0) node.spec.taints.push_back({.key = "t", .effect = "NoSchedule"});
      world.Add(node);
    } else if (what == 1) {
      world.table.RemoveNode(fmt::format("n{}", random() % 12));
    } else if (what == 2 && !placed.empty()) {
      const std::size_t i = random() % placed.size();
      world.table.RemovePod(placed[i].first, *Info(placed[i].second)->object);
      placed.erase(placed.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      core::v1::Pod pod = MakePod(fmt::format("p{}", serial++), random() % 2 ? "300m" : "");
      pod.metadata.labels["app"] = std::to_string(random() % 2);
      if (random() % 3 == 0) {
        core::v1::TopologySpreadConstraint spread{
            .maxSkew = 1, .topologyKey = "zone", .whenUnsatisfiable = "DoNotSchedule"};
        spread.labelSelector.Mutable().matchLabels["app"] = pod.metadata.labels["app"];
        pod.spec.topologySpreadConstraints.push_back(spread);
      }
      // What some plugins read and others do not.
      if (random() % 3 == 0) pod.metadata.labels["pod-name"] = pod.metadata.name;
      if (random() % 6 == 0) pod.spec.nodeSelector["zone"] = "1";
      if (random() % 8 == 0) pod.spec.containers.Mutable(0).ports.push_back({.hostPort = 80, .containerPort = 80});
      if (random() % 5 == 0) pod.spec.tolerations.push_back({.key = "t", .operator_ = "Exists"});
      if (random() % 9 == 0) {
        pod.spec.affinity.Mutable().podAffinity.Mutable().preferredDuringSchedulingIgnoredDuringExecution.push_back(
            {.weight = 7, .podAffinityTerm = Term("0", "zone")});
      }
      if (random() % 5 == 0) {
        pod.spec.affinity.Mutable().podAntiAffinity.Mutable().requiredDuringSchedulingIgnoredDuringExecution.push_back(
            Term("1", "kubernetes.io/hostname"));
      }
      const Decision cached = world.Decide(pod);
      world.placement->Invalidate();
      const Decision fresh = world.Decide(pod);
      REQUIRE(cached.placed == fresh.placed);
      REQUIRE(cached.message == fresh.message);
      if (!cached.placed) continue;
      const std::string node = world.table.node(cached.row).meta().name.str();
      world.table.AddPod(node, Info(pod));
      placed.emplace_back(node, pod);
    }
  }
}

}  // namespace
}  // namespace minikube::scheduler
