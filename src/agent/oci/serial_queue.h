// Asynchronous operations, one after the other.
//
// Thread safety: one strand.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include <minikube/function.h>

namespace minikube::oci {

class SerialQueue {
 public:
  // An operation is over when it calls (or drops) the task it is given.
  using Operation = Function<void(Task finished)>;

  SerialQueue() : state_(std::make_shared<State>()) {}

  void Push(Operation operation) {
    state_->waiting.push_back(std::move(operation));
    if (!state_->running) Next(state_);
  }
  bool idle() const { return !state_->running; }

 private:
  struct State {
    std::deque<Operation> waiting;
    bool running = false;
  };
  // Called once, or when it is dropped uncalled: an operation that was given up must not block the ones behind it.
  class Finish {
   public:
    explicit Finish(std::weak_ptr<State> state) : state_(std::move(state)) {}
    Finish(Finish&& o) noexcept : state_(std::exchange(o.state_, {})) {}
    Finish& operator=(Finish&&) = delete;
    ~Finish() { Run(); }
    void operator()() { Run(); }

   private:
    void Run() {
      if (auto state = std::exchange(state_, {}).lock()) Next(state);
    }
    std::weak_ptr<State> state_;
  };

  static void Next(const std::shared_ptr<State>& state) {
    state->running = !state->waiting.empty();
    if (!state->running) return;
    Operation operation = std::move(state->waiting.front());
    state->waiting.pop_front();
    operation(Task(Finish(state)));
  }

  std::shared_ptr<State> state_;
};

}  // namespace minikube::oci
