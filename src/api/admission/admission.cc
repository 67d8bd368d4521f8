#include "api/admission/admission.h"

#include <utility>

#include <fmt/format.h>

#include "api/registry/operation.h"
#include "api/wire/errors.h"

namespace minikube {

Status AdmissionRequest::Forbid(std::string_view why) const { return api::ForbiddenError(resource(), name(), why); }

Result<Admitted> AdmissionPlugin::Mutate(AdmissionRequest&) { return Admitted::kNow; }
Result<Admitted> AdmissionPlugin::Validate(AdmissionRequest&) { return Admitted::kNow; }

namespace api {

namespace {

AdmissionOperation OperationOf(const Attempt& attempt) {
  if (attempt.request().verb == Verb::kDelete) return AdmissionOperation::kDelete;
  // An action (binding, eviction, ...) is the creation of what the request brings.
  if (attempt.request().verb == Verb::kCreate) return AdmissionOperation::kCreate;
  return attempt.effect == Attempt::Effect::kCreate ? AdmissionOperation::kCreate : AdmissionOperation::kUpdate;
}

}  // namespace

AttemptAdmission::AttemptAdmission(Attempt& attempt, bool body_only)
    : attempt_(attempt), view_(attempt.world), body_only_(body_only), operation_(OperationOf(attempt)) {}

std::string_view AttemptAdmission::name() const {
  if (body_only_ || !attempt_.next || !attempt_.request().name.empty()) return attempt_.request().name;
  return attempt_.next->meta().name.view();
}

const Object* AttemptAdmission::object() const {
  return body_only_ || operation_ == AdmissionOperation::kDelete ? nullptr : attempt_.next.get();
}

Object& AttemptAdmission::mutable_object() {
  if (!mutating_ || object() == nullptr) {
    DieOnBadResult(Status(Code::kInternal, "an admission plugin changes an object where it may not"));
  }
  return *attempt_.next;
}

WallTime AttemptAdmission::now() const { return attempt_.core.env.clock().Now(); }

AccessDecision AttemptAdmission::Authorize(const UserInfo& user, const Access& access) const {
  return attempt_.core.authorization.Decide(*attempt_.world, user, access);
}

void AttemptAdmission::Warn(std::string text) { attempt_.warnings.push_back(std::move(text)); }

void AttemptAdmission::Annotate(std::string key, std::string value) {
  attempt_.audit.emplace_back(std::move(key), std::move(value));
}

Function<void(Status)> AttemptAdmission::Later() {
  waits_ = true;
  return [resume = attempt_.operation.Later()](Status status) {
    resume(status.ok() ? Result<Flow>(Flow::kAgain) : Result<Flow>(std::move(status)));
  };
}

// One stage: asks one plugin after the other, and goes on after the one that it has waited for.
class PluginRun {
  // At the end of the mutating plugins: whether they are to run once more; from the first on, then.
  static bool StartsAgain(AttemptAdmission& request) {
    if (!request.mutating_ || !request.again_ || request.second_run_) return false;
    request.second_run_ = true;
    request.next_ = 0;
    return true;
  }

 public:
  using Ask = Result<Admitted> (AdmissionPlugin::*)(AdmissionRequest&);

  static Result<Flow> Advance(Attempt& attempt, bool body_only, bool mutating, Ask ask) {
    if (attempt.core.admission == nullptr) return Flow::kNext;
    if (attempt.admission == nullptr) attempt.admission = std::make_unique<AttemptAdmission>(attempt, body_only);
    auto& request = static_cast<AttemptAdmission&>(*attempt.admission);
    request.mutating_ = mutating;
    const std::string_view subresource =
        attempt.subresource != nullptr ? attempt.subresource->name : std::string_view();
    const auto plugins = attempt.core.admission->For({request.operation_, attempt.resource(), subresource});
    while (request.next_ < plugins.size() || StartsAgain(request)) {
      AdmissionPlugin& plugin = *plugins[request.next_++];
      request.waits_ = false;
      const Result<Admitted> said = (plugin.*ask)(request);
      if (!said) return said.status();
      if (*said == Admitted::kNow) continue;
      if (request.waits_) return Flow::kLater;
      return Status(Code::kInternal, fmt::format("admission plugin {} waits for nobody", plugin.name()));
    }
    request.next_ = 0;
    return Flow::kNext;
  }
};

Result<Flow> AdmitMutate(Attempt& attempt) {
  return PluginRun::Advance(attempt, false, true, &AdmissionPlugin::Mutate);
}

Result<Flow> AdmitValidate(Attempt& attempt) {
  return PluginRun::Advance(attempt, false, false, &AdmissionPlugin::Validate);
}

Result<Flow> AdmitQuestion(Attempt& attempt) {
  return PluginRun::Advance(attempt, true, false, &AdmissionPlugin::Validate);
}

}  // namespace api
}  // namespace minikube
