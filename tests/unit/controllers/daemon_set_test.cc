// DaemonSets: where pods belong, and what one step decides.
#include <catch2/catch.hpp>

#include "controllers/controllers.h"
#include "controllers/workloads/daemon_backoff.h"
#include "controllers/workloads/daemon_pod.h"
#include "helpers/fixed_view.h"
#include "kube/owners.h"

namespace minikube::controllers {
namespace {

using apps::v1::DaemonSet;
using core::v1::Node;
using core::v1::Pod;
using test::FixedView;
using test::Lines;
using Writes = std::vector<std::string>;

DaemonSet Make() {
  DaemonSet set;
  set.metadata.name = "log";
  set.metadata.namespace_ = "default";
  set.metadata.uid = "log-uid";
  set.metadata.generation = 1;
  set.spec.selector.Mutable().matchLabels["app"] = "log";
  set.spec.template_.metadata.labels["app"] = "log";
  return set;
}

Node NodeOf(std::string_view name, std::string_view taint = {}, std::string_view effect = "NoSchedule") {
  Node node;
  node.metadata.name = name;
  if (!taint.empty()) node.spec.taints.push_back({.key = taint, .effect = effect});
  return node;
}

TEST_CASE("which nodes a daemon pod starts on, and which it may stay on") {
  struct Case {
    const char* taint;
    const char* effect;
    bool starts;
    bool stays;
  };
  const DaemonSet set = Make();
  for (const Case& c :
       {Case{"", "", true, true}, Case{"k", "NoSchedule", false, true}, Case{"k", "NoExecute", false, false},
        Case{"k", "PreferNoSchedule", true, true}, Case{"node.kubernetes.io/not-ready", "NoExecute", true, true},
        Case{"node.kubernetes.io/not-ready", "NoSchedule", false, true},
        Case{"node.kubernetes.io/unreachable", "NoExecute", true, true},
        Case{"node.kubernetes.io/unschedulable", "NoSchedule", true, true},
        Case{"node.kubernetes.io/memory-pressure", "NoSchedule", true, true},
        Case{"node.kubernetes.io/network-unavailable", "NoSchedule", false, true}}) {
    CAPTURE(c.taint, c.effect);
    CHECK(DaemonNodes(set).Fit(NodeOf("a", c.taint, c.effect)) == DaemonFit{c.starts, c.stays});
  }
  DaemonSet host = Make();
  host.spec.template_.spec.hostNetwork = true;
  CHECK(DaemonNodes(host).Fit(NodeOf("a", "node.kubernetes.io/network-unavailable")) == DaemonFit{true, true});
  DaemonSet named = Make();
  named.spec.template_.spec.nodeName = "b";
  CHECK(DaemonNodes(named).Fit(NodeOf("a")) == DaemonFit{});
  DaemonSet selective = Make();
  selective.spec.template_.spec.nodeSelector["disk"] = "ssd";
  CHECK(DaemonNodes(selective).Fit(NodeOf("a")) == DaemonFit{});
}

TEST_CASE("a revision's bytes are those that Go makes of the template: sorted, with < > & escaped") {
  DaemonSet set = Make();
  core::v1::Container container;
  container.name = "main";
  container.image = "busybox";
  container.command = {"sh", "-c", "a > b && c"};
  set.spec.template_.spec.containers = {container};
  FixedView world;
  DaemonBackoff backoff;
  world.Add(NodeOf("a"));
  const Plan plan = ReconcileDaemonSet(world.view(), set, backoff);
  REQUIRE(plan.steps().size() == 1);
  const std::string data = plan.steps()[0].request.object->As<apps::v1::ControllerRevision>().data.json.str();
  CHECK(data.starts_with(R"({"spec":{"template":{"$patch":"replace","metadata":{)"));
  CHECK(data.find(R"("command":["sh","-c","a \u003e b \u0026\u0026 c"],"image":)") != std::string::npos);
  CHECK(data.find("\"image\":") < data.find("\"name\":"));
}

TEST_CASE("a failed daemon pod is replaced, each time later") {
  DaemonSet set = Make();
  FixedView world;
  DaemonBackoff backoff;
  world.Add(NodeOf("a"));
  const Plan first = ReconcileDaemonSet(world.view(), set, backoff);
  REQUIRE(first.steps().size() == 1);
  REQUIRE(first.steps()[0].request.object);
  const auto& revision = first.steps()[0].request.object->As<apps::v1::ControllerRevision>();
  world.Add(revision);
  const Plan make = ReconcileDaemonSet(world.view(), set, backoff);
  CHECK(Lines(make) == Writes{"update daemonsets/status default/log", "create pods default/log-*"});
  CHECK(make.slow_start());
  Pod pod = make.steps()[1].request.object->As<Pod>();
  CHECK(TargetNode(pod) == "a");
  CHECK(*pod.metadata.labels.Find("controller-revision-hash") ==
        *revision.metadata.labels.Find("controller-revision-hash"));
  pod.metadata.name = "log-1";
  pod.metadata.uid = "pod-uid";
  pod.status.phase = "Failed";
  world.Add(pod);
  for (const int wait : {0, 1, 2, 4}) {
    CAPTURE(wait);
    if (wait > 0) {
      const Plan early = ReconcileDaemonSet(world.view(), set, backoff);
      CHECK(early.again() == Duration(std::chrono::seconds(wait)));
      CHECK(early.events().empty());
      world.mono_now += std::chrono::seconds(wait);
    }
    const Plan plan = ReconcileDaemonSet(world.view(), set, backoff);
    CHECK(Lines(plan).back() == "delete pods default/log-1");
    REQUIRE(plan.events().size() == 1);
    CHECK(plan.events()[0].reason == "FailedDaemonPod");
  }
  ++set.metadata.generation;  // a change may be the mending
  CHECK(Lines(ReconcileDaemonSet(world.view(), set, backoff)).back() == "delete pods default/log-1");
}

TEST_CASE("of two daemon pods on a node the one that is bound stays, and none where there is no node") {
  const DaemonSet set = Make();
  FixedView world;
  DaemonBackoff backoff;
  world.Add(NodeOf("a"));
  world.Add(
      ReconcileDaemonSet(world.view(), set, backoff).steps()[0].request.object->As<apps::v1::ControllerRevision>());
  const auto add = [&](std::string_view name, std::string_view node, bool bound) {
    Pod pod = NewDaemonPod(set, node, "h");
    pod.metadata.name = name;
    if (bound) pod.spec.nodeName = node;
    world.Add(pod);
  };
  add("log-1", "a", false);
  add("log-2", "a", true);
  add("log-3", "gone", false);
  add("log-4", "gone", true);
  CHECK(Lines(ReconcileDaemonSet(world.view(), set, backoff)) ==
        Writes{"update daemonsets/status default/log", "delete pods default/log-1", "delete pods default/log-3"});
}

}  // namespace
}  // namespace minikube::controllers
