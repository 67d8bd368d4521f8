// Writing through the engine: create, update, patch, delete, and what the server adds, keeps and refuses.
#include <atomic>

#include <fmt/format.h>

#include <minikube/api/autoscaling/v1.h>
#include <minikube/api/policy/v1.h>
#include <nlohmann/json.hpp>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

using apps::v1::Deployment;
using core::v1::Pod;

TEST_CASE("create: the server gives identity, time, revision and defaults") {
  Fixture f;
  const Pod pod = f.client->Create(MakePod("web")).value();
  CHECK(pod.metadata.uid.size() == 36);
  CHECK_FALSE(pod.metadata.creationTimestamp.empty());
  CHECK(pod.metadata.resourceVersion == std::to_string(f.engine->revision()));
  CHECK(pod.metadata.generation == 1);
  CHECK(pod.spec.restartPolicy == "Always");
  CHECK(pod.spec.dnsPolicy == "ClusterFirst");
  CHECK(pod.spec.schedulerName == "default-scheduler");
  CHECK(pod.spec.terminationGracePeriodSeconds == 30);
  CHECK(pod.spec.serviceAccountName == "default");
  CHECK(pod.spec.enableServiceLinks == true);
  CHECK(pod.spec.priority == 0);
  CHECK(pod.spec.tolerations.size() == 2);
  CHECK(pod.spec.containers[0].imagePullPolicy == "IfNotPresent");
  CHECK(pod.spec.containers[0].terminationMessagePath == "/dev/termination-log");
  CHECK(pod.status.phase == "Pending");
  CHECK(pod.status.qosClass == "BestEffort");
  CHECK(DeepEqual(f.client->Get<Pod>("default", "web").value(), pod));
}

TEST_CASE("create: a pod gets a token of its service account") {
  Fixture f;
  constexpr std::string_view kPath = "/var/run/secrets/kubernetes.io/serviceaccount";
  Pod asked = MakePod("web");
  core::v1::Container init = asked.spec.containers[0];
  init.name = "init";
  asked.spec.initContainers.push_back(init);
  const auto mounts = [](const core::v1::Container& container) {
    std::vector<std::string> out;
    for (const core::v1::VolumeMount& mount : container.volumeMounts) {
      out.push_back(mount.name.str() + " " + mount.mountPath.str() + (mount.readOnly ? " ro" : ""));
    }
    return out;
  };
  const std::string own = fmt::format("kube-api-access-token {} ro", kPath);
  using Mounts = std::vector<std::string>;

  SECTION("in all its containers") {
    const Pod pod = f.client->Create(asked).value();
    REQUIRE(pod.spec.volumes.size() == 1);
    std::string volume;
    EncodeJsonMessage(DescriptorOf<core::v1::Volume>(), &pod.spec.volumes[0], volume);
    CHECK(nlohmann::json::parse(volume) == nlohmann::json::parse(R"({
      "name": "kube-api-access-token",
      "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace",
          "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}})"));
    CHECK(mounts(pod.spec.containers[0]) == Mounts{own});
    CHECK(mounts(pod.spec.initContainers[0]) == Mounts{own});
  }
  SECTION("beside what it has") {
    core::v1::Volume data;
    data.name = "data";
    data.emptyDir.Mutable();
    asked.spec.volumes.push_back(data);
    core::v1::VolumeMount mount;
    mount.name = "data";
    mount.mountPath = "/data";
    asked.spec.containers.Mutable(0).volumeMounts.push_back(mount);
    const Pod pod = f.client->Create(asked).value();
    CHECK(pod.spec.volumes.size() == 2);
    CHECK(mounts(pod.spec.containers[0]) == Mounts{"data /data", own});
    // Others of the same pod are not touched by it.
    CHECK(mounts(f.client->Create(MakePod("other")).value().spec.containers[0]) == Mounts{own});
  }
  SECTION("not where something else is mounted") {
    core::v1::Volume data;
    data.name = "data";
    data.emptyDir.Mutable();
    asked.spec.volumes.push_back(data);
    core::v1::VolumeMount mount;
    mount.name = "data";
    mount.mountPath = kPath;
    asked.spec.containers.Mutable(0).volumeMounts.push_back(mount);
    asked.spec.initContainers.Mutable(0).volumeMounts.push_back(mount);
    const Pod pod = f.client->Create(asked).value();
    CHECK(pod.spec.volumes.size() == 1);
    CHECK(mounts(pod.spec.containers[0]) == Mounts{fmt::format("data {}", kPath)});
  }
  SECTION("by a volume of its own") {
    core::v1::Volume data;
    data.name = "kube-api-access-mine";
    data.emptyDir.Mutable();
    asked.spec.volumes.push_back(data);
    const Pod pod = f.client->Create(asked).value();
    CHECK(pod.spec.volumes.size() == 1);
    CHECK(mounts(pod.spec.containers[0]) == Mounts{fmt::format("kube-api-access-mine {} ro", kPath)});
  }
  SECTION("unless it, or else its account, does not want it") {
    core::v1::ServiceAccount account;
    account.metadata.name = "robot";
    account.metadata.namespace_ = "default";
    account.automountServiceAccountToken = false;
    REQUIRE(f.client->Create(account));
    const auto created = [&](const char* name, const char* account_name, std::optional<bool> automount) {
      Pod pod = MakePod(name);
      pod.spec.serviceAccountName = account_name;
      pod.spec.automountServiceAccountToken = automount;
      return f.client->Create(pod).value().spec.volumes.size();
    };
    CHECK(created("a", "", false) == 0);
    CHECK(created("b", "robot", std::nullopt) == 0);
    CHECK(created("c", "robot", true) == 1);
  }
  SECTION("a template stays as it is, and so does what a node shows of its own") {
    const apps::v1::Deployment deployment = f.client->Create(MakeDeployment("web")).value();
    CHECK(deployment.spec.template_.spec.volumes.empty());
    asked.metadata.annotations["kubernetes.io/config.mirror"] = "x";
    const Pod pod = f.client->Create(asked).value();
    CHECK(pod.spec.volumes.empty());
    CHECK(pod.spec.serviceAccountName.empty());
  }
  SECTION("without a copy of its own in memory") {
    const Pod one = f.client->Create(MakePod("one")).value();
    const Pod two = f.client->Create(MakePod("two")).value();
    CHECK(&one.spec.volumes[0] == &two.spec.volumes[0]);
    CHECK(&one.spec.containers[0].volumeMounts[0] == &two.spec.containers[0].volumeMounts[0]);
    // Nor after it was read from the store.
    f.Restart();
    const Pod again = f.client->Get<Pod>("default", "one").value();
    CHECK(DeepEqual(again, one));
    CHECK(&again.spec.volumes[0] == &one.spec.volumes[0]);
    CHECK(&again.spec.containers[0].volumeMounts[0] == &one.spec.containers[0].volumeMounts[0]);
  }
}

