// Admission as a host sees it: plugins of its own among the built-in ones, authorisers, what the audit hears.
#include <minikube/admission.h>

#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include <minikube/audit.h>
#include <minikube/latch.h>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

using core::v1::ConfigMap;
using core::v1::Pod;

ConfigMap MakeConfigMap(std::string_view name) {
  ConfigMap map;
  map.metadata.name = name;
  map.metadata.namespace_ = "default";
  return map;
}

// A plugin that does what the test says.
class Scripted : public AdmissionPlugin {
 public:
  using Step = std::function<Result<Admitted>(AdmissionRequest&)>;
  Scripted(std::string name, Step mutate, Step validate)
      : name_(std::move(name)), mutate_(std::move(mutate)), validate_(std::move(validate)) {}
  std::string_view name() const override { return name_; }
  bool Handles(const AdmissionTarget& target) const override { return target.resource.plural == "configmaps"; }
  Result<Admitted> Mutate(AdmissionRequest& request) override { return Run(mutate_, request); }
  Result<Admitted> Validate(AdmissionRequest& request) override { return Run(validate_, request); }

 private:
  static Result<Admitted> Run(const Step& step, AdmissionRequest& request) {
    return step ? step(request) : Result<Admitted>(Admitted::kNow);
  }
  const std::string name_;
  const Step mutate_;
  const Step validate_;
};

class Hearing final : public AuditSink {
 public:
  void Take(const AuditEvent& event) override {
    std::lock_guard lock(mu);
    events.push_back(event);
  }
  // The last one about configmaps.
  AuditEvent Last() {
    std::lock_guard lock(mu);
    for (auto it = events.rbegin(); it != events.rend(); ++it) {
      if (it->resource == "configmaps") return *it;
    }
    return {};
  }
  std::mutex mu;
  std::vector<AuditEvent> events;
};

struct HostFixture : Fixture {
  void With(std::vector<std::shared_ptr<AdmissionPlugin>> plugins) {
    ApiCore::Options options;
    options.extensions.admission = std::move(plugins);
    options.extensions.audit_sinks.push_back(heard);
    RestartWith(std::move(options));
  }
  std::shared_ptr<Hearing> heard = std::make_shared<Hearing>();
};

TEST_CASE("admission: a host's plugin changes, refuses, warns and tells the audit") {
  HostFixture f;
  f.With({std::make_shared<Scripted>(
      "Own",
      [](AdmissionRequest& request) -> Result<Admitted> {
        if (request.operation() == AdmissionOperation::kDelete) return Admitted::kNow;
        request.mutable_object().mutable_meta().labels["seen-by"] = "own";
        request.Warn("mind the gap");
        request.Annotate("example.com/why", "because");
        return Admitted::kNow;
      },
      [](AdmissionRequest& request) -> Result<Admitted> {
        if (request.operation() == AdmissionOperation::kDelete) {
          return request.old_object()->meta().labels.Contains("keep") ? Result<Admitted>(request.Forbid("it is kept"))
                                                                      : Result<Admitted>(Admitted::kNow);
        }
        // As it will be stored, and with the state that it has.
        CHECK(request.object()->meta().labels.Contains("seen-by"));
        CHECK((request.old_object() == nullptr) == (request.operation() == AdmissionOperation::kCreate));
        CHECK(request.Find<core::v1::Namespace>({}, "default") != nullptr);
        if (request.name() == "bad") return request.Forbid("the name is bad");
        return Admitted::kNow;
      })});
  ApiRequest create = Client::RequestFor(Verb::kCreate, MakeConfigMap("good"));
  const Result<ApiResponse> made = f.client->DoSync(create);
  REQUIRE(made.ok());
  CHECK(made->warnings == std::vector<std::string>{"mind the gap"});
  CHECK(made->object->meta().labels.Find("seen-by")->view() == "own");
  CHECK(f.heard->Last().annotations["example.com/why"] == "because");
  CHECK(f.heard->Last().http_status == 201);

  const Status refused = f.client->Create(MakeConfigMap("bad")).status();
  CHECK(refused.code() == Code::kForbidden);
  CHECK(refused.message() == "configmaps \"bad\" is forbidden: the name is bad");
  CHECK(f.client->Get<ConfigMap>("default", "bad").status().code() == Code::kNotFound);
  CHECK(f.heard->Last().verb == "get");

  auto kept = f.client->Get<ConfigMap>("default", "good").value();
  kept.metadata.labels["keep"] = "1";
  REQUIRE(f.client->Update(kept).ok());
  CHECK(f.client->Delete<ConfigMap>("default", "good").message() == "configmaps \"good\" is forbidden: it is kept");
}

TEST_CASE("admission: plugins run in order, mutating ones first, and dry runs are told") {
  HostFixture f;
  std::vector<std::string> order;
  const auto note = [&order](std::string what) {
    return [&order, what](AdmissionRequest& request) -> Result<Admitted> {
      order.push_back(what + (request.dry_run() ? " dry" : ""));
      return Admitted::kNow;
    };
  };
  f.With({std::make_shared<Scripted>("A", note("mutate A"), note("validate A")),
          std::make_shared<Scripted>("B", note("mutate B"), note("validate B"))});
  ApiRequest create = Client::RequestFor(Verb::kCreate, MakeConfigMap("c"));
  create.dry_run = true;
  REQUIRE(f.client->DoSync(create).ok());
  CHECK(order == std::vector<std::string>{"mutate A dry", "mutate B dry", "validate A dry", "validate B dry"});
  // Kinds that they do not want are none of theirs.
  REQUIRE(f.client->Create(MakePod("p")).ok());
  CHECK(order.size() == 4);
}

