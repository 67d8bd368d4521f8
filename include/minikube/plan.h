// Plan: what a reconciler wants done, as data.
//
//   Plan plan;
//   plan.Create(pod).Event("SuccessfulCreate", "Created pod: {}").Ignore(NamespaceTerminating);
//   plan.Delete(old).IgnoreGone();
//   plan.Status(replica_set, next);
//   return plan;
//
// A Plan performs nothing: a ReconcileLoop does, in the order and with the care that the plan asks for, and tells the
// next run of the key what became of it (LastRun). So a test of a reconciler is a table of views and plans.
// Thread safety: a value; none of its own.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/client.h>
#include <minikube/codec.h>

namespace minikube {

// Says of an error that it is as good as success: nothing is left to do, and nobody need hear of it.
using Expected = bool (*)(const Status&);
// The namespace is going: nothing can be made in it, and trying again is in vain.
bool NamespaceTerminating(const Status& status);

// What kubectl describe shows about an object.
struct PlannedEvent {
  std::string type;  // Normal or Warning
  std::string reason;
  std::string message;
};

// One request of a Plan, a write mostly, and what its end means.
struct Step {
  ApiRequest request;
  std::optional<PlannedEvent> on_success;  // "{}" in the message stands for the name of the object
  std::optional<PlannedEvent> on_failure;  // "{}" stands for what the server said; not for errors that are ignored
  ObjectRef about;                         // of the events; null = the plan's subject
  std::vector<Expected> ignored;
  std::vector<Code> ignored_codes;

  // Recorded when the request has succeeded.
  Step& Event(std::string_view reason, std::string message) {
    on_success = PlannedEvent{"Normal", std::string(reason), std::move(message)};
    return *this;
  }
  // Recorded when it has failed.
  Step& Warning(std::string_view reason, std::string message) {
    on_failure = PlannedEvent{"Warning", std::string(reason), std::move(message)};
    return *this;
  }
  // The events of this write are about another object than the plan's.
  template <typename T>
  Step& About(const T& object) {
    about = Share(object);
    return *this;
  }
  Step& Ignore(Expected expected) {
    ignored.push_back(expected);
    return *this;
  }
  Step& Ignore(Code code) {
    ignored_codes.push_back(code);
    return *this;
  }
  // It need not be there.
  Step& IgnoreGone() { return Ignore(Code::kNotFound); }
  // Of a deletion: seconds of grace instead of what the object asks for.
  Step& Grace(std::int64_t seconds) {
    request.grace_period_seconds = seconds;
    return *this;
  }
  Step& Propagate(Propagation propagation) {
    request.propagation = propagation;
    return *this;
  }
  // Of a deletion: only this very version.
  Step& OfThisVersion(const meta::v1::ObjectMeta& meta) {
    request.precondition_resource_version = meta.resourceVersion.str();
    return *this;
  }

