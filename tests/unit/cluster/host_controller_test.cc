// Controllers that a host adds: whom they act as.
#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/api/rbac/v1.h>
#include <minikube/minikube.h>

#include "helpers/wait.h"

namespace minikube {
namespace {

// Makes one ConfigMap, and tells how that went.
class Maker final : public Controller {
 public:
  Maker(const ControllerContext& context, test::Promised<Status>& outcome) {
    core::v1::ConfigMap made;
    made.metadata.name = "made";
    made.metadata.namespace_ = "default";
    context.client
        .Do(Client::RequestFor(Verb::kCreate, made), context.strand,
            [&outcome](Result<ApiResponse> response) { outcome.Set(response.status()); })
        .Detach();
  }
  bool Idle() const override { return true; }
};

struct Host {
  explicit Host(std::optional<UserInfo> user) {
    options.api_server.listen = "";
    options.scheduler.reset();
    HostController maker;
    maker.name = "maker";
    maker.user = std::move(user);
    maker.make = [this](const ControllerContext& context) { return std::make_unique<Maker>(context, outcome); };
    options.extra_controllers = {maker};
  }
  ClusterOptions options;
  test::Promised<Status> outcome;
};

TEST_CASE("a host's controller may do what the host may") {
  Host host(std::nullopt);
  auto cluster = Cluster::Start(host.options);
  REQUIRE(cluster.status().ToString() == "OK");
  CHECK(host.outcome.Take()->ToString() == "OK");
}

TEST_CASE("a host's controller with a user of its own may do what RBAC lets that user") {
  Host host(UserInfo{"system:serviceaccount:ops:maker", "", {"system:serviceaccounts", "system:authenticated"}});
  auto cluster = Cluster::Start(host.options);
  REQUIRE(cluster.status().ToString() == "OK");
  const Status refused = *host.outcome.Take();
  CHECK(refused.code() == Code::kForbidden);
  CHECK(
      refused.message() ==
      "configmaps is forbidden: User \"system:serviceaccount:ops:maker\" cannot create resource \"configmaps\" in API "
      "group \"\" in the namespace \"default\"");
}

TEST_CASE("no controller takes the name of another") {
  Host host(std::nullopt);
  host.options.extra_controllers[0].name = "deployment-controller";
  const auto cluster = Cluster::Start(host.options);
  CHECK(cluster.status().code() == Code::kBadRequest);
  CHECK(cluster.status().message() == "there are two controllers of the name deployment-controller");
}

}  // namespace
}  // namespace minikube
