#include <catch2/catch.hpp>

#include "agent/pod_admission.h"
#include "agent/pod_util.h"

namespace minikube::agent {
namespace {

using namespace std::chrono_literals;

core::Pod With(const std::string& cpu_request, const std::string& cpu_limit, const std::string& memory_request,
               const std::string& memory_limit) {
  core::Pod pod;
  pod.metadata.uid = "u";
  core::Container container;
  container.name = "c";
  const auto set = [](Map<Quantity>& map, const char* name, const std::string& amount) {
    if (!amount.empty()) map[name] = Quantity(amount);
  };
  set(container.resources.requests, "cpu", cpu_request);
  set(container.resources.limits, "cpu", cpu_limit);
  set(container.resources.requests, "memory", memory_request);
  set(container.resources.limits, "memory", memory_limit);
  pod.spec.containers = {container};
  return pod;
}

TEST_CASE("quality of service, cgroup and OOM score", "[agent]") {
  struct Case {
    core::Pod pod;
    std::string qos;
    std::string cgroup;
    int score;
  };
  const Case c = GENERATE(values<Case>({
      {With("", "", "", ""), "BestEffort", "kubepods/besteffort/podu", 1000},
      {With("1", "", "", ""), "Burstable", "kubepods/burstable/podu", 999},
      {With("1", "1", "8Gi", "8Gi"), "Guaranteed", "kubepods/podu", -997},
      {With("", "1", "", "8Gi"), "Guaranteed", "kubepods/podu", -997},
      {With("", "", "8Gi", ""), "Burstable", "kubepods/burstable/podu", 500},
      {With("", "", "16Gi", ""), "Burstable", "kubepods/burstable/podu", 3},
  }));
  CAPTURE(c.qos, c.score);
  REQUIRE(QosName(QosOf(c.pod)) == c.qos);
  REQUIRE(CgroupParent(c.pod) == c.cgroup);
  REQUIRE(OomScoreAdj(c.pod, c.pod.spec.containers[0], std::int64_t{16} << 30) == c.score);
}

TEST_CASE("what a pod needs: containers together, init containers one by one, sidecars with all", "[agent]") {
  core::Pod pod = With("1", "", "", "");
  pod.spec.containers.push_back(pod.spec.containers[0]);
  REQUIRE(PodRequest(pod, "cpu") == 2000);
  core::Container init = pod.spec.containers[0];
  init.resources.requests["cpu"] = "5";
  pod.spec.initContainers = {init};
  REQUIRE(PodRequest(pod, "cpu") == 5000);
  core::Container sidecar = pod.spec.containers[0];
  sidecar.restartPolicy = Str("Always");
  pod.spec.initContainers = {sidecar, init};
  REQUIRE(PodRequest(pod, "cpu") == 6000);
  pod.spec.initContainers = {init, sidecar};
  REQUIRE(PodRequest(pod, "cpu") == 5000);
  pod.spec.overhead["cpu"] = "100m";
  REQUIRE(PodRequest(pod, "cpu") == 5100);
}

TEST_CASE("image names are completed", "[agent]") {
  const auto [name, full] = GENERATE(table<std::string, std::string>({
      {"busybox", "docker.io/library/busybox:latest"},
      {"busybox:1", "docker.io/library/busybox:1"},
      {"me/app", "docker.io/me/app:latest"},
      {"localhost/app:2", "localhost/app:2"},
      {"host:5000/app", "host:5000/app:latest"},
      {"example.com/a/b:3", "example.com/a/b:3"},
      {"app:1@sha256:ab", "docker.io/library/app@sha256:ab"},
  }));
  REQUIRE(NormalizeImage(name) == full);
}

TEST_CASE("signals by name", "[agent]") {
  const auto [name, number] = GENERATE(table<std::string, int>({
      {"SIGTERM", 15},
      {"SIGKILL", 9},
      {"SIGUSR1", 10},
      {"SIGRTMIN+3", 37},
      {"SIGRTMAX-1", 63},
      {"SIGNOPE", 0},
      {"SIGTERM+1", 0},
      {"", 0},
      {"SIGRTMIN+x", 0},
  }));
  CAPTURE(name);
  REQUIRE(SignalNumber(name) == number);
}

TEST_CASE("durations as messages spell them", "[agent]") {
  REQUIRE(FormatDuration(10s) == "10s");
  REQUIRE(FormatDuration(5min) == "5m0s");
  REQUIRE(FormatDuration(160s) == "2m40s");
  REQUIRE(FormatDuration(1250ms) == "1.25s");
  REQUIRE(FormatDuration(7ms) == "7ms");
  REQUIRE(FormatDuration(3h) == "3h0m0s");
}

TEST_CASE("ids depend on every part and on where the parts end", "[agent]") {
  REQUIRE(MakeId({"a", "b"}).size() == 64);
  REQUIRE(MakeId({"a", "b"}) == MakeId({"a", "b"}));
  REQUIRE(MakeId({"a", "b"}) != MakeId({"ab", ""}));
}

struct Place {
  Place() {
    node.metadata.name = "n1";
    node.metadata.labels["zone"] = "a";
    node.metadata.labels["cores"] = "8";
    node.status.allocatable["cpu"] = "4";
    node.status.allocatable["pods"] = "3";
    other = With("3", "", "", "");
    pod = With("1", "", "", "");
  }
  std::string Reason() {
    const auto rejection = Admit(pod, node, {&other});
    return rejection ? rejection->reason : "";
  }
  core::Node node;
  core::Pod other;
  core::Pod pod;
};

TEST_CASE("what pods that are ending still have is waited for, what others have is not", "[agent]") {
  Place p;
  p.pod = With("2", "", "", "");
  const auto admit = [&](bool ending) { return AdmitBeside(p.pod, p.node, {{&p.other, ending}}); };
  CHECK(admit(true).later);
  CHECK(admit(true).rejection->reason == "OutOfcpu");
  CHECK_FALSE(admit(false).later);
  CHECK(admit(false).rejection->reason == "OutOfcpu");
  SECTION("nothing is waited for that would not help") {
    p.pod = With("5", "", "", "");
    CHECK_FALSE(admit(true).later);
    CHECK(admit(true).rejection->reason == "OutOfcpu");
  }
  SECTION("a port") {
    p.pod = With("", "", "", "");
    core::ContainerPort port;
    port.containerPort = port.hostPort = 80;
    p.pod.spec.containers.Mutable(0).ports = {port};
    p.other.spec.containers.Mutable(0).ports = {port};
    CHECK(admit(true).later);
    CHECK(admit(false).rejection->reason == "NodePorts");
    CHECK_FALSE(admit(false).later);
  }
  SECTION("who fits does not wait") {
    p.pod = With("1", "", "", "");
    CHECK_FALSE(admit(true).rejection);
    CHECK_FALSE(admit(true).later);
  }
}

TEST_CASE("a node takes what fits", "[agent]") {
  Place p;
  REQUIRE(p.Reason().empty());
  p.pod = With("1001m", "", "", "");
  REQUIRE(p.Reason() == "OutOfcpu");
  p.pod = With("", "", "1Gi", "");
  REQUIRE(p.Reason() == "OutOfmemory");
  p.pod = With("", "", "", "");
  p.node.status.allocatable["pods"] = "1";
  REQUIRE(p.Reason() == "OutOfpods");
}

TEST_CASE("a node takes what wants it", "[agent]") {
  Place p;
  p.pod.spec.nodeSelector["zone"] = "b";
  REQUIRE(p.Reason() == "NodeAffinity");
  p.pod.spec.nodeSelector["zone"] = "a";
  REQUIRE(p.Reason().empty());
  const auto [key, op, value, fits] = GENERATE(table<std::string, std::string, std::string, bool>({
      {"zone", "In", "a", true},
      {"zone", "In", "b", false},
      {"zone", "NotIn", "a", false},
      {"none", "NotIn", "a", true},
      {"zone", "Exists", "", true},
      {"none", "Exists", "", false},
      {"none", "DoesNotExist", "", true},
      {"cores", "Gt", "7", true},
      {"cores", "Gt", "8", false},
      {"cores", "Lt", "9", true},
      {"zone", "Gt", "1", false},
      {"zone", "Nonsense", "a", false},
  }));
  CAPTURE(key, op, value);
  core::NodeSelectorTerm term;
  core::NodeSelectorRequirement requirement;
  requirement.key = key;
  requirement.operator_ = op;
  if (!value.empty()) requirement.values = {Str(value)};
  term.matchExpressions = {requirement};
  p.pod.spec.affinity.Mutable()
      .nodeAffinity.Mutable()
      .requiredDuringSchedulingIgnoredDuringExecution.Mutable()
      .nodeSelectorTerms = {term};
  REQUIRE(p.Reason() == (fits ? "" : "NodeAffinity"));
}

TEST_CASE("host ports and taints", "[agent]") {
  Place p;
  core::ContainerPort port;
  port.containerPort = 80;
  port.hostPort = 80;
  p.other.spec.containers.Mutable(0).ports = {port};
  p.pod.spec.containers.Mutable(0).ports = {port};
  REQUIRE(p.Reason() == "NodePorts");
  p.pod.spec.containers.Mutable(0).ports.Mutable(0).protocol = "UDP";
  REQUIRE(p.Reason().empty());

  core::Taint taint;
  taint.key = "k";
  taint.effect = "NoExecute";
  p.node.spec.taints = {taint};
  REQUIRE(p.Reason() == "TaintToleration");
  core::Toleration toleration;
  toleration.operator_ = "Exists";
  p.pod.spec.tolerations = {toleration};
  REQUIRE(p.Reason().empty());
}

}  // namespace
}  // namespace minikube::agent
