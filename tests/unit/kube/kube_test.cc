// The vocabulary: each fact by its cases.
#include <catch2/catch.hpp>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>

#include "kube/conditions.h"
#include "kube/names.h"
#include "kube/node_selector.h"
#include "kube/numbers.h"
#include "kube/owners.h"
#include "kube/pods.h"
#include "kube/scaled_value.h"
#include "kube/taints.h"
#include "kube/times.h"

namespace minikube::kube {
namespace {

using core::v1::Pod;
using core::v1::PodCondition;

TEST_CASE("a condition moves its time only with its status") {
  List<PodCondition> conditions;
  CHECK(SetCondition(conditions, MakeCondition<PodCondition>("Ready", "False", "A", "a", Instant{10})));
  CHECK_FALSE(SetCondition(conditions, MakeCondition<PodCondition>("Ready", "False", "A", "a", Instant{20})));
  CHECK(SetCondition(conditions, MakeCondition<PodCondition>("Ready", "False", "B", "a", Instant{30})));
  CHECK(conditions[0].lastTransitionTime.micros == 10);
  CHECK(conditions[0].reason == "B");
  CHECK_FALSE(IsConditionTrue(conditions, "Ready"));
  CHECK(SetCondition(conditions, MakeCondition<PodCondition>("Ready", "True", "C", "", Instant{40})));
  CHECK(conditions[0].lastTransitionTime.micros == 40);
  CHECK(IsConditionTrue(conditions, "Ready"));
  CHECK(SetCondition(conditions, MakeCondition<PodCondition>("Other", "True", "", "", Instant{1})));
  REQUIRE(conditions.size() == 2);
  RemoveCondition(conditions, "Ready");
  RemoveCondition(conditions, "None");
  REQUIRE(conditions.size() == 1);
  CHECK(FindCondition(conditions, "Ready") == nullptr);
  CHECK(FindCondition(conditions, "Other") == &conditions[0]);
}

TEST_CASE("owners, the one that controls among them") {
  apps::v1::ReplicaSet owner;
  owner.metadata.name = "web";
  owner.metadata.uid = "u1";
  Pod pod;
  CHECK(ControllerOf(pod.metadata) == nullptr);
  meta::v1::OwnerReference other;
  other.uid = "u0";
  pod.metadata.ownerReferences = {other, ControllerRefTo(owner)};
  const meta::v1::OwnerReference* found = ControllerOf(pod.metadata);
  REQUIRE(found != nullptr);
  CHECK(found->apiVersion == "apps/v1");
  CHECK(found->kind == "ReplicaSet");
  CHECK(found->blockOwnerDeletion == true);
  CHECK(IsControlledBy(pod.metadata, "u1"));
  CHECK_FALSE(IsControlledBy(pod.metadata, "u0"));
  CHECK(FindOwner(pod.metadata, "u0") != nullptr);
  CHECK(RemoveOwner(pod.metadata, "u0"));
  CHECK_FALSE(RemoveOwner(pod.metadata, "u0"));
  CHECK(pod.metadata.ownerReferences.size() == 1);
}

TEST_CASE("finalizers") {
  meta::v1::ObjectMeta meta;
  meta.finalizers = {"a", "b"};
  CHECK(HasFinalizer(meta, "b"));
  CHECK(RemoveFinalizer(meta, "b"));
  CHECK_FALSE(RemoveFinalizer(meta, "b"));
  CHECK(meta.finalizers == List<Str>{"a"});
}

TEST_CASE("names of versions") {
  CHECK(ApiVersionOf("", "v1") == "v1");
  CHECK(ApiVersionOf("apps", "v1") == "apps/v1");
  CHECK(GroupOf("v1").empty());
  CHECK(GroupOf("apps/v1") == "apps");
  CHECK(SafeEncode(0) == SafeEncode(0));
  CHECK(SafeEncode(4294967295u).size() == 10);
  CHECK(Hash("a") != Hash("b"));
}

TEST_CASE("integers are the whole text or none") {
  CHECK(ParseInt<std::int32_t>("12") == 12);
  CHECK(ParseInt<std::int32_t>("-3") == -3);
  for (const char* text : {"", "1x", " 1", "2147483648", "x"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseInt<std::int32_t>(text).has_value());
  }
  CHECK(RevisionOf("42") == 42);
  CHECK(RevisionOf("") == 0);
}

TEST_CASE("counts and percentages") {
  struct Case {
    IntOrString value;
    std::int32_t total, up, down;
  };
  for (const Case& c : {Case{3, 10, 3, 3}, Case{-3, 10, 0, 0}, Case{"25%", 10, 3, 2}, Case{"0%", 10, 0, 0},
                        Case{"150%", 10, 15, 15}, Case{"-5%", 10, 0, 0}, Case{"5", 10, 0, 0}, Case{"x%", 10, 0, 0},
                        Case{"99999999999%", 2'000'000'000, 2147483647, 2147483647}}) {
    CAPTURE(c.value.string_value.str(), c.value.int_value);
    CHECK(ScaledValue(c.value, c.total, Round::kUp) == c.up);
    CHECK(ScaledValue(c.value, c.total, Round::kDown) == c.down);
  }
}

TEST_CASE("a pod's life") {
  Pod pod;
  CHECK(IsPodActive(pod));
  CHECK_FALSE(AvailableAt(pod, 0).has_value());
  pod.status.conditions = {MakeCondition<PodCondition>("Ready", "True", "", "", Instant{5'000'000})};
  CHECK(AvailableAt(pod, 0) == Instant{});
  CHECK(AvailableAt(pod, 3) == Instant{8'000'000});
  CHECK_FALSE(IsPodAvailable(pod, 3, Instant{7'000'000}));
  CHECK(IsPodAvailable(pod, 3, Instant{8'000'000}));
  pod.metadata.deletionTimestamp = Time{Instant{1}};
  CHECK_FALSE(IsPodActive(pod));
  pod.metadata.deletionTimestamp.reset();
  for (const char* phase : {"Succeeded", "Failed"}) {
    pod.status.phase = phase;
    CHECK(IsPodFinished(pod));
    CHECK_FALSE(IsPodActive(pod));
  }
}

TEST_CASE("tolerations") {
  core::v1::Taint taint;
  taint.key = "k";
  taint.value = "v";
  taint.effect = "NoExecute";
  const auto toleration = [](const char* key, const char* op, const char* value, const char* effect) {
    core::v1::Toleration t;
    t.key = key;
    t.operator_ = op;
    t.value = value;
    t.effect = effect;
    return t;
  };
  CHECK(Tolerates(toleration("k", "Equal", "v", "NoExecute"), taint));
  CHECK(Tolerates(toleration("k", "", "v", ""), taint));
  CHECK(Tolerates(toleration("k", "Exists", "", ""), taint));
  CHECK(Tolerates(toleration("", "Exists", "", ""), taint));
  CHECK_FALSE(Tolerates(toleration("", "Equal", "v", ""), taint));
  CHECK_FALSE(Tolerates(toleration("k", "Equal", "w", ""), taint));
  CHECK_FALSE(Tolerates(toleration("k", "Exists", "", "NoSchedule"), taint));
  CHECK_FALSE(Tolerates(toleration("k", "Other", "v", ""), taint));
  CHECK(Tolerates(List<core::v1::Toleration>{toleration("x", "Exists", "", ""), toleration("k", "Exists", "", "")},
                  taint));
  CHECK_FALSE(Tolerates(List<core::v1::Toleration>{}, taint));
}

TEST_CASE("a requirement of a node selector, as labels meet it") {
  struct Case {
    const char* op;
    std::vector<const char*> values;
    bool with;     // the label is "5"
    bool without;  // there is none
  };
  for (const Case& c :
       {Case{"In", {"4", "5"}, true, false}, Case{"In", {"4"}, false, false}, Case{"NotIn", {"4"}, true, true},
        Case{"NotIn", {"5"}, false, true}, Case{"Exists", {}, true, false}, Case{"DoesNotExist", {}, false, true},
        Case{"Gt", {"4"}, true, false}, Case{"Gt", {"5"}, false, false}, Case{"Lt", {"6"}, true, false},
        Case{"Lt", {"x"}, false, false}, Case{"Gt", {"1", "2"}, false, false}, Case{"Other", {"5"}, false, false}}) {
    CAPTURE(c.op);
    core::v1::NodeSelectorRequirement requirement;
    requirement.key = "size";
    requirement.operator_ = c.op;
    for (const char* value : c.values) requirement.values.push_back(value);
    core::v1::NodeSelectorTerm term;
    term.matchExpressions = {requirement};
    meta::v1::ObjectMeta node;
    CHECK(MatchesTerm(term, node) == c.without);
    node.labels["size"] = "5";
    CHECK(MatchesTerm(term, node) == c.with);
  }
}

TEST_CASE("terms of a node selector are alternatives, and an empty one matches nothing") {
  meta::v1::ObjectMeta node;
  node.name = "a";
  core::v1::PodSpec spec;
  CHECK(MatchesNodeConstraints(spec, node));
  auto& required = spec.affinity.Mutable().nodeAffinity.Mutable().requiredDuringSchedulingIgnoredDuringExecution;
  required.Mutable().nodeSelectorTerms = {core::v1::NodeSelectorTerm()};
  CHECK_FALSE(MatchesNodeConstraints(spec, node));
  core::v1::NodeSelectorRequirement named;
  named.key = "metadata.name";
  named.operator_ = "In";
  named.values = {"a"};
  core::v1::NodeSelectorTerm term;
  term.matchFields = {named};
  required.Mutable().nodeSelectorTerms.push_back(term);
  CHECK(MatchesNodeConstraints(spec, node));
  node.name = "b";
  CHECK_FALSE(MatchesNodeConstraints(spec, node));
  node.name = "a";
  spec.nodeSelector["disk"] = "ssd";
  CHECK_FALSE(MatchesNodeConstraints(spec, node));
}

TEST_CASE("times have whole seconds, micro times microseconds") {
  const WallTime time(std::chrono::nanoseconds(1'700'000'000'123'456'789));
  CHECK(ToTime(time).unix_micros() == 1'700'000'000'000'000);
  CHECK(ToMicroTime(time).unix_micros() == 1'700'000'000'123'456);
  CHECK(ToWallTime(ToTime(time)) == WallTime(std::chrono::seconds(1'700'000'000)));
  CHECK(Since(Instant{1}, Instant{3}) == std::chrono::microseconds(2));
  CHECK(After(Instant{1}, 2).micros == 2'000'001);
}

}  // namespace
}  // namespace minikube::kube
