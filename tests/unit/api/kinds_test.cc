// What single kinds mean: defaults that depend on other fields, validation in Kubernetes' words, allocation.
#include <set>

#include <minikube/api/apiregistration/v1.h>
#include <minikube/api/batch/v1.h>
#include <minikube/api/coordination/v1.h>
#include <minikube/api/events/v1.h>
#include <minikube/api/networking/v1.h>
#include <minikube/api/policy/v1.h>
#include <minikube/api/scheduling/v1.h>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

using core::v1::Pod;
using core::v1::Service;

// Whether `status` says `text` about a field.
void CheckInvalid(const Status& status, std::string_view text) {
  CAPTURE(status.message());
  CHECK(status.code() == Code::kInvalid);
  CHECK(status.message().find(text) != std::string::npos);
}

Service MakeService(std::string_view name, std::int32_t port = 80) {
  Service service;
  service.metadata.name = name;
  service.metadata.namespace_ = "default";
  core::v1::ServicePort http;
  http.port = port;
  service.spec.ports.push_back(http);
  return service;
}

TEST_CASE("pods: what is wrong is said with its path") {
  Fixture f;
  Pod pod = MakePod("web");
  core::v1::Container& container = pod.spec.containers.Mutable(0);
  SECTION("names of containers are unique labels") {
    pod.spec.containers.push_back(pod.spec.containers[0]);
    CheckInvalid(f.client->Create(pod).status(), "spec.containers[1].name: Duplicate value: \"main\"");
  }
  SECTION("no containers") {
    pod.spec.containers.clear();
    const Status status = f.client->Create(pod).status();
    CheckInvalid(status, "Pod \"web\" is invalid: spec.containers: Required value");
    REQUIRE(status.details().causes.size() == 1);  // said once
    CHECK(status.details().causes[0].field == "spec.containers");
    CHECK(status.details().causes[0].reason == "FieldValueRequired");
  }
  SECTION("no image") {
    container.image = {};
    CheckInvalid(f.client->Create(pod).status(), "spec.containers[0].image: Required value");
  }
  SECTION("requests above limits") {
    container.resources.requests["cpu"] = "2";
    container.resources.limits["cpu"] = "1500m";
    CheckInvalid(
        f.client->Create(pod).status(),
        "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of "
        "1500m");
  }
  SECTION("mounts of volumes that are not there") {
    core::v1::VolumeMount mount;
    mount.name = "data";
    mount.mountPath = "/data";
    container.volumeMounts.push_back(mount);
    CheckInvalid(f.client->Create(pod).status(), "spec.containers[0].volumeMounts[0].name: Not found: \"data\"");
  }
  SECTION("ports out of range") {
    core::v1::ContainerPort port;
    port.containerPort = 70000;
    container.ports.push_back(port);
    CheckInvalid(
        f.client->Create(pod).status(),
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive");
  }
  SECTION("unknown restart policy") {
    pod.spec.restartPolicy = "Sometimes";
    CheckInvalid(f.client->Create(pod).status(), "spec.restartPolicy: Unsupported value: \"Sometimes\"");
  }
  SECTION("two sources of one variable") {
    core::v1::EnvVar variable;
    variable.name = "A";
    variable.value = "b";
    variable.valueFrom.Mutable().fieldRef.Mutable().fieldPath = "metadata.name";
    container.env.push_back(variable);
    CheckInvalid(
        f.client->Create(pod).status(),
        "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty");
  }
  SECTION("labels") {
    pod.metadata.labels["bad key"] = "v";
    CheckInvalid(f.client->Create(pod).status(),
                 "metadata.labels: Invalid value: \"bad key\": name part must consist of");
  }
  SECTION("annotations beyond 256 KiB") {
    pod.metadata.annotations["a"] = std::string(256 * 1024, 'x');
    CheckInvalid(f.client->Create(pod).status(), "metadata.annotations: Too long: may not be more than 262144 bytes");
  }
  SECTION("a priority class that is not there") {
    pod.spec.priorityClassName = "urgent";
    CHECK(f.client->Create(pod).status().message() ==
          "pods \"web\" is forbidden: no PriorityClass with name urgent was found");
  }
}

TEST_CASE("pods: requests from limits, quality of service, pull policy, priority") {
  Fixture f;
  scheduling::v1::PriorityClass urgent;
  urgent.metadata.name = "urgent";
  urgent.value = 1000;
  (void)f.client->Create(urgent).value();
  Pod pod = MakePod("web");
  pod.spec.priorityClassName = "urgent";
  core::v1::Container& container = pod.spec.containers.Mutable(0);
  container.image = "registry.example.com:5000/app";
  container.resources.limits["cpu"] = "1";
  container.resources.limits["memory"] = "1Gi";
  core::v1::Volume volume;
  volume.name = "scratch";
  pod.spec.volumes.push_back(volume);
  pod = f.client->Create(pod).value();
  CHECK(pod.spec.priority == 1000);
  CHECK(pod.spec.containers[0].imagePullPolicy == "Always");
  CHECK(pod.spec.containers[0].resources.requests.Find("memory")->text == "1Gi");
  CHECK(pod.status.qosClass == "Guaranteed");
  CHECK(pod.spec.volumes[0].emptyDir);
}

TEST_CASE("pods: ephemeral containers and sizes change through their subresources only") {
  Fixture f;
  Pod pod = MakePod("web");
  pod.spec.containers.Mutable(0).resources.requests["cpu"] = "100m";
  pod = f.client->Create(pod).value();
  core::v1::EphemeralContainer debug;
  debug.name = "debug";
  debug.image = "busybox:1";
  pod.spec.ephemeralContainers.push_back(debug);
  CHECK(f.client->Update(pod).status().code() == Code::kInvalid);
  ApiRequest request = Client::RequestFor(Verb::kUpdate, pod);
  request.subresource = "ephemeralcontainers";
  pod = f.client->DoSync(request).value().object->As<Pod>();
  CHECK(pod.spec.ephemeralContainers.size() == 1);

  pod.spec.containers.Mutable(0).resources.requests["cpu"] = "200m";
  CHECK(f.client->Update(pod).status().code() == Code::kInvalid);
  request = Client::RequestFor(Verb::kUpdate, pod);
  request.subresource = "resize";
  pod = f.client->DoSync(request).value().object->As<Pod>();
  CHECK(pod.spec.containers[0].resources.requests.Find("cpu")->text == "200m");
}

TEST_CASE("workloads: selectors select their templates") {
  Fixture f;
  apps::v1::Deployment deployment = MakeDeployment("web");
  SECTION("another label") {
    deployment.spec.template_.metadata.labels["app"] = "other";
    CheckInvalid(
        f.client->Create(deployment).status(),
        "spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not match template "
        "`labels`");
  }
  SECTION("nothing") {
    deployment.spec.selector = meta::v1::LabelSelector{};
    CheckInvalid(f.client->Create(deployment).status(), "empty selector is invalid for deployment");
  }
  SECTION("pods that end") {
    deployment.spec.template_.spec.restartPolicy = "Never";
    CheckInvalid(f.client->Create(deployment).status(),
                 "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"");
  }
  SECTION("negative replicas") {
    deployment.spec.replicas = -1;
    CheckInvalid(f.client->Create(deployment).status(),
                 "spec.replicas: Invalid value: -1: must be greater than or equal to 0");
  }
  SECTION("defaults") {
    deployment = f.client->Create(deployment).value();
    CHECK(deployment.spec.strategy.type == "RollingUpdate");
    REQUIRE(deployment.spec.strategy.rollingUpdate);
    CHECK(deployment.spec.strategy.rollingUpdate->maxSurge->string_value == "25%");
    CHECK(deployment.spec.revisionHistoryLimit == 10);
    CHECK(deployment.spec.progressDeadlineSeconds == 600);
    CHECK_FALSE(deployment.spec.template_.spec.enableServiceLinks);
  }
}

TEST_CASE("stateful sets: pods mount what the claim templates will give them") {
  Fixture f;
  apps::v1::StatefulSet set;
  set.metadata.name = "web";
  set.metadata.namespace_ = "default";
  set.spec.serviceName = "web";
  set.spec.selector.Mutable().matchLabels["app"] = "web";
  set.spec.template_.metadata.labels["app"] = "web";
  core::v1::Container container;
  container.name = "c";
  container.image = "i";
  container.volumeMounts.push_back({.name = "www", .mountPath = "/data"});
  set.spec.template_.spec.containers.push_back(container);
  set.spec.template_.spec.initContainers.push_back(container);
  set.spec.template_.spec.initContainers.Mutable(0).name = "first";
  core::v1::PersistentVolumeClaim claim;
  claim.metadata.name = "www";
  claim.spec.accessModes.push_back("ReadWriteOnce");
  claim.spec.resources.requests["storage"] = "1Gi";
  SECTION("a claim template") {
    set.spec.volumeClaimTemplates.push_back(claim);
    CHECK(f.client->Create(set).status().ToString() == "OK");
  }
  SECTION("in place of a volume of that name") {
    set.spec.volumeClaimTemplates.push_back(claim);
    core::v1::Volume volume;
    volume.name = "www";
    volume.emptyDir.Mutable();
    set.spec.template_.spec.volumes.push_back(volume);
    CHECK(f.client->Create(set).status().ToString() == "OK");
  }
  SECTION("a host name that the controller will replace") {
    set.spec.volumeClaimTemplates.push_back(claim);
    set.spec.template_.spec.hostname = "not.a.label";
    CHECK(f.client->Create(set).status().ToString() == "OK");
  }
  SECTION("but nothing that nobody gives") {
    claim.metadata.name = "other";
    set.spec.volumeClaimTemplates.push_back(claim);
    CheckInvalid(f.client->Create(set).status(),
                 "spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"www\"");
  }
}

TEST_CASE("jobs select their own pods and are sealed") {
  Fixture f;
  batch::v1::Job job;
  job.metadata.name = "once";
  job.metadata.namespace_ = "default";
  job.spec.template_.spec = MakePod("x").spec;
  CheckInvalid(f.client->Create(job).status(),
               "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"");
  job.spec.template_.spec.restartPolicy = "Never";
  job = f.client->Create(job).value();
  CHECK(job.spec.completions == 1);
  CHECK(job.spec.backoffLimit == 6);
  CHECK(*job.spec.selector->matchLabels.Find("batch.kubernetes.io/controller-uid") == job.metadata.uid);
  CHECK(*job.spec.template_.metadata.labels.Find("job-name") == "once");
  job.spec.template_.spec.containers.Mutable(0).image = "other:1";
  CheckInvalid(f.client->Update(job).status(), "field is immutable");
}

TEST_CASE("services: one address each, kept, and free again when they go") {
  Fixture f;
  const Service kubernetes = f.client->Get<Service>("default", "kubernetes").value();
  CHECK(kubernetes.spec.clusterIP == "10.96.0.1");
  Service a = f.client->Create(MakeService("a")).value();
  const Service b = f.client->Create(MakeService("b")).value();
  CHECK(a.spec.clusterIP.view().starts_with("10."));
  CHECK_FALSE(a.spec.clusterIP == b.spec.clusterIP);
  CHECK(a.spec.clusterIPs.size() == 1);
  CHECK(a.spec.ports[0].protocol == "TCP");
  CHECK(a.spec.ports[0].targetPort == IntOrString(80));
  CHECK(*a.spec.ipFamilyPolicy == "SingleStack");
  const auto address = f.client->Get<networking::v1::IPAddress>("", a.spec.clusterIP.view());
  REQUIRE(address.ok());
  CHECK(address->spec.parentRef->name == "a");

  Service forgetful = MakeService("a", 81);
  const Service updated = f.client->Update(forgetful).value();
  CHECK(updated.spec.clusterIP == a.spec.clusterIP);
  Service moved = updated;
  moved.spec.clusterIP = "10.96.7.7";
  CheckInvalid(f.client->Update(moved).status(),
               "spec.clusterIPs[0]: Invalid value: \"10.96.7.7\": may not change once set");

  Service taken = MakeService("c");
  taken.spec.clusterIP = a.spec.clusterIP;
  CheckInvalid(f.client->Create(taken).status(), "provided IP is already allocated");
  taken.spec.clusterIP = "192.168.0.1";
  CheckInvalid(f.client->Create(taken).status(), "is not in the valid range");

  REQUIRE(f.client->Delete<Service>("default", "a").ok());
  taken.spec.clusterIP = a.spec.clusterIP;
  CHECK(f.client->Create(taken).ok());
}

TEST_CASE("services: headless, by name, on node ports") {
  Fixture f;
  Service headless = MakeService("headless");
  headless.spec.clusterIP = "None";
  CHECK(f.client->Create(headless)->spec.clusterIPs[0] == "None");
  Service external = MakeService("external");
  external.spec.ports.clear();
  external.spec.type = "ExternalName";
  CheckInvalid(f.client->Create(external).status(), "spec.externalName: Required value");
  external.spec.externalName = "example.com";
  CHECK(f.client->Create(external)->spec.clusterIP.empty());

  Service node = MakeService("node");
  node.spec.type = "NodePort";
  node = f.client->Create(node).value();
  const std::int32_t port = node.spec.ports[0].nodePort;
  CHECK(port >= 30000);
  CHECK(port <= 32767);
  Service same = MakeService("same");
  same.spec.type = "NodePort";
  same.spec.ports.Mutable(0).nodePort = port;
  CheckInvalid(f.client->Create(same).status(), "spec.ports[0].nodePort");
  same.spec.ports.Mutable(0).nodePort = 80;
  CheckInvalid(f.client->Create(same).status(), "The range of valid ports is 30000-32767");
  Service two = MakeService("two");
  two.spec.ports.push_back(two.spec.ports[0]);
  CheckInvalid(f.client->Create(two).status(), "spec.ports[0].name: Required value");
}

TEST_CASE("services: a node port is one service's, whoever asks at once") {
  Fixture f;
  const auto named = [](int i, std::int32_t node_port) {
    Service service = MakeService("s" + std::to_string(i));
    service.spec.type = "NodePort";
    service.spec.ports.Mutable(0).nodePort = node_port;
    return service;
  };
  // Creates s0 to s<count - 1>, all under way at the same time; returns the node ports that were given.
  const auto create_all = [&](int count, std::int32_t node_port) {
    std::mutex mu;
    std::condition_variable changed;
    std::vector<std::int32_t> given;
    int open = count;
    for (int i = 0; i < count; ++i) {
      f.client
          ->Do(Client::RequestFor<Service>(Verb::kCreate, named(i, node_port)), *f.strand,
               [&](Result<ApiResponse> result) {
                 std::lock_guard lock(mu);
                 if (result) given.push_back(result->object->As<Service>().spec.ports[0].nodePort);
                 if (--open == 0) changed.notify_all();
               })
          .Detach();
    }
    std::unique_lock lock(mu);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return open == 0; }));
    return given;
  };
  CHECK(create_all(40, 30080) == std::vector<std::int32_t>{30080});

  // It is free again once its service is gone, or has another.
  const auto services = [&] {
    std::vector<Service> all = f.client->List<Service>("default").value();
    std::erase_if(all, [](const Service& service) { return service.metadata.name == "kubernetes"; });
    return all;
  };
  REQUIRE(services().size() == 1);
  Service moved = services()[0];
  moved.spec.ports.Mutable(0).nodePort = 30081;
  moved = f.client->Update(moved).value();
  REQUIRE(f.client->Create(named(100, 30080)).ok());
  REQUIRE(f.client->Delete<Service>("default", "s100").ok());
  CheckInvalid(f.client->Create(named(101, 30081)).status(), "provided port is already allocated");
  moved.spec.type = "ClusterIP";
  REQUIRE(f.client->Update(moved)->spec.ports[0].nodePort == 0);
  CHECK(f.client->Create(named(101, 30081)).ok());
  CHECK(f.client->Create(named(102, 30080)).ok());

  for (const Service& service : services()) {
    REQUIRE(f.client->Delete<Service>("default", service.metadata.name.view()).ok());
  }
  const std::vector<std::int32_t> given = create_all(200, 0);
  CHECK(std::set<std::int32_t>(given.begin(), given.end()).size() == 200);
}

