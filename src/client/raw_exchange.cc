#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <minikube/remote_client.h>

#include "client/kubeconfig.h"
#include "client/transport.h"

namespace minikube {
namespace {

// What the transport's thread and the caller share.
struct Transfer {
  std::mutex mu;
  std::condition_variable ended;
  std::optional<Status> end;  // guarded by mu, as is stream
  std::unique_ptr<client::Stream> stream;

  void End(Status status) {
    std::lock_guard lock(mu);
    if (end) return;
    end = std::move(status);
    ended.notify_one();
  }
  void ReadMore() {
    std::lock_guard lock(mu);
    stream->ReadMore();
  }
};

}  // namespace

Status RawExchange(const RemoteClientOptions& options, const RawRequest& request, Env& env,
                   const Function<Status(std::string_view)>& on_data) {
  Result<client::Kubeconfig> config = client::ParseKubeconfig(options.kubeconfig, options.context);
  if (!config) return config.status();
  client::TransportOptions transport_options;
  transport_options.user_agent = options.user_agent;
  transport_options.timeout = options.timeout;
  Result<std::unique_ptr<client::Transport>> transport =
      client::Transport::New(std::move(config).value(), std::move(transport_options), env);
  if (!transport) return transport.status();

  Transfer transfer;
  client::StreamCallbacks callbacks;
  callbacks.on_head = [&transfer](const client::HttpResponse& response) {
    if (response.status < 200 || response.status >= 300) transfer.End(client::ErrorOf(response));
  };
  callbacks.on_data = [&transfer, &on_data](std::string piece) {
    Status taken = on_data(piece);
    if (!taken.ok()) return transfer.End(std::move(taken));
    transfer.ReadMore();
  };
  callbacks.on_end = [&transfer](Status status) { transfer.End(std::move(status)); };
  client::HttpRequest http{request.method, request.path, "*/*", "", ""};
  Status end;
  {
    std::unique_lock lock(transfer.mu);
    transfer.stream = (*transport)->Open(std::move(http), request.silence, std::move(callbacks));
    transfer.ended.wait(lock, [&transfer] { return transfer.end.has_value(); });
    end = *transfer.end;
  }
  (*transport)->Stop();  // no callback runs any more
  return end;
}

}  // namespace minikube
