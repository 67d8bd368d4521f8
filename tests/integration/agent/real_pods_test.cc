// The node agent with everything real but the scheduler: the API engine in process, and containers made by an OCI
// runtime.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <sstream>

#include <minikube/api/authentication/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/api_server.h>
#include <minikube/node_agent.h>
#include <minikube/store.h>

#include "integration/runtime/harness.h"

namespace minikube::test {
namespace {

namespace core = minikube::core::v1;
using namespace std::chrono_literals;

class RealNode {
 public:
  explicit RealNode(const std::string& root)
      : runtime_options(TestOptions(root + "/state")), agent_root_(root + "/agent"), env_(NewRealEnv(4)) {
    store_ = NewMemoryStore(*env_);
    ApiServerOptions options;
    options.listen = "";
    auto api = ApiServer::Start(std::move(options), *store_, *env_, Logger());
    REQUIRE(api.status().ToString() == "OK");
    api_ = std::move(api).value();
    client = api_->NewClient({"admin", "", {"system:masters", "system:authenticated"}});
    // Pods need both, and no controller is here to make them.
    core::ServiceAccount account;
    account.metadata.name = "default";
    account.metadata.namespace_ = "default";
    REQUIRE(client->Create(account).ok());
    core::ConfigMap authority;
    authority.metadata.name = "kube-root-ca.crt";
    authority.metadata.namespace_ = "default";
    authority.data["ca.crt"] = "certificate";
    REQUIRE(client->Create(authority).ok());
    StartAgent();
  }
  ~RealNode() {
    StopAgent();
    client.reset();
    api_->Stop();
    store_->Stop();
  }

  void StartAgent() {
    NodeAgentOptions options;
    options.node_name = "n1";
    options.root = agent_root_;
    auto started = NodeAgent::Start(
        options, api_->NewClient({"system:node:n1", "", {"system:nodes", "system:authenticated"}}),
        [this](Env& env, Strand& strand) { return NewOciRuntime(runtime_options, env, strand); }, *env_, Logger());
    REQUIRE(started.status().ToString() == "OK");
    agent = std::move(started).value();
  }
  void StopAgent() {
    if (agent != nullptr) agent->Stop();
    agent.reset();
  }

  core::Pod Shell(const std::string& name, const std::string& script) {
    core::Pod pod;
    pod.metadata.name = name;
    pod.metadata.namespace_ = "default";
    pod.spec.nodeName = "n1";
    pod.spec.terminationGracePeriodSeconds = 5;
    core::Container container;
    container.name = "main";
    container.image = "test/busybox";
    container.imagePullPolicy = "IfNotPresent";
    container.command = {"sh", "-c", Str(script)};
    pod.spec.containers = {container};
    return pod;
  }
  core::Pod Get(const std::string& name) { return client->Get<core::Pod>("default", name).value(); }
  bool Until(const std::string& name, const std::function<bool(const core::Pod&)>& condition) {
    const bool held = Eventually([&] {
      const auto pod = client->Get<core::Pod>("default", name);
      return pod.ok() && condition(*pod);
    });
    if (!held) {
      const auto pod = client->Get<core::Pod>("default", name);
      if (pod.ok()) UNSCOPED_INFO(name << " is " << pod->status.phase.view());
      const auto events = client->List<core::Event>("default");
      if (events.ok()) {
        for (const core::Event& event : *events) UNSCOPED_INFO(event.reason.view() << ": " << event.message.view());
      }
    }
    return held;
  }
  bool UntilReady(const std::string& name) {
    return Until(name, [](const core::Pod& pod) { return IsReady(pod); });
  }
  static bool IsReady(const core::Pod& pod) {
    return std::any_of(pod.status.conditions.begin(), pod.status.conditions.end(),
                       [](const core::PodCondition& c) { return c.type == "Ready" && c.status == "True"; });
  }
  // "reason: message" of every event about that pod.
  std::vector<std::string> Events(const std::string& name) {
    std::vector<std::string> out;
    for (const core::Event& event : client->List<core::Event>("default").value()) {
      if (event.involvedObject.name == name) out.push_back(event.reason.str() + ": " + event.message.str());
    }
    return out;
  }
  bool UntilEvent(const std::string& name, const std::string& text) {
    const bool seen = Until(name, [&](const core::Pod&) {
      const auto events = Events(name);
      return std::find(events.begin(), events.end(), text) != events.end();
    });
    if (!seen) {
      for (const std::string& event : Events(name)) UNSCOPED_INFO(event);
    }
    return seen;
  }
  // How often events of that reason were reported.
  int Count(const std::string& name, std::string_view reason) {
    int count = 0;
    for (const core::Event& event : client->List<core::Event>("default").value()) {
      if (event.involvedObject.name == name && event.reason == reason) count += std::max(event.count, 1);
    }
    return count;
  }
  bool UntilPhase(const std::string& name, std::string_view phase) {
    return Until(name, [&](const core::Pod& pod) { return pod.status.phase == phase; });
  }
  bool UntilGone(const std::string& name) {
    return Eventually([&] { return client->Get<core::Pod>("default", name).status().code() == Code::kNotFound; });
  }

