#include "api/stages/local_client.h"

#include <atomic>
#include <mutex>

#include <minikube/latch.h>

#include "api/registry/audit_trail.h"
#include "api/registry/field_managers.h"
#include "api/registry/operation.h"
#include "api/registry/verbs.h"
#include "api/registry/watch.h"
#include "api/stages/local_following.h"
#include "api/stages/stages.h"
#include "client/calls_in_flight.h"
#include "client/state_source.h"

namespace minikube::api {

namespace {

using client::CallsInFlight;

// A watch on its owner's strand: woken by the hub, it takes what there is and hands it on.
class LocalWatch : public std::enable_shared_from_this<LocalWatch> {
 public:
  LocalWatch(const MessageDesc& message, Strand& strand, WatchCallbacks callbacks)
      : message_(message), strand_(strand), callbacks_(std::move(callbacks)) {}

  void Begin(std::shared_ptr<Core> core, RequestContext context) {
    const std::int64_t seconds = context.request.timeout_seconds;
    Result<std::unique_ptr<WatchStream>> stream = StartWatch(std::move(core), context, [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->Schedule();
    });
    if (!stream) return End(stream.status());
    {
      std::lock_guard lock(mu_);
      stream_ = std::move(stream).value();
    }
    if (seconds > 0) {
      strand_.Post([weak = weak_from_this(), seconds] {
        if (auto self = weak.lock()) self->StartTimer(seconds);
      });
    }
    Schedule();
  }

  void Refuse(Status why) { End(std::move(why)); }

  // On the strand: no callback follows.
  void Cancel() {
    ended_ = true;
    if (const TimerId timer = timer_; timer != 0) strand_.Cancel(timer);
    std::unique_ptr<WatchStream> gone;
    {
      std::lock_guard lock(mu_);
      gone = std::move(stream_);
    }
  }

 private:
  void StartTimer(std::int64_t seconds) {
    if (ended_) return;
    timer_ = strand_.After(std::chrono::seconds(seconds), [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->Stop(Status(Code::kTimeout, "the watch has reached its time"));
    });
  }
  void Schedule() {
    strand_.Post([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->Deliver();
    });
  }
  void End(Status why) {
    strand_.Post([weak = weak_from_this(), why = std::move(why)]() mutable {
      if (auto self = weak.lock()) self->Stop(std::move(why));
    });
  }
  void Stop(Status why) {
    if (ended_) return;
    Cancel();
    if (callbacks_.on_end) callbacks_.on_end(std::move(why));
  }
  void Deliver() {
    if (ended_) return;
    Status end;
    std::vector<WatchItem> items;
    {
      std::lock_guard lock(mu_);
      if (stream_ == nullptr) return;
      items = stream_->Take(end);
    }
    std::vector<WatchEvent> events;
    events.reserve(items.size());
    for (WatchItem& item : items) {
      WatchEvent event{item.type, nullptr, item.revision};
      if (item.type == WatchEvent::Type::kBookmark) {
        ObjectPtr mark = ObjectPtr::New(message_);
        mark->mutable_meta().resourceVersion = std::to_string(item.revision);
        if (item.initial_events_end) mark->mutable_meta().annotations["k8s.io/initial-events-end"] = "true";
        event.object = std::move(mark).Freeze();
      } else {
        event.object = item.change->object();
      }
      events.push_back(std::move(event));
    }
    // A callback may destroy the handle; this object lives on until the task ends.
    const std::shared_ptr<LocalWatch> alive = shared_from_this();
    if (!events.empty()) callbacks_.on_events(std::move(events));
    if (!end.ok()) Stop(std::move(end));
  }

