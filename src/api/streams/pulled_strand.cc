#include "api/streams/pulled_strand.h"

#include <utility>

namespace minikube::api {

struct PulledStrand::State {
  explicit State(std::shared_ptr<Signal> s) : signal(std::move(s)) {}
  void Post(Task task) {
    {
      std::lock_guard lock(mu);
      if (stopped) return;
      tasks.push_back(std::move(task));
    }
    signal->Notify();
  }
  const std::shared_ptr<Signal> signal;
  std::mutex mu;
  std::deque<Task> tasks;
  bool stopped = false;
};

PulledStrand::PulledStrand(Strand& timers, std::shared_ptr<Signal> signal)
    : timers_(timers), state_(std::make_shared<State>(std::move(signal))) {}

void PulledStrand::Post(Task task) { state_->Post(std::move(task)); }

TimerId PulledStrand::After(Duration delay, Task task) {
  return timers_.After(delay, [state = state_, task = std::move(task)]() mutable { state->Post(std::move(task)); });
}

void PulledStrand::Cancel(TimerId timer) { timers_.Cancel(timer); }

void PulledStrand::Stop() {
  std::deque<Task> dropped;
  std::lock_guard lock(state_->mu);
  state_->stopped = true;
  dropped.swap(state_->tasks);
}

Function<void(Task)> PulledStrand::Poster() {
  return [weak = std::weak_ptr(state_)](Task task) {
    if (const auto state = weak.lock()) state->Post(std::move(task));
  };
}

bool PulledStrand::RunOne() {
  Task task;
  {
    std::lock_guard lock(state_->mu);
    if (state_->tasks.empty()) return false;
    task = std::move(state_->tasks.front());
    state_->tasks.pop_front();
  }
  task();
  return true;
}

}  // namespace minikube::api
