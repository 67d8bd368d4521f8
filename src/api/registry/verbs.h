// What each verb means, on one snapshot of the world. Reads set operation.answer; writes set
// operation.effect, before, expected and next, and touch nothing else.
#pragma once

#include <string_view>

#include "api/registry/operation.h"

namespace minikube::api {

std::string_view VerbName(Verb verb);
// Errors: kBadRequest.
Result<FieldValidation> FieldValidationOf(const ApiRequest& request);

// read.cc
Status Get(Operation& op);
Status ListObjects(Operation& op);
// create.cc
Status Create(Operation& op);
// Fills in what the server owns of a new object's metadata.
Status StampNew(Operation& op, Object& object);
// update.cc: update and patch, of objects and of subresources that show a part of them
Status Update(Operation& op);
// Counts a change of what the user wants, and lets an object go whose last finalizer went.
void FinishUpdate(Operation& op);
// remove.cc
Status Delete(Operation& op);
// Turns the operation into the deletion of `current`, gracefully where the kind asks for it; fills effect and next.
Status DeriveDeletion(Operation& op, const Entry& current);
// What is left of an object once it may go; called for every new state of a deleted object.
bool MayGo(const StoredKind& kind, const Object& object);
// delete_collection.cc: answers by itself, by running one deletion per object; never returns to the stages on success
Status DeleteCollection(Operation& op);

}  // namespace minikube::api
