// What a running engine does by itself, in virtual time.
#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/api/networking/v1.h>

#include "api/engine.h"
#include "helpers/fake_env.h"

namespace minikube::api::testing {
namespace {

using core::v1::Service;

TEST_CASE("what every cluster has comes back when it was deleted") {
  test::FakeEnv env;
  const std::unique_ptr<Store> store = NewMemoryStore(env);
  const std::unique_ptr<Engine> engine =
      Engine::Start({.service_cluster_ip_range = "10.96.0.0/12"}, *store, env, Logger()).value();
  const std::unique_ptr<Client> client = engine->NewClient({"admin", "", {"system:masters"}});
  const std::unique_ptr<Strand> strand = env.NewStrand("test");
  // A synchronous call would wait for this very thread.
  const auto ask = [&](ApiRequest request) {
    std::optional<Result<ApiResponse>> answer;
    client->Do(std::move(request), *strand, [&](Result<ApiResponse> response) { answer = std::move(response); });
    REQUIRE(env.RunUntil([&] { return answer.has_value(); }));
    return *answer;
  };
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

}  // namespace
}  // namespace minikube::api::testing
