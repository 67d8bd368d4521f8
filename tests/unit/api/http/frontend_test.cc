#include "api/front/frontend.h"

#include <catch2/catch.hpp>

#include <condition_variable>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include <minikube/api/authorization/v1.h>
#include <minikube/api/core/v1.h>

#include "api/front/watch_source.h"
#include "api/wire/proto_wire.h"
#include "unit/api/http/ask.h"
#include "unit/api/http/fake_api_core.h"
#include "unit/api/http/test_env.h"

using namespace minikube;
using namespace minikube::api;
using minikube::api::testing::Ask;
using minikube::api::testing::FakeApiCore;
using minikube::api::testing::Headers;
using minikube::api::testing::TestEnv;
using nlohmann::json;

namespace {

ObjectRef Pod(std::string name, std::string revision = "5") {
  core::v1::Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = "d";
  pod.metadata.resourceVersion = revision;
  return Share(std::move(pod));
}

std::shared_ptr<const ChangeEvent> Committed(ObjectRef object, bool deleted = false) {
  return std::make_shared<const ChangeEvent>(std::move(object), nullptr, deleted, 7);
}

// Serves log pieces from a script.
class FakeNode final : public NodeApi {
 public:
  explicit FakeNode(Env& env) : strand_(env.NewStrand("node")) {}
  class Handle final : public LogHandle {};
  std::unique_ptr<LogHandle> StreamLog(LogRequest request, Strand& strand, Function<void(std::string)> on_data,
                                       Function<void(Status)> on_end) override {
    asked = std::move(request);
    auto data = std::make_shared<Function<void(std::string)>>(std::move(on_data));
    auto end = std::make_shared<Function<void(Status)>>(std::move(on_end));
    strand_->Post([this, &strand, data, end] {
      for (const std::string& piece : pieces) strand.Post([data, piece] { (*data)(piece); });
      if (ends) strand.Post([end, status = status] { (*end)(status); });
    });
    return std::make_unique<Handle>();
  }
  std::unique_ptr<ExecStreams> Exec(ExecRequest, Strand& strand, Function<void(Status)> accepted, ExecEvents) override {
    strand.Post([accepted = std::move(accepted)] { accepted(Status(Code::kNotImplemented, "not here")); });
    return nullptr;
  }
  std::unique_ptr<ExecStreams> Connect(PodPortRequest, Strand& strand, Function<void(Status)> accepted,
                                       ExecEvents) override {
    strand.Post([accepted = std::move(accepted)] { accepted(Status(Code::kNotImplemented, "not here")); });
    return nullptr;
  }
  std::vector<std::string> pieces;
  bool ends = true;
  Status status;
  LogRequest asked;

 private:
  std::unique_ptr<Strand> strand_;
};

struct Fixture {
  TestEnv env;
  FakeApiCore engine;
  HttpStats stats;
  std::unique_ptr<Store> store = NewMemoryStore(env);
  Frontend frontend{engine, *store, BuiltInAuthenticator::FromTokenText("tok,alice,1,\"devs\"").value(), env, Logger()};

