#include "bench/store_load.h"

#include <cstdlib>
#include <thread>
#include <utility>

namespace minikube::bench {

void Check(const Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "bench_store: {}\n", status.ToString());
  std::exit(1);
}

namespace {

Load Sum(const std::vector<std::vector<float>>& micros) {
  Load out;
  for (const auto& mine : micros) out.micros.insert(out.micros.end(), mine.begin(), mine.end());
  out.count = static_cast<double>(out.micros.size());
  return out;
}

}  // namespace

Load RunThreads(int callers, const std::function<std::optional<double>()>& call) {
  std::vector<std::vector<float>> micros(static_cast<std::size_t>(callers));
  std::vector<double> counts(static_cast<std::size_t>(callers));
  const auto run = [&](std::size_t c) {
    for (;;) {
      const auto start = SteadyClock::now();
      const std::optional<double> count = call();
      if (!count) return;
      counts[c] += *count;
      micros[c].push_back(static_cast<float>(Seconds(start) * 1e6));
    }
  };
  std::vector<std::thread> threads;
  const double cpu = CpuSeconds(RUSAGE_SELF);
  const auto begin = SteadyClock::now();
  for (std::size_t c = 1; c < micros.size(); ++c) threads.emplace_back(run, c);
  run(0);
  for (std::thread& thread : threads) thread.join();
  Load out = Sum(micros);
  out.seconds = Seconds(begin);
  out.cpu = CpuSeconds(RUSAGE_SELF) - cpu;
  out.count = 0;
  for (const double count : counts) out.count += count;
  return out;
}

namespace {

struct Flight {
  Store* store;
  const std::function<std::optional<Transaction>()>* next;
  std::atomic<int>* running;
  std::vector<float> micros;
  SteadyClock::time_point start;

  void Go() {
    std::optional<Transaction> txn = (*next)();
    if (!txn) {
      --*running;
      running->notify_one();
      return;
    }
    start = SteadyClock::now();
    store->Commit(std::move(*txn), [this](Result<CommitResult> result) {
      Check(result.status());
      micros.push_back(static_cast<float>(Seconds(start) * 1e6));
      Go();
    });
  }
};

}  // namespace

Load RunAsync(Store& store, int flights, const std::function<std::optional<Transaction>()>& next) {
  std::atomic<int> running{flights};
  std::vector<Flight> all(static_cast<std::size_t>(flights), Flight{&store, &next, &running, {}, {}});
  const double cpu = CpuSeconds(RUSAGE_SELF);
  const auto begin = SteadyClock::now();
  for (Flight& flight : all) flight.Go();
  for (int left = running; left != 0; left = running) running.wait(left);
  std::vector<std::vector<float>> micros;
  for (Flight& flight : all) micros.push_back(std::move(flight.micros));
  const double seconds = Seconds(begin);
  Load out = Sum(micros);
  out.seconds = seconds;
  out.cpu = CpuSeconds(RUSAGE_SELF) - cpu;
  return out;
}

struct StoreWatchers::Watcher {
  EventBus<Change>::Subscription subscription;
  std::vector<EventBus<Change>::Batch> batches;
  Strand* strand = nullptr;
};

StoreWatchers::StoreWatchers(Store& store, Env& env, int watchers, std::string key, std::string end)
    : key_(std::move(key)), end_(std::move(end)) {
  for (int i = 0; i < std::min(watchers, 8); ++i) strands_.push_back(env.NewStrand("watchers"));
  for (int w = 0; w < watchers; ++w) {
    auto watcher = std::make_unique<Watcher>();
    watcher->strand = strands_[static_cast<std::size_t>(w) % strands_.size()].get();
    watcher->subscription =
        store.bus().Subscribe(kQueue, [this, w = watcher.get()] { w->strand->Post([this, w] { Drain(*w); }); });
    watchers_.push_back(std::move(watcher));
  }
}

StoreWatchers::~StoreWatchers() {
  for (const auto& watcher : watchers_) watcher->subscription.Reset();
  for (const auto& strand : strands_) strand->Stop();
}

void StoreWatchers::Drain(Watcher& watcher) {
  std::uint64_t events = 0;
  bool lost = false;
  watcher.subscription.Drain(watcher.batches, lost);
  for (const auto& batch : watcher.batches) {
    for (const Change& change : *batch) events += change.kv.key >= key_ && change.kv.key < end_;
  }
  watcher.batches.clear();
  if (lost) lost_ = true;
  events_.fetch_add(events, std::memory_order_relaxed);
}

}  // namespace minikube::bench
