// What a container is given, and what comes back: output, exit codes, errors, limits.
#include <signal.h>
#include <sys/stat.h>

#include <regex>

#include "integration/runtime/harness.h"

using namespace minikube;
using namespace minikube::test;

TEST_CASE("A pod runs, its output is logged, and removal leaves no trace", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.List().ok());
  const Footprint before = TakeFootprint(host.options());

  const auto sandbox = host.RunSandbox(host.Sandbox("pod"));
  REQUIRE(sandbox.status().ToString() == "OK");
  CHECK(sandbox->ready);
  CHECK(sandbox->message == "");
  REQUIRE(sandbox->ips.size() == 1);

  const auto started = host.Shell("pod", "c1", "echo out; echo err >&2; exit 7");
  REQUIRE(started.status().ToString() == "OK");
  CHECK(started->phase == ContainerState::Phase::kRunning);
  CHECK(started->pid > 1);
  const auto exit = host.WaitExit("c1");
  REQUIRE(exit.has_value());
  CHECK(exit->exit_code == 7);
  CHECK(exit->reason == "Error");
  CHECK(exit->finished >= exit->started);
  CHECK(host.Output("c1") == "stdout: out\nstderr: err\n");
  CHECK(std::regex_search(ReadFile(host.LogOf("c1")),
                          std::regex(R"(^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stdout F out\n)")));

  REQUIRE(host.Remove("c1").ok());
  REQUIRE(host.Remove("c1").ok());
  CHECK(std::filesystem::exists(host.LogOf("c1")));
  REQUIRE(host.RemoveSandbox("pod").status().ToString() == "OK");
  REQUIRE(host.RemoveSandbox("pod").ok());
  CHECK(host.List()->sandboxes.empty());
  CHECK(Names(host.options().root + "/sandboxes") == std::vector<std::string>{});
  CHECK(Names(host.options().root + "/containers") == std::vector<std::string>{});
  CHECK(Eventually([&] { return TakeFootprint(host.options()) == before; }));
}

