// The host process restarts, or dies; containers do not notice, and nothing leaks.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "integration/runtime/harness.h"

using namespace minikube;
using namespace minikube::test;

namespace {

const ContainerState* Find(const Runtime::Inventory& inventory, const std::string& id) {
  for (const ContainerState& state : inventory.containers) {
    if (state.id == id) return &state;
  }
  return nullptr;
}

int MonitorOf(const Host& host, const std::string& id) {
  return std::stoi(ReadFile(host.options().root + "/containers/" + id + "/monitor"));
}

}  // namespace

TEST_CASE("After a restart containers are found again, running or ended, with all of their output", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  const OciRuntimeOptions options = TestOptions(dir.path() + "/state");
  std::string ip;
  {
    Host host(options);
    const auto sandbox = host.RunSandbox(host.Sandbox("pod"));
    REQUIRE(sandbox.status().ToString() == "OK");
    ip = sandbox->ips.at(0);
    REQUIRE(host.Shell("pod", "stays", "while [ ! -e /dev/shm/go ]; do sleep 0.05; done; echo went; exit 9").ok());
    REQUIRE(host.Shell("pod", "ends", "sleep 0.3; echo late; exit 4").ok());
  }
  Host host(options);
  const auto inventory = host.List();
  REQUIRE(inventory.status().ToString() == "OK");
  REQUIRE(inventory->sandboxes.size() == 1);
  CHECK(inventory->sandboxes[0].ready);
  CHECK(inventory->sandboxes[0].ips == std::vector<std::string>{ip});
  CHECK(inventory->sandboxes[0].pod_uid == "uid-pod");
  REQUIRE(Find(*inventory, "stays") != nullptr);
  CHECK(Find(*inventory, "stays")->phase == ContainerState::Phase::kRunning);
  CHECK(Find(*inventory, "stays")->image == "test/busybox");

  CHECK(Eventually([&] {
    const auto now = host.List();
    const ContainerState* ended = Find(*now, "ends");
    return ended != nullptr && ended->phase == ContainerState::Phase::kExited && ended->exit_code == 4;
  }));
  CHECK(host.Output("ends") == "stdout: late\n");
  REQUIRE(host.Shell("pod", "opener", "touch /dev/shm/go").ok());
  const auto ended = host.WaitExit("stays");
  REQUIRE(ended.has_value());
  CHECK(ended->exit_code == 9);
  CHECK(ended->reason == "Error");
  CHECK(ended->message == "");
  CHECK(host.Output("stays") == "stdout: went\n");

  // The address is still taken.
  const auto other = host.RunSandbox(host.Sandbox("other"));
  REQUIRE(other.status().ToString() == "OK");
  CHECK(other->ips != std::vector<std::string>{ip});
  CHECK(host.RemoveSandbox("other").ok());
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
}

TEST_CASE("A host killed at any moment leaves nothing that the next one does not adopt or remove", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  const OciRuntimeOptions options = TestOptions(dir.path() + "/state");
  const Footprint before = [&] {
    Host host(options);
    REQUIRE(host.List().ok());
    return TakeFootprint(options);
  }();
  for (int delay_ms : {1, 3, 6, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 80, 120}) {
    CAPTURE(delay_ms);
    const pid_t child = fork();
    if (child == 0) {
      execl(MINIKUBE_RUNTIME_HOST, MINIKUBE_RUNTIME_HOST, options.root.c_str(), options.runtime.c_str(),
            options.cgroup_root.c_str(), options.bridge.c_str(), options.pod_cidr.c_str(), nullptr);
      _exit(127);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));  // the moment of death is what varies
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);

    Host host(options);
    const auto inventory = host.List();
    REQUIRE(inventory.status().ToString() == "OK");
    for (const ContainerState& state : inventory->containers) {
      CHECK(state.phase == ContainerState::Phase::kRunning);
      CHECK(kill(state.pid, 0) == 0);
    }
    for (const SandboxState& state : inventory->sandboxes) {
      CHECK(state.ready);
      CHECK(host.RemoveSandbox(state.id).status().ToString() == "OK");
    }
    CHECK(Names(options.root + "/sandboxes") == std::vector<std::string>{});
    CHECK(Names(options.root + "/containers") == std::vector<std::string>{});
    CHECK(Names(options.root + "/run/oci") == std::vector<std::string>{});
    Footprint after;
    const bool clean = Eventually([&] {
      after = TakeFootprint(options);
      // A bridge whose last pod was never complete is taken down by whoever uses the network next.
      std::erase(after.links, options.bridge);
      return after == before;
    });
    CHECK(clean);
    CHECK(after.links == before.links);
    CHECK(after.cgroups == before.cgroups);
    CHECK(after.mounts == before.mounts);
    CHECK(after.processes == before.processes);
    CHECK(after.network_namespaces == before.network_namespaces);
  }
  // One more pod brings the bridge down for good.
  Host host(options);
  REQUIRE(host.RunSandbox(host.Sandbox("last")).ok());
  REQUIRE(host.RemoveSandbox("last").ok());
}

