#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <minikube/api/coordination/v1.h>
#include <minikube/api/core/v1.h>

#include "controllers/controllers.h"
#include "controllers/nodes/node_health.h"
#include "controllers/nodes/pod_eviction.h"
#include "controllers/nodes/zones.h"
#include "helpers/controller_host.h"
#include "helpers/fake_api.h"
#include "kube/conditions.h"
#include "kube/pods.h"
#include "kube/taints.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using coordination::v1::Lease;
using core::v1::Event;
using core::v1::Node;
using core::v1::Pod;
using core::v1::Taint;
using core::v1::Toleration;
using test::FakeApi;

void SetCondition(Node& node, std::string_view type, std::string_view status) {
  kube::RemoveCondition(node.status.conditions, type);
  core::v1::NodeCondition condition;
  condition.type = type;
  condition.status = status;
  node.status.conditions.push_back(condition);
}

std::vector<std::string> TaintsOf(const Node& node) {
  std::vector<std::string> out;
  for (const Taint& taint : node.spec.taints) out.push_back(taint.key.str() + ":" + taint.effect.str());
  std::sort(out.begin(), out.end());
  return out;
}

Taint NoExecute(std::string_view key, Instant since) {
  Taint taint;
  taint.key = key;
  taint.effect = "NoExecute";
  taint.timeAdded = Time{since};
  return taint;
}

Toleration Tolerate(std::string_view key, std::optional<std::int64_t> seconds) {
  Toleration toleration;
  toleration.key = key;
  toleration.operator_ = "Exists";
  toleration.effect = "NoExecute";
  toleration.tolerationSeconds = seconds;
  return toleration;
}

TEST_CASE("taints follow conditions, and leave others alone") {
  Node node;
  Taint own;
  own.key = "example.com/mine";
  own.effect = "NoSchedule";
  node.spec.taints = {own};
  SetCondition(node, "Ready", "True");
  CHECK_FALSE(SyncTaints(node, true, Instant{5}));
  SetCondition(node, "DiskPressure", "True");
  node.spec.unschedulable = true;
  CHECK(SyncTaints(node, true, Instant{5}));
  CHECK(TaintsOf(node) == std::vector<std::string>{"example.com/mine:NoSchedule",
                                                   "node.kubernetes.io/disk-pressure:NoSchedule",
                                                   "node.kubernetes.io/unschedulable:NoSchedule"});
  CHECK_FALSE(SyncTaints(node, true, Instant{6}));
  SetCondition(node, "DiskPressure", "False");
  node.spec.unschedulable = false;
  SetCondition(node, "Ready", "Unknown");
  CHECK(LacksEvictionTaint(node));
  CHECK(SyncTaints(node, false, Instant{7}));
  CHECK(TaintsOf(node) ==
        std::vector<std::string>{"example.com/mine:NoSchedule", "node.kubernetes.io/unreachable:NoSchedule"});
  CHECK(SyncTaints(node, true, Instant{8}));
  CHECK_FALSE(LacksEvictionTaint(node));
  CHECK(TaintsOf(node) == std::vector<std::string>{"example.com/mine:NoSchedule",
                                                   "node.kubernetes.io/unreachable:NoExecute",
                                                   "node.kubernetes.io/unreachable:NoSchedule"});
  SetCondition(node, "Ready", "False");
  CHECK_FALSE(LacksEvictionTaint(node));
  CHECK(SyncTaints(node, true, Instant{9}));
  CHECK(TaintsOf(node) == std::vector<std::string>{"example.com/mine:NoSchedule",
                                                   "node.kubernetes.io/not-ready:NoExecute",
                                                   "node.kubernetes.io/not-ready:NoSchedule"});
  SetCondition(node, "Ready", "True");
  CHECK(SyncTaints(node, true, Instant{10}));
  CHECK(TaintsOf(node) == std::vector<std::string>{"example.com/mine:NoSchedule"});
}

