// Gives every namespace its service account `default`.
#include "controllers/controllers.h"

namespace minikube::controllers {
namespace {

using core::v1::Namespace;
using core::v1::ServiceAccount;

constexpr std::string_view kName = "default";

}  // namespace

Plan ReconcileDefaultAccount(const View& view, const Namespace& ns) {
  Plan plan;
  if (ns.metadata.deletionTimestamp || view.Get<ServiceAccount>(ns.metadata.name, kName) != nullptr) return plan;
  ServiceAccount account;
  account.metadata.name = kName;
  account.metadata.namespace_ = ns.metadata.name;
  plan.Create(account).Ignore(Code::kAlreadyExists).Ignore(NamespaceTerminating);
  return plan;
}

ControllerEntry ServiceAccountController() {
  return For<Namespace>("service-account-controller")
      .Watches<ServiceAccount>(&NamespaceOf<ServiceAccount>)
      .Reconciles(&ReconcileDefaultAccount);
}

}  // namespace minikube::controllers
