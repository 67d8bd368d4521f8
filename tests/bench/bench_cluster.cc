// What a cluster costs and how fast it is, in process: memory per stored pod, writes per second, scheduling
// throughput, informers.
//
//   bench_cluster memory|create|schedule [N]
//   bench_cluster informers [INFORMERS]    the same with that many informers of pods, and when they learn of a write
//
// One mode per run, so that each starts from a fresh process. Prints `name value unit` lines.
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <minikube/minikube.h>

#include "bench/load.h"

namespace minikube {
namespace {

using core::v1::Node;
using core::v1::Pod;

// A realistic pod of about 3 KB as JSON.
Pod MakePod(int i) {
  Pod pod;
  pod.metadata.name = fmt::format("web-{}", i);
  pod.metadata.namespace_ = "default";
  pod.metadata.labels["app"] = "web";
  pod.metadata.labels["pod-template-hash"] = "6c4bf444df";
  pod.metadata.annotations["example.com/build"] = fmt::format("build {} of the main branch, made by the pipeline", i);
  core::v1::Container container{.name = "web", .image = "registry.example.com/team/web:1.2.3"};
  container.command.push_back("/usr/local/bin/web");
  for (int k = 0; k < 24; ++k) {
    container.env.push_back({.name = fmt::format("SETTING_{}", k), .value = fmt::format("the value of setting {}", k)});
  }
  container.resources.requests["cpu"] = Quantity("1m");
  container.resources.requests["memory"] = Quantity("1Mi");
  container.ports.push_back({.name = "http", .containerPort = 8080});
  pod.spec.containers.push_back(container);
  core::v1::Container sidecar = container;
  sidecar.name = "sidecar";
  sidecar.ports.clear();
  pod.spec.containers.push_back(sidecar);
  return pod;
}

std::size_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

double Seconds(Env& env, MonoTime since) {
  return std::chrono::duration<double>(env.clock().MonoNow() - since).count();
}

// Sends `count` requests with at most `window` unanswered, and waits for all. Aborts on an error.
class Flood {
 public:
  Flood(Cluster& cluster, int window) : cluster_(cluster), strand_(cluster.env().NewStrand("flood")), window_(window) {}
  void Run(int count, const std::function<ApiRequest(int)>& make) {
    strand_->Post([&, count] {
      count_ = count;
      make_ = make;
      while (sent_ < count_ && sent_ - answered_ < window_) Send();
    });
    std::unique_lock lock(mu_);
    done_.wait(lock, [&] { return finished_; });
  }

