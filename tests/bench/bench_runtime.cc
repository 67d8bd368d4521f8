// How long a container takes to start through the Runtime, beside the OCI runtime's own time for the same container.
// Usage: bench_runtime [runs] [runtime]; needs root. Budget: the runtime's own time + 20 ms.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <minikube/env.h>
#include <minikube/runtime.h>

using namespace minikube;
namespace fs = std::filesystem;

namespace {

double Millis(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since).count();
}

void Report(const char* name, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  std::printf("%s_median %.1f ms\n%s_p10 %.1f ms\n%s_p90 %.1f ms\n", name, times[times.size() / 2], name,
              times[times.size() / 10], name, times[times.size() * 9 / 10]);
}

template <typename T, typename Call>
T Await(Strand& strand, Call call) {
  std::promise<Result<T>> promise;
  strand.Post([&] { call([&](Result<T> result) { promise.set_value(std::move(result)); }); });
  Result<T> result = promise.get_future().get();
  if constexpr (std::is_void_v<T>) {
    result.value();
  } else {
    return std::move(result).value();
  }
}

void Bare(const std::string& runtime, const std::string& arguments) {
  if (std::system((runtime + " " + arguments + " </dev/null >/dev/null 2>&1").c_str()) != 0) {
    std::fprintf(stderr, "%s %s failed\n", runtime.c_str(), arguments.c_str());
    std::exit(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
#ifndef NDEBUG
  std::fprintf(stderr, "bench_runtime measures nothing in a debug build\n");
  return 1;
#endif
  const int runs = argc > 1 ? std::atoi(argv[1]) : 30;
  const std::string runtime_name = argc > 2 ? argv[2] : "runc";
  std::string pattern = fs::temp_directory_path() / "minikube-bench-XXXXXX";
  const fs::path dir = mkdtemp(pattern.data());
  fs::create_directories(dir / "rootfs/bin");
  fs::copy_file("/usr/bin/busybox", dir / "rootfs/bin/busybox");
  fs::create_symlink("busybox", dir / "rootfs/bin/sleep");

  OciRuntimeOptions options;
  options.root = dir / "state";
  options.runtime = runtime_name;
  options.cgroup_root = "/minikube-bench";
  options.bridge = "mkbench";
  options.pod_cidr = "10.212.0.0/24";
  ImagePackOptions pack;
  pack.rootfs = dir / "rootfs";
  pack.name = "bench/busybox";
  (void)PackImage(options.root, pack).value();
  auto env = NewRealEnv();
  auto strand = env->NewStrand("agent");
  auto runtime = NewOciRuntime(options, *env, *strand).value();
  (void)Await<Runtime::Inventory>(*strand, [&](auto done) { runtime->List(std::move(done)); });
  std::printf("# %s %s, %d runs\n", runtime->version().name.c_str(), runtime->version().version.c_str(), runs);

  std::vector<double> sandbox_up, container_up, bare, sandbox_gone;
  for (int i = 0; i < runs; ++i) {
    const std::string id = "pod" + std::to_string(i);
    SandboxConfig sandbox;
    sandbox.id = id;
    sandbox.hostname = id;
    sandbox.cgroup_parent = "kubepods/" + id;
    auto begin = std::chrono::steady_clock::now();
    (void)Await<SandboxState>(*strand, [&](auto done) { runtime->RunSandbox(sandbox, std::move(done)); });
    sandbox_up.push_back(Millis(begin));

    ContainerConfig container;
    container.id = id + "-c";
    container.sandbox_id = id;
    container.image = "bench/busybox";
    container.command = {"sleep", "1000"};
    container.log_path = dir / "log";
    begin = std::chrono::steady_clock::now();
    (void)Await<ContainerState>(*strand, [&](auto done) { runtime->StartContainer(container, std::move(done)); });
    container_up.push_back(Millis(begin));

    // The same container, as far as it can be had without a pod: no namespaces to join, no overlay, no log.
    std::ifstream file(dir / "state/containers" / container.id / "config.json");
    nlohmann::json config = nlohmann::json::parse(file);
    config["root"]["path"] = (dir / "rootfs").string();
    config["linux"]["cgroupsPath"] = "/minikube-bench/bare";
    for (auto& ns : config["linux"]["namespaces"]) ns.erase("path");
    for (auto& mount : config["mounts"]) {
      if (mount["destination"] == "/dev/shm") mount["source"] = "/dev/shm";
    }
    fs::create_directories(dir / "bare");
    std::ofstream(dir / "bare/config.json") << config.dump();
    const std::string root = "--root " + (dir / "bare-state").string();
    begin = std::chrono::steady_clock::now();
    Bare(runtime_name, root + " run --detach --bundle " + (dir / "bare").string() + " bare");
    bare.push_back(Millis(begin));
    Bare(runtime_name, root + " delete --force bare");

    begin = std::chrono::steady_clock::now();
    Await<void>(*strand, [&](auto done) { runtime->RemoveSandbox(id, std::move(done)); });
    sandbox_gone.push_back(Millis(begin));
  }
  Report("sandbox_run", sandbox_up);
  Report("container_start", container_up);
  Report("oci_runtime_alone", bare);
  Report("sandbox_remove", sandbox_gone);
  std::promise<void> gone;
  strand->Post([&] { runtime.reset(), gone.set_value(); });
  gone.get_future().wait();
  fs::remove_all(dir);
  // The cgroups that stay between pods.
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup")) {
    for (const char* name : {"/kubepods", "/monitors", ""})
      rmdir((hierarchy.path().string() + options.cgroup_root + name).c_str());
  }
}
