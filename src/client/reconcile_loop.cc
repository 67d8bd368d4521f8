#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include <minikube/reconciler.h>

#include "client/backoff.h"

namespace minikube {
namespace {

// A conflict is retried soon, however often: it heals as soon as the view has caught up.
constexpr Duration kMaxConflictBackoff = std::chrono::seconds(1);

std::int64_t ToRevision(std::string_view resource_version) {
  std::int64_t revision = 0;
  std::from_chars(resource_version.data(), resource_version.data() + resource_version.size(), revision);
  return revision;
}

// The revision at which a watch shows what this write did. That is the object's own one, because a write that
// changed nothing gets no event; only an object that has gone is known by the revision of the answer.
std::int64_t VisibleAt(const ApiRequest& request, const ApiResponse& response) {
  const ObjectRef& object = response.object;
  if (object && &object->desc() == request.resource->message &&
      (request.verb != Verb::kDelete || object->meta().deletionTimestamp.has_value())) {
    return ToRevision(object->meta().resourceVersion);
  }
  return response.revision;
}

}  // namespace

struct ReconcileLoop::Impl : std::enable_shared_from_this<ReconcileLoop::Impl> {
  // One run of one key, from Reconcile until the informers show its writes.
  struct Work {
    ObjectKey key;
    Plan plan;
    std::size_t next = 0;       // the first write not yet sent
    std::size_t batch = 1;      // of a slow start
    std::size_t in_flight = 0;  // writes without an answer
    std::size_t to_reach = 0;   // informers behind our writes
    std::map<Informer*, std::int64_t> reach;
    std::set<Informer*> refresh;  // those that may not show what was written
    TimerId hold_timer = 0;
    bool failed = false;
    bool only_conflicts = true;  // of what failed
  };
  struct Delayed {
    MonoTime due{};
    TimerId timer = 0;
    bool retry = false;
  };
  struct Failures {
    int errors = 0;
    int conflicts = 0;
  };

  Impl(Client& c, Strand& s, Env& e, Logger l, Reconciler& r, std::vector<Informer*> w, ReconcileLoopOptions o)
      : client(c), strand(s), env(e), log(std::move(l)), reconciler(r), watches(std::move(w)), options(std::move(o)) {}

  void Start() {
    unsynced = watches.size();
    for (Informer* informer : watches) {
      informer->OnSynced([weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
          --self->unsynced;
          self->PostPump();
        }
      });
    }
  }

  void Stop() {
    stopped = true;
    for (auto& [key, entry] : delayed) strand.Cancel(entry.timer);
    delayed.clear();
  }

