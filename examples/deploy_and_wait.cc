// A host that runs a cluster inside itself, deploys with the typed client and waits until the pods are available.
//
//   example_deploy_and_wait DATA_DIR IMAGE COMMAND...
//
// IMAGE must be in DATA_DIR's image store (`minikube image pack`). Needs root: the pods are real containers.
#include <cstdio>
#include <future>
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

// Returns when `wanted` replicas are available: an informer shows each change as it happens.
void WaitAvailable(mk::Cluster& cluster, int wanted) {
  std::promise<void> available;
  bool told = false;
  const std::unique_ptr<mk::Strand> strand = cluster.env().NewStrand("wait");
  mk::Informer deployments(cluster.client(), mk::Client::ResourceOf<Deployment>(), *strand, cluster.env(),
                           {.ns = "default", .field_selector = "metadata.name=web"});
  deployments.AddHandler([&](const mk::ObjectRef&, const mk::ObjectRef& now) {
    if (!now || told) return;
    const int count = now->As<Deployment>().status.availableReplicas;
    std::printf("%d of %d available\n", count, wanted);
    if (count < wanted) return;
    told = true;
    available.set_value();
  });
  strand->Post([&] { deployments.Start(); });
  available.get_future().wait();
  strand->Stop();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s DATA_DIR IMAGE COMMAND...\n", argv[0]);
    return 2;
  }
  mk::ClusterOptions options;
  options.data_dir = argv[1];
  options.agent = true;
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
  WaitAvailable(**cluster, 3);
  return client.Delete<Deployment>("default", "web").ok() ? 0 : 1;
}
