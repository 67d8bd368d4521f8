// The stages that every request passes, in order, whether it came over HTTPS or from a client in this process. HTTPS
// requests are authenticated before (authenticate.h); a client in process is made for one user.
#pragma once

#include <span>
#include <string_view>

#include "api/operation.h"

namespace minikube::api {

struct Stage {
  std::string_view name;
  // May set operation.answer, which ends the journey early.
  Status (*run)(Operation& operation);
};

//   authorise       may this user do this to this resource?
//   decode          bytes to objects, names to descriptors
//   resolve         snapshot of the world; reads are answered; writes derive the object's next state
//   admit, mutate   what the cluster adds to it
//   default         what the API fills in
//   validate        is it well-formed?
//   admit, validate may it be, here and now?
//   store           commit; answers once it is durable
std::span<const Stage> Stages();

// The first stage that is repeated when an optimistic lock failed.
std::size_t FirstRepeatedStage();

}  // namespace minikube::api
