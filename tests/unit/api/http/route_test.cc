#include "api/front/route.h"
#include "unit/api/built_in_catalogue.h"

#include <catch2/catch.hpp>

#include <random>

#include "api/wire/proto_wire.h"

using namespace minikube;
using namespace minikube::api;

namespace {

HttpRequest Request(std::string method, std::string target, std::string body = "", std::string content_type = "") {
  HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  if (!content_type.empty()) request.headers.emplace_back("Content-Type", std::move(content_type));
  return request;
}

Result<Route> Routed(std::string method, std::string target, std::string body = "", std::string content_type = "") {
  HttpRequest request = Request(std::move(method), std::move(target), std::move(body), std::move(content_type));
  return RouteRequest(request, api::testing::BuiltInCatalogue());
}

Code CodeOf(std::string method, std::string target, std::string body = "", std::string content_type = "") {
  return Routed(std::move(method), std::move(target), std::move(body), std::move(content_type)).status().code();
}

}  // namespace

TEST_CASE("route: verbs and places") {
  struct Row {
    const char* method;
    const char* target;
    Verb verb;
    const char* plural;
    const char* ns;
    const char* name;
    const char* subresource;
  };
  const Row rows[] = {
      {"GET", "/api/v1/pods", Verb::kList, "pods", "", "", ""},
      {"GET", "/api/v1/namespaces/default/pods", Verb::kList, "pods", "default", "", ""},
      {"GET", "/api/v1/namespaces/default/pods/web", Verb::kGet, "pods", "default", "web", ""},
      {"HEAD", "/api/v1/namespaces/default/pods/web", Verb::kGet, "pods", "default", "web", ""},
      {"POST", "/api/v1/namespaces/default/pods", Verb::kCreate, "pods", "default", "", ""},
      {"PUT", "/api/v1/namespaces/default/pods/web/status", Verb::kUpdate, "pods", "default", "web", "status"},
      {"POST", "/api/v1/namespaces/default/pods/web/binding", Verb::kCreate, "pods", "default", "web", "binding"},
      {"POST", "/api/v1/namespaces/default/pods/web/eviction", Verb::kCreate, "pods", "default", "web", "eviction"},
      {"DELETE", "/api/v1/namespaces/default/pods/web", Verb::kDelete, "pods", "default", "web", ""},
      {"DELETE", "/api/v1/namespaces/default/pods", Verb::kDeleteCollection, "pods", "default", "", ""},
      {"GET", "/api/v1/namespaces", Verb::kList, "namespaces", "", "", ""},
      {"GET", "/api/v1/namespaces/kube-system", Verb::kGet, "namespaces", "", "kube-system", ""},
      {"PUT", "/api/v1/namespaces/x/finalize", Verb::kUpdate, "namespaces", "", "x", "finalize"},
      {"GET", "/api/v1/namespaces/x/status", Verb::kGet, "namespaces", "", "x", "status"},
      {"GET", "/api/v1/nodes/n1", Verb::kGet, "nodes", "", "n1", ""},
      {"GET", "/apis/apps/v1/namespaces/d/deployments/web/scale", Verb::kGet, "deployments", "d", "web", "scale"},
      {"GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node", Verb::kGet, "clusterroles", "",
       "system:node", ""},
      {"GET", "/api/v1/pods?watch=1", Verb::kWatch, "pods", "", "", ""},
      {"GET", "/api/v1/watch/namespaces/d/pods", Verb::kWatch, "pods", "d", "", ""},
      {"GET", "/apis/apps/v1/watch/deployments", Verb::kWatch, "deployments", "", "", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.method, row.target);
    const Result<Route> route = Routed(row.method, row.target);
    REQUIRE(route.ok());
    CHECK(route->kind == (row.verb == Verb::kWatch ? RouteKind::kWatch : RouteKind::kResource));
    CHECK(route->request.verb == row.verb);
    CHECK(route->request.resource->plural == row.plural);
    CHECK(route->request.ns == row.ns);
    CHECK(route->request.name == row.name);
    CHECK(route->request.subresource == row.subresource);
  }
}

