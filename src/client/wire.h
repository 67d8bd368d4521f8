// ApiRequests as HTTP requests, and HTTP responses as ApiResponses: the client's side of
// https://kubernetes.io/docs/reference/using-api/api-concepts/. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include <minikube/client.h>
#include <minikube/status.h>

namespace minikube::client {

struct HttpRequest {
  std::string method;
  std::string target;
  std::string accept;
  std::string content_type;  // "" = no body
  std::string body;
};

struct HttpResponse {
  unsigned status = 0;
  std::string content_type;
  std::vector<std::string> warnings;
  std::string body;
  int retry_after_seconds = 0;
};

HttpRequest ToHttp(const ApiRequest& request);
Result<ApiResponse> FromHttp(const ApiRequest& request, const HttpResponse& response);
// The error that a response which is not 2xx carries.
Status ErrorOf(const HttpResponse& response);
// One line of a watch. Errors: what an ERROR event says; kInternal for what cannot be understood.
Result<WatchEvent> ToWatchEvent(const ResourceDesc& resource, std::string_view line);

}  // namespace minikube::client
