// What a host adds to the front end: authenticators, paths of its own, ears for the audit.
#include <memory>
#include <thread>

#include <minikube/audit.h>
#include <minikube/http_mount.h>
#include <catch2/catch.hpp>

#include "api/front/frontend.h"
#include "unit/api/http/ask.h"
#include "unit/api/http/fake_api_core.h"
#include "unit/api/http/test_env.h"

namespace minikube::api {
namespace {

using testing::Ask;
using testing::FakeApiCore;
using testing::Headers;
using testing::TestEnv;

// Knows one token, and answers later; another is no good.
class Tokens final : public Authenticator {
 public:
  ~Tokens() override {
    // The last of them may be the one that lets go of this.
    for (std::thread& thread : threads_) {
      if (thread.get_id() == std::this_thread::get_id()) {
        thread.detach();
      } else {
        thread.join();
      }
    }
  }
  void Authenticate(const Credentials& credentials, Function<void(Answer)> done) override {
    asked.push_back(credentials.target);
    threads_.emplace_back([&credentials, done = std::move(done)] {
      if (credentials.bearer_token == "own") return done(std::optional<UserInfo>({"guest", "", {"guests"}}));
      if (credentials.bearer_token == "worn") return done(Status(Code::kUnauthorized, "it has been used up"));
      done(std::optional<UserInfo>());
    });
  }
  std::vector<std::string> asked;

 private:
  std::vector<std::thread> threads_;
};

class Echo final : public HttpMount {
 public:
  Echo(std::string prefix, bool open) : prefix_(std::move(prefix)), open_(open) {}
  std::string prefix() const override { return prefix_; }
  bool open() const override { return open_; }
  void Handle(MountRequest request, Function<void(MountReply)> reply) override {
    MountReply out;
    out.status = 201;
    out.content_type = "text/plain";
    out.headers = {{"X-Echo", "1"}};
    out.body = request.method + " " + request.path + "?" + request.query + " " + request.user.name + " " + request.body;
    reply(std::move(out));
  }

 private:
  const std::string prefix_;
  const bool open_;
};

class Ears final : public AuditSink {
 public:
  void Take(const AuditEvent& event) override { events.push_back(event); }
  std::vector<AuditEvent> events;
};

struct Fixture {
  TestEnv env;
  FakeApiCore engine;
  HttpStats stats;
  std::unique_ptr<Store> store = NewMemoryStore(env);
  Frontend frontend{engine, *store, BuiltInAuthenticator::FromTokenText("tok,alice,1").value(), env, Logger()};
  ApiServerExtensions extensions;

  HttpReply Do(std::string method, std::string target, Headers headers = {}, std::string body = "") {
    return Ask(frontend, std::move(method), std::move(target), std::move(headers), std::move(body));
  }
  Headers Bearer(std::string token) { return {{"Authorization", "Bearer " + token}}; }
};

TEST_CASE("extensions: a host's authenticator is asked about whom nobody else knows") {
  Fixture f;
  f.engine.handle = [](const RequestContext&) -> Result<ApiResponse> { return ApiResponse(); };
  auto tokens = std::make_shared<Tokens>();
  f.extensions.authenticators = {tokens};
  REQUIRE(f.frontend.Extend(f.extensions).ok());
  f.Do("GET", "/api/v1/pods", f.Bearer("own"));
  REQUIRE(f.engine.seen.size() == 1);
  CHECK(f.engine.seen[0].user.name == "guest");
  CHECK(f.engine.seen[0].user.groups == std::vector<std::string>{"guests", "system:authenticated"});
  f.Do("GET", "/api/v1/pods", f.Bearer("tok"));
  CHECK(f.engine.seen.back().user.name == "alice");
  CHECK(tokens->asked.size() == 1);
  CHECK(f.Do("GET", "/api/v1/pods", f.Bearer("nobody's")).status == 401);
  CHECK(f.Do("GET", "/api/v1/pods", f.Bearer("worn")).status == 401);
  f.Do("GET", "/api/v1/pods");
  CHECK(f.engine.seen.back().user.name == "system:anonymous");
  CHECK(tokens->asked.size() == 4);
}

TEST_CASE("extensions: a host serves paths of its own to whom it may") {
  Fixture f;
  f.extensions.http_mounts = {std::make_shared<Echo>("/hello", false), std::make_shared<Echo>("/open", true)};
  REQUIRE(f.frontend.Extend(f.extensions).ok());
  const HttpReply reply = f.Do("POST", "/hello/you?a=b", f.Bearer("tok"), "body");
  CHECK(reply.status == 201);
  CHECK(reply.body == "POST /hello/you?a=b alice body");
  CHECK(reply.content_type == "text/plain");
  // What is below it, not what begins like it.
  CHECK(f.Do("GET", "/helloes", f.Bearer("tok")).status == 404);
  f.engine.authorize_path = [](const UserInfo&, std::string_view, std::string_view path) {
    return Status(Code::kForbidden, std::string(path));
  };
  CHECK(f.Do("GET", "/hello", f.Bearer("tok")).status == 403);
  CHECK(f.Do("GET", "/open/door").body == "GET /open/door? system:anonymous ");
}

TEST_CASE("extensions: where nothing can be mounted") {
  for (const std::string prefix : {"", "/", "hello", "/hello/", "/api", "/apis/own", "/healthz"}) {
    CAPTURE(prefix);
    Fixture f;
    f.extensions.http_mounts = {std::make_shared<Echo>(prefix, false)};
    CHECK(f.frontend.Extend(f.extensions).code() == Code::kBadRequest);
  }
  Fixture f;
  f.extensions.http_mounts = {std::make_shared<Echo>("/a", false), std::make_shared<Echo>("/a/b", false)};
  CHECK(f.frontend.Extend(f.extensions).code() == Code::kBadRequest);
}

TEST_CASE("extensions: the audit hears of paths and of whom nobody knows; the core is told the rest") {
  Fixture f;
  auto ears = std::make_shared<Ears>();
  f.extensions.audit_sinks = {ears};
  REQUIRE(f.frontend.Extend(f.extensions).ok());
  f.Do("GET", "/version", f.Bearer("tok"));
  REQUIRE(ears->events.size() == 1);
  CHECK(ears->events[0].verb == "get");
  CHECK(ears->events[0].request_uri == "/version");
  CHECK(ears->events[0].user.name == "alice");
  CHECK(ears->events[0].http_status == 200);
  f.Do("GET", "/api/v1/pods", f.Bearer("wrong"));
  REQUIRE(ears->events.size() == 2);
  CHECK(ears->events[1].http_status == 401);
  f.engine.handle = [](const RequestContext&) -> Result<ApiResponse> { return ApiResponse(); };
  f.Do("GET", "/api/v1/pods", {{"Authorization", "Bearer tok"}, {"User-Agent", "kubectl"}, {"Audit-ID", "7"}});
  CHECK(ears->events.size() == 2);
  REQUIRE(f.engine.seen.back().trail != nullptr);
  CHECK(f.engine.seen.back().trail->id == "7");
  CHECK(f.engine.seen.back().trail->user_agent == "kubectl");
}

}  // namespace
}  // namespace minikube::api
