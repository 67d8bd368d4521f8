// The Node authoriser and NodeRestriction: what a node agent may, by what runs on its node.
#include <string>

#include <minikube/api/authentication/v1.h>
#include <minikube/api/coordination/v1.h>
#include <minikube/api/policy/v1.h>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

using core::v1::ConfigMap;
using core::v1::Node;
using core::v1::Pod;
using core::v1::Secret;

// Two nodes; a pod on each, with a secret of its own.
struct NodesFixture : Fixture {
  NodesFixture() {
    for (const std::string name : {"a", "b"}) {
      Node node;
      node.metadata.name = name;
      REQUIRE(client->Create(node).ok());
      Secret secret;
      secret.metadata.name = "of-" + name;
      secret.metadata.namespace_ = "default";
      REQUIRE(client->Create(secret).ok());
      Pod pod = MakePod("on-" + name);
      pod.spec.nodeName = name;
      core::v1::Volume volume;
      volume.name = "v";
      volume.secret.Mutable().secretName = "of-" + name;
      pod.spec.volumes.push_back(volume);
      REQUIRE(client->Create(pod).ok());
    }
    a = As("system:node:a", {"system:nodes"});
  }
  // What a request of node a comes to.
  template <typename T>
  Status Ask(Verb verb, std::string_view ns, std::string_view name, std::string selector = {}) {
    ApiRequest request = Client::NamedRequest<T>(verb, ns, name);
    request.field_selector = std::move(selector);
    return a->DoSync(std::move(request)).status();
  }
  std::unique_ptr<Client> a;
};

TEST_CASE("node authoriser: a node reads what its pods refer to, and nothing else") {
  NodesFixture f;
  CHECK(f.Ask<Secret>(Verb::kGet, "default", "of-a").ok());
  CHECK(f.Ask<Secret>(Verb::kList, "default", "", "metadata.name=of-a").ok());
  const Status other = f.Ask<Secret>(Verb::kGet, "default", "of-b");
  CHECK(other.code() == Code::kForbidden);
  CHECK(
      other.message() ==
      "secrets \"of-b\" is forbidden: User \"system:node:a\" cannot get resource \"secrets\" in API group \"\" in the "
      "namespace \"default\": no relationship found between node 'a' and this object");
  CHECK(f.Ask<Secret>(Verb::kList, "default", "").message().ends_with("No Object name found"));
  CHECK(f.Ask<Secret>(Verb::kList, "", "").message().ends_with("can only read namespaced object of this type"));
  CHECK(f.Ask<Secret>(Verb::kDelete, "default", "of-a").message().ends_with("can only read resources of this type"));
  // With the pod goes the right.
  ApiRequest gone = Client::NamedRequest<Pod>(Verb::kDelete, "default", "on-a");
  gone.grace_period_seconds = 0;
  REQUIRE(f.client->DoSync(std::move(gone)).ok());
  CHECK(f.Ask<Secret>(Verb::kGet, "default", "of-a").code() == Code::kForbidden);
}

TEST_CASE("node authoriser: nodes and pods are its own") {
  NodesFixture f;
  CHECK(f.Ask<Node>(Verb::kGet, "", "a").ok());
  CHECK(f.Ask<Node>(Verb::kGet, "", "b").message().ends_with("node 'a' cannot read 'b', only its own Node object"));
  CHECK(
      f.Ask<Node>(Verb::kList, "", "").message().ends_with("node 'a' cannot read all nodes, only its own Node object"));
  CHECK(f.Ask<Pod>(Verb::kList, "", "", "spec.nodeName=a").ok());
  CHECK(f.Ask<Pod>(Verb::kList, "", "", "spec.nodeName=b")
            .message()
            .ends_with("can only list/watch pods with spec.nodeName field selector"));
  CHECK(f.Ask<Pod>(Verb::kGet, "default", "on-a").ok());
  CHECK(f.Ask<Pod>(Verb::kGet, "default", "on-b").code() == Code::kForbidden);
  // What every node may is in the role system:node.
  CHECK(f.Ask<core::v1::Service>(Verb::kList, "", "").ok());
  // The name alone makes no node.
  CHECK(f.As("system:node:a")->Get<Node>("", "a").status().code() == Code::kForbidden);
}

TEST_CASE("node authoriser: volumes on its disk are its own") {
  NodesFixture f;
  for (const char* node : {"a", "b"}) {
    core::v1::PersistentVolume volume;
    volume.metadata.name = std::string("on-disk-of-") + node;
    volume.metadata.annotations["pv.kubernetes.io/provisioned-by"] = "minikube.dev/local-path";
    volume.spec.capacity["storage"] = Quantity("1Gi");
    volume.spec.accessModes.push_back("ReadWriteOnce");
    volume.spec.local.Mutable().path = "/data";
    core::v1::NodeSelectorRequirement here;
    here.key = "kubernetes.io/hostname";
    here.operator_ = "In";
    here.values.push_back(node);
    core::v1::NodeSelectorTerm term;
    term.matchExpressions.push_back(here);
    volume.spec.nodeAffinity.Mutable().required.Mutable().nodeSelectorTerms.push_back(term);
    (void)f.client->Create(volume).value();
  }
  const auto patch = [&](std::string_view name) {
    return f.a->Patch<core::v1::PersistentVolume>("", name, PatchType::kMerge,
                                                  R"({"metadata":{"annotations":{"x":"y"}}})");
  };
  CHECK(f.Ask<core::v1::PersistentVolume>(Verb::kList, "", "").ok());
  CHECK(patch("on-disk-of-a").status().message() == "");
  CHECK(patch("on-disk-of-b").status().code() == Code::kForbidden);
  CHECK(f.Ask<core::v1::PersistentVolume>(Verb::kDelete, "", "on-disk-of-a").code() == Code::kForbidden);
}

