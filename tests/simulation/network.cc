#include "simulation/network.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>

namespace minikube::simulation {
namespace {

constexpr Duration kGivesUp = std::chrono::seconds(2);  // how long who is cut off waits for an answer

std::string_view VerbOf(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "get";
    case Verb::kList:
      return "list";
    case Verb::kWatch:
      return "watch";
    case Verb::kCreate:
      return "create";
    case Verb::kUpdate:
      return "update";
    case Verb::kPatch:
      return "patch";
    case Verb::kDelete:
      return "delete";
    case Verb::kDeleteCollection:
      return "deletecollection";
  }
  return "";
}

Status Unreachable(std::string_view why) { return {Code::kUnavailable, std::string(why)}; }

}  // namespace

std::string Describe(const ApiRequest& request) {
  std::string out = fmt::format("{} {}", VerbOf(request.verb), request.resource->plural);
  if (!request.subresource.empty()) out += "/" + request.subresource;
  const std::string name = request.name.empty() && request.object ? request.object->meta().name.str() : request.name;
  if (!request.ns.empty() || !name.empty()) out += " " + request.ns + (request.ns.empty() ? "" : "/") + name;
  // What is most often asked when a history is read.
  if (request.verb == Verb::kPatch) out += " " + request.patch.substr(0, 80);
  if (!request.object || request.verb == Verb::kDelete) return out;
  if (const auto* set = request.object->TryAs<apps::v1::ReplicaSet>()) {
    const auto& status = set->status;
    out += fmt::format(" replicas={} (status {}, {} available)", set->spec.replicas.value_or(1), status.replicas,
                       status.availableReplicas);
  } else if (const auto* deployment = request.object->TryAs<apps::v1::Deployment>()) {
    out += fmt::format(" replicas={}", deployment->spec.replicas.value_or(1));
  } else if (const auto* binding = request.object->TryAs<core::v1::Binding>()) {
    out += fmt::format(" to {}", binding->target.name.view());
  }
  return out;
}

struct Network::Call {
  std::uint64_t id = 0;
  Endpoint* endpoint = nullptr;
  bool settled = false;  // performed, or never will be
  std::string who;
  std::string user;
  ApiRequest request;
  Strand* strand = nullptr;  // null once nobody waits
  Function<void(Result<ApiResponse>)> done;
  Revision known = 0;
  bool loses_answer = false;
};

// A watch on its way from the server's end to the client's strand.
class Network::Watch : public std::enable_shared_from_this<Watch> {
 public:
  Watch(Network& network, Endpoint& endpoint, std::string user, ApiRequest request, Strand& strand,
        WatchCallbacks callbacks)
      : network_(network),
        endpoint_(&endpoint),
        who_(endpoint.name),
        user_(std::move(user)),
        request_(std::move(request)),
        check_(network.readers_, who_, request_),
        strand_(&strand),
        callbacks_(std::make_shared<WatchCallbacks>(std::move(callbacks))),
        id_(++network.last_id_) {}

  std::uint64_t id() const { return id_; }
  bool Of(const Endpoint& endpoint) const { return endpoint_ == &endpoint; }
  bool connected() const { return handle_ != nullptr; }

