// Nodes that run nothing, in a host's cluster: pods become ready on them and end as they are told.
#include <catch2/catch.hpp>

#include <minikube/minikube.h>
#include <minikube/scheduler_framework.h>

namespace minikube {
namespace {

using core::v1::Node;
using core::v1::Pod;

ClusterOptions WithNodes(int count) {
  ClusterOptions options;
  options.api_server.listen = "";
  for (int i = 0; i < count; ++i) {
    SimulatedNode node;
    node.node.node_name = "node-" + std::to_string(i);
    node.node.capacity = {{"cpu", "2"}};
    node.behavior.pull = {};
    options.simulated_nodes.push_back(std::move(node));
  }
  return options;
}

Pod MakePod(std::string_view name) {
  Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = "default";
  pod.spec.containers.push_back({.name = "main", .image = "any"});
  return pod;
}

TEST_CASE("a deployment becomes available on simulated nodes") {
  auto cluster = Cluster::Start(WithNodes(2));
  REQUIRE(cluster.status().ToString() == "OK");
  apps::v1::Deployment web;
  web.metadata.name = "web";
  web.metadata.namespace_ = "default";
  web.spec.replicas = 3;
  web.spec.selector.Mutable().matchLabels["app"] = "web";
  web.spec.template_.metadata.labels["app"] = "web";
  web.spec.template_.spec.containers.push_back({.name = "main", .image = "any"});
  Client& client = (*cluster)->client();
  REQUIRE(client.Create(web).status().ToString() == "OK");
  const auto available =
      WaitFor<apps::v1::Deployment>(client, (*cluster)->env(), "default", "web",
                                    [](const apps::v1::Deployment& now) { return now.status.availableReplicas == 3; });
  CHECK(available.status().ToString() == "OK");
  const std::vector<Node> nodes = client.List<Node>("").value();
  REQUIRE(nodes.size() == 2);
  CHECK(nodes[0].status.capacity.Find("cpu")->text == "2");
}

TEST_CASE("pods on simulated nodes end as they are told") {
  ClusterOptions options = WithNodes(1);
  options.simulated_nodes[0].behavior.behavior = [](const ContainerConfig&) {
    return SimulatedBehavior{.run_for = Duration(std::chrono::milliseconds(1)), .exit_code = 3};
  };
  auto cluster = Cluster::Start(std::move(options));
  REQUIRE(cluster.status().ToString() == "OK");
  Pod pod = MakePod("once");
  pod.spec.restartPolicy = "Never";
  REQUIRE((*cluster)->client().Create(pod).status().ToString() == "OK");
  const Result<Pod> ended = WaitFor<Pod>((*cluster)->client(), (*cluster)->env(), "default", "once",
                                         [](const Pod& now) { return now.status.phase == "Failed"; });
  REQUIRE(ended.status().ToString() == "OK");
  CHECK(ended->status.containerStatuses[0].state.terminated->exitCode == 3);
}

// Lets no pod on node-0.
class NotTheFirst final : public scheduler::Plugin {
 public:
  std::string_view name() const override { return "NotTheFirst"; }
  std::uint32_t Events() const override { return scheduler::kNodeAdded; }
  bool Filters(const scheduler::PodInfo&, const scheduler::PluginState*) const override { return true; }
  void Filter(const scheduler::PluginState*, const scheduler::PodInfo&, const scheduler::NodeTable& table,
              std::span<const scheduler::NodeIndex> rows, std::span<scheduler::Verdict> verdicts) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const ObjectRef& node = table.columns().object[rows[i]];
      if (node && node->meta().name == "node-0") verdicts[i] = 1;
    }
  }
};

TEST_CASE("a host's scheduler plugin has its say") {
  scheduler::PluginRegistry plugins;
  plugins.Add(std::make_unique<NotTheFirst>());
  ClusterOptions options = WithNodes(2);
  options.scheduler->plugins = &plugins;
  auto cluster = Cluster::Start(std::move(options));
  REQUIRE(cluster.status().ToString() == "OK");
  for (const std::string name : {"a", "b", "c"}) {
    REQUIRE((*cluster)->client().Create(MakePod(name)).status().ToString() == "OK");
    const Result<Pod> bound = WaitFor<Pod>((*cluster)->client(), (*cluster)->env(), "default", name,
                                           [](const Pod& now) { return !now.spec.nodeName.empty(); });
    REQUIRE(bound.status().ToString() == "OK");
    CHECK(bound->spec.nodeName == "node-1");
  }
}

TEST_CASE("simulated nodes have names of their own") {
  ClusterOptions options = WithNodes(2);
  options.simulated_nodes[1].node.node_name = "node-0";
  CHECK(Cluster::Start(options).status().message() == "there are two nodes of the name node-0");
  options.simulated_nodes[1].node.node_name = "";
  CHECK(Cluster::Start(options).status().message() == "a simulated node needs a name");
}

}  // namespace
}  // namespace minikube