TEST_CASE("when a pod has to go") {
  const Instant start{1'000'000};
  const auto since = [](const Taint& taint) { return Instant(*taint.timeAdded); };
  Node node;
  node.spec.taints = {NoExecute("a", start)};
  Pod pod;
  CHECK(EvictionTime(pod, node, since) == start);
  pod.spec.tolerations = {Tolerate("a", 10)};
  CHECK(EvictionTime(pod, node, since) == Instant{11'000'000});
  pod.spec.tolerations = {Tolerate("a", 10), Tolerate("a", 3)};
  CHECK(EvictionTime(pod, node, since) == Instant{4'000'000});
  pod.spec.tolerations = {Tolerate("a", std::nullopt)};
  CHECK_FALSE(EvictionTime(pod, node, since));
  node.spec.taints = {NoExecute("a", start), NoExecute("b", Instant{9'000'000})};
  CHECK(EvictionTime(pod, node, since) == Instant{9'000'000});
  pod.spec.tolerations = {Tolerate("", std::nullopt)};
  CHECK_FALSE(EvictionTime(pod, node, since));
  pod.spec.tolerations = {Tolerate("a", -5), Tolerate("b", std::nullopt)};
  CHECK(EvictionTime(pod, node, since) == start);
  node.spec.taints.Mutable(0).effect = "NoSchedule";
  CHECK_FALSE(EvictionTime(pod, node, since));
}

TEST_CASE("a toleration with a value tolerates that value only") {
  Taint taint;
  taint.key = "k";
  taint.value = "v";
  taint.effect = "NoExecute";
  Toleration toleration;
  toleration.key = "k";
  toleration.value = "v";
  CHECK(kube::Tolerates(toleration, taint));
  toleration.operator_ = "Equal";
  CHECK(kube::Tolerates(toleration, taint));
  toleration.value = "w";
  CHECK_FALSE(kube::Tolerates(toleration, taint));
  toleration.operator_ = "Exists";
  CHECK(kube::Tolerates(toleration, taint));
  toleration.effect = "NoSchedule";
  CHECK_FALSE(kube::Tolerates(toleration, taint));
}

TEST_CASE("evictions slow down, and stop when too much has failed") {
  Disruption disruption;
  const MonoTime t0{std::chrono::hours(1)};
  const auto set = [&](int from, int to, bool ready) {
    for (int i = from; i < to; ++i) disruption.Set(fmt::format("n{}", i), "z", ready);
  };
  SECTION("one at a time in a normal zone") {
    set(0, 10, true);
    set(0, 1, false);
    CHECK(disruption.TakePermission("z", t0).granted);
    CHECK_FALSE(disruption.TakePermission("z", t0 + std::chrono::seconds(1)).granted);
    CHECK(disruption.TakePermission("z", t0 + std::chrono::seconds(1)).wait == Duration(std::chrono::seconds(9)));
    CHECK(disruption.TakePermission("z", t0 + std::chrono::seconds(10)).granted);
  }
  SECTION("not at all in a small zone that is mostly down") {
    set(0, 4, true);
    set(4, 10, false);
    CHECK(disruption.StateOf("z") == Disruption::ZoneState::kPartial);
    CHECK_FALSE(disruption.TakePermission("z", t0).granted);
    CHECK_FALSE(disruption.TakePermission("z", t0).wait);
  }
  SECTION("slowly in a large one") {
    set(0, 40, true);
    set(40, 100, false);
    CHECK(disruption.TakePermission("z", t0).granted);
    CHECK(disruption.TakePermission("z", t0 + std::chrono::seconds(60)).wait == Duration(std::chrono::seconds(40)));
  }
  SECTION("not when nothing is left anywhere") {
    CHECK_FALSE(disruption.Everywhere());
    set(0, 1, false);
    CHECK(disruption.Everywhere());
    CHECK_FALSE(disruption.TakePermission("z", t0).granted);
    disruption.Set("other", "y", true);
    CHECK_FALSE(disruption.Everywhere());
    CHECK(disruption.TakePermission("z", t0).granted);
    disruption.Set("other", "y", std::nullopt);
    CHECK(disruption.Everywhere());
  }
}

