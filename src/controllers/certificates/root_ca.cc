// Publishes the certificate authority of the API server in every namespace, as ConfigMap kube-root-ca.crt, for pods to
// verify the server with.
#include "controllers/controllers.h"

namespace minikube::controllers {
namespace {

using core::v1::ConfigMap;
using core::v1::Namespace;

constexpr std::string_view kName = "kube-root-ca.crt";

}  // namespace

Plan ReconcileRootCa(const View& view, const Namespace& ns, std::string_view ca) {
  Plan plan;
  if (ns.metadata.deletionTimestamp) return plan;
  const ConfigMap* old = view.Get<ConfigMap>(ns.metadata.name, kName);
  ConfigMap map = old != nullptr ? *old : ConfigMap();
  map.metadata.name = kName;
  map.metadata.namespace_ = ns.metadata.name;
  map.metadata.annotations["kubernetes.io/description"] =
      "Certificate authority of the API server, for clients inside the cluster.";
  map.data.clear();
  map.data["ca.crt"] = ca;
  if (old == nullptr) {
    plan.Create(map).Ignore(Code::kAlreadyExists).Ignore(NamespaceTerminating);
  } else if (!DeepEqual(*old, map)) {
    plan.Update(map).Ignore(NamespaceTerminating);
  }
  return plan;
}

ControllerEntry RootCaPublisher(std::string ca) {
  return For<Namespace>("root-ca-cert-publisher")
      .Watches<ConfigMap>([](const View&, const ConfigMap& map, const Wake& wake) {
        if (map.metadata.name == kName) wake(NamespaceOf(map));
      })
      .Reconciles(
          [ca = std::move(ca)](const View& view, const Namespace& ns) { return ReconcileRootCa(view, ns, ca); });
}

}  // namespace minikube::controllers
