// What a running engine does by itself, in virtual time.
#include <fmt/format.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>
#include <minikube/api/networking/v1.h>

#include <minikube/codec.h>
#include <minikube/simulated_env.h>

#include "api/stages/api_core.h"

namespace minikube::api::testing {
namespace {

using core::v1::Endpoints;
using core::v1::Service;
using discovery::v1::EndpointSlice;

struct RunningEngine {
  // A synchronous call would wait for this very thread.
  Result<ApiResponse> Ask(ApiRequest request) {
    std::optional<Result<ApiResponse>> answer;
    client->Do(std::move(request), *strand, [&](Result<ApiResponse> response) { answer = std::move(response); })
        .Detach();
    REQUIRE(env.RunUntil([&] { return answer.has_value(); }));
    return *answer;
  }

  SimulatedEnv env;
  const std::unique_ptr<Store> store = NewMemoryStore(env);
  const std::unique_ptr<ApiCore> engine =
      ApiCore::Start({.service_cluster_ip_range = "10.96.0.0/12"}, *store, env, Logger()).value();
  const std::unique_ptr<Client> client = engine->NewClient({"admin", "", {"system:masters"}});
  const std::unique_ptr<Strand> strand = env.NewStrand("test");
};

TEST_CASE("what every cluster has comes back when it was deleted") {
  RunningEngine running;
  SimulatedEnv& env = running.env;
  const std::unique_ptr<ApiCore>& engine = running.engine;
  const auto ask = [&](ApiRequest request) { return running.Ask(std::move(request)); };
  const auto kubernetes = [&] { return ask(Client::NamedRequest<Service>(Verb::kGet, "default", "kubernetes")); };
  const ObjectRef before = kubernetes().value().object;
  REQUIRE(ask(Client::NamedRequest<Service>(Verb::kDelete, "default", "kubernetes")).ok());
  REQUIRE(kubernetes().status().code() == Code::kNotFound);

  env.RunFor(std::chrono::seconds(11));
  const ObjectRef after = kubernetes().value().object;
  CHECK(after->As<Service>().spec.clusterIP == before->As<Service>().spec.clusterIP);
  CHECK_FALSE(after->meta().uid == before->meta().uid);
  CHECK(ask(Client::NamedRequest<networking::v1::IPAddress>(Verb::kGet, "", "10.96.0.1")).ok());

  // And nothing is written while nothing is missing.
  const Revision revision = engine->revision();
  env.RunFor(std::chrono::minutes(1));
  CHECK(engine->revision() == revision);
  engine->Stop();
}

TEST_CASE("the endpoint of the API server is what the server says, whatever somebody makes of it") {
  RunningEngine running;
  SimulatedEnv& env = running.env;
  const std::unique_ptr<ApiCore>& engine = running.engine;
  const auto ask = [&](ApiRequest request) { return running.Ask(std::move(request)); };
  const auto endpoints = [&] {
    const auto answer = ask(Client::NamedRequest<Endpoints>(Verb::kGet, "default", "kubernetes"));
    if (!answer) return std::string(ReasonOf(answer.status().code()));
    std::string json;
    EncodeJsonMessage(DescriptorOf<Endpoints>(), &answer->object->As<Endpoints>(), json);
    return nlohmann::json::parse(json)["subsets"].dump();
  };
  const auto slice = [&] {
    const auto answer = ask(Client::NamedRequest<EndpointSlice>(Verb::kGet, "default", "kubernetes"));
    if (!answer) return std::string(ReasonOf(answer.status().code()));
    const auto& found = answer->object->As<EndpointSlice>();
    CHECK(*found.metadata.labels.Find("kubernetes.io/service-name") == "kubernetes");
    CHECK(found.endpoints[0].conditions.ready == true);
    return fmt::format("{} {}:{} {}", found.addressType.view(), found.endpoints[0].addresses[0].view(),
                       *found.ports[0].port, found.ports[0].name->view());
  };
  CHECK(endpoints() == "NotFound");

  REQUIRE(engine->SetServerAddress(ServerAddress{"192.0.2.7", 6443}).ok());
  const std::string good =
      R"([{"addresses":[{"ip":"192.0.2.7"}],"ports":[{"name":"https","port":6443,"protocol":"TCP"}]}])";
  CHECK(endpoints() == good);
  CHECK(slice() == "IPv4 192.0.2.7:6443 https");

  SECTION("deleted and changed") {
    REQUIRE(ask(Client::NamedRequest<EndpointSlice>(Verb::kDelete, "default", "kubernetes")).ok());
    Endpoints wrong =
        ask(Client::NamedRequest<Endpoints>(Verb::kGet, "default", "kubernetes"))->object->As<Endpoints>();
    wrong.subsets.Mutable(0).addresses.Mutable(0).ip = "192.0.2.8";
    REQUIRE(ask(Client::RequestFor(Verb::kUpdate, wrong)).ok());
    env.RunFor(std::chrono::seconds(11));
    CHECK(endpoints() == good);
    CHECK(slice() == "IPv4 192.0.2.7:6443 https");
    // And nothing is written while nothing is wrong.
    const Revision revision = engine->revision();
    env.RunFor(std::chrono::minutes(1));
    CHECK(engine->revision() == revision);
  }
  SECTION("moved") {
    REQUIRE(engine->SetServerAddress(ServerAddress{"fd00::7", 8443}).ok());
    CHECK(slice() == "IPv6 fd00::7:8443 https");
    env.RunFor(std::chrono::seconds(11));
    CHECK(slice() == "IPv6 fd00::7:8443 https");
  }
  SECTION("gone") {
    REQUIRE(engine->SetServerAddress(std::nullopt).ok());
    CHECK(endpoints() == "NotFound");
    CHECK(slice() == "NotFound");
  }
  engine->Stop();
}

}  // namespace
}  // namespace minikube::api::testing
