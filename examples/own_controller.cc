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

// Level-triggered: looks at what is, and plans what is missing. What triggered it does not matter.
class QuotaController final : public mk::Controller, public mk::Reconciler {
 public:
  explicit QuotaController(mk::ControllerContext context)
      : namespaces_(context.client, mk::Client::ResourceOf<core::Namespace>(), context.strand, context.env),
        quotas_(context.client, mk::Client::ResourceOf<core::ResourceQuota>(), context.strand, context.env),
        loop_(context.client, context.strand, context.env, context.log, *this, {&namespaces_, &quotas_},
              {.name = "small-quota"}) {
    namespaces_.AddHandler([this](const mk::ObjectRef&, const mk::ObjectRef& now) {
      if (now) loop_.Enqueue({"", now->meta().name.str()});
    });
    quotas_.AddHandler([this](const mk::ObjectRef& before, const mk::ObjectRef& now) {
      loop_.Enqueue({"", (now ? now : before)->meta().namespace_.str()});
    });
    namespaces_.Start();
    quotas_.Start();
  }

  mk::Plan Reconcile(const mk::ObjectKey& key) override {
    mk::Plan plan;
    const mk::ObjectRef ns = namespaces_.Get(key);
    if (!ns || !quotas_.HasSynced() || quotas_.Get(key.name, "small")) return plan;
    const mk::Str* size = ns->meta().labels.Find("quota");
    if (size == nullptr || *size != "small" || ns->meta().deletionTimestamp) return plan;
    core::ResourceQuota quota;
    quota.metadata.name = "small";
    quota.metadata.namespace_ = key.name;
    quota.spec.hard["pods"] = "10";
    plan.writes.push_back(mk::Client::RequestFor(mk::Verb::kCreate, quota));
    return plan;
  }

  bool Idle() const override { return loop_.Idle(); }

 private:
  mk::Informer namespaces_;
  mk::Informer quotas_;
  mk::ReconcileLoop loop_;
};

}  // namespace

int main() {
  mk::ClusterOptions options;
  options.listen = "";
  options.extra_controllers.push_back(
      {"small-quota", [](mk::ControllerContext context) { return std::make_unique<QuotaController>(context); }});
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
