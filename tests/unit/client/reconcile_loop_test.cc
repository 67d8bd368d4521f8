#include <catch2/catch.hpp>

#include <functional>

#include <minikube/api/core/v1.h>
#include <minikube/reconciler.h>

#include "helpers/fake_api.h"

namespace minikube {
namespace {

using core::v1::ConfigMap;
using test::FakeApi;

ConfigMap Map(std::string_view name) {
  ConfigMap map;
  map.metadata.name = name;
  map.metadata.namespace_ = "default";
  return map;
}
ObjectKey Key(std::string_view name) { return {"default", name}; }

struct Fixture : Reconciler {
  SimulatedEnv env;
  FakeApi api{env};
  std::unique_ptr<Client> client = api.NewClient();
  std::unique_ptr<Strand> strand = env.NewStrand("test");
  Informer informer{*client, Client::ResourceOf<ConfigMap>(), *strand, env};
  std::function<Plan(const ObjectKey&)> reconcile;
  std::vector<MonoTime> runs;
  std::vector<LastRun> told;  // to each run
  EventRecorder events{*client, *strand, env, "test"};
  std::unique_ptr<ReconcileLoop> loop;

  void Start(ReconcileLoopOptions options = {.name = "test"}) {
    loop = std::make_unique<ReconcileLoop>(*client, *strand, env, Logger(), *this, std::vector<Informer*>{&informer},
                                           options, &events);
    informer.Start();
  }
  Plan Reconcile(const ObjectKey& key, const LastRun& last) override {
    told.push_back(last);
    runs.push_back(env.clock().MonoNow());
    return reconcile(key);
  }
  // Seconds between the runs.
  std::vector<double> Gaps() const {
    std::vector<double> gaps;
    for (std::size_t i = 1; i < runs.size(); ++i)
      gaps.push_back(std::chrono::duration<double>(runs[i] - runs[i - 1]).count());
    return gaps;
  }
};

TEST_CASE_METHOD(Fixture, "nothing runs before the informers know the world") {
  reconcile = [](const ObjectKey&) { return Plan(); };
  api.refuse = [&](const ApiRequest& request) {
    return request.verb == Verb::kList && env.clock().MonoNow() < MonoTime(std::chrono::hours(2))
               ? Status(Code::kUnavailable, "starting")
               : Status();
  };
  Start();
  loop->Enqueue(Key("a"));
  CHECK_FALSE(loop->Idle());
  env.RunFor(std::chrono::minutes(1));
  CHECK(runs.empty());
  REQUIRE(env.RunUntil([&] { return loop->Idle(); }, std::chrono::hours(2)));
  CHECK(runs.size() == 1);
}

TEST_CASE_METHOD(Fixture, "a key runs again only when its writes are visible") {
  reconcile = [&](const ObjectKey& key) {
    Plan plan;
    // Would create one more with every run that does not see the last one.
    if (informer.size() < 3) {
      ConfigMap map = Map("");
      map.metadata.generateName = key.name.str() + "-";
      plan.Add(Client::RequestFor(Verb::kCreate, map));
    }
    return plan;
  };
  informer.AddHandler([&](const ObjectRef&, const ObjectRef&) { loop->Enqueue(Key("a")); });
  Start();
  REQUIRE(env.RunUntil([&] { return api.watches() == 1; }));
  api.Stall(Client::ResourceOf<ConfigMap>());
  loop->Enqueue(Key("a"));
  env.RunFor(std::chrono::seconds(30));
  loop->Enqueue(Key("a"));
  env.RunFor(std::chrono::seconds(30));
  CHECK(runs.size() == 1);
  CHECK(api.List<ConfigMap>().size() == 1);
  api.Resume();
  REQUIRE(env.RunUntil([&] { return loop->Idle(); }));
  CHECK(api.List<ConfigMap>().size() == 3);
}

TEST_CASE_METHOD(Fixture, "a write whose answer was lost is seen before the key runs again") {
  reconcile = [&](const ObjectKey& key) {
    Plan plan;
    if (informer.size() == 0) {
      ConfigMap map = Map("");
      map.metadata.generateName = key.name.str() + "-";
      plan.Add(Client::RequestFor(Verb::kCreate, map));
    }
    return plan;
  };
  Start();
  REQUIRE(env.RunUntil([&] { return api.watches() == 1; }));
  api.Stall(Client::ResourceOf<ConfigMap>());
  api.lose = [](const ApiRequest& request) {
    return request.verb == Verb::kCreate ? Status(Code::kUnavailable, "the answer was lost") : Status();
  };
  loop->Enqueue(Key("a"));
  REQUIRE(env.RunUntil([&] { return loop->Idle(); }));
  CHECK(runs.size() == 2);
  CHECK(api.List<ConfigMap>().size() == 1);
}

TEST_CASE_METHOD(Fixture, "a write that no informer ever shows holds its key for a while only") {
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    if (runs.size() == 1) plan.Add(Client::RequestFor(Verb::kCreate, Map("a")));
    return plan;
  };
  Start({.name = "test", .max_hold = std::chrono::minutes(5)});
  REQUIRE(env.RunUntil([&] { return api.watches() == 1; }));
  api.Stall(Client::ResourceOf<ConfigMap>());
  loop->Enqueue(Key("a"));
  REQUIRE(env.RunUntil([&] { return loop->Idle(); }));
  loop->Enqueue(Key("a"));
  REQUIRE(env.RunUntil([&] { return runs.size() == 2; }));
  CHECK(Gaps()[0] == Approx(300));
}

TEST_CASE_METHOD(Fixture, "a write that changes nothing holds nothing") {
  const ConfigMap map = api.Create(Map("a"));
  api.Create(Map("later"));
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    plan.Add(Client::RequestFor(Verb::kUpdate, map));
    return plan;
  };
  Start();
  REQUIRE(env.RunUntil([&] { return api.watches() == 1; }));
  loop->Enqueue(Key("a"));
  env.RunReady();
  CHECK(loop->Idle());
}

