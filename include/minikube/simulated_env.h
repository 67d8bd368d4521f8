// SimulatedEnv: an Env in which hours pass in milliseconds. One thread, one run loop, a virtual clock that only moves
// when nothing else is left to do, and a seeded random source. Strands take turns in an order drawn from the seed, so
// that one seed is one history.
//
// A Cluster with `ClusterOptions::env` set to one, no data directory and simulated nodes is a whole control plane in
// the thread of a test: the Client's synchronous calls and WaitFor run the world until they have their answer, so grace
// periods, timeouts and back-offs cost no real time.
//
// Thread safety: none; everything on one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <minikube/env.h>

namespace minikube {

namespace simulated {
struct World;
struct Program;
}  // namespace simulated

class SimulatedProcess;

class SimulatedEnv final : public Env {
 public:
  explicit SimulatedEnv(std::uint64_t seed = 1);
  ~SimulatedEnv() override;  // after all its strands

  Clock& clock() override;
  Random& random() override;
  Processes& processes() override;  // starts none: kNotImplemented
  std::unique_ptr<Strand> NewStrand(std::string name) override;
  std::unique_ptr<Strand> NewBlockingStrand(std::string name) override { return NewStrand(std::move(name)); }
  // As RunUntil: `limit` is virtual time. Not from a task of this world.
  bool Await(Latch& latch, Duration limit) override;

  // A program in this world, with a clock of its own. The Env outlives it.
  std::unique_ptr<SimulatedProcess> NewProcess(std::string name);

  // Runs tasks, and lets time pass up to each timer, until `condition` holds. False if it does not within `limit` of
  // virtual time, or nothing is left that could make it true.
  bool RunUntil(const std::function<bool()>& condition, Duration limit = std::chrono::hours(1));
  // Lets exactly this much time pass.
  void RunFor(Duration time);
  // Runs what is ready, without letting time pass.
  void RunReady();

  static const std::string& NameOf(const Strand& strand);  // one of a SimulatedEnv's
  // While paused, nothing of the strand (one of this world's) runs; its timers come due but wait.
  void SetPaused(Strand& strand, bool paused);
  // Called before each task with the name of its strand.
  void OnStep(std::function<void(std::string_view strand)> step);

  std::size_t strands() const;  // that exist
  std::size_t timers() const;   // that wait

 private:
  std::unique_ptr<simulated::World> world_;
};

// An Env whose clock may be wrong, and which can be killed. Randomness and turns are the world's.
class SimulatedProcess final : public Env {
 public:
  ~SimulatedProcess() override;  // after all its strands

  Clock& clock() override;
  Random& random() override;
  Processes& processes() override;
  std::unique_ptr<Strand> NewStrand(std::string name) override;
  std::unique_ptr<Strand> NewBlockingStrand(std::string name) override { return NewStrand(std::move(name)); }
  bool Await(Latch& latch, Duration limit) override;

  const std::string& name() const;
  // How far its wall clock is ahead of the world's, from now on.
  void SetSkew(Duration skew);
  // By how many millionths its monotonic clock and timers run fast. Before the first strand.
  void SetDrift(int millionths);

  // As by kill -9: no task of its strands begins any more, and what is posted to them is dropped. What it consists of
  // still has to be destroyed, from outside; nothing that this does reaches the world through its strands.
  void Kill();
  bool killed() const;

 private:
  friend class SimulatedEnv;
  explicit SimulatedProcess(std::unique_ptr<simulated::Program> program);
  std::unique_ptr<simulated::Program> program_;
};

}  // namespace minikube
