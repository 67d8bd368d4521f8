// All controllers on the real API engine, with a kubelet in miniature: what they may do (RBAC), what the API makes of
// their writes (status, finalizers, graceful deletion), and whether everything together comes to rest.
#include <chrono>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/controller_manager.h>
#include <minikube/reconciler.h>

#include "api/stages/api_core.h"

namespace minikube {
namespace {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;
using core::v1::ConfigMap;
using core::v1::Namespace;
using core::v1::Node;
using core::v1::Pod;

// Binds pods to one node, makes them ready at once, and lets them go when they are deleted.
class Kubelet final : public Reconciler {
 public:
  Kubelet(Client& client, Strand& strand, Env& env)
      : pods_(client, Client::ResourceOf<Pod>(), strand, env),
        loop_(client, strand, env, Logger(), *this, {&pods_}, {.name = "kubelet"}) {
    pods_.AddHandler([this](const ObjectRef&, const ObjectRef& after) {
      if (after) loop_.Enqueue(ObjectKey::Of(*after));
    });
    pods_.Start();
  }
  Plan Reconcile(const ObjectKey& key, const LastRun&) override {
    Plan plan;
    const ObjectRef object = pods_.Get(key);
    if (!object) return plan;
    const Pod& pod = object->As<Pod>();
    if (pod.spec.nodeName.empty() && !pod.metadata.deletionTimestamp) {
      core::v1::Binding binding;
      binding.metadata.name = pod.metadata.name;
      binding.metadata.namespace_ = pod.metadata.namespace_;
      binding.target.kind = "Node";
      binding.target.name = "node";
      ApiRequest request = Client::NamedRequest<Pod>(Verb::kCreate, pod.metadata.namespace_, pod.metadata.name);
      request.subresource = "binding";
      request.object = Share(binding);
      plan.Add(std::move(request)).IgnoreGone();
    } else if (pod.metadata.deletionTimestamp) {
      plan.Delete(pod).Grace(0).IgnoreGone();
    } else if (!(pod.status.phase == "Running")) {
      Pod running = pod;
      running.status.phase = "Running";
      core::v1::PodCondition ready;
      ready.type = "Ready";
      ready.status = "True";
      running.status.conditions.push_back(ready);
      plan.Update(running, "status").IgnoreGone();
    }
    return plan;
  }

 private:
  Informer pods_;
  ReconcileLoop loop_;
};

class Refusals final : public LogSink {
 public:
  LogLevel level() const override { return LogLevel::kWarning; }
  void Write(LogLevel, std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields) override {
    std::string line = fmt::format("{}: {}", component, message);
    bool forbidden = false;
    for (const LogField& field : fields) {
      line += fmt::format(" {}={}", field.key, field.value);
      forbidden = forbidden || field.value.find("Forbidden") != std::string::npos;
    }
    std::lock_guard lock(mu_);
    if (forbidden) lines_.push_back(line);
  }
  std::vector<std::string> lines() {
    std::lock_guard lock(mu_);
    return lines_;
  }

 private:
  std::mutex mu_;
  std::vector<std::string> lines_;
};

struct Fixture {
  Fixture() {
    ControllerManagerOptions options;
    options.new_client = [this](std::string_view name) {
      if (name == kManagerName)
        return engine->NewClient({"system:kube-controller-manager", "", {"system:authenticated"}});
      return engine->NewClient(
          {fmt::format("system:serviceaccount:kube-system:{}", name),
           "",
           {"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"}});
    };
    options.root_ca = "authority";
    controllers = ControllerManager::Start(std::move(options), *env, Logger(log, "controllers")).value();
    strand->Post([this] { kubelet = std::make_unique<Kubelet>(*client, *strand, *env); });
    Node node;
    node.metadata.name = "node";
    (void)client->Create(node).value();
  }
  ~Fixture() {
    strand->Stop();
    kubelet.reset();
    controllers.reset();
    client.reset();
    engine.reset();
    store->Stop();
    // Whatever a test did, no controller asked for what its role does not allow.
    for (const std::string& line : log.lines()) UNSCOPED_INFO(line);
    CHECK(log.lines().empty());
  }
  // Looks again until it holds, for a minute at most.
  bool Eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::mutex mu;
    std::condition_variable never;
    std::unique_lock lock(mu);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      never.wait_for(lock, std::chrono::milliseconds(2));
    }
    return true;
  }
  Deployment Web(int replicas) {
    Deployment d;
    d.metadata.name = "web";
    d.metadata.namespace_ = "default";
    d.spec.replicas = replicas;
    d.spec.selector.Mutable().matchLabels["app"] = "web";
    d.spec.template_.metadata.labels["app"] = "web";
    core::v1::Container container;
    container.name = "main";
    container.image = "image:1";
    d.spec.template_.spec.containers.push_back(container);
    return client->Create(d).value();
  }
  bool Complete(const Deployment& d) {
    const Result<Deployment> now = client->Get<Deployment>("default", d.metadata.name);
    if (!now) return false;
    const auto& status = now->status;
    return status.observedGeneration == now->metadata.generation && status.updatedReplicas == *now->spec.replicas &&
           status.replicas == *now->spec.replicas && status.availableReplicas == *now->spec.replicas;
  }
  template <typename T>
  std::size_t Count(std::string_view ns = "default") {
    return client->List<T>(ns).value().size();
  }
  void Change(const std::function<void(Deployment&)>& change) {
    REQUIRE(Eventually([&] {
      Deployment d = client->Get<Deployment>("default", "web").value();
      change(d);
      return client->Update(d).ok();
    }));
  }

