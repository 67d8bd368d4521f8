// Env: the world, injected. Clock, strands and timers, randomness, processes. No component reads a
// clock, starts a thread, draws a random number or spawns a process except through here, so that a whole
// cluster runs unchanged on a simulated Env in one thread.
//
// Thread safety: Env and Clock and Random: any thread. Strand: Post/After/Cancel from any thread.
// Lifetime: the Env outlives every component and Strand made from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/function.h>
#include <minikube/status.h>

namespace minikube {

using Duration = std::chrono::nanoseconds;
// Wall time (UTC since the Unix epoch); may jump.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;
// Monotonic time; for measuring and for deadlines.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
// A wait without end.
inline constexpr Duration kForever = Duration::max();

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime Now() const = 0;
  virtual MonoTime MonoNow() const = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t Next() = 0;  // uniform over all 64-bit values
  // Fills with bytes fit for keys and tokens (the simulated one is only as random as its seed).
  virtual void Fill(void* data, std::size_t size) = 0;
};

using TimerId = std::uint64_t;  // 0 is never a timer

// A serial executor: tasks run one at a time, in the order posted, never inside Post. What a component does on
// its own strand needs no lock. Destroying a Strand (or Stop) drops the tasks not yet begun and waits for the one
// that runs, unless called from that very task.
class Strand {
 public:
  virtual ~Strand() = default;
  virtual void Post(Task task) = 0;
  // Runs `task` on this strand once `delay` has passed. A cancelled or dropped timer's task is destroyed unrun.
  virtual TimerId After(Duration delay, Task task) = 0;
  virtual void Cancel(TimerId timer) = 0;
  virtual void Stop() = 0;
  // Posts to this strand from any thread, also when it may be gone by then: the task is then destroyed unrun. For who
  // answers later than its caller may live.
  virtual Function<void(Task)> Poster() = 0;
};

// How to start a process (execve semantics; nothing is inherited but what is named here).
struct ProcessSpec {
  std::vector<std::string> argv;                         // argv[0] is looked up in PATH unless it has a slash
  std::vector<std::pair<std::string, std::string>> env;  // the whole environment
  std::string cwd;                                       // "" = the host's
  std::string stdin_data;                                // fed to stdin, then closed
  bool capture_output = true;                            // false: stdout and stderr go to /dev/null
  std::vector<int> inherit_fds;                          // passed on under the same numbers
  std::size_t max_output = 1 << 20;                      // bytes kept of each stream; the rest is read and dropped
  Duration timeout = std::chrono::seconds(0);            // 0 = none; on expiry the process is killed
};

struct ProcessResult {
  int exit_code = 0;  // 128 + signal if it was killed by one
  std::string out;
  std::string err;
};

class Processes {
 public:
  virtual ~Processes() = default;
  // Runs to completion; `done` is called once on `strand`. A process that cannot be started is an error.
  virtual void Run(ProcessSpec spec, Strand& strand, Function<void(Result<ProcessResult>)> done) = 0;
  // Calls `exited` on `strand` once when process `pid` (any process, not only a child) ends; by pidfd, no polling.
  // If it has already gone, at once. Returns an id for Unwatch (0 is never one).
  virtual std::uint64_t WatchExit(int pid, Strand& strand, Task exited) = 0;
  virtual void UnwatchExit(std::uint64_t id) = 0;
  // True while a process with this pid and start time (clock ticks, field 22 of /proc/PID/stat) exists.
  virtual bool Alive(int pid, std::uint64_t start_time) const = 0;
};

class Latch;

enum class FdEvent : std::uint8_t { kReadable, kWritable };

class Env {
 public:
  virtual ~Env() = default;
  virtual Clock& clock() = 0;
  virtual Random& random() = 0;
  virtual Processes& processes() = 0;
  // `name` appears in logs and in the simulator's history.
  virtual std::unique_ptr<Strand> NewStrand(std::string name) = 0;
  // A strand whose tasks may block (fsync, unpacking): it has a thread of its own in the real Env.
  virtual std::unique_ptr<Strand> NewBlockingStrand(std::string name) = 0;
  // Calls `ready` on `strand` once when `fd` can be read or written without blocking, or has failed. The caller keeps
  // its descriptor. Returns an id for UnwatchFd; 0 = never: this Env has no descriptors (the default), or has run out
  // of them.
  virtual std::uint64_t WatchFd(int fd, FdEvent event, Strand& strand, Task ready) {
    (void)fd, (void)event, (void)strand, (void)ready;
    return 0;
  }
  virtual void UnwatchFd(std::uint64_t id) { (void)id; }
  // How a thread that is no Strand's waits: returns once `latch` is open or `limit` has passed, and whether it is open.
  // A simulated Env runs its world meanwhile, in virtual time; the default blocks the thread.
  virtual bool Await(Latch& latch, Duration limit);
};

// The real world: a pool of `threads` threads (0 = one per core, at least 2). Destroy it last.
std::unique_ptr<Env> NewRealEnv(int threads = 0);

// RFC 4122 version 4, lower case.
std::string NewUid(Random& random);

// Seconds precision RFC 3339 in UTC ("2026-01-02T03:04:05Z"), the form of metav1.Time.
std::string FormatTime(WallTime time);
// RFC 3339 with any offset and fraction.
Result<WallTime> ParseTime(std::string_view text);

}  // namespace minikube
