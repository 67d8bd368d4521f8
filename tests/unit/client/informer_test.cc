#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/informer.h>

#include "helpers/fake_api.h"

namespace minikube {
namespace {

using core::v1::ConfigMap;
using test::FakeApi;

ConfigMap Map(std::string_view name, std::string_view value = "1", std::string_view ns = "default") {
  ConfigMap map;
  map.metadata.name = name;
  map.metadata.namespace_ = ns;
  map.data["k"] = value;
  return map;
}

struct Fixture {
  SimulatedEnv env;
  FakeApi api{env};
  std::unique_ptr<Client> client = api.NewClient();
  std::unique_ptr<Strand> strand = env.NewStrand("test");
  std::vector<std::string> seen;

  std::unique_ptr<Informer> NewInformer() {
    auto informer = std::make_unique<Informer>(*client, Client::ResourceOf<ConfigMap>(), *strand, env);
    informer->AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      const std::string name = (after ? after : before)->meta().name.str();
      seen.push_back((before ? (after ? "~" : "-") : "+") + name);
    });
    return informer;
  }
};

TEST_CASE_METHOD(Fixture, "an informer lists, then follows") {
  api.Create(Map("a"));
  auto informer = NewInformer();
  bool synced = false;
  informer->OnSynced([&] { synced = true; });
  informer->Start();
  REQUIRE_FALSE(informer->HasSynced());
  REQUIRE(env.RunUntil([&] { return synced; }));
  CHECK(informer->Get("default", "a"));
  CHECK_FALSE(informer->Get("default", "b"));
  CHECK_FALSE(informer->Get("", "a"));
  const ConfigMap b = api.Create(Map("b"));
  api.Change<ConfigMap>(b, "", [](ConfigMap& map) { map.data["k"] = "2"; });
  (void)api.Delete(Map("a"));
  REQUIRE(env.RunUntil([&] { return informer->revision() == api.revision(); }));
  CHECK(seen == std::vector<std::string>{"+a", "+b", "~b", "-a"});
  CHECK(*informer->Get("default", "b")->As<ConfigMap>().data.Find("k") == "2");
  CHECK(api.Count<ConfigMap>(Verb::kList) == 1);
}

TEST_CASE_METHOD(Fixture, "what is known is the server's own object, not a copy") {
  api.Create(Map("a"));
  auto informer = NewInformer();
  informer->Start();
  REQUIRE(env.RunUntil([&] { return informer->HasSynced(); }));
  const auto mine = informer->Get("default", "a");
  CHECK(mine == api.Perform(Client::NamedRequest<ConfigMap>(Verb::kGet, "default", "a")).value().object);
}

TEST_CASE_METHOD(Fixture, "an expired watch leads to a new list, which shows what was missed") {
  api.Create(Map("kept"));
  api.Create(Map("deleted"));
  api.Create(Map("replaced"));
  auto informer = NewInformer();
  informer->Start();
  REQUIRE(env.RunUntil([&] { return api.watches() == 1; }));
  env.RunReady();
  seen.clear();
  api.EndWatches({Code::kUnavailable, "gone"});
  (void)api.Delete(Map("deleted"));
  (void)api.Delete(Map("replaced"));
  api.Create(Map("replaced", "2"));
  api.Create(Map("new"));
  api.Compact();
  REQUIRE(env.RunUntil([&] { return informer->revision() == api.revision(); }));
  CHECK(api.Count<ConfigMap>(Verb::kList) == 2);
  std::sort(seen.begin(), seen.end());
  // The replaced one is another object: its predecessor ends first.
  CHECK(seen == std::vector<std::string>{"+new", "+replaced", "-deleted", "-replaced"});
}

TEST_CASE_METHOD(Fixture, "a watch that breaks off is taken up where it was") {
  auto informer = NewInformer();
  informer->Start();
  REQUIRE(env.RunUntil([&] { return api.watches() == 1; }));
  api.Create(Map("a"));
  env.RunReady();
  api.EndWatches({Code::kTimeout, "time is over"});
  api.Create(Map("b"));
  REQUIRE(env.RunUntil([&] { return informer->revision() == api.revision(); }));
  CHECK(seen == std::vector<std::string>{"+a", "+b"});
  CHECK(api.Count<ConfigMap>(Verb::kList) == 1);
}

TEST_CASE_METHOD(Fixture, "a failing list is tried again, ever more slowly") {
  int refusals = 0;
  api.refuse = [&](const ApiRequest& request) {
    return request.verb == Verb::kList && refusals++ < 8 ? Status(Code::kUnavailable, "not yet") : Status();
  };
  auto informer = NewInformer();
  informer->Start();
  const MonoTime start = env.clock().MonoNow();
  REQUIRE(env.RunUntil([&] { return informer->HasSynced(); }));
  CHECK(api.Count<ConfigMap>(Verb::kList) == 9);
  // 100 ms doubling, halved at most by jitter: 12.75 to 25.5 seconds in all.
  CHECK(env.clock().MonoNow() - start > std::chrono::seconds(12));
  CHECK(env.clock().MonoNow() - start < std::chrono::seconds(26));
}