TEST_CASE_METHOD(Fixture, "errors are retried with doubling delays, up to the limit") {
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    plan.Add(Client::RequestFor(Verb::kCreate, Map("a")));
    return plan;
  };
  api.refuse = [](const ApiRequest& request) {
    return request.verb == Verb::kCreate ? Status(Code::kForbidden, "no") : Status();
  };
  Start({.name = "test", .max_backoff = std::chrono::milliseconds(30)});
  loop->Enqueue(Key("a"));
  REQUIRE(env.RunUntil([&] { return runs.size() == 6; }));
  const std::vector<double> gaps = Gaps();
  CHECK(gaps[0] == Approx(0.005));
  CHECK(gaps[1] == Approx(0.010));
  CHECK(gaps[2] == Approx(0.020));
  CHECK(gaps[3] == Approx(0.030));
  CHECK(gaps[4] == Approx(0.030));
  CHECK_FALSE(loop->Idle());
  api.refuse = nullptr;
  REQUIRE(env.RunUntil([&] { return loop->Idle(); }));
  // Success starts the count anew.
  (void)api.Delete(Map("a"));
  env.RunReady();
  api.refuse = [](const ApiRequest&) { return Status(Code::kForbidden, "no"); };
  runs.clear();
  loop->Enqueue(Key("a"));
  REQUIRE(env.RunUntil([&] { return runs.size() == 2; }));
  CHECK(Gaps()[0] == Approx(0.005));
}

TEST_CASE_METHOD(Fixture, "conflicts come back within a second, for as long as it takes") {
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    plan.Add(Client::RequestFor(Verb::kCreate, Map("a")));
    return plan;
  };
  api.refuse = [](const ApiRequest& request) {
    return request.verb == Verb::kCreate ? Status(Code::kConflict, "old") : Status();
  };
  Start();
  loop->Enqueue(Key("a"));
  REQUIRE(env.RunUntil([&] { return runs.size() == 20; }));
  for (const double gap : Gaps()) CHECK(gap <= 1.0);
}

TEST_CASE_METHOD(Fixture, "an error that is ignored is none") {
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    plan.Delete(Map("a")).IgnoreGone();
    plan.Create(Map("b")).Ignore([](const Status& status) { return status.message() == "expected"; });
    return plan;
  };
  api.refuse = [](const ApiRequest& request) {
    return request.verb == Verb::kCreate ? Status(Code::kForbidden, "expected") : Status();
  };
  Start();
  loop->Enqueue(Key("a"));
  REQUIRE(env.RunUntil([&] { return loop->Idle(); }));
  env.RunFor(std::chrono::hours(1));
  CHECK(api.Count<ConfigMap>(Verb::kDelete) == 1);
  CHECK(api.Count<ConfigMap>(Verb::kCreate) == 1);
  CHECK(runs.size() == 1);
}

