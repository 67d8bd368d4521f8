// What expressions and webhooks see of a request: its objects as JSON, in the version that they ask for.
//
// Thread safety: one thread at a time. Lifetime: the request's; values borrow from the views.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include <minikube/admission.h>
#include <minikube/json.h>

#include "cel/value.h"

namespace minikube::api {

class RequestViews {
 public:
  explicit RequestViews(const AdmissionRequest& request) : request_(request) {}
  RequestViews(const RequestViews&) = delete;
  RequestViews& operator=(const RequestViews&) = delete;

  struct Objects {
    Json object;      // null: deleted; of an action or a review what the request brings
    Json old_object;  // null: created
    Json request;     // admission.k8s.io/v1 AdmissionRequest without its objects
  };
  // In that version. Errors: of the conversion.
  Result<const Objects*> In(const ResourceDesc& as);
  // The values of the variables of PolicyExpressions, but for `variables`; `params` outlives them.
  Result<std::vector<cel::Value>> Values(const ResourceDesc& as, const Json& params);

 private:
  const AdmissionRequest& request_;
  std::map<const ResourceDesc*, Objects> objects_;
  std::optional<Json> namespace_;
  cel::Value authorizer_;
  cel::Value request_resource_;
};

// An object as JSON, in the version of that resource; null for null.
Result<Json> ShownAs(const Object* object, const ResourceDesc& as);

}  // namespace minikube::api