TEST_CASE("create: the reader shares the writer's object") {
  Fixture f;
  ApiRequest request = Client::RequestFor<Pod>(Verb::kCreate, MakePod("web"));
  const ObjectRef written = f.client->DoSync(std::move(request)).value().object;
  const ObjectRef read = f.client->DoSync(Request<Pod>(Verb::kGet, "default", "web")).value().object;
  CHECK(written == read);
}

TEST_CASE("create: errors are Kubernetes' errors") {
  Fixture f;
  (void)f.client->Create(MakePod("web")).value();

  const Status exists = f.client->Create(MakePod("web")).status();
  CHECK(exists.code() == Code::kAlreadyExists);
  CHECK(exists.message() == "pods \"web\" already exists");
  CHECK(exists.details().kind == "pods");

  const Status nowhere = f.client->Create(MakePod("web", "nowhere")).status();
  CHECK(nowhere.code() == Code::kNotFound);
  CHECK(nowhere.message() == "namespaces \"nowhere\" not found");

  Pod bad = MakePod("Web_1");
  bad.spec.containers.Mutable(0).name = {};
  const Status invalid = f.client->Create(bad).status();
  CHECK(invalid.code() == Code::kInvalid);
  CHECK(invalid.message().starts_with("Pod \"Web_1\" is invalid: ["));
  CHECK(invalid.message().find("metadata.name: Invalid value: \"Web_1\": a lowercase RFC 1123 subdomain") !=
        std::string::npos);
  CHECK(invalid.message().find("spec.containers[0].name: Required value") != std::string::npos);
}

TEST_CASE("create: generated names differ") {
  Fixture f;
  Pod pod = MakePod("");
  pod.metadata.generateName = "web-";
  const Pod a = f.client->Create(pod).value();
  const Pod b = f.client->Create(pod).value();
  CHECK(a.metadata.name.size() == 9);
  CHECK(a.metadata.name.view().starts_with("web-"));
  CHECK_FALSE(a.metadata.name == b.metadata.name);
}

