// A request as it enters the server: who asks, what for, and the body as it came.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <minikube/auth.h>
#include <minikube/client.h>
#include <minikube/codec.h>
#include <minikube/env.h>

namespace minikube::api {

// A body that is still bytes (from HTTP); the decode stage turns it into request.object.
struct Body {
  MediaType type = MediaType::kJson;
  std::string bytes;
};

// What the audit is to know of a request that came over HTTPS.
struct AuditTrail {
  std::string id;
  std::string uri;
  std::string user_agent;
  std::optional<UserInfo> sender;  // set if he acts as another
  WallTime received{};
};

// What travels through the stages.
struct RequestContext {
  UserInfo user;
  std::string manager;  // of fields, where the request does not name one: the program that sent it
  ApiRequest request;
  std::optional<Body> body;
  std::vector<std::string> warnings;        // become Warning headers
  std::string allowed_because;              // what the authoriser said
  std::shared_ptr<const AuditTrail> trail;  // null: of a client in this process, or nobody listens
};

}  // namespace minikube::api
