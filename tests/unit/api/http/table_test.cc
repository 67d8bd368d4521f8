#include "api/table/table.h"

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <minikube/api/apps/v1.h>
#include <minikube/api/autoscaling/v1.h>
#include <minikube/api/autoscaling/v2.h>
#include <minikube/api/batch/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/api/policy/v1.h>
#include <minikube/api/rbac/v1.h>
#include <minikube/api/scheduling/v1.h>
#include <minikube/api/storage/v1.h>

#include "api/table/human_duration.h"

using namespace minikube;
using namespace minikube::api;
using nlohmann::json;

namespace {

constexpr std::int64_t kUnix = 1'800'000'000;
const WallTime kNow{std::chrono::seconds(kUnix)};

Time Ago(std::int64_t seconds) { return Time{Instant::FromUnixMicros((kUnix - seconds) * 1'000'000)}; }

template <typename T>
json Row(std::string_view group, std::string_view version, std::string_view plural, T object) {
  const ResourceDesc* resource = FindResource(group, version, plural);
  REQUIRE(resource != nullptr);
  object.metadata.creationTimestamp = Ago(300);
  std::string out;
  AppendTableRow(*resource, *Share(std::move(object)), IncludeObject::kNone, "v1", kNow, out);
  const json row = json::parse(out);
  REQUIRE(row["cells"].size() == resource->columns.size());
  return row["cells"];
}

json PodRow(core::v1::Pod pod) { return Row("", "v1", "pods", std::move(pod)); }

core::v1::Pod RunningPod() {
  core::v1::Pod pod;
  pod.metadata.name = "web";
  pod.spec.nodeName = "n1";
  pod.spec.containers = {core::v1::Container{.name = "a"}, core::v1::Container{.name = "b"}};
  pod.status.phase = "Running";
  pod.status.podIP = "10.0.0.1";
  core::v1::ContainerStatus status;
  status.ready = true;
  status.state.running = core::v1::ContainerStateRunning{};
  status.name = "a";
  pod.status.containerStatuses.push_back(status);
  status.name = "b";
  pod.status.containerStatuses.push_back(status);
  return pod;
}

core::v1::ContainerState Waiting(const char* reason) {
  core::v1::ContainerState state;
  state.waiting = core::v1::ContainerStateWaiting{.reason = reason};
  return state;
}

core::v1::ContainerState Terminated(int exit_code, const char* reason, int signal = 0) {
  core::v1::ContainerState state;
  state.terminated = core::v1::ContainerStateTerminated{.exitCode = exit_code, .signal = signal, .reason = reason};
  return state;
}

}  // namespace

TEST_CASE("table: durations for people") {
  using namespace std::chrono_literals;
  const std::pair<Duration, const char*> rows[] = {
      {-5s, "<invalid>"},  {-1s, "0s"},       {0s, "0s"},           {119s, "119s"},       {120s, "2m"},
      {185s, "3m5s"},      {10min, "10m"},    {179min, "179m"},     {3h, "3h"},           {3h + 20min, "3h20m"},
      {8h + 5min, "8h"},   {47h, "47h"},      {48h, "2d"},          {51h, "2d3h"},        {24h * 8, "8d"},
      {24h * 729, "729d"}, {24h * 730, "2y"}, {24h * 800, "2y70d"}, {24h * 365 * 9, "9y"}};
  for (const auto& [duration, text] : rows) {
    CAPTURE(text);
    CHECK(HumanDuration(duration) == text);
  }
  CHECK(Age(Instant{}, kNow) == "<unknown>");
  CHECK(Age(Ago(61), kNow) == "61s");
  CHECK(Age(Instant{INT64_MAX}, kNow) == "<invalid>");
  CHECK(Age(Instant{1}, kNow) == "285y");
}

