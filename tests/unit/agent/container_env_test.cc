#include <catch2/catch.hpp>

#include <map>

#include <minikube/client.h>

#include "agent/container_config.h"
#include "agent/container_env.h"

namespace minikube::agent {
namespace {

class FakeObjects final : public ObjectSource {
 public:
  Result<ObjectRef> Get(const ResourceDesc& resource, std::string_view ns, std::string_view name) override {
    const auto it = objects.find(std::string(resource.kind) + "/" + std::string(ns) + "/" + std::string(name));
    if (it != objects.end()) return it->second;
    return Status(Code::kNotFound, std::string(resource.singular) + " \"" + std::string(name) + "\" not found");
  }
  void Config(const std::string& name, Map<Str> data) {
    core::ConfigMap map;
    map.data = std::move(data);
    objects["ConfigMap/ns/" + name] = Share(std::move(map));
  }
  void Secret(const std::string& name, const std::string& key, const std::string& value) {
    core::Secret secret;
    secret.data[key] = Bytes{value};
    objects["Secret/ns/" + name] = Share(std::move(secret));
  }
  std::map<std::string, ObjectRef> objects;
};

struct World {
  World() {
    pod.metadata.name = "web-1";
    pod.metadata.namespace_ = "ns";
    pod.metadata.uid = "u-1";
    pod.metadata.labels["app"] = "web";
    pod.metadata.annotations["note"] = "say \"hi\"\n";
    pod.spec.nodeName = "n1";
    pod.spec.serviceAccountName = "robot";
    container.name = "main";
    pod.spec.containers = {container};
    facts.pod = &pod;
    facts.pod_ips = {"10.0.0.7", "fd00::7"};
    facts.host_ips = {"192.168.0.1"};
    facts.allocatable["cpu"] = "8";
    facts.allocatable["memory"] = "16Gi";
  }
  core::Pod pod;
  core::Container container;
  PodFacts facts;
  FakeObjects objects;
};

core::EnvVar Plain(const std::string& name, const std::string& value) {
  core::EnvVar out;
  out.name = name;
  out.value = value;
  return out;
}

TEST_CASE("$(NAME) is expanded where the name is known", "[agent]") {
  const EnvList env = {{"A", "1"}, {"B_2", "two"}};
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"", ""},
      {"$(A)", "1"},
      {"x$(A)y$(B_2)z", "x1ytwoz"},
      {"$$(A)", "$(A)"},
      {"$$$(A)", "$1"},
      {"$(NOPE)", "$(NOPE)"},
      {"$A", "$A"},
      {"$(A", "$(A"},
      {"tail$", "tail$"},
      {"$()", "$()"},
      {"$(A)$", "1$"},
  }));
  REQUIRE(Expand(text, LookupIn(env)) == expected);
}

TEST_CASE("the downward API", "[agent]") {
  World w;
  const auto [path, expected] = GENERATE(table<std::string, std::string>({
      {"metadata.name", "web-1"},
      {"metadata.namespace", "ns"},
      {"metadata.uid", "u-1"},
      {"metadata.labels['app']", "web"},
      {"metadata.labels['none']", ""},
      {"metadata.labels", "app=\"web\""},
      {"metadata.annotations", "note=\"say \\\"hi\\\"\\n\""},
      {"spec.nodeName", "n1"},
      {"spec.serviceAccountName", "robot"},
      {"status.hostIP", "192.168.0.1"},
      {"status.podIP", "10.0.0.7"},
      {"status.podIPs", "10.0.0.7,fd00::7"},
  }));
  CAPTURE(path);
  REQUIRE(FieldValue(w.facts, path).value() == expected);
  REQUIRE(FieldValue(w.facts, "spec.secrets").status().code() == Code::kBadRequest);
}

TEST_CASE("resources as values, rounded up in units of the divisor", "[agent]") {
  World w;
  w.container.resources.limits["cpu"] = "1500m";
  w.container.resources.requests["memory"] = "1000001";
  const auto [resource, divisor, expected] = GENERATE(table<std::string, std::string, std::string>({
      {"limits.cpu", "", "2"},
      {"limits.cpu", "1m", "1500"},
      {"requests.memory", "1k", "1001"},
      {"limits.memory", "1Gi", "16"},  // no limit: the node's
      {"requests.cpu", "", "0"},
  }));
  core::ResourceFieldSelector selector;
  selector.resource = resource;
  selector.divisor = Quantity(divisor);
  CAPTURE(resource, divisor);
  REQUIRE(ResourceValue(w.facts, w.container, selector).value() == expected);
}