TEST_CASE("services: one node port for two protocols, one for health checks") {
  Fixture f;
  Service dns = MakeService("dns", 53);
  dns.spec.type = "LoadBalancer";
  dns.spec.externalTrafficPolicy = "Local";
  dns.spec.ports.Mutable(0).name = "tcp";
  dns.spec.ports.push_back(dns.spec.ports[0]);
  dns.spec.ports.Mutable(1).name = "udp";
  dns.spec.ports.Mutable(1).protocol = "UDP";
  dns = f.client->Create(dns).value();
  CHECK(dns.spec.ports[0].nodePort == dns.spec.ports[1].nodePort);
  const std::int32_t health = dns.spec.healthCheckNodePort;
  CHECK(health >= 30000);
  CHECK_FALSE(health == dns.spec.ports[0].nodePort);

  Service other = MakeService("other");
  other.spec.type = "NodePort";
  other.spec.ports.Mutable(0).protocol = "UDP";
  other.spec.ports.Mutable(0).nodePort = health;
  CheckInvalid(f.client->Create(other).status(), "provided port is already allocated");
  dns.spec.externalTrafficPolicy = "Cluster";
  dns.spec.healthCheckNodePort = 0;
  CHECK(f.client->Update(dns)->spec.healthCheckNodePort == 0);
  CHECK(f.client->Create(other).ok());
}

