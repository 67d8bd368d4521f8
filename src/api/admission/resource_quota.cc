// ResourceQuota: what a namespace may have of everything. Looks at what would be written when all others have agreed to
// it, and has it charged (quota_ledger.h). https://kubernetes.io/docs/concepts/policy/resource-quotas/
#include <mutex>
#include <utility>
#include <vector>

#include <minikube/api/core/v1.h>

#include "api/admission/admission.h"
#include "api/admission/plugins.h"
#include "api/admission/quota_ledger.h"
#include "api/registry/operation.h"

namespace minikube::api {

namespace {

using core::v1::Pod;
using core::v1::ResourceQuota;

bool EndsByItself(const Object& pod) { return pod.As<Pod>().spec.activeDeadlineSeconds.value_or(-1) >= 0; }

// The charge of a request: given back if the request comes to nothing, even if that was known before the charge was.
class Charged final : public Aftermath {
 public:
  Charged(std::shared_ptr<QuotaLedger> ledger, std::shared_ptr<Core> core, std::string ns)
      : ledger_(std::move(ledger)), core_(std::move(core)), ns_(std::move(ns)) {}

  void Set(QuotaCharge charge) {
    std::unique_lock lock(mu_);
    charge_ = std::move(charge);
    if (void_) TakeBack(std::move(lock));
  }
  void Ended(bool success) override {
    if (!success) Void();
  }
  void Void() {
    std::unique_lock lock(mu_);
    void_ = true;
    TakeBack(std::move(lock));
  }

 private:
  void TakeBack(std::unique_lock<std::mutex> lock) {
    QuotaCharge charge = std::exchange(charge_, {});
    lock.unlock();
    if (!charge.empty()) ledger_->GiveBack(core_, ns_, std::move(charge));
  }

  const std::shared_ptr<QuotaLedger> ledger_;
  const std::shared_ptr<Core> core_;
  const std::string ns_;
  std::mutex mu_;  // guards what follows
  QuotaCharge charge_;
  bool void_ = false;
};

class ResourceQuotas final : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "ResourceQuota"; }

  bool Handles(const AdmissionTarget& target) const override {
    if (!target.resource.namespaced || target.resource.plural == "events") return false;
    const bool create = target.operation == AdmissionOperation::kCreate;
    if (create) return target.subresource.empty();
    if (target.operation != AdmissionOperation::kUpdate) return false;
    if (IsResource(target, "", "pods")) return target.subresource.empty() || target.subresource == "resize";
    if (IsResource(target, "", "services")) return target.subresource.empty();
    return IsResource(target, "", "persistentvolumeclaims") &&
           (target.subresource.empty() || target.subresource == "status");
  }

  Result<Admitted> Validate(AdmissionRequest& request) override {
    std::vector<ResourceQuota> quotas;
    request.world().ForEach(Client::ResourceOf<ResourceQuota>(), request.ns(),
                            [&](const ObjectRef& quota) { quotas.push_back(quota->As<ResourceQuota>()); });
    if (quotas.empty() || request.object() == nullptr) return Admitted::kNow;
    const Object* before = request.old_object();
    const bool whole_pod = request.object()->TryAs<Pod>() != nullptr && request.subresource().empty();
    // What a pod counts is settled when it is made, unless it comes to end by itself (or not any more).
    if (whole_pod && before != nullptr && EndsByItself(*before) == EndsByItself(*request.object())) {
      return Admitted::kNow;
    }
    QuotaClaim claim;
    claim.subject = {request.resource().group, request.resource().plural};
    claim.object = ObjectPtr::Clone(*request.object()).Freeze();
    claim.usage = claim.growth = kube::UsageOf(claim.subject, *claim.object, request.now());
    claim.enforced = request.subresource() != "status";
    if (before != nullptr) {
      claim.before = ObjectPtr::Clone(*before).Freeze();
      Shrink(claim.growth, kube::UsageOf(claim.subject, *claim.before, request.now()));
    }
    // On the state that this attempt sees. The ledger judges again, on the newest: this saves the way there.
    const Result<QuotaCharge> charge = ChargeTo(quotas, claim);
    if (charge && charge->empty()) return Admitted::kNow;
    if (request.dry_run()) return charge ? Result<Admitted>(Admitted::kNow) : Refused(request, charge.status());
    Operation& operation = AttemptOf(request).operation;
    // An earlier attempt of the same request may have been charged.
    if (auto* earlier = dynamic_cast<Charged*>(operation.aftermath.get())) earlier->Void();
    auto owned = std::make_unique<Charged>(ledger_, operation.core_holder, std::string(request.ns()));
    Charged& charged = *owned;
    operation.aftermath = std::move(owned);
    ledger_->Charge(operation.core_holder, request.ns(), std::move(claim),
                    [&request, &charged, resume = request.Later()](Result<QuotaCharge> made) {
                      if (!made) return resume(Refused(request, made.status()));
                      charged.Set(*std::move(made));
                      resume(Status());
                    });
    return Admitted::kLater;
  }

 private:
  static Status Refused(const AdmissionRequest& request, const Status& why) {
    return why.code() == Code::kForbidden ? request.Forbid(why.message()) : why;
  }
  // Less what was counted before, but never below nothing.
  static void Shrink(kube::Amounts& amounts, const kube::Amounts& by) {
    kube::Amounts left;
    for (const auto& [name, quantity] : amounts) {
      const Quantity* less = by.Find(name.view());
      const Quantity rest = less != nullptr ? kube::Difference(quantity, *less) : quantity;
      if (!kube::IsNegative(rest)) left[name.view()] = rest;
    }
    amounts = std::move(left);
  }

  const std::shared_ptr<QuotaLedger> ledger_ = std::make_shared<QuotaLedger>();
};

}  // namespace

std::shared_ptr<AdmissionPlugin> NewResourceQuotas() { return std::make_shared<ResourceQuotas>(); }

}  // namespace minikube::api