TEST_CASE("A container sees what its configuration says", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  SandboxConfig sandbox = host.Sandbox("pod");
  sandbox.sysctls = {{"net.ipv4.ip_unprivileged_port_start", "0"}};
  sandbox.dns_servers = {"10.96.0.10"};
  sandbox.dns_searches = {"default.svc.cluster.local"};
  sandbox.host_aliases = {{"192.0.2.9", {"other", "other.example"}}};
  const auto running = host.RunSandbox(sandbox);
  REQUIRE(running.status().ToString() == "OK");

  const auto run = [&](const std::string& id, ContainerConfig config, const std::string& script) {
    config.command = {"sh", "-c", script};
    const auto started = host.Start(config);
    REQUIRE(started.status().ToString() == "OK");
    const auto exit = host.WaitExit(id);
    REQUIRE(exit.has_value());
    return host.Output(id);
  };

  SECTION("environment, directory, hostname, resolv.conf, hosts, sysctls, shm") {
    ContainerConfig config = host.Container("pod", "c");
    config.env = {{"SHADOWED", "pod"}, {"EMPTY", ""}};
    config.working_dir = "/made/for/it";
    const std::string out = run("c", config,
                                "echo $FROM_IMAGE $SHADOWED [$EMPTY] $HOSTNAME; pwd; hostname; cat /etc/resolv.conf; "
                                "tail -n 2 /etc/hosts; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; "
                                "touch /dev/shm/x && ls /dev/shm; ls -d /dev/mqueue");
    CHECK(out ==
          "stdout: yes pod [] pod\nstdout: /made/for/it\nstdout: pod\n"
          "stdout: search default.svc.cluster.local\nstdout: nameserver 10.96.0.10\n"
          "stdout: " +
              running->ips[0] +
              "\tpod\nstdout: 192.0.2.9\tother\tother.example\n"
              "stdout: 0\nstdout: x\nstdout: /dev/mqueue\n");
  }
  SECTION("/dev/shm is the pod's") {
    run("a", host.Container("pod", "a"), "echo shared > /dev/shm/file");
    CHECK(run("b", host.Container("pod", "b"), "cat /dev/shm/file; df -k /dev/shm | awk 'NR==2{print $2}'") ==
          "stdout: shared\nstdout: 65536\n");
  }
  SECTION("a user by name, with its groups") {
    ImagePackOptions pack;
    pack.rootfs = dir.path() + "/rootfs";
    pack.name = "test/alice:1";
    pack.user = "alice";
    REQUIRE(PackImage(host.options().root, pack).ok());
    ContainerConfig config = host.Container("pod", "c");
    config.image = "test/alice:1";
    config.supplemental_groups = {2000};
    CHECK(run("c", config, "id -u; id -g; id -G") == "stdout: 1000\nstdout: 1001\nstdout: 1001 50 2000\n");
  }
  SECTION("numbers from the pod win") {
    ContainerConfig config = host.Container("pod", "c");
    config.run_as_user = 1234;
    config.run_as_group = 4321;
    CHECK(run("c", config, "id -u; id -g") == "stdout: 1234\nstdout: 4321\n");
  }
  SECTION("capabilities and no_new_privs") {
    ContainerConfig config = host.Container("pod", "c");
    config.drop_capabilities = {"ALL"};
    config.add_capabilities = {"NET_BIND_SERVICE"};
    config.no_new_privileges = true;
    CHECK(run("c", config, "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status") ==
          "stdout: CapEff:\t0000000000000400\nstdout: CapBnd:\t0000000000000400\nstdout: NoNewPrivs:\t1\n");
  }
  SECTION("the default capabilities are containerd's") {
    CHECK(run("c", host.Container("pod", "c"), "grep CapEff /proc/self/status") ==
          "stdout: CapEff:\t00000000a80425fb\n");
  }
  SECTION("a read-only root, a read-only and a writable mount") {
    std::filesystem::create_directories(dir.path() + "/volume");
    WriteFile(dir.path() + "/volume/file", "content\n");
    ContainerConfig config = host.Container("pod", "c");
    config.read_only_root = true;
    config.mounts = {{dir.path() + "/volume", "/ro", true, ""}, {dir.path() + "/volume", "/rw", false, ""}};
    CHECK(run("c", config,
              "cat /ro/file; touch /x 2>/dev/null || echo no root; touch /ro/x 2>/dev/null || echo no ro; "
              "touch /rw/x && echo yes") == "stdout: content\nstdout: no root\nstdout: no ro\nstdout: yes\n");
    CHECK(std::filesystem::exists(dir.path() + "/volume/x"));
  }
  SECTION("masked paths, and a privileged container without them") {
    CHECK(run("c", host.Container("pod", "c"),
              "wc -c < /proc/keys; (echo 1 > /proc/sys/kernel/panic) 2>&1 | grep -c Read-only") ==
          "stdout: 0\nstdout: 1\n");
    ContainerConfig config = host.Container("pod", "p");
    config.privileged = true;
    CHECK(run("p", config, "ls /dev/kmsg; mount -t tmpfs none /tmp && echo mounted") ==
          "stdout: /dev/kmsg\nstdout: mounted\n");
  }
  SECTION("a filter of system calls, if it is asked for") {
    const std::string script =
        "grep Seccomp: /proc/self/status; busybox unshare -U true 2>&1 | grep -o 'not permitted'";
    CHECK(run("a", host.Container("pod", "a"), script) == "stdout: Seccomp:\t0\n");
    ContainerConfig config = host.Container("pod", "c");
    config.default_seccomp = true;
    CHECK(run("c", config, script) == "stdout: Seccomp:\t2\nstdout: not permitted\n");
    config = host.Container("pod", "p");
    config.default_seccomp = true;
    config.privileged = true;
    CHECK(run("p", config, script) == "stdout: Seccomp:\t0\n");
  }
  SECTION("a standard input that is at its end, or waits") {
    CHECK(run("a", host.Container("pod", "a"), "exec 2>/dev/null; busybox timeout 1 cat; echo $?") == "stdout: 0\n");
    ContainerConfig config = host.Container("pod", "c");
    config.open_stdin = true;
    CHECK(run("c", config, "exec 2>/dev/null; busybox timeout 1 cat; echo $?") == "stdout: 143\n");
  }
  SECTION("limits of the container reach its cgroup") {
    ContainerConfig config = host.Container("pod", "c");
    config.resources.memory_limit_bytes = 64 << 20;
    config.resources.cpu_milli_limit = 250;
    config.resources.cpu_milli_request = 100;
    config.resources.pids_limit = 77;
    const std::string out =
        run("c", config,
            "cd /sys/fs/cgroup; if [ -e memory ]; then cat memory/memory.limit_in_bytes cpu/cpu.shares "
            "cpu/cpu.cfs_quota_us pids/pids.max; else cat memory.max cpu.weight cpu.max pids.max; fi");
    CHECK((out == "stdout: 67108864\nstdout: 102\nstdout: 25000\nstdout: 77\n" ||
           out == "stdout: 67108864\nstdout: 4\nstdout: 25000 100000\nstdout: 77\n"));
  }
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
}

