// A real OCI runtime for tests: its own state directory, cgroup, bridge and address range, and calls that wait.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include <minikube/env.h>
#include <minikube/runtime.h>

#include "helpers/temp_dir.h"

namespace minikube::test {

// False (with a warning, or a failure where CI=true) where containers cannot run.
bool CanRunContainers();
// runc, or what MINIKUBE_TEST_RUNTIME says.
std::string RuntimeName();

// A directory for the state of runtimes; with it go the cgroups that stay between pods.
class Scratch {
 public:
  ~Scratch();
  const std::string& path() const { return dir_.path(); }

 private:
  TempDir dir_;
};

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& text);

// A root file system with a static busybox, and the image `test/busybox:latest` of it in the store at `root`.
void PackBusybox(const std::string& root, const std::string& scratch);

// Options that share nothing with another runtime on this machine but the kernel.
OciRuntimeOptions TestOptions(const std::string& root);

// The traces that one runtime's pods have on the machine.
struct Footprint {
  std::vector<std::string> mounts;
  std::vector<std::string> cgroups;
  std::vector<std::string> links;               // the bridge and what is plugged into it
  std::vector<std::string> processes;           // in its cgroups, or with its state directory on the command line
  std::vector<std::string> network_namespaces;  // theirs
  friend bool operator==(const Footprint&, const Footprint&) = default;
};
Footprint TakeFootprint(const OciRuntimeOptions& options);
std::vector<std::string> Names(const std::string& dir);

// Until `condition` holds; false after a minute.
template <typename Condition>
bool Eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// One host process' view: Env, strand, runtime. Destroying it is what a restart of the host does.
class Host {
 public:
  explicit Host(OciRuntimeOptions options);
  ~Host();

  const OciRuntimeOptions& options() const { return options_; }
  Runtime& runtime() { return *runtime_; }
  Strand& strand() { return *strand_; }

  template <typename T>
  using Call = Function<void(Runtime&, Runtime::Done<T>)>;
  // Calls on the strand and waits for the answer.
  template <typename T>
  Result<T> Await(Call<T> call) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    std::future<Result<T>> future = promise->get_future();
    strand_->Post([this, promise, call = std::move(call)]() mutable {
      call(*runtime_, [promise](Result<T> result) { promise->set_value(std::move(result)); });
    });
    if (future.wait_for(std::chrono::seconds(120)) != std::future_status::ready) {
      return Status(Code::kTimeout, "the runtime did not answer");
    }
    return future.get();
  }

  Result<Runtime::Inventory> List();
  Result<SandboxState> RunSandbox(SandboxConfig config);
  Result<void> RemoveSandbox(const std::string& id);
  Result<ContainerState> Start(ContainerConfig config);
  Result<void> Kill(const std::string& id, int signal);
  Result<void> Remove(const std::string& id);
  // Starts `sh -c script` in the sandbox.
  Result<ContainerState> Shell(const std::string& sandbox, const std::string& id, const std::string& script);
  // Waits for the container's end.
  std::optional<ContainerState> WaitExit(const std::string& id);
  bool WaitSandboxDeath(const std::string& id);

  SandboxConfig Sandbox(const std::string& id) const;
  ContainerConfig Container(const std::string& sandbox, const std::string& id) const;
  std::string LogOf(const std::string& id) const { return options_.root + "/logs/" + id + ".log"; }
  // The text of the container's log, without times and tags: "stdout: line\n".
  std::string Output(const std::string& id) const;

 private:
  OciRuntimeOptions options_;
  std::unique_ptr<Env> env_;
  std::unique_ptr<Strand> strand_;
  std::unique_ptr<Runtime> runtime_;
  std::mutex mu_;  // guards exits_
  std::vector<ContainerState> exits_;
};

}  // namespace minikube::test
