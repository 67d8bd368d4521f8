// Publishes the certificate authority of the API server in every namespace, as ConfigMap kube-root-ca.crt, for pods to
// verify the server with.
#include <utility>

#include "controllers/common.h"
#include "controllers/controllers.h"

namespace minikube::controllers {
namespace {

using core::v1::ConfigMap;
using core::v1::Namespace;

constexpr std::string_view kName = "kube-root-ca.crt";

class RootCaPublisher final : public Controller, public Reconciler {
 public:
  RootCaPublisher(const ControllerContext& context, std::string ca)
      : ca_(std::move(ca)),
        namespaces_(context.reader, Client::ResourceOf<Namespace>(), context.strand, context.env),
        maps_(context.reader, Client::ResourceOf<ConfigMap>(), context.strand, context.env,
              {.field_selector = "metadata.name=" + std::string(kName)}),
        loop_(context.client, context.strand, context.env, context.log, *this, {&namespaces_, &maps_},
              {.name = "root-ca-publisher"}) {
    namespaces_.AddHandler([this](const ObjectRef&, const ObjectRef& after) {
      if (after) loop_.Enqueue(ObjectKey::Of(*after));
    });
    maps_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      loop_.Enqueue(ObjectKey{Str(), (after ? after : before)->meta().namespace_});
    });
    namespaces_.Start();
    maps_.Start();
  }

  bool Idle() const override { return loop_.Idle(); }

  Plan Reconcile(const ObjectKey& key) override {
    const ObjectRef ns = namespaces_.Get(key);
    if (!ns || ns->meta().deletionTimestamp) return {};
    ConfigMap map;
    const ObjectRef old = maps_.Get(key.name, kName);
    if (old) map = old->As<ConfigMap>();
    const ConfigMap before = map;
    map.metadata.name = kName;
    map.metadata.namespace_ = key.name;
    map.metadata.annotations["kubernetes.io/description"] =
        "Certificate authority of the API server, for clients inside the cluster.";
    map.data.clear();
    map.data["ca.crt"] = ca_;
    if (old && DeepEqual(before, map)) return {};
    Plan plan;
    plan.writes.push_back(old ? UpdateRequest(map) : Client::RequestFor(Verb::kCreate, map));
    plan.tolerate = [](const ApiRequest&, const Status& status) {
      return status.code() == Code::kAlreadyExists || IsNamespaceTerminating(status);
    };
    return plan;
  }

 private:
  const std::string ca_;
  Informer namespaces_;
  Informer maps_;
  ReconcileLoop loop_;
};

}  // namespace

std::unique_ptr<Controller> NewRootCaPublisher(const ControllerContext& context, std::string ca) {
  return std::make_unique<RootCaPublisher>(context, std::move(ca));
}

}  // namespace minikube::controllers
