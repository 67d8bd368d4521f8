// An engine that says what the test wants, and remembers what it was asked.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "api/kinds/kinds.h"
#include "api/stages/api_core.h"

namespace minikube::api::testing {

// The far end of a watch.
class FakeStream final : public WatchStream {
 public:
  struct Feed {
    std::mutex mu;
    std::vector<WatchItem> items;
    Status end;
    Task on_ready;
    bool destroyed = false;
    void Push(std::vector<WatchItem> more, Status ended = {}) {
      {
        std::lock_guard lock(mu);
        for (WatchItem& item : more) items.push_back(std::move(item));
        if (!ended.ok()) end = std::move(ended);
      }
      on_ready();
    }
  };
  explicit FakeStream(std::shared_ptr<Feed> feed) : feed_(std::move(feed)) {}
  ~FakeStream() override { feed_->destroyed = true; }
  std::vector<WatchItem> Take(Status& end) override {
    std::lock_guard lock(feed_->mu);
    end = feed_->end;
    return std::exchange(feed_->items, {});
  }

 private:
  std::shared_ptr<Feed> feed_;
};

class FakeApiCore final : public ApiCore {
 public:
  std::function<Result<ApiResponse>(const RequestContext&)> handle;
  std::function<Result<PodLogTarget>(const LogRequest&)> pod_log;
  std::function<Result<PodExecTarget>(ExecRequest)> pod_exec;
  std::function<Result<PodPortTarget>()> pod_ports;
  std::function<Result<ForwardTarget>()> proxy;
  std::function<Status(const UserInfo&, std::string_view verb, std::string_view path)> authorize_path;
  std::function<Result<UserInfo>(std::string_view token)> authenticate_token;
  Status ready;
  bool hold = false;  // requests are not answered until they are withdrawn
  Function<void(Result<ApiResponse>)> held;
  std::shared_ptr<FakeStream::Feed> feed = std::make_shared<FakeStream::Feed>();
  std::vector<RequestContext> seen;

  Task Handle(RequestContext context, Function<void(Result<ApiResponse>)> done) override {
    if (hold) {
      held = std::move(done);
      return [this] { std::exchange(held, nullptr)(Status(Code::kCancelled, "the request was withdrawn")); };
    }
    Result<ApiResponse> response = handle(context);
    seen.push_back(std::move(context));
    done(std::move(response));
    return nullptr;
  }
  Result<std::unique_ptr<WatchStream>> Watch(RequestContext context, Task on_ready) override {
    seen.push_back(std::move(context));
    if (!ready.ok()) return ready;
    feed->on_ready = std::move(on_ready);
    return std::unique_ptr<WatchStream>(std::make_unique<FakeStream>(feed));
  }
  Result<PodLogTarget> PodLog(const RequestContext& context, LogRequest options) override {
    seen.push_back(context);
    return pod_log(options);
  }
  Status SetServerAddress(std::optional<ServerAddress>) override { return {}; }
  Result<UserInfo> AuthenticateToken(std::string_view token) override {
    return authenticate_token ? authenticate_token(token) : Status(Code::kUnauthorized, "no such token");
  }
  std::string TokenKeys() const override { return R"({"keys":[]})"; }
  Result<PodExecTarget> PodExec(const RequestContext& context, ExecRequest options) override {
    seen.push_back(context);
    return pod_exec(std::move(options));
  }
  Result<PodPortTarget> PodPorts(const RequestContext& context) override {
    seen.push_back(context);
    return pod_ports();
  }
  Result<ForwardTarget> Proxy(const RequestContext& context) override {
    seen.push_back(context);
    return proxy();
  }
  Status AuthorizePath(const UserInfo& user, std::string_view verb, std::string_view path) override {
    return authorize_path ? authorize_path(user, verb, path) : Status();
  }
  std::unique_ptr<Client> NewClient(UserInfo) override { return nullptr; }
  Revision revision() const override { return 42; }
  std::shared_ptr<const Catalogue> catalogue() const override { return Catalogue::BuiltIn(AllStrategies()); }
  Status Ready() const override { return ready; }
  void WriteMetrics(MetricsText&) const override {}
  void Stop() override {}
};

}  // namespace minikube::api::testing