TEST_CASE_METHOD(Fixture, "a run is told what its predecessor failed at, until it has been overcome") {
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    plan.Create(Map("good")).Ignore(Code::kAlreadyExists);
    if (runs.size() < 4) plan.Create(Map("bad")).Ignore(Code::kAlreadyExists);
    return plan;
  };
  api.refuse = [&](const ApiRequest& request) {
    return request.verb == Verb::kCreate && request.name == "bad" && runs.size() < 3 ? Status(Code::kForbidden, "no")
                                                                                     : Status();
  };
  Start();
  loop->Enqueue(Key("x"));
  REQUIRE(env.RunUntil([&] { return loop->Idle(); }));
  loop->Enqueue(Key("x"));
  REQUIRE(env.RunUntil([&] { return runs.size() == 4; }));
  CHECK(told[0].failures.empty());
  for (const std::size_t run : {1u, 2u}) {
    REQUIRE(told[run].failures.size() == 1);
    CHECK(told[run].failures[0].request.name == "bad");
    CHECK(told[run].failures[0].status.message() == "no");
  }
  CHECK(told[3].failures.empty());
}

TEST_CASE_METHOD(Fixture, "answers come at once, to one run, and leave failures known") {
  api.Create(Map("there"));
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    if (runs.size() == 1) plan.NoRetry().Add(Client::RequestFor(Verb::kCreate, Map("bad")));
    if (runs.size() == 1) plan.Again(std::chrono::seconds(5));
    if (runs.size() == 2) {
      plan.Read<ConfigMap>("default", "there");
      plan.Read<ConfigMap>("default", "absent");
    }
    return plan;
  };
  api.refuse = [](const ApiRequest& request) {
    return request.verb == Verb::kCreate ? Status(Code::kForbidden, "no") : Status();
  };
  Start();
  loop->Enqueue(Key("x"));
  REQUIRE(env.RunUntil([&] { return runs.size() == 3; }));
  CHECK(Gaps() == std::vector<double>{5, 0});
  CHECK(told[2].failures.size() == 1);
  REQUIRE(told[2].answers.size() == 2);
  for (const LastRun::Answer& answer : told[2].answers) {
    CHECK(answer.response.ok() == (answer.request.name == "there"));
    if (!answer.response) CHECK(answer.response.status().code() == Code::kNotFound);
  }
  loop->Enqueue(Key("x"));
  REQUIRE(env.RunUntil([&] { return runs.size() == 4; }));
  CHECK(told[3].answers.empty());
}

TEST_CASE_METHOD(Fixture, "events tell what was done, and what could not be") {
  const ConfigMap subject = api.Create(Map("subject"));
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    plan.About(Share(subject));
    if (runs.size() > 1) return plan;
    ConfigMap named = Map("");
    named.metadata.generateName = "made-";
    plan.Create(named).Event("Made", "Made map: {}").Warning("NotMade", "Error: {}");
    plan.Create(Map("bad")).Event("Made", "Made map: {}").Warning("NotMade", "Error: {}");
    plan.Create(Map("ignored")).Warning("NotMade", "Error: {}").Ignore(Code::kConflict);
    return plan;
  };
  api.refuse = [&](const ApiRequest& request) {
    if (request.name == "bad") return Status(Code::kForbidden, "no");
    return request.name == "ignored" ? Status(Code::kConflict, "not now") : Status();
  };
  Start();
  loop->Enqueue(Key("x"));
  REQUIRE(env.RunUntil([&] { return loop->Idle() && api.List<core::v1::Event>().size() == 2; }));
  for (const core::v1::Event& event : api.List<core::v1::Event>()) {
    CHECK(event.involvedObject.name == "subject");
    if (event.reason == "Made") {
      CHECK(event.type == "Normal");
      CHECK(event.message.view().starts_with("Made map: made-"));
    } else {
      CHECK(event.type == "Warning");
      CHECK(event.message == "Error: no");
    }
  }
}