TEST_CASE("configuration: keys, and immutability once asked for") {
  Fixture f;
  core::v1::ConfigMap map;
  map.metadata.name = "m";
  map.metadata.namespace_ = "default";
  map.data["a key"] = "v";
  CheckInvalid(f.client->Create(map).status(),
               "data[a key]: Invalid value: \"a key\": a valid config key must consist of");
  map.data.clear();
  map.data["key"] = "v";
  map.immutable = true;
  map = f.client->Create(map).value();
  map.data["key"] = "w";
  CheckInvalid(f.client->Update(map).status(), "data: Forbidden: field is immutable when `immutable` is set");

  core::v1::Secret secret;
  secret.metadata.name = "s";
  secret.metadata.namespace_ = "default";
  secret.stringData["password"] = "hunter2";
  secret = f.client->Create(secret).value();
  CHECK(secret.type == "Opaque");
  CHECK(secret.data.Find("password")->view() == "hunter2");
  CHECK(secret.stringData.empty());
  secret.type = "kubernetes.io/tls";
  CheckInvalid(f.client->Update(secret).status(), "type: Invalid value");
}

TEST_CASE("nodes bring their status, and take no pods before they are seen ready") {
  Fixture f;
  core::v1::Node node;
  node.metadata.name = "n1";
  node.status.capacity["cpu"] = "4";
  node = f.client->Create(node).value();
  CHECK(node.status.allocatable.Find("cpu")->text == "4");
  REQUIRE(node.spec.taints.size() == 1);
  CHECK(node.spec.taints[0].key == "node.kubernetes.io/not-ready");
}

