// The store's speed and size: durable puts by number of writers and size of values, ranges, reopening, disk and memory
// per key. Prints the machine, then lines `name value unit`.
//
//   bench_store [--dir DIR] [--seconds N] [--keys N] [--only PREFIX] [--etcd PROGRAM]
//
// With --etcd the same puts and ranges go to an etcd server on the same disk, right after ours, and the lines read
// `name value unit etcd value ratio`. Ours is called as its host calls it, in the process; etcd over loopback, as its
// host must.
//
// DIR is made and removed; put it on the disk to be measured. puts/threads/N has N threads that each wait for their
// put; puts/async/N has N puts in flight whose callbacks start the next, as a server does.
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>

#include <fmt/format.h>

#include <minikube/store.h>

#include "bench/etcd_peer.h"

#ifndef NDEBUG
#error "benchmarks of a debug build mislead: use the release preset"
#endif

namespace minikube {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Settings {
  std::string dir = "bench-store.tmp";
  double seconds = 3;
  int keys = 1000000;
  std::string only;
  std::string etcd;
};

double Seconds(SteadyClock::time_point since) {
  return std::chrono::duration<double>(SteadyClock::now() - since).count();
}

void Print(std::string_view name, double value, std::string_view unit) {
  fmt::print("{} {:.6g} {}\n", name, value, unit);
  std::fflush(stdout);
}

void PrintRatio(std::string_view name, double value, std::string_view unit, double peer) {
  fmt::print("{} {:.6g} {} etcd {:.6g} {:.3g}\n", name, value, unit, peer, value / peer);
  std::fflush(stdout);
}

void Check(const Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "bench_store: {}\n", status.ToString());
  std::exit(1);
}

double ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  double pages = 0, resident = 0;
  in >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// Of the whole process: writers, committer, RocksDB's threads.
double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double DirectoryBytes(const std::string& dir) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) bytes += static_cast<double>(entry.file_size());
  }
  return bytes;
}

void PrintPercentiles(const std::string& name, std::vector<float>& micros) {
  if (micros.empty()) return;
  std::sort(micros.begin(), micros.end());
  const auto at = [&](double q) {
    return micros[static_cast<std::size_t>(q * static_cast<double>(micros.size() - 1))];
  };
  Print(name + "/p50", at(0.5), "us");
  Print(name + "/p99", at(0.99), "us");
}

class Bench {
 public:
  explicit Bench(Settings settings) : settings_(std::move(settings)), env_(NewRealEnv()) {
    std::mt19937_64 random(1);
    noise_.resize(1 << 20);
    for (char& c : noise_) c = static_cast<char>(random());
  }

  void Run() {
    PrintMachine();
    if (Wanted("sync")) Syncs();
    for (const std::size_t size : {256, 1024}) {
      for (const int writers : {1, 8, 64, 512}) {
        const std::string what = fmt::format("{}/{}B", writers, size);
        if (Wanted("puts/threads/" + what)) PutThreads("puts/threads/" + what, writers, size);
        if (Wanted("puts/async/" + what)) PutAsync("puts/async/" + what, writers, size);
      }
    }
    if (Wanted("open")) OpenEmpty();
    if (Wanted("large")) Large();
  }

 private:
  bool Wanted(std::string_view name) const { return name.starts_with(settings_.only); }

  void PrintMachine() const {
    utsname name{};
    uname(&name);
    fmt::print("# {} {}, {} cores, release build, {}\n", name.sysname, name.release,
               std::thread::hardware_concurrency(), settings_.dir);
  }

  std::unique_ptr<Store> Open(bool anew) {
    if (anew) std::filesystem::remove_all(settings_.dir);
    StoreOptions options;
    options.path = settings_.dir;
    options.quota_bytes = 0;
    Result<std::unique_ptr<Store>> store = OpenStore(options, *env_);
    Check(store.status());
    return std::move(*store);
  }

  // Distinct values, so that nothing compresses them to nothing.
  std::string Value(std::size_t size, std::uint64_t n) const {
    return noise_.substr((n * 7919) % (noise_.size() - size), size);
  }
  // As Kubernetes names them, spread over the key space.
  static std::string Key(std::uint64_t n) {
    return fmt::format("/registry/pods/default/{:016x}", n * 0x9e3779b97f4a7c15ull);
  }
  Transaction PutOf(std::uint64_t n, std::size_t size) const {
    Transaction txn;
    txn.writes.push_back({.key = Key(n), .value = Value(size, n)});
    return txn;
  }

