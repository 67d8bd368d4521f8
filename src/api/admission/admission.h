// Admission: what the cluster adds to a request (mutate) and what it refuses here and now (validate): the stages that
// run the plugins (include/minikube/admission.h), and how the built-in ones see a request.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <minikube/admission.h>

#include "api/admission/chain.h"
#include "api/registry/attempt.h"
#include "api/world/world_view.h"

namespace minikube::api {

// An attempt, as plugins see it.
class AttemptAdmission final : public AdmissionRequest, public AttemptPart {
 public:
  // `body_only`: nothing is stored, the request itself is the question.
  AttemptAdmission(Attempt& attempt, bool body_only);

  AdmissionOperation operation() const override { return operation_; }
  const ResourceDesc& resource() const override { return attempt_.resource(); }
  std::string_view subresource() const override { return attempt_.request().subresource; }
  std::string_view ns() const override { return attempt_.request().ns; }
  std::string_view name() const override;
  const UserInfo& user() const override { return attempt_.user(); }
  bool dry_run() const override { return attempt_.request().dry_run; }
  const Object* object() const override;
  Object& mutable_object() override;
  const Object* old_object() const override { return attempt_.before.get(); }
  const Object* body() const override { return attempt_.request().object.get(); }
  const ViewSource& world() const override { return view_; }
  WallTime now() const override;
  AccessDecision Authorize(const UserInfo& user, const Access& access) const override;
  void Warn(std::string text) override;
  void Annotate(std::string key, std::string value) override;
  Function<void(Status)> Later() override;

  Attempt& attempt() { return attempt_; }
  // A webhook or policy has changed the object: mutating plugins see it once more, so that what it brought is completed
  // too.
  void RunAgain() { again_ = true; }
  bool second_run() const { return second_run_; }

  std::unique_ptr<AttemptPart> of_policies;  // what MutatingAdmissionPolicy keeps from the first run to the second

 private:
  friend class PluginRun;

  Attempt& attempt_;
  const WorldView view_;
  const bool body_only_;
  const AdmissionOperation operation_;
  std::size_t next_ = 0;   // the plugin that is asked next
  bool mutating_ = false;  // the object may be changed now
  bool waits_ = false;     // somebody was given what Later gives
  bool again_ = false;
  bool second_run_ = false;  // of the mutating plugins
};

// The attempt behind a request: for plugins that are part of the server.
inline Attempt& AttemptOf(AdmissionRequest& request) { return static_cast<AttemptAdmission&>(request).attempt(); }

// The stages.
Result<Flow> AdmitMutate(Attempt& attempt);
Result<Flow> AdmitValidate(Attempt& attempt);
// For requests that are answered without anything being stored (reviews, tokens): before they are.
Result<Flow> AdmitQuestion(Attempt& attempt);

}  // namespace minikube::api