TEST_CASE("A container whose oom_score_adj the machine does not permit runs with the nearest, and says so", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.RunSandbox(host.Sandbox("pod")).ok());
  const std::string own = ReadFile("/proc/self/oom_score_adj");
  ContainerConfig config = host.Container("pod", "c");
  config.command = {"cat", "/proc/self/oom_score_adj"};
  config.oom_score_adj = -997;
  const auto started = host.Start(config);
  REQUIRE(started.status().ToString() == "OK");
  REQUIRE(host.WaitExit("c"));
  const std::string output = host.Output("c");
  if (started->lacking.empty()) {
    CHECK(output == "stdout: -997\n");
  } else {
    REQUIRE(output.starts_with("stdout: "));
    const int score = std::stoi(output.substr(8));
    CHECK(score > -997);
    CHECK(started->lacking ==
          "oom_score_adj is " + std::to_string(score) + " instead of -997: this machine does not permit less");
  }
  CHECK(ReadFile("/proc/self/oom_score_adj") == own);
  CHECK(host.RemoveSandbox("pod").ok());
}

TEST_CASE("A container sees the processes of its target, ends alone, and ends nothing", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.RunSandbox(host.Sandbox("pod")).ok());
  REQUIRE(host.Shell("pod", "target", "exec sleep 1000").ok());
  ContainerConfig config = host.Container("pod", "debugger");
  config.command = {"sh", "-c", "sleep 1000 & tr '\\0' ' ' < /proc/1/cmdline"};
  config.target_container = "target";
  REQUIRE(host.Start(config).status().ToString() == "OK");
  REQUIRE(host.WaitExit("debugger"));
  CHECK_THAT(host.Output("debugger"), Catch::Contains("sleep 1000"));
  const auto inventory = host.List();
  REQUIRE(inventory.ok());
  REQUIRE(inventory->containers.size() == 2);
  for (const ContainerState& container : inventory->containers) {
    CHECK((container.name == "target") == (container.phase == ContainerState::Phase::kRunning));
  }
  config.id = "late";
  config.target_container = "nobody";
  CHECK(host.Start(config).status().code() == Code::kNotFound);
  CHECK(host.RemoveSandbox("pod").ok());
}

TEST_CASE("Containers that cannot start say why and leave nothing", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.RunSandbox(host.Sandbox("pod")).ok());
  ContainerConfig config = host.Container("pod", "c");

  SECTION("no such command") {
    config.command = {"nope"};
    const auto started = host.Start(config);
    CHECK(started.status().code() == Code::kBadRequest);
    CHECK(started.status().message() == "exec: \"nope\": executable file not found in $PATH");
  }
  SECTION("a command that is not executable") {
    config.command = {"/etc/passwd"};
    const auto started = host.Start(config);
    CHECK(started.status().code() == Code::kBadRequest);
    CHECK_THAT(started.status().message(), Catch::Contains("permission denied", Catch::CaseSensitive::No));
  }
  SECTION("no such user") {
    ImagePackOptions pack;
    pack.rootfs = dir.path() + "/rootfs";
    pack.name = "test/nobody";
    pack.user = "mallory";
    pack.cmd = {"true"};
    REQUIRE(PackImage(host.options().root, pack).ok());
    config.image = "test/nobody";
    const auto started = host.Start(config);
    CHECK(started.status().code() == Code::kBadRequest);
    CHECK(started.status().message() == "unable to find user mallory: no matching entries in passwd file");
  }
  SECTION("a working directory that is a file") {
    config.command = {"true"};
    config.working_dir = "/etc/passwd";
    CHECK_FALSE(host.Start(config).ok());
  }
  SECTION("an unknown capability") {
    config.command = {"true"};
    config.add_capabilities = {"FLY"};
    CHECK(host.Start(config).status().message() == "unknown capability \"FLY\"");
  }
  SECTION("no such image, no such sandbox, the same ID twice") {
    config.command = {"sleep", "100"};
    ContainerConfig other = config;
    other.image = "test/missing";
    CHECK(host.Start(other).status().code() == Code::kNotFound);
    other = config;
    other.sandbox_id = "missing";
    CHECK(host.Start(other).status().code() == Code::kNotFound);
    REQUIRE(host.Start(config).ok());
    CHECK(host.Start(config).status().code() == Code::kAlreadyExists);
    REQUIRE(host.Remove("c").ok());
  }
  CHECK(host.List()->containers.empty());
  CHECK(Names(host.options().root + "/containers") == std::vector<std::string>{});
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
}

