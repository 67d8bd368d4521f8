// Reconciler and ReconcileLoop: level-triggered control loops.
//
// Reconcile is a pure function from what the informers show to a Plan: the writes that bring actual state closer to
// desired state. The loop performs them through the Client, and runs the same key again only when the informers
// have seen the result of its last writes, so a reconciler never acts on a view older than its own deeds. If a write
// failed and may have been performed nevertheless, they list anew first. A key whose runs take long is run less often,
// however often it is enqueued: one that looks at thousands of objects would else be busy with nothing but itself.
// Errors put the key back with exponential back-off (5 ms doubling to 1000 s, as client-go's default); a conflict only
// says that the view was old, and comes back within a second. Thread safety: everything on the loop's strand. One key
// is never in two reconciliations at once.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <minikube/client.h>
#include <minikube/informer.h>
#include <minikube/log.h>
#include <minikube/plan.h>

namespace minikube {

class Reconciler {
 public:
  virtual ~Reconciler() = default;
  // What is to be done for `key`. `last` is what became of its last plan.
  virtual Plan Reconcile(const ObjectKey& key, const LastRun& last) = 0;
};

// A set of keys to work on: a key added while it is being worked on comes back once after Done.
class WorkQueue {
 public:
  void Add(ObjectKey key);
  std::optional<ObjectKey> Take();  // nullopt: nothing ready
  void Done(const ObjectKey& key);
  bool Idle() const;  // nothing queued and nothing in work
  std::size_t depth() const;

 private:
  enum class State : std::uint8_t { kQueued, kInWork, kInWorkAndDirty };
  std::deque<ObjectKey> order_;  // of the queued ones, oldest first
  std::map<ObjectKey, State> state_;
};

struct ReconcileLoopOptions {
  std::string name;        // in logs and metrics
  int max_in_flight = 16;  // keys worked on at once
  Duration base_backoff = std::chrono::milliseconds(5);
  Duration max_backoff = std::chrono::seconds(1000);
  // How long a key waits at most for the informers to reach its writes (one may never see them, e.g. through a
  // selector).
  Duration max_hold = std::chrono::minutes(5);
  // Between the beginnings of two runs of a key lies at least this many times what the first of them took, if that was
  // more than a millisecond.
  int rest = 8;
};

class EventRecorder;

class ReconcileLoop {
 public:
  // Informers in `watches` are those the reconciler reads and writes: after a write at revision R to a resource that
  // one of them watches, the key waits until that informer has reached R. `events` takes the events of the plans; they
  // are dropped without it.
  ReconcileLoop(Client& client, Strand& strand, Env& env, Logger log, Reconciler& reconciler,
                std::vector<Informer*> watches, ReconcileLoopOptions options, EventRecorder* events = nullptr);
  ~ReconcileLoop();

  void Enqueue(ObjectKey key);
  void EnqueueAfter(ObjectKey key, Duration delay);
  bool Idle() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Records Events (core/v1) about objects, one Event per (object, reason, message) with a rising count, as
// kubectl describe shows them. Best effort and bounded: an event storm about one object is thinned, a full queue drops.
// Thread safety: everything on the strand.
class EventRecorder {
 public:
  EventRecorder(Client& client, Strand& strand, Env& env, std::string component, std::string host = {});
  ~EventRecorder();
  void Normal(const Object& about, std::string_view reason, std::string message) {
    Record(about, "Normal", reason, std::move(message));
  }
  void Warning(const Object& about, std::string_view reason, std::string message) {
    Record(about, "Warning", reason, std::move(message));
  }
  void Record(const Object& about, std::string_view type, std::string_view reason, std::string message,
              std::string field_path = {});

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace minikube