  void Begin() {
    network_.wire_->After(network_.Latency(), [self = shared_from_this()] { self->Connect(); });
  }
  void Stall(Duration time) {
    network_.history_.Add("fault", "watch of {} by {} stalls for {} ms", request_.resource->plural, who_,
                          time.count() / 1'000'000);
    network_.env_.SetPaused(*connection_, true);
    network_.wire_->After(time, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self != nullptr && self->connected()) self->network_.env_.SetPaused(*self->connection_, false);
    });
  }
  // The connection is gone; the client learns why after `delay`.
  void Break(Status why, Duration delay) {
    Hangup();
    network_.wire_->After(delay,
                          [self = shared_from_this(), why = std::move(why)]() mutable { self->End(std::move(why)); });
  }
  void Hangup() {
    handle_.reset();
    connection_.reset();
    queue_.clear();
  }
  // Of the client: no callback follows.
  void Close() {
    closed_ = true;
    callbacks_.reset();
    if (network_.tampering.keeps_connections && connected()) return;
    Hangup();
    network_.watches_.erase(id_);
  }

 private:
  struct Item {
    std::vector<WatchEvent> events;
    Status end;
  };

  void Connect() {
    if (closed_) return;
    if (network_.server_ == nullptr || endpoint_->cut_off) return End(Unreachable("connection refused"));
    life_ = network_.life_;
    connection_ = network_.server_->process().NewStrand("connection");
    WatchCallbacks callbacks;
    callbacks.on_events = [weak = weak_from_this()](std::vector<WatchEvent> events) {
      if (const auto self = weak.lock()) self->Enqueue({std::move(events), {}});
    };
    callbacks.on_end = [weak = weak_from_this()](Status why) {
      if (const auto self = weak.lock()) self->Enqueue({{}, std::move(why)});
    };
    handle_ = network_.server_->ClientOf(user_).Watch(request_, *connection_, std::move(callbacks));
  }

  void Enqueue(Item item) {
    const MonoTime now = network_.env_.clock().MonoNow();
    last_ = std::max(last_, now + network_.Latency());
    queue_.push_back(std::move(item));
    network_.wire_->After(last_ - now, [self = shared_from_this(), life = life_] {
      if (!self->queue_.empty() && self->life_ == life) self->DeliverNext();
    });
  }

  void DeliverNext() {
    Item item = std::move(queue_.front());
    queue_.pop_front();
    if (closed_ || endpoint_->cut_off) return;
    if (network_.Chance(network_.faults.breaks_watch)) return Break(Unreachable("connection reset"), Duration(0));
    if (network_.Chance(network_.faults.expires_watch)) {
      return Break(Status(Code::kExpired, "too old resource version"), Duration(0));
    }
    if (!item.end.ok()) return End(std::move(item.end));
    if (network_.tampering.events) network_.tampering.events(user_, request_, item.events);
    check_.Take(item.events);
    network_.history_.Add(who_, "sees {} {}{}: {} to revision {}", item.events.size(), request_.resource->plural,
                          request_.ns.empty() ? "" : " in " + request_.ns,
                          item.events.empty() ? "" : item.events.back().object->meta().name.view(),
                          item.events.empty() ? 0 : item.events.back().revision);
    if (network_.on_seen && !item.events.empty()) {
      network_.on_seen(SimulatedEnv::NameOf(*strand_), *request_.resource, item.events.back().revision);
    }
    strand_->Post([callbacks = std::weak_ptr(callbacks_), events = std::move(item.events)]() mutable {
      if (const auto alive = callbacks.lock()) alive->on_events(std::move(events));
    });
  }

  void End(Status why) {
    if (closed_) return;
    network_.history_.Add(who_, "watch of {} ends: {}", request_.resource->plural, why.ToString());
    Hangup();
    strand_->Post([callbacks = std::weak_ptr(callbacks_), why = std::move(why)]() mutable {
      if (const auto alive = callbacks.lock()) alive->on_end(std::move(why));
    });
  }

  Network& network_;
  Endpoint* const endpoint_;
  const std::string who_;
  const std::string user_;
  const ApiRequest request_;
  Readers::WatchCheck check_;
  Strand* const strand_;
  std::shared_ptr<WatchCallbacks> callbacks_;  // null once closed
  const std::uint64_t id_;
  std::uint64_t life_ = 0;
  std::unique_ptr<Strand> connection_;  // at the server
  std::unique_ptr<WatchHandle> handle_;
  std::deque<Item> queue_;
  MonoTime last_{};
  bool closed_ = false;
};

class Network::EndpointClient final : public Client {
 public:
  EndpointClient(Network& network, Endpoint& endpoint, std::string user)
      : network_(network), endpoint_(endpoint), user_(std::move(user)), calls_(std::make_shared<Calls>()) {}
  ~EndpointClient() override {
    for (const auto& [id, weak] : *calls_) {
      const std::shared_ptr<Call> call = weak.lock();
      if (call == nullptr || call->strand == nullptr) continue;
      std::exchange(call->strand, nullptr)->Post([done = std::move(call->done)] {
        done(Status(Code::kCancelled, "the client is gone"));
      });
    }
  }

