// A whole cluster in one thread and virtual time: what a host's tests of minutes and hours are made of.
#include <functional>

#include <catch2/catch.hpp>

#include <minikube/api/discovery/v1.h>
#include <minikube/api/policy/v1.h>
#include <minikube/api/rbac/v1.h>
#include <minikube/minikube.h>
#include <minikube/simulated_env.h>

namespace minikube {
namespace {

using core::v1::Node;
using core::v1::Pod;

ClusterOptions OnNodes(SimulatedEnv& env, std::initializer_list<const char*> names) {
  ClusterOptions options;
  options.env = &env;
  options.api_server.listen = "";
  for (const char* name : names) {
    SimulatedNode node;
    node.node.node_name = name;
    node.node.capacity = {{"cpu", "8"}};
    options.simulated_nodes.push_back(std::move(node));
  }
  return options;
}

apps::v1::Deployment Web(std::int32_t replicas) {
  apps::v1::Deployment web;
  web.metadata.name = "web";
  web.metadata.namespace_ = "default";
  web.spec.replicas = replicas;
  web.spec.selector.Mutable().matchLabels["app"] = "web";
  web.spec.template_.metadata.labels["app"] = "web";
  web.spec.template_.spec.containers.push_back({.name = "main", .image = "any"});
  return web;
}

std::string ReadyOf(const Node& node) {
  for (const core::v1::NodeCondition& condition : node.status.conditions) {
    if (condition.type == "Ready") return condition.status.str();
  }
  return "";
}

Result<Node> WaitForReady(Cluster& cluster, std::string_view node, std::string_view ready) {
  return WaitFor<Node>(
      cluster.client(), cluster.env(), "", node, [ready](const Node& now) { return ReadyOf(now) == ready; },
      std::chrono::minutes(10));
}

Status WaitForWeb(Cluster& cluster, const std::function<bool(std::int32_t available)>& holds) {
  return WaitFor<apps::v1::Deployment>(
             cluster.client(), cluster.env(), "default", "web",
             [&holds](const apps::v1::Deployment& now) { return holds(now.status.availableReplicas); },
             std::chrono::minutes(20))
      .status();
}
Status WaitForAvailable(Cluster& cluster, std::int32_t replicas) {
  return WaitForWeb(cluster, [replicas](std::int32_t available) { return available == replicas; });
}

TEST_CASE("pods leave a node that dies, and its return is seen") {
  SimulatedEnv env;
  auto cluster = Cluster::Start(OnNodes(env, {"a", "b"}));
  REQUIRE(cluster.status().ToString() == "OK");
  Client& client = (*cluster)->client();
  REQUIRE(client.Create(Web(4)).status().ToString() == "OK");
  REQUIRE(WaitForAvailable(**cluster, 4).ToString() == "OK");

  SimulatedNodeControl* a = (*cluster)->simulated_node("a");
  REQUIRE(a != nullptr);
  CHECK((*cluster)->simulated_node("c") == nullptr);
  a->Kill();
  REQUIRE(WaitForReady(**cluster, "a", "Unknown").status().ToString() == "OK");
  REQUIRE(WaitForWeb(**cluster, [](std::int32_t available) { return available < 4; }).ToString() == "OK");
  REQUIRE(WaitForAvailable(**cluster, 4).ToString() == "OK");
  for (const Pod& pod : client.List<Pod>("default").value()) {
    if (!pod.metadata.deletionTimestamp) CHECK(pod.spec.nodeName == "b");
  }
  REQUIRE(a->Start().ToString() == "OK");
  CHECK(WaitForReady(**cluster, "a", "True").status().ToString() == "OK");
}

TEST_CASE("the endpoints of a service follow its pods") {
  SimulatedEnv env;
  auto cluster = Cluster::Start(OnNodes(env, {"a", "b"}));
  REQUIRE(cluster.status().ToString() == "OK");
  Client& client = (*cluster)->client();
  core::v1::Service service;
  service.metadata.name = "web";
  service.metadata.namespace_ = "default";
  service.spec.selector["app"] = "web";
  service.spec.ports.push_back({.port = 80});
  REQUIRE(client.Create(service).status().ToString() == "OK");
  REQUIRE(client.Create(Web(3)).status().ToString() == "OK");
  const auto with_addresses = [&](std::size_t count) {
    return WaitFor<core::v1::Endpoints>(client, env, "default", "web", [count](const core::v1::Endpoints& now) {
      return (now.subsets.empty() ? 0 : now.subsets[0].addresses.size()) == count;
    });
  };
  REQUIRE(with_addresses(3).status().ToString() == "OK");
  const auto slices = client.List<discovery::v1::EndpointSlice>("default", "kubernetes.io/service-name=web").value();
  REQUIRE(slices.size() == 1);
  CHECK(slices[0].endpoints.size() == 3);
  apps::v1::Deployment web = client.Get<apps::v1::Deployment>("default", "web").value();
  web.spec.replicas = 1;
  REQUIRE(client.Update(web).status().ToString() == "OK");
  CHECK(with_addresses(1).status().ToString() == "OK");
  REQUIRE(client.Delete<core::v1::Service>("default", "web").ok());
  CHECK(WaitUntilGone<core::v1::Endpoints>(client, env, "default", "web").ToString() == "OK");
  CHECK(WaitUntilGone<discovery::v1::EndpointSlice>(client, env, "default", slices[0].metadata.name).ToString() ==
        "OK");
}

TEST_CASE("the roles of users are filled in") {
  SimulatedEnv env;
  auto cluster = Cluster::Start(OnNodes(env, {}));
  REQUIRE(cluster.status().ToString() == "OK");
  for (const char* role : {"view", "edit", "admin"}) {
    CHECK(WaitFor<rbac::v1::ClusterRole>((*cluster)->client(), env, "", role,
                                         [](const rbac::v1::ClusterRole& now) { return !now.rules.empty(); })
              .status()
              .ToString() == "OK");
  }
}

TEST_CASE("a budget holds up an eviction until there are pods to spare") {
  SimulatedEnv env;
  auto cluster = Cluster::Start(OnNodes(env, {"a"}));
  REQUIRE(cluster.status().ToString() == "OK");
  Client& client = (*cluster)->client();
  policy::v1::PodDisruptionBudget budget;
  budget.metadata.name = "web";
  budget.metadata.namespace_ = "default";
  budget.spec.selector.Mutable().matchLabels["app"] = "web";
  budget.spec.maxUnavailable = IntOrString(1);
  REQUIRE(client.Create(budget).status().ToString() == "OK");
  REQUIRE(client.Create(Web(2)).status().ToString() == "OK");
  const auto allowed = [&](std::int32_t count) {
    return WaitFor<policy::v1::PodDisruptionBudget>(
               client, env, "default", "web",
               [count](const policy::v1::PodDisruptionBudget& now) { return now.status.disruptionsAllowed == count; })
        .status();
  };
  REQUIRE(allowed(1).ToString() == "OK");
  const auto evict = [&](const Pod& pod) {
    policy::v1::Eviction eviction;
    eviction.metadata.name = pod.metadata.name;
    eviction.metadata.namespace_ = "default";
    ApiRequest request = Client::NamedRequest<Pod>(Verb::kCreate, "default", pod.metadata.name);
    request.subresource = "eviction";
    request.object = Share(eviction);
    return client.DoSync(request).status();
  };
  const std::vector<Pod> pods = client.List<Pod>("default").value();
  REQUIRE(pods.size() == 2);
  CHECK(evict(pods[0]).ToString() == "OK");
  CHECK(evict(pods[1]).code() == Code::kTooManyRequests);
  REQUIRE(WaitUntilGone<Pod>(client, env, "default", pods[0].metadata.name).ToString() == "OK");
  REQUIRE(allowed(1).ToString() == "OK");  // its successor is ready
  CHECK(evict(pods[1]).ToString() == "OK");
}

TEST_CASE("a node that reboots starts its pods' containers again") {
  SimulatedEnv env;
  auto cluster = Cluster::Start(OnNodes(env, {"a"}));
  REQUIRE(cluster.status().ToString() == "OK");
  Client& client = (*cluster)->client();
  REQUIRE(client.Create(Web(1)).status().ToString() == "OK");
  REQUIRE(WaitForAvailable(**cluster, 1).ToString() == "OK");
  const std::string pod = client.List<Pod>("default").value().at(0).metadata.name.str();
  REQUIRE((*cluster)->simulated_node("a")->Reboot().ToString() == "OK");
  const auto restarted = WaitFor<Pod>(
      client, env, "default", pod,
      [](const Pod& now) {
        return now.status.containerStatuses.size() == 1 && now.status.containerStatuses[0].restartCount == 1 &&
               now.status.containerStatuses[0].ready;
      },
      std::chrono::minutes(10));
  CHECK(restarted.status().ToString() == "OK");
}

}  // namespace
}  // namespace minikube
