// The built-in plugins that hold a namespace to its policies: LimitRanger, ResourceQuota, PodSecurity.
#include <atomic>
#include <vector>

#include <minikube/latch.h>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

using core::v1::LimitRange;
using core::v1::LimitRangeItem;
using core::v1::Namespace;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using core::v1::ResourceQuota;
using core::v1::Service;

// ---- LimitRanger --------------------------------------------------------------------------------------------------

LimitRange MakeLimits(std::vector<LimitRangeItem> items) {
  LimitRange range;
  range.metadata.name = "limits";
  range.metadata.namespace_ = "default";
  range.spec.limits = List<LimitRangeItem>(items.begin(), items.end());
  return range;
}

Pod PodWith(std::string_view name, Map<Quantity> requests, Map<Quantity> limits) {
  Pod pod = MakePod(name);
  pod.spec.containers.Mutable(0).resources.requests = std::move(requests);
  pod.spec.containers.Mutable(0).resources.limits = std::move(limits);
  return pod;
}

TEST_CASE("LimitRanger: containers are given what they do not say, and it is told in an annotation") {
  Fixture f;
  LimitRangeItem item;
  item.type = "Container";
  item.default_ = {{"cpu", "500m"}, {"memory", "128Mi"}};
  item.defaultRequest = {{"cpu", "100m"}};
  REQUIRE(f.client->Create(MakeLimits({item})).ok());
  const Pod pod = f.client->Create(PodWith("p", {}, {{"memory", "64Mi"}})).value();
  const auto& resources = pod.spec.containers[0].resources;
  CHECK(resources.requests == Map<Quantity>{{"cpu", "100m"}, {"memory", "64Mi"}});
  CHECK(resources.limits == Map<Quantity>{{"cpu", "500m"}, {"memory", "64Mi"}});
  CHECK(pod.metadata.annotations.Find("kubernetes.io/limit-ranger")->view() ==
        "LimitRanger plugin set: cpu request for container main; cpu limit for container main");
}

TEST_CASE("LimitRanger: what is too little, too much or too wide apart is refused") {
  struct Case {
    std::string_view type;
    Map<Quantity> min, max, ratio;
    Map<Quantity> requests, limits;
    std::string_view why;
  };
  const Case cases[] = {
      {"Container",
       {{"cpu", "100m"}},
       {},
       {},
       {{"cpu", "50m"}},
       {},
       "minimum cpu usage per Container is 100m, but request is 50m"},
      // A bound is a default too, as LimitRange's own defaulting says.
      {"Container", {{"cpu", "100m"}}, {}, {}, {}, {}, ""},
      {"Pod", {{"cpu", "100m"}}, {}, {}, {}, {}, "minimum cpu usage per Pod is 100m.  No request is specified"},
      {"Container",
       {},
       {{"memory", "1Gi"}},
       {},
       {},
       {{"memory", "2Gi"}},
       "maximum memory usage per Container is 1Gi, but limit is 2Gi"},
      {"Container", {}, {{"memory", "1Gi"}}, {}, {{"memory", "1Mi"}}, {}, ""},
      {"Pod",
       {},
       {{"memory", "1Gi"}},
       {},
       {{"memory", "1Mi"}},
       {},
       "maximum memory usage per Pod is 1Gi.  No limit is specified"},
      {"Container",
       {},
       {},
       {{"cpu", "2"}},
       {{"cpu", "100m"}},
       {{"cpu", "300m"}},
       "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"},
      {"Pod", {}, {{"cpu", "1"}}, {}, {{"cpu", "2"}}, {{"cpu", "2"}}, "maximum cpu usage per Pod is 1, but limit is 2"},
      {"Container",
       {{"cpu", "1"}, {"memory", "1Gi"}},
       {},
       {},
       {{"cpu", "1m"}, {"memory", "1Mi"}},
       {},
       "[minimum cpu usage per Container is 1, but request is 1m, minimum memory usage per Container is 1Gi, but "
       "request "
       "is 1Mi]"},
      {"Container", {{"cpu", "100m"}}, {{"cpu", "1"}}, {{"cpu", "2"}}, {{"cpu", "500m"}}, {{"cpu", "1"}}, ""},
  };
  Fixture f;
  for (const Case& c : cases) {
    CAPTURE(c.why);
    LimitRangeItem item;
    item.type = c.type;
    item.min = c.min;
    item.max = c.max;
    item.maxLimitRequestRatio = c.ratio;
    REQUIRE(f.client->Create(MakeLimits({item})).ok());
    const Result<Pod> made = f.client->Create(PodWith("p", c.requests, c.limits));
    CHECK(made.ok() == c.why.empty());
    if (!c.why.empty()) {
      CHECK(made.status().code() == Code::kForbidden);
      CHECK(made.status().message() == "pods \"p\" is forbidden: " + std::string(c.why));
    }
    if (made.ok()) REQUIRE(f.client->Delete<Pod>("default", "p").ok());
    REQUIRE(f.client->Delete<LimitRange>("default", "limits").ok());
  }
}

