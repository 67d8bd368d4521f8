// Tokens of service accounts: what is in them, who may have them, when they are good.
#include <minikube/api/authentication/v1.h>
#include <nlohmann/json.hpp>

#include "api/auth/token_claims.h"
#include "api/auth/verified_tokens.h"
#include "crypto/base64url.h"
#include "unit/api/engine_fixture.h"
#include "unit/api/http/test_env.h"

using namespace minikube;
using namespace minikube::api;
using namespace minikube::api::testing;
using authentication::v1::TokenRequest;
using authentication::v1::TokenReview;
using core::v1::ServiceAccount;
using nlohmann::json;

namespace {

std::int64_t Seconds(const Instant& time) { return time.unix_micros() / 1'000'000; }

// An engine whose clock stands still until it is moved, and whose key the test knows.
struct TokenFixture {
  TokenFixture() {
    ApiCore::Options options;
    options.service_cluster_ip_range = "10.96.0.0/12";
    options.signing_key = key;
    options.known_token = [](std::string_view token) -> std::optional<UserInfo> {
      if (token != "static") return std::nullopt;
      return UserInfo{"alice", "1", {"devs"}};
    };
    engine = ApiCore::Start(std::move(options), *store, env, Logger()).value();
    client = engine->NewClient({"admin", "", {"system:masters"}});
    account = Create("robot");
  }
  ~TokenFixture() {
    client.reset();
    engine.reset();
    store->Stop();
  }

  ServiceAccount Create(std::string_view name) {
    ServiceAccount made;
    made.metadata.name = name;
    made.metadata.namespace_ = "default";
    return client->Create(made).value();
  }
  core::v1::Pod CreatePod(std::string_view name, std::string_view node = "") {
    core::v1::Pod pod = MakePod(name);
    pod.spec.serviceAccountName = "robot";
    pod.spec.nodeName = node;
    return client->Create(pod).value();
  }
  static TokenRequest For(const core::v1::Pod& pod) {
    TokenRequest request;
    authentication::v1::BoundObjectReference& ref = request.spec.boundObjectRef.Mutable();
    ref.apiVersion = "v1";
    ref.kind = "Pod";
    ref.name = pod.metadata.name;
    ref.uid = pod.metadata.uid;
    return request;
  }

  Result<TokenRequest> Ask(const TokenRequest& body, Client& who, std::string_view name = "robot") const {
    ApiRequest request = Client::NamedRequest<ServiceAccount>(Verb::kCreate, "default", name);
    request.subresource = "token";
    request.object = Share(body);
    Result<ApiResponse> response = who.DoSync(std::move(request));
    if (!response) return response.status();
    return response->object->As<TokenRequest>();
  }
  Result<TokenRequest> Ask(const TokenRequest& body = {}) const { return Ask(body, *client); }
  std::string Token(const TokenRequest& body = {}) const { return Ask(body).value().status.token.str(); }
  json Claims(const std::string& token) const { return json::parse(key.Verify(token).value()); }
  // Why the token is refused; "" if it is not.
  std::string Refusal(const std::string& token) const { return engine->AuthenticateToken(token).status().message(); }
  TokenReview Review(const std::string& token, std::vector<std::string> audiences = {}) const {
    TokenReview review;
    review.spec.token = token;
    review.spec.audiences = List<Str>(audiences.begin(), audiences.end());
    return client->Create(review).value();
  }

  const SigningKey key = SigningKey::Generate().value();
  TestEnv env;
  std::unique_ptr<Store> store = NewMemoryStore(env);
  std::unique_ptr<ApiCore> engine;
  std::unique_ptr<Client> client;
  ServiceAccount account;
};

}  // namespace

