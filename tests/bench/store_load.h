// Load on our store, called as its host calls it: in the process, by threads that wait or by callbacks.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/env.h>
#include <minikube/store.h>

#include "bench/load.h"

namespace minikube::bench {

// Ends the program with `status` if it is an error: what failed must not be measured.
void Check(const Status& status);

// `callers` threads, this one among them, that each call `call` until it returns nothing, and add up what it returns
// (keys, say). `call` is run concurrently.
Load RunThreads(int callers, const std::function<std::optional<double>()>& call);

// `flights` transactions in flight; each one's callback starts the next, until `next` has no more. Called concurrently.
Load RunAsync(Store& store, int flights, const std::function<std::optional<Transaction>()>& next);

// Watchers of [key, end), each a subscriber of its own that is served on one of a few strands, as a server does. They
// look at every change and count those that are theirs.
class StoreWatchers {
 public:
  StoreWatchers(Store& store, Env& env, int watchers, std::string key, std::string end);
  ~StoreWatchers();
  std::uint64_t events() const { return events_.load(std::memory_order_relaxed); }
  bool lost() const { return lost_; }
  static constexpr std::size_t kQueue = 1 << 16;  // events that may wait for each

 private:
  struct Watcher;
  void Drain(Watcher& watcher);
  const std::string key_;
  const std::string end_;
  std::atomic<std::uint64_t> events_{0};
  std::atomic<bool> lost_{false};
  std::vector<std::unique_ptr<Strand>> strands_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
};

}  // namespace minikube::bench