// ---- ResourceQuota ------------------------------------------------------------------------------------------------

// A quota that has been counted.
void MakeQuota(Fixture& f, Map<Quantity> hard, std::vector<Str> scopes = {}, std::string_view name = "q") {
  ResourceQuota quota;
  quota.metadata.name = name;
  quota.metadata.namespace_ = "default";
  quota.spec.hard = hard;
  quota.spec.scopes = List<Str>(scopes.begin(), scopes.end());
  ResourceQuota made = f.client->Create(quota).value();
  made.status.hard = hard;
  for (const auto& [counter, bound] : hard) made.status.used[counter.view()] = Quantity("0");
  REQUIRE(f.client->UpdateStatus(made).ok());
}

Map<Quantity> Used(Fixture& f, std::string_view name = "q") {
  return f.client->Get<ResourceQuota>("default", name).value().status.used;
}

// What is used of it, once that is as told: what is given back is written when nobody waits for it.
std::string UsedOnceItIs(Fixture& f, std::string_view counter, std::string_view value) {
  WatchLog log(*f.client, *f.strand, Request<ResourceQuota>(Verb::kWatch, "default", ""));
  for (std::size_t seen = 0;;) {
    const std::string now = Used(f).Find(counter)->text.str();
    if (now == value || log.Wait(seen + 1).size() <= seen) return now;
    ++seen;
  }
}

TEST_CASE("ResourceQuota: pods are charged, and refused in Kubernetes' words when there is no room") {
  Fixture f;
  MakeQuota(f, {{"pods", "2"}, {"requests.cpu", "1"}, {"limits.memory", "1Gi"}, {"count/pods", "5"}});
  REQUIRE(f.client->Create(PodWith("a", {{"cpu", "600m"}}, {{"memory", "512Mi"}})).ok());
  CHECK(Used(f) ==
        Map<Quantity>{{"pods", "1"}, {"requests.cpu", "600m"}, {"limits.memory", "512Mi"}, {"count/pods", "1"}});
  const Status no_cpu = f.client->Create(PodWith("b", {{"cpu", "500m"}}, {{"memory", "1Mi"}})).status();
  CHECK(no_cpu.code() == Code::kForbidden);
  CHECK(no_cpu.message() ==
        "pods \"b\" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, limited: "
        "requests.cpu=1");
  CHECK(f.client->Create(PodWith("c", {{"cpu", "500m"}}, {{"memory", "600Mi"}})).status().message() ==
        "pods \"c\" is forbidden: exceeded quota: q, requested: limits.memory=600Mi,requests.cpu=500m, used: "
        "limits.memory=512Mi,requests.cpu=600m, limited: limits.memory=1Gi,requests.cpu=1");
  CHECK(f.client->Create(MakePod("d")).status().message() ==
        "pods \"d\" is forbidden: failed quota: q: must specify limits.memory for: main; requests.cpu for: main");
  // What was refused was charged nothing.
  CHECK(Used(f).Find("pods")->text == "1");
}

TEST_CASE("ResourceQuota: of many at once, just as many as fit come in") {
  Fixture f;
  MakeQuota(f, {{"pods", "40"}});
  constexpr int kPods = 100;
  std::atomic<int> made = 0;
  std::atomic<int> left = kPods;
  Latch done;
  for (int i = 0; i < kPods; ++i) {
    f.client
        ->Do(Client::RequestFor(Verb::kCreate, MakePod("p" + std::to_string(i))), *f.strand,
             [&](Result<ApiResponse> response) {
               if (response) ++made;
               if (--left == 0) done.Open();
             })
        .Detach();
  }
  REQUIRE(f.env->Await(done, std::chrono::seconds(30)));
  CHECK(made == 40);
  CHECK(Used(f).Find("pods")->text == "40");
  CHECK(f.client->List<Pod>("default").value().size() == 40);
}