// The real world, but for numbers that a test has asked for.
class LoadedEnv final : public Env {
 public:
  class Dice final : public Random {
   public:
    explicit Dice(Random& real) : real_(real) {}
    std::uint64_t Next() override { return loaded_.fetch_sub(1) > 0 ? 0 : real_.Next(); }
    void Fill(void* data, std::size_t size) override { real_.Fill(data, size); }
    void Load(int zeros) { loaded_ = zeros; }

   private:
    Random& real_;
    std::atomic<int> loaded_ = 0;
  };
  Clock& clock() override { return real_->clock(); }
  Random& random() override { return dice; }
  Processes& processes() override { return real_->processes(); }
  std::unique_ptr<Strand> NewStrand(std::string name) override { return real_->NewStrand(std::move(name)); }
  std::unique_ptr<Strand> NewBlockingStrand(std::string name) override {
    return real_->NewBlockingStrand(std::move(name));
  }

 private:
  std::unique_ptr<Env> real_ = NewRealEnv(2);

 public:
  Dice dice{real_->random()};
};

TEST_CASE("create: a generated name that is taken is generated anew") {
  LoadedEnv env;
  const std::unique_ptr<Store> store = NewMemoryStore(env);
  {
    const auto engine = ApiCore::Start({.service_cluster_ip_range = "10.96.0.0/12"}, *store, env, Logger()).value();
    const auto client = engine->NewClient({"admin", "", {"system:masters"}});
    (void)client->Create(MakePod("web-bbbbb")).value();
    Pod pod = MakePod("");
    pod.metadata.generateName = "web-";
    env.dice.Load(5);
    CHECK(client->Create(pod).value().metadata.name != "web-bbbbb");
    env.dice.Load(1000);
    const Status status = client->Create(pod).status();
    env.dice.Load(0);
    CHECK(status.code() == Code::kAlreadyExists);
    CHECK(status.message() ==
          "pods \"web-bbbbb\" already exists, the server was not able to generate a unique name for the object");
  }
  store->Stop();
}

TEST_CASE("status: which writers change metadata") {
  Fixture f;
  struct Row {
    const char* group;
    const char* version;
    const char* plural;
    const char* object;
    bool labels;
    bool annotations;
  };
  constexpr const char* kTemplate =
      R"("selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
         "spec": {"containers": [{"name": "c", "image": "i"}]}})";
  const std::string workload = fmt::format(R"({{"metadata": {{"name": "x"}}, "spec": {{{}}}}})", kTemplate);
  const std::string set =
      fmt::format(R"({{"metadata": {{"name": "x"}}, "spec": {{"serviceName": "s", {}}}}})", kTemplate);
  const std::string job = R"({"metadata": {"name": "x"}, "spec": {"template": {"spec": {"restartPolicy": "Never",
      "containers": [{"name": "c", "image": "i"}]}}}})";
  const Row rows[] = {
      {"apps", "v1", "deployments", workload.c_str(), false, true},
      {"apps", "v1", "replicasets", workload.c_str(), true, true},
      {"apps", "v1", "daemonsets", workload.c_str(), true, true},
      {"apps", "v1", "statefulsets", set.c_str(), true, true},
      {"batch", "v1", "jobs", job.c_str(), true, true},
      {"", "v1", "services", R"({"metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}]}})", true, true},
      {"policy", "v1", "poddisruptionbudgets", R"({"metadata": {"name": "x"}, "spec": {"minAvailable": 1}})", true,
       true},
      {"resource.k8s.io", "v1", "resourceclaims", R"({"metadata": {"name": "x"}, "spec": {}})", false, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.plural);
    ApiRequest create;
    create.verb = Verb::kCreate;
    create.resource = FindResource(row.group, row.version, row.plural);
    REQUIRE(create.resource != nullptr);
    create.ns = "default";
    create.object = Decode(MediaType::kJson, row.object, create.resource->message).value().Freeze();
    (void)f.client->DoSync(create).value();
    ApiRequest patch = create;
    patch.verb = Verb::kPatch;
    patch.name = "x";
    patch.subresource = "status";
    patch.patch_type = PatchType::kMerge;
    patch.patch = R"({"metadata": {"labels": {"l": "1"}, "annotations": {"n": "1"}}})";
    const ObjectRef written = f.client->DoSync(patch).value().object;
    CHECK(written->meta().labels.Contains("l") == row.labels);
    CHECK(written->meta().annotations.Contains("n") == row.annotations);
  }
}

