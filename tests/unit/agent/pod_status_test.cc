#include <catch2/catch.hpp>

#include "agent/pod_status.h"
#include "agent/restart_backoff.h"

namespace minikube::agent {
namespace {

using namespace std::chrono_literals;
using Phase = ContainerState::Phase;

constexpr std::int64_t kSecond = 1'000'000;

Time At(std::int64_t seconds) { return Time{Instant::FromUnixMicros(seconds * kSecond)}; }

core::Pod MakePod(const std::string& policy, int containers, const std::vector<std::string>& init = {}) {
  core::Pod pod;
  pod.metadata.name = "p";
  pod.metadata.generation = 3;
  pod.spec.restartPolicy = policy;
  for (int i = 0; i < containers; ++i) {
    core::Container container;
    container.name = std::string(1, static_cast<char>('a' + i));
    container.image = "app:1";
    pod.spec.containers.push_back(container);
  }
  for (const std::string& kind : init) {
    core::Container container;
    container.name = "i" + std::to_string(pod.spec.initContainers.size());
    if (kind == "sidecar") container.restartPolicy = Str("Always");
    pod.spec.initContainers.push_back(container);
  }
  return pod;
}

// A container as one word: "-" not begun, "run", "ready", "ok" and "fail" ended, "crash" waiting after a failure.
ContainerView View(const std::string& word) {
  ContainerView view;
  if (word == "-") return view;
  Instance instance;
  instance.id = "id";
  instance.phase = Phase::kExited;
  instance.exit_code = word == "fail" || word == "crash" ? 1 : 0;
  if (word == "run" || word == "ready") {
    instance.phase = Phase::kRunning;
    view.started = true;
    view.ready = word == "ready";
  }
  if (word == "crash") view.waiting_reason = "CrashLoopBackOff";
  view.current = instance;
  return view;
}

const core::PodCondition& ConditionOf(const core::PodStatus& status, std::string_view type) {
  for (const core::PodCondition& condition : status.conditions) {
    if (condition.type == type) return condition;
  }
  FAIL("no condition " << type);
  return status.conditions[0];
}

TEST_CASE("the phase follows from the containers", "[agent]") {
  struct Case {
    std::string policy;
    std::vector<std::string> init_kinds;
    std::vector<std::string> init;
    std::vector<std::string> containers;
    bool over;
    std::string phase;
  };
  const Case c = GENERATE(values<Case>({
      {"Always", {}, {}, {"-", "-"}, false, "Pending"},
      {"Always", {}, {}, {"run", "-"}, false, "Pending"},
      {"Always", {}, {}, {"run", "ready"}, false, "Running"},
      {"Always", {}, {}, {"run", "ok"}, false, "Running"},
      {"Always", {}, {}, {"ok", "fail"}, false, "Running"},
      {"Always", {}, {}, {"crash", "crash"}, false, "Running"},
      {"Always", {}, {}, {"ok", "ok"}, true, "Succeeded"},
      {"Always", {}, {}, {"ok", "fail"}, true, "Failed"},
      {"Always", {}, {}, {"-", "ok"}, true, "Failed"},
      {"OnFailure", {}, {}, {"ok", "ok"}, true, "Succeeded"},
      {"OnFailure", {}, {}, {"ok", "crash"}, false, "Running"},
      {"Never", {}, {}, {"ok", "run"}, false, "Running"},
      {"Never", {}, {}, {"ok", "ok"}, true, "Succeeded"},
      {"Never", {}, {}, {"ok", "fail"}, true, "Failed"},
      // Its end is not announced while a sidecar still runs.
      {"Never", {"sidecar"}, {"run"}, {"ok"}, false, "Running"},
      {"Never", {"sidecar"}, {"ok"}, {"ok"}, true, "Succeeded"},
      {"Always", {"plain"}, {"-"}, {"-"}, false, "Pending"},
      {"Always", {"plain"}, {"run"}, {"-"}, false, "Pending"},
      {"Always", {"plain"}, {"crash"}, {"-"}, false, "Pending"},
      {"Always", {"plain"}, {"ok"}, {"run"}, false, "Running"},
      {"Never", {"plain"}, {"fail"}, {"-"}, false, "Pending"},
      {"Never", {"plain"}, {"fail"}, {"-"}, true, "Failed"},
      {"Always", {"plain"}, {"-"}, {"-"}, true, "Failed"},
  }));
  CAPTURE(c.policy, c.init, c.containers, c.over);
  const core::Pod pod = MakePod(c.policy, static_cast<int>(c.containers.size()), c.init_kinds);
  PodView view;
  view.over = c.over;
  for (const std::string& word : c.init) view.init.push_back(View(word));
  for (const std::string& word : c.containers) view.containers.push_back(View(word));
  REQUIRE(MakePodStatus(pod, view, At(100)).phase == c.phase);
}

TEST_CASE("a pod that has ended does not begin again", "[agent]") {
  core::Pod pod = MakePod("Always", 1);
  pod.status.phase = "Failed";
  PodView view;
  view.containers = {View("run")};
  REQUIRE(MakePodStatus(pod, view, At(1)).phase == "Failed");
}

TEST_CASE("readiness needs every container, every sidecar and every gate", "[agent]") {
  core::Pod pod = MakePod("Always", 2, {"sidecar"});
  PodView view;
  view.sandbox_ready = true;
  view.init = {View("ready")};
  view.containers = {View("ready"), View("run")};
  core::PodStatus status = MakePodStatus(pod, view, At(1));
  REQUIRE(ConditionOf(status, "Ready").status == "False");
  REQUIRE(ConditionOf(status, "Ready").reason == "ContainersNotReady");
  REQUIRE(ConditionOf(status, "Ready").message == "containers with unready status: [b]");
  view.containers[1] = View("ready");
  view.init = {View("run")};
  status = MakePodStatus(pod, view, At(1));
  REQUIRE(ConditionOf(status, "ContainersReady").message == "containers with unready status: [i0]");
  view.init = {View("ready")};
  REQUIRE(ConditionOf(MakePodStatus(pod, view, At(1)), "Ready").status == "True");

  core::PodReadinessGate gate;
  gate.conditionType = "example.com/gate";
  pod.spec.readinessGates = {gate};
  status = MakePodStatus(pod, view, At(1));
  REQUIRE(ConditionOf(status, "ContainersReady").status == "True");
  REQUIRE(ConditionOf(status, "Ready").reason == "ReadinessGatesNotReady");
  core::PodCondition open;
  open.type = "example.com/gate";
  open.status = "True";
  pod.status.conditions = {open};
  status = MakePodStatus(pod, view, At(1));
  REQUIRE(ConditionOf(status, "Ready").status == "True");
  REQUIRE(ConditionOf(status, "example.com/gate").status == "True");  // not ours, and kept
}

TEST_CASE("a transition time moves with its status only", "[agent]") {
  core::Pod pod = MakePod("Always", 1);
  PodView view;
  view.containers = {View("run")};
  pod.status = MakePodStatus(pod, view, At(10));
  view.containers = {View("ready")};
  pod.status = MakePodStatus(pod, view, At(20));
  REQUIRE(ConditionOf(pod.status, "Initialized").lastTransitionTime == At(10));
  REQUIRE(ConditionOf(pod.status, "Ready").lastTransitionTime == At(20));
  const core::PodStatus again = MakePodStatus(pod, view, At(30));
  REQUIRE(DeepEqual(again, pod.status));
  REQUIRE(again.observedGeneration == 3);
}

TEST_CASE("what was before is shown beside what is", "[agent]") {
  const core::Pod pod = MakePod("Always", 1);
  PodView view;
  view.containers = {View("crash")};
  view.containers[0].restarts = 4;
  view.containers[0].waiting_message = "back-off";
  core::ContainerStatus status = MakePodStatus(pod, view, At(1)).containerStatuses[0];
  REQUIRE(status.state.waiting->reason == "CrashLoopBackOff");
  REQUIRE(status.lastState.terminated->exitCode == 1);
  REQUIRE(status.lastState.terminated->reason == "Error");
  REQUIRE(status.restartCount == 4);
  view.containers[0] = View("run");
  view.containers[0].last = View("fail").current;
  status = MakePodStatus(pod, view, At(1)).containerStatuses[0];
  REQUIRE(status.state.running);
  REQUIRE(status.lastState.terminated->exitCode == 1);
  view.containers[0] = View("-");
  status = MakePodStatus(pod, view, At(1)).containerStatuses[0];
  REQUIRE(status.state.waiting->reason == "ContainerCreating");
  REQUIRE(status.started == false);
}

TEST_CASE("a verdict of the node stands above the containers", "[agent]") {
  const core::Pod pod = MakePod("Always", 1, {"plain"});
  PodView view;
  view.failed_reason = "OutOfcpu";
  view.failed_message = "Pod was rejected: too big";
  view.over = true;
  const core::PodStatus status = MakePodStatus(pod, view, At(1));
  REQUIRE(status.phase == "Failed");
  REQUIRE(status.reason == "OutOfcpu");
  REQUIRE(status.containerStatuses.empty());
}

TEST_CASE("no container of a pod that is over waits for its next run", "[agent]") {
  const core::Pod pod = MakePod("Always", 2, {"plain"});
  PodView view;
  view.over = true;
  view.init = {View("crash")};
  view.containers = {View("crash"), View("-")};
  view.failed_reason = Str("DeadlineExceeded");
  const core::PodStatus status = MakePodStatus(pod, view, At(1));
  CHECK(status.phase == "Failed");
  REQUIRE(status.initContainerStatuses[0].state.terminated);
  REQUIRE(status.containerStatuses[0].state.terminated);
  CHECK(status.containerStatuses[0].state.terminated->exitCode == 1);
  CHECK_FALSE(status.containerStatuses[0].lastState.terminated);
  CHECK(status.containerStatuses[1].state.waiting);  // it never ran
}

TEST_CASE("restart rules", "[agent]") {
  core::Pod pod = MakePod("Always", 1, {"plain"});
  core::Container& app = pod.spec.containers.Mutable(0);
  const core::Container& init = pod.spec.initContainers[0];
  REQUIRE(RestartsAfter(pod, app, false, 0));
  REQUIRE_FALSE(RestartsAfter(pod, init, true, 0));
  REQUIRE(RestartsAfter(pod, init, true, 1));
  pod.spec.restartPolicy = "OnFailure";
  REQUIRE_FALSE(RestartsAfter(pod, app, false, 0));
  REQUIRE(RestartsAfter(pod, app, false, 1));
  pod.spec.restartPolicy = "Never";
  REQUIRE_FALSE(RestartsAfter(pod, app, false, 1));
  core::ContainerRestartRule rule;
  rule.action = "Restart";
  rule.exitCodes.Mutable().operator_ = "In";
  rule.exitCodes.Mutable().values = {42};
  app.restartPolicyRules = {rule};
  REQUIRE(RestartsAfter(pod, app, false, 42));
  REQUIRE_FALSE(RestartsAfter(pod, app, false, 1));
}

TEST_CASE("back-off: at once, 10 s, doubling to 300 s, forgiven after 10 min", "[agent]") {
  RestartBackoff backoff;
  WallTime now{1000h};
  std::vector<Duration> waits;
  for (int i = 0; i < 8; ++i) {
    const Duration wait = backoff.Remaining(now, now);
    waits.push_back(wait);
    backoff.Next(now, now + wait);
    now += wait + 1s;
  }
  REQUIRE(waits == std::vector<Duration>{0s, 10s, 20s, 40s, 80s, 160s, 300s, 300s});
  REQUIRE(backoff.Remaining(now + 10min, now + 10min) == 0s);
  // A clock that jumps back does not make it wait longer than the delay.
  REQUIRE(backoff.Remaining(now, now - 100h) == 300s);
  REQUIRE(RestartBackoff::Recall(0, now).delay() == 0s);
  REQUIRE(RestartBackoff::Recall(3, now).delay() == 40s);
  REQUIRE(RestartBackoff::Recall(4'000'000, now).delay() == 300s);
}

}  // namespace
}  // namespace minikube::agent