TEST_CASE("ResourceQuota: what comes to nothing is given back, and a dry run is charged nothing") {
  Fixture f;
  MakeQuota(f, {{"pods", "3"}});
  ApiRequest dry = Client::RequestFor(Verb::kCreate, MakePod("a"));
  dry.dry_run = true;
  REQUIRE(f.client->DoSync(dry).ok());
  CHECK(Used(f).Find("pods")->text == "0");
  // Of those that want one name at once, several may be charged before one has it; and a quota of three holds none up.
  constexpr int kTries = 20;
  std::atomic<int> made = 0;
  std::atomic<int> left = kTries;
  Latch done;
  for (int i = 0; i < kTries; ++i) {
    f.client
        ->Do(Client::RequestFor(Verb::kCreate, MakePod("a")), *f.strand,
             [&](Result<ApiResponse> response) {
               if (response) ++made;
               if (--left == 0) done.Open();
             })
        .Detach();
  }
  REQUIRE(f.env->Await(done, std::chrono::seconds(30)));
  CHECK(made == 1);
  CHECK(UsedOnceItIs(f, "pods", "1") == "1");
}

TEST_CASE("ResourceQuota: a quota that has not been counted lets nothing pass") {
  Fixture f;
  ResourceQuota quota;
  quota.metadata.name = "q";
  quota.metadata.namespace_ = "default";
  quota.spec.hard = {{"pods", "5"}};
  ResourceQuota made = f.client->Create(quota).value();
  // Not even seen by its controller: there is nothing to hold anybody to.
  CHECK(f.client->Create(MakePod("early")).ok());
  made.status.hard = made.spec.hard;
  REQUIRE(f.client->UpdateStatus(made).ok());
  CHECK(f.client->Create(MakePod("p")).status().message() ==
        "pods \"p\" is forbidden: status unknown for quota: q, resources: pods");
}

TEST_CASE("ResourceQuota: Services count their ports, claims their storage by class, everything else its number") {
  Fixture f;
  MakeQuota(f, {{"services", "5"}, {"services.nodeports", "3"}, {"services.loadbalancers", "1"}});
  MakeQuota(f,
            {{"persistentvolumeclaims", "2"},
             {"requests.storage", "10Gi"},
             {"fast.storageclass.storage.k8s.io/requests.storage", "4Gi"}},
            {}, "storage");
  MakeQuota(f, {{"count/configmaps", "3"}, {"secrets", "1"}, {"count/deployments.apps", "1"}}, {}, "numbers");

  Service service;
  service.metadata.name = "s";
  service.metadata.namespace_ = "default";
  service.spec.type = "NodePort";
  for (int port : {80, 81}) {
    core::v1::ServicePort entry;
    entry.name = "p" + std::to_string(port);
    entry.port = port;
    service.spec.ports.push_back(entry);
  }
  Service made = f.client->Create(service).value();
  CHECK(Used(f).Find("services.nodeports")->text == "2");
  // An update is charged for what it adds.
  made.spec.type = "LoadBalancer";
  made = f.client->Update(made).value();
  CHECK(Used(f) == Map<Quantity>{{"services", "1"}, {"services.nodeports", "2"}, {"services.loadbalancers", "1"}});
  service.metadata.name = "t";
  CHECK(f.client->Create(service).status().message() ==
        "services \"t\" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=2, "
        "limited: services.nodeports=3");

  PersistentVolumeClaim claim;
  claim.metadata.name = "c";
  claim.metadata.namespace_ = "default";
  claim.spec.accessModes = {"ReadWriteOnce"};
  claim.spec.storageClassName = "fast";
  claim.spec.resources.requests = {{"storage", "3Gi"}};
  REQUIRE(f.client->Create(claim).ok());
  CHECK(Used(f, "storage") == Map<Quantity>{{"persistentvolumeclaims", "1"},
                                            {"requests.storage", "3Gi"},
                                            {"fast.storageclass.storage.k8s.io/requests.storage", "3Gi"}});
  claim.metadata.name = "d";
  CHECK(f.client->Create(claim).status().message() ==
        "persistentvolumeclaims \"d\" is forbidden: exceeded quota: storage, requested: "
        "fast.storageclass.storage.k8s.io/requests.storage=3Gi, used: "
        "fast.storageclass.storage.k8s.io/requests.storage=3Gi, limited: "
        "fast.storageclass.storage.k8s.io/requests.storage=4Gi");

  REQUIRE(f.client->Create(MakeDeployment("one")).ok());
  CHECK(f.client->Create(MakeDeployment("two")).status().message() ==
        "deployments.apps \"two\" is forbidden: exceeded quota: numbers, requested: count/deployments.apps=1, used: "
        "count/deployments.apps=1, limited: count/deployments.apps=1");
}