  // Reconciling begins in a task of its own, so that the events of one batch make one run of a key.
  void PostPump() {
    if (stopped || unsynced != 0 || std::exchange(pump_posted, true)) return;
    strand.Post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Pump();
    });
  }

  void Pump() {
    pump_posted = false;
    while (!stopped && in_work < options.max_in_flight) {
      std::optional<ObjectKey> key = queue.Take();
      if (!key) return;
      ++in_work;
      Run(*std::move(key));
    }
  }

  void Run(ObjectKey key) {
    if (const auto it = delayed.find(key); it != delayed.end()) {
      strand.Cancel(it->second.timer);
      retries -= it->second.retry ? 1 : 0;
      delayed.erase(it);
    }
    const auto work = std::make_shared<Work>();
    work->key = std::move(key);
    work->plan = reconciler.Reconcile(work->key);
    if (!stopped) Continue(work);
  }

  // Sends what may be sent now; or, when all is answered, goes on to the end.
  void Continue(const std::shared_ptr<Work>& work) {
    Plan& plan = work->plan;
    if (work->next < plan.writes.size() && !((plan.ordered || plan.slow_start) && work->failed)) {
      std::size_t count = plan.writes.size() - work->next;
      if (plan.ordered) {
        count = 1;
      } else if (plan.slow_start) {
        count = std::min(count, work->batch);
        work->batch *= 2;
      }
      work->in_flight = count;
      for (; count > 0; --count) Send(work, work->next++);
      return;
    }
    Hold(work);
  }

  void Send(const std::shared_ptr<Work>& work, std::size_t index) {
    client.Do(work->plan.writes[index], strand, [weak = weak_from_this(), work, index](Result<ApiResponse> response) {
      const auto self = weak.lock();
      if (self == nullptr || self->stopped) return;
      self->OnAnswer(*work, index, response);
      if (!self->stopped && --work->in_flight == 0) self->Continue(work);
    });
  }

  void OnAnswer(Work& work, std::size_t index, const Result<ApiResponse>& response) {
    const ApiRequest& request = work.plan.writes[index];
    const bool writes = request.verb != Verb::kGet && request.verb != Verb::kList;
    for (Informer* informer : watches) {
      const ResourceDesc& watched = informer->resource();
      if (watched.plural != request.resource->plural || watched.group != request.resource->group) continue;
      if (response) {
        std::int64_t& reach = work.reach[informer];
        reach = std::max(reach, VisibleAt(request, *response));
      } else if (writes && MayBePerformed(response.status().code())) {
        work.refresh.insert(informer);
      }
    }
    if (response) {
      if (work.plan.performed) work.plan.performed(request, *response);
      return;
    }
    const Status status = response.status();
    if (work.plan.tolerate && work.plan.tolerate(request, status)) return;
    work.failed = true;
    if (status.code() != Code::kConflict) {
      work.only_conflicts = false;
      log.Warning("write failed", {{"loop", options.name},
                                   {"key", work.key.ToString()},
                                   {"resource", std::string(request.resource->plural)},
                                   {"name", request.name},
                                   {"error", status.ToString()}});
    }
  }

  // Waits until every informer shows what was written.
  void Hold(const std::shared_ptr<Work>& work) {
    work->to_reach = 1;
    for (Informer* informer : work->refresh) {
      ++work->to_reach;
      informer->Refresh([weak = weak_from_this(), work] {
        if (const auto self = weak.lock()) self->Reached(work);
      });
    }
    for (const auto& [informer, revision] : work->reach) {
      if (informer->revision() >= revision) continue;
      ++work->to_reach;
      informer->WhenReached(revision, [weak = weak_from_this(), work] {
        if (const auto self = weak.lock()) self->Reached(work);
      });
    }
    if (work->to_reach > 1) {
      work->hold_timer = strand.After(options.max_hold, [weak = weak_from_this(), work] {
        const auto self = weak.lock();
        if (self == nullptr || self->stopped || work->to_reach == 0) return;
        self->log.Warning("informers did not show a write in time",
                          {{"loop", self->options.name}, {"key", work->key.ToString()}});
        work->to_reach = 0;
        self->Finish(*work);
      });
    }
    Reached(work);
  }

  void Reached(const std::shared_ptr<Work>& work) {
    if (stopped || work->to_reach == 0 || --work->to_reach != 0) return;
    if (work->hold_timer != 0) strand.Cancel(work->hold_timer);
    Finish(*work);
  }

  void Finish(const Work& work) {
    --in_work;
    queue.Done(work.key);
    if (work.failed) {
      Failures& failures = failing[work.key];
      Duration delay;
      if (work.only_conflicts) {
        ++failures.conflicts;
        delay = client::ExponentialDelay(options.base_backoff, kMaxConflictBackoff, failures.conflicts);
      } else {
        ++failures.errors;
        delay = client::ExponentialDelay(options.base_backoff, options.max_backoff, failures.errors);
      }
      AddAfter(work.key, delay, true);
    } else {
      failing.erase(work.key);
      if (work.plan.requeue_after) AddAfter(work.key, *work.plan.requeue_after, false);
    }
    PostPump();
  }

  void Add(ObjectKey key) {
    queue.Add(std::move(key));
    PostPump();
  }

  void AddAfter(const ObjectKey& key, Duration delay, bool retry) {
    const MonoTime due = env.clock().MonoNow() + delay;
    const auto [it, inserted] = delayed.try_emplace(key);
    Delayed& entry = it->second;
    if (!inserted) {
      if (entry.due <= due) return;
      strand.Cancel(entry.timer);
      retries -= entry.retry ? 1 : 0;
    }
    entry.due = due;
    entry.retry = retry;
    retries += retry ? 1 : 0;
    entry.timer = strand.After(delay, [weak = weak_from_this(), key] {
      const auto self = weak.lock();
      if (self == nullptr || self->stopped) return;
      const auto found = self->delayed.find(key);
      if (found == self->delayed.end()) return;
      self->retries -= found->second.retry ? 1 : 0;
      self->delayed.erase(found);
      self->Add(key);
    });
  }

  Client& client;
  Strand& strand;
  Env& env;
  const Logger log;
  Reconciler& reconciler;
  const std::vector<Informer*> watches;
  const ReconcileLoopOptions options;

  WorkQueue queue;
  std::map<ObjectKey, Failures> failing;
  std::map<ObjectKey, Delayed> delayed;
  std::size_t unsynced = 0;
  int in_work = 0;
  int retries = 0;  // entries of `delayed` that are retries of failed work
  bool pump_posted = false;
  bool stopped = false;
};

ReconcileLoop::ReconcileLoop(Client& client, Strand& strand, Env& env, Logger log, Reconciler& reconciler,
                             std::vector<Informer*> watches, ReconcileLoopOptions options)
    : impl_(std::make_shared<Impl>(client, strand, env, std::move(log), reconciler, std::move(watches),
                                   std::move(options))) {
  impl_->Start();
}

ReconcileLoop::~ReconcileLoop() { impl_->Stop(); }

void ReconcileLoop::Enqueue(ObjectKey key) {
  if (!impl_->stopped) impl_->Add(std::move(key));
}

void ReconcileLoop::EnqueueAfter(ObjectKey key, Duration delay) {
  if (!impl_->stopped) impl_->AddAfter(key, delay, false);
}

bool ReconcileLoop::Idle() const {
  return impl_->queue.Idle() && impl_->in_work == 0 && impl_->retries == 0 && impl_->unsynced == 0;
}

}  // namespace minikube
