// The store's speed and size beside etcd's. Prints the machine, then lines `name value unit etcd value ratio`; without
// --etcd only their first half.
//
//   bench_store [--dir DIR] [--seconds N] [--rounds N] [--keys N] [--only PREFIX] [--etcd PROGRAM]
//
// Both run in turns, `seconds` each, `rounds` times, on the same disk: what else happens on the machine slows both
// sides of a round down. Printed are the medians of both, and of the rounds' ratios (ours by etcd's, for rates and
// times alike). Ours is called as its host calls it, in the process; etcd over loopback, as its host must. Keys and
// values are the same for both.
//
// DIR is made and removed; put it on the disk to be measured.
//
//   puts/threads/N/S   N threads that each wait for their put of S bytes
//   puts/async/N/S     N puts in flight whose callbacks start the next, as a server does
//   ceiling/S          the records of puts of S bytes written to RocksDB alone: no log, no sync, no callers
//   updates            64 puts of 1 KB in flight, of keys that exist
//   commit/S           a lone writer's put beside one write and fdatasync of as many bytes into a log of the same disk
//   watch/N            changes that reach N watchers of everything, while 64 puts are in flight
//   start, range/N     a store of `keys` keys, and ranges of N of them by 8 callers
//   compact            64 writers over few keys while what they overwrite is compacted
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include <minikube/store.h>

#include "bench/etcd_peer.h"
#include "bench/load.h"
#include "bench/rocks_ceiling.h"
#include "bench/store_load.h"

#ifndef NDEBUG
#error "benchmarks of a debug build mislead: use the release preset"
#endif

namespace minikube::bench {
namespace {

constexpr std::string_view kPrefix = "/registry/pods/";
constexpr std::size_t kValue = 256;         // of everything but puts
constexpr std::uint64_t kPerSpace = 10000;  // keys of a namespace
constexpr std::uint64_t kPerApp = 100;      // keys of an application within it
constexpr int kKeysPerFill = 128;           // etcd's limit of writes in a transaction
constexpr std::uint64_t kCompactedKeys = 20000;
constexpr std::uint64_t kUpdatedKeys = 5000;
constexpr std::uint64_t kNoEnd = ~std::uint64_t{0};
constexpr int kCallers = 8;
constexpr int kWriters = 64;

struct Settings {
  std::string dir = "bench-store.tmp";
  double seconds = 1;
  int rounds = 5;
  std::uint64_t keys = 1000000;
  std::string only;
  std::string etcd;
};

double DirectoryBytes(const std::string& dir) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) bytes += static_cast<double>(entry.file_size());
  }
  return bytes;
}

double AnonymousBytes() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("RssAnon:")) return std::stod(line.substr(8)) * 1024;
  }
  return 0;
}

// True until `seconds` have passed since the construction.
class Until {
 public:
  explicit Until(double seconds)
      : end_(SteadyClock::now() +
             std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds))) {}
  bool operator()() const { return SteadyClock::now() < end_; }

 private:
  SteadyClock::time_point end_;
};

class Bench {
 public:
  explicit Bench(Settings settings) : settings_(std::move(settings)), env_(NewRealEnv()) {
    std::mt19937_64 random(1);
    noise_.resize(1 << 20);
    for (char& c : noise_) c = static_cast<char>(random());
  }

  void Run() {
    PrintMachine();
    for (const std::size_t size : {256, 1024}) {
      for (const int writers : {1, 8, 64, 512}) {
        Puts(writers, size);
      }
    }
    for (const std::size_t size : {256, 1024}) {
      if (Wanted(fmt::format("ceiling/{}B", size))) Ceiling(size);
    }
    if (Wanted("updates")) Updates();
    for (const int watchers : {1, 100, 1000}) {
      if (Wanted(fmt::format("watch/{}", watchers))) Watch(watchers);
    }
    if (Wanted("compact")) Compaction();
    if (Wanted("open")) OpenSmall();
    if (Wanted("large") || settings_.only.starts_with("large/")) Large();
    PrintLoad();
  }