TEST_CASE("ResourceQuota: a quota counts what is in its scopes") {
  Fixture f;
  MakeQuota(f, {{"pods", "1"}}, {"BestEffort"}, "best");
  MakeQuota(f, {{"pods", "1"}}, {"Terminating"}, "ends");
  REQUIRE(f.client->Create(PodWith("asks", {{"cpu", "1"}}, {})).ok());
  CHECK(Used(f, "best").Find("pods")->text == "0");
  REQUIRE(f.client->Create(MakePod("modest")).ok());
  CHECK(Used(f, "best").Find("pods")->text == "1");
  CHECK(f.client->Create(MakePod("another")).status().code() == Code::kForbidden);
  Pod ending = PodWith("ending", {{"cpu", "1"}}, {});
  ending.spec.activeDeadlineSeconds = 10;
  REQUIRE(f.client->Create(ending).ok());
  CHECK(Used(f, "ends").Find("pods")->text == "1");
}

// ---- PodSecurity --------------------------------------------------------------------------------------------------

void Label(Fixture& f, std::string_view mode, std::string_view level) {
  REQUIRE(f.client
              ->Patch<Namespace>("", "default", PatchType::kMerge,
                                 "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/" + std::string(mode) +
                                     "\":\"" + std::string(level) + "\"}}}")
              .ok());
}

Pod PrivilegedPod() {
  Pod pod = MakePod("p");
  pod.spec.containers.Mutable(0).securityContext.Mutable().privileged = true;
  return pod;
}

TEST_CASE("PodSecurity: a namespace that enforces a level refuses pods in Kubernetes' words") {
  Fixture f;
  REQUIRE(f.client->Create(PrivilegedPod()).ok());
  REQUIRE(f.client->Delete<Pod>("default", "p").ok());
  Label(f, "enforce", "baseline");
  const Status refused = f.client->Create(PrivilegedPod()).status();
  CHECK(refused.code() == Code::kForbidden);
  CHECK(
      refused.message() ==
      "pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": privileged (container \"main\" must not set "
      "securityContext.privileged=true)");
  REQUIRE(f.client->Create(MakePod("fine")).ok());
  Label(f, "enforce", "restricted");
  CHECK(
      f.client->Create(MakePod("q")).status().message() ==
      "pods \"q\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false "
      "(container \"main\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities "
      "(container \"main\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or "
      "container \"main\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"main\" must "
      "set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")");
}

TEST_CASE("PodSecurity: workloads are warned about, not refused; and pods of a stricter namespace are told of") {
  Fixture f;
  REQUIRE(f.client->Create(PrivilegedPod()).ok());
  ApiRequest patch = Client::NamedRequest<Namespace>(Verb::kPatch, "", "default");
  patch.patch_type = PatchType::kMerge;
  patch.patch = R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline"}}})";
  const Result<ApiResponse> stricter = f.client->DoSync(patch);
  REQUIRE(stricter.ok());
  CHECK(stricter->warnings ==
        std::vector<std::string>{
            "existing pods in namespace \"default\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "p: privileged"});
  apps::v1::Deployment deployment = MakeDeployment("d");
  deployment.spec.template_.spec = PrivilegedPod().spec;
  const Result<ApiResponse> made = f.client->DoSync(Client::RequestFor(Verb::kCreate, deployment));
  REQUIRE(made.ok());
  CHECK(made->warnings == std::vector<std::string>{
                              "would violate PodSecurity \"baseline:latest\": privileged (container \"main\" must not "
                              "set securityContext.privileged=true)"});
}

TEST_CASE("PodSecurity: labels that make no sense are refused") {
  Fixture f;
  Namespace ns;
  ns.metadata.name = "n";
  ns.metadata.labels["pod-security.kubernetes.io/enforce"] = "strict";
  const Status status = f.client->Create(ns).status();
  CHECK(status.code() == Code::kInvalid);
  CHECK(status.message().find("metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be "
                              "one of privileged, baseline, restricted") != std::string::npos);
}

TEST_CASE("PodSecurity: defaults are the server's, and who is exempt is not stopped") {
  Fixture f;
  ApiCore::Options options;
  options.pod_security.enforce = "baseline";
  options.pod_security.exempt_users = {"trusted"};
  f.RestartWith(std::move(options));
  CHECK(f.client->Create(PrivilegedPod()).status().code() == Code::kForbidden);
  CHECK(f.As("trusted", {"system:masters"})->Create(PrivilegedPod()).ok());
  options = {};
  options.pod_security.warn = "lax";
  CHECK(ApiCore::Start(std::move(options), *f.store, *f.env, Logger()).status().code() == Code::kBadRequest);
}

}  // namespace
}  // namespace minikube::api::testing
