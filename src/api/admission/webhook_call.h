// Asking an admission webhook: AdmissionReview over HTTPS (admission.k8s.io/v1).
//
// Thread safety: any thread. Lifetime: calls in flight are cut off when it goes.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <minikube/admission.h>
#include <minikube/api/admissionregistration/v1.h>
#include <minikube/json.h>

#include "client/transport.h"

namespace minikube::api {

// What a webhook has answered.
struct WebhookAnswer {
  bool allowed = false;
  Status refused;     // if it is not
  std::string patch;  // JSON patch; "" = none
  std::vector<std::string> warnings;
  std::vector<std::pair<std::string, std::string>> annotations;
};

// One that could not be asked, or did not answer as it should, is an error: failurePolicy decides.
class WebhookCalls {
 public:
  // `review` is the request of an AdmissionReview with its objects, and a uid. Calls `done` once, on any thread.
  void Ask(std::string_view webhook, const admissionregistration::v1::WebhookClientConfig& config, Duration timeout,
           Json review, const ViewSource& world, Env& env, Function<void(Result<WebhookAnswer>)> done);

 private:
  struct Target {
    client::Kubeconfig server;
    std::string path;
    std::string shown;  // the URL as errors show it
  };
  static Result<Target> TargetOf(const admissionregistration::v1::WebhookClientConfig& config, const ViewSource& world);
  Result<std::shared_ptr<client::Transport>> TransportTo(const Target& target, Duration timeout, Env& env);

  std::mutex mu_;
  std::map<std::string, std::shared_ptr<client::Transport>> transports_;  // by server and timeout; guarded by mu_
};

}  // namespace minikube::api
