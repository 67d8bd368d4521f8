// A host outside the tree, built against the installed package: a cluster in memory, one object in and out.
#include <cstdio>

#include <minikube/minikube.h>

namespace mk = minikube;

int main() {
  mk::Result<std::unique_ptr<mk::Cluster>> cluster = mk::Cluster::Start({.api_server = {.listen = ""}});
  if (!cluster) {
    std::fprintf(stderr, "%s\n", cluster.status().ToString().c_str());
    return 1;
  }
  mk::core::v1::ConfigMap map;
  map.metadata.name = "installed";
  map.metadata.namespace_ = "default";
  map.data["answer"] = "42";
  const auto made = (*cluster)->client().Create(map);
  if (!made) {
    std::fprintf(stderr, "%s\n", made.status().ToString().c_str());
    return 1;
  }
  std::printf("%s\n", made->data.Find("answer")->str().c_str());
  return 0;
}
