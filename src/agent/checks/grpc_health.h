// One call of grpc.health.v1.Health/Check over HTTP/2 (RFC 9113) in clear, as bytes: what is sent, and what the answer
// means. https://github.com/grpc/grpc/blob/master/doc/health-checking.md
//
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <minikube/status.h>

namespace minikube::agent {

// Everything the client has to say: the connection's preface, its settings, and the request.
std::string GrpcHealthRequest(std::string_view authority, std::string_view service);

// `came` is what the server has sent so far. nullopt: more is needed; OK: the service serves; otherwise kUnavailable,
// saying what is amiss.
std::optional<Status> JudgeGrpcAnswer(std::string_view came);

}  // namespace minikube::agent