  minikube::Call Do(ApiRequest request, Strand& strand, Function<void(Result<ApiResponse>)> done) override {
    if (endpoint_.process->killed()) return {};
    if (endpoint_.dies_before && endpoint_.dies_before()) return {};
    auto call = std::make_shared<Call>();
    call->id = ++network_.last_id_;
    call->endpoint = &endpoint_;
    call->who = endpoint_.name;
    call->user = user_;
    call->request = std::move(request);
    call->strand = &strand;
    auto pending = std::make_shared<Pending>();
    call->done = [calls = calls_, pending, id = call->id, done = std::move(done)](Result<ApiResponse> result) {
      calls->erase(id);
      if (!pending->withdrawn) done(std::move(result));
    };
    calls_->emplace(call->id, call);
    network_.Send(call);
    return minikube::Call(std::move(pending));
  }

  std::unique_ptr<WatchHandle> Watch(ApiRequest request, Strand& strand, WatchCallbacks callbacks) override {
    request.verb = Verb::kWatch;
    auto watch =
        std::make_shared<Network::Watch>(network_, endpoint_, user_, std::move(request), strand, std::move(callbacks));
    network_.watches_.emplace(watch->id(), watch);
    watch->Begin();
    return std::make_unique<Handle>(std::move(watch));
  }

  Result<ApiResponse> DoSync(ApiRequest) override {
    return Status(Code::kNotImplemented, "nobody waits in a simulation");
  }

 private:
  using Calls = std::map<std::uint64_t, std::weak_ptr<Call>>;
  // What is under way stays so: the server is not told.
  struct Pending final : minikube::Call::Pending {
    void Withdraw() override { withdrawn = true; }
    bool withdrawn = false;
  };
  class Handle final : public WatchHandle {
   public:
    explicit Handle(std::shared_ptr<Network::Watch> watch) : watch_(std::move(watch)) {}
    ~Handle() override { watch_->Close(); }

   private:
    const std::shared_ptr<Network::Watch> watch_;
  };

  Network& network_;
  Endpoint& endpoint_;
  const std::string user_;
  const std::shared_ptr<Calls> calls_;
};

Network::Network(SimulatedEnv& env, History& history, Readers& readers, std::uint64_t seed)
    : env_(env), history_(history), readers_(readers), random_(seed), wire_(env.NewStrand("network")) {}

Network::~Network() = default;

std::unique_ptr<Client> Network::NewClient(Endpoint& endpoint, std::string user) {
  return std::make_unique<EndpointClient>(*this, endpoint, std::move(user));
}

bool Network::Chance(double probability) {
  return probability > 0 && static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
}

Duration Network::Latency() {
  if (tampering.latency) return tampering.latency();
  const Duration max = Chance(faults.slow) ? faults.slow_max : faults.latency_max;
  const auto span = static_cast<std::uint64_t>((max - faults.latency_min).count()) + 1;
  return faults.latency_min + Duration(static_cast<Duration::rep>(random_() % span));
}

void Network::SetServer(ServerEnd* server) {
  server_ = server;
  ++life_;
  if (server != nullptr) return;
  for (const auto& [id, call] : std::exchange(at_server_, {})) Fail(call, "the connection broke");
  const auto watches = watches_;
  for (const auto& [id, watch] : watches) {
    if (!watch->connected()) continue;
    const bool hangs = Chance(faults.hangs_watch);
    watch->Break(Unreachable("connection reset"), hangs ? std::chrono::seconds(20) : Latency());
  }
}

void Network::Disconnect(const Endpoint& endpoint) {
  const auto watches = watches_;
  for (const auto& [id, watch] : watches) {
    if (watch->Of(endpoint) && watch->connected()) watch->Break(Unreachable("connection reset"), Latency());
  }
}