  // The whole log of a container; a followed one until it ends.
  std::string Log(const std::string& name, bool follow = false, bool previous = false) {
    struct Reading {
      std::mutex mu;
      std::condition_variable changed;
      std::string text;
      bool ended = false;
    };
    auto reading = std::make_shared<Reading>();
    auto strand = env_->NewStrand("reader");
    LogRequest request;
    request.ns = "default";
    request.pod = name;
    request.container = "main";
    request.follow = follow;
    request.previous = previous;
    auto stream = agent->StreamLog(
        request, *strand,
        [reading](std::string data) {
          std::lock_guard lock(reading->mu);
          reading->text += data;
        },
        [reading](Status status) {
          std::lock_guard lock(reading->mu);
          if (!status.ok()) reading->text += status.ToString();
          reading->ended = true;
          reading->changed.notify_all();
        });
    std::unique_lock lock(reading->mu);
    const bool ended = reading->changed.wait_for(lock, 60s, [&] { return reading->ended; });
    lock.unlock();
    strand->Stop();
    stream.reset();
    return ended ? reading->text : "(the log did not end) " + reading->text;
  }

  OciRuntimeOptions runtime_options;
  std::unique_ptr<Client> client;
  std::shared_ptr<NodeAgent> agent;
  const std::string& agent_root() const { return agent_root_; }