 private:
  bool Wanted(std::string_view name) const { return name.starts_with(settings_.only); }
  bool WithEtcd() const { return !settings_.etcd.empty(); }

  void PrintMachine() const {
    utsname name{};
    uname(&name);
    fmt::print("# {} {}, {} cores, release build, {}, {} rounds of {} s\n", name.sysname, name.release,
               std::thread::hardware_concurrency(), settings_.dir, settings_.rounds, settings_.seconds);
    PrintLoad();
  }
  static void PrintLoad() {
    double loads[3] = {};
    if (getloadavg(loads, 3) == 3) fmt::print("# load average {:.2f} {:.2f} {:.2f}\n", loads[0], loads[1], loads[2]);
    std::fflush(stdout);
  }

  // --- What both sides run on ---

  std::unique_ptr<Store> Open(bool anew) {
    if (anew) std::filesystem::remove_all(settings_.dir);
    StoreOptions options;
    options.path = settings_.dir;
    options.quota_bytes = 0;
    Result<std::unique_ptr<Store>> store = OpenStore(options, *env_);
    Check(store.status());
    return std::move(*store);
  }
  std::string EtcdDir() const { return settings_.dir + ".etcd"; }
  std::unique_ptr<EtcdServer> StartEtcd(bool anew) {
    if (anew) std::filesystem::remove_all(EtcdDir());
    Result<std::unique_ptr<EtcdServer>> server = EtcdServer::Start(settings_.etcd, EtcdDir());
    Check(server.status());
    return std::move(*server);
  }
  // The sides in turns. What one leaves to be done in the background mostly ends before the other's turn.
  void InTurns(const std::vector<Side*>& sides) const {
    for (int round = 0; round < settings_.rounds; ++round) {
      for (Side* side : sides) {
        if (!side->run) continue;
        side->rounds.push_back(side->run());
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
      }
    }
  }

  // Distinct values, so that nothing compresses them to nothing.
  std::string Value(std::size_t size, std::uint64_t n) const {
    return noise_.substr((n * 7919) % (noise_.size() - size), size);
  }
  // As Kubernetes names them, spread over the key space.
  static std::string Key(std::uint64_t n) {
    return fmt::format("{}default/{:016x}", kPrefix, n * 0x9e3779b97f4a7c15ull);
  }
  Transaction PutOf(std::string key, std::size_t size, std::uint64_t n) const {
    Transaction txn;
    txn.writes.push_back({.key = std::move(key), .value = Value(size, n)});
    return txn;
  }

  // --- Puts ---

  // Within the bound of queues, so that no watcher is lost: it waits while watchers are far behind.
  static void WaitForWatchers(const StoreWatchers& watchers, int count, std::uint64_t puts) {
    const auto behind = static_cast<std::uint64_t>(count) * (StoreWatchers::kQueue / 4);
    while (puts * static_cast<std::uint64_t>(count) > watchers.events() + behind) std::this_thread::yield();
  }

  Load PutThreads(Store& store, int writers, std::size_t size, std::atomic<std::uint64_t>& next) const {
    const Until until(settings_.seconds);
    return RunThreads(writers, [&]() -> std::optional<double> {
      if (!until()) return std::nullopt;
      const std::uint64_t n = next++;
      Check(store.Commit(PutOf(Key(n), size, n)).status());
      return 1;
    });
  }
  // Of `keys` keys in turns.
  Load PutAsync(Store& store, int writers, std::size_t size, std::atomic<std::uint64_t>& next,
                std::uint64_t keys = kNoEnd) const {
    const Until until(settings_.seconds);
    return RunAsync(store, writers, [&]() -> std::optional<Transaction> {
      if (!until()) return std::nullopt;
      const std::uint64_t n = next++;
      return PutOf(Key(n % keys), size, n);
    });
  }
  Load PutEtcd(const EtcdServer& server, int writers, std::size_t size, std::uint64_t& next,
               std::uint64_t keys = kNoEnd) const {
    const Until until(settings_.seconds);
    const EtcdCalls calls = {"/etcdserverpb.KV/Put",
                             [&]() -> std::optional<std::string> {
                               if (!until()) return std::nullopt;
                               const std::uint64_t n = next++;
                               return EtcdPut(Key(n % keys), Value(size, n));
                             },
                             nullptr};
    Result<Load> load = LoadEtcd(server, writers, calls);
    Check(load.status());
    return std::move(*load);
  }

