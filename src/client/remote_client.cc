#include <minikube/remote_client.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "client/calls_in_flight.h"
#include "client/discovery.h"
#include "client/kubeconfig.h"
#include "client/transport.h"
#include "client/wire.h"

namespace minikube {
namespace {

using client::CallsInFlight;
using client::Cancelled;
using client::HttpResponse;
using client::Transport;

constexpr std::size_t kMaxLineBytes = 64 << 20;  // one watch event
// What a watch may be silent beyond the time it was asked for.
constexpr Duration kWatchSlack = std::chrono::seconds(30);
constexpr Duration kDefaultWatch = std::chrono::hours(1);

// A watch between the transport's thread, which cuts the stream into events, and the strand, which hands them on and
// only then asks for more: a slow reader slows the server down and costs no memory.
class RemoteWatch : public std::enable_shared_from_this<RemoteWatch> {
 public:
  RemoteWatch(const ResourceDesc& resource, Strand& strand, WatchCallbacks callbacks)
      : resource_(resource), callbacks_(std::move(callbacks)), strand_(&strand) {}

  void Begin(Transport& transport, const ApiRequest& request) {
    client::StreamCallbacks stream;
    stream.on_head = [self = shared_from_this()](const HttpResponse& head) {
      if (head.status < 200 || head.status > 299) self->refusal_ = client::ErrorOf(head);
    };
    stream.on_data = [self = shared_from_this()](std::string piece) { self->OnPiece(piece); };
    stream.on_end = [self = shared_from_this()](Status status) { self->OnEnd(std::move(status)); };
    const Duration asked =
        request.timeout_seconds > 0 ? Duration(std::chrono::seconds(request.timeout_seconds)) : kDefaultWatch;
    std::lock_guard lock(mu_);  // callbacks wait until the stream is there
    stream_ = transport.Open(client::ToHttp(request), asked + kWatchSlack, std::move(stream));
  }
  // On the strand: no callback follows.
  void Cancel() {
    std::unique_ptr<client::Stream> gone;
    std::lock_guard lock(mu_);
    strand_ = nullptr;
    gone = std::move(stream_);
  }
  // The client goes, perhaps before the handle.
  void ClientGone() { OnEnd(Cancelled()); }

 private:
  // On the transport's thread.
  void OnPiece(const std::string& piece) {
    std::vector<WatchEvent> events;
    Status failure;
    std::size_t from = 0;
    for (std::size_t end; failure.ok() && (end = piece.find('\n', from)) != std::string::npos; from = end + 1) {
      line_.append(piece, from, end - from);
      if (line_.find_first_not_of(" \r\t") != std::string::npos) {
        Result<WatchEvent> event = client::ToWatchEvent(resource_, line_);
        if (event) {
          events.push_back(std::move(event).value());
        } else {
          failure = event.status();
        }
      }
      line_.clear();
    }
    line_.append(piece, from, std::string::npos);
    if (line_.size() > kMaxLineBytes) failure = Status(Code::kTooLarge, "a watch event is too large");
    Deliver(std::move(events), failure.ok());
    if (!failure.ok()) OnEnd(std::move(failure));
  }
  void Deliver(std::vector<WatchEvent> events, bool go_on) {
    Post([self = shared_from_this(), events = std::move(events), go_on]() mutable {
      if (!events.empty()) self->callbacks_.on_events(std::move(events));
      if (go_on) self->ReadMore();
    });
  }
  void OnEnd(Status status) {
    if (!refusal_.ok()) status = refusal_;
    if (status.ok()) status = Status(Code::kTimeout, "the server ended the watch");
    std::unique_ptr<client::Stream> gone;
    {
      std::lock_guard lock(mu_);
      if (std::exchange(ended_, true)) return;
      gone = std::move(stream_);
    }
    Post([self = shared_from_this(), status = std::move(status)] { self->callbacks_.on_end(status); });
  }
  // Posts under the lock: once Cancel has returned, the strand is not touched any more.
  void Post(Task task) {
    std::lock_guard lock(mu_);
    if (strand_ == nullptr) return;
    strand_->Post([self = shared_from_this(), task = std::move(task)] {
      if (!self->Gone()) task();
    });
  }
  bool Gone() {
    std::lock_guard lock(mu_);
    return strand_ == nullptr;
  }
  void ReadMore() {
    std::lock_guard lock(mu_);
    if (stream_ != nullptr) stream_->ReadMore();
  }

  const ResourceDesc& resource_;
  const WatchCallbacks callbacks_;
  std::string line_;  // the transport's thread's: an event not yet complete
  Status refusal_;    // the same
  std::mutex mu_;     // the rest
  Strand* strand_;    // null once cancelled
  std::unique_ptr<client::Stream> stream_;
  bool ended_ = false;
};

class RemoteWatchHandle final : public WatchHandle {
 public:
  explicit RemoteWatchHandle(std::shared_ptr<RemoteWatch> watch) : watch_(std::move(watch)) {}
  ~RemoteWatchHandle() override { watch_->Cancel(); }

