// EventBus: committed changes, fanned out in order to subscribers with bounded queues.
//
// A batch is published once and shared by all. A subscriber whose queue is full is marked lost: its queue is emptied,
// it is told once, and it must list anew and subscribe again. It never slows the publisher and never grows memory.
// Thread safety: Publish from one thread at a time; Subscribe, Drain and destruction from any.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <minikube/function.h>

namespace minikube {

template <typename Event>
class EventBus {
 public:
  using Batch = std::shared_ptr<const std::vector<Event>>;

 private:
  struct Shared;
  struct Queue;

 public:
  // Ends when destroyed; `on_ready` is not called after that (destruction waits for a call that runs).
  class Subscription {
   public:
    Subscription() = default;
    Subscription(Subscription&&) noexcept = default;
    Subscription& operator=(Subscription&& o) noexcept {
      Reset();
      queue_ = std::move(o.queue_);
      return *this;
    }
    ~Subscription() { Reset(); }
    explicit operator bool() const { return queue_ != nullptr; }

    // Takes what is queued, oldest first. Empty: nothing new. `lost` is set if the queue overflowed.
    std::vector<Batch> Drain(bool& lost) {
      std::vector<Batch> batches;
      Drain(batches, lost);
      return batches;
    }
    // The same into `batches`. The queue takes its memory in exchange, so that who drains into the same one again and
    // again allocates nothing, and no thread frees what another allocated.
    void Drain(std::vector<Batch>& batches, bool& lost) {
      batches.clear();
      std::lock_guard lock(queue_->mu);
      batches.swap(queue_->batches);
      queue_->size = 0;
      lost = queue_->lost;
    }
    void Reset() {
      if (queue_ == nullptr) return;
      if (auto shared = queue_->shared.lock()) {
        std::lock_guard lock(shared->mu);
        Queues rest = *shared->queues;
        std::erase(rest, queue_);
        shared->queues = std::make_shared<const Queues>(std::move(rest));
      }
      {
        std::lock_guard call(queue_->call_mu);
        queue_->ended = true;  // the callback itself goes with the queue: it may be what runs just now
      }
      queue_.reset();
    }

   private:
    friend class EventBus;
    explicit Subscription(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
    std::shared_ptr<Queue> queue_;
  };

  EventBus() : shared_(std::make_shared<Shared>()) {}

  // `on_ready` is called on the publisher's thread when an empty queue got something, or overflowed. It is short:
  // it drains at once, or posts a task that does. `max_events` bounds the queue.
  Subscription Subscribe(std::size_t max_events, Task on_ready) {
    auto queue = std::make_shared<Queue>();
    queue->max = max_events;
    queue->on_ready = std::move(on_ready);
    queue->shared = shared_;
    std::lock_guard lock(shared_->mu);
    Queues all = *shared_->queues;
    all.push_back(queue);
    shared_->queues = std::make_shared<const Queues>(std::move(all));
    return Subscription(std::move(queue));
  }

  void Publish(Batch batch) {
    std::shared_ptr<const Queues> queues;
    {
      std::lock_guard lock(shared_->mu);
      queues = shared_->queues;
    }
    for (const auto& queue : *queues) {
      if (!queue->Push(batch, slow_)) continue;
      std::lock_guard call(queue->call_mu);
      if (!queue->ended) queue->on_ready();
    }
  }

  std::size_t subscribers() const {
    std::lock_guard lock(shared_->mu);
    return shared_->queues->size();
  }
  // How many subscribers have been marked lost so far.
  std::int64_t slow_subscribers() const { return slow_.load(std::memory_order_relaxed); }

 private:
  struct Queue {
    // Returns whether the subscriber is to be woken.
    bool Push(const Batch& batch, std::atomic<std::int64_t>& slow) {
      std::lock_guard lock(mu);
      if (lost) return false;
      const bool was_empty = batches.empty();
      if (size + batch->size() > max) {
        lost = true;
        slow.fetch_add(1, std::memory_order_relaxed);
        batches.clear();
        size = 0;
        return true;
      }
      batches.push_back(batch);
      size += batch->size();
      return was_empty;
    }
    std::mutex mu;
    std::vector<Batch> batches;
    std::size_t size = 0;
    std::size_t max = 0;
    bool lost = false;
    std::recursive_mutex call_mu;  // held around on_ready; recursive: on_ready may end its own subscription
    bool ended = false;            // guarded by call_mu
    Task on_ready;
    std::weak_ptr<Shared> shared;
  };
  using Queues = std::vector<std::shared_ptr<Queue>>;
  struct Shared {
    mutable std::mutex mu;
    std::shared_ptr<const Queues> queues = std::make_shared<const Queues>();  // never changed: Publish reads without mu
  };
  std::shared_ptr<Shared> shared_;
  std::atomic<std::int64_t> slow_{0};
};

}  // namespace minikube
