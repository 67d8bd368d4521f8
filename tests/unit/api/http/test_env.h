// A real Env for tests, and a clock that stands still until told otherwise.
#pragma once

#include <memory>
#include <mutex>

#include <minikube/env.h>

namespace minikube::api::testing {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start) : now_(start.time_since_epoch()) {}
  WallTime Now() const override {
    std::lock_guard lock(mu_);
    return WallTime(now_);
  }
  MonoTime MonoNow() const override {
    std::lock_guard lock(mu_);
    return MonoTime(now_);
  }
  void Advance(Duration by) {
    std::lock_guard lock(mu_);
    now_ += by;
  }

 private:
  mutable std::mutex mu_;
  Duration now_;
};

// A real Env whose clock is the manual one.
class TestEnv final : public Env {
 public:
  // Starts at the real time: OpenSSL checks certificates against its own idea of now.
  TestEnv() : real_(NewRealEnv(2)), clock_(real_->clock().Now()) {}
  Clock& clock() override { return clock_; }
  ManualClock& manual() { return clock_; }
  Random& random() override { return real_->random(); }
  Processes& processes() override { return real_->processes(); }
  std::unique_ptr<Strand> NewStrand(std::string name) override { return real_->NewStrand(std::move(name)); }
  std::unique_ptr<Strand> NewBlockingStrand(std::string name) override {
    return real_->NewBlockingStrand(std::move(name));
  }

 private:
  std::unique_ptr<Env> real_;
  ManualClock clock_;
};

}  // namespace minikube::api::testing