  Refusals log;
  std::unique_ptr<Env> env = NewRealEnv(2);
  std::unique_ptr<Store> store = NewMemoryStore(*env);
  std::unique_ptr<api::ApiCore> engine =
      api::ApiCore::Start({.service_cluster_ip_range = "10.96.0.0/12"}, *store, *env, Logger()).value();
  std::unique_ptr<Client> client = engine->NewClient({"admin", "", {"system:masters"}});
  std::unique_ptr<Strand> strand = env->NewStrand("kubelet");
  std::unique_ptr<ControllerManager> controllers;
  std::unique_ptr<Kubelet> kubelet;
};

TEST_CASE_METHOD(Fixture, "a deployment starts, rolls, scales, goes back and goes away") {
  const Deployment d = Web(3);
  REQUIRE(Eventually([&] { return Complete(d); }));
  CHECK(Count<Pod>() == 3);
  CHECK(Count<ReplicaSet>() == 1);

  Change([](Deployment& now) { now.spec.template_.spec.containers.Mutable(0).image = "image:2"; });
  REQUIRE(Eventually([&] { return Complete(d) && Count<Pod>() == 3; }));
  for (const Pod& pod : client->List<Pod>("default").value()) CHECK(pod.spec.containers[0].image == "image:2");
  CHECK(Count<ReplicaSet>() == 2);

  ApiRequest scale = Client::NamedRequest<Deployment>(Verb::kPatch, "default", "web");
  scale.subresource = "scale";
  scale.patch = R"({"spec":{"replicas":5}})";
  REQUIRE(client->DoSync(scale).ok());
  REQUIRE(Eventually([&] { return Complete(d) && Count<Pod>() == 5; }));

  Change([](Deployment& now) { now.spec.template_.spec.containers.Mutable(0).image = "image:1"; });
  REQUIRE(Eventually([&] {
    const Deployment now = client->Get<Deployment>("default", "web").value();
    const Str* revision = now.metadata.annotations.Find("deployment.kubernetes.io/revision");
    return Complete(d) && Count<Pod>() == 5 && revision != nullptr && *revision == "3";
  }));
  CHECK(Count<ReplicaSet>() == 2);

  REQUIRE(client->Delete<Deployment>("default", "web").ok());
  CHECK(Eventually([&] { return Count<Pod>() == 0 && Count<ReplicaSet>() == 0; }));
}

TEST_CASE_METHOD(Fixture, "a pod that is deleted comes back under another name") {
  const Deployment d = Web(2);
  REQUIRE(Eventually([&] { return Complete(d); }));
  const std::string name = client->List<Pod>("default").value()[0].metadata.name.str();
  REQUIRE(client->Delete<Pod>("default", name).ok());
  CHECK(Eventually([&] { return !client->Get<Pod>("default", name) && Complete(d) && Count<Pod>() == 2; }));
}