  Fixture() {
    frontend.SetServer("127.0.0.1:6443", "https://192.0.2.1:6443", stats);
    engine.handle = [](const RequestContext& context) -> Result<ApiResponse> {
      ApiResponse response;
      if (context.request.verb == Verb::kList) {
        response.items = {Pod("a"), Pod("b")};
        response.revision = 9;
      } else {
        response.object = Pod("a");
      }
      return response;
    };
  }
  HttpReply Do(std::string method, std::string target, Headers headers = {}, std::string body = "") {
    return Ask(frontend, std::move(method), std::move(target), std::move(headers), std::move(body));
  }
};

std::string HeaderOf(const HttpReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

// Pulls until `done` says so, waiting for the source's signal in between.
template <typename Done>
std::string PullUntil(BodySource& source, Done done) {
  std::mutex mu;
  std::condition_variable changed;
  bool woken = false;
  source.signal()->Bind([&] {
    std::lock_guard lock(mu);
    woken = true;
    changed.notify_all();
  });
  std::string out;
  for (;;) {
    const auto state = source.Pull(64 * 1024, out);
    if (state == BodySource::State::kDone || state == BodySource::State::kAbort || done(out)) break;
    if (state == BodySource::State::kMore) continue;
    std::unique_lock lock(mu);
    if (!changed.wait_for(lock, std::chrono::seconds(10), [&] { return woken; })) break;
    woken = false;
  }
  source.signal()->Unbind();
  return out;
}

std::string PullAll(BodySource& source) {
  return PullUntil(source, [](const std::string&) { return false; });
}

}  // namespace

TEST_CASE("frontend: who asks reaches the engine") {
  Fixture f;
  CHECK(f.Do("GET", "/api/v1/pods").status == 200);
  CHECK(f.engine.seen.back().user.name == "system:anonymous");
  CHECK(f.Do("GET", "/api/v1/pods", {{"Authorization", "Bearer tok"}}).status == 200);
  CHECK(f.engine.seen.back().user.name == "alice");
  const HttpReply refused = f.Do("GET", "/api/v1/pods", {{"Authorization", "Bearer wrong"}});
  CHECK(refused.status == 401);
  CHECK(json::parse(refused.body)["message"] == "Unauthorized");
  CHECK(f.engine.seen.size() == 2);
}

TEST_CASE("frontend: every reply has its audit id and is not cached") {
  Fixture f;
  const HttpReply reply = f.Do("GET", "/api/v1/pods", {{"Accept-Encoding", "gzip"}});
  CHECK(HeaderOf(reply, "Audit-Id").size() == 36);
  CHECK(HeaderOf(reply, "Cache-Control") == "no-cache, private");
  CHECK(reply.gzip);
  CHECK(HeaderOf(f.Do("GET", "/nope", {{"Audit-ID", "mine"}}), "Audit-Id") == "mine");
}

TEST_CASE("frontend: bodies travel undecoded, answers come in the form asked for") {
  Fixture f;
  const HttpReply reply = f.Do("POST", "/api/v1/namespaces/d/pods",
                               {{"Content-Type", "application/yaml"}, {"Accept", "application/yaml"}}, "kind: Pod");
  CHECK(reply.content_type == "application/yaml");
  REQUIRE(f.engine.seen.back().body.has_value());
  CHECK(f.engine.seen.back().body->bytes == "kind: Pod");
  CHECK(f.engine.seen.back().request.verb == Verb::kCreate);

  f.engine.handle = [](const RequestContext&) { return Status(Code::kConflict, "changed"); };
  const HttpReply conflict = f.Do("PUT", "/api/v1/namespaces/d/pods/a", {}, "{}");
  CHECK(conflict.status == 409);
  CHECK(json::parse(conflict.body)["reason"] == "Conflict");
}

TEST_CASE("frontend: paths are authorised, health is not") {
  Fixture f;
  f.engine.authorize_path = [](const UserInfo& user, std::string_view verb, std::string_view path) {
    return user.name == "alice" && verb == "get" && path == "/version" ? Status() : Status(Code::kForbidden, "no");
  };
  CHECK(f.Do("GET", "/version").status == 403);
  const HttpReply version = f.Do("GET", "/version", {{"Authorization", "Bearer tok"}});
  CHECK(version.status == 200);
  CHECK(json::parse(version.body)["minor"] == "36");
  CHECK(f.Do("GET", "/metrics", {{"Authorization", "Bearer tok"}}).status == 403);
  CHECK(f.Do("GET", "/healthz").body == "ok");
}

TEST_CASE("frontend: paths") {
  Fixture f;
  const json root = json::parse(f.Do("GET", "/").body);
  CHECK(std::find(root["paths"].begin(), root["paths"].end(), "/apis/apps/v1") != root["paths"].end());
  CHECK(json::parse(f.Do("GET", "/api").body)["serverAddressByClientCIDRs"][0]["serverAddress"] == "127.0.0.1:6443");
  CHECK(f.Do("GET", "/openapi/v2").status == 200);
  CHECK(f.Do("GET", "/openapi/v3/api/v1").status == 200);
  CHECK(f.Do("GET", "/openapi/v4").status == 404);
  CHECK(f.Do("GET", "/nope").status == 404);
  CHECK(f.Do("POST", "/version").status == 405);
  CHECK(f.Do("GET", "/a%zz").status == 400);
  const std::string metrics = f.Do("GET", "/metrics").body;
  CHECK(metrics.find("apiserver_request_total{code=\"404\"} 2\n") != std::string::npos);
  CHECK(metrics.find("apiserver_storage_revision 42\n") != std::string::npos);
}

TEST_CASE("frontend: health") {
  Fixture f;
  CHECK(f.Do("GET", "/readyz").body == "ok");
  CHECK(f.Do("GET", "/readyz?verbose").body ==
        "[+]ping ok\n[+]log ok\n[+]etcd ok\n[+]informer-sync ok\nreadyz check passed\n");
  CHECK(f.Do("GET", "/livez/ping").body == "ok");
  CHECK(f.Do("GET", "/livez/nonsense").status == 404);
  f.engine.ready = Status(Code::kUnavailable, "secret reason");
  const HttpReply failed = f.Do("GET", "/readyz");
  CHECK(failed.status == 500);
  CHECK(failed.body.find("[-]etcd failed: reason withheld") != std::string::npos);
  CHECK(failed.body.find("secret") == std::string::npos);
  CHECK(f.Do("GET", "/readyz/ping").status == 200);
  CHECK(f.Do("GET", "/readyz?exclude=etcd&exclude=informer-sync").status == 200);
}

TEST_CASE("frontend: an answer is made by its connection, not by who has it") {
  Fixture f;
  for (const char* target : {"/api/v1/namespaces/d/pods/a", "/api/v1/pods"}) {
    HttpRequest request;
    request.method = "GET";
    request.target = target;
    std::optional<HttpReply> answer;
    f.frontend.Handle(std::move(request), [&answer](HttpReply reply) { answer = std::move(reply); });
    REQUIRE(answer.has_value());
    CHECK(answer->body.empty());
    CHECK(answer->source == nullptr);
    CHECK(HeaderOf(*answer, "Audit-Id").empty());
    answer->Complete();
    CHECK(json::parse(answer->body)["metadata"].is_object());
    CHECK(HeaderOf(*answer, "Audit-Id").size() == 36);
    CHECK_FALSE(answer->complete);
  }
}

TEST_CASE("frontend: a request whose client has gone is withdrawn") {
  Fixture f;
  f.engine.hold = true;
  HttpRequest request;
  request.method = "GET";
  request.target = "/api/v1/namespaces/d/pods/a";
  request.gone = std::make_shared<Signal>();
  const std::shared_ptr<Signal> gone = request.gone;
  std::optional<HttpReply> answer;
  f.frontend.Handle(std::move(request), [&answer](HttpReply reply) { answer = std::move(reply); });
  CHECK_FALSE(answer.has_value());
  REQUIRE(f.engine.held);
  gone->Notify();
  CHECK_FALSE(f.engine.held);
  CHECK(answer.has_value());
}

TEST_CASE("frontend: an event is encoded once for each form, however many watch it") {
  Fixture f;
  const std::vector<Headers> accepts = {{},
                                        {{"Accept", "application/vnd.kubernetes.protobuf;stream=watch"}},
                                        {{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}},
                                        {{"Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}}};
  const auto change = Committed(Pod("a"));
  std::vector<std::set<std::string>> seen(accepts.size());
  for (std::size_t form = 0; form < accepts.size(); ++form) {
    for (int i = 0; i < 100; ++i) {
      HttpReply reply = f.Do("GET", "/api/v1/pods?watch=1", accepts[form]);
      f.engine.feed->Push({{WatchEvent::Type::kModified, change, 7}});
      seen[form].insert(PullUntil(*reply.source, [](const std::string& text) { return !text.empty(); }));
    }
    CHECK(seen[form].size() == 1);
    CHECK(change->forms() == form + 1);
  }
  // The same change may be an addition to another selection.
  HttpReply reply = f.Do("GET", "/api/v1/pods?watch=1");
  f.engine.feed->Push({{WatchEvent::Type::kAdded, change, 7}});
  CHECK(json::parse(PullUntil(*reply.source, [](const std::string& text) { return !text.empty(); }))["type"] ==
        "ADDED");
  CHECK(change->forms() == accepts.size() + 1);
}

TEST_CASE("frontend: the forms that are kept of an event are few") {
  const auto change = Committed(Pod("a"));
  std::string scratch;
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(i);
    CHECK(change->InForm(name, scratch, [&](std::string& out) { out = name; }) == name);
  }
  CHECK(change->forms() == 12);
}

TEST_CASE("frontend: watches") {
  Fixture f;
  SECTION("JSON, as it comes") {
    HttpReply reply = f.Do("GET", "/api/v1/pods?watch=1");
    REQUIRE(reply.source);
    CHECK(reply.content_type == "application/json");
    f.engine.feed->Push({{WatchEvent::Type::kAdded, Committed(Pod("a")), 7},
                         {WatchEvent::Type::kDeleted, Committed(Pod("b"), true), 8},
                         {WatchEvent::Type::kBookmark, nullptr, 9, true}});
    const std::string out = PullUntil(
        *reply.source, [](const std::string& text) { return std::count(text.begin(), text.end(), '\n') == 3; });
    std::istringstream lines(out);
    std::string line;
    std::getline(lines, line);
    CHECK(json::parse(line)["type"] == "ADDED");
    CHECK(json::parse(line)["object"]["metadata"]["name"] == "a");
    CHECK(json::parse(line)["object"]["kind"] == "Pod");
    std::getline(lines, line);
    CHECK(json::parse(line)["type"] == "DELETED");
    std::getline(lines, line);
    const json bookmark = json::parse(line);
    CHECK(bookmark["type"] == "BOOKMARK");
    CHECK(bookmark["object"]["metadata"]["resourceVersion"] == "9");
    CHECK(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true");
    reply.source.reset();
    CHECK(f.engine.feed->destroyed);
  }
  SECTION("protobuf frames") {
    HttpReply reply =
        f.Do("GET", "/api/v1/pods?watch=1", {{"Accept", "application/vnd.kubernetes.protobuf;stream=watch"}});
    CHECK(reply.content_type == "application/vnd.kubernetes.protobuf;stream=watch");
    f.engine.feed->Push({{WatchEvent::Type::kModified, Committed(Pod("a")), 7}});
    const std::string out = PullUntil(*reply.source, [](const std::string& text) { return !text.empty(); });
    REQUIRE(out.size() > 4);
    std::size_t size = 0;
    for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(out[static_cast<std::size_t>(i)]);
    CHECK(size == out.size() - 4);
    CHECK(out.substr(4, 10) == std::string("\x0a\x08MODIFIED"));
    const std::size_t envelope = out.find(std::string("k8s\0", 4));
    REQUIRE(envelope != std::string::npos);
    CHECK(Decode(MediaType::kProtobuf, out.substr(envelope), nullptr).value()->meta().name == "a");
  }
  SECTION("tables") {
    HttpReply reply = f.Do("GET", "/api/v1/pods?watch=1", {{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}});
    f.engine.feed->Push({{WatchEvent::Type::kAdded, Committed(Pod("a")), 7}});
    const json event = json::parse(PullUntil(*reply.source, [](const std::string& text) { return !text.empty(); }));
    CHECK(event["object"]["kind"] == "Table");
    CHECK(event["object"]["rows"][0]["cells"][0] == "a");
    CHECK(event["object"]["metadata"]["resourceVersion"] == "5");
  }
  SECTION("too slow: told to list again") {
    HttpReply reply = f.Do("GET", "/api/v1/pods?watch=1");
    f.engine.feed->Push({}, Status(Code::kExpired, "too old resource version"));
    const json event = json::parse(PullAll(*reply.source));
    CHECK(event["type"] == "ERROR");
    CHECK(event["object"]["code"] == 410);
    CHECK(event["object"]["reason"] == "Expired");
  }
  SECTION("the server stops: just ends") {
    HttpReply reply = f.Do("GET", "/api/v1/pods?watch=1");
    f.engine.feed->Push({}, Status(Code::kUnavailable, "stopping"));
    CHECK(PullAll(*reply.source).empty());
  }
  SECTION("timeoutSeconds ends it") {
    HttpReply reply = f.Do("GET", "/api/v1/pods?watch=1&timeoutSeconds=1");
    CHECK(PullAll(*reply.source).empty());
  }
  SECTION("refused, or in a form that cannot be streamed") {
    CHECK(f.Do("GET", "/api/v1/pods?watch=1", {{"Accept", "application/yaml"}}).status == 406);
    f.engine.ready = Status(Code::kBadRequest, "no number");
    CHECK(f.Do("GET", "/api/v1/pods?watch=1").status == 400);
  }
  SECTION("from a revision that is gone: told by an event, in the form of the watch") {
    f.engine.ready = Status(Code::kExpired, "too old");
    const HttpReply reply = f.Do("GET", "/api/v1/pods?watch=1");
    CHECK(reply.status == 200);
    const json event = json::parse(reply.body);
    CHECK(event["type"] == "ERROR");
    CHECK(event["object"]["code"] == 410);
    CHECK(event["object"]["reason"] == "Expired");
    const HttpReply binary = f.Do("GET", "/api/v1/pods?watch=1", {{"Accept", "application/vnd.kubernetes.protobuf"}});
    CHECK(binary.content_type == "application/vnd.kubernetes.protobuf;stream=watch");
    const std::size_t envelope = binary.body.find(std::string("k8s\0", 4));
    REQUIRE(envelope != std::string::npos);
    CHECK(Decode(MediaType::kProtobuf, binary.body.substr(envelope), nullptr).ok());
  }
}

TEST_CASE("frontend: logs") {
  Fixture f;
  auto node = std::make_shared<FakeNode>(f.env);
  f.engine.pod_log = [node](const LogRequest& request) -> Result<PodLogTarget> { return PodLogTarget{node, request}; };
  SECTION("whole") {
    node->pieces = {"one\n", "two\n"};
    HttpReply reply = f.Do("GET", "/api/v1/namespaces/d/pods/web/log?container=c&tailLines=3");
    CHECK(reply.status == 200);
    CHECK(reply.content_type == "text/plain");
    REQUIRE(reply.source);
    CHECK(PullAll(*reply.source) == "one\ntwo\n");
    CHECK(node->asked.container == "c");
    CHECK(node->asked.tail_lines == 3);
  }
  SECTION("an error before the first byte is an error") {
    node->status = Status(Code::kBadRequest, "container is waiting to start");
    const HttpReply reply = f.Do("GET", "/api/v1/namespaces/d/pods/web/log");
    CHECK(reply.status == 400);
    CHECK(json::parse(reply.body)["message"] == "container is waiting to start");
  }
  SECTION("followed but silent: the reply begins all the same") {
    node->ends = false;
    HttpReply reply = f.Do("GET", "/api/v1/namespaces/d/pods/web/log?follow=true");
    CHECK(reply.status == 200);
    CHECK(reply.source);
  }
  SECTION("no such pod") {
    f.engine.pod_log = [](const LogRequest&) -> Result<PodLogTarget> { return Status(Code::kNotFound, "no pod"); };
    CHECK(f.Do("GET", "/api/v1/namespaces/d/pods/web/log").status == 404);
  }
}

TEST_CASE("frontend: impersonation") {
  Fixture f;
  std::vector<std::string> asked;
  std::string denied;
  f.engine.handle = [&](const RequestContext& context) -> Result<ApiResponse> {
    ApiResponse response;
    if (context.request.resource->plural != "selfsubjectaccessreviews") return response;
    auto review = context.request.object->As<authorization::v1::SelfSubjectAccessReview>();
    const auto& attributes = *review.spec.resourceAttributes;
    asked.push_back(attributes.resource.str() + "/" + attributes.namespace_.str() + "/" + attributes.name.str());
    review.status.allowed = attributes.resource != denied;
    response.object = Share(review);
    return response;
  };
  SECTION("a user with groups") {
    CHECK(f.Do("GET", "/api/v1/pods",
               {{"Impersonate-User", "bob"}, {"Impersonate-Group", "g1"}, {"Impersonate-Group", "g2"}})
              .status == 200);
    CHECK(asked == std::vector<std::string>{"users//bob", "groups//g1", "groups//g2"});
    CHECK(f.engine.seen.back().user.name == "bob");
    CHECK(f.engine.seen.back().user.groups == std::vector<std::string>{"g1", "g2", "system:authenticated"});
  }
  SECTION("a service account") {
    CHECK(f.Do("GET", "/api/v1/pods", {{"Impersonate-User", "system:serviceaccount:ns:sa"}}).status == 200);
    CHECK(asked == std::vector<std::string>{"serviceaccounts/ns/sa"});
    CHECK(f.engine.seen.back().user.groups ==
          std::vector<std::string>{"system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"});
  }
  SECTION("not allowed") {
    denied = "groups";
    const HttpReply reply = f.Do("GET", "/api/v1/pods", {{"Impersonate-User", "bob"}, {"Impersonate-Group", "admins"}});
    CHECK(reply.status == 403);
    CHECK(json::parse(reply.body)["message"].get<std::string>().find("cannot impersonate resource \"groups\"") !=
          std::string::npos);
  }
  SECTION("nonsense") {
    CHECK(f.Do("GET", "/api/v1/pods", {{"Impersonate-Group", "admins"}}).status == 400);
    CHECK(f.Do("GET", "/api/v1/pods", {{"Impersonate-User", "bob"}, {"Impersonate-Extra-Scopes", "x"}}).status == 501);
  }
}