TEST_CASE("Signals, the end of a shared PID namespace, and an OOM kill", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  SandboxConfig sandbox = host.Sandbox("pod");

  SECTION("stop signal, then kill") {
    REQUIRE(host.RunSandbox(sandbox).ok());
    REQUIRE(host.Shell("pod", "polite", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done").ok());
    REQUIRE(Eventually([&] { return host.Output("polite") == "stdout: up\n"; }));
    REQUIRE(host.Kill("polite", 0).ok());
    CHECK(host.WaitExit("polite")->exit_code == 5);
    CHECK(host.Output("polite") == "stdout: up\nstdout: bye\n");
    REQUIRE(host.Shell("pod", "deaf", "trap '' TERM; sleep 1000").ok());
    REQUIRE(host.Kill("deaf", SIGKILL).ok());
    CHECK(host.WaitExit("deaf")->exit_code == 137);
    CHECK(host.WaitExit("deaf")->reason == "Error");
    CHECK(host.Kill("deaf", SIGKILL).status().code() == Code::kNotFound);
  }
  SECTION("a shared PID namespace") {
    sandbox.share_process_namespace = true;
    REQUIRE(host.RunSandbox(sandbox).ok());
    REQUIRE(host.Shell("pod", "a", "sleep 12345 & echo $$; exec sleep 54321").ok());
    REQUIRE(host.Shell("pod", "b",
                       "ps -o args | grep -c 'sleep [15]'; ps -o pid,args | grep pause | head -n 1 | awk '{print $1}'")
                .ok());
    REQUIRE(host.WaitExit("b").has_value());
    CHECK(host.Output("b") == "stdout: 2\nstdout: 1\n");
    // Its first process does not take the namespace along: the rest is killed with it.
    REQUIRE(host.Kill("a", SIGKILL).ok());
    CHECK(host.WaitExit("a")->exit_code == 137);
    REQUIRE(host.Shell("pod", "c", "ps -o args | grep -c 'sleep [15]'").ok());
    REQUIRE(host.WaitExit("c").has_value());
    CHECK(host.Output("c") == "stdout: 0\n");
  }
  SECTION("out of memory") {
    REQUIRE(host.RunSandbox(sandbox).ok());
    ContainerConfig config = host.Container("pod", "c");
    config.resources.memory_limit_bytes = 8 << 20;
    config.command = {"sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=4"};
    REQUIRE(host.Start(config).ok());
    const auto exit = host.WaitExit("c");
    REQUIRE(exit.has_value());
    CHECK(exit->exit_code == 137);
    CHECK(exit->reason == "OOMKilled");
  }
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
}

TEST_CASE("Long lines, much output and a terminal", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.RunSandbox(host.Sandbox("pod")).ok());

  SECTION("a line of 40000 bytes comes in three records, one without an end is partial") {
    REQUIRE(host.Shell("pod", "c", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo -n tail").ok());
    REQUIRE(host.WaitExit("c").has_value());
    // Records are "<time> <stream> <tag> <text>\n".
    std::istringstream log(ReadFile(host.LogOf("c")));
    std::vector<std::pair<std::string, std::size_t>> records;
    for (std::string time, stream, tag, text; log >> time >> stream >> tag && log.get() && std::getline(log, text);) {
      CHECK(stream == "stdout");
      records.emplace_back(tag, text.size());
    }
    CHECK(records ==
          std::vector<std::pair<std::string, std::size_t>>{{"P", 16384}, {"P", 16384}, {"F", 7232}, {"P", 4}});
  }
  SECTION("every line of 100000 arrives, in order, over rotations") {
    REQUIRE(host.Shell("pod", "c", "seq 1 200000").ok());
    REQUIRE(host.WaitExit("c").has_value());
    const std::string log = ReadFile(host.LogOf("c") + ".1") + ReadFile(host.LogOf("c"));
    long expected = 0;
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);) {
      if (std::stol(line.substr(line.rfind(' ') + 1)) != ++expected) break;
    }
    CHECK(expected == 200000);
    CHECK(std::filesystem::file_size(host.LogOf("c")) < 10 << 20);
  }
  SECTION("a terminal") {
    ContainerConfig config = host.Container("pod", "c");
    config.tty = true;
    config.command = {"sh", "-c", "[ -t 1 ] && echo terminal >&2"};
    REQUIRE(host.Start(config).status().ToString() == "OK");
    CHECK(host.WaitExit("c")->exit_code == 0);
    CHECK(host.Output("c") == "stdout: terminal\r\n");
  }
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
}

TEST_CASE("Commands run in a container", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.RunSandbox(host.Sandbox("pod")).ok());
  ContainerConfig config = host.Container("pod", "c");
  config.command = {"sleep", "1000"};
  config.env = {{"GREETING", "hello"}};
  REQUIRE(host.Start(config).ok());
  const auto exec = [&](std::vector<std::string> argv, Duration timeout) {
    return host.Await<ProcessResult>(
        [=](Runtime& r, Runtime::Done<ProcessResult> done) { r.ExecSync("c", argv, timeout, std::move(done)); });
  };
  const auto answer = exec({"sh", "-c", "echo $GREETING; echo no >&2; exit 3"}, std::chrono::seconds(30));
  REQUIRE(answer.status().ToString() == "OK");
  CHECK(answer->out == "hello\n");
  CHECK(answer->err == "no\n");
  CHECK(answer->exit_code == 3);
  CHECK(exec({"nope"}, std::chrono::seconds(30)).status().code() == Code::kBadRequest);
  CHECK(exec({"sleep", "777"}, std::chrono::milliseconds(300)).status().code() == Code::kTimeout);
  // What timed out is gone.
  CHECK(exec({"sh", "-c", "ps -o args | grep -c 'sleep [7]77'"}, std::chrono::seconds(30))->out == "0\n");
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
  CHECK(exec({"true"}, std::chrono::seconds(30)).status().code() == Code::kNotFound);
}