TEST_CASE("apply: an identity that nobody has is a conflict") {
  Fixture f;
  ApiRequest apply = Request<core::v1::ConfigMap>(Verb::kPatch, "default", "x");
  apply.patch_type = PatchType::kApply;
  apply.field_manager = "me";
  apply.patch = R"({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "uid": "u-1"}})";
  const Status status = f.client->DoSync(apply).status();
  CHECK(status.code() == Code::kConflict);
  CHECK(status.message() ==
        "Operation cannot be fulfilled on configmaps \"x\": uid mismatch: the provided object specified uid u-1, and "
        "no existing object was found");
}

TEST_CASE("create: a dry run answers as if, and changes nothing") {
  Fixture f;
  const Revision before = f.engine->revision();
  ApiRequest request = Client::RequestFor<Pod>(Verb::kCreate, MakePod("web"));
  request.dry_run = true;
  const ApiResponse response = f.client->DoSync(std::move(request)).value();
  CHECK(response.object->As<Pod>().spec.restartPolicy == "Always");
  CHECK(f.engine->revision() == before);
  CHECK(f.client->Get<Pod>("default", "web").status().code() == Code::kNotFound);
}

TEST_CASE("update: optimistic lock, generation, status apart from spec") {
  Fixture f;
  Deployment first = f.client->Create(MakeDeployment("web", 1)).value();
  CHECK(first.metadata.generation == 1);

  Deployment second = first;
  second.spec.replicas = 3;
  second.status.replicas = 7;  // not the user's to say
  second = f.client->Update(second).value();
  CHECK(second.metadata.generation == 2);
  CHECK(second.status.replicas == 0);
  CHECK_FALSE(second.metadata.resourceVersion == first.metadata.resourceVersion);

  const Status conflict = f.client->Update(first).status();
  CHECK(conflict.code() == Code::kConflict);
  CHECK(conflict.message() ==
        "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please apply your "
        "changes to the latest version and try again");

  Deployment status = second;
  status.status.replicas = 3;
  status.spec.replicas = 9;  // not the controller's to say here
  status = f.client->UpdateStatus(status).value();
  CHECK(status.status.replicas == 3);
  CHECK(status.spec.replicas == 3);
  CHECK(status.metadata.generation == 2);

  Deployment same = f.client->Update(status).value();
  CHECK(same.metadata.resourceVersion == status.metadata.resourceVersion);  // nothing changed, nothing written

  Deployment other = status;
  other.spec.selector.Mutable().matchLabels["app"] = "other";
  other.spec.template_.metadata.labels["app"] = "other";
  const Status immutable = f.client->Update(other).status();
  CHECK(immutable.code() == Code::kInvalid);
  CHECK(immutable.message().find("spec.selector: Invalid value: ") != std::string::npos);
  CHECK(immutable.message().ends_with("field is immutable"));
}

TEST_CASE("update: a pod's spec is closed but for a few fields") {
  Fixture f;
  Pod pod = f.client->Create(MakePod("web")).value();
  pod.spec.containers.Mutable(0).image = "busybox:1.37";
  pod.metadata.labels["a"] = "b";
  pod = f.client->Update(pod).value();
  CHECK(pod.spec.containers[0].image == "busybox:1.37");
  CHECK(pod.metadata.generation == 2);
  pod.spec.hostNetwork = true;
  const Status status = f.client->Update(pod).status();
  CHECK(status.code() == Code::kInvalid);
  CHECK(status.message().find("spec: Forbidden: pod updates may not change fields other than") != std::string::npos);
}

TEST_CASE("patch: every form, on the newest state") {
  Fixture f;
  (void)f.client->Create(MakeDeployment("web", 1)).value();
  Deployment d = f.client->Patch<Deployment>("default", "web", PatchType::kMerge, R"({"spec":{"replicas":2}})").value();
  CHECK(d.spec.replicas == 2);
  d = f.client
          ->Patch<Deployment>("default", "web", PatchType::kJson,
                              R"([{"op":"replace","path":"/spec/replicas","value":3}])")
          .value();
  CHECK(d.spec.replicas == 3);
  d = f.client
          ->Patch<Deployment>("default", "web", PatchType::kStrategicMerge,
                              R"({"spec":{"template":{"spec":{"containers":[{"name":"side","image":"b:2"}]}}}})")
          .value();
  CHECK(d.spec.template_.spec.containers.size() == 2);
  CHECK(d.metadata.generation == 4);
  CHECK(f.client->Patch<Deployment>("default", "nope", PatchType::kMerge, "{}").status().message() ==
        "deployments.apps \"nope\" not found");
}