bool Network::StallWatch(std::uint64_t pick, Duration time) {
  std::vector<Watch*> connected;
  for (const auto& [id, watch] : watches_) {
    if (watch->connected()) connected.push_back(watch.get());
  }
  if (connected.empty()) return false;
  connected[pick % connected.size()]->Stall(time);
  return true;
}

void Network::Send(const std::shared_ptr<Call>& call) {
  call->known = readers_.acknowledged();
  ++call->endpoint->in_flight;
  if (call->endpoint->cut_off) {
    wire_->After(kGivesUp, [this, call] { Fail(call, "no route to host"); });
  } else if (Chance(faults.loses_request)) {
    wire_->After(Latency(), [this, call] { Fail(call, "the request was lost"); });
  } else {
    call->loses_answer = Chance(faults.loses_answer);
    wire_->After(Latency(), [this, call] { Arrive(call); });
  }
}

void Network::Arrive(const std::shared_ptr<Call>& call) {
  if (server_ == nullptr) return Fail(call, "connection refused");
  if (call->endpoint->cut_off) {
    wire_->After(kGivesUp, [this, call] { Fail(call, "no route to host"); });
    return;
  }
  if (tampering.instead) {
    if (std::optional<Result<ApiResponse>> answer = tampering.instead(call->user, call->request)) {
      Settle(*call);
      return Deliver(call, *std::move(answer), "");
    }
  }
  ApiRequest request = call->request;
  if (tampering.also) {
    for (ApiRequest& more : tampering.also(call->user, request)) {
      if (on_arrival) on_arrival(call->user, more);
      server_->ClientOf(call->user).Do(std::move(more), *wire_, [](const Result<ApiResponse>&) {}).Detach();
    }
  }
  if (tampering.request) tampering.request(call->user, request);
  Perform(call, std::move(request));
}

void Network::Perform(const std::shared_ptr<Call>& call, ApiRequest request) {
  if (on_arrival) on_arrival(call->user, request);
  at_server_.emplace(call->id, call);
  // The answer comes by a strand of the server's process: a server that has died answers nothing.
  server_->ClientOf(call->user)
      .Do(std::move(request), server_->strand(),
          [this, call](Result<ApiResponse> result) {
            if (at_server_.erase(call->id) == 0) return;
            if (result && tampering.answer) tampering.answer(call->user, call->request, *result);
            if (result) readers_.Answered(call->who, call->request, *result, call->known);
            Settle(*call);
            if (call->loses_answer || call->endpoint->cut_off) {
              return Deliver(call, Unreachable("the answer was lost"), result ? "performed" : "refused");
            }
            wire_->After(Latency(),
                         [this, call, result = std::move(result)]() mutable { Deliver(call, std::move(result), ""); });
          })
      .Detach();
}

void Network::Settle(Call& call) {
  if (!std::exchange(call.settled, true)) --call.endpoint->in_flight;
}

void Network::Fail(const std::shared_ptr<Call>& call, std::string_view why) {
  Settle(*call);
  Deliver(call, Unreachable(why), "");
}

void Network::Deliver(const std::shared_ptr<Call>& call, Result<ApiResponse> result, std::string_view note) {
  if (result) {
    history_.Add(call->who, "{}{}{}: ok, revision {}", Describe(call->request),
                 call->request.name.empty() && result->object ? " " : "",
                 call->request.name.empty() && result->object ? result->object->meta().name.view() : "",
                 result->revision);
  } else {
    history_.Add(call->who, "{}: {}{}{}", Describe(call->request), result.status().ToString(), note.empty() ? "" : "; ",
                 note);
  }
  Strand* const strand = std::exchange(call->strand, nullptr);
  if (strand == nullptr) return;
  if (on_seen && result && call->request.verb == Verb::kList) {
    on_seen(SimulatedEnv::NameOf(*strand), *call->request.resource, result->revision);
  }
  strand->Post([done = std::move(call->done), result = std::move(result)]() mutable { done(std::move(result)); });
}

}  // namespace minikube::simulation
