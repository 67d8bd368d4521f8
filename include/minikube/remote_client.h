// A Client that speaks HTTPS: to an ApiServer in another process, or to any Kubernetes API server.
//
// Objects travel as protobuf (custom resources as JSON), watches as JSON lines. Connections are kept alive and reused.
// A watch that breaks ends with kUnavailable and is not taken up again here: that is the Informer's part. Thread safety
// and lifetime: as Client. One thread of its own (a blocking strand of env), which env outlives.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <minikube/client.h>
#include <minikube/env.h>
#include <minikube/function.h>
#include <minikube/status.h>

namespace minikube {

struct RemoteClientOptions {
  std::string kubeconfig;  // YAML or JSON text
  std::string context;     // "" = its current-context
  std::string user_agent = "minikube";
  std::size_t max_connections = 32;  // for requests; more wait their turn. Watches have one each besides
  std::size_t max_response_bytes = 1ull << 30;
  Duration timeout = std::chrono::seconds(60);  // of a request that is not a watch
};

// Nothing is sent before the first request. Errors: kBadRequest (kubeconfig or the certificates in it), kNotFound (no
// such context; a file it names), kNotImplemented (exec and auth-provider plugins, server without https).
Result<std::unique_ptr<Client>> NewRemoteClient(RemoteClientOptions options, Env& env);

// A request for a path that is no resource, such as /metrics or /debug/store/snapshot ("kubectl get --raw"). Blocks,
// not to be called on a strand of `env`. `on_data` gets the body of an answer of success piece by piece, on another
// thread; an error of its own ends the transfer and is returned. Errors: as NewRemoteClient; the server's; kUnavailable
// (no connection, or broken off), kTimeout (nothing came for `silence`).
struct RawRequest {
  std::string method = "GET";
  std::string path;  // with its query
  Duration silence = std::chrono::seconds(60);
};
Status RawExchange(const RemoteClientOptions& options, const RawRequest& request, Env& env,
                   const Function<Status(std::string_view)>& on_data);

}  // namespace minikube