TEST_CASE("the environment: sources in order, later ones win", "[agent]") {
  World w;
  w.objects.Config("all", {{"A", "from-config"}, {"B", "config-b"}, {"bad=name", "x"}});
  w.objects.Secret("s", "key", "hidden");
  core::EnvFromSource from;
  from.prefix = "P_";
  from.configMapRef.Mutable().name = "all";
  w.container.envFrom = {from};
  core::EnvVar secret;
  secret.name = "S";
  secret.valueFrom.Mutable().secretKeyRef.Mutable().name = "s";
  secret.valueFrom.Mutable().secretKeyRef.Mutable().key = "key";
  core::EnvVar missing;
  missing.name = "M";
  missing.valueFrom.Mutable().configMapKeyRef.Mutable().name = "none";
  missing.valueFrom.Mutable().configMapKeyRef.Mutable().optional = true;
  w.container.env = {Plain("P_B", "own"), Plain("C", "$(P_A) and $(P_B)"), secret, missing};
  const EnvList env = ResolveEnv(w.facts, w.container, w.objects).value();
  REQUIRE(env == EnvList{{"P_A", "from-config"}, {"P_B", "own"}, {"C", "from-config and own"}, {"S", "hidden"}});
}

TEST_CASE("a missing source is an error with its name", "[agent]") {
  World w;
  core::EnvVar variable;
  variable.name = "X";
  variable.valueFrom.Mutable().configMapKeyRef.Mutable().name = "cfg";
  variable.valueFrom.Mutable().configMapKeyRef.Mutable().key = "k";
  w.container.env = {variable};
  REQUIRE(ResolveEnv(w.facts, w.container, w.objects).status().message() == "configmap \"cfg\" not found");
  w.objects.Config("cfg", {{"other", "1"}});
  REQUIRE(ResolveEnv(w.facts, w.container, w.objects).status().message() == "couldn't find key k in ConfigMap ns/cfg");
}

struct Prepared : World {
  Result<PreparedContainer> Prepare() {
    pod.spec.containers = {container};
    image.reference = "docker.io/library/app:1";
    const PodPaths paths("/root", pod);
    ContainerInputs in;
    in.facts = &facts;
    in.container = &container;
    in.image = &image;
    in.volumes = &volumes;
    in.paths = &paths;
    in.objects = &objects;
    in.sandbox_id = "sandbox";
    in.attempt = 2;
    in.memory_capacity = std::int64_t{16} << 30;
    return PrepareContainer(in);
  }
  const Mount* MountAt(const PreparedContainer& prepared, std::string_view target) {
    for (const Mount& mount : prepared.config.mounts) {
      if (mount.target == target) return &mount;
    }
    return nullptr;
  }
  ImageInfo image;
  std::vector<PlannedVolume> volumes;
};

TEST_CASE("command and arguments are expanded with the container's own environment", "[agent]") {
  Prepared p;
  p.container.env = {Plain("WHO", "world")};
  p.container.command = {"echo"};
  p.container.args = {"hello $(WHO)"};
  const PreparedContainer prepared = p.Prepare().value();
  REQUIRE(prepared.config.command == std::vector<std::string>{"echo"});
  REQUIRE(prepared.config.args == std::vector<std::string>{"hello world"});
  REQUIRE(prepared.config.log_path == "/root/logs/pods/ns_web-1_u-1/main/2.log");
  REQUIRE(prepared.config.env.front() == std::pair<std::string, std::string>{"HOSTNAME", "web-1"});
}

TEST_CASE("volumes are mounted where the container wants them", "[agent]") {
  Prepared p;
  PlannedVolume data;
  data.name = "data";
  PlannedVolume host;
  host.name = "host";
  host.kind = PlannedVolume::Kind::kHostPath;
  host.host_path = "/srv";
  p.volumes = {data, host};
  core::VolumeMount whole;
  whole.name = "data";
  whole.mountPath = "/data";
  core::VolumeMount part;
  part.name = "host";
  part.mountPath = "/etc/hosts";
  part.subPath = "hosts";
  part.readOnly = true;
  part.mountPropagation = Str("HostToContainer");
  p.container.volumeMounts = {whole, part};
  const PreparedContainer prepared = p.Prepare().value();
  REQUIRE(p.MountAt(prepared, "/data")->source == "/root/pods/u-1/volumes/data");
  const Mount* hosts = p.MountAt(prepared, "/etc/hosts");
  REQUIRE(hosts->source == "/root/pods/u-1/subpaths/main/1");
  REQUIRE(hosts->read_only);
  REQUIRE(hosts->propagation == "rslave");
  REQUIRE(prepared.binds.size() == 1);
  REQUIRE(prepared.binds[0].volume == "/srv");
  // The pod's own files fill what the container left free.
  REQUIRE(p.MountAt(prepared, "/etc/resolv.conf")->source == "/root/pods/u-1/etc/resolv.conf");
  REQUIRE(p.MountAt(prepared, "/dev/termination-log")->source == prepared.termination_path);
  p.container.volumeMounts.Mutable(0).name = "none";
  REQUIRE(p.Prepare().status().code() == Code::kBadRequest);
}

TEST_CASE("security: the container's setting goes before the pod's", "[agent]") {
  Prepared p;
  core::PodSecurityContext& pod = p.pod.spec.securityContext.Mutable();
  pod.runAsUser = 1000;
  pod.runAsGroup = 1000;
  pod.fsGroup = 2000;
  pod.supplementalGroups = {3000};
  core::SecurityContext& own = p.container.securityContext.Mutable();
  own.runAsUser = 7;
  own.allowPrivilegeEscalation = false;
  own.capabilities.Mutable().drop = {"ALL"};
  const ContainerConfig config = p.Prepare().value().config;
  REQUIRE(config.run_as_user == 7);
  REQUIRE(config.run_as_group == 1000);
  REQUIRE(config.supplemental_groups == std::vector<std::int64_t>{3000, 2000});
  REQUIRE(config.no_new_privileges);
  REQUIRE(config.drop_capabilities == std::vector<std::string>{"ALL"});
}

