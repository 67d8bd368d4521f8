#include "kube/quota.h"

#include <catch2/catch.hpp>

namespace minikube::kube {
namespace {

using core::v1::Pod;

constexpr QuotaSubject kPods{"", "pods"};

Pod PodOf(Amounts requests, Amounts limits) {
  Pod pod;
  core::v1::Container container;
  container.name = "c";
  container.resources.requests = std::move(requests);
  container.resources.limits = std::move(limits);
  pod.spec.containers.push_back(container);
  return pod;
}

TEST_CASE("amounts: sums and differences keep the form of what they began with") {
  struct Case {
    Quantity a, b, sum, difference;
  };
  const Case cases[] = {
      {"1", "500m", "1500m", "500m"}, {"1Gi", "1Mi", "1025Mi", "1023Mi"},
      {"0", "1Gi", "1Gi", "-1Gi"},    {"100M", "1", "100000001", "99999999"},
      {"1", "1", "2", "0"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.a.text.view(), c.b.text.view());
    CHECK(Sum(c.a, c.b).text == c.sum.text);
    CHECK(Difference(c.a, c.b) == c.difference);
  }
}

TEST_CASE("amounts: a pod asks for its containers together, or for the largest init container") {
  Pod pod = PodOf({{"cpu", "1"}, {"memory", "1Gi"}}, {});
  core::v1::Container init;
  init.name = "init";
  init.resources.requests = {{"cpu", "3"}};
  core::v1::Container sidecar;
  sidecar.name = "side";
  sidecar.restartPolicy = Str("Always");
  sidecar.resources.requests = {{"cpu", "500m"}};
  pod.spec.initContainers.push_back(sidecar);
  CHECK(PodRequests(pod.spec) == Amounts{{"cpu", "1500m"}, {"memory", "1Gi"}});
  pod.spec.initContainers.push_back(init);
  CHECK(PodRequests(pod.spec) == Amounts{{"cpu", "3500m"}, {"memory", "1Gi"}});
  pod.spec.resources.Mutable().requests = {{"cpu", "2"}};
  CHECK(PodRequests(pod.spec) == Amounts{{"cpu", "2"}, {"memory", "1Gi"}});
}

TEST_CASE("quota: what a pod counts") {
  Pod pod = PodOf({{"cpu", "1"}, {"example.com/gpu", "2"}, {"hugepages-2Mi", "4Mi"}}, {{"memory", "1Gi"}});
  CHECK(UsageOf(kPods, *Share(pod), {}) == Amounts{{"count/pods", "1"},
                                                   {"pods", "1"},
                                                   {"cpu", "1"},
                                                   {"requests.cpu", "1"},
                                                   {"limits.memory", "1Gi"},
                                                   {"hugepages-2Mi", "4Mi"},
                                                   {"requests.hugepages-2Mi", "4Mi"},
                                                   {"requests.example.com/gpu", "2"}});
  pod.status.phase = "Succeeded";
  CHECK(UsageOf(kPods, *Share(pod), {}) == Amounts{{"count/pods", "1"}});
  // One that should long have gone is held against nobody.
  pod.status.phase = "Running";
  pod.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1'000'000)};
  pod.metadata.deletionGracePeriodSeconds = 30;
  CHECK(UsageOf(kPods, *Share(pod), WallTime(std::chrono::seconds(20))).Contains("pods"));
  CHECK_FALSE(UsageOf(kPods, *Share(pod), WallTime(std::chrono::seconds(40))).Contains("pods"));
}

TEST_CASE("quota: a container that is being resized counts the larger of what it has and what it shall have") {
  Pod pod = PodOf({{"cpu", "1"}}, {});
  core::v1::ContainerStatus status;
  status.name = "c";
  status.allocatedResources = {{"cpu", "2"}};
  pod.status.containerStatuses.push_back(status);
  CHECK(UsageOf(kPods, *Share(pod), {}).Find("cpu")->text == "2");
}

TEST_CASE("quota: which counter counts what") {
  const auto subject = [](std::string_view counter) {
    const auto of = SubjectOf(counter);
    return of ? std::string(of->plural) + "/" + std::string(of->group) : "-";
  };
  CHECK(subject("requests.cpu") == "pods/");
  CHECK(subject("requests.nvidia.com/gpu") == "pods/");
  CHECK(subject("hugepages-1Gi") == "pods/");
  CHECK(subject("services.nodeports") == "services/");
  CHECK(subject("gold.storageclass.storage.k8s.io/requests.storage") == "persistentvolumeclaims/");
  CHECK(subject("secrets") == "secrets/");
  CHECK(subject("count/deployments.apps") == "deployments/apps");
  CHECK(subject("count/widgets.example.com") == "widgets/example.com");
  CHECK(subject("example.com/thing") == "-");
}

TEST_CASE("quota: scopes") {
  core::v1::ResourceQuotaSpec quota;
  core::v1::ScopedResourceSelectorRequirement requirement;
  requirement.scopeName = "PriorityClass";
  const auto in = [&](const Pod& pod) { return InScopes(quota, *Share(pod)); };
  const auto select = [&](std::string_view op, List<Str> values) {
    requirement.operator_ = op;
    requirement.values = std::move(values);
    quota.scopeSelector.Mutable().matchExpressions = {requirement};
  };
  Pod plain;
  Pod high;
  high.spec.priorityClassName = "high";
  select("In", {"high"});
  CHECK((in(high) && !in(plain)));
  select("NotIn", {"high"});
  CHECK((!in(high) && in(plain)));
  select("Exists", {});
  CHECK((in(high) && !in(plain)));
  select("DoesNotExist", {});
  CHECK((!in(high) && in(plain)));
  quota = {};
  quota.scopes = {"NotBestEffort", "NotTerminating"};
  CHECK(in(PodOf({{"cpu", "1"}}, {})));
  CHECK_FALSE(in(PodOf({}, {})));
  // Nothing but pods and claims is in any scope.
  CHECK_FALSE(InScopes(quota, *Share(core::v1::ConfigMap())));
}

}  // namespace
}  // namespace minikube::kube