TEST_CASE_METHOD(Fixture, "foreground deletion leaves the deployment until its pods have gone") {
  const Deployment d = Web(2);
  REQUIRE(Eventually([&] { return Complete(d); }));
  ApiRequest request = Client::NamedRequest<Deployment>(Verb::kDelete, "default", "web");
  request.propagation = Propagation::kForeground;
  REQUIRE(client->DoSync(request).ok());
  REQUIRE(Eventually([&] { return !client->Get<Deployment>("default", "web"); }));
  CHECK(Count<Pod>() == 0);
  CHECK(Count<ReplicaSet>() == 0);
}

TEST_CASE_METHOD(Fixture, "orphaned replica sets live on, and are adopted by the next deployment") {
  REQUIRE(Eventually([d = Web(2), this] { return Complete(d); }));
  const std::string rs = client->List<ReplicaSet>("default").value()[0].metadata.name.str();
  ApiRequest request = Client::NamedRequest<Deployment>(Verb::kDelete, "default", "web");
  request.propagation = Propagation::kOrphan;
  REQUIRE(client->DoSync(request).ok());
  REQUIRE(Eventually([&] { return !client->Get<Deployment>("default", "web"); }));
  CHECK(client->Get<ReplicaSet>("default", rs)->metadata.ownerReferences.empty());
  CHECK(Count<Pod>() == 2);
  REQUIRE(Eventually([d = Web(2), this] { return Complete(d); }));
  CHECK(Count<ReplicaSet>() == 1);
  CHECK(client->Get<ReplicaSet>("default", rs)->metadata.ownerReferences.size() == 1);
  CHECK(Count<Pod>() == 2);
}

TEST_CASE_METHOD(Fixture, "pods without owner are adopted by a replica set, and let go when their labels change") {
  const Deployment d = Web(1);
  REQUIRE(Eventually([&] { return Complete(d); }));
  Pod pod = client->List<Pod>("default").value()[0];
  const std::string name = pod.metadata.name.str();
  REQUIRE(client->Patch<Pod>("default", name, PatchType::kMerge, R"({"metadata":{"labels":{"app":"debug"}}})").ok());
  CHECK(Eventually([&] {
    const Result<Pod> now = client->Get<Pod>("default", name);
    return now && now->metadata.ownerReferences.empty() && Count<Pod>() == 2;
  }));
  REQUIRE(client->Patch<Pod>("default", name, PatchType::kMerge, R"({"metadata":{"labels":{"app":"web"}}})").ok());
  CHECK(Eventually([&] { return Count<Pod>() == 1; }));
}

TEST_CASE_METHOD(Fixture, "a namespace is furnished, and goes with all that is in it") {
  Namespace ns;
  ns.metadata.name = "shop";
  REQUIRE(client->Create(ns).ok());
  REQUIRE(Eventually([&] { return client->Get<core::v1::ServiceAccount>("shop", "default").ok(); }));
  REQUIRE(Eventually([&] { return client->Get<ConfigMap>("shop", "kube-root-ca.crt").ok(); }));
  Pod pod;
  pod.metadata.name = "p";
  pod.metadata.namespace_ = "shop";
  core::v1::Container container;
  container.name = "main";
  container.image = "image:1";
  pod.spec.containers.push_back(container);
  REQUIRE(client->Create(pod).ok());
  REQUIRE(Eventually([&] { return client->Get<Pod>("shop", "p")->status.phase == "Running"; }));
  REQUIRE(client->Delete<Namespace>("", "shop").ok());
  REQUIRE(Eventually([&] { return !client->Get<Namespace>("", "shop"); }));
  CHECK(Count<Pod>("shop") == 0);
  CHECK(Count<ConfigMap>("shop") == 0);
}

TEST_CASE_METHOD(Fixture, "controllers that are stopped and started again find everything") {
  const Deployment d = Web(2);
  REQUIRE(Eventually([&] { return Complete(d); }));
  controllers.reset();
  Change([](Deployment& now) { now.spec.replicas = 4; });
  ControllerManagerOptions options;
  options.new_client = [this](std::string_view) { return engine->NewClient({"admin", "", {"system:masters"}}); };
  options.disabled = {"pod-garbage-collector"};
  controllers = ControllerManager::Start(options, *env, Logger()).value();
  CHECK(Eventually([&] { return Complete(d) && Count<Pod>() == 4; }));
  options.disabled = {"no-such-controller"};
  CHECK(ControllerManager::Start(options, *env, Logger()).status().code() == Code::kBadRequest);
}

}  // namespace
}  // namespace minikube
