// Who has set which fields (metadata.managedFields): names for managers, and what a write does to the sets.
//
// A manager is what the request's fieldManager says, else the program that sent it: its User-Agent up to the first "/",
// and in this process what the client's user is. Fields that a write cannot change (its resets: the status, when the
// object itself is written) it does not come to own.
// Thread safety: as Operation.
#pragma once

#include <string>
#include <string_view>

#include "api/registry/attempt.h"
#include "model/apply.h"

namespace minikube::api {

// The manager that a User-Agent names: what is printable before the first "/", at most 128 bytes.
std::string ManagerOfUserAgent(std::string_view user_agent);
// The manager that a client in this process is: kubelet, kube-scheduler, ... as their programs are called elsewhere;
// the user's own name for anybody else.
std::string ManagerOfUser(const UserInfo& user);

// fieldManager and force of the request. Errors: kInvalid, of kind CreateOptions, UpdateOptions or PatchOptions.
Status CheckFieldManager(const ApiRequest& request);

// True if the request is an apply: its managedFields come with its result.
bool Applies(const Attempt& attempt);
// Who writes, for managedFields.
FieldManager ManagerOf(const Attempt& attempt);

// A stage: brings managedFields of attempt.next up to date with what the request itself sets, before admission adds to
// it.
Status ManageFields(Attempt& attempt);

}  // namespace minikube::api
