#include "api/registry/verbs.h"
#include "api/reviews/reviews.h"
#include "api/stages/stages.h"
#include "api/subresources/subresources.h"
#include "api/wire/errors.h"

namespace minikube::api {

namespace {

Status ResolveVerb(Attempt& attempt) {
  const Verb verb = attempt.request().verb;
  if (attempt.kind == nullptr) {
    if (const VirtualResource* served = FindVirtualResource(attempt.resource())) return served->handle(attempt);
    return {Code::kNotImplemented, std::string(attempt.resource().plural) + " are not served"};
  }
  // A kind that was defined at run time may have gone since the request was decoded, or be stored in another version.
  if (attempt.kind->custom) {
    attempt.kind = attempt.world->catalogue->Find(attempt.resource());
    if (attempt.kind == nullptr) return NoSuchResource();
  }
  if (attempt.subresource != nullptr && verb == Verb::kCreate) {
    if (const SubresourceAction* action = FindAction(*attempt.kind, attempt.subresource->name))
      return action->derive(attempt);
    return {Code::kNotImplemented, "the subresource " + std::string(attempt.subresource->name) + " is not served"};
  }
  switch (verb) {
    case Verb::kGet:
      return Get(attempt);
    case Verb::kList:
      return ListObjects(attempt);
    case Verb::kCreate:
      return Create(attempt);
    case Verb::kUpdate:
    case Verb::kPatch:
      return Update(attempt);
    case Verb::kDelete:
      return Delete(attempt);
    case Verb::kDeleteCollection:
    case Verb::kWatch:
      break;
  }
  return {Code::kBadRequest, "a watch is not a request of this kind"};
}

}  // namespace

Result<Flow> Resolve(Attempt& attempt) {
  if (attempt.request().verb == Verb::kDeleteCollection) return DeleteCollection(attempt);
  MINIKUBE_RETURN_IF_ERROR(ResolveVerb(attempt));
  return attempt.answer ? Flow::kAnswered : Flow::kNext;
}

}  // namespace minikube::api