TEST_CASE_METHOD(Fixture, "an ordered plan stops at its first error") {
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    plan.InOrder();
    for (const char* name : {"a", "b", "c"}) plan.Add(Client::RequestFor(Verb::kCreate, Map(name)));
    return plan;
  };
  bool refused = false;
  api.refuse = [&](const ApiRequest& request) {
    if (request.verb != Verb::kCreate || !(request.object->meta().name == "b")) return Status();
    refused = true;
    return Status(Code::kForbidden, "no");
  };
  Start();
  loop->Enqueue(Key("x"));
  REQUIRE(env.RunUntil([&] { return refused; }));
  env.RunReady();
  CHECK(api.List<ConfigMap>().size() == 1);
}

TEST_CASE_METHOD(Fixture, "a slow start meets a refusal early") {
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    plan.SlowStart();
    for (int i = 0; i < 100; ++i) plan.Add(Client::RequestFor(Verb::kCreate, Map("m" + std::to_string(i))));
    return plan;
  };
  SECTION("from the beginning") {
    api.refuse = [&](const ApiRequest& request) {
      return request.verb == Verb::kCreate ? Status(Code::kForbidden, "no") : Status();
    };
    Start();
    loop->Enqueue(Key("x"));
    REQUIRE(env.RunUntil([&] { return runs.size() == 1; }));
    env.RunReady();
    CHECK(api.Count<ConfigMap>(Verb::kCreate) == 1);
  }
  SECTION("later") {
    api.refuse = [&](const ApiRequest& request) {
      return request.verb == Verb::kCreate && request.object->meta().name == "m5" ? Status(Code::kForbidden, "no")
                                                                                  : Status();
    };
    Start();
    loop->Enqueue(Key("x"));
    REQUIRE(env.RunUntil([&] { return runs.size() == 1; }));
    env.RunReady();
    CHECK(api.Count<ConfigMap>(Verb::kCreate) == 1 + 2 + 4);
  }
  SECTION("never") {
    Start();
    loop->Enqueue(Key("x"));
    REQUIRE(env.RunUntil([&] { return loop->Idle(); }));
    CHECK(api.List<ConfigMap>().size() == 100);
  }
}

TEST_CASE_METHOD(Fixture, "no more keys in work than allowed, and never one twice") {
  std::map<ObjectKey, int> in_work;
  int most = 0;
  reconcile = [&](const ObjectKey& key) {
    REQUIRE(++in_work[key] == 1);
    most = std::max(most, static_cast<int>(in_work.size()));
    Plan plan;
    plan.Add(Client::RequestFor(Verb::kCreate, Map(key.name)));
    return plan;
  };
  informer.AddHandler([&](const ObjectRef&, const ObjectRef& after) { in_work.erase(ObjectKey::Of(*after)); });
  Start({.name = "test", .max_in_flight = 3});
  for (int i = 0; i < 20; ++i) loop->Enqueue(Key("k" + std::to_string(i)));
  REQUIRE(env.RunUntil([&] { return loop->Idle(); }));
  CHECK(runs.size() == 20);
  CHECK(most == 3);
}

TEST_CASE_METHOD(Fixture, "a key comes back after the time it asked for") {
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    if (runs.size() < 3) plan.Again(std::chrono::seconds(7));
    return plan;
  };
  Start();
  loop->Enqueue(Key("a"));
  env.RunFor(std::chrono::hours(1));
  CHECK(Gaps() == std::vector<double>{7, 7});
}

TEST_CASE_METHOD(Fixture, "a loop destroyed with work on its way is silent") {
  reconcile = [&](const ObjectKey&) {
    Plan plan;
    plan.Add(Client::RequestFor(Verb::kCreate, Map("a")));
    plan.About(Share(Map("a")));
    plan.steps().back().Event("Made", "{}").Warning("NotMade", "{}");
    return plan;
  };
  Start();
  loop->Enqueue(Key("a"));
  REQUIRE(env.RunUntil([&] { return runs.size() == 1; }));
  loop.reset();
  env.RunFor(std::chrono::minutes(10));
  CHECK(runs.size() == 1);
  CHECK(api.List<core::v1::Event>().empty());
}

}  // namespace
}  // namespace minikube
