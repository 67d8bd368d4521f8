// Informers in the API server's process: views of its World.
#include <minikube/api/rbac/v1.h>
#include <minikube/informers.h>
#include <minikube/latch.h>

#include "engine_fixture.h"

namespace minikube::api {
namespace {

using core::v1::ConfigMap;
using core::v1::Pod;

struct LocalFixture : testing::Fixture {
  ~LocalFixture() {
    On([&] { informers.clear(); });
  }
  // Runs `task` on the strand and waits for it.
  void On(const std::function<void()>& task) {
    Latch done;
    strand->Post([&] {
      task();
      done.Open();
    });
    REQUIRE(env->Await(done, std::chrono::seconds(10)));
  }
  Informer& Start(Client& by, const ResourceDesc& resource, Informer::Options options = {},
                  const std::function<void(Informer&)>& prepare = {}) {
    informers.push_back(std::make_unique<Informer>(by, resource, *strand, *env, std::move(options)));
    Informer& informer = *informers.back();
    informer.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      seen.push_back((before ? (after ? "~" : "-") : "+") + (after ? after : before)->meta().name.str());
    });
    if (prepare) prepare(informer);
    On([&] { informer.Start(); });
    Look(informer);
    return informer;
  }
  // Waits until the informer has looked at the newest state.
  void Look(Informer& informer) {
    Latch looked;
    strand->Post([&] { informer.Refresh([&] { looked.Open(); }); });
    REQUIRE(env->Await(looked, std::chrono::seconds(10)));
  }
  ConfigMap Make(std::string_view name, std::string_view value = "1") {
    ConfigMap map;
    map.metadata.namespace_ = "default";
    map.metadata.name = name;
    map.metadata.labels["value"] = value;
    return map;
  }
  Pod MakeOn(std::string_view name, std::string_view node) {
    Pod pod = testing::MakePod(name);
    pod.spec.nodeName = node;
    return pod;
  }

  std::vector<std::unique_ptr<Informer>> informers;
  std::vector<std::string> seen;
};

TEST_CASE_METHOD(LocalFixture, "an informer that was away is told the difference, however much has happened") {
  Restart(4);  // watchers with a longer queue are ended
  Informer::Options options;
  options.ns = "default";
  options.label_selector = "value";
  Informer& informer = Start(*client, Client::ResourceOf<ConfigMap>(), std::move(options));
  for (const char* name : {"changed", "deleted", "replaced"}) (void)client->Create(Make(name)).value();
  Look(informer);
  CHECK(seen == std::vector<std::string>{"+changed", "+deleted", "+replaced"});
  seen.clear();

  Latch back;
  strand->Post([&] { (void)env->Await(back, kForever); });
  for (int i = 0; i < 50; ++i) {
    ConfigMap map = client->Get<ConfigMap>("default", "changed").value();
    map.metadata.labels["value"] = std::to_string(i);
    (void)client->Update(map).value();
  }
  REQUIRE(client->Delete<ConfigMap>("default", "deleted").ok());
  REQUIRE(client->Delete<ConfigMap>("default", "replaced").ok());
  (void)client->Create(Make("replaced")).value();
  const std::int64_t last =
      client->DoSync(Client::NamedRequest<ConfigMap>(Verb::kList, "default", "")).value().revision;
  back.Open();
  Look(informer);
  On([&] {
    // Once for all changes of an object; the one of the same name is another one.
    CHECK(seen == std::vector<std::string>{"~changed", "-deleted", "-replaced", "+replaced"});
    CHECK(informer.Get("default", "changed")->meta().labels.Find("value")->str() == "49");
    CHECK(informer.revision() >= last);
    CHECK(informer.size() == 2);
  });
}

