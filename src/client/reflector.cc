#include "client/reflector.h"

#include <algorithm>
#include <utility>

namespace minikube::client {
namespace {

constexpr Duration kBaseBackoff = std::chrono::milliseconds(100);
constexpr Duration kMaxBackoff = std::chrono::seconds(30);
// A watch that lived this long was healthy: its end is no reason to wait.
constexpr Duration kHealthyWatch = std::chrono::seconds(5);
// Watches are renewed after 5 to 10 minutes, so that servers behind a balancer share the load again.
constexpr std::int64_t kMinWatchSeconds = 300;

}  // namespace

Reflector::Reflector(Client& client, const ResourceDesc& resource, Strand& strand, Env& env, Informer::Options options,
                     Sink& sink)
    : client_(client),
      resource_(resource),
      strand_(strand),
      env_(env),
      options_(std::move(options)),
      sink_(sink),
      backoff_(kBaseBackoff, kMaxBackoff) {}

void Reflector::Stop() {
  if (std::exchange(stopped_, true)) return;
  if (timer_ != 0) strand_.Cancel(std::exchange(timer_, 0));
  list_.Withdraw();
  watch_.reset();
}

ApiRequest Reflector::NewRequest(Verb verb) const {
  ApiRequest request;
  request.verb = verb;
  request.resource = &resource_;
  request.ns = options_.ns;
  request.label_selector = options_.label_selector;
  request.field_selector = options_.field_selector;
  return request;
}

void Reflector::After(Duration delay, void (Reflector::*next)()) {
  timer_ = strand_.After(delay, [weak = weak_from_this(), next] {
    const auto self = weak.lock();
    if (self == nullptr || self->stopped_) return;
    self->timer_ = 0;
    if (self->list_again_) return self->List();
    (self.get()->*next)();
  });
}

std::uint64_t Reflector::ListAgain() {
  list_again_ = true;
  // One that is on its way may have been answered before; and whoever waits before trying again goes on waiting.
  if (!stopped_ && !listing_ && timer_ == 0) After(Duration(0), &Reflector::List);
  return lists_ + 1;
}

void Reflector::List() {
  // Not at the end of a watch: its handle must not go while one of its callbacks runs.
  watch_.reset();
  ++lists_;
  listing_ = true;
  list_again_ = false;
  list_ = client_.Do(NewRequest(Verb::kList), strand_, [weak = weak_from_this()](Result<ApiResponse> response) {
    const auto self = weak.lock();
    if (self != nullptr && !self->stopped_) self->OnListed(std::move(response));
  });
}

void Reflector::OnListed(Result<ApiResponse> response) {
  listing_ = false;
  if (!response) {
    // A resource that is not served has no objects; it may be served later.
    if (response.status().code() == Code::kNotFound) sink_.OnList({}, revision_);
    if (!stopped_) After(backoff_.Next(env_.random()), &Reflector::List);
    return;
  }
  revision_ = response->revision;
  sink_.OnList(std::move(response->items), revision_);
  if (stopped_) return;
  list_again_ ? List() : StartWatch();
}

void Reflector::StartWatch() {
  ApiRequest request = NewRequest(Verb::kWatch);
  request.resource_version = std::to_string(revision_);
  request.allow_bookmarks = true;
  request.timeout_seconds = kMinWatchSeconds + static_cast<std::int64_t>(env_.random().Next() % kMinWatchSeconds);
  watch_started_ = env_.clock().MonoNow();
  WatchCallbacks callbacks;
  callbacks.on_events = [weak = weak_from_this()](std::vector<WatchEvent> events) {
    const auto self = weak.lock();
    if (self != nullptr && !self->stopped_) self->OnWatchEvents(std::move(events));
  };
  callbacks.on_end = [weak = weak_from_this()](Status status) {
    const auto self = weak.lock();
    if (self != nullptr && !self->stopped_) self->OnWatchEnd(status);
  };
  watch_ = client_.Watch(std::move(request), strand_, std::move(callbacks));
}

void Reflector::OnWatchEvents(std::vector<WatchEvent> events) {
  if (events.empty()) return;
  backoff_.Reset();
  revision_ = std::max(revision_, events.back().revision);
  sink_.OnEvents(std::move(events));
}

void Reflector::OnWatchEnd(const Status& status) {
  const bool healthy = env_.clock().MonoNow() - watch_started_ >= kHealthyWatch;
  if (healthy) backoff_.Reset();
  const Duration delay = healthy ? Duration(0) : backoff_.Next(env_.random());
  // Only a server that is away or has had enough of this watch is asked to go on from here; any other refusal (expired,
  // forbidden, a resource that has gone) is answered by a list, which shows how things stand.
  const bool go_on = status.ok() || status.code() == Code::kTimeout || status.code() == Code::kUnavailable ||
                     status.code() == Code::kTooManyRequests;
  After(delay, go_on ? &Reflector::StartWatch : &Reflector::List);
}

}  // namespace minikube::client
