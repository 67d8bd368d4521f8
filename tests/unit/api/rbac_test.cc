// Authorisation through the engine: what bootstrap grants, what roles grant, and who may grant.
#include <minikube/api/authentication/v1.h>
#include <minikube/api/authorization/v1.h>
#include <minikube/api/rbac/v1.h>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

using core::v1::Pod;

rbac::v1::Role MakeRole(std::string_view name, List<Str> verbs, List<Str> resources) {
  rbac::v1::Role role;
  role.metadata.name = name;
  role.metadata.namespace_ = "default";
  role.rules.push_back({.verbs = std::move(verbs), .apiGroups = {""}, .resources = std::move(resources)});
  return role;
}

rbac::v1::RoleBinding MakeBinding(std::string_view name, std::string_view kind, std::string_view role,
                                  std::string_view user) {
  rbac::v1::RoleBinding binding;
  binding.metadata.name = name;
  binding.metadata.namespace_ = "default";
  binding.roleRef.kind = kind;
  binding.roleRef.name = role;
  rbac::v1::Subject subject;
  subject.kind = "User";
  subject.name = user;
  binding.subjects.push_back(subject);
  return binding;
}

TEST_CASE("rbac: nobody may do anything until a binding says so, and only that") {
  Fixture f;
  const std::unique_ptr<Client> jane = f.As("jane");
  const Status refused = jane->List<Pod>("default").status();
  CHECK(refused.code() == Code::kForbidden);
  CHECK(
      refused.message() ==
      "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"");
  CHECK(jane->Get<apps::v1::Deployment>("default", "web").status().message() ==
        "deployments.apps \"web\" is forbidden: User \"jane\" cannot get resource \"deployments\" in API group "
        "\"apps\" in "
        "the namespace \"default\"");
  CHECK(jane->List<core::v1::Node>("").status().message() ==
        "nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API group \"\" at the cluster scope");

  (void)f.client->Create(MakeRole("reader", {"get", "list"}, {"pods"})).value();
  (void)f.client->Create(MakeBinding("jane-reads", "Role", "reader", "jane")).value();
  CHECK(jane->List<Pod>("default").ok());
  CHECK(jane->List<Pod>("").status().code() == Code::kForbidden);
  CHECK(jane->List<Pod>("kube-system").status().code() == Code::kForbidden);
  CHECK(jane->Create(MakePod("x")).status().code() == Code::kForbidden);
  const Status sub = [&] {
    ApiRequest request = Request<Pod>(Verb::kUpdate, "default", "web");
    request.subresource = "status";
    request.object = Share(MakePod("web"));
    return jane->DoSync(request).status();
  }();
  CHECK(sub.message().find("cannot update resource \"pods/status\"") != std::string::npos);

  REQUIRE(f.client->Delete<rbac::v1::RoleBinding>("default", "jane-reads").ok());
  CHECK(jane->List<Pod>("default").status().code() == Code::kForbidden);
}

TEST_CASE("rbac: bootstrap roles") {
  Fixture f;
  (void)f.client->Create(MakeBinding("jane-edits", "ClusterRole", "edit", "jane")).value();
  const std::unique_ptr<Client> jane = f.As("jane");
  CHECK(jane->Create(MakeDeployment("web")).ok());  // from system:aggregate-to-edit
  CHECK(jane->List<Pod>("default").ok());           // from view, aggregated into edit
  CHECK_FALSE(jane->Create(MakeRole("r", {"get"}, {"pods"})).ok());

  CHECK(f.As("system:kube-scheduler")->List<core::v1::Node>("").ok());
  CHECK(f.As("system:kube-scheduler")->Create(MakePod("x")).status().code() == Code::kForbidden);
  const std::unique_ptr<Client> controller = f.As("system:serviceaccount:kube-system:deployment-controller");
  CHECK(controller->List<apps::v1::ReplicaSet>("").ok());
  CHECK(controller->List<core::v1::Node>("").ok());  // informers
  CHECK(controller->Create(MakePod("x")).status().code() == Code::kForbidden);
  CHECK(f.As("system:node:n1", {"system:nodes"})->List<core::v1::Service>("").ok());
  CHECK_FALSE(f.As("system:node:n1")->List<core::v1::Service>("").ok());

  CHECK(f.engine->AuthorizePath({"", "", {"system:unauthenticated"}}, "get", "/healthz").ok());
  CHECK(f.engine->AuthorizePath({"jane", "", {"system:authenticated"}}, "get", "/openapi/v3").ok());
  CHECK(f.engine->AuthorizePath({"jane", "", {"system:authenticated"}}, "get", "/metrics").message() ==
        "forbidden: User \"jane\" cannot get path \"/metrics\"");
}

TEST_CASE("rbac: nobody grants what he lacks") {
  Fixture f;
  (void)f.client->Create(MakeBinding("jane-admin", "ClusterRole", "admin", "jane")).value();
  const std::unique_ptr<Client> jane = f.As("jane");
  CHECK(jane->Create(MakeRole("reader", {"get"}, {"pods"})).ok());
  const Status status = jane->Create(MakeRole("nodes", {"get"}, {"nodes"})).status();
  CHECK(status.code() == Code::kForbidden);
  CHECK(status.message() ==
        "roles.rbac.authorization.k8s.io \"nodes\" is forbidden: user \"jane\" (groups=[\"system:authenticated\"]) is "
        "attempting to grant RBAC permissions not currently held:\n"
        "{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}");
  CHECK(jane->Create(MakeBinding("more", "ClusterRole", "cluster-admin", "jane")).status().code() == Code::kForbidden);
  CHECK(jane->Create(MakeBinding("same", "ClusterRole", "admin", "joe")).ok());
}

TEST_CASE("rbac: only who may do everything makes roles of other roles") {
  Fixture f;
  rbac::v1::ClusterRole maker;
  maker.metadata.name = "role-maker";
  maker.rules = {rbac::v1::PolicyRule{
      .verbs = {"create", "update", "get"}, .apiGroups = {"rbac.authorization.k8s.io"}, .resources = {"clusterroles"}}};
  (void)f.client->Create(maker).value();
  rbac::v1::ClusterRoleBinding binding;
  binding.metadata.name = "jane";
  binding.roleRef = {.apiGroup = "rbac.authorization.k8s.io", .kind = "ClusterRole", .name = "role-maker"};
  binding.subjects.push_back({.kind = "User", .name = "jane"});
  (void)f.client->Create(binding).value();
  const std::unique_ptr<Client> jane = f.As("jane");
  rbac::v1::ClusterRole all;
  all.metadata.name = "all";
  CHECK(jane->Create(all).status().ToString() == "OK");
  // It would gather whatever bears the label one day, though nothing bears it now.
  rbac::v1::ClusterRole gathers = all;
  gathers.metadata.name = "gathers";
  gathers.aggregationRule.Mutable().clusterRoleSelectors.push_back({});
  gathers.aggregationRule.Mutable().clusterRoleSelectors.Mutable(0).matchLabels["gather"] = "me";
  const Status refused = jane->Create(gathers).status();
  CHECK(refused.code() == Code::kForbidden);
  CHECK(
      refused.message() ==
      "clusterroles.rbac.authorization.k8s.io \"gathers\" is forbidden: must have cluster-admin privileges to use the "
      "aggregationRule");
  all = f.client->Get<rbac::v1::ClusterRole>("", "all").value();
  all.aggregationRule = gathers.aggregationRule;
  CHECK(jane->Update(all).status().code() == Code::kForbidden);
  gathers = f.client->Create(gathers).value();
  gathers.aggregationRule = nullptr;
  CHECK(jane->Update(gathers).status().code() == Code::kForbidden);
}

TEST_CASE("rbac: a binding is to one role for ever") {
  Fixture f;
  rbac::v1::RoleBinding binding = f.client->Create(MakeBinding("b", "ClusterRole", "view", "jane")).value();
  CHECK(binding.subjects[0].apiGroup == "rbac.authorization.k8s.io");
  binding.roleRef.name = "edit";
  const Status status = f.client->Update(binding).status();
  CHECK(status.code() == Code::kInvalid);
  CHECK(status.message().find("cannot change roleRef") != std::string::npos);
}

TEST_CASE("rbac: a bootstrap role gets back what it lost") {
  Fixture f;
  auto role = f.client->Get<rbac::v1::ClusterRole>("", "system:kube-dns").value();
  role.rules = {rbac::v1::PolicyRule{.verbs = {"get"}, .apiGroups = {""}, .resources = {"pods"}}};
  (void)f.client->Update(role).value();
  f.Restart();
  role = f.client->Get<rbac::v1::ClusterRole>("", "system:kube-dns").value();
  CHECK(role.rules.size() > 1);
  CHECK(role.rules[0].resources[0] == "pods");  // additions stay
  const Revision revision = f.engine->revision();
  f.Restart();
  CHECK(f.engine->revision() == revision);  // a start that finds everything writes nothing
}

TEST_CASE("reviews: may somebody do something, and who am I") {
  Fixture f;
  (void)f.client->Create(MakeBinding("jane-views", "ClusterRole", "view", "jane")).value();
  const std::unique_ptr<Client> jane = f.As("jane");
  const auto may = [&](std::string_view verb, std::string_view resource) {
    authorization::v1::SelfSubjectAccessReview review;
    authorization::v1::ResourceAttributes attributes;
    attributes.verb = verb;
    attributes.resource = resource;
    attributes.namespace_ = "default";
    review.spec.resourceAttributes = attributes;
    return jane->Create(review).value().status.allowed;
  };
  CHECK(may("list", "pods"));
  CHECK_FALSE(may("delete", "pods"));

  authorization::v1::SubjectAccessReview other;
  other.spec.user = "jane";
  other.spec.nonResourceAttributes = authorization::v1::NonResourceAttributes{.path = "/metrics", .verb = "get"};
  CHECK_FALSE(f.client->Create(other).value().status.allowed);
  CHECK(jane->Create(other).status().code() == Code::kForbidden);

  authorization::v1::SelfSubjectRulesReview rules;
  rules.spec.namespace_ = "default";
  CHECK(jane->Create(rules).value().status.resourceRules.size() > 3);

  const auto self = jane->Create(authentication::v1::SelfSubjectReview{}).value();
  CHECK(self.status.userInfo.username == "jane");
}

}  // namespace
}  // namespace minikube::api::testing