TEST_CASE("service account token: says what kube-apiserver's say") {
  TokenFixture f;
  const TokenRequest answer = f.Ask().value();
  CHECK(*answer.spec.expirationSeconds == 3600);
  const std::int64_t now = UnixSeconds(f.env.clock().Now());
  CHECK(Seconds(answer.status.expirationTimestamp) == now + 3600);
  CHECK(answer.metadata.name == "robot");

  json claims = f.Claims(answer.status.token.str());
  CHECK(claims["jti"].get<std::string>().size() == 36);
  claims.erase("jti");
  const std::string issuer(kTokenIssuer);
  const json account{{"name", "robot"}, {"uid", f.account.metadata.uid.str()}};
  CHECK(claims == json{{"iss", issuer},
                       {"sub", "system:serviceaccount:default:robot"},
                       {"aud", {issuer}},
                       {"iat", now},
                       {"nbf", now},
                       {"exp", now + 3600},
                       {"kubernetes.io", {{"namespace", "default"}, {"serviceaccount", account}}}});
}

TEST_CASE("service account token: is who it belongs to") {
  TokenFixture f;
  const std::string token = f.Token();
  const UserInfo user = f.engine->AuthenticateToken(token).value();
  CHECK(user.name == "system:serviceaccount:default:robot");
  CHECK(user.uid == f.account.metadata.uid.view());
  CHECK(user.groups ==
        std::vector<std::string>{"system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"});
  CHECK(user.extra.at("authentication.kubernetes.io/credential-id") ==
        std::vector<std::string>{"JTI=" + f.Claims(token)["jti"].get<std::string>()});
  CHECK(f.Refusal("static") != "");
}

TEST_CASE("service account token: bound to a pod, it lives as long as the pod") {
  TokenFixture f;
  core::v1::Node node;
  node.metadata.name = "n1";
  const std::string node_uid = f.client->Create(node).value().metadata.uid.str();
  const core::v1::Pod pod = f.CreatePod("web", "n1");
  TokenRequest request = TokenFixture::For(pod);
  const std::string token = f.Token(request);
  const json own = f.Claims(token)["kubernetes.io"];
  CHECK(own["pod"] == json{{"name", "web"}, {"uid", pod.metadata.uid.str()}});
  CHECK(own["node"] == json{{"name", "n1"}, {"uid", node_uid}});
  const UserInfo user = f.engine->AuthenticateToken(token).value();
  CHECK(user.extra.at("authentication.kubernetes.io/pod-name") == std::vector<std::string>{"web"});
  CHECK(user.extra.at("authentication.kubernetes.io/pod-uid") == std::vector<std::string>{pod.metadata.uid.str()});
  CHECK(user.extra.at("authentication.kubernetes.io/node-name") == std::vector<std::string>{"n1"});
  CHECK(user.extra.at("authentication.kubernetes.io/node-uid") == std::vector<std::string>{node_uid});

  SECTION("while it is being deleted, and a minute more") {
    ApiRequest deletion = Request<core::v1::Pod>(Verb::kDelete, "default", "web");
    deletion.grace_period_seconds = 30;
    REQUIRE(f.client->DoSync(std::move(deletion)));
    CHECK(f.Refusal(token) == "");
    f.env.manual().Advance(std::chrono::seconds(89));
    CHECK(f.Refusal(token) == "");
    f.env.manual().Advance(std::chrono::seconds(3));
    CHECK(f.Refusal(token) == "service account token has been invalidated: pod web has been deleted");
  }
  SECTION("not when it is gone, nor for its successor") {
    ApiRequest deletion = Request<core::v1::Pod>(Verb::kDelete, "default", "web");
    deletion.grace_period_seconds = 0;
    REQUIRE(f.client->DoSync(std::move(deletion)));
    CHECK(f.Refusal(token) == "service account token has been invalidated: pod web does not exist");
    f.CreatePod("web");
    CHECK(f.Refusal(token) == "service account token has been invalidated: pod web is another one by now");
    CHECK(f.Ask(request).status().code() == Code::kConflict);
  }
  SECTION("its node may go before") {
    REQUIRE(f.client->Delete<core::v1::Node>("", "n1").ok());
    CHECK(f.Refusal(token) == "");
  }
}

