// ComponentStatus: the health of the parts of the control plane. Deprecated, but asked for by habit (kubectl get cs).
// The store is the only part that the API server knows; /readyz and /livez are where health is told in full.
#include <minikube/api/core/v1.h>
#include <minikube/selector.h>

#include "api/reviews/reviews.h"
#include "api/wire/errors.h"
#include "model/field_path.h"

namespace minikube::api {

namespace {

using core::v1::ComponentStatus;

ComponentStatus HealthOfStore(const Store& store) {
  ComponentStatus out;
  out.metadata.name = "etcd-0";
  core::v1::ComponentCondition healthy;
  healthy.type = "Healthy";
  const std::string failure = store.status().failure;
  healthy.status = failure.empty() ? "True" : "False";
  healthy.message = failure.empty() ? "ok" : failure;
  out.conditions.push_back(std::move(healthy));
  return out;
}

}  // namespace

Status ShowComponentStatus(Attempt& attempt) {
  const ApiRequest& request = attempt.request();
  ObjectRef store = Share(HealthOfStore(attempt.core.store));
  ApiResponse response;
  response.revision = attempt.world->revision;
  attempt.warnings.emplace_back("v1 ComponentStatus is deprecated in v1.19+");
  if (request.verb == Verb::kGet) {
    if (!(store->meta().name == request.name)) return NotFoundError(attempt.resource(), request.name);
    response.object = std::move(store);
  } else {
    Result<LabelSelector> labels = LabelSelector::Parse(request.label_selector);
    if (!labels) return labels.status();
    Result<FieldSelector> fields = FieldSelector::Parse(request.field_selector);
    if (!fields) return fields.status();
    Result<FieldMatcher> matcher = FieldMatcher::Compile(*fields, attempt.message());
    if (!matcher) return matcher.status();
    if (labels->Matches(store->meta().labels) && matcher->Matches(*store)) response.items.push_back(std::move(store));
  }
  attempt.Answer(std::move(response));
  return {};
}

}  // namespace minikube::api
