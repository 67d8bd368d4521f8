#include "api/admission/mutation.h"

#include <minikube/custom_object.h>

#include "api/world/catalogue.h"
#include "api/world/served.h"
#include "model/defaulting.h"
#include "structural/structural_schema.h"

namespace minikube::api {

Result<bool> TakeMutated(AdmissionRequest& request, const Object& mutated) {
  Attempt& attempt = AttemptOf(request);
  Result<ObjectPtr> next = CopyAs(mutated, *attempt.kind->message);
  if (!next) return next.status();
  const Strategy& strategy = attempt.kind->strategy;
  if (strategy.defaults != nullptr) strategy.defaults(**next, attempt.before.get());
  ApplyDefaults(*attempt.kind->message, (*next)->mutable_data());
  if (const StructuralSchema* schema = attempt.world->catalogue->SchemaOf(attempt.resource())) {
    Json& rest = AsCustomObject(**next)->rest;
    schema->Prune(rest);
    schema->Default(rest);
  }
  const bool changed = !Equal(**next, *attempt.next);
  if (changed) static_cast<AttemptAdmission&>(request).RunAgain();
  attempt.next = *std::move(next);
  return changed;
}

}  // namespace minikube::api