  bool Ignores(const Status& status) const;
};

class Plan {
 public:
  // The objects as the server is to make them; an empty name with generateName lets it choose.
  template <typename T>
  Step& Create(const T& object) {
    return Add(Client::RequestFor(Verb::kCreate, object));
  }
  // A write of this very version: fails with kConflict if the object has changed since.
  template <typename T>
  Step& Update(const T& object, std::string_view subresource = {}) {
    Step& step = Add(Client::RequestFor(Verb::kUpdate, object));
    step.request.subresource = std::string(subresource);
    return step;
  }
  // Server-side apply: see Client::Apply.
  template <typename T>
  Step& Apply(const T& object, std::string_view manager, bool force = false) {
    return Add(Client::ApplyRequest(Client::ResourceOf<T>(), *Share(object), manager, force));
  }
  // Gives this very version of the object another status, if it is another; null if not. An object that has gone needs
  // none.
  template <typename T>
  Step* Status(const T& object, const decltype(T::status)& status) {
    if (DeepEqual(object.status, status)) return nullptr;
    T next = object;
    next.status = status;
    return &Update(next, "status").IgnoreGone();
  }
  // Adds what is set in `status` to that of this object, whatever else has changed in it (a strategic merge patch, for
  // roles that may not update).
  template <typename T>
  Step& MergeStatus(const T& object, const decltype(T::status)& status) {
    std::string patch = "{\"metadata\":{\"uid\":\"" + object.metadata.uid.str() + "\"},\"status\":";
    EncodeJsonMessage(DescriptorOf<decltype(T::status)>(), &status, patch);
    return Patch(object, PatchType::kStrategicMerge, patch + "}", "status");
  }
  // Deletes this object and no later one of the same name.
  template <typename T>
  Step& Delete(const T& object) {
    return Delete(Client::ResourceOf<T>(), object.metadata);
  }
  Step& Delete(const ResourceDesc& resource, const meta::v1::ObjectMeta& meta);
  template <typename T>
  Step& Patch(const T& object, PatchType type, std::string patch, std::string_view subresource = {}) {
    Step& step = Add(Client::NamedRequest<T>(Verb::kPatch, object.metadata.namespace_, object.metadata.name));
    step.request.patch_type = type;
    step.request.patch = std::move(patch);
    step.request.subresource = std::string(subresource);
    return step;
  }
  // Gives this very version of an object the owner references and finalizers of `after`.
  Step& PatchOwners(const ResourceDesc& resource, const meta::v1::ObjectMeta& before,
                    const meta::v1::ObjectMeta& after);
  // Writes nothing, but fails with kConflict if the object is no longer as we see it: put first in an ordered plan, the
  // rest is done only if what it was decided upon still holds.
  template <typename T>
  Step& Guard(const T& object) {
    Step& step = Update(object, "status");  // which every owner's role may write
    step.request.dry_run = true;
    return step;
  }
  // Asks the API server itself, because a view may lag behind. The key runs again as soon as the answers are there, and
  // sees them (View::Answer) in that run. That an object is not there is an answer, no failure.
  template <typename T>
  Step& Read(std::string_view ns, std::string_view name) {
    return Add(Client::NamedRequest<T>(Verb::kGet, ns, name));
  }
  // Likewise: what is in a namespace of this resource.
  Step& ReadAll(const ResourceDesc& resource, std::string_view ns);
  // Any other request.
  Step& Add(ApiRequest request) {
    steps_.push_back({.request = std::move(request)});
    return steps_.back();
  }

  // Recorded about the subject when the plan is performed.
  void Event(std::string_view reason, std::string message) {
    events_.push_back({"Normal", std::string(reason), std::move(message)});
  }
  void Warning(std::string_view reason, std::string message) {
    events_.push_back({"Warning", std::string(reason), std::move(message)});
  }

  // One write after the other, stopping at the first that fails. Without it they are performed side by side.
  Plan& InOrder() {
    ordered_ = true;
    return *this;
  }
  // In batches of 1, 2, 4, ..., stopping after a batch with a failure: a write that is refused is then refused a few
  // times and not thousands.
  Plan& SlowStart() {
    slow_start_ = true;
    return *this;
  }
  // Failures do not put the key back: they are told to its next run, and Again says when that is.
  Plan& NoRetry() {
    retry_ = false;
    return *this;
  }
  // Run the key again after this time at the latest.
  void Again(Duration after);
  // What events without an object of their own are about.
  void About(ObjectRef subject) { subject_ = std::move(subject); }

  // References to writes stay valid while others are added.
  const std::deque<Step>& steps() const { return steps_; }
  std::deque<Step>& steps() { return steps_; }
  const std::vector<PlannedEvent>& events() const { return events_; }
  const ObjectRef& subject() const { return subject_; }
  std::optional<Duration> again() const { return again_; }
  bool ordered() const { return ordered_; }
  bool slow_start() const { return slow_start_; }
  bool retry() const { return retry_; }
  // Nothing to write or ask.
  bool empty() const { return steps_.empty(); }

 private:
  std::deque<Step> steps_;
  std::vector<PlannedEvent> events_;
  ObjectRef subject_;
  std::optional<Duration> again_;
  bool ordered_ = false;
  bool slow_start_ = false;
  bool retry_ = true;
};

// What became of the plan that a key had before.
struct LastRun {
  struct Failure {
    ApiRequest request;
    minikube::Status status;
  };
  struct Answer {
    ApiRequest request;
    Result<ApiResponse> response;  // or kNotFound
  };
  // Those not ignored, of the last plan that did more than ask; empty once a plan has succeeded.
  std::vector<Failure> failures;
  // To what the last plan asked: all of them, or none if anything in it failed.
  std::vector<Answer> answers;
};

}  // namespace minikube
