// A host that runs a cluster inside itself, deploys with the typed client and waits until the pods are available.
//
//   example_deploy_and_wait DATA_DIR IMAGE COMMAND...
//
// IMAGE must be in DATA_DIR's image store (`minikube image pack`). Needs root: the pods are real containers.
#include <cstdio>
#include <string>
#include <vector>

#include <minikube/minikube.h>

namespace mk = minikube;
using Deployment = mk::apps::v1::Deployment;

namespace {

Deployment Web(const std::string& image, const std::vector<std::string>& command) {
  mk::core::v1::Container container{.name = "web", .image = image};
  for (const std::string& word : command) container.command.push_back(word);

  Deployment web;
  web.metadata.name = "web";
  web.metadata.namespace_ = "default";
  web.spec.replicas = 3;
  web.spec.selector.Mutable().matchLabels["app"] = "web";
  web.spec.template_.metadata.labels["app"] = "web";
  web.spec.template_.spec.containers.push_back(container);
  return web;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s DATA_DIR IMAGE COMMAND...\n", argv[0]);
    return 2;
  }
  mk::ClusterOptions options;
  options.data_dir = argv[1];
  options.node.emplace();
  mk::Result<std::unique_ptr<mk::Cluster>> cluster = mk::Cluster::Start(std::move(options));
  if (!cluster) {
    std::fprintf(stderr, "%s\n", cluster.status().ToString().c_str());
    return 1;
  }
  std::printf("kubeconfig: %s\n", (*cluster)->kubeconfig().c_str());

  mk::Client& client = (*cluster)->client();
  if (mk::Result<Deployment> made = client.Create(Web(argv[2], {argv + 3, argv + argc})); !made) {
    std::fprintf(stderr, "%s\n", made.status().ToString().c_str());
    return 1;
  }
  const mk::Result<Deployment> available =
      mk::WaitFor<Deployment>(client, (*cluster)->env(), "default", "web", [](const Deployment& now) {
        std::printf("%d of 3 available\n", now.status.availableReplicas);
        return now.status.availableReplicas == 3;
      });
  if (!available) {
    std::fprintf(stderr, "%s\n", available.status().ToString().c_str());
    return 1;
  }
  return client.Delete<Deployment>("default", "web").ok() ? 0 : 1;
}