TEST_CASE("runAsNonRoot is checked against the user that it will be", "[agent]") {
  Prepared p;
  p.container.securityContext.Mutable().runAsNonRoot = true;
  const auto [user, message] = GENERATE(table<std::string, std::string>({
      {"", "image will run as root"},
      {"0", "image will run as root"},
      {"0:5", "image will run as root"},
      {"daemon", "image has non-numeric user (daemon)"},
      {"1000", ""},
      {"1000:1000", ""},
  }));
  CAPTURE(user);
  p.image.user = user;
  const Result<PreparedContainer> prepared = p.Prepare();
  REQUIRE(prepared.ok() == message.empty());
  REQUIRE(prepared.status().message().find(message) != std::string::npos);
  p.container.securityContext.Mutable().runAsUser = 0;
  REQUIRE(p.Prepare().status().message().find("runAsUser breaks non-root policy") != std::string::npos);
  p.container.securityContext.Mutable().runAsUser = 5;
  REQUIRE(p.Prepare().ok());
}

TEST_CASE("volumes are planned from the objects that they name", "[agent]") {
  World w;
  w.objects.Config("cfg", {{"a", "1"}, {"b", "2"}});
  w.objects.Secret("sec", "k", "v");
  core::Volume config;
  config.name = "c";
  config.configMap.Mutable().name = "cfg";
  core::KeyToPath item;
  item.key = "b";
  item.path = "dir/file";
  item.mode = 0400;
  config.configMap.Mutable().items = {item};
  core::Volume projected;
  projected.name = "p";
  core::VolumeProjection from_secret;
  from_secret.secret.Mutable().name = "sec";
  core::VolumeProjection down;
  core::DownwardAPIVolumeFile file;
  file.path = "labels";
  file.fieldRef.Mutable().fieldPath = "metadata.labels";
  down.downwardAPI.Mutable().items = {file};
  core::VolumeProjection token;
  token.serviceAccountToken.Mutable().path = "token";
  projected.projected.Mutable().sources = {from_secret, down, token};
  w.pod.spec.volumes = {config, projected};

  REQUIRE(TokensOf(w.pod).size() == 1);
  REQUIRE(ObjectsOf(w.pod).size() == 2);
  REQUIRE(PlanVolumes(w.facts, w.objects, {}).status().code() == Code::kUnavailable);  // no token yet
  const auto plan = PlanVolumes(w.facts, w.objects, {{TokensOf(w.pod)[0], "t0k"}}).value();
  REQUIRE(plan.size() == 2);
  REQUIRE(plan[0].files == std::vector<VolumeFile>{{"dir/file", "2", 0400}});
  REQUIRE_FALSE(plan[0].secret);
  REQUIRE(plan[1].secret);
  REQUIRE(plan[1].files ==
          std::vector<VolumeFile>{{"k", "v", 0644}, {"labels", "app=\"web\"", 0644}, {"token", "t0k", 0644}});

  // Where nobody reads tokens, what is beside them is not asked for either.
  REQUIRE(ObjectsOf(w.pod, TokenVolumes::kPassedOver).size() == 1);
  const auto without = PlanVolumes(w.facts, w.objects, {}, TokenVolumes::kPassedOver).value();
  REQUIRE(without.size() == 1);
  REQUIRE(without[0].name == "c");
  REQUIRE(NeedsVolumes(w.pod, TokenVolumes::kPassedOver));
  w.pod.spec.volumes = {projected};
  REQUIRE(NeedsVolumes(w.pod, TokenVolumes::kMade));
  REQUIRE_FALSE(NeedsVolumes(w.pod, TokenVolumes::kPassedOver));
}

TEST_CASE("tokens are replaced in time", "[agent]") {
  using namespace std::chrono_literals;
  REQUIRE(TokenUse(1000s) == 800s);
  REQUIRE(TokenUse(3607s) < 2886s);
  REQUIRE(TokenUse(std::chrono::hours(24 * 365)) == 24h);
  REQUIRE(TokenUse(-5s) == 10s);
}

TEST_CASE("a volume never writes outside itself", "[agent]") {
  World w;
  w.objects.Config("cfg", {{"a", "1"}});
  const std::string path = GENERATE("../x", "/x", "a/../../x", "", "a//b", ".");
  core::Volume volume;
  volume.name = "c";
  volume.configMap.Mutable().name = "cfg";
  core::KeyToPath item;
  item.key = "a";
  item.path = path;
  volume.configMap.Mutable().items = {item};
  w.pod.spec.volumes = {volume};
  CAPTURE(path);
  REQUIRE(PlanVolumes(w.facts, w.objects, {}).status().code() == Code::kBadRequest);
}

}  // namespace
}  // namespace minikube::agent
