// Admission webhooks, asked over TLS.
#include <functional>
#include <mutex>

#include <minikube/api/admissionregistration/v1.h>
#include <minikube/json.h>

#include "crypto/base64.h"
#include "http/server.h"
#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

namespace reg = admissionregistration::v1;
using core::v1::ConfigMap;

// A webhook: answers what the test says to each AdmissionReview.
class Webhook final : public HttpHandler {
 public:
  using Answer = std::function<std::string(const Json& request)>;  // the response, without its uid
  explicit Webhook(Env& env) {
    PkiOptions pki;
    pki.sans = {"127.0.0.1", "hook.default.svc"};
    keys_ = LoadOrCreatePki(pki, env).value();
    HttpServerOptions options;
    options.threads = 1;
    options.serving = keys_.serving;
    options.client_ca_pem = keys_.ca.cert_pem;
    server_ = HttpServer::Listen(std::move(options), *this, env.clock(), Logger()).value();
    server_->Serve();
  }
  ~Webhook() override { server_->Stop(); }

  void Handle(HttpRequest request, Function<void(HttpReply)> reply) override {
    std::lock_guard lock(mu_);
    targets.push_back(request.target);
    const Json review = Json::Parse(request.body).value();
    reviews.push_back(review);
    HttpReply out;
    out.body = R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":)" +
               review["request"]["uid"].ToString() + "," + answer(review["request"]) + "}}";
    if (broken) out.body = "nothing of the kind";
    if (silent) return unanswered_.push_back(std::move(reply));
    reply(std::move(out));
  }
  HttpReply Refuse(const Status&) override { return {}; }

  std::string url() const { return "https://127.0.0.1:" + std::to_string(server_->port()) + "/check"; }
  int port() const { return server_->port(); }
  Bytes ca() const { return {keys_.ca.cert_pem}; }

  Answer answer = [](const Json&) { return R"("allowed":true)"; };
  bool broken = false;
  bool silent = false;
  std::vector<std::string> targets;
  std::vector<Json> reviews;

 private:
  std::mutex mu_;
  Pki keys_;
  std::vector<Function<void(HttpReply)>> unanswered_;
  std::unique_ptr<HttpServer> server_;
};

template <typename T>
T HookOn(const Webhook& webhook) {
  T hook;
  hook.name = "check.example.com";
  hook.clientConfig.url = Str(webhook.url());
  hook.clientConfig.caBundle = webhook.ca();
  hook.sideEffects = Str("None");
  hook.admissionReviewVersions = {"v1"};
  reg::RuleWithOperations rule;
  rule.apiGroups = {""};
  rule.apiVersions = {"v1"};
  rule.operations = {"CREATE"};
  rule.resources = {"configmaps"};
  hook.rules.push_back(rule);
  return hook;
}

reg::ValidatingWebhookConfiguration Validating(reg::ValidatingWebhook hook) {
  reg::ValidatingWebhookConfiguration out;
  out.metadata.name = "validating";
  out.webhooks.push_back(std::move(hook));
  return out;
}

ConfigMap MakeConfigMap(std::string_view name) {
  ConfigMap map;
  map.metadata.name = name;
  map.metadata.namespace_ = "default";
  return map;
}

std::string PatchAnswer(std::string_view patch) {
  return R"("allowed":true,"patchType":"JSONPatch","patch":")" + Base64(patch) + "\"";
}

TEST_CASE("webhooks: a validating one is asked what is to be stored, and may refuse, warn and tell") {
  Fixture f;
  Webhook webhook(*f.env);
  REQUIRE(f.client->Create(Validating(HookOn<reg::ValidatingWebhook>(webhook))).ok());
  webhook.answer = [](const Json& request) -> std::string {
    if (request["name"].text() != "bad") return R"("allowed":true,"warnings":["mind the gap"])";
    return R"("allowed":false,"status":{"message":"no bad names","code":422})";
  };
  const auto made = f.client->DoSync(Client::RequestFor(Verb::kCreate, MakeConfigMap("good")));
  REQUIRE(made.status().message() == "");
  CHECK(made->warnings == std::vector<std::string>{"mind the gap"});
  const Status refused = f.client->Create(MakeConfigMap("bad")).status();
  CHECK(refused.code() == Code::kInvalid);
  CHECK(refused.message() == "admission webhook \"check.example.com\" denied the request: no bad names");
  REQUIRE(webhook.reviews.size() == 2);
  CHECK(webhook.targets[0] == "/check?timeout=10s");
  const Json& request = webhook.reviews[0]["request"];
  CHECK(request["operation"].text() == "CREATE");
  CHECK(request["resource"]["resource"].text() == "configmaps");
  CHECK(request["object"]["kind"].text() == "ConfigMap");
  CHECK(request["object"]["metadata"]["name"].text() == "good");
  CHECK(request["userInfo"]["username"].text() == "admin");
  CHECK(request["oldObject"].is_null());
  // Nothing that its rules do not name.
  REQUIRE(f.client->Create(MakePod("p")).ok());
  CHECK(webhook.reviews.size() == 2);
}

