// Whatever a client sends is routed or refused in Kubernetes' words, and what is routed makes sense.
#include "api/front/route.h"
#include "fuzz.h"
#include "unit/api/built_in_catalogue.h"

namespace minikube::fuzz {
namespace {

// The first line: method, target. Then header lines up to an empty one. Then the body.
HttpRequest ParseInput(std::string_view input) {
  const auto cut = [&input](char separator) {
    const std::size_t at = std::min(input.find(separator), input.size());
    const std::string part(input.substr(0, at));
    input.remove_prefix(std::min(at + 1, input.size()));
    return part;
  };
  HttpRequest request;
  request.method = cut(' ');
  request.target = cut('\n');
  while (!input.empty() && request.headers.size() < 8) {
    std::string name = cut(':');
    if (name.empty()) break;
    std::string value = cut('\n');
    request.headers.emplace_back(std::move(name), std::move(value));
  }
  request.body = std::string(input);
  return request;
}

void CheckRoute(const api::Route& route) {
  if (route.kind == api::RouteKind::kPath) return;
  const ApiRequest& request = route.request;
  Check(request.resource != nullptr, "a resource is found");
  Check(request.ns.empty() || request.resource->namespaced, "only namespaced resources have a namespace");
  Check(request.limit >= 0, "the limit is not negative");
  Check(!request.grace_period_seconds || *request.grace_period_seconds >= 0, "the grace period is not negative");
  Check((route.kind == api::RouteKind::kWatch) == (request.verb == Verb::kWatch), "a watch is one by both accounts");
}

}  // namespace

std::vector<std::string> Seeds() {
  return {
      "GET /api/v1/namespaces/default/pods?labelSelector=a%3Db&limit=5&watch=1&timeoutSeconds=3\n"
      "Accept:application/json;as=Table;v=v1;g=meta.k8s.io,application/json;q=0.5\n",
      "GET /apis/apps/v1/watch/namespaces/d/deployments/web?resourceVersion=7\n",
      "GET /api/v1/namespaces/d/pods/web/log?follow=true&tailLines=3&sinceTime=2026-01-01T00:00:00Z\n",
      "POST "
      "/api/v1/namespaces/d/pods?dryRun=All&fieldManager=x&fieldValidation=Strict\nContent-Type:application/"
      "yaml\n:\nkind: Pod\n",
      "PATCH /api/v1/namespaces/d/pods/web?force=true\nContent-Type:application/apply-patch+yaml\n:\na: [1, {b: c}]\n",
      "PATCH /apis/apps/v1/namespaces/d/deployments/web/scale\nContent-Type:application/json-patch+json\n:\n[]",
      "DELETE /api/v1/namespaces/d/pods/web?gracePeriodSeconds=0&propagationPolicy=Orphan\n",
      "DELETE /api/v1/namespaces/d/pods\nContent-Type:application/json\n:\n"
      R"({"gracePeriodSeconds":5,"preconditions":{"uid":"u"},"propagationPolicy":"Foreground","dryRun":["All"]})",
      std::string("DELETE /api/v1/nodes/n\nContent-Type:application/vnd.kubernetes.protobuf\n:\n") +
          std::string("k8s\0\x0a\x04\x0a\x02v1\x12\x0a\x08\x07\x12\x03\x0a\x01u\x22\x01x", 22),
      "PUT /api/v1/namespaces/x/finalize\n:\n{}",
  };
}

}  // namespace minikube::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minikube;
  HttpRequest request = fuzz::ParseInput({reinterpret_cast<const char*>(data), size});
  const Result<api::Route> route = api::RouteRequest(request, api::testing::BuiltInCatalogue());
  if (route) {
    fuzz::CheckRoute(*route);
  } else {
    fuzz::Check(route.status().code() != Code::kInternal, "a bad request is the client's fault");
    fuzz::Check(!route.status().message().empty(), "a refusal says why");
  }
  return 0;
}
