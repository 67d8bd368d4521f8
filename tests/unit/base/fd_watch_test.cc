#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <minikube/env.h>

#include "helpers/wait.h"

namespace minikube {
namespace {

TEST_CASE("a watched descriptor announces itself once, and an unwatched one never", "[env]") {
  auto env = NewRealEnv(2);
  auto strand = env->NewStrand("test");
  int fds[2] = {};
  REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
  test::Promised<int> ready;
  REQUIRE(env->WatchFd(fds[0], FdEvent::kReadable, *strand, [&] { ready.Set(1); }) != 0);
  test::Promised<int> unwatched;
  env->UnwatchFd(env->WatchFd(fds[0], FdEvent::kReadable, *strand, [&] { unwatched.Set(1); }));
  REQUIRE(write(fds[1], "x", 1) == 1);
  REQUIRE(ready.Take());
  // What was posted before this task has run by the time it runs.
  test::Promised<int> later;
  REQUIRE(env->WatchFd(fds[0], FdEvent::kReadable, *strand, [&] { later.Set(1); }) != 0);
  REQUIRE(later.Take());
  REQUIRE_FALSE(unwatched.Take(std::chrono::seconds(0)));
  test::Promised<int> writable;
  REQUIRE(env->WatchFd(fds[1], FdEvent::kWritable, *strand, [&] { writable.Set(1); }) != 0);
  REQUIRE(writable.Take());
  REQUIRE(env->WatchFd(-1, FdEvent::kReadable, *strand, [] {}) == 0);
  strand->Stop();
  close(fds[0]);
  close(fds[1]);
}

}  // namespace
}  // namespace minikube
