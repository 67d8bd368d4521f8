#include <catch2/catch.hpp>

#include <minikube/latch.h>
#include <minikube/simulated_env.h>

namespace minikube {
namespace {

TEST_CASE("waiting runs the simulated world") {
  SimulatedEnv env;
  const auto strand = env.NewStrand("work");
  Latch latch;
  strand->After(std::chrono::hours(5), [&latch] { latch.Open(); });
  const MonoTime begun = env.clock().MonoNow();
  SECTION("until it has happened") {
    CHECK(env.Await(latch, kForever));
    CHECK(env.clock().MonoNow() - begun == std::chrono::hours(5));
  }
  SECTION("no longer than the limit") {
    CHECK_FALSE(env.Await(latch, std::chrono::hours(4)));
    CHECK(env.Await(latch, std::chrono::hours(1)));
  }
  SECTION("not for what can never happen") {
    strand->Stop();
    CHECK_FALSE(env.Await(latch, kForever));
  }
}

TEST_CASE("a poster outlives its strand in the simulation too") {
  SimulatedEnv env;
  auto strand = env.NewStrand("work");
  const Function<void(Task)> post = strand->Poster();
  int ran = 0;
  post([&ran] { ++ran; });
  env.RunReady();
  CHECK(ran == 1);
  strand.reset();
  auto held = std::make_shared<int>();
  post([held, &ran] { ++ran; });
  CHECK(held.use_count() == 1);
  env.RunReady();
  CHECK(ran == 1);
}

TEST_CASE("waiting blocks a real thread") {
  const std::unique_ptr<Env> env = NewRealEnv(1);
  const auto strand = env->NewStrand("work");
  Latch latch;
  CHECK_FALSE(env->Await(latch, std::chrono::nanoseconds(1)));
  strand->Post([&latch] { latch.Open(); });
  CHECK(env->Await(latch, kForever));
  CHECK(env->Await(latch, Duration(0)));
}

}  // namespace
}  // namespace minikube
