// deletecollection: one deletion per object that the selectors match, side by side; each passes all stages.
#include <atomic>
#include <mutex>

#include "api/registry/verbs.h"
#include "api/world/selection.h"

namespace minikube::api {

namespace {

// Gathers the answers; the last one answers the request.
struct Gathering {
  std::mutex mu;
  std::size_t open = 0;
  Status error;
  Revision revision = 0;
};

}  // namespace

Status DeleteCollection(Operation& op) {
  Result<Selection> selection = Selection::Of(*op.kind, op.request());
  if (!selection) return selection.status();
  std::vector<ObjectRef> doomed;
  const EntryMap& map = op.world->kinds[op.kind->index];
  const std::string& ns = op.request().ns;
  for (auto it = ns.empty() ? map.Begin() : map.LowerBound({ns, {}}); it; ++it) {
    if (!ns.empty() && !(it->object->meta().namespace_ == ns)) break;
    if (selection->Matches(*it->object)) doomed.push_back(it->object);
  }
  ApiResponse response;
  response.items = doomed;
  response.revision = op.world->revision;
  if (doomed.empty()) {
    op.Answer(std::move(response));
    return {};
  }

  auto gathering = std::make_shared<Gathering>();
  gathering->open = doomed.size();
  // From here on the gathering answers: the stages of this operation end.
  auto done = std::make_shared<Operation::Done>(std::move(op.done));
  op.done = nullptr;
  auto answer = std::make_shared<ApiResponse>(std::move(response));
  for (const ObjectRef& object : doomed) {
    RequestContext context;
    context.user = op.context.user;
    context.request = op.request();
    context.request.verb = Verb::kDelete;
    context.request.ns = object->meta().namespace_.str();
    context.request.name = object->meta().name.str();
    context.request.precondition_uid = object->meta().uid.str();
    context.request.label_selector.clear();
    context.request.field_selector.clear();
    auto one = std::make_shared<Operation>(op.core_holder, std::move(context), [=](Result<ApiResponse> result) {
      {
        std::lock_guard lock(gathering->mu);
        const Code code = result.status().code();
        // Gone already, or replaced by another of its name: not ours to delete any more.
        if (!result && code != Code::kNotFound && code != Code::kConflict && gathering->error.ok()) {
          gathering->error = result.status();
        }
        if (result) gathering->revision = std::max(gathering->revision, result->revision);
        if (--gathering->open != 0) return;
      }
      if (!gathering->error.ok()) return (*done)(gathering->error);
      answer->revision = std::max(answer->revision, gathering->revision);
      (*done)(std::move(*answer));
    });
    one->StartAuthorised();
  }
  return {};
}

}  // namespace minikube::api
