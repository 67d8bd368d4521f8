#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/reconciler.h>

#include "helpers/fake_api.h"

namespace minikube {
namespace {

using core::v1::Event;
using core::v1::Node;
using core::v1::Pod;
using test::FakeApi;

struct Fixture {
  SimulatedEnv env;
  FakeApi api{env};
  std::unique_ptr<Client> client = api.NewClient();
  std::unique_ptr<Strand> strand = env.NewStrand("test");
  EventRecorder recorder{*client, *strand, env, "tester", "host-1"};
  ObjectRef pod = NewPod("web");
  std::vector<std::string> patches;

  Fixture() {
    api.refuse = [this](const ApiRequest& request) {
      if (request.verb == Verb::kPatch) patches.push_back(request.patch);
      return Status();
    };
  }
  static ObjectRef NewPod(std::string_view name) {
    Pod p;
    p.metadata.name = name;
    p.metadata.namespace_ = "shop";
    p.metadata.uid = std::string("uid-of-") + std::string(name);
    p.metadata.resourceVersion = "17";
    return Share(p);
  }
};

TEST_CASE_METHOD(Fixture, "an event says what kubectl describe shows") {
  recorder.Warning(*pod, "Failed", "it broke");
  env.RunReady();
  const std::vector<Event> events = api.List<Event>();
  REQUIRE(events.size() == 1);
  const Event& event = events[0];
  CHECK(event.metadata.namespace_ == "shop");
  CHECK(event.metadata.name.view().substr(0, 4) == "web.");
  CHECK(event.metadata.name.view().find_first_not_of("0123456789abcdef", 4) == std::string_view::npos);
  CHECK(event.type == "Warning");
  CHECK(event.reason == "Failed");
  CHECK(event.message == "it broke");
  CHECK(event.count == 1);
  CHECK(event.source.component == "tester");
  CHECK(event.source.host == "host-1");
  CHECK(event.reportingComponent == "tester");
  CHECK(event.involvedObject.kind == "Pod");
  CHECK(event.involvedObject.apiVersion == "v1");
  CHECK(event.involvedObject.namespace_ == "shop");
  CHECK(event.involvedObject.name == "web");
  CHECK(event.involvedObject.uid == "uid-of-web");
  CHECK(event.involvedObject.resourceVersion == "17");
  CHECK(event.firstTimestamp == event.lastTimestamp);
  CHECK_FALSE(event.firstTimestamp.empty());
}

TEST_CASE_METHOD(Fixture, "events about cluster-scoped objects are in default") {
  Node node;
  node.metadata.name = "n1";
  recorder.Normal(*Share(node), "Ready", "fine");
  env.RunReady();
  REQUIRE(api.List<Event>().size() == 1);
  CHECK(api.List<Event>()[0].metadata.namespace_ == "default");
  CHECK(api.List<Event>()[0].involvedObject.namespace_.empty());
}

TEST_CASE_METHOD(Fixture, "a repeated event is counted") {
  recorder.Normal(*pod, "Pulled", "image");
  env.RunReady();
  env.RunFor(std::chrono::seconds(90));
  recorder.Normal(*pod, "Pulled", "image");
  env.RunReady();
  CHECK(api.List<Event>().size() == 1);
  REQUIRE(patches.size() == 1);
  CHECK(patches[0] == R"({"count":2,"lastTimestamp":"2026-01-01T00:01:30Z"})");
}

TEST_CASE_METHOD(Fixture, "repetitions while a write is on its way go with the next one") {
  for (int i = 0; i < 10; ++i) recorder.Normal(*pod, "Pulled", "image");
  env.RunReady();
  CHECK(api.List<Event>().size() == 1);
  REQUIRE(patches.size() == 1);
  CHECK(patches[0].find(R"("count":10)") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "different reasons and messages are different events") {
  recorder.Normal(*pod, "Pulled", "image a");
  recorder.Normal(*pod, "Pulled", "image b");
  recorder.Normal(*pod, "Created", "image a");
  recorder.Normal(*NewPod("other"), "Pulled", "image a");
  env.RunReady();
  CHECK(api.List<Event>().size() == 4);
}

TEST_CASE_METHOD(Fixture, "an event that has expired is made anew, with the whole count") {
  recorder.Normal(*pod, "Pulled", "image");
  env.RunReady();
  (void)api.Delete(api.List<Event>()[0]);
  recorder.Normal(*pod, "Pulled", "image");
  env.RunReady();
  REQUIRE(api.List<Event>().size() == 1);
  CHECK(api.List<Event>()[0].count == 2);
}

TEST_CASE_METHOD(Fixture, "a storm about one object is thinned, and spares the others") {
  for (int i = 0; i < 1000; ++i) recorder.Normal(*pod, "Pulled", "image " + std::to_string(i));
  recorder.Normal(*NewPod("other"), "Pulled", "image");
  env.RunReady();
  CHECK(api.List<Event>().size() == 26);
  env.RunFor(std::chrono::minutes(11));
  for (int i = 0; i < 10; ++i) recorder.Normal(*pod, "Later", "image " + std::to_string(i));
  env.RunReady();
  CHECK(api.List<Event>().size() == 28);
}

TEST_CASE_METHOD(Fixture, "an API server that is away costs no memory and no order") {
  api.refuse = [](const ApiRequest&) { return Status(Code::kUnavailable, "away"); };
  for (int i = 0; i < 5000; ++i) recorder.Normal(*NewPod("p" + std::to_string(i)), "Pulled", "image");
  env.RunReady();
  CHECK(api.Count<Event>(Verb::kCreate) <= 2048);
  api.refuse = nullptr;
  recorder.Normal(*pod, "Pulled", "image");
  env.RunReady();
  CHECK(api.List<Event>().size() == 1);
}

}  // namespace
}  // namespace minikube