TEST_CASE_METHOD(Fixture, "a resource that is not served is empty until it is") {
  bool served = false;
  api.refuse = [&](const ApiRequest& request) {
    return request.verb == Verb::kList && !served ? Status(Code::kNotFound, "no such resource") : Status();
  };
  api.Create(Map("a"));
  auto informer = NewInformer();
  informer->Start();
  REQUIRE(env.RunUntil([&] { return informer->HasSynced(); }));
  CHECK(informer->size() == 0);
  served = true;
  REQUIRE(env.RunUntil([&] { return informer->size() != 0; }));
}

TEST_CASE_METHOD(Fixture, "indexes follow changes") {
  auto informer = NewInformer();
  informer->AddIndex("value", [](const Object& object) -> std::vector<std::string> {
    const Str* value = object.As<ConfigMap>().data.Find("k");
    if (value == nullptr) return {};
    return {value->str(), "all"};
  });
  api.Create(Map("a", "x"));
  const ConfigMap b = api.Create(Map("b", "x"));
  informer->Start();
  REQUIRE(env.RunUntil([&] { return api.watches() == 1; }));
  CHECK(informer->ByIndex("value", "x").size() == 2);
  api.Change<ConfigMap>(b, "", [](ConfigMap& map) { map.data["k"] = "y"; });
  env.RunReady();
  CHECK(informer->ByIndex("value", "x").size() == 1);
  REQUIRE(informer->ByIndex("value", "y").size() == 1);
  CHECK(informer->ByIndex("value", "y")[0]->meta().name == "b");
  CHECK(informer->ByIndex("value", "all").size() == 2);
  (void)api.Delete(Map("b"));
  env.RunReady();
  CHECK(informer->ByIndex("value", "y").empty());
  CHECK(informer->ByIndex("value", "all").size() == 1);
  CHECK(informer->ByIndex("no such index", "x").empty());
}

TEST_CASE_METHOD(Fixture, "one namespace at a time") {
  for (const char* ns : {"a", "ab", "b"}) api.Create(Map("m", "1", ns));
  auto informer = NewInformer();
  informer->Start();
  REQUIRE(env.RunUntil([&] { return informer->HasSynced(); }));
  std::vector<std::string> found;
  informer->ForEachIn("a", [&](const ObjectRef& object) { found.push_back(object->meta().namespace_.str()); });
  CHECK(found == std::vector<std::string>{"a"});
}

TEST_CASE_METHOD(Fixture, "waiting for a revision") {
  auto informer = NewInformer();
  informer->Start();
  REQUIRE(env.RunUntil([&] { return api.watches() == 1; }));
  env.RunReady();
  bool past = false;
  informer->WhenReached(informer->revision(), [&] { past = true; });
  CHECK(past);
  api.Stall(Client::ResourceOf<ConfigMap>());
  api.Create(Map("a"));
  bool reached = false;
  informer->WhenReached(api.revision(), [&] { reached = true; });
  env.RunReady();
  CHECK_FALSE(reached);
  api.Resume();
  env.RunReady();
  CHECK(reached);
}

TEST_CASE_METHOD(Fixture, "a refresh shows what a silent watch does not") {
  auto informer = NewInformer();
  informer->Start();
  REQUIRE(env.RunUntil([&] { return api.watches() == 1; }));
  api.Stall(Client::ResourceOf<ConfigMap>());
  api.Create(Map("a"));
  env.RunFor(std::chrono::seconds(1));
  REQUIRE_FALSE(informer->Get("default", "a"));
  int refreshed = 0;
  const auto count = [&] {
    CHECK(informer->Get("default", "a"));
    ++refreshed;
  };
  informer->Refresh(count);
  informer->Refresh(count);
  REQUIRE(env.RunUntil([&] { return refreshed == 2; }));
  CHECK(api.Count<ConfigMap>(Verb::kList) == 2);
  api.Resume();
  api.Create(Map("b"));
  REQUIRE(env.RunUntil([&] { return static_cast<bool>(informer->Get("default", "b")); }));
}

TEST_CASE_METHOD(Fixture, "a refresh waits for a list that began after it") {
  auto informer = NewInformer();
  informer->Start();
  bool refreshed = false;
  informer->Refresh([&] { refreshed = true; });
  REQUIRE(env.RunUntil([&] { return informer->HasSynced(); }));
  CHECK_FALSE(refreshed);
  REQUIRE(env.RunUntil([&] { return refreshed; }));
  CHECK(api.Count<ConfigMap>(Verb::kList) == 2);
  REQUIRE(env.RunUntil([&] { return api.watches() == 1; }));
}

TEST_CASE_METHOD(Fixture, "an informer may be destroyed from its own handler") {
  for (const char* name : {"a", "b", "c"}) api.Create(Map(name));
  auto informer = std::make_unique<Informer>(*client, Client::ResourceOf<ConfigMap>(), *strand, env);
  int calls = 0;
  informer->AddHandler([&](const ObjectRef&, const ObjectRef&) {
    ++calls;
    informer.reset();
  });
  informer->Start();
  env.RunFor(std::chrono::minutes(1));
  CHECK(calls == 1);
  CHECK(api.watches() == 0);
}

TEST_CASE_METHOD(Fixture, "an informer destroyed while answers are on their way is not called back") {
  api.Create(Map("a"));
  auto informer = NewInformer();
  informer->Start();
  informer.reset();
  env.RunFor(std::chrono::minutes(1));
  CHECK(seen.empty());
}

}  // namespace
}  // namespace minikube