TEST_CASE("apply: creates, shares and defends fields") {
  Fixture f;
  const auto apply = [&](std::string manager, std::int32_t replicas, bool force) {
    ApiRequest request = Request<Deployment>(Verb::kPatch, "default", "web");
    request.patch_type = PatchType::kApply;
    request.field_manager = std::move(manager);
    request.force = force;
    request.patch = R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":)" +
                    std::to_string(replicas) +
                    R"(,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},)"
                    R"("spec":{"containers":[{"name":"main","image":"a:1"}]}}}})";
    return f.client->DoSync(std::move(request));
  };
  CHECK(apply("", 1, false).status().message() ==
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch");
  const Result<ApiResponse> created = apply("me", 1, false);
  INFO(created.status().ToString());
  REQUIRE(created.ok());
  CHECK(created->created);
  CHECK(created->object->meta().managedFields.size() == 1);
  const std::int64_t revision = created->revision;
  CHECK(apply("me", 1, false)->object->meta().resourceVersion == std::to_string(revision));  // nothing to write

  // An update by other means takes the field over.
  (void)f.client->Patch<Deployment>("default", "web", PatchType::kMerge, R"({"spec":{"replicas":5}})").value();
  const Status conflict = apply("me", 1, false).status();
  CHECK(conflict.code() == Code::kConflict);
  CHECK(conflict.details().causes.at(0).field == ".spec.replicas");
  const Result<ApiResponse> forced = apply("me", 1, true);
  REQUIRE(forced.ok());
  CHECK(forced->object->As<Deployment>().spec.replicas == 1);
}

TEST_CASE("apply: creates, owns, and tells conflicts") {
  Fixture f;
  ApiRequest request = Request<core::v1::ConfigMap>(Verb::kPatch, "default", "settings");
  request.patch_type = PatchType::kApply;
  const auto apply = [&](std::string_view manager, std::string_view data, bool force = false) {
    request.field_manager = manager;
    request.force = force;
    request.patch =
        R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":)" + std::string(data) + "}";
    return f.client->DoSync(request);
  };
  CHECK(apply("", "{}").status().code() == Code::kInvalid);
  const ApiResponse first = apply("one", R"({"a":"1","b":"1"})").value();
  CHECK(first.created);
  CHECK(first.object->meta().managedFields.size() == 1);
  CHECK(first.object->meta().uid.size() == 36);

  const ApiResponse same = apply("one", R"({"a":"1","b":"1"})").value();
  CHECK(same.object->meta().resourceVersion == first.object->meta().resourceVersion);

  const Status conflict = apply("two", R"({"a":"2"})").status();
  CHECK(conflict.code() == Code::kConflict);
  CHECK(conflict.message().find("one") != std::string::npos);
  CHECK(apply("two", R"({"a":"2"})", true).ok());

  // What an applier no longer mentions, and nobody else manages, goes.
  const auto after = apply("one", "{}").value().object->As<core::v1::ConfigMap>();
  CHECK(*after.data.Find("a") == "2");
  CHECK_FALSE(after.data.Contains("b"));

  // Other writes take over what they change.
  (void)f.client->Patch<core::v1::ConfigMap>("default", "settings", PatchType::kMerge, R"({"data":{"a":"3"}})").value();
  CHECK(apply("two", R"({"a":"2"})").status().code() == Code::kConflict);
}

TEST_CASE("update: a body under another name is refused, whether the object exists or not") {
  Fixture f;
  ApiRequest request = Client::RequestFor<Pod>(Verb::kUpdate, MakePod("a"));
  request.name = "b";
  const Status status = f.client->DoSync(std::move(request)).status();
  CHECK(status.code() == Code::kBadRequest);
  CHECK(status.message() == "the name of the object (a) does not match the name on the URL (b)");
}

TEST_CASE("patch: many at once, none lost") {
  Fixture f;
  core::v1::ConfigMap map;
  map.metadata.name = "counts";
  map.metadata.namespace_ = "default";
  (void)f.client->Create(map).value();
  std::mutex mu;
  std::condition_variable changed;
  int open = 100;
  int failed = 0;
  for (int i = 0; i < 100; ++i) {
    ApiRequest request = Request<core::v1::ConfigMap>(Verb::kPatch, "default", "counts");
    request.patch = R"({"data":{"k)" + std::to_string(i) + R"(":"v"}})";
    f.client
        ->Do(std::move(request), *f.strand,
             [&](Result<ApiResponse> result) {
               std::lock_guard lock(mu);
               if (!result) ++failed;
               if (--open == 0) changed.notify_all();
             })
        .Detach();
  }
  std::unique_lock lock(mu);
  REQUIRE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return open == 0; }));
  CHECK(failed == 0);
  CHECK(f.client->Get<core::v1::ConfigMap>("default", "counts")->data.size() == 100);
}

