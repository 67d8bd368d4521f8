// A Strand whose tasks run only when its owner has room for what they bring: how a slow HTTP client slows down the node
// agent that sends it a log.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <unordered_set>

#include <minikube/env.h>

#include "http/message.h"

namespace minikube::api {

// Thread safety: the Strand interface, any thread; RunOne, one thread at a time. Tasks never run but in RunOne.
// Lifetime: a delayed task that comes due after Stop is dropped.
class PulledStrand final : public Strand {
 public:
  // `timers` makes delays; it outlives this. `signal` is notified whenever a task is posted.
  PulledStrand(Strand& timers, std::shared_ptr<Signal> signal);
  ~PulledStrand() override { Stop(); }

  void Post(Task task) override;
  TimerId After(Duration delay, Task task) override;
  void Cancel(TimerId timer) override;
  void Stop() override;
  Function<void(Task)> Poster() override;

  // Runs the oldest task; false if there is none.
  bool RunOne();
  // Runs all there are.
  void RunAll() {
    while (RunOne()) {
    }
  }

 private:
  struct State;
  Strand& timers_;
  std::shared_ptr<State> state_;
};

}  // namespace minikube::api