TEST_CASE("service account token: the one that is put into pods is good for a year") {
  TokenFixture f;
  TokenRequest request = TokenFixture::For(f.CreatePod("web"));
  request.spec.expirationSeconds = 3607;
  const std::int64_t now = UnixSeconds(f.env.clock().Now());
  const TokenRequest answer = f.Ask(request).value();
  CHECK(Seconds(answer.status.expirationTimestamp) == now + 3607);
  const json claims = f.Claims(answer.status.token.str());
  CHECK(claims["exp"] == now + 365 * 24 * 3600);
  CHECK(claims["kubernetes.io"]["warnafter"] == now + 3607);
  // Not for others than the API server.
  request.spec.audiences.push_back("vault");
  CHECK(f.Claims(f.Token(request))["exp"] == now + 3607);
}

TEST_CASE("service account token: bound to a secret or a node") {
  TokenFixture f;
  core::v1::Secret secret;
  secret.metadata.name = "s";
  secret.metadata.namespace_ = "default";
  REQUIRE(f.client->Create(secret));
  core::v1::Node node;
  node.metadata.name = "n1";
  REQUIRE(f.client->Create(node));
  TokenRequest request;
  authentication::v1::BoundObjectReference& ref = request.spec.boundObjectRef.Mutable();
  ref.kind = "Secret";
  ref.name = "s";
  const std::string by_secret = f.Token(request);
  request.spec.boundObjectRef.Mutable().kind = "Node";
  request.spec.boundObjectRef.Mutable().name = "n1";
  const std::string by_node = f.Token(request);
  CHECK(f.Claims(by_node)["kubernetes.io"]["node"]["name"] == "n1");
  CHECK(f.Refusal(by_secret) == "");
  CHECK(f.Refusal(by_node) == "");
  REQUIRE(f.client->Delete<core::v1::Secret>("default", "s").ok());
  REQUIRE(f.client->Delete<core::v1::Node>("", "n1").ok());
  CHECK(f.Refusal(by_secret) == "service account token has been invalidated: secret s does not exist");
  CHECK(f.Refusal(by_node) == "service account token has been invalidated: node n1 does not exist");

  request.spec.boundObjectRef.Mutable().kind = "ConfigMap";
  CHECK(f.Ask(request).status().code() == Code::kBadRequest);
}

TEST_CASE("service account token: what may be asked for") {
  TokenFixture f;
  TokenRequest request;
  for (const std::int64_t seconds :
       {std::int64_t{-1}, std::int64_t{0}, std::int64_t{599}, (std::int64_t{1} << 32) + 1}) {
    CAPTURE(seconds);
    request.spec.expirationSeconds = seconds;
    CHECK(f.Ask(request).status().code() == Code::kInvalid);
  }
  for (const std::int64_t seconds : {std::int64_t{600}, std::int64_t{1} << 32}) {
    request.spec.expirationSeconds = seconds;
    CHECK(f.Ask(request).ok());
  }
  CHECK(f.Ask({}, *f.client, "nobody").status().code() == Code::kNotFound);
  request.metadata.name = "other";
  CHECK(f.Ask(request).status().code() == Code::kBadRequest);
  request.metadata.name = "robot";
  CHECK(f.Ask(request).ok());
  // A pod of another account.
  f.Create("other");
  CHECK(f.Ask(TokenFixture::For(f.CreatePod("web")), *f.client, "other").status().code() == Code::kBadRequest);
  // Longer than will be accepted.
  for (int i = 0; i < 200; ++i) request.spec.audiences.push_back(Str(std::string(100, 'a')));
  CHECK(f.Ask(request).status().code() == Code::kBadRequest);
}

