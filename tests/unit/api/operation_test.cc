// How a request goes through its stages: stages that wait, deadlines, withdrawal, attempts that are made again.
#include "api/registry/operation.h"

#include <optional>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/simulated_env.h>
#include <catch2/catch.hpp>

#include "api/registry/attempt.h"
#include "api/stages/stages.h"

namespace minikube::api::testing {
namespace {

using core::v1::ConfigMap;

// What the test's stages share with it: stages are functions.
struct Script {
  Function<void(Result<Flow>)> resume;
  int waits = 0;
  int after = 0;
  bool raced = false;
};
Script script;

Result<Flow> Wait(Attempt& attempt) {
  ++script.waits;
  script.resume = attempt.operation.Later();
  return Flow::kLater;
}

Result<Flow> AnswerAfter(Attempt& attempt) {
  ++script.after;
  attempt.Answer({});
  return Flow::kAnswered;
}

// While the first attempt waits here, somebody else writes the object it is about to write.
Result<Flow> Race(Attempt& attempt) {
  attempt.warnings.push_back("said by an attempt");
  if (std::exchange(script.raced, true)) return Flow::kNext;
  RequestContext other;
  other.user = attempt.user();
  other.request = Client::NamedRequest<ConfigMap>(Verb::kPatch, "default", "c");
  other.request.patch = R"({"data":{"theirs":"1"}})";
  std::make_shared<Operation>(attempt.operation.core_holder, std::move(other),
                              [resume = attempt.operation.Later()](Result<ApiResponse> done) mutable {
                                resume(done ? Result<Flow>(Flow::kNext) : Result<Flow>(done.status()));
                              })
      ->Start();
  return Flow::kLater;
}

struct Bench {
  explicit Bench(StageList stages) {
    script = {};
    store = NewMemoryStore(env);
    CoreOptions options;
    options.service_cluster_ip_range = "10.96.0.0/12";
    options.signing_key = SigningKey::Generate().value();
    core = std::make_shared<Core>(std::move(options), stages, *store, env, Logger());
    REQUIRE(core->cache.Load().ok());
  }
  ~Bench() {
    script = {};
    core->strand->Stop();
    store->Stop();
  }
  std::shared_ptr<Operation> Begin(ApiRequest request) {
    RequestContext context;
    context.user = {"admin", "", {"system:masters"}};
    context.request = std::move(request);
    auto operation = std::make_shared<Operation>(core, std::move(context),
                                                 [this](Result<ApiResponse> result) { answers.push_back(result); });
    operation->Start();
    return operation;
  }
  void Settle() { env.RunFor(std::chrono::milliseconds(100)); }

  SimulatedEnv env;
  std::unique_ptr<Store> store;
  std::shared_ptr<Core> core;
  std::vector<Result<ApiResponse>> answers;
};

constexpr AttemptStage kWaiting[] = {{"wait", Wait}, {"answer", AnswerAfter}, {"never", AnswerAfter}};

ApiRequest Read() { return Client::NamedRequest<ConfigMap>(Verb::kGet, "default", "c"); }

TEST_CASE("operation: a stage that waits goes on with the next one when it is told to, once") {
  Bench b({{}, kWaiting});
  b.Begin(Read());
  b.Settle();
  CHECK(b.answers.empty());
  script.resume(Flow::kNext);
  script.resume(Flow::kNext);
  b.Settle();
  REQUIRE(b.answers.size() == 1);
  CHECK(b.answers[0].ok());
  CHECK(script.waits == 1);
  CHECK(script.after == 1);
}

TEST_CASE("operation: what is waited for may fail") {
  Bench b({{}, kWaiting});
  b.Begin(Read());
  script.resume(Status(Code::kForbidden, "no"));
  b.Settle();
  REQUIRE(b.answers.size() == 1);
  CHECK(b.answers[0].status().message() == "no");
  CHECK(script.after == 0);
}

TEST_CASE("operation: a deadline ends the waiting, and what comes later is not heard") {
  Bench b({{}, kWaiting});
  ApiRequest request = Read();
  request.timeout_seconds = 3;
  b.Begin(std::move(request));
  b.env.RunFor(std::chrono::seconds(2));
  CHECK(b.answers.empty());
  b.env.RunFor(std::chrono::seconds(2));
  REQUIRE(b.answers.size() == 1);
  CHECK(b.answers[0].status().code() == Code::kTimeout);
  script.resume(Flow::kNext);
  b.Settle();
  CHECK(b.answers.size() == 1);
  CHECK(script.after == 0);
}

TEST_CASE("operation: a request that is withdrawn while it waits does nothing more") {
  Bench b({{}, kWaiting});
  const auto operation = b.Begin(Read());
  operation->Withdraw();
  script.resume(Flow::kNext);
  b.Settle();
  REQUIRE(b.answers.size() == 1);
  CHECK(b.answers[0].status().code() == Code::kCancelled);
  CHECK(script.after == 0);
}

TEST_CASE("operation: a waiting request whose promise is dropped is answered") {
  Bench b({{}, kWaiting});
  b.Begin(Read());
  script.resume = nullptr;
  b.Settle();
  REQUIRE(b.answers.size() == 1);
  CHECK(b.answers[0].status().code() == Code::kUnavailable);
}

TEST_CASE("operation: a second attempt sees the other's write, and says nothing twice") {
  std::vector<AttemptStage> stages(Stages().repeated.begin(), Stages().repeated.end());
  stages.insert(stages.end() - 1, {"race", Race});
  Bench b({Stages().once, stages});
  script.raced = true;
  ConfigMap ns_less;
  ns_less.metadata.name = "c";
  ns_less.metadata.namespace_ = "default";
  core::v1::Namespace ns;
  ns.metadata.name = "default";
  b.Begin(Client::RequestFor(Verb::kCreate, ns));
  b.Settle();
  b.Begin(Client::RequestFor(Verb::kCreate, ns_less));
  b.Settle();
  REQUIRE(b.answers.size() == 2);
  INFO(b.answers[1].status().ToString());
  REQUIRE(b.answers[1].ok());

  script.raced = false;
  ApiRequest patch = Client::NamedRequest<ConfigMap>(Verb::kPatch, "default", "c");
  patch.patch = R"({"data":{"mine":"1"},"unknown":true})";
  b.Begin(std::move(patch));
  b.Settle();
  REQUIRE(b.answers.size() == 3);
  const ApiResponse& last = *b.answers[2];
  CHECK(last.object->As<ConfigMap>().data.Contains("mine"));
  CHECK(last.object->As<ConfigMap>().data.Contains("theirs"));
  CHECK(last.warnings.size() == 2);  // of the unknown field, and the stage's
}

}  // namespace
}  // namespace minikube::api::testing
