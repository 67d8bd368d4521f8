#include <algorithm>
#include <set>
#include <utility>

#include <minikube/reconciler.h>

#include "client/backoff.h"
#include "kube/numbers.h"

namespace minikube {
namespace {

constexpr std::size_t kMaxFailures = 16;  // that a key is told of
// A conflict is retried soon, however often: it heals as soon as the view has caught up.
constexpr Duration kMaxConflictBackoff = std::chrono::seconds(1);

// The revision at which a watch shows what this write did. That is the object's own one, because a write that
// changed nothing gets no event; only an object that has gone is known by the revision of the answer.
std::int64_t VisibleAt(const ApiRequest& request, const ApiResponse& response) {
  const ObjectRef& object = response.object;
  if (object && &object->desc() == request.resource->message &&
      (request.verb != Verb::kDelete || object->meta().deletionTimestamp.has_value())) {
    return kube::RevisionOf(object->meta().resourceVersion);
  }
  return response.revision;
}

std::string NameIn(const ApiRequest& request, const ApiResponse& response) {
  const bool chosen = request.name.empty() && response.object;  // by the server
  return chosen ? response.object->meta().name.str() : request.name;
}

// Whether it changes nothing: what is asked for with a create (a token, a review) is not stored.
bool IsRead(const ApiRequest& request) {
  if (request.verb == Verb::kGet || request.verb == Verb::kList) return true;
  if (request.verb != Verb::kCreate) return false;
  const std::span<const std::string_view> verbs = request.resource->verbs;
  return request.subresource == "token" ||
         (request.subresource.empty() && std::find(verbs.begin(), verbs.end(), "get") == verbs.end());
}

// A plan that asks and does nothing.
bool OnlyReads(const Plan& plan) {
  return !plan.empty() &&
         std::all_of(plan.steps().begin(), plan.steps().end(), [](const Step& step) { return IsRead(step.request); });
}

// `text` with what stands for "{}" in it.
std::string Fill(std::string text, std::string_view what) {
  const std::size_t at = text.find("{}");
  if (at != std::string::npos) text.replace(at, 2, what);
  return text;
}

}  // namespace

struct ReconcileLoop::Impl : std::enable_shared_from_this<ReconcileLoop::Impl> {
  // One run of one key, from Reconcile until the informers show its writes.
  struct Work {
    ObjectKey key;
    Plan plan;
    LastRun outcome;            // so far
    std::size_t next = 0;       // the first write not yet sent
    std::size_t batch = 1;      // of a slow start
    std::size_t in_flight = 0;  // writes without an answer
    std::size_t to_reach = 0;   // informers behind our writes
    // By their place in `watches`, so that one seed is one history.
    std::map<std::size_t, std::int64_t> reach;
    std::set<std::size_t> refresh;  // those that may not show what was written
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

  Impl(Client& c, Strand& s, Env& e, Logger l, Reconciler& r, std::vector<Informer*> w, ReconcileLoopOptions o,
       EventRecorder* ev)
      : client(c),
        strand(s),
        env(e),
        log(std::move(l)),
        reconciler(r),
        watches(std::move(w)),
        options(std::move(o)),
        events(ev) {}

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
      if (const auto rest = rests.find(*key); rest != rests.end() && rest->second > env.clock().MonoNow()) {
        queue.Done(*key);
        AddAfter(*key, rest->second - env.clock().MonoNow(), true);
        continue;
      }
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
    const MonoTime began = env.clock().MonoNow();
    const auto last = outcomes.find(work->key);
    work->plan = reconciler.Reconcile(work->key, last != outcomes.end() ? last->second : LastRun());
    if (stopped) return;
    const Duration took = env.clock().MonoNow() - began;
    if (took > std::chrono::milliseconds(1)) {
      rests[work->key] = began + took * options.rest;
    } else {
      rests.erase(work->key);
    }
    for (const PlannedEvent& event : work->plan.events()) Record(*work, nullptr, event, {});
    Continue(work);
  }

  void Record(const Work& work, const Step* step, const PlannedEvent& event, std::string_view what) {
    const ObjectRef& about = step != nullptr && step->about ? step->about : work.plan.subject();
    if (events != nullptr && about) events->Record(*about, event.type, event.reason, Fill(event.message, what));
  }