TEST_CASE("webhooks: mutating ones patch one after the other, and see again what others changed after them") {
  Fixture f;
  Webhook webhook(*f.env);
  auto first = HookOn<reg::MutatingWebhook>(webhook);
  first.name = "first.example.com";
  first.clientConfig.url = Str(webhook.url() + "/first");
  first.reinvocationPolicy = Str("IfNeeded");
  auto second = HookOn<reg::MutatingWebhook>(webhook);
  second.clientConfig.url = Str(webhook.url() + "/second");
  reg::MutatingWebhookConfiguration configuration;
  configuration.metadata.name = "mutating";
  configuration.webhooks = {first, second};
  REQUIRE(f.client->Create(configuration).ok());
  webhook.answer = [](const Json& request) {
    const Json& data = request["object"]["data"];
    if (!data.is_object()) return PatchAnswer(R"([{"op":"add","path":"/data","value":{"first":"1"}}])");
    if (data.Find("second") == nullptr) return PatchAnswer(R"([{"op":"add","path":"/data/second","value":"2"}])");
    return PatchAnswer(R"([{"op":"add","path":"/data/again","value":"3"}])");
  };
  const Result<ConfigMap> made = f.client->Create(MakeConfigMap("c"));
  REQUIRE(made.status().message() == "");
  CHECK(made->data == Map<Str>{{"first", "1"}, {"second", "2"}, {"again", "3"}});
  CHECK(webhook.targets ==
        std::vector<std::string>{"/check/first?timeout=10s", "/check/second?timeout=10s", "/check/first?timeout=10s"});
}

TEST_CASE("webhooks: one that fails refuses the request, unless its policy is to ignore that") {
  Fixture f;
  Webhook webhook(*f.env);
  webhook.broken = true;
  REQUIRE(f.client->Create(Validating(HookOn<reg::ValidatingWebhook>(webhook))).ok());
  const Status refused = f.client->Create(MakeConfigMap("c")).status();
  CHECK(refused.code() == Code::kInternal);
  CHECK(refused.message().starts_with(
      "Internal error occurred: failed calling webhook \"check.example.com\": received invalid webhook response"));
  auto stored = f.client->Get<reg::ValidatingWebhookConfiguration>("", "validating").value();
  stored.webhooks.Mutable(0).failurePolicy = Str("Ignore");
  REQUIRE(f.client->Update(stored).ok());
  CHECK(f.client->Create(MakeConfigMap("c")).ok());
}

TEST_CASE("webhooks: conditions spare the way; one with side effects is not asked in a dry run") {
  Fixture f;
  Webhook webhook(*f.env);
  auto hook = HookOn<reg::ValidatingWebhook>(webhook);
  hook.sideEffects = Str("Some");
  reg::MatchCondition condition;
  condition.name = "big";
  condition.expression = "object.metadata.name.startsWith('big')";
  hook.matchConditions.push_back(condition);
  REQUIRE(f.client->Create(Validating(hook)).ok());
  CHECK(f.client->Create(MakeConfigMap("small")).ok());
  CHECK(webhook.reviews.empty());
  CHECK(f.client->Create(MakeConfigMap("big")).ok());
  CHECK(webhook.reviews.size() == 1);
  ApiRequest dry = Client::RequestFor(Verb::kCreate, MakeConfigMap("bigger"));
  dry.dry_run = true;
  CHECK(f.client->DoSync(dry).status().message() == "admission webhook \"check.example.com\" does not support dry run");
}

TEST_CASE("webhooks: one that does not answer in time fails in Go's words, which clients look for") {
  Fixture f;
  Webhook webhook(*f.env);
  webhook.silent = true;
  auto hook = HookOn<reg::ValidatingWebhook>(webhook);
  hook.timeoutSeconds = 1;
  REQUIRE(f.client->Create(Validating(hook)).ok());
  const Status late = f.client->Create(MakeConfigMap("a")).status();
  CHECK(late.code() == Code::kInternal);
  CHECK(late.message().ends_with("/check?timeout=1s\": context deadline exceeded"));
}

TEST_CASE("webhooks: a service must be there, and have endpoints") {
  Fixture f;
  Webhook webhook(*f.env);
  auto hook = HookOn<reg::ValidatingWebhook>(webhook);
  hook.clientConfig.url.reset();
  reg::ServiceReference& reference = hook.clientConfig.service.Mutable();
  reference.namespace_ = "default";
  reference.name = "hook";
  reference.path = Str("/in");
  REQUIRE(f.client->Create(Validating(hook)).ok());
  CHECK(f.client->Create(MakeConfigMap("a")).status().message() ==
        "Internal error occurred: failed calling webhook \"check.example.com\": failed to call webhook: service "
        "\"hook\" not found");
  core::v1::Service service;
  service.metadata.name = "hook";
  service.metadata.namespace_ = "default";
  core::v1::ServicePort port;
  port.port = 443;
  service.spec.ports.push_back(port);
  REQUIRE(f.client->Create(service).ok());
  CHECK(f.client->Create(MakeConfigMap("a"))
            .status()
            .message()
            .ends_with("failed to call webhook: no endpoints available for service \"hook\""));
}

}  // namespace
}  // namespace minikube::api::testing
