// The parts of the OCI runtime that only compute: references, users, limits, addresses, capabilities, config.json.
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "oci/bundle.h"
#include "oci/cgroups.h"
#include "oci/image_config.h"
#include "oci/pod_network.h"
#include "oci/reference.h"
#include "oci/serial_queue.h"
#include "oci/state.h"
#include "oci/users.h"
#include "unit/oci/layers.h"

using namespace minikube;
using namespace minikube::oci;
using namespace minikube::test;

TEST_CASE("References are completed as Docker does") {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const std::vector<std::pair<std::string, std::string>> good = {
      {"busybox", "docker.io/library/busybox:latest"},
      {"busybox:1.36", "docker.io/library/busybox:1.36"},
      {"team/app", "docker.io/team/app:latest"},
      {"index.docker.io/busybox", "docker.io/library/busybox:latest"},
      {"localhost/app", "localhost/app:latest"},
      {"localhost:5000/app:x", "localhost:5000/app:x"},
      {"registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"},
      {"a/b__c/d--e.f:T_1", "docker.io/a/b__c/d--e.f:T_1"},
      {"busybox@" + digest, "docker.io/library/busybox@" + digest},
      {"busybox:1@" + digest, "docker.io/library/busybox@" + digest}};
  for (const auto& [text, full] : good) {
    CAPTURE(text);
    const auto reference = ParseReference(text);
    REQUIRE(reference.status().ToString() == "OK");
    CHECK(reference->ToString() == full);
  }
  for (const std::string& text :
       {std::string(), std::string("Upper"), std::string("a:"), std::string("a:b:c"), std::string("/a"),
        std::string("a//b"), std::string("a b"), std::string("a@sha256:12"), std::string("-a"), std::string("a..b"),
        std::string("a___b"), std::string("host:port/x"), "a:" + std::string(129, 't'), std::string("../../etc"),
        std::string(300, 'a')}) {
    CAPTURE(text);
    CHECK(ParseReference(text).status().code() == Code::kBadRequest);
  }
}

TEST_CASE("Users and groups are resolved in the image's files") {
  const std::string passwd = "root:x:0:0:root:/root:/bin/sh\nbroken line\nweb:x:33:34:Web:/var/www:/bin/false\n";
  const std::string group = "root:x:0:\nwww:x:34:\nssl:x:50:web,other\nlog:x:60:web\n";
  const auto resolve = [&](UserRequest request) { return ResolveUser(request, passwd, group); };

  CHECK(resolve({"", {}, {}, {}})->uid == 0);
  const auto web = resolve({"web", {}, {}, {7, 50}});
  REQUIRE(web.ok());
  CHECK(web->uid == 33);
  CHECK(web->gid == 34);
  CHECK(web->additional_gids == std::vector<std::uint32_t>{7, 50, 60});
  CHECK(web->home == "/var/www");
  CHECK(resolve({"33", {}, {}, {}})->gid == 34);
  CHECK(resolve({"web:ssl", {}, {}, {}})->gid == 50);
  CHECK(resolve({"web:99", {}, {}, {}})->gid == 99);
  CHECK(resolve({"4000", {}, {}, {}})->gid == 0);
  CHECK(resolve({"web", 4000, {}, {}})->gid == 0);
  CHECK(resolve({"nobody-knows", 33, {}, {}})->gid == 34);
  CHECK(resolve({"web", {}, 12, {}})->gid == 12);
  CHECK(resolve({"mallory", {}, {}, {}}).status().message() ==
        "unable to find user mallory: no matching entries in passwd file");
  CHECK(resolve({"web:nogroup", {}, {}, {}}).status().code() == Code::kBadRequest);
  CHECK(resolve({"", -1, {}, {}}).status().code() == Code::kBadRequest);
  CHECK(resolve({"", 1LL << 40, {}, {}}).status().code() == Code::kBadRequest);
  CHECK(ResolveUser({"1000", {}, {}, {}}, "", "")->uid == 1000);
}

