// A host that adds a controller of its own: every Namespace labelled `quota=small` gets a ResourceQuota, and keeps it.
//
//   example_own_controller
//
// State is in memory and no pod runs: this is also how an operator is tested against a whole control plane. If its pods
// are to become ready, ClusterOptions::simulated_nodes gives them nodes.
#include <cstdio>
#include <memory>

#include <minikube/minikube.h>

namespace mk = minikube;
namespace core = minikube::core::v1;

namespace {

// Looks at what is, and plans what is missing. What triggered it does not matter.
mk::Plan GiveQuota(const mk::View& view, const core::Namespace& ns) {
  mk::Plan plan;
  const mk::Str* size = ns.metadata.labels.Find("quota");
  if (size == nullptr || !(*size == "small") || ns.metadata.deletionTimestamp) return plan;
  if (view.Get<core::ResourceQuota>(ns.metadata.name, "small") != nullptr) return plan;
  core::ResourceQuota quota;
  quota.metadata.name = "small";
  quota.metadata.namespace_ = ns.metadata.name;
  quota.spec.hard["pods"] = "10";
  plan.Create(quota).Event("QuotaMade", "Made the quota {}").Ignore(mk::NamespaceTerminating);
  return plan;
}

}  // namespace

int main() {
  mk::ClusterOptions options;
  options.api_server.listen = "";
  options.extra_controllers.push_back({mk::For<core::Namespace>("small-quota")
                                           .Watches<core::ResourceQuota>(&mk::NamespaceOf<core::ResourceQuota>)
                                           .Reconciles(&GiveQuota)});
  mk::Result<std::unique_ptr<mk::Cluster>> cluster = mk::Cluster::Start(std::move(options));
  if (!cluster) {
    std::fprintf(stderr, "%s\n", cluster.status().ToString().c_str());
    return 1;
  }

  core::Namespace ns;
  ns.metadata.name = "team-a";
  ns.metadata.labels["quota"] = "small";
  if (auto made = (*cluster)->client().Create(ns); !made) {
    std::fprintf(stderr, "%s\n", made.status().ToString().c_str());
    return 1;
  }
  // The host sees the quota appear as any client would.
  const auto appeared = mk::WaitFor<core::ResourceQuota>((*cluster)->client(), (*cluster)->env(), "team-a", "small",
                                                         [](const core::ResourceQuota&) { return true; });
  if (!appeared) {
    std::fprintf(stderr, "%s\n", appeared.status().ToString().c_str());
    return 1;
  }
  std::printf("team-a has its quota\n");
  return 0;
}
