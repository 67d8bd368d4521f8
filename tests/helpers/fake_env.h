// FakeEnv: a simulated Env. One thread, one run loop, a virtual clock that only moves when nothing else is left to do,
// and a seeded random source. Strands take turns in an order drawn from the seed, so that one seed is one history.
//
// Thread safety: none; everything on the thread of the test.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <minikube/env.h>

namespace minikube::test {

class FakeEnv final : public Env {
 public:
  explicit FakeEnv(std::uint64_t seed = 1);
  ~FakeEnv() override;  // after all its strands

  Clock& clock() override;
  Random& random() override;
  Processes& processes() override;  // starts none: kNotImplemented
  std::unique_ptr<Strand> NewStrand(std::string name) override;
  std::unique_ptr<Strand> NewBlockingStrand(std::string name) override { return NewStrand(std::move(name)); }

  // Runs tasks, and lets time pass up to each timer, until `condition` holds. False if it does not within `limit` of
  // virtual time, or nothing is left that could make it true.
  bool RunUntil(const std::function<bool()>& condition, Duration limit = std::chrono::hours(1));
  // Lets exactly this much time pass.
  void RunFor(Duration time);
  // Runs what is ready, without letting time pass.
  void RunReady();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace minikube::test
