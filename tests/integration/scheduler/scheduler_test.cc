// The scheduler on the real API engine, in virtual time.
#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/api/scheduling/v1.h>
#include <minikube/scheduler.h>
#include <minikube/scheduler_framework.h>
#include <minikube/simulated_env.h>

#include "api/stages/api_core.h"
#include "kube/conditions.h"
#include "unit/scheduler/scheduler_objects.h"

namespace minikube {
namespace {

using core::v1::Node;
using core::v1::Pod;
using test::MakeNode;
using test::MakePod;
using namespace std::chrono_literals;

struct Fixture {
  Fixture() {
    // Synchronous calls would wait for this very thread: every request is sent and the loop run until it is answered.
    engine = api::ApiCore::Start({.service_cluster_ip_range = "10.96.0.0/12"}, *store, env, Logger()).value();
    admin = engine->NewClient({"admin", "", {"system:masters"}});
    strand = env.NewStrand("test");
    scheduler =
        Scheduler::Start({}, engine->NewClient({"system:kube-scheduler", "", {"system:authenticated"}}), env, Logger())
            .value();
  }
  ~Fixture() {
    scheduler.reset();
    strand.reset();
    admin.reset();
    engine->Stop();
  }
  Result<ApiResponse> Do(ApiRequest request) {
    std::optional<Result<ApiResponse>> answer;
    admin->Do(std::move(request), *strand, [&](Result<ApiResponse> response) { answer = std::move(response); })
        .Detach();
    REQUIRE(env.RunUntil([&] { return answer.has_value(); }));
    return *answer;
  }
  template <typename T>
  void Create(const T& object) {
    Result<ApiResponse> response = Do(Client::RequestFor(Verb::kCreate, object));
    INFO(response.status().ToString());
    REQUIRE(response.ok());
  }
  Pod GetPod(const std::string& name) {
    return Do(Client::NamedRequest<Pod>(Verb::kGet, "default", name)).value().object->As<Pod>();
  }
  void CreateNode(Node node) {
    Create(node);
    ApiRequest status = Client::RequestFor(Verb::kUpdate, node);
    status.subresource = "status";
    REQUIRE(Do(status).ok());
    // New nodes carry the not-ready taint until their controller sees them ready; there is none here.
    ApiRequest untaint = Client::NamedRequest<Node>(Verb::kPatch, "", node.metadata.name);
    untaint.patch = R"({"spec":{"taints":null}})";
    REQUIRE(Do(untaint).ok());
  }
  bool Bound(const std::string& name) {
    return env.RunUntil([&] { return !GetPod(name).spec.nodeName.empty(); }, 10min);
  }

