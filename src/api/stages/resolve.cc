#include "api/registry/verbs.h"
#include "api/reviews/reviews.h"
#include "api/stages/stages.h"
#include "api/subresources/subresources.h"
#include "api/wire/errors.h"

namespace minikube::api {

Status Resolve(Operation& op) {
  op.world = op.core.cache.snapshot();
  op.effect = Operation::Effect::kAnswer;
  op.before = nullptr;
  op.expected = 0;
  op.side_writes.clear();
  op.claims.clear();
  op.said = nullptr;
  const Verb verb = op.request().verb;

  if (op.core.registry.Find(op.resource()) == nullptr) {
    if (const VirtualResource* served = FindVirtualResource(op.resource())) return served->handle(op);
    return {Code::kNotImplemented, std::string(op.resource().plural) + " are not served"};
  }
  if (op.subresource != nullptr && verb == Verb::kCreate) {
    if (const SubresourceAction* action = FindAction(*op.kind, op.subresource->name)) return action->derive(op);
    return {Code::kNotImplemented, "the subresource " + std::string(op.subresource->name) + " is not served"};
  }
  switch (verb) {
    case Verb::kGet:
      return Get(op);
    case Verb::kList:
      return ListObjects(op);
    case Verb::kCreate:
      return Create(op);
    case Verb::kUpdate:
    case Verb::kPatch:
      return Update(op);
    case Verb::kDelete:
      return Delete(op);
    case Verb::kDeleteCollection:
      return DeleteCollection(op);
    case Verb::kWatch:
      break;
  }
  return {Code::kBadRequest, "a watch is not a request of this kind"};
}

}  // namespace minikube::api
