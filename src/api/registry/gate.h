// Gate: counts what is inside, so that stopping can wait until it is empty.
//
// Thread safety: every member, any thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace minikube::api {

class Gate {
 public:
  // Inside for as long as it lives.
  class Pass {
   public:
    explicit Pass(Gate& gate) : gate_(gate), inside_(gate.Enter()) {}
    ~Pass() {
      if (inside_) gate_.Leave();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    explicit operator bool() const { return inside_; }

   private:
    Gate& gate_;
    const bool inside_;
  };

  // False once it is closed; otherwise Leave follows.
  bool Enter() {
    std::lock_guard lock(mu_);
    if (closed_) return false;
    ++inside_;
    return true;
  }
  void Leave() {
    // Notified under the lock: who waits may destroy the gate as soon as it is released.
    std::lock_guard lock(mu_);
    if (--inside_ == 0) empty_.notify_all();
  }
  void Close() {
    std::lock_guard lock(mu_);
    closed_ = true;
  }
  bool closed() const {
    std::lock_guard lock(mu_);
    return closed_;
  }
  void WaitEmpty() {
    std::unique_lock lock(mu_);
    empty_.wait(lock, [this] { return inside_ == 0; });
  }

 private:
  mutable std::mutex mu_;
  std::condition_variable empty_;
  std::size_t inside_ = 0;
  bool closed_ = false;
};

}  // namespace minikube::api