TEST_CASE("table: pods as kubectl has always shown them") {
  SECTION("running") {
    CHECK(PodRow(RunningPod()) == json({"web", "2/2", "Running", "0", "5m", "10.0.0.1", "n1", "<none>", "<none>"}));
  }
  SECTION("pending, unscheduled") {
    core::v1::Pod pod;
    pod.metadata.name = "p";
    pod.spec.containers = {core::v1::Container{.name = "a"}};
    pod.status.phase = "Pending";
    CHECK(PodRow(pod) == json({"p", "0/1", "Pending", "0", "5m", "<none>", "<none>", "<none>", "<none>"}));
    pod.status.conditions.push_back({.type = "PodScheduled", .status = "False", .reason = "SchedulingGated"});
    CHECK(PodRow(pod)[2] == "SchedulingGated");
  }
  SECTION("crash loop with restarts") {
    core::v1::Pod pod = RunningPod();
    core::v1::ContainerStatus& status = pod.status.containerStatuses.Mutable(0);
    status.ready = false;
    status.state = Waiting("CrashLoopBackOff");
    status.restartCount = 7;
    status.lastState = Terminated(1, "Error");
    status.lastState.terminated.Mutable().finishedAt = Ago(30);
    const json cells = PodRow(pod);
    CHECK(cells[1] == "1/2");
    CHECK(cells[2] == "CrashLoopBackOff");
    CHECK(cells[3] == "7 (30s ago)");
  }
  SECTION("completed, failed by code, failed by signal") {
    core::v1::Pod pod = RunningPod();
    pod.spec.containers.Erase(1);
    pod.status.containerStatuses.Erase(1);
    core::v1::ContainerStatus& status = pod.status.containerStatuses.Mutable(0);
    status.ready = false;
    status.state = Terminated(0, "Completed");
    pod.status.phase = "Succeeded";
    CHECK(PodRow(pod)[2] == "Completed");
    pod.status.containerStatuses.Mutable(0).state = Terminated(3, "");
    CHECK(PodRow(pod)[2] == "ExitCode:3");
    pod.status.containerStatuses.Mutable(0).state = Terminated(0, "", 9);
    CHECK(PodRow(pod)[2] == "Signal:9");
  }
  SECTION("one container done, another running") {
    core::v1::Pod pod = RunningPod();
    core::v1::ContainerStatus& status = pod.status.containerStatuses.Mutable(0);
    status.ready = false;
    status.state = Terminated(0, "Completed");
    CHECK(PodRow(pod)[2] == "NotReady");
    pod.status.conditions.push_back({.type = "Ready", .status = "True"});
    CHECK(PodRow(pod)[2] == "Running");
  }
  SECTION("init containers") {
    core::v1::Pod pod = RunningPod();
    pod.spec.initContainers = {core::v1::Container{.name = "i1"}, core::v1::Container{.name = "i2"}};
    pod.status.phase = "Pending";
    core::v1::ContainerStatus done;
    done.name = "i1";
    done.state = Terminated(0, "Completed");
    core::v1::ContainerStatus second;
    second.name = "i2";
    second.state.running = core::v1::ContainerStateRunning{};
    pod.status.initContainerStatuses = {done, second};
    for (auto& status : pod.status.containerStatuses.Mutable())
      status = {.name = status.name, .state = Waiting("PodInitializing")};
    CHECK(PodRow(pod)[2] == "Init:1/2");
    CHECK(PodRow(pod)[1] == "0/2");
    pod.status.initContainerStatuses.Mutable(1).state = Waiting("CrashLoopBackOff");
    CHECK(PodRow(pod)[2] == "Init:CrashLoopBackOff");
    pod.status.initContainerStatuses.Mutable(1).state = Terminated(2, "");
    CHECK(PodRow(pod)[2] == "Init:ExitCode:2");
    pod.status.initContainerStatuses.Mutable(1).state = Terminated(1, "Error");
    CHECK(PodRow(pod)[2] == "Init:Error");
    pod.status.initContainerStatuses.Mutable(1).state = Terminated(0, "Completed");
    CHECK(PodRow(pod)[2] == "PodInitializing");
  }
  SECTION("a sidecar counts") {
    core::v1::Pod pod = RunningPod();
    core::v1::Container sidecar{.name = "s"};
    sidecar.restartPolicy = Str("Always");
    pod.spec.initContainers = {sidecar};
    core::v1::ContainerStatus status;
    status.name = "s";
    status.started = true;
    status.ready = true;
    status.restartCount = 2;
    status.state.running = core::v1::ContainerStateRunning{};
    pod.status.initContainerStatuses = {status};
    const json cells = PodRow(pod);
    CHECK(cells[1] == "3/3");
    CHECK(cells[2] == "Running");
    CHECK(cells[3] == "2");
  }
  SECTION("terminating, lost, done while deleted") {
    core::v1::Pod pod = RunningPod();
    pod.metadata.deletionTimestamp = Ago(1);
    CHECK(PodRow(pod)[2] == "Terminating");
    pod.status.reason = "NodeLost";
    CHECK(PodRow(pod)[2] == "Unknown");
    pod = RunningPod();
    pod.metadata.deletionTimestamp = Ago(1);
    pod.status.phase = "Succeeded";
    for (auto& status : pod.status.containerStatuses.Mutable()) {
      status.ready = false;
      status.state = Terminated(0, "Completed");
    }
    CHECK(PodRow(pod)[2] == "Completed");
  }
  SECTION("readiness gates, evicted") {
    core::v1::Pod pod = RunningPod();
    pod.spec.readinessGates = {{.conditionType = "a"}, {.conditionType = "b"}};
    pod.status.conditions.push_back({.type = "b", .status = "True"});
    CHECK(PodRow(pod)[8] == "1/2");
    core::v1::Pod evicted;
    evicted.status.phase = "Failed";
    evicted.status.reason = "Evicted";
    CHECK(PodRow(evicted)[2] == "Evicted");
  }
}

