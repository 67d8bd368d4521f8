// Reconciler and ReconcileLoop: level-triggered control loops.
//
// Reconcile is a pure function from what the informers show to a Plan: the writes that bring actual state closer to
// desired state. The loop performs them through the Client, and runs the same key again only when the informers
// have seen the result of its last writes, so a reconciler never acts on a view older than its own deeds.
// Errors put the key back with exponential back-off (5 ms doubling to 1000 s, as client-go's default).
// Thread safety: everything on the loop's strand. One key is never in two reconciliations at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <minikube/client.h>
#include <minikube/informer.h>
#include <minikube/log.h>

namespace minikube {

struct Plan {
  // Performed side by side unless `ordered`, then one after the other, stopping at the first error.
  std::vector<ApiRequest> writes;
  bool ordered = false;
  std::optional<Duration> requeue_after;
  // Called on the strand for each write that failed, before the back-off. Returns true if the error is expected and
  // needs no retry (e.g. NotFound on delete).
  std::function<bool(const ApiRequest&, const Status&)> tolerate;
};

class Reconciler {
 public:
  virtual ~Reconciler() = default;
  virtual Plan Reconcile(const ObjectKey& key) = 0;
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
  std::vector<ObjectKey> order_;  // FIFO; see reconciler.cc
  std::map<ObjectKey, int> state_;
  std::size_t head_ = 0;
};

struct ReconcileLoopOptions {
  std::string name;          // in logs and metrics
  int max_in_flight = 16;    // keys worked on at once
  Duration base_backoff = std::chrono::milliseconds(5);
  Duration max_backoff = std::chrono::seconds(1000);
};

class ReconcileLoop {
 public:
  // Informers in `watches` are those the reconciler reads and writes: after a write at revision R to a resource that one
  // of them watches, the key waits until that informer has reached R.
  ReconcileLoop(Client& client, Strand& strand, Env& env, Logger log, Reconciler& reconciler,
                std::vector<Informer*> watches, ReconcileLoopOptions options);
  ~ReconcileLoop();

  void Enqueue(ObjectKey key);
  void EnqueueAfter(ObjectKey key, Duration delay);
  bool Idle() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Records Events (core/v1) about objects, one Event per (object, reason, message) with a rising count, as
// kubectl describe shows them. Best effort; bounded.
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