struct Fixture {
  void Start() {
    host = std::make_unique<test::ControllerHost>(*client, env,
                                                  std::vector{NodeLifecycleController(std::chrono::seconds(40)),
                                                              TaintEvictionController(), PodGarbageCollector(3)});
  }
  Node AddNode(std::string_view name) {
    Node node;
    node.metadata.name = name;
    for (const char* type : {"MemoryPressure", "DiskPressure", "PIDPressure"}) SetCondition(node, type, "False");
    SetCondition(node, "Ready", "True");
    Lease lease;
    lease.metadata.name = name;
    lease.metadata.namespace_ = "kube-node-lease";
    lease.spec.renewTime = MicroTime{kube::ToTime(env.clock().Now())};
    api.Create(lease);
    return api.Create(node);
  }
  Pod AddPod(std::string_view name, std::string_view node, std::optional<std::int64_t> tolerates = {}) {
    Pod pod;
    pod.metadata.name = name;
    pod.metadata.namespace_ = "default";
    pod.spec.nodeName = node;
    if (tolerates) pod.spec.tolerations = {Tolerate("node.kubernetes.io/unreachable", tolerates)};
    pod.status.phase = "Running";
    core::v1::PodCondition ready;
    ready.type = "Ready";
    ready.status = "True";
    pod.status.conditions = {ready};
    return api.Create(pod);
  }
  // Time passes, and these nodes renew their leases.
  void Pass(Duration time, const std::vector<std::string>& alive) {
    for (Duration passed{}; passed < time; passed += std::chrono::seconds(10)) {
      env.RunFor(std::chrono::seconds(10));
      for (const std::string& name : alive) {
        Lease lease;
        lease.metadata.name = name;
        lease.metadata.namespace_ = "kube-node-lease";
        api.Change<Lease>(lease, "", [&](Lease& l) { l.spec.renewTime = MicroTime{kube::ToTime(env.clock().Now())}; });
      }
    }
  }
  Node GetNode(std::string_view name) { return api.Get<Node>("", name).value(); }
  std::string Ready(std::string_view node) { return std::string(ConditionStatus(GetNode(node), "Ready")); }

  SimulatedEnv env;
  FakeApi api{env};
  std::unique_ptr<Client> client = api.NewClient();
  std::unique_ptr<test::ControllerHost> host;
};

TEST_CASE_METHOD(Fixture, "a node whose heartbeats stop becomes Unknown, is tainted, and loses its pods in time") {
  AddNode("good");
  AddNode("bad");
  AddPod("kept", "good");
  AddPod("tolerant", "bad", 300);
  AddPod("immune", "bad", 1 << 30);
  AddPod("fragile", "bad");
  Start();
  Pass(std::chrono::seconds(200), {"good", "bad"});
  CHECK(Ready("bad") == "True");
  Pass(std::chrono::seconds(30), {"good"});
  CHECK(Ready("bad") == "True");
  Pass(std::chrono::seconds(30), {"good"});
  CHECK(Ready("good") == "True");
  CHECK(Ready("bad") == "Unknown");
  CHECK(kube::FindCondition(GetNode("bad").status.conditions, "Ready")->reason == "NodeStatusUnknown");
  CHECK(ConditionStatus(GetNode("bad"), "DiskPressure") == "Unknown");
  CHECK(TaintsOf(GetNode("bad")) == std::vector<std::string>{"node.kubernetes.io/unreachable:NoExecute",
                                                             "node.kubernetes.io/unreachable:NoSchedule"});
  CHECK(TaintsOf(GetNode("good")).empty());
  CHECK(api.Get<Pod>("default", "fragile")->metadata.deletionTimestamp.has_value());
  CHECK(kube::FindCondition(api.Get<Pod>("default", "fragile")->status.conditions, "DisruptionTarget")->reason ==
        "DeletionByTaintManager");
  CHECK_FALSE(kube::IsPodReady(*api.Get<Pod>("default", "tolerant")));
  CHECK(kube::IsPodReady(*api.Get<Pod>("default", "kept")));
  Pass(std::chrono::seconds(200), {"good"});
  CHECK_FALSE(api.Get<Pod>("default", "tolerant")->metadata.deletionTimestamp.has_value());
  Pass(std::chrono::seconds(120), {"good"});
  CHECK(api.Get<Pod>("default", "tolerant")->metadata.deletionTimestamp.has_value());
  CHECK_FALSE(api.Get<Pod>("default", "immune")->metadata.deletionTimestamp.has_value());
}