TEST_CASE_METHOD(LocalFixture, "what an informer shows is the server's own, with its indexes") {
  Informer& informer = Start(*client, Client::ResourceOf<Pod>(), {},
                             [](Informer& pods) { pods.AddIndex(std::string(kByNode.name), kByNode.keys); });
  Informer& named = Start(*client, Client::ResourceOf<Pod>(), {}, [](Informer& pods) {
    pods.AddIndex("first letter",
                  [](const Object& pod) { return std::vector<std::string>{pod.meta().name.str().substr(0, 1)}; });
  });
  for (const char* name : {"x1", "x2", "y1"}) (void)client->Create(MakeOn(name, name[0] == 'x' ? "a" : "b")).value();
  const ObjectRef mine = client->DoSync(Client::NamedRequest<Pod>(Verb::kGet, "default", "x1")).value().object;
  Look(informer);
  Look(named);
  On([&] {
    CHECK(informer.Get("default", "x1") == mine);
    CHECK(informer.ByIndex("node", "a").size() == 2);
    CHECK(informer.ByIndex("first letter", "x").empty());
    CHECK(named.ByIndex("first letter", "x").size() == 2);
  });
  REQUIRE(client
              ->DoSync([&] {
                ApiRequest request = Client::NamedRequest<Pod>(Verb::kDelete, "default", "x1");
                request.grace_period_seconds = 0;
                return request;
              }())
              .ok());
  Look(informer);
  Look(named);
  On([&] {
    CHECK(informer.ByIndex("node", "a").size() == 1);
    CHECK(named.ByIndex("first letter", "x").size() == 1);
  });
}

TEST_CASE_METHOD(LocalFixture, "the informers of one strand show one revision, in every handler") {
  Informer* maps = nullptr;
  bool equal = true;
  int told = 0;
  Informer& pods = Start(*client, Client::ResourceOf<Pod>(), {}, [&](Informer& informer) {
    informer.AddHandler([&](const ObjectRef&, const ObjectRef& after) {
      if (maps == nullptr) return;
      ++told;
      // What was there before the pod is known before the pod is told, though its own informer is asked later.
      equal = equal && informer.revision() == maps->revision() && maps->Get("default", after->meta().name.str());
    });
  });
  maps = &Start(*client, Client::ResourceOf<ConfigMap>());
  for (int i = 0; i < 100; ++i) {
    (void)client->Create(Make(std::to_string(i))).value();
    (void)client->Create(testing::MakePod(std::to_string(i))).value();
  }
  Look(pods);
  On([&] {
    CHECK(told == 100);
    CHECK(equal);
  });
}

TEST_CASE_METHOD(LocalFixture, "an informer of the pods of one node sees them come and go") {
  Informer::Options options;
  options.field_selector = "spec.nodeName=a";
  Informer& informer = Start(*client, Client::ResourceOf<Pod>(), std::move(options));
  (void)client->Create(MakeOn("mine", "a")).value();
  (void)client->Create(MakeOn("other", "b")).value();
  Look(informer);
  On([&] {
    CHECK(seen == std::vector<std::string>{"+mine"});
    CHECK(informer.size() == 1);
  });
}

TEST_CASE_METHOD(LocalFixture, "an informer shows nothing new to who may not see it any more") {
  rbac::v1::ClusterRole role;
  role.metadata.name = "reader";
  rbac::v1::PolicyRule rule;
  rule.apiGroups.push_back("");
  rule.resources.push_back("configmaps");
  rule.verbs.push_back("list");
  rule.verbs.push_back("watch");
  role.rules.push_back(rule);
  (void)client->Create(role).value();
  rbac::v1::ClusterRoleBinding binding;
  binding.metadata.name = "reader";
  binding.roleRef.apiGroup = "rbac.authorization.k8s.io";
  binding.roleRef.kind = "ClusterRole";
  binding.roleRef.name = "reader";
  rbac::v1::Subject subject;
  subject.kind = "User";
  subject.apiGroup = "rbac.authorization.k8s.io";
  subject.name = "jane";
  binding.subjects.push_back(subject);
  (void)client->Create(binding).value();

  const std::unique_ptr<Client> jane = As("jane");
  (void)client->Create(Make("public")).value();
  Informer& informer = Start(*jane, Client::ResourceOf<ConfigMap>());
  On([&] { CHECK(informer.Get("default", "public")); });
  REQUIRE(client->Delete<rbac::v1::ClusterRoleBinding>("", "reader").ok());
  (void)client->Create(Make("secret")).value();
  On([] {});  // whatever the change has posted has run
  On([&] { CHECK_FALSE(informer.Get("default", "secret")); });
  (void)client->Create(binding).value();
  Look(informer);
  On([&] {
    CHECK(informer.Get("default", "secret"));
    informers.clear();
  });
}

}  // namespace
}  // namespace minikube::api