TEST_CASE("admission: two plugins of one name cannot be") {
  Fixture f;
  ApiCore::Options options;
  options.extensions.admission = {std::make_shared<Scripted>("LimitRanger", nullptr, nullptr)};
  const auto core = ApiCore::Start(std::move(options), *f.store, *f.env, Logger());
  CHECK(core.status().code() == Code::kBadRequest);
}

TEST_CASE("admission: a plugin may answer later, from another thread, and refuse then") {
  HostFixture f;
  std::vector<std::thread> threads;
  std::atomic<int> after = 0;
  f.With({std::make_shared<Scripted>(
              "Slow",
              [&](AdmissionRequest& request) -> Result<Admitted> {
                threads.emplace_back([&request, resume = request.Later()] {
                  request.mutable_object().mutable_meta().labels["later"] = "yes";
                  resume(request.name() == "bad" ? request.Forbid("thought about it") : Status());
                });
                return Admitted::kLater;
              },
              nullptr),
          std::make_shared<Scripted>("After", nullptr, [&](AdmissionRequest& request) -> Result<Admitted> {
            ++after;
            CHECK(request.object()->meta().labels.Contains("later"));
            // At once, before it has returned.
            request.Later()(Status());
            return Admitted::kLater;
          })});
  const auto made = f.client->Create(MakeConfigMap("good"));
  REQUIRE(made.ok());
  CHECK(made->metadata.labels.Contains("later"));
  CHECK(f.client->Create(MakeConfigMap("bad")).status().message() ==
        "configmaps \"bad\" is forbidden: thought about it");
  CHECK(after == 1);
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("admission: a plugin that waits for nobody is an error, not a request without an end") {
  HostFixture f;
  f.With({std::make_shared<Scripted>(
      "Lost", [](AdmissionRequest&) -> Result<Admitted> { return Admitted::kLater; }, nullptr)});
  const Status status = f.client->Create(MakeConfigMap("c")).status();
  CHECK(status.code() == Code::kInternal);
  CHECK(status.message() == "admission plugin Lost waits for nobody");
}

class OnlyReaders final : public Authorizer {
 public:
  AccessDecision Decide(const UserInfo& user, const Access& access) override {
    if (user.name == "reader" && access.verb == "get") return {AccessDecision::Kind::kAllow, "readers read"};
    if (user.name == "outcast") return {AccessDecision::Kind::kDeny, "not here"};
    return {};
  }
};

TEST_CASE("authorisation: a host's authoriser comes before RBAC and has the last word if it has one") {
  Fixture f;
  ApiCore::Options options;
  options.extensions.authorizers.push_back(std::make_shared<OnlyReaders>());
  f.RestartWith(std::move(options));
  REQUIRE(f.client->Create(MakeConfigMap("c")).ok());
  auto reader = f.As("reader");
  CHECK(reader->Get<ConfigMap>("default", "c").ok());
  CHECK(reader->Delete<ConfigMap>("default", "c").code() == Code::kForbidden);
  // system:masters is not asked about.
  CHECK(f.As("outcast", {"system:masters"})->Get<ConfigMap>("default", "c").ok());
  CHECK(f.As("outcast")->Get<ConfigMap>("default", "c").status().message() ==
        "configmaps \"c\" is forbidden: User \"outcast\" cannot get resource \"configmaps\" in API group \"\" in the "
        "namespace \"default\": not here");
}

TEST_CASE("audit: who did what to what, and what came of it, as one line of JSON") {
  HostFixture f;
  f.With({});
  REQUIRE(f.client->Create(MakeConfigMap("c")).ok());
  AuditEvent event = f.heard->Last();
  CHECK(event.user.name == "admin");
  CHECK(event.verb == "create");
  CHECK(event.name == "c");
  CHECK_FALSE(event.uid.empty());
  CHECK_FALSE(event.audit_id.empty());
  CHECK(f.As("nobody")->Get<ConfigMap>("default", "c").status().code() == Code::kForbidden);
  event = f.heard->Last();
  CHECK(event.http_status == 403);
  event.audit_id = "1";
  event.received = event.stage_time = WallTime(std::chrono::seconds(1'700'000'000));
  CHECK(
      AuditJson(event) ==
      R"({"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete",)"
      R"("requestURI":"","verb":"get","user":{"username":"nobody","groups":["system:authenticated"]},)"
      R"("objectRef":{"resource":"configmaps","namespace":"default","name":"c","apiVersion":"v1"},)"
      R"("responseStatus":{"metadata":{},"status":"Failure","message":"configmaps \"c\" is forbidden: User \"nobody\" )"
      R"(cannot get resource \"configmaps\" in API group \"\" in the namespace \"default\"","reason":"Forbidden",)"
      R"("code":403},"requestReceivedTimestamp":"2023-11-14T22:13:20.000000Z",)"
      R"("stageTimestamp":"2023-11-14T22:13:20.000000Z"})");
}

}  // namespace
}  // namespace minikube::api::testing
