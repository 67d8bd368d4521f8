#include <algorithm>
#include <deque>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>
#include <minikube/reconciler.h>

#include "client/lru_map.h"
#include "kube/names.h"
#include "kube/times.h"

namespace minikube {
namespace {

constexpr std::size_t kMaxRemembered = 4096;  // events and objects
constexpr std::size_t kMaxQueued = 1024;      // events with something to write
constexpr int kMaxInFlight = 8;
// Per object: so many at once, then one more every so often, as client-go's spam filter.
constexpr double kBurst = 25;
constexpr double kRefillSeconds = 300;

}  // namespace

struct EventRecorder::Impl : std::enable_shared_from_this<EventRecorder::Impl> {
  // One Event object. What is recorded while a write of it is on its way goes with the next one.
  struct Entry {
    core::v1::Event event;  // as it shall be; no name yet: never written
    bool queued = false;
    bool in_flight = false;
    bool dirty = false;  // recorded again since it was last sent
    bool created = false;
  };
  struct Bucket {
    double tokens = kBurst;
    MonoTime filled{};
  };

  Impl(Client& c, Strand& s, Env& e, std::string comp, std::string h)
      : client(c),
        strand(s),
        env(e),
        component(std::move(comp)),
        host(std::move(h)),
        entries(kMaxRemembered),
        buckets(kMaxRemembered) {}

  bool Admit(const std::string& object) {
    Bucket& bucket = buckets[object];
    const MonoTime now = env.clock().MonoNow();
    if (bucket.filled != MonoTime{}) {
      const double seconds = std::chrono::duration<double>(now - bucket.filled).count();
      bucket.tokens = std::min(kBurst, bucket.tokens + seconds / kRefillSeconds);
    }
    bucket.filled = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  void Record(const Object& about, std::string_view type, std::string_view reason, std::string message,
              std::string field_path) {
    const meta::v1::ObjectMeta& meta = about.meta();
    const std::string object =
        fmt::format("{}\n{}\n{}\n{}", about.kind(), meta.namespace_.view(), meta.name.view(), meta.uid.view());
    if (queue.size() >= kMaxQueued || !Admit(object)) return;
    const std::string key = fmt::format("{}\n{}\n{}\n{}\n{}", object, field_path, type, reason, message);
    std::shared_ptr<Entry>& entry = entries[key];
    if (entry == nullptr) entry = std::make_shared<Entry>();
    core::v1::Event& event = entry->event;
    const WallTime now = env.clock().Now();
    if (event.count++ == 0) {
      const GroupVersionKind& gvk = about.desc().gvk;
      event.involvedObject.kind = gvk.kind;
      event.involvedObject.apiVersion = kube::ApiVersionOf(gvk);
      event.involvedObject.namespace_ = meta.namespace_;
      event.involvedObject.name = meta.name;
      event.involvedObject.uid = meta.uid;
      event.involvedObject.resourceVersion = meta.resourceVersion;
      event.involvedObject.fieldPath = field_path;
      event.metadata.namespace_ = meta.namespace_.empty() ? Str("default") : meta.namespace_;
      event.metadata.name = NewName(meta.name);
      event.type = type;
      event.reason = reason;
      event.message = message;
      event.source.component = component;
      event.source.host = host;
      event.reportingComponent = component;
      event.reportingInstance = host;
      event.firstTimestamp = kube::ToTime(now);
    }
    event.lastTimestamp = kube::ToTime(now);
    entry->dirty = true;
    Enqueue(entry);
  }

  // Unique per object because time goes on; two within one clock tick differ by the counter.
  std::string NewName(std::string_view object) {
    const auto nanos = static_cast<std::uint64_t>(env.clock().Now().time_since_epoch().count());
    last_stamp = std::max(nanos, last_stamp + 1);
    return fmt::format("{}.{:x}", object, last_stamp);
  }

  void Enqueue(const std::shared_ptr<Entry>& entry) {
    if (entry->queued || entry->in_flight) return;
    entry->queued = true;
    queue.push_back(entry);
    Pump();
  }

  void Pump() {
    while (!stopped && in_flight < kMaxInFlight && !queue.empty()) {
      const std::shared_ptr<Entry> entry = std::move(queue.front());
      queue.pop_front();
      entry->queued = false;
      entry->in_flight = true;
      entry->dirty = false;
      ++in_flight;
      client
          .Do(RequestFor(*entry), strand,
              [weak = weak_from_this(), entry](Result<ApiResponse> response) {
                const auto self = weak.lock();
                if (self != nullptr && !self->stopped) self->OnAnswer(entry, response);
              })
          .Detach();
    }
  }

  ApiRequest RequestFor(const Entry& entry) {
    const core::v1::Event& event = entry.event;
    if (!entry.created) return Client::RequestFor(Verb::kCreate, event);
    ApiRequest request =
        Client::NamedRequest<core::v1::Event>(Verb::kPatch, event.metadata.namespace_, event.metadata.name);
    request.patch_type = PatchType::kMerge;
    request.patch = fmt::format(R"({{"count":{},"lastTimestamp":"{}"}})", event.count,
                                FormatTime(kube::ToWallTime(event.lastTimestamp)));
    return request;
  }

  void OnAnswer(const std::shared_ptr<Entry>& entry, const Result<ApiResponse>& response) {
    --in_flight;
    entry->in_flight = false;
    const Code code = response.status().code();
    if (response || code == Code::kAlreadyExists) {
      entry->created = true;
    } else if (code == Code::kNotFound && entry->created) {
      // It expired meanwhile: the count goes on in a new one.
      entry->created = false;
      entry->dirty = true;
      entry->event.metadata.name = NewName(entry->event.involvedObject.name);
    }
    // Any other error drops this write: the next occurrence carries the whole count.
    if (entry->dirty) Enqueue(entry);
    Pump();
  }

  Client& client;
  Strand& strand;
  Env& env;
  const std::string component;
  const std::string host;
  client::LruMap<std::shared_ptr<Entry>> entries;
  client::LruMap<Bucket> buckets;
  std::deque<std::shared_ptr<Entry>> queue;
  std::uint64_t last_stamp = 0;
  int in_flight = 0;
  bool stopped = false;
};

EventRecorder::EventRecorder(Client& client, Strand& strand, Env& env, std::string component, std::string host)
    : impl_(std::make_shared<Impl>(client, strand, env, std::move(component), std::move(host))) {}

EventRecorder::~EventRecorder() { impl_->stopped = true; }

void EventRecorder::Record(const Object& about, std::string_view type, std::string_view reason, std::string message,
                           std::string field_path) {
  impl_->Record(about, type, reason, std::move(message), std::move(field_path));
}

}  // namespace minikube
