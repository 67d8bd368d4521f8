// Short slices are the thread's own: what it starts has those that everybody has.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

#include <catch2/catch.hpp>

#include "base/short_slices.h"

namespace minikube::test {
namespace {

// Nanoseconds; 0 where the kernel tells none.
std::uint64_t Slice() {
  struct {
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
  } attributes{};
  REQUIRE(syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0);
  return attributes.runtime;
}

TEST_CASE("A thread takes short slices for itself and not for what it starts") {
  const std::uint64_t usual = Slice();
  std::uint64_t own = 0;
  std::uint64_t inherited = 0;
  std::thread([&] {
    base::TakeShortSlices();
    own = Slice();
    std::thread([&] { inherited = Slice(); }).join();
  }).join();
  CHECK(Slice() == usual);
  CHECK(inherited == usual);
  if (usual == 0) {
    CHECK(own == 0);
  } else {
    CHECK(own < usual);
  }
}

}  // namespace
}  // namespace minikube::test