  // What the disk itself gives a lone writer: records of as many bytes as ours has in its log, each written and synced,
  // into a file that was filled before, so that only data is to be written.
  Load Syncs(std::size_t size) const {
    constexpr std::size_t kFile = 16 << 20;
    const std::string path = settings_.dir + "/sync.tmp";
    const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    const auto check = [&](bool ok) {
      if (!ok) Check(Status(Code::kUnavailable, path));
    };
    check(fd >= 0);
    const std::string zeros(kFile, '\0');
    check(pwrite(fd, zeros.data(), kFile, 0) == static_cast<ssize_t>(kFile) && fsync(fd) == 0);
    Load out;
    const std::string record = noise_.substr(0, size + 150);
    const Until until(settings_.seconds);
    const auto begin = SteadyClock::now();
    for (std::size_t at = 0; until(); at = at + 2 * record.size() < kFile ? at + record.size() : 0) {
      const auto start = SteadyClock::now();
      check(pwrite(fd, record.data(), record.size(), static_cast<off_t>(at)) == static_cast<ssize_t>(record.size()) &&
            fdatasync(fd) == 0);
      out.micros.push_back(static_cast<float>(Seconds(start) * 1e6));
    }
    out.seconds = Seconds(begin);
    out.count = static_cast<double>(out.micros.size());
    close(fd);
    std::filesystem::remove(path);
    return out;
  }

  void Puts(int writers, std::size_t size) {
    const std::string what = fmt::format("{}/{}B", writers, size);
    const bool with_threads = Wanted("puts/threads/" + what);
    const bool with_async = Wanted("puts/async/" + what);
    if (!with_threads && !with_async) return;
    const std::unique_ptr<Store> store = Open(true);
    const std::unique_ptr<EtcdServer> etcd = WithEtcd() ? StartEtcd(true) : nullptr;
    std::atomic<std::uint64_t> ours_next{0};
    std::uint64_t etcd_next = 0;
    Side peer, threads, async, syncs;
    if (etcd != nullptr) peer.run = [&] { return PutEtcd(*etcd, writers, size, etcd_next); };
    if (with_threads) threads.run = [&] { return PutThreads(*store, writers, size, ours_next); };
    if (with_async) async.run = [&] { return PutAsync(*store, writers, size, ours_next); };
    if (writers == 1 && with_threads) syncs.run = [&] { return Syncs(size); };
    InTurns({&peer, &syncs, &threads, &async});
    for (const auto& [mode, side] : {std::pair("threads", &threads), std::pair("async", &async)}) {
      if (side->rounds.empty()) continue;
      const std::string name = fmt::format("puts/{}/{}", mode, what);
      const auto percentile = [](int q) { return fmt::format("/p{}", q); };
      PrintBeside(name, "puts/s", *side, "etcd", peer, [](const Load& l) { return l.Rate(); });
      PrintBeside(name + percentile(50), "us", *side, "etcd", peer, [](const Load& l) { return l.Percentile(0.5); });
      PrintBeside(name + percentile(99), "us", *side, "etcd", peer, [](const Load& l) { return l.Percentile(0.99); });
      PrintBeside(name + "/cpu", "us", *side, "etcd", peer, [](const Load& l) { return l.CpuMicros(); });
    }
    if (etcd != nullptr) {
      Print("puts/etcd_client_cpu/" + what, MedianOf(peer, [](const Load& l) { return l.ClientCpuMicros(); }), "us");
    }
    if (!syncs.rounds.empty()) {
      PrintBeside(fmt::format("commit/{}B", size), "us", threads, "fdatasync", syncs,
                  [](const Load& l) { return l.MeanMicros(); });
    }
  }