TEST_CASE("names: each kind has its rule") {
  Fixture f;
  CheckInvalid(f.client->Create(MakeService("1web")).status(), "a DNS-1035 label must consist of");
  core::v1::Namespace ns;
  ns.metadata.name = "a.b";
  CheckInvalid(f.client->Create(ns).status(), "metadata.name: Invalid value: \"a.b\": must not contain dots");
  scheduling::v1::PriorityClass priority;
  priority.metadata.name = "system-mine";
  CheckInvalid(f.client->Create(priority).status(), "priority class names with 'system-' prefix are reserved");
}

TEST_CASE("events: one storage, two groups, and they expire with their lease") {
  Fixture f;
  core::v1::Event event;
  event.metadata.name = "e";
  event.metadata.namespace_ = "default";
  event.involvedObject.kind = "Pod";
  event.involvedObject.name = "web";
  event.involvedObject.namespace_ = "default";
  event.reason = "Started";
  event.message = "Started container";
  (void)f.client->Create(event).value();
  const auto other = f.client->Get<events::v1::Event>("default", "e").value();
  CHECK(other.regarding.name == "web");
  CHECK(other.note == "Started container");
  ApiRequest list = Request<events::v1::Event>(Verb::kList, "default", "");
  list.field_selector = "regarding.kind=Pod,reason=Started";
  CHECK(f.client->DoSync(list)->items.size() == 1);

  const std::optional<KeyValue> stored = f.store->Get("/registry/events/default/e").value();
  REQUIRE(stored);
  REQUIRE(stored->lease != 0);
  REQUIRE(f.store->RevokeLease(stored->lease).ok());
  CHECK(f.client->Get<core::v1::Event>("default", "e").status().code() == Code::kNotFound);

  event.metadata.name = "elsewhere";
  event.metadata.namespace_ = "kube-system";
  CheckInvalid(f.client->Create(event).status(),
               "involvedObject.namespace: Invalid value: \"default\": does not match");
}

