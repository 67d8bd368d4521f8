// A request as it enters the server: who asks, what for, and the body as it came.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <minikube/api_server.h>
#include <minikube/client.h>
#include <minikube/codec.h>

namespace minikube::api {

// A body that is still bytes (from HTTP); the decode stage turns it into request.object.
struct Body {
  MediaType type = MediaType::kJson;
  std::string bytes;
};

// What travels through the stages.
struct RequestContext {
  UserInfo user;
  std::string manager;  // of fields, where the request does not name one: the program that sent it
  ApiRequest request;
  std::optional<Body> body;
  std::vector<std::string> warnings;  // become Warning headers
};

}  // namespace minikube::api
