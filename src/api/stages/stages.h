// The stages that every request passes, in order, whether it came over HTTPS or from a client in this process. HTTPS
// requests are authenticated before (authenticate.h); a client in process is made for one user.
#pragma once

#include "api/registry/attempt.h"

namespace minikube::api {

//   authorise       may this user do this to this resource?
//   decode          bytes to objects, names to descriptors
//   admit, question may it be asked, here and now? (reviews, tokens: nothing is stored)
//   resolve         snapshot of the world; reads are answered; writes derive the object's next state
//   default         what the API fills in
//   manage fields   who has set what of it
//   admit, mutate   what the cluster adds to it
//   prepare         what users do not set, and what there is one of only
//   validate        is it well-formed?
//   admit, validate may it be, here and now?
//   store           commit; answers once it is durable
StageList Stages();

// The authorise stage, for requests and for watches. Errors: kForbidden, in Kubernetes' words.
// `because`, if not null, is told who allowed it.
Status AuthoriseRequest(const Core& core, const RequestContext& context, std::string* because = nullptr);

// resolve.cc: the resolve stage.
Result<Flow> Resolve(Attempt& attempt);

}  // namespace minikube::api
