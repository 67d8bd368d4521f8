// deletecollection: one deletion per object that the selectors match, a bounded number at once; each passes all stages.
#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "api/registry/verbs.h"
#include "api/wire/errors.h"
#include "api/world/selection.h"

namespace minikube::api {

namespace {

// So many deletions are under way at once: enough to fill the committer's batches, few beside the requests of others.
constexpr std::size_t kWindow = 256;

// The deletions of one request; the last one answers it.
class Collection : public std::enable_shared_from_this<Collection> {
 public:
  Collection(Attempt& attempt, ApiResponse answer)
      : core_(attempt.operation.core_holder),
        user_(attempt.user()),
        trail_(attempt.operation.context.trail),
        request_(attempt.request()),
        done_(attempt.operation.TakeOver()),
        answer_(std::move(answer)) {
    request_.verb = Verb::kDelete;
    request_.label_selector.clear();
    request_.field_selector.clear();
  }

  // Begins deletions until the window is full. One thread at a time does so: an answer that comes while one is at it,
  // perhaps from inside the very call that it made, leaves the next deletion to it.
  void Advance() {
    std::unique_lock lock(mu_);
    if (std::exchange(advancing_, true)) return;
    while (next_ < answer_.items.size() && open_ < kWindow) {
      const Object& object = *answer_.items[next_++];
      ++open_;
      lock.unlock();
      Begin(object.meta());
      lock.lock();
    }
    advancing_ = false;
    if (next_ < answer_.items.size() || open_ > 0 || !done_) return;
    Operation::Done done = std::exchange(done_, nullptr);
    lock.unlock();
    if (!error_.ok()) return done(std::move(error_));
    done(std::move(answer_));
  }

 private:
  void Begin(const meta::v1::ObjectMeta& meta) {
    RequestContext context;
    context.user = user_;
    context.trail = trail_;
    context.request = request_;
    context.request.ns = meta.namespace_.str();
    context.request.name = meta.name.str();
    context.request.precondition_uid = meta.uid.str();
    std::make_shared<Operation>(core_, std::move(context), [self = shared_from_this()](Result<ApiResponse> result) {
      self->Ended(result);
      self->Advance();
    })->StartAuthorised();
  }
  void Ended(const Result<ApiResponse>& result) {
    std::lock_guard lock(mu_);
    --open_;
    const Code code = result.status().code();
    // Gone already, or replaced by another of its name: not ours to delete any more.
    if (!result && code != Code::kNotFound && code != Code::kConflict && error_.ok()) error_ = result.status();
    if (result) answer_.revision = std::max(answer_.revision, result->revision);
  }

  const std::shared_ptr<Core> core_;
  const UserInfo user_;
  const std::shared_ptr<const AuditTrail> trail_;
  ApiRequest request_;  // of each deletion, but for the object's name
  std::mutex mu_;       // guards what follows
  Operation::Done done_;
  ApiResponse answer_;  // its items are what is deleted
  std::size_t next_ = 0;
  std::size_t open_ = 0;
  bool advancing_ = false;
  Status error_;
};

}  // namespace

Result<Flow> DeleteCollection(Attempt& attempt) {
  const std::string& ns = attempt.request().ns;
  // A collection is deleted inside one namespace only: a forgotten one must not empty the cluster.
  if (attempt.resource().namespaced && ns.empty()) return MethodNotAllowed();
  Result<Selection> selection = Selection::Of(*attempt.kind, attempt.request());
  if (!selection) return selection.status();
  const std::size_t limit = attempt.request().limit > 0 ? static_cast<std::size_t>(attempt.request().limit) : SIZE_MAX;
  ApiResponse response;
  response.revision = attempt.world->revision;
  Selected selected(attempt.world->kinds[attempt.kind->index], *selection);
  while (response.items.size() < limit) {
    const Entry* entry = selected.Next();
    if (entry == nullptr) break;
    response.items.push_back(entry->object);
  }
  if (response.items.empty()) {
    attempt.Answer(std::move(response));
    return Flow::kAnswered;
  }
  // From here on the collection answers: the stages of this operation end.
  std::make_shared<Collection>(attempt, std::move(response))->Advance();
  return Flow::kAnswered;
}

}  // namespace minikube::api
