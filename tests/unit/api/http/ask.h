// One request to a Frontend, without a connection.
#pragma once

#include <chrono>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "api/front/frontend.h"

namespace minikube::api::testing {

using Headers = std::vector<std::pair<std::string, std::string>>;

// The reply, made as its connection would make it.
inline HttpReply Ask(Frontend& frontend, std::string method, std::string target, Headers headers = {},
                     std::string body = "") {
  HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers = std::move(headers);
  request.body = std::move(body);
  std::promise<HttpReply> promise;
  auto future = promise.get_future();
  frontend.Handle(std::move(request), [&promise](HttpReply reply) {
    reply.Complete();
    promise.set_value(std::move(reply));
  });
  REQUIRE(future.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  return future.get();
}

}  // namespace minikube::api::testing
