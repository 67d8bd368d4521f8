// WaitFor: what a host does between asking for something and using it.
#include <catch2/catch.hpp>

#include <minikube/minikube.h>

namespace minikube {
namespace {

using namespace std::chrono_literals;
using core::v1::ConfigMap;

struct Host {
  Host() {
    ClusterOptions options;
    options.api_server.listen = "";
    options.scheduler.reset();
    options.controllers.reset();
    cluster = Cluster::Start(std::move(options)).value();
    map.metadata.name = "map";
    map.metadata.namespace_ = "default";
    map.data["step"] = "1";
  }
  std::unique_ptr<Cluster> cluster;
  ConfigMap map;
};

bool AtStep(const ConfigMap& map, std::string_view step) { return *map.data.Find("step") == step; }

TEST_CASE("wait: for what is already so") {
  Host host;
  Client& client = host.cluster->client();
  CHECK(WaitUntilGone<ConfigMap>(client, host.cluster->env(), "default", "map").ok());
  REQUIRE(client.Create(host.map).ok());
  const auto found = WaitFor<ConfigMap>(client, host.cluster->env(), "default", "map",
                                        [](const ConfigMap& now) { return AtStep(now, "1"); });
  CHECK(found.value().metadata.name == "map");
}

TEST_CASE("wait: for what others do meanwhile") {
  Host host;
  Client& client = host.cluster->client();
  REQUIRE(client.Create(host.map).ok());
  const std::unique_ptr<Strand> others = host.cluster->env().NewStrand("others");
  // The first look at the object makes the next change; nothing depends on who is faster.
  const auto found = WaitFor<ConfigMap>(client, host.cluster->env(), "default", "map", [&](const ConfigMap& now) {
    if (AtStep(now, "2")) return true;
    ConfigMap next = now;
    next.data["step"] = "2";
    client.Do(Client::RequestFor(Verb::kUpdate, next), *others, [](Result<ApiResponse>) {}).Detach();
    return false;
  });
  CHECK(AtStep(found.value(), "2"));
  bool seen = false;
  const auto gone = WaitFor(
      client, host.cluster->env(), Client::ResourceOf<ConfigMap>(), "default", "map", [&](const ObjectRef& now) {
        if (now && !std::exchange(seen, true)) {
          client
              .Do(Client::NamedRequest<ConfigMap>(Verb::kDelete, "default", "map"), *others, [](Result<ApiResponse>) {})
              .Detach();
        }
        return !now;
      });
  CHECK(gone.value() == nullptr);
  CHECK(seen);
  others->Stop();
}

TEST_CASE("wait: no longer than asked, and for that object alone") {
  Host host;
  Client& client = host.cluster->client();
  REQUIRE(client.Create(host.map).ok());
  const auto late = WaitFor<ConfigMap>(
      client, host.cluster->env(), "default", "other", [](const ConfigMap&) { return true; }, 1ms);
  CHECK(late.status().code() == Code::kTimeout);
  CHECK(late.status().message() == "timed out waiting for configmaps \"other\"");
}

}  // namespace
}  // namespace minikube