TEST_CASE("stopping answers everything that is in flight, once, and waits for it") {
  Fixture f;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 300; ++i) {
    RequestContext context;
    context.user = {"admin", "", {"system:masters"}};
    context.request = Client::RequestFor<Pod>(Verb::kCreate, MakePod("p" + std::to_string(i)));
    f.engine->Handle(std::move(context), [&](Result<ApiResponse> result) {
      if (result || result.status().code() == Code::kUnavailable) ++answered;
    });
  }
  f.engine->Stop();
  CHECK(answered == 300);
  CHECK(f.client->Get<Pod>("default", "p0").status().code() == Code::kUnavailable);
}

TEST_CASE("delete: at once, gracefully, or when finalizers let go") {
  Fixture f;
  SECTION("a pod that no node runs goes at once") {
    (void)f.client->Create(MakePod("web")).value();
    CHECK(f.client->Delete<Pod>("default", "web").ok());
    CHECK(f.client->Get<Pod>("default", "web").status().code() == Code::kNotFound);
    CHECK(f.client->Delete<Pod>("default", "web").message() == "pods \"web\" not found");
  }
  SECTION("a pod on a node is given its grace period, which can only be made shorter") {
    Pod pod = MakePod("web");
    pod.spec.nodeName = "n1";
    (void)f.client->Create(pod).value();
    REQUIRE(f.client->Delete<Pod>("default", "web").ok());
    pod = f.client->Get<Pod>("default", "web").value();
    REQUIRE(pod.metadata.deletionTimestamp);
    CHECK(pod.metadata.deletionGracePeriodSeconds == 30);
    CHECK(pod.metadata.generation == 2);

    ApiRequest longer = Request<Pod>(Verb::kDelete, "default", "web");
    longer.grace_period_seconds = 60;
    REQUIRE(f.client->DoSync(longer).ok());
    CHECK(f.client->Get<Pod>("default", "web")->metadata.deletionGracePeriodSeconds == 30);

    ApiRequest force = Request<Pod>(Verb::kDelete, "default", "web");
    force.grace_period_seconds = 0;
    REQUIRE(f.client->DoSync(force).ok());
    CHECK(f.client->Get<Pod>("default", "web").status().code() == Code::kNotFound);
  }
  SECTION("finalizers hold an object until they are gone") {
    core::v1::ConfigMap map;
    map.metadata.name = "held";
    map.metadata.namespace_ = "default";
    map.metadata.finalizers = {"example.com/hold"};
    (void)f.client->Create(map).value();
    REQUIRE(f.client->Delete<core::v1::ConfigMap>("default", "held").ok());
    map = f.client->Get<core::v1::ConfigMap>("default", "held").value();
    REQUIRE(map.metadata.deletionTimestamp);
    core::v1::ConfigMap more = map;
    more.metadata.finalizers.push_back("example.com/more");
    CHECK(f.client->Update(more).status().code() == Code::kInvalid);
    map.metadata.finalizers.clear();
    REQUIRE(f.client->Update(map).ok());
    CHECK(f.client->Get<core::v1::ConfigMap>("default", "held").status().code() == Code::kNotFound);
  }
  SECTION("propagation is written down as a finalizer") {
    (void)f.client->Create(MakeDeployment("web")).value();
    ApiRequest request = Request<Deployment>(Verb::kDelete, "default", "web");
    request.propagation = Propagation::kForeground;
    REQUIRE(f.client->DoSync(request).ok());
    const Deployment held = f.client->Get<Deployment>("default", "web").value();
    REQUIRE(held.metadata.finalizers.size() == 1);
    CHECK(held.metadata.finalizers[0] == "foregroundDeletion");
  }
  SECTION("preconditions") {
    (void)f.client->Create(MakePod("web")).value();
    ApiRequest request = Request<Pod>(Verb::kDelete, "default", "web");
    request.precondition_uid = "someone-else";
    const Status status = f.client->DoSync(request).status();
    CHECK(status.code() == Code::kConflict);
    CHECK(status.message().find("Precondition failed: UID in precondition: someone-else") != std::string::npos);
  }
}