TEST_CASE("table: workloads") {
  apps::v1::Deployment deployment;
  deployment.metadata.name = "web";
  deployment.spec.replicas = 3;
  deployment.spec.selector = meta::v1::LabelSelector{.matchLabels = {{"app", "web"}}};
  deployment.spec.template_.spec.containers = {core::v1::Container{.name = "c", .image = "nginx"}};
  deployment.status.readyReplicas = 2;
  deployment.status.updatedReplicas = 3;
  deployment.status.availableReplicas = 2;
  CHECK(Row("apps", "v1", "deployments", deployment) == json({"web", "2/3", 3, 2, "5m", "c", "nginx", "app=web"}));

  batch::v1::Job job;
  job.metadata.name = "j";
  job.spec.completions = 5;
  job.status.succeeded = 2;
  job.status.startTime = Ago(90);
  json cells = Row("batch", "v1", "jobs", job);
  CHECK(json({cells[0], cells[1], cells[2], cells[3]}) == json({"j", "Running", "2/5", "90s"}));
  job.status.completionTime = Ago(50);
  job.status.conditions.push_back({.type = "Complete", .status = "True"});
  cells = Row("batch", "v1", "jobs", job);
  CHECK(json({cells[1], cells[3]}) == json({"Complete", "40s"}));

  autoscaling::v2::HorizontalPodAutoscaler scaler;
  scaler.metadata.name = "h";
  scaler.spec.scaleTargetRef = {.kind = "Deployment", .name = "web"};
  scaler.spec.maxReplicas = 9;
  autoscaling::v2::MetricSpec metric;
  metric.type = "Resource";
  metric.resource = autoscaling::v2::ResourceMetricSource{.name = "cpu", .target = {.type = "Utilization"}};
  metric.resource.Mutable().target.averageUtilization = 80;
  scaler.spec.metrics = {metric};
  CHECK(Row("autoscaling", "v2", "horizontalpodautoscalers", scaler) ==
        json({"h", "Deployment/web", "cpu: <unknown>/80%", "<unset>", 9, 0, "5m"}));
}

TEST_CASE("table: core kinds") {
  core::v1::Node node;
  node.metadata.name = "n1";
  node.metadata.labels["node-role.kubernetes.io/control-plane"] = "";
  node.spec.unschedulable = true;
  node.status.conditions.push_back({.type = "Ready", .status = "True"});
  node.status.addresses.push_back({.type = "InternalIP", .address = "192.0.2.1"});
  node.status.nodeInfo.kubeletVersion = "v1.36.0";
  CHECK(Row("", "v1", "nodes", node) == json({"n1", "Ready,SchedulingDisabled", "control-plane", "5m", "v1.36.0",
                                              "192.0.2.1", "<none>", "<unknown>", "<unknown>", "<unknown>"}));

  core::v1::Service service;
  service.metadata.name = "s";
  service.spec.type = "LoadBalancer";
  service.spec.clusterIP = "10.96.0.9";
  service.spec.ports = {{.protocol = "TCP", .port = 80, .nodePort = 30080}, {.protocol = "UDP", .port = 53}};
  service.spec.selector["app"] = "web";
  CHECK(Row("", "v1", "services", service) ==
        json({"s", "LoadBalancer", "10.96.0.9", "<pending>", "80:30080/TCP,53/UDP", "5m", "app=web"}));

  core::v1::Endpoints endpoints;
  endpoints.metadata.name = "e";
  core::v1::EndpointSubset subset;
  for (const char* ip : {"10.0.0.1", "10.0.0.2", "fd00::3", "10.0.0.4"}) subset.addresses.push_back({.ip = ip});
  subset.ports.push_back({.port = 80});
  endpoints.subsets = {subset};
  CHECK(Row("", "v1", "endpoints", endpoints)[1] == "10.0.0.1:80,10.0.0.2:80,[fd00::3]:80 + 1 more...");

  core::v1::Event event;
  event.metadata.name = "web.1";
  event.involvedObject = {.kind = "Pod", .name = "web"};
  event.type = "Warning";
  event.reason = "Failed";
  event.message = "no image\n";
  event.firstTimestamp = Ago(600);
  event.lastTimestamp = Ago(60);
  event.count = 4;
  event.source = {.component = "kubelet", .host = "n1"};
  CHECK(Row("", "v1", "events", event) ==
        json({"60s", "Warning", "Failed", "pod/web", "", "kubelet, n1", "no image", "10m", "4", "web.1"}));

  core::v1::PersistentVolumeClaim claim;
  claim.metadata.name = "c";
  claim.spec.volumeName = "v";
  claim.status.phase = "Bound";
  claim.status.accessModes = {Str("ReadWriteOnce")};
  claim.status.capacity["storage"] = Quantity("1Gi");
  CHECK(Row("", "v1", "persistentvolumeclaims", claim) ==
        json({"c", "Bound", "v", "1Gi", "RWO", "", "<unset>", "5m", "<unset>"}));
}