TEST_CASE("route: the deprecated watch of one object") {
  const Route route = Routed("GET", "/api/v1/watch/namespaces/d/pods/web?fieldSelector=status.phase%3DRunning").value();
  CHECK(route.kind == RouteKind::kWatch);
  CHECK(route.request.name.empty());
  CHECK(route.request.field_selector == "status.phase=Running,metadata.name=web");
}

TEST_CASE("route: paths that are no resources") {
  for (const char* path :
       {"/", "/healthz", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version", "/x/y/z/a"}) {
    CAPTURE(path);
    CHECK(Routed("GET", path).value().kind == RouteKind::kPath);
  }
}

TEST_CASE("route: what does not exist, in Kubernetes' words") {
  for (const char* path : {"/api/v1/gadgets", "/api/v2/pods", "/apis/apps/v9/deployments", "/api/v1/pods/web",
                           "/api/v1/namespaces/d/nodes", "/api/v1/namespaces/d/pods/web/nonsense",
                           "/api/v1/namespaces/d/pods/web/status/more", "/api/v1/watch", "/api/v1/watch/gadgets"}) {
    CAPTURE(path);
    const Status status = Routed("GET", path).status();
    CHECK(status.code() == Code::kNotFound);
    CHECK(status.message() == "the server could not find the requested resource");
  }
  const Status status = Routed("POST", "/api/v1/namespaces/d/pods/web").status();
  CHECK(status.code() == Code::kMethodNotAllowed);
  CHECK(status.message() == "the server does not allow this method on the requested resource");
  CHECK(CodeOf("PUT", "/api/v1/namespaces/d/pods") == Code::kMethodNotAllowed);
  CHECK(CodeOf("PATCH", "/api/v1/namespaces/d/pods") == Code::kMethodNotAllowed);
  CHECK(CodeOf("BREW", "/api/v1/pods") == Code::kMethodNotAllowed);
  CHECK(CodeOf("DELETE", "/api/v1/watch/pods") == Code::kMethodNotAllowed);
  CHECK(CodeOf("GET", "/apis/authentication.k8s.io/v1/tokenreviews") == Code::kMethodNotAllowed);
  CHECK(CodeOf("PUT", "/api/v1/namespaces/d/pods/web/portforward") == Code::kMethodNotAllowed);
  CHECK(CodeOf("PUT", "/api/v1/namespaces/d/pods/web/exec?command=x&stdout=1") == Code::kMethodNotAllowed);
}

TEST_CASE("route: what is asked of the other side of a proxy") {
  const auto [path, rest] = GENERATE(table<std::string, std::string>({
      {"/api/v1/namespaces/d/services/web/proxy/some/path", "/some/path"},
      {"/api/v1/namespaces/d/pods/https:p:443/proxy/", "/"},
      {"/api/v1/namespaces/d/pods/p/proxy", ""},
      {"/api/v1/namespaces/d/pods/p/proxy?a=b", "?a=b"},
      {"/api/v1/namespaces/d/pods/proxy/proxy/proxy/x%20y?a=%20b&watch=1", "/proxy/x%20y?a=%20b&watch=1"},
      {"//api/v1/namespaces/d/pods/p/proxy//x", "//x"},
  }));
  CAPTURE(path);
  const Route route = Routed("GET", path).value();
  CHECK(route.kind == RouteKind::kProxy);
  CHECK(route.proxied == rest);
  CHECK(Routed("OPTIONS", path).value().request.verb == Verb::kGet);
  CHECK(Routed("POST", path).value().request.verb == Verb::kCreate);
  CHECK(CodeOf("OPTIONS", "/api/v1/namespaces/d/pods/p") == Code::kMethodNotAllowed);
}

TEST_CASE("route: streams") {
  const Route exec =
      Routed("GET", "/api/v1/namespaces/d/pods/p/exec?command=a&command=b&stdin=1&tty=1&stderr=1").value();
  CHECK(exec.kind == RouteKind::kPodExec);
  CHECK(exec.exec.spec.command == std::vector<std::string>{"a", "b"});
  CHECK((exec.exec.spec.in && exec.exec.spec.tty && !exec.exec.spec.err && !exec.exec.spec.out));
  const Route attach = Routed("POST", "/api/v1/namespaces/d/pods/p/attach?container=c&stdout=true&command=x").value();
  CHECK(attach.kind == RouteKind::kPodExec);
  CHECK(attach.exec.container == "c");
  CHECK(attach.exec.spec.command.empty());
  CHECK(CodeOf("POST", "/api/v1/namespaces/d/pods/p/attach") == Code::kBadRequest);
  const Route ports = Routed("GET", "/api/v1/namespaces/d/pods/p/portforward?ports=80,443&ports=8080").value();
  CHECK(ports.kind == RouteKind::kPodPorts);
  CHECK(ports.ports == std::vector<std::uint16_t>{80, 443, 8080});
  CHECK(Routed("POST", "/api/v1/namespaces/d/pods/p/portforward").value().ports.empty());
  for (const char* bad : {"", "0", "65536", "-1", "80x", "80,,x", "1e3"}) {
    CAPTURE(bad);
    CHECK(CodeOf("GET", std::string("/api/v1/namespaces/d/pods/p/portforward?ports=") + bad) == Code::kBadRequest);
  }
}

TEST_CASE("route: list options") {
  const Route route =
      Routed("GET",
             "/api/v1/pods?labelSelector=a%3Db&fieldSelector=x%3Dy&limit=500&continue=abc&resourceVersion=7"
             "&resourceVersionMatch=Exact&timeoutSeconds=30&allowWatchBookmarks=true&sendInitialEvents=true")
          .value();
  CHECK(route.request.label_selector == "a=b");
  CHECK(route.request.field_selector == "x=y");
  CHECK(route.request.limit == 500);
  CHECK(route.request.continue_token == "abc");
  CHECK(route.request.resource_version == "7");
  CHECK(route.request.resource_version_match == "Exact");
  CHECK(route.request.timeout_seconds == 30);
  CHECK(route.request.allow_bookmarks);
  CHECK(route.request.send_initial_events);
  CHECK(CodeOf("GET", "/api/v1/pods?limit=-1") == Code::kBadRequest);
  CHECK(CodeOf("GET", "/api/v1/pods?limit=many") == Code::kBadRequest);
}

TEST_CASE("route: write options and bodies") {
  const Route route = Routed("POST", "/api/v1/namespaces/d/pods?dryRun=All&fieldManager=me&fieldValidation=Strict",
                             "kind: Pod", "application/yaml")
                          .value();
  CHECK(route.request.dry_run);
  CHECK(route.request.field_manager == "me");
  CHECK(route.request.field_validation == "Strict");
  REQUIRE(route.body.has_value());
  CHECK(route.body->type == MediaType::kYaml);
  CHECK(route.body->bytes == "kind: Pod");
  CHECK(CodeOf("POST", "/api/v1/namespaces/d/pods?dryRun=Some") == Code::kInvalid);
  CHECK(CodeOf("POST", "/api/v1/namespaces/d/pods?fieldValidation=Maybe") == Code::kInvalid);
  CHECK(CodeOf("POST", "/api/v1/namespaces/d/pods", "x", "text/plain") == Code::kUnsupportedMediaType);
}

TEST_CASE("route: patches") {
  const char* path = "/api/v1/namespaces/d/pods/web?force=true";
  const struct {
    const char* type;
    PatchType want;
  } rows[] = {{"application/json-patch+json", PatchType::kJson},
              {"application/merge-patch+json; charset=utf-8", PatchType::kMerge},
              {"application/strategic-merge-patch+json", PatchType::kStrategicMerge}};
  for (const auto& row : rows) {
    const Route route = Routed("PATCH", path, "{}", row.type).value();
    CHECK(route.request.patch_type == row.want);
    CHECK(route.request.patch == "{}");
    CHECK(route.request.force);
  }
  const Route apply = Routed("PATCH", path, "metadata:\n  name: web\n", "application/apply-patch+yaml").value();
  CHECK(apply.request.patch_type == PatchType::kApply);
  CHECK(apply.request.patch == R"({"metadata":{"name":"web"}})");
  CHECK(CodeOf("PATCH", path, "{}", "application/json") == Code::kUnsupportedMediaType);
  CHECK(CodeOf("PATCH", path, "{}") == Code::kUnsupportedMediaType);
  CHECK(CodeOf("PATCH", path, "a: [", "application/apply-patch+yaml") == Code::kBadRequest);
}

TEST_CASE("route: DeleteOptions from query, JSON and protobuf") {
  const char* path = "/api/v1/namespaces/d/pods/web";
  const Route query = Routed("DELETE", std::string(path) + "?gracePeriodSeconds=0&propagationPolicy=Orphan").value();
  CHECK(query.request.grace_period_seconds == 0);
  CHECK(query.request.propagation == Propagation::kOrphan);

  const Route json = Routed("DELETE", path,
                            R"({"kind":"DeleteOptions","apiVersion":"apps/v1","gracePeriodSeconds":5,"dryRun":["All"],)"
                            R"("propagationPolicy":"Foreground","preconditions":{"uid":"u","resourceVersion":"9"}})",
                            "application/json")
                         .value();
  CHECK(json.request.grace_period_seconds == 5);
  CHECK(json.request.propagation == Propagation::kForeground);
  CHECK(json.request.dry_run);
  CHECK(json.request.precondition_uid == "u");
  CHECK(json.request.precondition_resource_version == "9");

  std::string preconditions;
  PutText(1, "u2", preconditions);
  std::string message;
  PutInt(1, 7, message);
  PutBytes(2, preconditions, message);
  PutText(4, "Background", message);
  std::string body;
  PutEnvelopeHead("v1", "DeleteOptions", message.size(), body);
  body += message;
  const Route proto = Routed("DELETE", path, body, "application/vnd.kubernetes.protobuf").value();
  CHECK(proto.request.grace_period_seconds == 7);
  CHECK(proto.request.precondition_uid == "u2");
  CHECK(proto.request.propagation == Propagation::kBackground);

  CHECK(CodeOf("DELETE", path, "{", "application/json") == Code::kBadRequest);
  CHECK(CodeOf("DELETE", path, R"({"propagationPolicy":"Sometimes"})", "application/json") == Code::kInvalid);
  CHECK(CodeOf("DELETE", path, R"({"orphanDependents":true,"propagationPolicy":"Orphan"})", "application/json") ==
        Code::kInvalid);
  CHECK(CodeOf("DELETE", path, "k8s", "application/vnd.kubernetes.protobuf") == Code::kBadRequest);
}

TEST_CASE("route: logs") {
  const Route route =
      Routed("GET", "/api/v1/namespaces/d/pods/web/log?container=c&follow=true&tailLines=10&timestamps=1").value();
  CHECK(route.kind == RouteKind::kPodLog);
  CHECK(route.log.ns == "d");
  CHECK(route.log.pod == "web");
  CHECK(route.log.container == "c");
  CHECK(route.log.follow);
  CHECK(route.log.timestamps);
  CHECK(route.log.tail_lines == 10);
  CHECK(CodeOf("GET", "/api/v1/namespaces/d/pods/web/log?tailLines=-1") == Code::kInvalid);
  CHECK(CodeOf("GET", "/api/v1/namespaces/d/pods/web/log?sinceTime=yesterday") == Code::kBadRequest);
  CHECK(CodeOf("GET", "/api/v1/namespaces/d/pods/web/log?sinceTime=2026-01-01T00:00:00Z&sinceSeconds=3") ==
        Code::kInvalid);
}

TEST_CASE("route: what is answered and not stored is in no table") {
  constexpr std::string_view kReviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  constexpr const char* kTable = "application/json;as=Table;v=v1;g=meta.k8s.io";
  const auto accepting = [&](std::string accept) {
    HttpRequest http;
    http.method = "POST";
    http.target = std::string(kReviews);
    http.headers.emplace_back("Accept", std::move(accept));
    return RouteRequest(http, api::testing::BuiltInCatalogue());
  };
  CHECK(accepting(kTable).status().code() == Code::kNotAcceptable);
  const Route route = accepting(std::string(kTable) + ",application/json").value();
  CHECK(route.accepted.transform == Transform::kNone);
}

TEST_CASE("route: tables") {
  HttpRequest request = Request("GET", "/api/v1/pods?includeObject=Object");
  request.headers.emplace_back("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
  const Route route = RouteRequest(request, api::testing::BuiltInCatalogue()).value();
  CHECK(route.accepted.transform == Transform::kTable);
  CHECK(route.include_object == IncludeObject::kObject);
  request.target = "/api/v1/pods?includeObject=Everything";
  CHECK(RouteRequest(request, api::testing::BuiltInCatalogue()).status().code() == Code::kBadRequest);
  request.headers[0].second = "image/png";
  CHECK(RouteRequest(request, api::testing::BuiltInCatalogue()).status().code() == Code::kNotAcceptable);
}

TEST_CASE("route: nothing a client sends can break it") {
  std::mt19937 rng(static_cast<unsigned>(Catch::rngSeed()));
  const std::vector<std::string> pieces = {
      "/api", "/apis", "/v1", "/watch", "/namespaces", "/pods", "/d",         "/log", "?",     "&",
      "=",    "%",     "%2F", "%41",    "limit",       "watch", "dryRun=All", "apps", "/apps", "..",
      "\xff", "+",     "#",   ";",      "deployments", "/",     "continue",   "\"",   "a"};
  const std::vector<std::string> methods = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", ""};
  const std::vector<std::string> types = {"",
                                          "application/json",
                                          "application/yaml",
                                          "application/vnd.kubernetes.protobuf",
                                          "application/apply-patch+yaml",
                                          "application/json-patch+json",
                                          "application/json;as=Table;v=v1;g=meta.k8s.io",
                                          ";=,\"\\",
                                          "*/*;q=7"};
  const std::vector<std::string> bodies = {"",
                                           "{}",
                                           "{",
                                           "[[[[",
                                           std::string("k8s\0\x0a\xff\xff\xff\xff\x0f", 10),
                                           std::string("k8s\0\x12\x02\x08\x05", 8),
                                           "a: &a [*a]",
                                           "\xff\xfe"};
  const auto pick = [&rng](const auto& from) { return from[rng() % from.size()]; };
  int routed = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string target = rng() % 8 == 0 ? "" : "/api/v1/namespaces/d/pods";
    for (unsigned n = rng() % 8; n > 0; --n) target += pick(pieces);
    HttpRequest request = Request(pick(methods), target, pick(bodies), pick(types));
    request.headers.emplace_back("Accept", pick(types));
    CAPTURE(target, request.method);
    const Result<Route> route = RouteRequest(request, api::testing::BuiltInCatalogue());
    if (!route) {
      REQUIRE(route.status().code() != Code::kInternal);
      continue;
    }
    ++routed;
    if (route->kind != RouteKind::kPath) REQUIRE(route->request.resource != nullptr);
  }
  CHECK(routed > 100);  // else the mix above tests nothing
}
