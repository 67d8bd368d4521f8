#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>

#include "controllers/controllers.h"
#include "controllers/gc/namespace_status.h"
#include "helpers/controller_host.h"
#include "helpers/fake_api.h"
#include "kube/conditions.h"

namespace minikube::controllers {
namespace {

using core::v1::ConfigMap;
using core::v1::Namespace;
using core::v1::Pod;
using core::v1::ServiceAccount;
using test::FakeApi;

struct Fixture {
  Namespace Add(std::string_view name) {
    Namespace ns;
    ns.metadata.name = name;
    ns.spec.finalizers = {"kubernetes"};
    return api.Create(ns);
  }
  template <typename T>
  T AddIn(std::string_view ns, std::string_view name) {
    T object;
    object.metadata.name = name;
    object.metadata.namespace_ = ns;
    return api.Create(object);
  }
  const core::v1::NamespaceCondition* Condition(std::string_view name, std::string_view type) {
    shown = api.Get<Namespace>("", name).value();
    return kube::FindCondition(shown.status.conditions, type);
  }

  SimulatedEnv env;
  FakeApi api{env};
  std::unique_ptr<Client> client = api.NewClient();
  test::ControllerHost controllers{
      *client, env, {NamespaceController(), ServiceAccountController(), RootCaPublisher("the authority")}};
  Namespace shown;
};

TEST_CASE_METHOD(Fixture, "every namespace gets its service account and the authority, and gets them again") {
  Add("a");
  env.RunFor(std::chrono::seconds(1));
  REQUIRE(api.Get<ServiceAccount>("a", "default").ok());
  REQUIRE(api.Get<ConfigMap>("a", "kube-root-ca.crt").ok());
  CHECK(api.Get<ConfigMap>("a", "kube-root-ca.crt")->data.Find("ca.crt")->view() == "the authority");
  (void)api.Delete(*api.Get<ServiceAccount>("a", "default"));
  api.Change<ConfigMap>(*api.Get<ConfigMap>("a", "kube-root-ca.crt"), "",
                        [](ConfigMap& map) { map.data["ca.crt"] = "forged"; });
  env.RunFor(std::chrono::seconds(1));
  CHECK(api.Get<ServiceAccount>("a", "default").ok());
  CHECK(api.Get<ConfigMap>("a", "kube-root-ca.crt")->data.Find("ca.crt")->view() == "the authority");
}

TEST_CASE_METHOD(Fixture, "a deleted namespace is emptied and goes, and no other is touched") {
  const Namespace ns = Add("going");
  Add("staying");
  AddIn<ConfigMap>("going", "m");
  AddIn<ConfigMap>("staying", "m");
  AddIn<Pod>("going", "p");
  env.RunFor(std::chrono::seconds(1));
  (void)api.Delete(ns);
  REQUIRE(env.RunUntil([&] { return !api.Get<Namespace>("", "going").ok(); }, std::chrono::minutes(1)));
  CHECK_FALSE(api.Get<ConfigMap>("going", "m").ok());
  CHECK(api.Get<ConfigMap>("staying", "m").ok());
  CHECK(api.List<Pod>().empty());
}

TEST_CASE_METHOD(Fixture, "pods go first, and what keeps the namespace is told") {
  const Namespace ns = Add("going");
  AddIn<ConfigMap>("going", "m");
  Pod pod = AddIn<Pod>("going", "p");
  api.Change<Pod>(pod, "", [](Pod& p) { p.metadata.finalizers.push_back("example.com/f"); });
  env.RunFor(std::chrono::seconds(1));
  (void)api.Delete(ns);
  env.RunFor(std::chrono::minutes(1));
  CHECK(api.Get<ConfigMap>("going", "m").ok());  // a pod may still need it
  CHECK(Condition("going", "NamespaceContentRemaining")->status == "True");
  CHECK(Condition("going", "NamespaceContentRemaining")->message.view().find("pods. has 1 resource instances") !=
        std::string_view::npos);
  CHECK(Condition("going", "NamespaceFinalizersRemaining")
            ->message.view()
            .find("example.com/f in 1 resource instances") != std::string_view::npos);
  api.Change<Pod>(pod, "", [](Pod& p) { p.metadata.finalizers.clear(); });
  REQUIRE(env.RunUntil([&] { return !api.Get<Namespace>("", "going").ok(); }, std::chrono::minutes(1)));
  CHECK_FALSE(api.Get<ConfigMap>("going", "m").ok());
}

TEST_CASE_METHOD(Fixture, "a refused deletion is told and tried again") {
  const Namespace ns = Add("going");
  AddIn<ConfigMap>("going", "m");
  env.RunFor(std::chrono::seconds(1));
  bool refuse = true;
  api.refuse = [&](const ApiRequest& request) {
    return refuse && request.verb == Verb::kDeleteCollection ? Status(Code::kForbidden, "a webhook said no") : Status();
  };
  (void)api.Delete(ns);
  env.RunFor(std::chrono::minutes(1));
  CHECK(Condition("going", "NamespaceDeletionContentFailure")->status == "True");
  CHECK(Condition("going", "NamespaceDeletionContentFailure")->message.view().find("a webhook said no") !=
        std::string_view::npos);
  refuse = false;
  REQUIRE(env.RunUntil([&] { return !api.Get<Namespace>("", "going").ok(); }, std::chrono::minutes(1)));
}

TEST_CASE_METHOD(Fixture, "a list that fails is no empty list") {
  const Namespace ns = Add("going");
  AddIn<ConfigMap>("going", "m");
  env.RunFor(std::chrono::seconds(1));
  bool refuse = true;
  api.refuse = [&](const ApiRequest& request) {
    const bool maps = request.verb == Verb::kList && request.resource == &Client::ResourceOf<ConfigMap>();
    return refuse && maps ? Status(Code::kUnavailable, "later") : Status();
  };
  (void)api.Delete(ns);
  env.RunFor(std::chrono::minutes(1));
  CHECK(api.Get<Namespace>("", "going").ok());
  refuse = false;
  REQUIRE(env.RunUntil([&] { return !api.Get<Namespace>("", "going").ok(); }, std::chrono::minutes(30)));
}

}  // namespace
}  // namespace minikube::controllers