  SimulatedEnv env;
  std::unique_ptr<Store> store = NewMemoryStore(env);
  std::unique_ptr<api::ApiCore> engine;
  std::unique_ptr<Client> admin;
  std::unique_ptr<Strand> strand;
  std::unique_ptr<Scheduler> scheduler;
};

core::v1::Pod Submittable(const std::string& name, const std::string& cpu = "") {
  Pod pod = MakePod(name, cpu);
  pod.metadata.uid = {};
  return pod;
}

TEST_CASE("a pod is bound, its condition and event say so") {
  Fixture f;
  f.CreateNode(MakeNode("a"));
  f.Create(Submittable("pod"));
  REQUIRE(f.Bound("pod"));
  const Pod pod = f.GetPod("pod");
  CHECK(pod.spec.nodeName == "a");
  REQUIRE_FALSE(pod.status.conditions.empty());
  CHECK(pod.status.conditions[0].type == "PodScheduled");
  CHECK(pod.status.conditions[0].status == "True");
  f.env.RunFor(5s);
  const auto events = f.Do(Client::NamedRequest<core::v1::Event>(Verb::kList, "default", "")).value().items;
  REQUIRE(events.size() == 1);
  CHECK(events[0]->As<core::v1::Event>().reason == "Scheduled");
  CHECK(events[0]->As<core::v1::Event>().message == "Successfully assigned default/pod to a");
}

TEST_CASE("an unschedulable pod says why, and is bound when a node that fits appears") {
  Fixture f;
  f.CreateNode(MakeNode("small", "1"));
  f.Create(Submittable("pod", "2"));
  f.env.RunFor(5s);
  const Pod waiting = f.GetPod("pod");
  CHECK(waiting.spec.nodeName.empty());
  REQUIRE(waiting.status.conditions.size() == 1);
  CHECK(waiting.status.conditions[0].status == "False");
  CHECK(waiting.status.conditions[0].reason == "Unschedulable");
  CHECK(waiting.status.conditions[0].message ==
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful "
        "for scheduling.");
  const auto events = f.Do(Client::NamedRequest<core::v1::Event>(Verb::kList, "default", "")).value().items;
  REQUIRE(events.size() == 1);
  CHECK(events[0]->As<core::v1::Event>().reason == "FailedScheduling");

  f.CreateNode(MakeNode("large", "4"));
  REQUIRE(f.Bound("pod"));
  CHECK(f.GetPod("pod").spec.nodeName == "large");
}

TEST_CASE("a pod that waits for room is bound when another leaves") {
  Fixture f;
  f.CreateNode(MakeNode("a", "1"));
  f.Create(Submittable("first", "1"));
  REQUIRE(f.Bound("first"));
  f.Create(Submittable("second", "1"));
  f.env.RunFor(5s);
  CHECK(f.GetPod("second").spec.nodeName.empty());
  ApiRequest remove = Client::NamedRequest<Pod>(Verb::kDelete, "default", "first");
  remove.grace_period_seconds = 0;
  REQUIRE(f.Do(remove).ok());
  REQUIRE(f.Bound("second"));
}

TEST_CASE("pods of another scheduler and gated pods are left alone") {
  Fixture f;
  f.CreateNode(MakeNode("a"));
  Pod other = Submittable("other");
  other.spec.schedulerName = "mine";
  f.Create(other);
  Pod gated = Submittable("gated");
  gated.spec.schedulingGates.push_back({.name = "example.com/wait"});
  f.Create(gated);
  f.env.RunFor(10min);
  CHECK(f.GetPod("other").spec.nodeName.empty());
  CHECK(f.GetPod("gated").spec.nodeName.empty());
  ApiRequest open = Client::NamedRequest<Pod>(Verb::kPatch, "default", "gated");
  open.patch = R"({"spec":{"schedulingGates":null}})";
  REQUIRE(f.Do(open).ok());
  REQUIRE(f.Bound("gated"));
}

TEST_CASE("many pods never overfill a node, and a new scheduler goes on where the old one was stopped") {
  Fixture f;
  for (int i = 0; i < 5; ++i) f.CreateNode(MakeNode("n" + std::to_string(i), "2", "8Gi", 10));
  for (int i = 0; i < 60; ++i) f.Create(Submittable("pod" + std::to_string(i), "200m"));
  f.scheduler = Scheduler::Start({}, f.engine->NewClient({"system:kube-scheduler", "", {"system:authenticated"}}),
                                 f.env, Logger())
                    .value();
  std::map<std::string, int> per_node;
  const auto count = [&] {
    per_node.clear();
    int bound = 0;
    for (const ObjectRef& pod : f.Do(Client::NamedRequest<Pod>(Verb::kList, "default", "")).value().items) {
      const Str& node = pod->As<Pod>().spec.nodeName;
      if (node.empty()) continue;
      ++bound;
      ++per_node[node.str()];
    }
    return bound;
  };
  CHECK(f.env.RunUntil([&] { return count() == 50; }, 10min));
  f.env.RunFor(1min);
  CHECK(count() == 50);
  for (const auto& [node, pods] : per_node) CHECK(pods == 10);
}

TEST_CASE("a pod of a higher priority class takes the place of one of a lower") {
  Fixture f;
  f.CreateNode(MakeNode("a", "1"));
  scheduling::v1::PriorityClass important;
  important.metadata.name = "important";
  important.value = 1000;
  f.Create(important);
  f.Create(Submittable("low", "1"));
  REQUIRE(f.Bound("low"));

  Pod high = Submittable("high", "1");
  high.spec.priorityClassName = "important";
  high.spec.priority = {};
  f.Create(high);
  // No node agent here: the victim's containers never end by themselves.
  REQUIRE(f.env.RunUntil([&] { return f.GetPod("low").metadata.deletionTimestamp.has_value(); }, 1min));
  const Pod victim = f.GetPod("low");
  const auto* target = kube::FindCondition(victim.status.conditions, "DisruptionTarget");
  REQUIRE(target != nullptr);
  CHECK(target->reason == "PreemptionByScheduler");
  CHECK(target->message == "default-scheduler: preempting to accommodate a higher priority pod");
  f.env.RunFor(2s);
  CHECK(f.GetPod("high").status.nominatedNodeName == "a");
  CHECK(f.GetPod("high").spec.nodeName.empty());
  // The place is promised: a pod of no more priority does not get in between.
  f.Create(Submittable("sneaking", "1"));
  f.env.RunFor(2s);
  ApiRequest remove = Client::NamedRequest<Pod>(Verb::kDelete, "default", "low");
  remove.grace_period_seconds = 0;
  REQUIRE(f.Do(remove).ok());
  REQUIRE(f.Bound("high"));
  CHECK(f.GetPod("high").status.nominatedNodeName.empty());
  CHECK(f.GetPod("sneaking").spec.nodeName.empty());
  bool told = false;
  for (const auto& event : f.Do(Client::NamedRequest<core::v1::Event>(Verb::kList, "default", "")).value().items) {
    told = told || event->As<core::v1::Event>().reason == "Preempted";
  }
  CHECK(told);
}

// Lets a pod wait at Permit until told; keeps count of what is reserved.
class Waiting final : public scheduler::Plugin {
 public:
  std::string_view name() const override { return "Waiting"; }
  std::uint32_t Events() const override { return 0; }
  Status Reserve(const scheduler::PodInfo&, const scheduler::NodeTable&, scheduler::NodeIndex) override {
    ++reserved;
    return {};
  }
  void Unreserve(const scheduler::PodInfo&, const scheduler::NodeTable&, scheduler::NodeIndex) override { --reserved; }
  void Permit(const scheduler::PodInfo& pod, const scheduler::NodeTable&, scheduler::NodeIndex, Done done) override {
    if (pod.object->meta().name != "asked") return done({});
    answers.push_back(std::move(done));
  }
  int reserved = 0;
  std::vector<Done> answers;
};

TEST_CASE("a plugin may take its time to permit a pod, and refuse it; others are scheduled meanwhile") {
  Fixture f;
  f.scheduler.reset();
  scheduler::PluginRegistry plugins;
  auto owned = std::make_unique<Waiting>();
  Waiting& waiting = *owned;
  plugins.Add(std::move(owned));
  f.scheduler =
      Scheduler::Start({.plugins = &plugins},
                       f.engine->NewClient({"system:kube-scheduler", "", {"system:authenticated"}}), f.env, Logger())
          .value();
  f.CreateNode(MakeNode("a", "2"));
  f.Create(Submittable("asked", "1"));
  f.Create(Submittable("other", "1"));
  REQUIRE(f.Bound("other"));
  REQUIRE(waiting.answers.size() == 1);
  CHECK(waiting.reserved == 2);
  // It holds its place.
  f.Create(Submittable("late", "1"));
  f.env.RunFor(5s);
  CHECK(f.GetPod("late").spec.nodeName.empty());
  waiting.answers[0](Status(Code::kConflict, "not now"));
  CHECK(waiting.reserved == 1);
  REQUIRE(f.Bound("late"));
  // It comes back after its back-off, goes away while it waits, and nothing stays reserved for it.
  ApiRequest remove = Client::NamedRequest<Pod>(Verb::kDelete, "default", "other");
  remove.grace_period_seconds = 0;
  REQUIRE(f.Do(remove).ok());
  REQUIRE(f.env.RunUntil([&] { return waiting.answers.size() == 2; }, 10min));
  remove.name = "asked";
  REQUIRE(f.Do(remove).ok());
  f.env.RunFor(1s);
  waiting.answers[1]({});
  f.env.RunFor(1s);
  CHECK(waiting.reserved == 2);
  f.scheduler.reset();
}

// Performs bindings and says that they failed; its watches do not show them.
class LossyClient final : public Client {
 public:
  explicit LossyClient(std::unique_ptr<Client> inner) : inner_(std::move(inner)) {}
  Call Do(ApiRequest request, Strand& strand, Function<void(Result<ApiResponse>)> done) override {
    if (request.subresource != "binding") return inner_->Do(std::move(request), strand, std::move(done));
    return inner_->Do(std::move(request), strand, [done = std::move(done)](const Result<ApiResponse>&) {
      done(Status(Code::kUnavailable, "the answer was lost"));
    });
  }
  std::unique_ptr<WatchHandle> Watch(ApiRequest request, Strand& strand, WatchCallbacks callbacks) override {
    callbacks.on_events = [inner = std::move(callbacks.on_events)](std::vector<WatchEvent> events) {
      std::erase_if(events, [](const WatchEvent& event) {
        const Pod* pod = event.object->TryAs<Pod>();
        return pod != nullptr && !pod->spec.nodeName.empty();
      });
      if (!events.empty()) inner(std::move(events));
    };
    return inner_->Watch(std::move(request), strand, std::move(callbacks));
  }
  Result<ApiResponse> DoSync(ApiRequest request) override { return inner_->DoSync(std::move(request)); }

 private:
  std::unique_ptr<Client> inner_;
};

TEST_CASE("the place of a pod whose binding may have been performed is not given away") {
  Fixture f;
  f.scheduler.reset();
  f.CreateNode(MakeNode("full", "1"));
  f.Create(Submittable("first", "1"));
  f.scheduler =
      Scheduler::Start(
          {},
          std::make_unique<LossyClient>(f.engine->NewClient({"system:kube-scheduler", "", {"system:authenticated"}})),
          f.env, Logger())
          .value();
  REQUIRE(f.Bound("first"));
  f.Create(Submittable("second", "1"));
  f.env.RunFor(1min);
  CHECK(f.GetPod("second").spec.nodeName.empty());
}

}  // namespace
}  // namespace minikube
