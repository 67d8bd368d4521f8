#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include <minikube/env.h>

#include "helpers/wait.h"

namespace minikube {
namespace {

using test::Promised;
using namespace std::chrono_literals;

Result<ProcessResult> RunAndWait(Env& env, ProcessSpec spec) {
  auto strand = env.NewStrand("test");
  Promised<Result<ProcessResult>> answer;
  env.processes().Run(std::move(spec), *strand, [&](Result<ProcessResult> r) { answer.Set(std::move(r)); });
  auto result = answer.Take();
  REQUIRE(result.has_value());
  return *result;
}

ProcessSpec Shell(std::string script) {
  ProcessSpec spec;
  spec.argv = {"/bin/sh", "-c", std::move(script)};
  return spec;
}

TEST_CASE("a strand runs its tasks one at a time, in the order posted, from any thread") {
  auto env = NewRealEnv(4);
  auto strand = env->NewStrand("test");
  std::atomic<int> inside = 0;
  std::atomic<bool> overlapped = false;
  std::vector<std::vector<int>> seen(4);
  std::vector<std::thread> posters;
  for (int p = 0; p < 4; ++p) {
    posters.emplace_back([&, p] {
      for (int i = 0; i < 1000; ++i) {
        strand->Post([&, p, i] {
          if (++inside != 1) overlapped = true;
          seen[static_cast<std::size_t>(p)].push_back(i);
          --inside;
        });
      }
    });
  }
  for (auto& poster : posters) poster.join();
  Promised<bool> done;
  strand->Post([&] { done.Set(true); });
  REQUIRE(done.Take());
  CHECK_FALSE(overlapped);
  for (const auto& from_one : seen) {
    REQUIRE(from_one.size() == 1000);
    CHECK(std::is_sorted(from_one.begin(), from_one.end()));
  }
}

TEST_CASE("a timer fires once, and not after Cancel or Stop") {
  auto env = NewRealEnv(2);
  auto strand = env->NewStrand("test");
  Promised<int> fired;
  std::atomic<int> wrong = 0;
  const TimerId cancelled = strand->After(1ms, [&] { ++wrong; });
  strand->Cancel(cancelled);
  strand->After(5ms, [&] { fired.Set(1); });
  REQUIRE(fired.Take() == 1);
  strand->After(1ms, [&] { ++wrong; });
  strand->Stop();
  auto other = env->NewStrand("other");
  other->After(20ms, [&] { fired.Set(2); });
  REQUIRE(fired.Take() == 2);
  CHECK(wrong == 0);
}

TEST_CASE("Stop waits for the running task, and may be called from it") {
  auto env = NewRealEnv(2);
  auto strand = env->NewStrand("test");
  Promised<bool> begun;
  std::atomic<bool> ended = false;
  strand->Post([&] {
    begun.Set(true);
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    ended = true;
  });
  REQUIRE(begun.Take());
  strand->Stop();
  CHECK(ended);

  auto self = env->NewStrand("self");
  Promised<bool> stopped;
  self->Post([&] {
    self->Stop();
    stopped.Set(true);
  });
  CHECK(stopped.Take());
}

TEST_CASE("what is queued behind a task that stops its strand does not run, and is gone when the strand is") {
  auto env = NewRealEnv(2);
  auto strand = env->NewStrand("test");
  const auto held = std::make_shared<int>(0);
  std::atomic<int> after = 0;
  Promised<bool> queued, done;
  strand->Post([&] { queued.Take(); });  // so that all of the following are there at once
  strand->Post([&] {
    strand->Stop();
    done.Set(true);
  });
  for (int i = 0; i < 200; ++i) strand->Post([&after, held] { ++after; });
  queued.Set(true);
  REQUIRE(done.Take().has_value());
  strand.reset();
  CHECK(after == 0);
  CHECK(held.use_count() == 1);
}

TEST_CASE("a blocking strand does not hold up the others") {
  auto env = NewRealEnv(1);
  auto blocking = env->NewBlockingStrand("blocking");
  auto strand = env->NewStrand("test");
  Promised<bool> release;
  Promised<bool> passed;
  blocking->Post([&] { release.Take(); });
  strand->Post([&] { passed.Set(true); });
  CHECK(passed.Take());
  release.Set(true);
}

TEST_CASE("a process gives its output and exit code") {
  auto env = NewRealEnv(2);
  ProcessSpec spec = Shell("cat; echo \"$GREETING\" >&2; pwd; exit 3");
  spec.stdin_data = "hello\n";
  spec.env = {{"GREETING", "hi"}};
  spec.cwd = "/";
  auto result = RunAndWait(*env, spec);
  REQUIRE(result.ok());
  CHECK(result->exit_code == 3);
  CHECK(result->out == "hello\n/\n");
  CHECK(result->err == "hi\n");
}

TEST_CASE("a process has no descriptors but its own and those that are passed on") {
  auto env = NewRealEnv(2);
  // What a host program may have open, without close-on-exec; the second is passed on.
  const int high = fcntl(0, F_DUPFD, 200);
  const int passed = fcntl(0, F_DUPFD, 300);
  const int low = dup(0);
  REQUIRE(low >= 0);
  // The shell has the directory open only while it looks into it.
  ProcessSpec spec = Shell("for fd in /proc/$$/fd/*; do test -e $fd && echo ${fd##*/}; done");
  auto result = RunAndWait(*env, spec);
  REQUIRE(result.ok());
  CHECK(result->out == "0\n1\n2\n");
  spec.inherit_fds = {passed};
  result = RunAndWait(*env, spec);
  REQUIRE(result.ok());
  CHECK(result->out == "0\n1\n2\n" + std::to_string(passed) + "\n");
  for (const int fd : {low, high, passed}) close(fd);
}

TEST_CASE("a process that outputs much is read to its end and kept to the limit") {
  auto env = NewRealEnv(2);
  ProcessSpec spec = Shell("head -c 3000000 /dev/zero");
  spec.max_output = 100'000;
  auto result = RunAndWait(*env, spec);
  REQUIRE(result.ok());
  CHECK(result->exit_code == 0);
  CHECK(result->out.size() == 100'000);
}

TEST_CASE("a process is answered when it ends, though a child of its own still holds its output") {
  auto env = NewRealEnv(2);
  auto result = RunAndWait(*env, Shell("sleep 1000 & echo $!"));
  REQUIRE(result.ok());
  const int child = std::stoi(result->out);
  CHECK(kill(child, SIGKILL) == 0);
}

TEST_CASE("no output is lost when many processes end at once") {
  auto env = NewRealEnv(8);
  auto strand = env->NewStrand("test");
  constexpr int kProcesses = 400;
  Promised<bool> all;
  std::vector<std::string> outputs;
  for (int i = 0; i < kProcesses; ++i) {
    ProcessSpec spec;
    spec.argv = {"echo", "last words"};
    env->processes().Run(std::move(spec), *strand, [&](Result<ProcessResult> result) {
      outputs.push_back(result.ok() ? result->out : result.status().ToString());
      if (outputs.size() == kProcesses) all.Set(true);
    });
  }
  REQUIRE(all.Take());
  CHECK(std::count(outputs.begin(), outputs.end(), "last words\n") == kProcesses);
}

TEST_CASE("a process that runs too long is killed") {
  auto env = NewRealEnv(2);
  ProcessSpec spec = Shell("exec sleep 1000");
  spec.timeout = 20ms;
  auto result = RunAndWait(*env, spec);
  REQUIRE(result.ok());
  CHECK(result->exit_code == 128 + SIGKILL);
}

TEST_CASE("a program that is not there is an error") {
  auto env = NewRealEnv(2);
  ProcessSpec spec;
  spec.argv = {"/no/such/program"};
  CHECK(RunAndWait(*env, spec).status().code() == Code::kNotFound);
}

TEST_CASE("the end of any process is seen once, also if it has ended before") {
  auto env = NewRealEnv(2);
  auto strand = env->NewStrand("test");
  auto result = RunAndWait(*env, Shell("sleep 1000 >/dev/null 2>&1 & echo $!; cut -d ' ' -f 22 /proc/$!/stat"));
  REQUIRE(result.ok());
  std::size_t rest = 0;
  const int pid = std::stoi(result->out, &rest);
  const std::uint64_t start_time = std::stoull(result->out.substr(rest));
  CHECK(env->processes().Alive(pid, start_time));
  CHECK_FALSE(env->processes().Alive(pid, start_time + 1));
  Promised<bool> exited;
  env->processes().WatchExit(pid, *strand, [&] { exited.Set(true); });
  REQUIRE(kill(pid, SIGKILL) == 0);
  CHECK(exited.Take());
  CHECK_FALSE(env->processes().Alive(pid, start_time));

  Promised<bool> again;
  env->processes().WatchExit(0x3fffff, *strand, [&] { again.Set(true); });
  CHECK(again.Take());
}

TEST_CASE("times are written and read as RFC 3339") {
  auto time = ParseTime("2026-01-02T03:04:05Z");
  REQUIRE(time.ok());
  CHECK(FormatTime(*time) == "2026-01-02T03:04:05Z");
  CHECK(*ParseTime("2026-01-02T05:04:05.5+02:00") == *time + 500ms);
  CHECK(*ParseTime("1969-12-31T23:59:59Z") == WallTime(-1s));
  for (const char* bad :
       {"", "2026-01-02", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05Z", "2026-01-02T24:04:05Z", "2026-01-02T03:04:05",
        "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Zx", "9999-01-01T00:00:00Z"}) {
    CAPTURE(bad);
    CHECK(ParseTime(bad).status().code() == Code::kBadRequest);
  }
}

TEST_CASE("a poster outlives its strand") {
  auto env = NewRealEnv(2);
  for (const bool blocking : {false, true}) {
    auto strand = blocking ? env->NewBlockingStrand("test") : env->NewStrand("test");
    const Function<void(Task)> post = strand->Poster();
    Promised<bool> ran;
    post([&] { ran.Set(true); });
    CHECK(ran.Take());
    strand.reset();
    auto held = std::make_shared<int>();
    bool late = false;
    post([held, &late] { late = true; });
    CHECK(held.use_count() == 1);  // destroyed unrun
    CHECK_FALSE(late);
  }
}

TEST_CASE("UIDs are RFC 4122 version 4 and differ") {
  auto env = NewRealEnv(1);
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string uid = NewUid(env->random());
    REQUIRE(uid.size() == 36);
    CHECK(uid[14] == '4');
    CHECK(std::string("89ab").find(uid[19]) != std::string::npos);
    seen.insert(uid);
  }
  CHECK(seen.size() == 1000);
}

}  // namespace
}  // namespace minikube