TEST_CASE("service account token: a node gets those of its pods") {
  TokenFixture f;
  const auto node = f.engine->NewClient({"system:node:n1", "", {"system:nodes"}});
  const TokenRequest mine = TokenFixture::For(f.CreatePod("mine", "n1"));
  TokenRequest unsure = mine;
  unsure.spec.boundObjectRef.Mutable().uid = {};
  CHECK(f.Ask(mine, *node).ok());
  CHECK(f.Ask(unsure, *node).status().code() == Code::kForbidden);
  CHECK(f.Ask(TokenFixture::For(f.CreatePod("other", "n2")), *node).status().code() == Code::kForbidden);
  CHECK(f.Ask({}, *node).status().code() == Code::kForbidden);
  const auto nobody = f.engine->NewClient({"jane", "", {}});
  CHECK(f.Ask(mine, *nobody).status().code() == Code::kForbidden);
}

TEST_CASE("service account token: times, with a minute for clocks that differ") {
  TokenFixture f;
  TokenRequest request;
  request.spec.expirationSeconds = 600;
  const std::string token = f.Token(request);
  f.env.manual().Advance(std::chrono::seconds(659));
  CHECK(f.Refusal(token) == "");
  f.env.manual().Advance(std::chrono::seconds(2));
  CHECK(f.Refusal(token) == "service account token has expired");

  // Of a clock that is ahead.
  TokenClaims claims = DecodeClaims(f.key.Verify(f.Token()).value()).value();
  const auto at = [&](std::int64_t not_before, std::int64_t issued) {
    TokenClaims later = claims;
    later.not_before += not_before;
    later.issued_at += issued;
    return f.Refusal(f.key.Sign(EncodeClaims(later)).value());
  };
  CHECK(at(0, 0) == "");
  CHECK(at(59, 59) == "");
  CHECK(at(62, 0) == "service account token is not valid yet");
  CHECK(at(0, 62) == "service account token is not valid yet");
}

TEST_CASE("service account token: others are not believed") {
  TokenFixture f;
  const TokenClaims good = DecodeClaims(f.key.Verify(f.Token()).value()).value();
  const auto refused = [&](auto change) {
    TokenClaims claims = good;
    change(claims);
    return f.Refusal(f.key.Sign(EncodeClaims(claims)).value());
  };
  CHECK(refused([](TokenClaims&) {}) == "");
  CHECK(refused([](TokenClaims& c) { c.issuer = "https://elsewhere"; }) == "the token is of another issuer");
  CHECK(refused([](TokenClaims& c) { c.subject = "system:serviceaccount:kube-system:robot"; }) ==
        "the token's subject is not its service account");
  CHECK(refused([](TokenClaims& c) { c.audiences = {"vault"}; }).starts_with("token audiences [vault]"));
  CHECK(refused([](TokenClaims& c) { c.audiences = {}; }) != "");
  CHECK(refused([](TokenClaims& c) { c.account.uid = "x"; }) ==
        "service account token has been invalidated: serviceaccount robot is another one by now");
  // Signed by somebody else, and not by anybody.
  CHECK(f.Refusal(SigningKey::Generate().value().Sign(EncodeClaims(good)).value()) == "the token's key is not known");
  CHECK(f.Refusal(Base64Url(R"({"alg":"none"})") + "." + Base64Url(EncodeClaims(good)) + ".") ==
        "the token's algorithm is not ES256");
  // Signed, but not with claims of ours.
  const json whole = json::parse(EncodeClaims(good));
  for (const auto& [name, value] : whole.items()) {
    CAPTURE(name);
    json without = whole;
    without.erase(name);
    CHECK(f.Refusal(f.key.Sign(without.dump()).value()) != "");
    without[name] = true;
    CHECK(f.Refusal(f.key.Sign(without.dump()).value()) != "");
  }
  for (const char* payload : {"", "1", "[]", "{}", "{\"kubernetes.io\":[]}"}) {
    CHECK(f.Refusal(f.key.Sign(payload).value()) != "");
  }

  const std::string token = f.Token();
  REQUIRE(f.client->Delete<ServiceAccount>("default", "robot").ok());
  CHECK(f.Refusal(token) == "service account token has been invalidated: serviceaccount robot does not exist");
}

