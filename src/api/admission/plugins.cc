#include "api/admission/plugins.h"

#include "api/admission/admission.h"

namespace minikube::api {

namespace {

class Plain final : public AdmissionPlugin {
 public:
  explicit Plain(const PlainPlugin& plugin) : plugin_(plugin) {}
  std::string_view name() const override { return plugin_.name; }
  bool Handles(const AdmissionTarget& target) const override { return plugin_.handles(target); }
  Result<Admitted> Mutate(AdmissionRequest& request) override { return Run(plugin_.mutate, request); }
  Result<Admitted> Validate(AdmissionRequest& request) override { return Run(plugin_.validate, request); }

 private:
  static Result<Admitted> Run(Status (*run)(Attempt&), AdmissionRequest& request) {
    if (run != nullptr) MINIKUBE_RETURN_IF_ERROR(run(AttemptOf(request)));
    return Admitted::kNow;
  }
  const PlainPlugin plugin_;
};

}  // namespace

std::shared_ptr<AdmissionPlugin> MakePlugin(const PlainPlugin& plugin) { return std::make_shared<Plain>(plugin); }

std::vector<std::shared_ptr<AdmissionPlugin>> PluginsBeforeHost(std::shared_ptr<AdmissionPlugin> pod_security) {
  std::vector<std::shared_ptr<AdmissionPlugin>> out;
  out.push_back(MakePlugin(kNamespaceLifecycle));
  out.push_back(NewLimitRanger());
  out.push_back(MakePlugin(kServiceAccount));
  out.push_back(NewNodeRestriction());
  out.push_back(MakePlugin(kTaintNodesByCondition));
  out.push_back(std::move(pod_security));
  out.push_back(MakePlugin(kPriority));
  out.push_back(MakePlugin(kDefaultTolerationSeconds));
  out.push_back(MakePlugin(kDefaultStorageClass));
  out.push_back(MakePlugin(kStorageObjectInUseProtection));
  out.push_back(MakePlugin(kPersistentVolumeClaimResize));
  out.push_back(MakePlugin(kRuntimeClass));
  out.push_back(MakePlugin(kCertificateApproval));
  out.push_back(MakePlugin(kCertificateSigning));
  out.push_back(MakePlugin(kClusterTrustBundleAttest));
  out.push_back(MakePlugin(kCertificateSubjectRestriction));
  out.push_back(MakePlugin(kDefaultIngressClass));
  out.push_back(MakePlugin(kRbacEscalation));  // a matter of the registry's in kube-apiserver
  return out;
}

std::vector<std::shared_ptr<AdmissionPlugin>> PluginsAfterHost() {
  return {NewMutatingPolicies(), NewMutatingWebhooks(), NewValidatingPolicies(), NewValidatingWebhooks(),
          NewResourceQuotas()};
}

}  // namespace minikube::api
