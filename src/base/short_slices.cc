#include "base/short_slices.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace minikube::base {
namespace {

constexpr std::uint64_t kSliceNanos = 100'000;  // the shortest that Linux gives
constexpr std::uint64_t kResetOnFork = 1;       // SCHED_FLAG_RESET_ON_FORK

// The kernel's struct sched_attr in its first version, which <sched.h> has only with newer C libraries.
struct Attributes {
  std::uint32_t size;
  std::uint32_t policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime;  // of SCHED_OTHER and SCHED_BATCH: the slice, in nanoseconds
  std::uint64_t deadline;
  std::uint64_t period;
};

}  // namespace

void TakeShortSlices() {
  Attributes attributes{};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER && attributes.policy != SCHED_BATCH) return;
  attributes.flags |= kResetOnFork;
  attributes.runtime = kSliceNanos;
  // A refusal (an older kernel, a sandbox) leaves everything as it was.
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace minikube::base