TEST_CASE_METHOD(Fixture, "a node that comes back is itself again") {
  AddNode("good");
  AddNode("bad");
  AddPod("tolerant", "bad", 300);
  Start();
  Pass(std::chrono::seconds(60), {"good"});
  REQUIRE(Ready("bad") == "Unknown");
  api.Change<Node>(GetNode("bad"), "status", [&](Node& node) {
    for (const char* type : {"MemoryPressure", "DiskPressure", "PIDPressure"}) SetCondition(node, type, "False");
    SetCondition(node, "Ready", "True");
  });
  Pass(std::chrono::seconds(600), {"good", "bad"});
  CHECK(Ready("bad") == "True");
  CHECK(TaintsOf(GetNode("bad")).empty());
  CHECK_FALSE(api.Get<Pod>("default", "tolerant")->metadata.deletionTimestamp.has_value());
}

TEST_CASE_METHOD(Fixture, "when all nodes fall silent at once, nothing is evicted") {
  AddNode("a");
  AddNode("b");
  AddPod("pod", "a");
  Start();
  env.RunFor(std::chrono::minutes(10));
  CHECK(Ready("a") == "Unknown");
  CHECK(TaintsOf(GetNode("a")) == std::vector<std::string>{"node.kubernetes.io/unreachable:NoSchedule"});
  CHECK_FALSE(api.Get<Pod>("default", "pod")->metadata.deletionTimestamp.has_value());
}

TEST_CASE_METHOD(Fixture, "pods of a node that is gone are deleted, after a while and after a look") {
  const Node node = AddNode("gone");
  AddNode("here");
  AddPod("orphan", "gone");
  AddPod("kept", "here");
  Start();
  env.RunFor(std::chrono::seconds(5));
  SECTION("for good") {
    (void)api.Delete(node);
    env.RunFor(std::chrono::seconds(30));
    CHECK(api.Get<Pod>("default", "orphan").ok());
    env.RunFor(std::chrono::seconds(30));
    CHECK_FALSE(api.Get<Pod>("default", "orphan").ok());
    CHECK(api.Count<Node>(Verb::kGet) > 0);
  }
  SECTION("unless it comes back") {
    (void)api.Delete(node);
    env.RunFor(std::chrono::seconds(30));
    AddNode("new");
    api.Create(node);
    env.RunFor(std::chrono::seconds(300));
    CHECK(api.Get<Pod>("default", "orphan").ok());
  }
  CHECK(api.Get<Pod>("default", "kept").ok());
}

TEST_CASE_METHOD(Fixture, "a pod that is deleted before it had a node goes at once") {
  Pod pod = AddPod("p", "");
  api.Change<Pod>(pod, "", [](Pod& p) { p.metadata.finalizers.push_back("example.com/f"); });
  Start();
  env.RunFor(std::chrono::seconds(5));
  (void)api.Delete(pod);
  env.RunFor(std::chrono::seconds(5));
  api.Change<Pod>(pod, "", [](Pod& p) { p.metadata.finalizers.clear(); });
  env.RunFor(std::chrono::seconds(5));
  CHECK(api.List<Pod>().empty());
}

TEST_CASE_METHOD(Fixture, "finished pods beyond the threshold go, the oldest first") {
  AddNode("n");
  Start();
  for (int i = 0; i < 6; ++i) {
    const Pod pod = AddPod(fmt::format("p{}", i), "n");
    env.RunFor(std::chrono::seconds(2));
    api.Change<Pod>(pod, "status", [](Pod& p) { p.status.phase = "Succeeded"; });
  }
  AddPod("running", "n");
  env.RunFor(std::chrono::seconds(10));
  std::vector<std::string> left;
  for (const Pod& pod : api.List<Pod>()) left.push_back(pod.metadata.name.str());
  CHECK(left == std::vector<std::string>{"p3", "p4", "p5", "running"});
}

}  // namespace
}  // namespace minikube::controllers