TEST_CASE("events: the younger group is told what is missing and what does not change") {
  Fixture f;
  events::v1::Event event;
  event.metadata.name = "e";
  event.metadata.namespace_ = "default";
  event.regarding.kind = "Pod";
  event.regarding.namespace_ = "default";
  event.reason = "Started";
  event.type = "Normal";
  event.note = "Started container";
  CheckInvalid(f.client->Create(event).status(), "eventTime: Required value");
  event.eventTime = MicroTime{Instant::FromUnixMicros(1'000'000)};
  const Status status = f.client->Create(event).status();
  CheckInvalid(status, "reportingController: Required value");
  CheckInvalid(status, "reportingInstance: Required value");
  CheckInvalid(status, "action: Required value");
  event.reportingController = "example.com/test";
  event.reportingInstance = "test-1";
  event.action = "Start";
  event.deprecatedCount = 3;
  CheckInvalid(f.client->Create(event).status(), "count: Invalid value: \"\": needs to be unset");
  event.deprecatedCount = 0;
  event.type = "Odd";
  CheckInvalid(f.client->Create(event).status(), "type: Invalid value: \"\": has invalid value: Odd");
  event.type = "Normal";
  event = f.client->Create(event).value();

  event.series.Mutable().count = 1;
  CheckInvalid(f.client->Update(event).status(), "series.count: Invalid value: \"\": should be at least 2");
  event.series.Mutable().count = 2;
  event.series.Mutable().lastObservedTime = event.eventTime;
  event = f.client->Update(event).value();
  event.note = "Changed";
  CheckInvalid(f.client->Update(event).status(), "message: Invalid value: \"Changed\": field is immutable");
}