  void Ceiling(std::size_t size) const {
    const std::string name = fmt::format("ceiling/{}B", size);
    const Load load = FillRocks(
        settings_.dir, settings_.rounds * settings_.seconds, [](std::uint64_t n) { return Key(n); },
        [&](std::uint64_t n) { return Value(size, n); });
    Print(name, load.Rate(), "puts/s");
    Print(name + "/cpu", load.CpuMicros(), "us");
  }

  void Updates() {
    constexpr std::size_t kSize = 1024;
    const std::unique_ptr<Store> store = Open(true);
    const std::unique_ptr<EtcdServer> etcd = WithEtcd() ? StartEtcd(true) : nullptr;
    std::atomic<std::uint64_t> ours_next{0};
    std::uint64_t etcd_next = 0;
    Side ours, peer;
    ours.run = [&] { return PutAsync(*store, kWriters, kSize, ours_next, kUpdatedKeys); };
    if (etcd != nullptr) peer.run = [&] { return PutEtcd(*etcd, kWriters, kSize, etcd_next, kUpdatedKeys); };
    InTurns({&peer, &ours});
    PrintBeside("updates", "puts/s", ours, "etcd", peer, [](const Load& l) { return l.Rate(); });
    PrintBeside("updates/p99", "us", ours, "etcd", peer, [](const Load& l) { return l.Percentile(0.99); });
    PrintBeside("updates/cpu", "us", ours, "etcd", peer, [](const Load& l) { return l.CpuMicros(); });
  }

  // --- Watching ---

  void Watch(int watchers) {
    const std::unique_ptr<Store> store = Open(true);
    const std::unique_ptr<EtcdServer> etcd = WithEtcd() ? StartEtcd(true) : nullptr;
    std::atomic<std::uint64_t> ours_next{0};
    std::uint64_t etcd_next = 0;
    const std::string end = PrefixEnd(kPrefix);
    Side ours, peer;
    // A round ends when the last change has reached the last watcher.
    ours.run = [&] {
      StoreWatchers receivers(*store, *env_, watchers, std::string(kPrefix), end);
      const std::uint64_t first = ours_next;
      const double cpu = CpuSeconds(RUSAGE_SELF);
      const Until until(settings_.seconds);
      const auto begin = SteadyClock::now();
      Load load = RunAsync(*store, kWriters, [&]() -> std::optional<Transaction> {
        if (!until()) return std::nullopt;
        const std::uint64_t n = ours_next++;
        WaitForWatchers(receivers, watchers, n - first);
        return PutOf(Key(n), kValue, n);
      });
      load.count *= watchers;
      WaitUntil([&] { return static_cast<double>(receivers.events()) >= load.count || receivers.lost(); });
      if (receivers.lost()) Check(Status(Code::kInternal, "a watcher was lost"));
      load.seconds = Seconds(begin);
      load.cpu = CpuSeconds(RUSAGE_SELF) - cpu;
      return load;
    };
    if (etcd != nullptr) {
      peer.run = [&] {
        Result<std::unique_ptr<EtcdWatchers>> receivers = EtcdWatchers::Start(*etcd, watchers, kPrefix, end);
        Check(receivers.status());
        const double cpu = etcd->CpuSeconds();
        const auto begin = SteadyClock::now();
        Load load = PutEtcd(*etcd, kWriters, kValue, etcd_next);
        load.count *= watchers;
        WaitUntil([&] { return static_cast<double>((*receivers)->events()) >= load.count; });
        load.seconds = Seconds(begin);
        load.cpu = etcd->CpuSeconds() - cpu;
        load.client_cpu += (*receivers)->cpu();
        return load;
      };
    }
    InTurns({&peer, &ours});
    const std::string name = fmt::format("watch/{}", watchers);
    PrintBeside(name, "events/s", ours, "etcd", peer, [](const Load& l) { return l.Rate(); });
    PrintBeside(name + "/cpu", "us", ours, "etcd", peer, [](const Load& l) { return l.CpuMicros(); });
    if (etcd != nullptr) {
      Print(name + "/etcd_client_cpu", MedianOf(peer, [](const Load& l) { return l.ClientCpuMicros(); }), "us");
    }
  }