 private:
  std::string agent_root_;
  std::unique_ptr<Env> env_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ApiServer> api_;
};

bool IsEmpty(const std::string& dir) { return std::filesystem::is_empty(dir); }

TEST_CASE("a real pod has its volumes, its environment and its order", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  RealNode node(dir.path());
  core::ConfigMap settings;
  settings.metadata.name = "settings";
  settings.metadata.namespace_ = "default";
  settings.data["greeting"] = "hello";
  REQUIRE(node.client->Create(settings).ok());

  core::Pod pod = node.Shell("p",
                             "echo $(GREETING) $NAME; cat /shared/from-init /etc/settings/greeting; echo; "
                             "echo -n farewell > /dev/termination-log; exit 3");
  pod.spec.restartPolicy = "Never";
  core::Container& main = pod.spec.containers.Mutable(0);
  core::EnvVar greeting;
  greeting.name = "GREETING";
  greeting.valueFrom.Mutable().configMapKeyRef.Mutable().name = "settings";
  greeting.valueFrom.Mutable().configMapKeyRef.Mutable().key = "greeting";
  core::EnvVar name;
  name.name = "NAME";
  name.valueFrom.Mutable().fieldRef.Mutable().fieldPath = "metadata.name";
  main.env = {greeting, name};
  core::VolumeMount shared;
  shared.name = "shared";
  shared.mountPath = "/shared";
  core::VolumeMount config;
  config.name = "config";
  config.mountPath = "/etc/settings";
  main.volumeMounts = {shared, config};
  core::Container init = main;
  init.name = "init";
  init.command = {"sh", "-c", "echo before > /shared/from-init"};
  pod.spec.initContainers = {init};
  core::Volume empty;
  empty.name = "shared";
  empty.emptyDir.Mutable().medium = "Memory";
  core::Volume from_config;
  from_config.name = "config";
  from_config.configMap.Mutable().name = "settings";
  pod.spec.volumes = {empty, from_config};
  REQUIRE(node.client->Create(pod).status().ToString() == "OK");

  REQUIRE(node.UntilPhase("p", "Failed"));
  const core::ContainerStatus status = node.Get("p").status.containerStatuses[0];
  CHECK(status.state.terminated->exitCode == 3);
  CHECK(status.state.terminated->message == "farewell");
  CHECK(node.Log("p") == "hello p\nbefore\nhello\n");
  REQUIRE(node.client->Delete<core::Pod>("default", "p").ok());
  // A pod that has ended is deleted at once; its node cleans up when it hears of it.
  REQUIRE(node.UntilGone("p"));
  CHECK(Eventually([&] { return IsEmpty(node.agent_root() + "/pods") && IsEmpty(node.agent_root() + "/logs/pods"); }));
}

TEST_CASE("a real pod has what its programs reach the API server with", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  RealNode node(dir.path());
  core::Pod pod =
      node.Shell("p",
                 "cd /var/run/secrets/kubernetes.io/serviceaccount && cat namespace && echo && cat ca.crt && "
                 "echo && cat token && echo && echo $KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT && "
                 "(echo x > token) 2>/dev/null || echo read-only");
  pod.spec.restartPolicy = "Never";
  REQUIRE(node.client->Create(pod).status().ToString() == "OK");
  REQUIRE(node.UntilPhase("p", "Succeeded"));
  std::istringstream log(node.Log("p"));
  std::string ns;
  std::string authority;
  authentication::v1::TokenReview review;
  std::string token;
  std::string server;
  std::string writable;
  log >> ns >> authority >> token >> server >> writable;
  CHECK(ns == "default");
  CHECK(authority == "certificate");
  CHECK(server == "10.96.0.1:443");
  CHECK(writable == "read-only");
  review.spec.token = token;
  const auto reviewed = node.client->Create(review);
  REQUIRE(reviewed.ok());
  CHECK(reviewed->status.error.view() == "");
  CHECK(reviewed->status.user.username == "system:serviceaccount:default:default");
  CHECK(reviewed->status.user.extra.Find("authentication.kubernetes.io/pod-name")->items == List<Str>{Str("p")});
  REQUIRE(node.client->Delete<core::Pod>("default", "p").ok());
  REQUIRE(node.UntilGone("p"));
  CHECK(Eventually([&] { return IsEmpty(node.agent_root() + "/pods"); }));
}

TEST_CASE("a real pod outlives its agent, is probed, followed, and stops when told", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  RealNode node(dir.path());
  core::Pod pod =
      node.Shell("p", "trap 'echo bye; exit 0' TERM; echo up; touch /ready; while true; do sleep 0.05; done");
  core::Probe probe;
  probe.exec.Mutable().command = {"cat", "/ready"};
  probe.periodSeconds = 1;
  pod.spec.containers.Mutable(0).readinessProbe = probe;
  REQUIRE(node.client->Create(pod).status().ToString() == "OK");
  REQUIRE(node.UntilReady("p"));
  const Str id = node.Get("p").status.containerStatuses[0].containerID;

  node.StopAgent();
  node.StartAgent();
  // The new agent acts on the old container: it hears of the deletion, and its log goes on.
  REQUIRE(Eventually([&] { return node.Log("p") == "up\n"; }));
  CHECK(node.Get("p").status.containerStatuses[0].containerID == id);
  CHECK(node.Get("p").status.containerStatuses[0].restartCount == 0);
  REQUIRE(node.client->Delete<core::Pod>("default", "p").ok());
  CHECK(node.Log("p", true) == "up\nbye\n");
  REQUIRE(node.UntilGone("p"));
}

TEST_CASE("real containers that fail say why, and are restarted", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  RealNode node(dir.path());
  REQUIRE(node.client->Create(node.Shell("crash", "echo run; exit 4")).ok());
  core::Pod missing = node.Shell("missing", "");
  missing.spec.containers.Mutable(0).command = {"no-such-program"};
  REQUIRE(node.client->Create(missing).ok());
  const auto backs_off = [](const core::Pod& pod) {
    if (pod.status.containerStatuses.empty()) return false;
    const core::ContainerStatus& status = pod.status.containerStatuses[0];
    return status.state.waiting && status.state.waiting->reason == "CrashLoopBackOff" && status.restartCount == 1;
  };
  REQUIRE(node.Until("crash", backs_off));
  CHECK(node.Get("crash").status.containerStatuses[0].lastState.terminated->exitCode == 4);
  CHECK(node.Log("crash") == "run\n");
  CHECK(node.Log("crash", false, true) == "run\n");
  REQUIRE(node.Until("missing", backs_off));
  // Also while the next run is being made.
  REQUIRE(node.Until("crash", [&](const core::Pod& pod) {
    CHECK(node.Log("crash", false, true) == "run\n");
    return pod.status.containerStatuses[0].restartCount == 2;
  }));
  const auto& last = node.Get("missing").status.containerStatuses[0].lastState.terminated;
  CHECK(last->reason == "StartError");
  CHECK(last->message.view().find("executable file not found in $PATH") != std::string_view::npos);
  for (const char* name : {"crash", "missing"}) REQUIRE(node.client->Delete<core::Pod>("default", name).ok());
  REQUIRE(node.UntilGone("crash"));
  REQUIRE(node.UntilGone("missing"));
}

TEST_CASE("a real pod that is being deleted is as ready as its probe says, until it has stopped", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  RealNode node(dir.path());
  const std::string control = dir.path() + "/control";
  std::filesystem::create_directory(control);
  core::Pod pod = node.Shell(
      "p", "trap 'touch /control/told' TERM; touch /control/ready; while [ ! -e /control/end ]; do sleep 0.05; done");
  pod.spec.terminationGracePeriodSeconds = 600;
  core::Volume volume;
  volume.name = "control";
  volume.hostPath.Mutable().path = Str(control);
  pod.spec.volumes = {volume};
  core::Container& main = pod.spec.containers.Mutable(0);
  core::VolumeMount mount;
  mount.name = "control";
  mount.mountPath = "/control";
  main.volumeMounts = {mount};
  core::Probe probe;
  probe.exec.Mutable().command = {"cat", "/control/ready"};
  probe.periodSeconds = 1;
  probe.failureThreshold = 1;
  main.readinessProbe = probe;
  REQUIRE(node.client->Create(pod).status().ToString() == "OK");
  REQUIRE(node.UntilReady("p"));

  REQUIRE(node.client->Delete<core::Pod>("default", "p").ok());
  REQUIRE(Eventually([&] { return std::filesystem::exists(control + "/told"); }));
  CHECK(node.IsReady(node.Get("p")));
  std::filesystem::remove(control + "/ready");
  REQUIRE(node.Until("p", [](const core::Pod& now) { return !RealNode::IsReady(now); }));
  CHECK(node.Get("p").status.containerStatuses[0].state.running);
  WriteFile(control + "/end", "");
  REQUIRE(node.UntilGone("p"));
}

TEST_CASE("what probes of real containers say is what the kubelet says", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  RealNode node(dir.path());
  const auto probe = [](List<Str> command) {
    core::Probe out;
    out.exec.Mutable().command = std::move(command);
    out.periodSeconds = 1;
    out.timeoutSeconds = 1;
    out.failureThreshold = 1000;
    return out;
  };
  core::Pod pod = node.Shell("p", "sleep 1000");
  pod.spec.containers.Mutable(0).livenessProbe = probe({"sh", "-c", "echo out; echo err >&2; exit 1"});
  pod.spec.containers.Mutable(0).readinessProbe = probe({"sleep", "10"});
  REQUIRE(node.client->Create(pod).ok());
  core::Pod silent = node.Shell("silent", "sleep 1000");
  silent.spec.containers.Mutable(0).livenessProbe = probe({"sh", "-c", "exit 1"});
  REQUIRE(node.client->Create(silent).ok());
  CHECK(node.UntilEvent("p", "Unhealthy: Liveness probe failed: out\nerr\n"));
  CHECK(node.UntilEvent("p", "Unhealthy: Readiness probe failed: command timed out: \"sleep 10\" timed out after 1s"));
  CHECK(node.UntilEvent("silent", "Unhealthy: Liveness probe failed: "));
  for (const char* name : {"p", "silent"}) {
    REQUIRE(node.client->Delete<core::Pod>("default", name).ok());
    REQUIRE(node.UntilGone(name));
  }
}

TEST_CASE("a real pod whose node has no pod network runs, and says so once", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host other(TestOptions(dir.path() + "/other"));  // has the bridge
  REQUIRE(other.RunSandbox(other.Sandbox("other")).ok());
  RealNode node(dir.path());
  REQUIRE(node.client->Create(node.Shell("p", "sleep 1000")).ok());
  REQUIRE(node.UntilReady("p"));
  CHECK(node.Get("p").status.podIP.empty());
  const std::string text = "NetworkNotReady: no pod network, only loopback: bridge " + node.runtime_options.bridge +
                           " is used by another runtime on this machine";
  CHECK(node.UntilEvent("p", text));
  CHECK(node.Count("p", "NetworkNotReady") == 1);
  REQUIRE(node.client->Delete<core::Pod>("default", "p").ok());
  REQUIRE(node.UntilGone("p"));
  CHECK(other.RemoveSandbox("other").status().ToString() == "OK");
}

// A volume of the built-in provisioner's on the node, as its controller would make it, bound to a claim.
void MakeBoundClaim(RealNode& node) {
  core::PersistentVolumeClaim claim;
  claim.metadata.name = "data";
  claim.metadata.namespace_ = "default";
  claim.metadata.annotations["pv.kubernetes.io/bind-completed"] = "yes";
  claim.spec.accessModes = {"ReadWriteOnce"};
  claim.spec.resources.requests["storage"] = "1Gi";
  claim.spec.volumeName = "pvc-1";
  claim = node.client->Create(claim).value();
  core::PersistentVolume volume;
  volume.metadata.name = "pvc-1";
  volume.metadata.annotations["pv.kubernetes.io/provisioned-by"] = "minikube.dev/local-path";
  volume.metadata.finalizers = {"minikube.dev/local-path"};
  volume.spec.accessModes = claim.spec.accessModes;
  volume.spec.capacity = claim.spec.resources.requests;
  volume.spec.persistentVolumeReclaimPolicy = "Delete";
  volume.spec.local.Mutable().path = node.agent_root() + "/local-path/pvc-1";
  core::NodeSelectorRequirement here;
  here.key = "kubernetes.io/hostname";
  here.operator_ = "In";
  here.values = {"n1"};
  core::NodeSelectorTerm term;
  term.matchExpressions = {here};
  volume.spec.nodeAffinity.Mutable().required.Mutable().nodeSelectorTerms = {term};
  core::ObjectReference& ref = volume.spec.claimRef.Mutable();
  ref.namespace_ = "default";
  ref.name = "data";
  ref.uid = claim.metadata.uid;
  volume = node.client->Create(volume).value();
  volume.status.phase = "Bound";
  REQUIRE(node.client->UpdateStatus(volume).ok());
  claim.status.phase = "Bound";
  REQUIRE(node.client->UpdateStatus(claim).ok());
}

core::Pod WithClaim(core::Pod pod) {
  core::Volume& volume = pod.spec.volumes.push_back({});
  volume.name = "data";
  volume.persistentVolumeClaim.Mutable().claimName = "data";
  core::VolumeMount& mount = pod.spec.containers.Mutable(0).volumeMounts.push_back({});
  mount.name = "data";
  mount.mountPath = "/data";
  return pod;
}

TEST_CASE("a node keeps the data of a claim for all its pods, and removes them when nobody uses them", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  RealNode node(dir.path());
  const std::string data = node.agent_root() + "/local-path/pvc-1";
  const auto volume = [&] { return node.client->Get<core::PersistentVolume>("", "pvc-1"); };
  core::Pod early = WithClaim(node.Shell("early", "echo one >> /data/log; sleep 1000"));
  REQUIRE(node.client->Create(early).ok());
  REQUIRE(node.UntilEvent("early",
                          "FailedMount: Unable to attach or mount volumes: unmounted volumes=[data], "
                          "unattached volumes=[], failed to process volumes=[data]: error processing PVC "
                          "default/data: failed to fetch PVC from API server: persistentvolumeclaim "
                          "\"data\" not found"));
  MakeBoundClaim(node);
  REQUIRE(node.UntilReady("early"));
  CHECK(volume()->metadata.annotations.Contains("minikube.dev/local-path-made"));
  REQUIRE(node.client->Delete<core::Pod>("default", "early").ok());
  REQUIRE(node.UntilGone("early"));
  core::Pod late = WithClaim(node.Shell("late", "cat /data/log; sleep 1000"));
  REQUIRE(node.client->Create(late).ok());
  REQUIRE(node.UntilReady("late"));
  CHECK(Eventually([&] { return node.Log("late") == "one\n"; }));

  // Released while a pod still has it, as when somebody takes the finalizers off the claim: the data stay, also through
  // a restart of the agent.
  core::PersistentVolume released = volume().value();
  released.status.phase = "Released";
  REQUIRE(node.client->UpdateStatus(released).ok());
  REQUIRE(node.client->Delete<core::PersistentVolume>("", "pvc-1").ok());
  REQUIRE(node.client
              ->Patch<core::PersistentVolume>("", "pvc-1", PatchType::kMerge,
                                              R"({"metadata":{"finalizers":["minikube.dev/local-path"]}})")
              .ok());
  const auto refused = [&] {
    for (const core::Event& event : node.client->List<core::Event>("").value()) {
      if (event.involvedObject.name == "pvc-1" && event.reason == "VolumeFailedDelete") return true;
    }
    return false;
  };
  CHECK(Eventually(refused));
  node.StopAgent();
  CHECK(std::filesystem::exists(data + "/log"));
  node.StartAgent();
  REQUIRE(node.UntilReady("late"));
  CHECK(volume().ok());
  CHECK(std::filesystem::exists(data + "/log"));
  REQUIRE(node.client->Delete<core::Pod>("default", "late").ok());
  REQUIRE(node.UntilGone("late"));
  CHECK(Eventually([&] { return volume().status().code() == Code::kNotFound; }));
  CHECK(IsEmpty(node.agent_root() + "/local-path"));
}

TEST_CASE("100 real pods start and stop, and leave nothing on the machine", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  RealNode node(dir.path());
  REQUIRE(node.client->Create(node.Shell("warm-up", "sleep 1000")).ok());
  REQUIRE(node.UntilReady("warm-up"));
  REQUIRE(node.client->Delete<core::Pod>("default", "warm-up").ok());
  REQUIRE(node.UntilGone("warm-up"));
  const Footprint before = TakeFootprint(node.runtime_options);

  for (int i = 0; i < 100; ++i) {
    REQUIRE(node.client->Create(node.Shell("p" + std::to_string(i), "trap 'exit 0' TERM; while true; do sleep 1; done"))
                .ok());
  }
  REQUIRE(Eventually([&] {
    const auto pods = node.client->List<core::Pod>("default").value();
    return std::all_of(pods.begin(), pods.end(), RealNode::IsReady);
  }));
  for (int i = 0; i < 100; ++i) REQUIRE(node.client->Delete<core::Pod>("default", "p" + std::to_string(i)).ok());
  REQUIRE(Eventually([&] { return node.client->List<core::Pod>("default").value().empty(); }));
  CHECK(IsEmpty(node.agent_root() + "/pods"));
  CHECK(IsEmpty(node.agent_root() + "/logs/pods"));
  // Links and network namespaces of other programs come and go; of its own the bridge is the last to go.
  Footprint after;
  CHECK(Eventually([&] {
    after = TakeFootprint(node.runtime_options);
    return after.mounts == before.mounts && after.cgroups == before.cgroups && after.processes == before.processes;
  }));
  CAPTURE(after.mounts, after.cgroups, after.processes);
  CHECK(Eventually([&] { return !std::filesystem::exists("/sys/class/net/" + node.runtime_options.bridge); }));
}

}  // namespace
}  // namespace minikube::test