TEST_CASE("A dead monitor is noticed and its container ended", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.RunSandbox(host.Sandbox("pod")).ok());
  const auto started = host.Shell("pod", "c", "sleep 1000");
  REQUIRE(started.status().ToString() == "OK");
  REQUIRE(kill(MonitorOf(host, "c"), SIGKILL) == 0);
  const auto exit = host.WaitExit("c");
  REQUIRE(exit.has_value());
  CHECK(exit->exit_code == 137);
  CHECK(exit->reason == "ContainerStatusUnknown");
  CHECK(Eventually([&] { return kill(started->pid, 0) != 0; }));
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
}

TEST_CASE("A dead sandbox is noticed", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.RunSandbox(host.Sandbox("pod")).ok());
  REQUIRE(kill(std::stoi(ReadFile(host.options().root + "/sandboxes/pod/pause")), SIGKILL) == 0);
  CHECK(host.WaitSandboxDeath("pod"));
  CHECK_FALSE(host.List()->sandboxes.at(0).ready);
  CHECK(host.Shell("pod", "c", "true").status().code() == Code::kNotFound);
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
}

TEST_CASE("Fifty pods at once leave no mount, cgroup, namespace, link or process", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.List().ok());
  const Footprint before = TakeFootprint(host.options());
  constexpr int kPods = 50;
  std::vector<std::promise<Status>> up(kPods);
  host.strand().Post([&] {
    for (int i = 0; i < kPods; ++i) {
      const std::string id = "pod" + std::to_string(i);
      host.runtime().RunSandbox(host.Sandbox(id), [&, i, id](Result<SandboxState> sandbox) {
        if (!sandbox) return up[i].set_value(sandbox.status());
        if (sandbox->ips.empty()) return up[i].set_value(Status(Code::kInternal, sandbox->message));
        ContainerConfig config = host.Container(id, id + "-c");
        config.command = {"sleep", "1000"};
        host.runtime().StartContainer(std::move(config),
                                      [&, i](Result<ContainerState> started) { up[i].set_value(started.status()); });
      });
    }
  });
  for (auto& pod : up) CHECK(pod.get_future().get().ToString() == "OK");
  CHECK(host.List()->containers.size() == kPods);
  std::vector<std::promise<Status>> gone(kPods);
  host.strand().Post([&] {
    for (int i = 0; i < kPods; ++i) {
      host.runtime().RemoveSandbox("pod" + std::to_string(i),
                                   [&, i](Result<void> removed) { gone[i].set_value(removed.status()); });
    }
  });
  for (auto& pod : gone) CHECK(pod.get_future().get().ToString() == "OK");
  Footprint after;
  Eventually([&] {
    after = TakeFootprint(host.options());
    return after == before;
  });
  CHECK(after.mounts == before.mounts);
  CHECK(after.cgroups == before.cgroups);
  CHECK(after.links == before.links);
  CHECK(after.processes == before.processes);
  CHECK(after.network_namespaces == before.network_namespaces);
}

TEST_CASE("Two runtimes do not share a state directory", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  Host host(TestOptions(dir.path() + "/state"));
  auto env = NewRealEnv(2);
  auto strand = env->NewStrand("second");
  CHECK(NewOciRuntime(TestOptions(dir.path() + "/state"), *env, *strand).status().code() == Code::kUnavailable);
}