TEST_CASE("deletecollection deletes what the selectors match") {
  Fixture f;
  for (const char* name : {"a", "b", "c"}) {
    Pod pod = MakePod(name);
    pod.metadata.labels["keep"] = std::string_view(name) == "b" ? "yes" : "no";
    (void)f.client->Create(pod).value();
  }
  ApiRequest request = Request<Pod>(Verb::kDeleteCollection, "default", "");
  request.label_selector = "keep=no";
  CHECK(f.client->DoSync(request).value().items.size() == 2);
  const std::vector<Pod> left = f.client->List<Pod>("default").value();
  REQUIRE(left.size() == 1);
  CHECK(left[0].metadata.name == "b");
}

TEST_CASE("deletecollection deletes inside one namespace only") {
  Fixture f;
  (void)f.client->Create(MakePod("a")).value();
  const Status status = f.client->DoSync(Request<Pod>(Verb::kDeleteCollection, "", "")).status();
  CHECK(status.code() == Code::kMethodNotAllowed);
  CHECK(status.message() == "the server does not allow this method on the requested resource");
  CHECK(f.client->List<Pod>("").value().size() == 1);
  // What has no namespace has but one collection.
  core::v1::Node node;
  node.metadata.name = "n";
  (void)f.client->Create(node).value();
  CHECK(f.client->DoSync(Request<core::v1::Node>(Verb::kDeleteCollection, "", "")).ok());
  CHECK(f.client->List<core::v1::Node>("").value().empty());
}

TEST_CASE("deletecollection of many, and of no more than asked for") {
  Fixture f;
  for (int i = 0; i < 1000; ++i) {
    core::v1::ConfigMap map;
    map.metadata.name = fmt::format("m{:04}", i);
    map.metadata.namespace_ = "default";
    (void)f.client->Create(map).value();
  }
  ApiRequest request = Request<core::v1::ConfigMap>(Verb::kDeleteCollection, "default", "");
  request.limit = 3;
  CHECK(f.client->DoSync(request).value().items.size() == 3);
  CHECK(f.client->List<core::v1::ConfigMap>("default").value().front().metadata.name == "m0003");
  request.limit = 0;
  CHECK(f.client->DoSync(request).value().items.size() == 997);
  CHECK(f.client->List<core::v1::ConfigMap>("default").value().empty());
}

TEST_CASE("namespaces: finalized before they go, and closed meanwhile") {
  Fixture f;
  core::v1::Namespace ns;
  ns.metadata.name = "team";
  ns = f.client->Create(ns).value();
  CHECK(ns.status.phase == "Active");
  CHECK(*ns.metadata.labels.Find("kubernetes.io/metadata.name") == "team");
  REQUIRE(ns.spec.finalizers.size() == 1);
  (void)f.client->Create(MakePod("web", "team")).value();

  REQUIRE(f.client->Delete<core::v1::Namespace>("", "team").ok());
  ns = f.client->Get<core::v1::Namespace>("", "team").value();
  CHECK(ns.status.phase == "Terminating");
  const Status closed = f.client->Create(MakePod("late", "team")).status();
  CHECK(closed.code() == Code::kForbidden);
  CHECK(closed.message() ==
        "pods \"late\" is forbidden: unable to create new content in namespace team because it is being terminated");
  CHECK(f.client->Delete<core::v1::Namespace>("", "team").code() == Code::kConflict);

  ns.spec.finalizers.clear();
  ApiRequest finalize = Client::RequestFor(Verb::kUpdate, ns);
  finalize.subresource = "finalize";
  REQUIRE(f.client->DoSync(finalize).ok());
  CHECK(f.client->Get<core::v1::Namespace>("", "team").status().code() == Code::kNotFound);

  CHECK(f.client->Delete<core::v1::Namespace>("", "kube-system").message() ==
        "namespaces \"kube-system\" is forbidden: this namespace may not be deleted");
}

TEST_CASE("a pod keeps its five minutes on a node that is not ready, whatever tolerations it is given later") {
  Fixture f;
  Pod pod = f.client->Create(MakePod("web")).value();
  REQUIRE(pod.spec.tolerations.size() == 2);
  core::v1::Toleration other;
  other.key = "other";
  other.operator_ = "Exists";
  pod.spec.tolerations = {other};
  CHECK(f.client->Update(pod).value().spec.tolerations.size() == 3);
}

TEST_CASE("a service without session affinity has no settings of it") {
  Fixture f;
  core::v1::Service service;
  service.metadata.namespace_ = "default";
  service.metadata.name = "web";
  service.spec.ports.push_back({}).port = 80;
  service.spec.sessionAffinity = "ClientIP";
  service = f.client->Create(service).value();
  REQUIRE(service.spec.sessionAffinityConfig->clientIP->timeoutSeconds == 10800);
  service.spec.sessionAffinity = "None";
  CHECK_FALSE(f.client->Update(service).value().spec.sessionAffinityConfig);
}