  const MessageDesc& message_;
  Strand& strand_;
  const WatchCallbacks callbacks_;
  // Touched on the strand; atomic because a handle may also be destroyed elsewhere, with a callback perhaps still
  // running.
  std::atomic<bool> ended_ = false;
  std::atomic<TimerId> timer_ = 0;
  std::mutex mu_;  // Begin runs on the caller's thread while the first Deliver may already run on the strand
  std::unique_ptr<WatchStream> stream_;
};

class LocalWatchHandle final : public WatchHandle {
 public:
  explicit LocalWatchHandle(std::shared_ptr<LocalWatch> watch) : watch_(std::move(watch)) {}
  ~LocalWatchHandle() override { watch_->Cancel(); }

 private:
  std::shared_ptr<LocalWatch> watch_;
};

class LocalClient final : public Client, public client::StateSource {
 public:
  LocalClient(std::shared_ptr<Core> core, UserInfo user)
      : core_(std::move(core)),
        user_(std::move(user)),
        manager_(ManagerOfUser(user_)),
        calls_(std::make_shared<CallsInFlight>()) {}
  ~LocalClient() override { calls_->CancelAll(); }

  Call Do(ApiRequest request, Strand& strand, Function<void(Result<ApiResponse>)> done) override {
    auto [id, call] = calls_->Add(strand, std::move(done));
    auto operation = std::make_shared<Operation>(
        core_, Context(std::move(request)),
        [calls = calls_, id = id](Result<ApiResponse> result) { calls->Answer(id, std::move(result)); });
    operation->Start();
    calls_->OnCancel(id, [weak = std::weak_ptr(operation)] {
      if (const auto running = weak.lock()) running->Withdraw();
    });
    return std::move(call);
  }

  std::unique_ptr<WatchHandle> Watch(ApiRequest request, Strand& strand, WatchCallbacks callbacks) override {
    auto watch = std::make_shared<LocalWatch>(*request.resource->message, strand, std::move(callbacks));
    RequestContext context = Context(std::move(request));
    context.request.verb = Verb::kWatch;
    Status allowed = AuthoriseRequest(*core_, context, &context.allowed_because);
    AuditStream(*core_, context, allowed);
    if (!allowed.ok()) {
      watch->Refuse(std::move(allowed));
    } else {
      watch->Begin(core_, std::move(context));
    }
    return std::make_unique<LocalWatchHandle>(std::move(watch));
  }

  Result<std::vector<const ResourceDesc*>> Discover() override { return std::as_const(*this).Served(); }

  Result<ApiResponse> DoSync(ApiRequest request) override {
    struct Waiting {
      Latch answered;
      std::optional<Result<ApiResponse>> result;
    };
    auto waiting = std::make_shared<Waiting>();
    std::make_shared<Operation>(core_, Context(std::move(request)), [waiting](Result<ApiResponse> result) {
      waiting->result = std::move(result);
      waiting->answered.Open();
    })->Start();
    if (!core_->env.Await(waiting->answered, kForever)) {
      return Status(Code::kInternal, "nothing is left in this Env that could answer the request");
    }
    return std::move(*waiting->result);
  }

  std::unique_ptr<Following> Follow(ApiRequest request, std::function<void()> changed) override {
    return NewLocalFollowing(core_, Context(std::move(request)), std::move(changed));
  }
  std::unique_ptr<const client::Moment> Now() const override {
    return std::make_unique<LocalMoment>(core_->cache.snapshot());
  }
  std::vector<const ResourceDesc*> Served() const override {
    const auto world = core_->cache.snapshot();
    const auto resources = world->catalogue->resources();
    return {resources.begin(), resources.end()};
  }

 private:
  RequestContext Context(ApiRequest request) {
    RequestContext context;
    context.user = user_;
    context.manager = manager_;
    context.request = std::move(request);
    return context;
  }

  const std::shared_ptr<Core> core_;
  const UserInfo user_;
  const std::string manager_;
  const std::shared_ptr<CallsInFlight> calls_;
};

}  // namespace

std::unique_ptr<Client> NewLocalClient(std::shared_ptr<Core> core, UserInfo user) {
  return std::make_unique<LocalClient>(std::move(core), std::move(user));
}

}  // namespace minikube::api