 private:
  const std::shared_ptr<RemoteWatch> watch_;
};

class RemoteClient final : public Client {
 public:
  explicit RemoteClient(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}
  ~RemoteClient() override {
    transport_->Stop();
    calls_->CancelAll();
    std::vector<std::weak_ptr<RemoteWatch>> watches;
    {
      std::lock_guard lock(mu_);
      watches.swap(watches_);
    }
    for (const auto& weak : watches) {
      if (const auto watch = weak.lock()) watch->ClientGone();
    }
  }

  Call Do(ApiRequest request, Strand& strand, Function<void(Result<ApiResponse>)> done) override {
    auto [id, call] = calls_->Add(strand, std::move(done));
    calls_->OnCancel(id, Send(std::move(request), [calls = calls_, id = id](Result<ApiResponse> result) {
                       calls->Answer(id, std::move(result));
                     }));
    return std::move(call);
  }

  std::unique_ptr<WatchHandle> Watch(ApiRequest request, Strand& strand, WatchCallbacks callbacks) override {
    auto watch = std::make_shared<RemoteWatch>(*request.resource, strand, std::move(callbacks));
    request.verb = Verb::kWatch;
    watch->Begin(*transport_, request);
    {
      std::lock_guard lock(mu_);
      std::erase_if(watches_, [](const std::weak_ptr<RemoteWatch>& weak) { return weak.expired(); });
      watches_.push_back(watch);
    }
    return std::make_unique<RemoteWatchHandle>(std::move(watch));
  }

  Result<ApiResponse> DoSync(ApiRequest request) override {
    auto waiting = std::make_shared<Waiting<ApiResponse>>();
    (void)Send(std::move(request), [waiting](Result<ApiResponse> result) { waiting->Answer(std::move(result)); });
    return waiting->Take();
  }

  Result<std::vector<const ResourceDesc*>> Discover() override {
    std::vector<const ResourceDesc*> out;
    for (const char* path : {"/api", "/apis"}) {
      auto waiting = std::make_shared<Waiting<HttpResponse>>();
      (void)transport_->Exchange(client::DiscoveryRequest(path),
                                 [waiting](Result<HttpResponse> result) { waiting->Answer(std::move(result)); });
      Result<HttpResponse> answer = waiting->Take();
      if (!answer) return answer.status();
      MINIKUBE_RETURN_IF_ERROR(client::AddDiscovered(*answer, out));
    }
    return out;
  }

 private:
  // A thread that waits for an answer.
  template <typename T>
  class Waiting {
   public:
    void Answer(Result<T> result) {
      // Notified under the lock: the waiter may go as soon as it sees the result.
      std::lock_guard lock(mu_);
      result_ = std::move(result);
      answered_.notify_one();
    }
    Result<T> Take() {
      std::unique_lock lock(mu_);
      answered_.wait(lock, [&] { return result_.has_value(); });
      return *std::move(result_);
    }

   private:
    std::mutex mu_;
    std::condition_variable answered_;
    std::optional<Result<T>> result_;
  };

  // As Transport::Exchange.
  Task Send(ApiRequest request, Function<void(Result<ApiResponse>)> done) {
    client::HttpRequest http = client::ToHttp(request);
    // The object has been encoded; the rest is needed to read the answer.
    request.object = nullptr;
    return transport_->Exchange(
        std::move(http), [request = std::move(request), done = std::move(done)](Result<HttpResponse> response) {
          done(response ? client::FromHttp(request, *response) : Result<ApiResponse>(response.status()));
        });
  }

  const std::unique_ptr<Transport> transport_;
  const std::shared_ptr<CallsInFlight> calls_ = std::make_shared<CallsInFlight>();
  std::mutex mu_;
  std::vector<std::weak_ptr<RemoteWatch>> watches_;
};

}  // namespace

Result<std::unique_ptr<Client>> NewRemoteClient(RemoteClientOptions options, Env& env) {
  Result<client::Kubeconfig> config = client::ParseKubeconfig(options.kubeconfig, options.context);
  if (!config) return config.status();
  client::TransportOptions transport;
  transport.user_agent = options.user_agent;
  transport.max_connections = std::max<std::size_t>(1, options.max_connections);
  transport.max_response_bytes = options.max_response_bytes;
  transport.timeout = options.timeout;
  Result<std::unique_ptr<Transport>> opened = Transport::New(std::move(config).value(), std::move(transport), env);
  if (!opened) return opened.status();
  return std::unique_ptr<Client>(std::make_unique<RemoteClient>(std::move(opened).value()));
}

}  // namespace minikube