 private:
  void Send() {
    cluster_.client()
        .Do(make_(sent_++), *strand_,
            [this](Result<ApiResponse> response) {
              if (!response) DieOnBadResult(response.status());
              ++answered_;
              if (sent_ < count_) Send();
              if (answered_ < count_) return;
              std::lock_guard lock(mu_);
              finished_ = true;
              done_.notify_all();
            })
        .Detach();
  }
  Cluster& cluster_;
  std::unique_ptr<Strand> strand_;
  const int window_;
  int count_ = 0;
  int sent_ = 0;
  int answered_ = 0;
  std::function<ApiRequest(int)> make_;
  std::mutex mu_;
  std::condition_variable done_;
  bool finished_ = false;
};

std::unique_ptr<Cluster> StartCluster(const std::string& dir, bool scheduler) {
  ClusterOptions options;
  options.data_dir = dir;
  options.api_server.listen = "";
  if (!scheduler) options.scheduler.reset();
  Result<std::unique_ptr<Cluster>> cluster = Cluster::Start(options);
  if (!cluster) DieOnBadResult(cluster.status());
  while (!(*cluster)->client().Get<core::v1::ServiceAccount>("default", "default").ok()) usleep(1000);
  return std::move(cluster).value();
}

void CreatePods(Cluster& cluster, int count) {
  Flood(cluster, 512).Run(count, [](int i) { return Client::RequestFor(Verb::kCreate, MakePod(i)); });
}

void Memory(const std::string& dir, int count) {
  const auto cluster = StartCluster(dir, false);
  const std::size_t json = EncodeJson(*Share(cluster->client().Create(MakePod(-1)).value())).size();
  const std::size_t before = ResidentBytes();
  CreatePods(*cluster, count);
  const double per_pod = static_cast<double>(ResidentBytes() - before) / count;
  fmt::print("pod_json {} bytes\n", json);
  fmt::print("resident_per_pod_at_{} {:.0f} bytes\n", count, per_pod);
  fmt::print("resident_per_pod_over_json {:.2f} ratio\n", per_pod / static_cast<double>(json));
}

void CreateRate(const std::string& dir, int count) {
  const auto cluster = StartCluster(dir, false);
  const MonoTime begin = cluster->env().clock().MonoNow();
  CreatePods(*cluster, count);
  fmt::print("pod_creates_in_process {:.0f} /s\n", count / Seconds(cluster->env(), begin));
}

constexpr const char* kSent = "example.com/sent";

// An informer on a strand of its own, as a component has it.
struct TimedInformer {
  explicit TimedInformer(Cluster& cluster)
      : clock(cluster.env().clock()),
        strand(cluster.env().NewStrand("informer")),
        pods(std::make_unique<Informer>(cluster.client(), Client::ResourceOf<Pod>(), *strand, cluster.env())) {
    pods->AddHandler([this](const ObjectRef& before, const ObjectRef& now) {
      if (before || !now) return;
      if (const Str* sent = now->meta().annotations.Find(kSent)) {
        const Duration lag = clock.MonoNow().time_since_epoch() - std::chrono::nanoseconds(std::stoll(sent->str()));
        micros.push_back(static_cast<float>(lag.count()) / 1000);
      }
      ++seen;
    });
    strand->Post([this] { pods->Start(); });
  }
  ~TimedInformer() {
    strand->Post([this] { pods.reset(); });
    while (pods) usleep(1000);
  }
  Clock& clock;
  std::unique_ptr<Strand> strand;
  std::atomic<int> seen = 0;
  std::vector<float> micros;  // from asking for a write to its event
  std::unique_ptr<Informer> pods;
};

void Informers(const std::string& dir, int informers) {
  constexpr int kPods = 50'000;
  const auto cluster = StartCluster(dir, false);
  std::vector<std::unique_ptr<TimedInformer>> all;
  while (static_cast<int>(all.size()) < informers) all.push_back(std::make_unique<TimedInformer>(*cluster));
  const auto have_seen = [&](int pods) {
    for (const auto& informer : all) {
      while (informer->seen < pods) usleep(1000);
    }
  };
  (void)cluster->client().Create(MakePod(-1)).value();
  have_seen(1);
  const std::size_t before = ResidentBytes();
  const MonoTime begin = cluster->env().clock().MonoNow();
  Flood(*cluster, 512).Run(kPods, [&](int i) {
    Pod pod = MakePod(i);
    pod.metadata.annotations[kSent] = std::to_string(cluster->env().clock().MonoNow().time_since_epoch().count());
    return Client::RequestFor(Verb::kCreate, pod);
  });
  const double seconds = Seconds(cluster->env(), begin);
  have_seen(kPods + 1);
  bench::Load lag;
  for (const auto& informer : all) {
    lag.micros.insert(lag.micros.end(), informer->micros.begin(), informer->micros.end());
    std::vector<float>().swap(informer->micros);  // no part of what an informer costs
  }
  const std::string name = fmt::format("informers/{}", informers);
  bench::Print(name + "/writes", kPods / seconds, "/s");
  bench::Print(name + "/lag_p50", lag.Percentile(0.5) / 1000, "ms");
  bench::Print(name + "/lag_p99", lag.Percentile(0.99) / 1000, "ms");
  std::vector<float>().swap(lag.micros);
  malloc_trim(0);
  bench::Print(name + "/resident_per_pod", static_cast<double>(ResidentBytes() - before) / kPods, "bytes");
}

// Pods wait for nodes before the clock starts, so that only scheduling and binding are measured.
void Schedule(const std::string& dir, int count) {
  constexpr int kNodes = 5000;
  const auto cluster = StartCluster(dir, true);
  CreatePods(*cluster, count);
  std::atomic<int> bound = 0;
  const auto strand = cluster->env().NewStrand("count");
  std::mutex mu;
  std::condition_variable all;
  Informer pods(cluster->client(), Client::ResourceOf<Pod>(), *strand, cluster->env());
  pods.AddHandler([&](const ObjectRef& before, const ObjectRef& now) {
    if (!now || now->As<Pod>().spec.nodeName.empty() || (before && !before->As<Pod>().spec.nodeName.empty())) return;
    if (++bound < count) return;
    std::lock_guard lock(mu);
    all.notify_all();
  });
  strand->Post([&] { pods.Start(); });
  const MonoTime begin = cluster->env().clock().MonoNow();
  Flood(*cluster, 256).Run(kNodes, [](int i) {
    Node node;
    node.metadata.name = fmt::format("node-{}", i);
    node.metadata.labels["kubernetes.io/hostname"] = node.metadata.name;
    node.metadata.labels["topology.kubernetes.io/zone"] = fmt::format("zone-{}", i % 3);
    node.spec.taints.clear();
    for (const auto& [name, amount] :
         {std::pair("cpu", "32"), std::pair("memory", "256Gi"), std::pair("pods", "110")}) {
      node.status.capacity[name] = Quantity(amount);
      node.status.allocatable[name] = Quantity(amount);
    }
    core::v1::NodeCondition ready;
    ready.type = "Ready";
    ready.status = "True";
    node.status.conditions.push_back(ready);
    return Client::RequestFor(Verb::kCreate, node);
  });
  std::unique_lock lock(mu);
  all.wait(lock, [&] { return bound >= count; });
  fmt::print("pods_scheduled_{}_nodes {:.0f} /s\n", kNodes, count / Seconds(cluster->env(), begin));
  lock.unlock();
  strand->Stop();
}

int Main(int argc, char** argv) {
#ifndef NDEBUG
  std::fprintf(stderr, "bench_cluster: a debug build measures nothing\n");
  return 2;
#endif
  const std::string mode = argc > 1 ? argv[1] : "";
  const int count = argc > 2 ? std::atoi(argv[2]) : 0;
  const std::string dir = fmt::format("/tmp/minikube-bench.{}", getpid());
  int result = 0;
  if (mode == "memory") {
    Memory(dir, count > 0 ? count : 100'000);
  } else if (mode == "create") {
    CreateRate(dir, count > 0 ? count : 50'000);
  } else if (mode == "schedule") {
    Schedule(dir, count > 0 ? count : 20'000);
  } else if (mode == "informers") {
    Informers(dir, count > 0 ? count : 20);
  } else {
    std::fprintf(stderr, "usage: bench_cluster memory|create|schedule|informers [N]\n");
    result = 2;
  }
  std::filesystem::remove_all(dir);
  return result;
}

}  // namespace
}  // namespace minikube

int main(int argc, char** argv) { return minikube::Main(argc, argv); }
