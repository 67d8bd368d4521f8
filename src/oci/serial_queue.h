// Asynchronous operations, one after the other.
//
// Thread safety: one strand; but the task that an operation was given may be dropped on any thread.
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

  // `post` posts to the strand. It does nothing once that has stopped: then no operation begins any more.
  explicit SerialQueue(Function<void(Task)> post) : state_(std::make_shared<State>()) {
    state_->post = std::move(post);
  }

  void Push(Operation operation) {
    state_->waiting.push_back(std::move(operation));
    if (!state_->running) Next(state_);
  }
  bool idle() const { return !state_->running; }

 private:
  struct State {
    Function<void(Task)> post;
    std::deque<Operation> waiting;
    bool running = false;
  };
  // Called once, or dropped uncalled: an operation that was given up must not block the ones behind it. Who drops it is
  // not on the strand, mostly, and whoever owns the queue may be going at that moment.
  class Finish {
   public:
    explicit Finish(std::weak_ptr<State> state) : state_(std::move(state)) {}
    Finish(Finish&& o) noexcept : state_(std::exchange(o.state_, {})) {}
    Finish& operator=(Finish&&) = delete;
    ~Finish() {
      if (const auto state = state_.lock()) state->post([state] { Next(state); });
    }
    void operator()() {
      if (const auto state = std::exchange(state_, {}).lock()) Next(state);
    }

   private:
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
