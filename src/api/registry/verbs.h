// What each verb means, on one snapshot of the world. Reads set attempt.answer; writes set
// attempt.effect, before, expected and next, and touch nothing else.
#pragma once

#include <string_view>

#include "api/registry/attempt.h"

namespace minikube::api {

std::string_view VerbName(Verb verb);
// Errors: kBadRequest.
Result<FieldValidation> FieldValidationOf(const ApiRequest& request);

// read.cc
Status Get(Attempt& attempt);
Status ListObjects(Attempt& attempt);
// create.cc
Status Create(Attempt& attempt);
// Fills in what the server owns of a new object's metadata.
Status StampNew(Attempt& attempt, Object& object);
// update.cc: update and patch, of objects and of subresources that show a part of them
Status Update(Attempt& attempt);
// Counts a change of what the user wants, and lets an object go whose last finalizer went.
void FinishUpdate(Attempt& attempt);
// remove.cc
Status Delete(Attempt& attempt);
// Turns the operation into the deletion of `current`, gracefully where the kind asks for it; fills effect and next.
Status DeriveDeletion(Attempt& attempt, const Entry& current);
// What is left of an object once it may go; called for every new state of a deleted object.
bool MayGo(const StoredKind& kind, const Object& object);
// delete_collection.cc: answers by itself, by running one deletion per object; never returns to the stages on success
Result<Flow> DeleteCollection(Attempt& attempt);

}  // namespace minikube::api
