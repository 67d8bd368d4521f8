// The whole test of an operator, in virtual time: its pods become ready, a node dies, five minutes pass, and the pods
// are elsewhere. Nothing is waited for in real time, and one seed is one history.
//
//   example_operator_test
#include <cstdio>
#include <cstdlib>
#include <string>

#include <minikube/minikube.h>
#include <minikube/simulated_env.h>

namespace mk = minikube;
namespace apps = minikube::apps::v1;
namespace core = minikube::core::v1;

namespace {

// The operator: for every ConfigMap labelled `site` there is a Deployment that serves it.
mk::Plan Serve(const mk::View& view, const core::ConfigMap& site) {
  mk::Plan plan;
  if (site.metadata.labels.Find("site") == nullptr || site.metadata.deletionTimestamp) return plan;
  if (view.Get<apps::Deployment>(site.metadata.namespace_, site.metadata.name) != nullptr) return plan;
  apps::Deployment server;
  server.metadata.name = site.metadata.name;
  server.metadata.namespace_ = site.metadata.namespace_;
  server.spec.replicas = 3;
  server.spec.selector.Mutable().matchLabels["site"] = site.metadata.name;
  server.spec.template_.metadata.labels["site"] = site.metadata.name;
  server.spec.template_.spec.containers.push_back({.name = "httpd", .image = "httpd:2"});
  plan.Create(server).Event("Served", "Made the Deployment {}").Ignore(mk::NamespaceTerminating);
  return plan;
}

void Require(const mk::Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  std::abort();
}

}  // namespace

int main() {
  mk::SimulatedEnv env(1);
  mk::ClusterOptions options;
  options.env = &env;
  options.api_server.listen = "";
  options.simulated_nodes = {{.node = {.node_name = "a"}}, {.node = {.node_name = "b"}}};
  options.extra_controllers.push_back({mk::For<core::ConfigMap>("site-operator")
                                           .Watches<apps::Deployment>(&mk::KeyOf<apps::Deployment>)
                                           .Reconciles(&Serve)});
  auto cluster = mk::Cluster::Start(std::move(options));
  Require(cluster.status(), "start");
  mk::Client& client = (*cluster)->client();

  core::ConfigMap site;
  site.metadata.name = "blog";
  site.metadata.namespace_ = "default";
  site.metadata.labels["site"] = "yes";
  Require(client.Create(site).status(), "create the site");
  const auto all_available = [](const apps::Deployment& now) { return now.status.availableReplicas == 3; };
  Require(mk::WaitFor<apps::Deployment>(client, env, "default", "blog", all_available).status(), "pods become ready");

  // The node is missed after 40 seconds, and its pods are given up after five more minutes.
  const mk::WallTime died = env.clock().Now();
  (*cluster)->simulated_node("a")->Kill();
  const auto some_missing = [](const apps::Deployment& now) { return now.status.availableReplicas < 3; };
  Require(
      mk::WaitFor<apps::Deployment>(client, env, "default", "blog", some_missing, std::chrono::minutes(10)).status(),
      "the dead node is missed");
  Require(
      mk::WaitFor<apps::Deployment>(client, env, "default", "blog", all_available, std::chrono::minutes(20)).status(),
      "pods are made elsewhere");
  for (const core::Pod& pod : client.List<core::Pod>("default", "site=blog").value()) {
    if (pod.metadata.deletionTimestamp || pod.spec.nodeName == "b") continue;
    std::fprintf(stderr, "%s is still on %s\n", pod.metadata.name.str().c_str(), pod.spec.nodeName.str().c_str());
    return 1;
  }
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(env.clock().Now() - died);
  std::printf("all pods on b, %lld seconds after a died\n", static_cast<long long>(passed.count()));
  return 0;
}
