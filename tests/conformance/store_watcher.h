// A client's watch on a Store, by the documented protocol: subscribe, replay from history, then follow the bus.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <minikube/store.h>

namespace minikube::test {

class StoreWatcher {
 public:
  // Changes of keys in [key, end) with revision >= start.
  StoreWatcher(Store& store, std::string key, std::string end, Revision start, std::size_t queue = 1u << 20)
      : store_(store), key_(std::move(key)), end_(std::move(end)), next_(start) {
    subscription_ = store.bus().Subscribe(queue, [] {});
    const Revision reached = store.revision();
    while (next_ <= reached) {
      Result<Store::History> history = store.Replay(key_, end_, next_, 100);
      if (!history) {
        error_ = history.status();
        return;
      }
      for (Change& change : history->changes) seen_.push_back(std::move(change));
      next_ = history->next;
    }
  }

  // Everything so far. `lost` once the queue overflowed: a watch goes on from next().
  const std::vector<Change>& Poll() {
    bool lost = false;
    for (const auto& batch : subscription_.Drain(lost)) {
      for (const Change& change : *batch) {
        if (change.kv.mod_revision < next_) continue;
        const bool in = end_.empty() ? change.kv.key == key_
                                     : change.kv.key >= key_ && (end_ == std::string(1, '\0') || change.kv.key < end_);
        if (in) seen_.push_back(change);
      }
      if (!batch->empty()) next_ = std::max(next_, batch->back().kv.mod_revision + 1);
    }
    lost_ = lost_ || lost;
    return seen_;
  }
  const Status& error() const { return error_; }
  bool lost() const { return lost_; }
  Revision next() const { return next_; }

 private:
  Store& store_;
  const std::string key_;
  const std::string end_;
  Revision next_;
  Status error_;
  bool lost_ = false;
  std::vector<Change> seen_;
  EventBus<Change>::Subscription subscription_;
};

}  // namespace minikube::test