  // What the disk itself gives a lone writer: append and fdatasync of one record.
  void Syncs() {
    std::filesystem::create_directories(settings_.dir);
    const std::string path = settings_.dir + "/sync";
    const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (fd < 0) Check(Status(Code::kUnavailable, path));
    std::vector<float> micros;
    const auto begin = SteadyClock::now();
    while (Seconds(begin) < settings_.seconds) {
      const auto start = SteadyClock::now();
      if (write(fd, noise_.data(), 1100) != 1100 || fdatasync(fd) != 0) Check(Status(Code::kUnavailable, path));
      micros.push_back(static_cast<float>(Seconds(start) * 1e6));
    }
    close(fd);
    Print("sync/append/1100B", static_cast<double>(micros.size()) / settings_.seconds, "1/s");
    PrintPercentiles("sync/append/1100B", micros);
  }

  // The same puts against etcd; 0 without --etcd.
  double EtcdPuts(int writers, std::size_t size) {
    if (settings_.etcd.empty()) return 0;
    const std::string dir = settings_.dir + ".etcd";
    std::filesystem::remove_all(dir);
    Result<std::unique_ptr<bench::EtcdServer>> server = bench::EtcdServer::Start(settings_.etcd, dir);
    Check(server.status());
    const Result<bench::LoadResult> load = bench::LoadEtcd((*server)->port(), writers, settings_.seconds,
                                                           "/etcdserverpb.KV/Put", [&](int writer, std::uint64_t n) {
                                                             n += static_cast<std::uint64_t>(writer) << 32;
                                                             return bench::EtcdPut(Key(n), Value(size, n));
                                                           });
    Check(load.status());
    server->reset();
    std::filesystem::remove_all(dir);
    return load->per_second;
  }

  void PrintPuts(const std::string& name, double per_second, int writers, std::size_t size) {
    const double etcd = EtcdPuts(writers, size);
    if (etcd > 0) {
      PrintRatio(name, per_second, "puts/s", etcd);
    } else {
      Print(name, per_second, "puts/s");
    }
  }

