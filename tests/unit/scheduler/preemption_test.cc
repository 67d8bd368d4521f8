#include <catch2/catch.hpp>

#include <minikube/api/policy/v1.h>
#include <minikube/simulated_env.h>

#include "unit/scheduler/workloads.h"

namespace minikube::scheduler {
namespace {

using test::Info;
using test::MakeNode;
using test::MakePod;

struct Room {
  Room() : profile(env.random()) {
    preemption = NewDefaultPreemption([this](std::string_view) { return budgets; }, env.random());
  }
  void Node(const std::string& name, const std::string& cpu = "2") {
    profile.table.UpsertNode(Share(MakeNode(name, cpu)));
  }
  // `started`: seconds after some epoch.
  void Running(const std::string& name, const std::string& node, const std::string& cpu, int priority,
               int started = 0) {
    core::v1::Pod pod = MakePod(name, cpu);
    pod.spec.priority = priority;
    pod.metadata.labels["name"] = name;
    pod.status.startTime = Time{Instant::FromUnixMicros(std::int64_t{started} * 1'000'000)};
    profile.table.AddPod(node, Info(pod));
  }
  void Budget(const std::string& name, int allowed) {
    policy::v1::PodDisruptionBudget budget;
    budget.metadata.namespace_ = "default";
    budget.spec.selector.Mutable().matchLabels["name"] = name;
    budget.status.disruptionsAllowed = allowed;
    budgets.push_back(Share(budget));
  }
  static core::v1::Pod Wanting(const std::string& cpu, int priority) {
    core::v1::Pod pod = MakePod("wanting", cpu);
    pod.spec.priority = priority;
    return pod;
  }
  PostFilterResult Ask(const core::v1::Pod& pod) {
    const PodInfoRef info = Info(pod);
    const Decision decision = profile.placement->Decide(*info);
    REQUIRE_FALSE(decision.placed);
    std::optional<PostFilterResult> result;
    {
      const auto overlay = profile.placement->Imagine(*info);
      result = preemption->PostFilter(*info, profile.table, decision.resolvable, *overlay);
    }
    REQUIRE(result);
    // What was imagined has left no trace.
    CHECK(profile.placement->Decide(*info).message == decision.message);
    profile.placement->Invalidate();
    CHECK(profile.placement->Decide(*info).message == decision.message);
    return *result;
  }
  // "node: victim victim"
  std::string Choice(const core::v1::Pod& pod) {
    const PostFilterResult result = Ask(pod);
    std::string out = result.node.value_or("none") + ":";
    for (const PodInfoRef& victim : result.victims) out += " " + victim->object->meta().name.str();
    return out;
  }
  SimulatedEnv env;
  test::DefaultProfile profile;
  std::vector<ObjectRef> budgets;
  std::unique_ptr<Plugin> preemption;
};

TEST_CASE("pods of lower priority make room, no more of them than must, the least important first") {
  Room room;
  room.Node("a", "4");
  room.Running("important", "a", "1", 50);
  room.Running("old", "a", "1", 1, 100);
  room.Running("young", "a", "1", 1, 200);
  room.Running("peer", "a", "1", 100);
  CHECK(room.Choice(Room::Wanting("1", 100)) == "a: young");
  CHECK(room.Choice(Room::Wanting("2", 100)) == "a: old young");
  CHECK(room.Choice(Room::Wanting("3", 100)) == "a: important old young");
}

TEST_CASE("of the nodes the one with the least harm is chosen") {
  SECTION("the lowest of the highest priorities") {
    Room room;
    for (const char* node : {"a", "b", "c"}) room.Node(node);
    room.Running("high", "a", "2", 50);
    room.Running("low", "b", "2", 10);
    room.Running("mid", "c", "2", 20);
    CHECK(room.Choice(Room::Wanting("2", 100)) == "b: low");
  }
  SECTION("then the smallest sum, which fewer pods have") {
    Room room;
    for (const char* node : {"a", "b"}) room.Node(node);
    room.Running("a1", "a", "1", -5);
    room.Running("a2", "a", "1", -5);
    room.Running("b1", "b", "2", -5);
    CHECK(room.Choice(Room::Wanting("2", 100)) == "b: b1");
  }
  SECTION("then the latest start") {
    Room room;
    for (const char* node : {"a", "b"}) room.Node(node);
    room.Running("early", "a", "2", 1, 100);
    room.Running("late", "b", "2", 1, 200);
    CHECK(room.Choice(Room::Wanting("2", 100)) == "b: late");
  }
  SECTION("and first of all the one where no budget is broken") {
    Room room;
    for (const char* node : {"a", "b"}) room.Node(node);
    room.Running("guarded", "a", "2", 1);
    room.Running("free", "b", "2", 50);
    room.Budget("guarded", 0);
    CHECK(room.Choice(Room::Wanting("2", 100)) == "b: free");
    room.budgets.clear();
    room.Budget("guarded", 1);
    CHECK(room.Choice(Room::Wanting("2", 100)) == "a: guarded");
  }
}

TEST_CASE("pods whose budget would be broken are spared first, whatever their priority") {
  Room room;
  room.Node("a");
  room.Running("guarded", "a", "1", 1);
  room.Running("free", "a", "1", 50);
  room.Budget("guarded", 0);
  CHECK(room.Choice(Room::Wanting("1", 100)) == "a: free");
}

TEST_CASE("where preemption does not help, it says why") {
  Room room;
  room.Node("small", "1");
  room.Node("peers", "2");
  room.Running("peer", "peers", "2", 100);
  const PostFilterResult result = room.Ask(Room::Wanting("2", 100));
  CHECK(result.node == "");
  CHECK(result.message ==
        "0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for "
        "scheduling.");
  core::v1::Pod never = Room::Wanting("2", 200);
  never.spec.preemptionPolicy = Str("Never");
  CHECK(room.Ask(never).message == "not eligible due to preemptionPolicy=Never.");
  CHECK_FALSE(room.Ask(never).node);
}

TEST_CASE("a pod whose victims are leaving chooses no others") {
  Room room;
  room.Node("a");
  room.Node("b");
  room.Running("other", "b", "2", 1);
  core::v1::Pod leaving = MakePod("leaving", "2");
  leaving.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
  leaving.status.conditions.push_back(
      {.type = "DisruptionTarget", .status = "True", .reason = "PreemptionByScheduler"});
  room.profile.table.AddPod("a", Info(leaving));
  core::v1::Pod pod = Room::Wanting("2", 100);
  pod.status.nominatedNodeName = "a";
  CHECK(room.Ask(pod).message == "not eligible due to a terminating pod on the nominated node.");
  pod.status.nominatedNodeName = "b";
  CHECK(room.Ask(pod).node);
}

TEST_CASE("a victim that objects to the pod makes room, too") {
  Room room;
  room.Node("a", "8");
  core::v1::Pod jealous = MakePod("jealous", "1");
  auto& anti = jealous.spec.affinity.Mutable().podAntiAffinity.Mutable();
  core::v1::PodAffinityTerm term;
  term.topologyKey = "kubernetes.io/hostname";
  term.labelSelector.Mutable().matchLabels["app"] = "web";
  anti.requiredDuringSchedulingIgnoredDuringExecution.push_back(term);
  room.profile.table.AddPod("a", Info(jealous));
  room.Running("harmless", "a", "1", 0);
  core::v1::Pod pod = Room::Wanting("1", 100);
  pod.metadata.labels["app"] = "web";
  CHECK(room.Choice(pod) == "a: jealous");
}

}  // namespace
}  // namespace minikube::scheduler