TEST_CASE("Pods reach one another and themselves by their addresses", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  const auto a = host.RunSandbox(host.Sandbox("a"));
  const auto b = host.RunSandbox(host.Sandbox("b"));
  REQUIRE(a.status().ToString() == "OK");
  REQUIRE(b.status().ToString() == "OK");
  REQUIRE(a->ips.size() == 1);
  REQUIRE(b->ips.size() == 1);
  CHECK(a->ips != b->ips);
  REQUIRE(host.Shell("a", "c",
                     "for ip in " + b->ips[0] + " " + a->ips[0] +
                         " 127.0.0.1; do ping -c 1 -W 5 $ip >/dev/null && echo ok; done")
              .ok());
  CHECK(host.WaitExit("c")->exit_code == 0);
  CHECK(host.Output("c") == "stdout: ok\nstdout: ok\nstdout: ok\n");

  SandboxConfig on_host = host.Sandbox("h");
  on_host.host_network = true;
  const auto h = host.RunSandbox(on_host);
  REQUIRE(h.status().ToString() == "OK");
  CHECK(h->ips.empty());
  REQUIRE(host.Shell("h", "d", "ls /sys/class/net | grep -c " + host.options().bridge).ok());
  CHECK(host.WaitExit("d")->exit_code == 0);
  for (const char* id : {"a", "b", "h"}) CHECK(host.RemoveSandbox(id).status().ToString() == "OK");
}

TEST_CASE("Images: the local store first, then a registry", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  const auto ensure = [&](const std::string& reference, bool always) {
    return host.Await<ImageInfo>(
        [=](Runtime& r, Runtime::Done<ImageInfo> done) { r.EnsureImage(reference, always, std::move(done)); });
  };
  const auto local = ensure("test/busybox", false);
  REQUIRE(local.status().ToString() == "OK");
  CHECK(local->reference == "docker.io/test/busybox:latest");
  // Nobody but this store vouches for an image that was imported into it.
  CHECK(ensure("test/busybox:latest", true).ok());
  CHECK(ensure("Not/Valid", false).status().code() == Code::kBadRequest);
  const auto images = host.Await<std::vector<ImageInfo>>(
      [](Runtime& r, Runtime::Done<std::vector<ImageInfo>> done) { r.ListImages(std::move(done)); });
  REQUIRE(images.ok());
  REQUIRE(images->size() == 1);
  CHECK(images->front().id == local->id);
  const auto missing = ensure("localhost:1/none", false);
  CHECK(missing.status().code() == Code::kUnavailable);
  CHECK_THAT(missing.status().message(), Catch::StartsWith("failed to pull image \"localhost:1/none:latest\": "));
  CHECK_FALSE(ensure("oci:/nowhere", false).ok());
}