TEST_CASE("binding: once, and to one node") {
  Fixture f;
  (void)f.client->Create(MakePod("web")).value();
  const auto bind = [&](std::string_view node) {
    core::v1::Binding binding;
    binding.metadata.name = "web";
    binding.metadata.namespace_ = "default";
    binding.target.kind = "Node";
    binding.target.name = node;
    ApiRequest request = Request<Pod>(Verb::kCreate, "default", "web");
    request.subresource = "binding";
    request.object = Share(binding);
    return f.client->DoSync(std::move(request));
  };
  CHECK(bind("n1").value().created);
  const Pod pod = f.client->Get<Pod>("default", "web").value();
  CHECK(pod.spec.nodeName == "n1");
  CHECK(pod.metadata.generation == 1);  // nobody wants another pod
  REQUIRE(pod.status.conditions.size() == 1);
  CHECK(pod.status.conditions[0].type == "PodScheduled");
  const Status again = bind("n2").status();
  CHECK(again.code() == Code::kConflict);
  CHECK(again.message().find("pod web is already assigned to node \"n1\"") != std::string::npos);
}

TEST_CASE("scale: read and write of a deployment's replicas") {
  Fixture f;
  (void)f.client->Create(MakeDeployment("web", 2)).value();
  ApiRequest get = Request<Deployment>(Verb::kGet, "default", "web");
  get.subresource = "scale";
  autoscaling::v1::Scale scale = f.client->DoSync(get).value().object->As<autoscaling::v1::Scale>();
  CHECK(scale.spec.replicas == 2);
  CHECK(scale.status.selector == "app=web");
  scale.spec.replicas = 5;
  ApiRequest put = Request<Deployment>(Verb::kUpdate, "default", "web");
  put.subresource = "scale";
  put.object = Share(scale);
  CHECK(f.client->DoSync(put).value().object->As<autoscaling::v1::Scale>().spec.replicas == 5);
  const Deployment deployment = f.client->Get<Deployment>("default", "web").value();
  CHECK(deployment.spec.replicas == 5);
  CHECK(deployment.metadata.generation == 2);
  ApiRequest patch = Request<Deployment>(Verb::kPatch, "default", "web");
  patch.subresource = "scale";
  patch.patch = R"({"spec":{"replicas":1}})";
  CHECK(f.client->DoSync(patch).value().object->As<autoscaling::v1::Scale>().spec.replicas == 1);
}

TEST_CASE("eviction: as many as the budget allows") {
  Fixture f;
  for (const char* name : {"a", "b"}) {
    Pod pod = MakePod(name);
    pod.metadata.labels["app"] = "web";
    pod = f.client->Create(pod).value();
    pod.status.phase = "Running";
    core::v1::PodCondition ready;
    ready.type = "Ready";
    ready.status = "True";
    pod.status.conditions.push_back(ready);
    (void)f.client->UpdateStatus(pod).value();
  }
  policy::v1::PodDisruptionBudget budget;
  budget.metadata.name = "web";
  budget.metadata.namespace_ = "default";
  budget.spec.selector.Mutable().matchLabels["app"] = "web";
  budget = f.client->Create(budget).value();
  budget.status.disruptionsAllowed = 1;
  budget.status.observedGeneration = budget.metadata.generation;
  (void)f.client->UpdateStatus(budget).value();
  const auto evict = [&](std::string_view name) {
    policy::v1::Eviction eviction;
    eviction.metadata.name = name;
    ApiRequest request = Request<Pod>(Verb::kCreate, "default", name);
    request.subresource = "eviction";
    request.object = Share(eviction);
    return f.client->DoSync(std::move(request)).status();
  };
  CHECK(evict("a").ok());
  CHECK(f.client->Get<Pod>("default", "a").status().code() == Code::kNotFound);
  const Status refused = evict("b");
  CHECK(refused.code() == Code::kTooManyRequests);
  CHECK(refused.message() == "Cannot evict pod as it would violate the pod's disruption budget.");
  budget = f.client->Get<policy::v1::PodDisruptionBudget>("default", "web").value();
  CHECK(budget.status.disruptionsAllowed == 0);
  CHECK(budget.status.disruptedPods.Contains("a"));
}

}  // namespace
}  // namespace minikube::api::testing