  static void WaitUntil(const std::function<bool()>& reached) {
    const Until until(120);
    while (!reached()) {
      if (!until()) Check(Status(Code::kUnavailable, "changes did not reach all watchers"));
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }

  // --- Compaction ---

  // A second caller compacts all that was overwritten, ten times in a round.
  template <typename Compact>
  Load WhileCompacting(const std::function<Load()>& load, Compact compact) const {
    std::atomic<bool> stop{false};
    std::thread compactor([&] {
      while (!stop) {
        std::this_thread::sleep_for(std::chrono::duration<double>(settings_.seconds / 10));
        compact();
      }
    });
    Load out = load();
    stop = true;
    compactor.join();
    return out;
  }

  void Compaction() {
    const std::unique_ptr<Store> store = Open(true);
    const std::unique_ptr<EtcdServer> etcd = WithEtcd() ? StartEtcd(true) : nullptr;
    std::atomic<std::uint64_t> ours_next{0};
    std::uint64_t etcd_next = 0;
    std::atomic<std::int64_t> etcd_revision{0};
    Side ours, peer;
    ours.run = [&] {
      const Until until(settings_.seconds);
      return WhileCompacting(
          [&] {
            return RunThreads(kWriters, [&]() -> std::optional<double> {
              if (!until()) return std::nullopt;
              const std::uint64_t n = ours_next++;
              Check(store->Commit(PutOf(Key(n % kCompactedKeys), kValue, n)).status());
              return 1;
            });
          },
          [&] { Check(store->Compact(store->revision())); });
    };
    if (etcd != nullptr) {
      peer.run = [&] {
        const Until until(settings_.seconds);
        const EtcdCalls puts = {
            "/etcdserverpb.KV/Put",
            [&]() -> std::optional<std::string> {
              if (!until()) return std::nullopt;
              const std::uint64_t n = etcd_next++;
              return EtcdPut(Key(n % kCompactedKeys), Value(kValue, n));
            },
            [&](std::string_view answer) { etcd_revision = std::max(etcd_revision.load(), EtcdRevision(answer)); }};
        std::int64_t compacted = 0;
        return WhileCompacting(
            [&] {
              Result<Load> load = LoadEtcd(*etcd, kWriters, puts);
              Check(load.status());
              return std::move(*load);
            },
            [&] {
              const std::int64_t revision = etcd_revision;
              if (revision <= compacted) return;
              compacted = revision;
              Check(etcd->Call("/etcdserverpb.KV/Compact", EtcdCompact(revision)));
            });
      };
    }
    InTurns({&peer, &ours});
    PrintBeside("compact/puts", "puts/s", ours, "etcd", peer, [](const Load& l) { return l.Rate(); });
    PrintBeside("compact/p50", "us", ours, "etcd", peer, [](const Load& l) { return l.Percentile(0.5); });
    PrintBeside("compact/p99", "us", ours, "etcd", peer, [](const Load& l) { return l.Percentile(0.99); });
  }

  // --- Starting ---

  void OpenSmall() {
    std::vector<double> fresh, again;
    for (int i = 0; i < 20; ++i) {
      auto start = SteadyClock::now();
      std::unique_ptr<Store> store = Open(true);
      fresh.push_back(Seconds(start) * 1e3);
      Check(store->Commit(PutOf(Key(1), 100, 1)).status());
      store.reset();
      start = SteadyClock::now();
      store = Open(false);
      again.push_back(Seconds(start) * 1e3);
    }
    Print("open/new", Median(fresh), "ms");
    Print("open/one_key", Median(again), "ms");
    Print("open/anonymous", AnonymousBytes() / 1e6, "MB");
  }

  // --- A large store ---

  static std::string LargeKey(std::uint64_t n) {
    return fmt::format("{}space-{:04}/app-{:02}-{:04x}", kPrefix, n / kPerSpace, n % kPerSpace / kPerApp, n % kPerApp);
  }
  // The i-th key in the order of writing, which is not that of the keys.
  std::uint64_t Shuffled(std::uint64_t i) const { return i * 611953 % settings_.keys; }  // a prime: each comes once

  void FillOurs(Store& store) const {
    std::atomic<std::uint64_t> next{0};
    RunAsync(store, kCallers, [&]() -> std::optional<Transaction> {
      const std::uint64_t first = next.fetch_add(kKeysPerFill);
      Transaction txn;
      for (std::uint64_t i = first; i < std::min(first + kKeysPerFill, settings_.keys); ++i) {
        const std::uint64_t n = Shuffled(i);
        txn.writes.push_back({.key = LargeKey(n), .value = Value(kValue, n)});
      }
      if (txn.writes.empty()) return std::nullopt;
      return txn;
    });
  }
  void FillEtcd(const EtcdServer& server) const {
    std::uint64_t next = 0;
    const EtcdCalls calls = {"/etcdserverpb.KV/Txn",
                             [&]() -> std::optional<std::string> {
                               std::vector<std::pair<std::string, std::string>> puts;
                               for (int i = 0; i < kKeysPerFill && next < settings_.keys; ++i, ++next) {
                                 const std::uint64_t n = Shuffled(next);
                                 puts.emplace_back(LargeKey(n), Value(kValue, n));
                               }
                               if (puts.empty()) return std::nullopt;
                               return EtcdPuts(puts);
                             },
                             nullptr};
    Check(LoadEtcd(server, 1, calls).status());
  }

  // The i-th range of `keys` keys: one key, an application or a namespace.
  std::pair<std::string, std::string> LargeRange(std::uint64_t keys, std::uint64_t i) const {
    const std::uint64_t n = i * 611953 % settings_.keys;
    std::string key = LargeKey(n);
    if (keys == 1) return {key, ""};
    key.resize(key.rfind(keys == kPerApp ? '-' : '/') + 1);
    std::string end = PrefixEnd(key);
    return {std::move(key), std::move(end)};
  }

  void Ranges(Store& store, const EtcdServer* etcd) {
    for (const std::uint64_t keys : {std::uint64_t{1}, kPerApp, kPerSpace}) {
      const std::string name = fmt::format("large/range/{}", keys);
      if (!Wanted(name)) continue;
      std::atomic<std::uint64_t> next{0};
      Side ours, peer;
      const auto check = [keys](std::uint64_t found) {
        if (found != keys) Check(Status(Code::kInternal, fmt::format("{} keys instead of {}", found, keys)));
      };
      ours.run = [&] {
        const Until until(settings_.seconds);
        return RunThreads(kCallers, [&]() -> std::optional<double> {
          if (!until()) return std::nullopt;
          const auto [key, end] = LargeRange(keys, next++);
          const Result<RangeResult> range = store.Range(key, {.end = end});
          Check(range.status());
          check(range->kvs.size());
          return static_cast<double>(keys);
        });
      };
      if (etcd != nullptr) {
        peer.run = [&] {
          const Until until(settings_.seconds);
          const EtcdCalls calls = {
              "/etcdserverpb.KV/Range",
              [&]() -> std::optional<std::string> {
                if (!until()) return std::nullopt;
                const auto [key, end] = LargeRange(keys, next++);
                return EtcdRange(key, end);
              },
              [&](std::string_view answer) { check(static_cast<std::uint64_t>(EtcdKeys(answer))); }};
          Result<Load> load = LoadEtcd(*etcd, kCallers, calls);
          Check(load.status());
          load->count *= static_cast<double>(keys);
          return std::move(*load);
        };
      }
      InTurns({&peer, &ours});
      PrintBeside(name, "keys/s", ours, "etcd", peer, [](const Load& l) { return l.Rate(); });
      PrintBeside(name + "/p50", "us", ours, "etcd", peer, [](const Load& l) { return l.Percentile(0.5); });
      PrintBeside(name + "/p99", "us", ours, "etcd", peer, [](const Load& l) { return l.Percentile(0.99); });
      PrintBeside(name + "/cpu", "us/key", ours, "etcd", peer, [](const Load& l) { return l.CpuMicros(); });
      if (etcd != nullptr) {
        Print(name + "/etcd_client_cpu", MedianOf(peer, [](const Load& l) { return l.ClientCpuMicros(); }), "us");
      }
    }
  }

  // Filled by transactions of 128 puts, closed and started again; then ranges, and what it takes per key.
  void Large() {
    const auto keys = static_cast<double>(settings_.keys);
    const double empty = AnonymousBytes();
    std::unique_ptr<Store> store = Open(true);
    std::unique_ptr<EtcdServer> etcd = WithEtcd() ? StartEtcd(true) : nullptr;
    const double etcd_empty = etcd != nullptr ? etcd->AnonymousBytes() : 0;
    const auto print = [](std::string_view name, double ours, std::string_view unit, double peer) {
      Print(name, ours, unit, "etcd", peer, peer == 0 ? 0 : ours / peer);
    };
    auto begin = SteadyClock::now();
    FillOurs(*store);
    const double ours_fill = Seconds(begin);
    begin = SteadyClock::now();
    if (etcd != nullptr) FillEtcd(*etcd);
    print("large/fill", keys / ours_fill, "keys/s", etcd != nullptr ? keys / Seconds(begin) : 0);

    store.reset();
    etcd.reset();
    print("large/disk_per_key", DirectoryBytes(settings_.dir) / keys, "B",
          WithEtcd() ? DirectoryBytes(EtcdDir()) / keys : 0);

    std::vector<double> ours_start, etcd_start;
    for (int round = 0; round < settings_.rounds; ++round) {
      store.reset();
      begin = SteadyClock::now();
      store = Open(false);
      Check(store->Get(LargeKey(0)).status());
      ours_start.push_back(Seconds(begin) * 1e3);
      if (!WithEtcd()) continue;
      etcd.reset();
      begin = SteadyClock::now();
      etcd = StartEtcd(false);
      etcd_start.push_back(Seconds(begin) * 1e3);
    }
    print("large/start", Median(ours_start), "ms", Median(etcd_start));
    Ranges(*store, etcd.get());
    print("large/memory_per_key", (AnonymousBytes() - empty) / keys, "B",
          etcd != nullptr ? (etcd->AnonymousBytes() - etcd_empty) / keys : 0);

    begin = SteadyClock::now();
    std::size_t replayed = 0;
    for (Revision next = 2; next <= store->revision();) {
      Result<Store::History> history = store->Replay(kPrefix, PrefixEnd(kPrefix), next, 1000);
      Check(history.status());
      replayed += history->changes.size();
      next = history->next;
    }
    Print("large/replay", static_cast<double>(replayed) / Seconds(begin), "changes/s");
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
    if (name == "--rounds") settings.rounds = std::stoi(argv[i + 1]);
    if (name == "--keys") settings.keys = std::stoull(argv[i + 1]) / kPerSpace * kPerSpace;
    if (name == "--only") settings.only = argv[i + 1];
    if (name == "--etcd") settings.etcd = argv[i + 1];
  }
  const std::string dir = settings.dir;
  Bench(std::move(settings)).Run();
  std::filesystem::remove_all(dir);
  std::filesystem::remove_all(dir + ".etcd");
  return 0;
}

}  // namespace
}  // namespace minikube::bench

int main(int argc, char** argv) { return minikube::bench::Main(argc, argv); }
