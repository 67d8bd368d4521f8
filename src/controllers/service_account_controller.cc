// Gives every namespace its service account `default`.
#include "controllers/common.h"
#include "controllers/controllers.h"

namespace minikube::controllers {
namespace {

using core::v1::Namespace;
using core::v1::ServiceAccount;

constexpr std::string_view kName = "default";

class ServiceAccountController final : public Controller, public Reconciler {
 public:
  explicit ServiceAccountController(const ControllerContext& context)
      : namespaces_(context.reader, Client::ResourceOf<Namespace>(), context.strand, context.env),
        accounts_(context.reader, Client::ResourceOf<ServiceAccount>(), context.strand, context.env),
        loop_(context.client, context.strand, context.env, context.log, *this, {&namespaces_, &accounts_},
              {.name = "service-account"}) {
    namespaces_.AddHandler([this](const ObjectRef&, const ObjectRef& after) {
      if (after) loop_.Enqueue(ObjectKey::Of(*after));
    });
    accounts_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      if (!after && before->meta().name == kName) loop_.Enqueue(ObjectKey{Str(), before->meta().namespace_});
    });
    namespaces_.Start();
    accounts_.Start();
  }

  bool Idle() const override { return loop_.Idle(); }

  Plan Reconcile(const ObjectKey& key) override {
    const ObjectRef ns = namespaces_.Get(key);
    if (!ns || ns->meta().deletionTimestamp || accounts_.Get(key.name, kName)) return {};
    ServiceAccount account;
    account.metadata.name = kName;
    account.metadata.namespace_ = key.name;
    Plan plan;
    plan.writes.push_back(Client::RequestFor(Verb::kCreate, account));
    plan.tolerate = [](const ApiRequest&, const Status& status) {
      return status.code() == Code::kAlreadyExists || IsNamespaceTerminating(status);
    };
    return plan;
  }

 private:
  Informer namespaces_;
  Informer accounts_;
  ReconcileLoop loop_;
};

}  // namespace

std::unique_ptr<Controller> NewServiceAccountController(const ControllerContext& context) {
  return std::make_unique<ServiceAccountController>(context);
}

}  // namespace minikube::controllers