TEST_CASE("table: kinds whose cells are fields") {
  scheduling::v1::PriorityClass priority;
  priority.metadata.name = "high";
  priority.value = 1000;
  priority.globalDefault = true;
  CHECK(Row("scheduling.k8s.io", "v1", "priorityclasses", priority) == json({"high", 1000, true, "5m", ""}));

  storage::v1::CSIDriver driver;
  driver.metadata.name = "d";
  driver.spec.tokenRequests = {{.audience = "x"}, {.audience = "y"}};
  driver.spec.volumeLifecycleModes = {Str("Persistent")};
  CHECK(Row("storage.k8s.io", "v1", "csidrivers", driver) ==
        json({"d", true, false, false, "x,y", false, "Persistent", "5m"}));

  rbac::v1::ClusterRole role;
  role.metadata.name = "r";
  CHECK(Row("rbac.authorization.k8s.io", "v1", "clusterroles", role) == json({"r", "2027-01-15T07:55:00Z"}));

  policy::v1::PodDisruptionBudget budget;
  budget.metadata.name = "b";
  budget.spec.minAvailable = IntOrString("50%");
  CHECK(Row("policy", "v1", "poddisruptionbudgets", budget) == json({"b", "50%", "N/A", 0, "5m"}));
}

TEST_CASE("table: a workload's scale has its own columns") {
  const ResourceDesc& deployments = *FindResource("apps", "v1", "deployments");
  autoscaling::v1::Scale scale;
  scale.metadata.name = "web";
  scale.metadata.creationTimestamp = Ago(300);
  scale.spec.replicas = 3;
  scale.status.replicas = 2;
  std::string columns;
  AppendTableColumns(deployments, DescriptorOf<autoscaling::v1::Scale>(), columns);
  std::string row;
  AppendTableRow(deployments, *Share(std::move(scale)), IncludeObject::kNone, "v1", kNow, row);
  CHECK(json::parse(columns).at(1)["name"] == "Desired");
  CHECK(json::parse(columns).size() == 4);
  CHECK(json::parse(row)["cells"] == json({"web", 3, 2, "5m"}));
}

TEST_CASE("table: every resource has a cell for each of its columns, even when empty") {
  for (const ResourceDesc& resource : AllResources()) {
    if (resource.list_message == nullptr || resource.message->metadata_field < 0) continue;
    CAPTURE(resource.group, resource.version, resource.plural);
    const ObjectRef object = ObjectPtr::New(*resource.message).Freeze();
    std::string columns;
    AppendTableColumns(resource, *resource.message, columns);
    std::string row;
    AppendTableRow(resource, *object, IncludeObject::kObject, "v1", kNow, row);
    const json parsed = json::parse(row);
    CHECK(parsed["cells"].size() == json::parse(columns).size());
    CHECK(parsed["object"]["kind"] == resource.kind);
    // A subresource's object under the resource's columns.
    std::string other;
    AppendTableRow(resource, *Share(core::v1::Binding{}), IncludeObject::kNone, "v1", kNow, other);
    CHECK(json::parse(other)["cells"].size() == json::parse(columns).size());
  }
}