TEST_CASE("leases: created by PUT, and never overwritten blindly") {
  Fixture f;
  coordination::v1::Lease lease;
  lease.metadata.name = "n1";
  lease.metadata.namespace_ = "kube-node-lease";
  lease.spec.holderIdentity = Str("n1");
  CHECK(f.client->Update(lease).ok());
  CheckInvalid(f.client->Update(lease).status(),
               "metadata.resourceVersion: Invalid value: 0: must be specified for an update");
}

TEST_CASE("storage: keys and values as Kubernetes lays them out") {
  Fixture f;
  (void)f.client->Create(MakePod("web")).value();
  (void)f.client->Create(MakeService("web")).value();
  for (const char* key :
       {"/registry/pods/default/web", "/registry/services/specs/default/web", "/registry/namespaces/default",
        "/registry/clusterroles/cluster-admin", "/registry/priorityclasses/system-node-critical"}) {
    CAPTURE(key);
    const std::optional<KeyValue> stored = f.store->Get(key).value();
    REQUIRE(stored);
    CHECK(stored->value.starts_with(std::string_view("k8s\0", 4)));
  }
  // The value does not say at which revision it is: the store does.
  const std::optional<KeyValue> pod = f.store->Get("/registry/pods/default/web").value();
  const Result<ObjectPtr> decoded = Decode(MediaType::kProtobuf, pod->value, nullptr);
  REQUIRE(decoded.ok());
  CHECK((*decoded)->meta().resourceVersion.empty());
}

TEST_CASE("a disruption budget has one bound") {
  Fixture f;
  policy::v1::PodDisruptionBudget budget;
  budget.metadata.name = "careful";
  budget.metadata.namespace_ = "default";
  budget.spec.minAvailable = IntOrString("50%");
  CHECK(f.client->Create(budget).ok());
  budget.metadata.name = "torn";
  budget.spec.maxUnavailable = IntOrString("1");
  CheckInvalid(f.client->Create(budget).status(), "minAvailable and maxUnavailable cannot be both set");
}

TEST_CASE("component statuses tell the health of the store") {
  Fixture f;
  using core::v1::ComponentStatus;
  const std::vector<ComponentStatus> all = f.client->List<ComponentStatus>("").value();
  REQUIRE(all.size() == 1);
  const ComponentStatus one = f.client->Get<ComponentStatus>("", all[0].metadata.name.view()).value();
  REQUIRE(one.conditions.size() == 1);
  CHECK(one.conditions[0].type == "Healthy");
  CHECK(one.conditions[0].status == "True");
  CHECK(f.client->Get<ComponentStatus>("", "other").status().code() == Code::kNotFound);
  CHECK(f.client->List<ComponentStatus>("", "a=b").value().empty());
}

TEST_CASE("who makes an object that would be enforced elsewhere is told that it is not here") {
  Fixture f;
  apiregistration::v1::APIService service;
  service.metadata.name = "v1.example.com";
  service.spec.group = "example.com";
  service.spec.version = "v1";
  service.spec.groupPriorityMinimum = 1000;
  service.spec.versionPriority = 10;
  const ApiResponse made = f.client->DoSync(Client::RequestFor(Verb::kCreate, service)).value();
  CHECK(made.warnings == std::vector<std::string>{"apiservices are stored, but this server does not act on them yet"});
  CHECK(f.client->DoSync(Client::RequestFor(Verb::kUpdate, made.object->As<apiregistration::v1::APIService>()))
            .value()
            .warnings.empty());
  CHECK(f.client->DoSync(Client::RequestFor(Verb::kCreate, MakePod("web"))).value().warnings.empty());
}

}  // namespace
}  // namespace minikube::api::testing
