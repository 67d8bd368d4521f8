// Waiting in tests without sleeping: a value that another thread will set, with a deadline.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace minikube::test {

constexpr std::chrono::seconds kDeadline{60};

// Set from any thread, taken by the test.
template <typename T>
class Promised {
 public:
  void Set(T value) {
    std::lock_guard lock(mu_);
    value_ = std::move(value);
    changed_.notify_all();
  }
  // nullopt if the deadline passes first.
  std::optional<T> Take(std::chrono::nanoseconds deadline = kDeadline) {
    std::unique_lock lock(mu_);
    changed_.wait_for(lock, deadline, [this] { return value_.has_value(); });
    return std::exchange(value_, std::nullopt);
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

}  // namespace minikube::test