  void PutThreads(const std::string& name, int writers, std::size_t size) {
    std::unique_ptr<Store> store = Open(true);
    std::atomic<bool> stop{false};
    std::vector<std::vector<float>> micros(static_cast<std::size_t>(writers));
    std::vector<std::thread> threads;
    const double cpu = CpuSeconds();
    const auto begin = SteadyClock::now();
    for (int w = 0; w < writers; ++w) {
      threads.emplace_back([&, w] {
        for (std::uint64_t n = static_cast<std::uint64_t>(w) << 32; !stop; ++n) {
          const auto start = SteadyClock::now();
          Check(store->Commit(PutOf(n, size)).status());
          micros[static_cast<std::size_t>(w)].push_back(static_cast<float>(Seconds(start) * 1e6));
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(settings_.seconds));
    stop = true;
    for (std::thread& thread : threads) thread.join();
    const double elapsed = Seconds(begin);
    std::vector<float> all;
    for (const auto& mine : micros) all.insert(all.end(), mine.begin(), mine.end());
    const double cpu_used = CpuSeconds() - cpu;
    store.reset();
    PrintPuts(name, static_cast<double>(all.size()) / elapsed, writers, size);
    Print(name + "/cpu", cpu_used / static_cast<double>(all.size()) * 1e6, "us/put");
    PrintPercentiles(name, all);
  }

  void PutAsync(const std::string& name, int writers, std::size_t size) {
    std::unique_ptr<Store> store = Open(true);
    struct Flight {
      Bench* bench;
      Store* store;
      std::size_t size;
      std::uint64_t n;
      std::vector<float> micros;
      SteadyClock::time_point start;
      std::atomic<bool>* stop;
      std::atomic<int>* running;
      void Start() {
        start = SteadyClock::now();
        store->Commit(bench->PutOf(++n, size), [this](Result<CommitResult> result) {
          Check(result.status());
          micros.push_back(static_cast<float>(Seconds(start) * 1e6));
          if (*stop) {
            --*running;
          } else {
            Start();
          }
        });
      }
    };
    std::atomic<bool> stop{false};
    std::atomic<int> running{writers};
    std::vector<Flight> flights(static_cast<std::size_t>(writers));
    const double cpu = CpuSeconds();
    const auto begin = SteadyClock::now();
    for (int w = 0; w < writers; ++w) {
      flights[static_cast<std::size_t>(w)] = {this, store.get(), size,  static_cast<std::uint64_t>(w) << 32,
                                              {},   {},          &stop, &running};
      flights[static_cast<std::size_t>(w)].Start();
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(settings_.seconds));
    stop = true;
    while (running != 0) std::this_thread::yield();
    const double elapsed = Seconds(begin);
    std::vector<float> all;
    for (const Flight& flight : flights) all.insert(all.end(), flight.micros.begin(), flight.micros.end());
    const double cpu_used = CpuSeconds() - cpu;
    store.reset();
    PrintPuts(name, static_cast<double>(all.size()) / elapsed, writers, size);
    Print(name + "/cpu", cpu_used / static_cast<double>(all.size()) * 1e6, "us/put");
    PrintPercentiles(name, all);
  }

  void OpenEmpty() {
    std::vector<float> fresh, again, resident;
    for (int i = 0; i < 20; ++i) {
      auto start = SteadyClock::now();
      std::unique_ptr<Store> store = Open(true);
      fresh.push_back(static_cast<float>(Seconds(start) * 1e6));
      Check(store->Commit(PutOf(1, 100)).status());
      store.reset();
      start = SteadyClock::now();
      store = Open(false);
      again.push_back(static_cast<float>(Seconds(start) * 1e6));
    }
    PrintPercentiles("open/new", fresh);
    PrintPercentiles("open/one_key", again);
    Print("open/resident", ResidentBytes() / 1e6, "MB");
  }

  // A large store: filled, measured, reopened, read.
  void Large() {
    constexpr std::size_t kSize = 256;
    std::unique_ptr<Store> store = Open(true);
    const double resident_before = ResidentBytes();
    auto start = SteadyClock::now();
    std::atomic<int> left{settings_.keys};
    for (int n = 0; n < settings_.keys; ++n) {
      while (left > settings_.keys - n + 4096) std::this_thread::yield();
      store->Commit(PutOf(static_cast<std::uint64_t>(n), kSize), [&left](Result<CommitResult> result) {
        Check(result.status());
        --left;
      });
    }
    while (left != 0) std::this_thread::yield();
    Print("large/fill", settings_.keys / Seconds(start), "puts/s");
    Print("large/resident_per_key", (ResidentBytes() - resident_before) / settings_.keys, "B");
    store.reset();
    Print("large/disk_per_key", DirectoryBytes(settings_.dir) / settings_.keys, "B");
    start = SteadyClock::now();
    store = Open(false);
    Print("large/open", Seconds(start) * 1e3, "ms");
    std::mt19937_64 random(2);
    for (const std::size_t keys : {1, 100, 10000}) {
      std::vector<float> micros;
      start = SteadyClock::now();
      std::size_t total = 0;
      while (Seconds(start) < settings_.seconds / 3) {
        const auto one = SteadyClock::now();
        RangeOptions options;
        if (keys > 1) options.end = PrefixEnd("/registry/");
        options.limit = keys;
        options.exact_count = false;
        const Result<RangeResult> range =
            store->Range(Key(random() % static_cast<std::uint64_t>(settings_.keys)), options);
        Check(range.status());
        total += range->kvs.size();
        micros.push_back(static_cast<float>(Seconds(one) * 1e6));
      }
      Print(fmt::format("large/range/{}", keys), static_cast<double>(total) / Seconds(start), "keys/s");
      PrintPercentiles(fmt::format("large/range/{}", keys), micros);
    }
    start = SteadyClock::now();
    std::size_t replayed = 0;
    for (Revision next = 2; next <= store->revision();) {
      Result<Store::History> history = store->Replay("/", PrefixEnd("/"), next, 1000);
      Check(history.status());
      replayed += history->changes.size();
      next = history->next;
    }
    Print("large/replay", static_cast<double>(replayed) / Seconds(start), "changes/s");
    Print("large/resident", ResidentBytes() / 1e6, "MB");
  }

  const Settings settings_;
  std::string noise_;
  std::unique_ptr<Env> env_;
};

int Main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--dir") settings.dir = argv[i + 1];
    if (name == "--seconds") settings.seconds = std::stod(argv[i + 1]);
    if (name == "--keys") settings.keys = std::stoi(argv[i + 1]);
    if (name == "--only") settings.only = argv[i + 1];
    if (name == "--etcd") settings.etcd = argv[i + 1];
  }
  const std::string dir = settings.dir;
  Bench(std::move(settings)).Run();
  std::filesystem::remove_all(dir);
  return 0;
}

}  // namespace
}  // namespace minikube

int main(int argc, char** argv) { return minikube::Main(argc, argv); }