TEST_CASE("NodeRestriction: a node changes its own node, without what would draw workloads to it") {
  NodesFixture f;
  struct Case {
    std::string_view node;
    std::string_view patch;
    std::string_view why;
  };
  const Case cases[] = {
      {"b", R"({"metadata":{"labels":{"x":"y"}}})", "node \"a\" is not allowed to modify node \"b\""},
      {"a", R"({"spec":{"taints":[]}})", "node \"a\" is not allowed to modify taints"},
      {"a", R"({"metadata":{"labels":{"node-restriction.kubernetes.io/x":"y","node-role.kubernetes.io/z":""}}})",
       "is not allowed to modify labels: node-restriction.kubernetes.io/x, node-role.kubernetes.io/z"},
      {"a", R"({"metadata":{"labels":{"example.com/x":"y","topology.kubernetes.io/zone":"z"}}})", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.patch);
    const Status status = f.a->Patch<Node>("", c.node, PatchType::kMerge, c.patch).status();
    CHECK(status.ok() == c.why.empty());
    if (!c.why.empty()) {
      CHECK(status.message() == "nodes \"" + std::string(c.node) + "\" is forbidden: " + std::string(c.why));
    }
  }
}

TEST_CASE("NodeRestriction: pods of other nodes are out of reach, and only mirror pods are made") {
  NodesFixture f;
  Pod mine = f.client->Get<Pod>("default", "on-a").value();
  mine.status.phase = "Running";
  CHECK(f.a->UpdateStatus(mine).ok());
  Pod other = f.client->Get<Pod>("default", "on-b").value();
  other.status.phase = "Failed";
  CHECK(f.a->UpdateStatus(other).status().message() ==
        "pods \"on-b\" is forbidden: node \"a\" can only update pod status for pods with spec.nodeName set to itself");
  CHECK(f.a->Delete<Pod>("default", "on-b").message() ==
        "pods \"on-b\" is forbidden: node \"a\" can only delete pods with spec.nodeName set to itself");
  CHECK(f.a->Create(MakePod("new")).status().message() ==
        "pods \"new\" is forbidden: pod does not have \"kubernetes.io/config.mirror\" annotation, node \"a\" can only "
        "create mirror pods");
  Pod mirror = MakePod("mirror");
  mirror.metadata.annotations["kubernetes.io/config.mirror"] = "1";
  mirror.spec.nodeName = "a";
  meta::v1::OwnerReference owner;
  owner.apiVersion = "v1";
  owner.kind = "Node";
  owner.name = "a";
  owner.uid = f.client->Get<Node>("", "a").value().metadata.uid;
  owner.controller = true;
  mirror.metadata.ownerReferences.push_back(owner);
  Pod greedy = mirror;
  core::v1::Volume volume;
  volume.name = "v";
  volume.secret.Mutable().secretName = "of-b";
  greedy.spec.volumes.push_back(volume);
  CHECK(f.a->Create(greedy).status().message() ==
        "pods \"mirror\" is forbidden: node \"a\" can not create pods that reference secrets");
  CHECK(f.a->Create(mirror).ok());
}

TEST_CASE("NodeRestriction: tokens are for pods of the node, leases bear its name") {
  NodesFixture f;
  core::v1::ServiceAccount account;
  account.metadata.name = "default";
  account.metadata.namespace_ = "default";
  REQUIRE(f.client->Create(account).ok());
  const auto ask = [&](std::string_view pod) {
    authentication::v1::TokenRequest token;
    if (!pod.empty()) {
      auto& bound = token.spec.boundObjectRef.Mutable();
      bound.apiVersion = "v1";
      bound.kind = "Pod";
      bound.name = pod;
      bound.uid = f.client->Get<Pod>("default", pod).value().metadata.uid;
    }
    ApiRequest request = Client::NamedRequest<core::v1::ServiceAccount>(Verb::kCreate, "default", "default");
    request.subresource = "token";
    request.object = Share(token);
    return f.a->DoSync(std::move(request)).status();
  };
  CHECK(ask("on-a").ok());
  CHECK(ask("on-b").message() ==
        "serviceaccounts \"default\" is forbidden: node requested token bound to a pod scheduled on a different node");
  CHECK(ask("").message() == "serviceaccounts \"default\" is forbidden: node requested token not bound to a pod");

  coordination::v1::Lease lease;
  lease.metadata.namespace_ = "kube-node-lease";
  lease.metadata.name = "b";
  CHECK(
      f.a->Create(lease).status().message() ==
      "leases.coordination.k8s.io \"b\" is forbidden: can only access node lease with the same name as the requesting "
      "node");
  lease.metadata.name = "a";
  CHECK(f.a->Create(lease).ok());
}

}  // namespace
}  // namespace minikube::api::testing