  // Sends what may be sent now; or, when all is answered, goes on to the end.
  void Continue(const std::shared_ptr<Work>& work) {
    const Plan& plan = work->plan;
    if (work->next < plan.steps().size() && !((plan.ordered() || plan.slow_start()) && work->failed)) {
      std::size_t count = plan.steps().size() - work->next;
      if (plan.ordered()) {
        count = 1;
      } else if (plan.slow_start()) {
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
    client
        .Do(work->plan.steps()[index].request, strand,
            [weak = weak_from_this(), work, index](Result<ApiResponse> response) {
              const auto self = weak.lock();
              if (self == nullptr || self->stopped) return;
              self->OnAnswer(*work, index, response);
              if (!self->stopped && --work->in_flight == 0) self->Continue(work);
            })
        .Detach();
  }

  void OnAnswer(Work& work, std::size_t index, const Result<ApiResponse>& response) {
    const Step& step = work.plan.steps()[index];
    const ApiRequest& request = step.request;
    const bool writes = !IsRead(request);
    for (std::size_t i = 0; i < watches.size(); ++i) {
      const ResourceDesc& watched = watches[i]->resource();
      if (watched.plural != request.resource->plural || watched.group != request.resource->group) continue;
      if (response) {
        std::int64_t& reach = work.reach[i];
        reach = std::max(reach, VisibleAt(request, *response));
      } else if (writes && MayBePerformed(response.status().code())) {
        work.refresh.insert(i);
      }
    }
    if (!writes && (response || response.status().code() == Code::kNotFound)) {
      work.outcome.answers.push_back({request, response});
      return;
    }
    if (response) {
      if (step.on_success) Record(work, &step, *step.on_success, NameIn(request, *response));
      return;
    }
    const Status status = response.status();
    if (step.Ignores(status)) return;
    if (step.on_failure) Record(work, &step, *step.on_failure, status.message());
    if (work.outcome.failures.size() < kMaxFailures) work.outcome.failures.push_back({request, status});
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
    for (const std::size_t i : work->refresh) {
      ++work->to_reach;
      watches[i]->Refresh([weak = weak_from_this(), work] {
        if (const auto self = weak.lock()) self->Reached(work);
      });
    }
    for (const auto& [i, revision] : work->reach) {
      if (watches[i]->revision() >= revision) continue;
      ++work->to_reach;
      watches[i]->WhenReached(revision, [weak = weak_from_this(), work] {
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

  void Finish(Work& work) {
    --in_work;
    queue.Done(work.key);
    if (work.failed) work.outcome.answers.clear();
    const bool asked = !work.outcome.answers.empty();
    const bool failed = !work.outcome.failures.empty();
    LastRun& last = outcomes[work.key];
    if (failed || !OnlyReads(work.plan)) last.failures = std::move(work.outcome.failures);
    last.answers = std::move(work.outcome.answers);
    if (last.failures.empty() && last.answers.empty()) outcomes.erase(work.key);
    if (work.failed && work.plan.retry()) {
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
      if (asked) {
        queue.Add(work.key);
      } else if (work.plan.again()) {
        AddAfter(work.key, *work.plan.again(), false);
      }
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
  EventRecorder* const events;

  WorkQueue queue;
  std::map<ObjectKey, Failures> failing;
  std::map<ObjectKey, LastRun> outcomes;  // of those whose next run is to know
  std::map<ObjectKey, MonoTime> rests;    // before which a key does not run again
  std::map<ObjectKey, Delayed> delayed;
  std::size_t unsynced = 0;
  int in_work = 0;
  int retries = 0;  // entries of `delayed` that are retries of failed work
  bool pump_posted = false;
  bool stopped = false;
};

ReconcileLoop::ReconcileLoop(Client& client, Strand& strand, Env& env, Logger log, Reconciler& reconciler,
                             std::vector<Informer*> watches, ReconcileLoopOptions options, EventRecorder* events)
    : impl_(std::make_shared<Impl>(client, strand, env, std::move(log), reconciler, std::move(watches),
                                   std::move(options), events)) {
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