TEST_CASE("A file is read from the union of layers", "[root]") {
  if (geteuid() != 0) {
    WARN("skipped: whiteouts need root");
    return;
  }
  Scratch dir;
  const std::vector<std::string> layers = {dir / "0", dir / "1", dir / "2"};
  for (const std::string& layer : layers) std::filesystem::create_directories(layer);
  dir.Write("0/etc/passwd", "lower");
  CHECK(ReadInLayers(layers, "etc/passwd") == "lower");
  CHECK_FALSE(ReadInLayers(layers, "etc/none").has_value());
  CHECK_FALSE(ReadInLayers(layers, "etc").has_value());
  SECTION("the upper one wins") {
    dir.Write("2/etc/passwd", "upper");
    CHECK(ReadInLayers(layers, "etc/passwd") == "upper");
  }
  SECTION("a whiteout hides") {
    std::filesystem::create_directories(dir / "1/etc");
    REQUIRE(mknod((dir / "1/etc/passwd").c_str(), S_IFCHR, makedev(0, 0)) == 0);
    CHECK_FALSE(ReadInLayers(layers, "etc/passwd").has_value());
  }
  SECTION("an opaque directory hides") {
    std::filesystem::create_directories(dir / "1/etc");
    REQUIRE(setxattr((dir / "1/etc").c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
    CHECK_FALSE(ReadInLayers(layers, "etc/passwd").has_value());
  }
  SECTION("links resolve in the union, never on this machine") {
    std::filesystem::create_directories(dir / "2/usr");
    dir.Write("1/usr/etc/passwd", "linked");
    std::filesystem::remove_all(dir / "0/etc");
    std::filesystem::create_symlink("/usr/etc", dir / "0/etc");
    CHECK(ReadInLayers(layers, "etc/passwd") == "linked");
    std::filesystem::create_symlink("../../../../../../../../../../etc/hostname", dir / "2/name");
    CHECK_FALSE(ReadInLayers(layers, "name").has_value());
    std::filesystem::create_symlink("loop", dir / "2/loop");
    CHECK_FALSE(ReadInLayers(layers, "loop/x").has_value());
  }
}

TEST_CASE("Resources become cgroup settings as Kubernetes converts them") {
  Resources none;
  CHECK(CpuShares(none) == 2);
  CHECK(CpuQuota(none) == -1);
  Resources some;
  some.cpu_milli_request = 250;
  some.cpu_milli_limit = 1500;
  CHECK(CpuShares(some) == 256);
  CHECK(CpuQuota(some) == 150'000);
  some.cpu_milli_request.reset();
  CHECK(CpuShares(some) == 1536);
  some.cpu_milli_limit = 1;
  CHECK(CpuQuota(some) == 1000);
  some.cpu_milli_request = std::int64_t{1} << 60;
  CHECK(CpuShares(some) == 262'144);
  CHECK(CpuWeight(2) == 1);
  CHECK(CpuWeight(1024) == 39);
  CHECK(CpuWeight(262'144) == 10'000);
}

TEST_CASE("cgroups of version 2 are made and limited, with controllers handed down") {
  Scratch dir;  // stands for the file system: what the kernel would provide is there beforehand
  const std::string leaf = "minikube/kubepods/pod1";
  for (const std::string& at :
       {std::string(""), std::string("minikube/"), std::string("minikube/kubepods/"), leaf + "/"}) {
    dir.Write(at + "cgroup.controllers", "cpuset cpu io memory pids\n");
    dir.Write(at + "cgroup.subtree_control", "");
  }
  for (const char* file : {"/cpu.weight", "/cpu.max", "/memory.max", "/pids.max"}) dir.Write(leaf + file, "");
  const Cgroups cgroups = Cgroups::FromMounts("cgroup2 " + dir.path() + " cgroup2 rw 0 0\nproc /proc proc rw 0 0\n");
  CHECK(cgroups.unified());
  Resources resources;
  resources.cpu_milli_request = 1000;
  resources.cpu_milli_limit = 2000;
  resources.memory_limit_bytes = 1 << 20;
  resources.pids_limit = 100;
  REQUIRE(cgroups.Create("/" + leaf, resources).ToString() == "OK");
  CHECK(dir.Read(leaf + "/cpu.weight") == "39");
  CHECK(dir.Read(leaf + "/cpu.max") == "200000 100000");
  CHECK(dir.Read(leaf + "/memory.max") == "1048576");
  CHECK(dir.Read(leaf + "/pids.max") == "100");
  CHECK_FALSE(dir.Read("minikube/kubepods/cgroup.subtree_control").empty());
  CHECK(dir.Read(leaf + "/cgroup.subtree_control").empty());
  CHECK(cgroups.OomFile("/" + leaf) == dir / (leaf + "/memory.events"));
  CHECK(cgroups.ProcsDir("/" + leaf) == dir / leaf);
}

TEST_CASE("A hybrid layout is version 1") {
  Scratch dir;
  for (const char* name : {"cpu", "memory", "unified"}) std::filesystem::create_directories(dir / name);
  const Cgroups cgroups =
      Cgroups::FromMounts("cgroup " + dir / "cpu" + " cgroup rw,cpu,cpuacct 0 0\n" + "cgroup " + dir / "memory" +
                          " cgroup rw,memory 0 0\n" + "cgroup2 " + dir / "unified" + " cgroup2 rw 0 0\n");
  CHECK_FALSE(cgroups.unified());
  CHECK(cgroups.OomFile("/a") == dir / "memory/a/memory.oom_control");
  for (const char* name : {"cpu/a/cpu.shares", "memory/a/memory.limit_in_bytes"}) dir.Write(name, "");
  Resources resources;
  resources.memory_limit_bytes = 4096;
  REQUIRE(cgroups.Create("/a", resources).ToString() == "OK");
  CHECK(dir.Read("cpu/a/cpu.shares") == "2");
  CHECK(dir.Read("memory/a/memory.limit_in_bytes") == "4096");
  CHECK(cgroups.JoinDirs("/a").size() == 3);
}

TEST_CASE("Pod addresses go round and are not given twice") {
  const auto subnet = ParseSubnet("10.1.2.77/29");
  REQUIRE(subnet.ok());
  CHECK(subnet->ToString() == "10.1.2.72/29");
  PodNetwork network(*subnet, "unused", "test");
  CHECK(network.idle());
  CHECK(FormatIpv4(*network.Allocate()) == "10.1.2.74");
  network.Reserve(*ParseIpv4("10.1.2.76"));
  CHECK(FormatIpv4(*network.Allocate()) == "10.1.2.77");
  CHECK(FormatIpv4(*network.Allocate()) == "10.1.2.78");
  CHECK(FormatIpv4(*network.Allocate()) == "10.1.2.75");
  CHECK(network.Allocate().status().code() == Code::kUnavailable);
  network.Release(*ParseIpv4("10.1.2.77"));
  CHECK(FormatIpv4(*network.Allocate()) == "10.1.2.77");
  for (const char* bad :
       {"", "10.0.0.0", "10.0.0/24", "10.0.0.0/31", "10.0.0.0/7", "10.0.0.256/24", "10.0.0.0/24x", "a/24"}) {
    CAPTURE(bad);
    CHECK(ParseSubnet(bad).status().code() == Code::kBadRequest);
  }
}

TEST_CASE("Ports of the machine lead to pods as long as the pods have them") {
  PodNetwork network(*ParseSubnet("10.1.2.0/24"), "br0", "test");
  CHECK(network.Rules().find("dnat") == std::string::npos);
  const Ipv4 pod = *ParseIpv4("10.1.2.3");
  REQUIRE(network.Publish("a", pod, {{"TCP", 8080, 80, ""}, {"UDP", 53, 5353, "192.0.2.1"}}).ok());
  const std::string rules = network.Rules();
  CAPTURE(rules);
  CHECK(rules.find(" tcp dport 8080 dnat to 10.1.2.3:80\n") != std::string::npos);
  CHECK(rules.find("ip daddr 192.0.2.1    udp dport 53 dnat to 10.1.2.3:5353\n") != std::string::npos);
  CHECK(rules.find("iifname \"br0\" ip daddr 127.0.0.0/8 drop") != std::string::npos);
  REQUIRE(network.Publish("b", *ParseIpv4("10.1.2.4"), {{"TCP", 81, 81, "0.0.0.0"}}).ok());
  CHECK(network.Rules().find("    tcp dport 81 dnat to 10.1.2.4:81\n") != std::string::npos);
  for (const PortMapping& bad :
       {PortMapping{"ICMP", 1, 1, ""}, PortMapping{"TCP", 0, 1, ""}, PortMapping{"TCP", 1, 70000, ""},
        PortMapping{"TCP", 1, 1, "::1"}, PortMapping{"TCP", 1, 1, "1.2.3.4; flush ruleset"}}) {
    CHECK(network.Publish("c", pod, {bad}).code() == Code::kBadRequest);
  }
  network.Unpublish("a");
  network.Unpublish("b");
  CHECK(network.Rules().find("dnat") == std::string::npos);
}

TEST_CASE("Signals by name") {
  CHECK(SignalNumber("SIGTERM") == SIGTERM);
  CHECK(SignalNumber("QUIT") == SIGQUIT);
  CHECK(SignalNumber("9") == SIGKILL);
  CHECK(SignalNumber("SIGRTMIN+3") == SIGRTMIN + 3);
  for (const char* bad : {"", "0", "-1", "SIG", "SIGNONE", "1000", "SIGRTMIN+", "SIGRTMIN+99"})
    CHECK(SignalNumber(bad) == 0);
}

TEST_CASE("config.json") {
  ContainerConfig config;
  config.id = "c";
  SandboxConfig sandbox;
  sandbox.id = "s";
  sandbox.hostname = "pod";
  ImageConfig image;
  image.entrypoint = {"/entry"};
  image.cmd = {"default"};
  const auto make = [&](bool v2 = false) {
    auto text = MakeBundleConfig({config, sandbox, image, {}, "/c", "/s", "/cg", 42, v2});
    return text ? nlohmann::json::parse(*text) : nlohmann::json(text.status().message());
  };
  const auto args = [&] { return make()["process"]["args"].get<std::vector<std::string>>(); };
  const auto namespace_path = [&](const nlohmann::json& json, const std::string& type) -> std::string {
    for (const auto& ns : json["linux"]["namespaces"]) {
      if (ns["type"] == type) return ns.value("path", "new");
    }
    return "host";
  };

  SECTION("command and args, the image's and the pod's") {
    CHECK(args() == std::vector<std::string>{"/entry", "default"});
    config.args = {"mine"};
    CHECK(args() == std::vector<std::string>{"/entry", "mine"});
    config.command = {"run"};
    CHECK(args() == std::vector<std::string>{"run", "mine"});
    config.args.clear();
    CHECK(args() == std::vector<std::string>{"run"});
    config.command.clear();
    image = {};
    CHECK(make() == "no command specified");
  }
  SECTION("namespaces") {
    auto json = make();
    CHECK(namespace_path(json, "network") == "/proc/42/ns/net");
    CHECK(namespace_path(json, "ipc") == "/proc/42/ns/ipc");
    CHECK(namespace_path(json, "uts") == "/proc/42/ns/uts");
    CHECK(namespace_path(json, "pid") == "new");
    CHECK(namespace_path(json, "cgroup") == "host");
    CHECK(namespace_path(make(true), "cgroup") == "new");
    sandbox.share_process_namespace = true;
    sandbox.host_network = true;
    sandbox.host_ipc = true;
    json = make();
    CHECK(namespace_path(json, "pid") == "/proc/42/ns/pid");
    for (const char* type : {"network", "ipc", "uts"}) CHECK(namespace_path(json, type) == "host");
    sandbox.host_pid = true;
    CHECK(namespace_path(make(), "pid") == "host");
  }
  SECTION("mounts replace the defaults at their places and come parents first") {
    config.mounts = {
        {"/v/deep", "/data/a/b", true, ""}, {"/v/shm", "/dev/shm/", false, ""}, {"/v/data", "/data", false, "rslave"}};
    const auto json = make();
    std::vector<std::string> order;
    for (const auto& mount : json["mounts"]) {
      if (mount["source"].get<std::string>().substr(0, 3) == "/v/") order.push_back(mount["destination"]);
      if (mount["destination"] == "/dev/shm") CHECK(mount["source"] == "/v/shm");
      if (mount["destination"] == "/data") CHECK(mount["options"] == nlohmann::json({"rbind", "rslave", "rw"}));
    }
    CHECK(order == std::vector<std::string>{"/data", "/dev/shm", "/data/a/b"});
    CHECK(json["linux"]["rootfsPropagation"] == "rslave");
    for (const char* bad : {"/a/../b", "..", "", "/"}) {
      config.mounts = {{"/v", bad, false, ""}};
      CHECK(make().is_string());
    }
    config.mounts = {{"relative", "/a", false, ""}};
    CHECK(make().is_string());
  }
  SECTION("capabilities") {
    const auto has = [](const Result<std::vector<std::string>>& list, const char* name) {
      return std::find(list->begin(), list->end(), name) != list->end();
    };
    CHECK_FALSE(has(Capabilities(config), "CAP_SYS_ADMIN"));
    config.drop_capabilities = {"ALL"};
    CHECK(Capabilities(config)->empty());
    config.add_capabilities = {"SYS_ADMIN?"};
    CHECK(Capabilities(config).status().code() == Code::kBadRequest);
  }
}

TEST_CASE("State files survive a round trip and reject what is not one") {
  SandboxRecord sandbox;
  sandbox.config.id = "id";
  sandbox.config.cgroup_parent = "kubepods/pod";
  sandbox.config.share_process_namespace = true;
  sandbox.ip = 0x0a010203;
  sandbox.complete = true;
  sandbox.created = WallTime(Duration(123456789012345678));
  const auto back = SandboxFromJson(ToJson(sandbox));
  REQUIRE(back.ok());
  CHECK(back->config.id == "id");
  CHECK(back->config.cgroup_parent == "kubepods/pod");
  CHECK(back->config.share_process_namespace);
  CHECK(back->ip == sandbox.ip);
  CHECK(back->created == sandbox.created);
  CHECK(back->complete);
  for (const char* bad : {"", "{", "[]", "{}", R"({"id":1})"}) {
    CHECK_FALSE(SandboxFromJson(bad).ok());
    CHECK_FALSE(ContainerFromJson(bad).ok());
    CHECK_FALSE(ExitFromJson(bad).ok());
  }
  const auto started = ParseStarted("started 12 34 56 78 90\n");
  REQUIRE(started.has_value());
  CHECK(started->process.pid == 12);
  CHECK(started->process.start_time == 34);
  CHECK(started->monitor.pid == 78);
  CHECK(started->monitor.start_time == 90);
  for (const char* bad : {"", "started", "x 1 2 3", "1 2", "0 1 2"}) CHECK_FALSE(ParseStarted(bad).has_value());
}

TEST_CASE("Queued operations run one after the other, and one that is given up lets the next begin") {
  std::vector<Task> posted;
  bool stopped = false;
  SerialQueue queue([&](Task task) {
    if (!stopped) posted.push_back(std::move(task));
  });
  std::vector<int> order;
  Task first;
  queue.Push([&](Task finished) {
    order.push_back(1);
    first = std::move(finished);
  });
  queue.Push([&](Task) { order.push_back(2); });
  queue.Push([&](Task finished) {
    order.push_back(3);
    finished();
  });
  CHECK(order == std::vector<int>{1});
  CHECK_FALSE(queue.idle());
  first();
  // The second was given up, by whom one cannot know: the next begins on the strand.
  CHECK(order == std::vector<int>{1, 2});
  REQUIRE(posted.size() == 1);
  posted[0]();
  CHECK(order == std::vector<int>{1, 2, 3});
  CHECK(queue.idle());

  // Once the strand has stopped nothing begins any more: what the operations would work on may be gone.
  queue.Push([&](Task finished) { first = std::move(finished); });
  queue.Push([&](Task) { order.push_back(4); });
  stopped = true;
  first = nullptr;
  CHECK(order == std::vector<int>{1, 2, 3});
}