TEST_CASE("service account token: what was good once is looked at again, what was not is not believed later") {
  const SigningKey key = SigningKey::Generate().value();
  const VerifiedTokens tokens(key);
  const auto numbered = [](int i) {
    TokenClaims claims;
    claims.id = std::to_string(i);
    return EncodeClaims(claims);
  };
  const std::string token = key.Sign(numbered(0)).value();
  const auto first = tokens.Claims(token).value();
  CHECK(first->id == "0");
  CHECK(tokens.Claims(token).value() == first);  // not read anew
  CHECK(tokens.Claims(token + "x").status().code() == Code::kUnauthorized);
  CHECK(tokens.Claims(token + "x").status().code() == Code::kUnauthorized);
  CHECK(tokens.Claims(std::string(kMaxTokenBytes + 1, 'x')).status().code() == Code::kUnauthorized);
  // Bad ones push out none, and there is room for so many.
  for (int i = 0; i < 2000; ++i) CHECK_FALSE(tokens.Claims("a.b." + std::to_string(i)).ok());
  CHECK(tokens.Claims(token).value() == first);
  for (int i = 1; i <= 1024; ++i) CHECK(tokens.Claims(key.Sign(numbered(i)).value()).value()->id == std::to_string(i));
  CHECK(tokens.Claims(token).value() != first);
}

TEST_CASE("service account token: claims survive the way there and back") {
  TokenClaims claims{.issuer = "i",
                     .subject = "s",
                     .audiences = {"a", "b"},
                     .issued_at = 1,
                     .not_before = 2,
                     .expires_at = 3,
                     .id = "id",
                     .ns = "ns",
                     .account = {"n", "u"},
                     .pod = TokenRef{"p", "pu"},
                     .secret = TokenRef{"s", "su"},
                     .node = TokenRef{"d", "du"},
                     .warn_after = 4};
  CHECK(EncodeClaims(DecodeClaims(EncodeClaims(claims)).value()) == EncodeClaims(claims));
}

TEST_CASE("token review: says whose a token is") {
  TokenFixture f;
  const std::string issuer(kTokenIssuer);
  SECTION("for the API server") {
    const TokenReview review = f.Review(f.Token());
    CHECK(review.status.authenticated);
    CHECK(review.status.user.username == "system:serviceaccount:default:robot");
    CHECK(review.status.user.groups.size() == 3);
    CHECK(review.status.audiences == List<Str>{Str(issuer)});
    CHECK(review.status.error.empty());
  }
  SECTION("for another audience") {
    TokenRequest request;
    request.spec.audiences = {Str("vault"), Str("bank")};
    const std::string token = f.Token(request);
    CHECK_FALSE(f.Review(token).status.authenticated);
    CHECK_FALSE(f.Review(token).status.error.empty());
    const TokenReview review = f.Review(token, {"shop", "bank"});
    CHECK(review.status.authenticated);
    CHECK(review.status.audiences == List<Str>{Str("bank")});
    CHECK_FALSE(f.Review(f.Token(), {"bank"}).status.authenticated);
  }
  SECTION("of the token file") {
    CHECK(f.Review("static").status.user.username == "alice");
    CHECK(f.Review("static", {issuer, "x"}).status.audiences == List<Str>{Str(issuer)});
    CHECK_FALSE(f.Review("static", {"x"}).status.authenticated);
  }
  SECTION("of nobody") {
    const TokenReview review = f.Review("nonsense");
    CHECK_FALSE(review.status.authenticated);
    CHECK(review.status.user.username.empty());
    CHECK(review.status.error == "not a signed token");
    CHECK(f.client->Create(TokenReview()).status().code() == Code::kBadRequest);
  }
  SECTION("only for those who may ask") {
    TokenReview review;
    review.spec.token = "static";
    CHECK(f.engine->NewClient({"jane", "", {}})->Create(review).status().code() == Code::kForbidden);
  }
}
