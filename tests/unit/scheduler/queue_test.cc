#include <catch2/catch.hpp>

#include "scheduler/queue.h"
#include "unit/scheduler/scheduler_objects.h"

namespace minikube::scheduler {
namespace {

using namespace std::chrono_literals;
using test::Info;
using test::MakePod;

PodInfoRef WithPriority(std::string name, int priority) {
  core::v1::Pod pod = MakePod(std::move(name));
  pod.spec.priority = priority;
  return Info(pod);
}

std::string NameOf(const std::optional<SchedulingQueue::Entry>& entry) {
  return entry ? entry->pod->object->meta().name.str() : "";
}

const MonoTime kStart{1h};

TEST_CASE("pods come out by priority, then by age") {
  SchedulingQueue queue;
  queue.Upsert(WithPriority("old", 0), false, kStart);
  queue.Upsert(WithPriority("young", 0), false, kStart + 1s);
  queue.Upsert(WithPriority("important", 10), false, kStart + 2s);
  CHECK(NameOf(queue.Pop(kStart)) == "important");
  CHECK(NameOf(queue.Pop(kStart)) == "old");
  CHECK(NameOf(queue.Pop(kStart)) == "young");
  CHECK_FALSE(queue.Pop(kStart));
}

TEST_CASE("a parked pod goes on after an event that may help it, and not after another") {
  SchedulingQueue queue;
  queue.Upsert(Info(MakePod("pod")), false, kStart);
  queue.Park(*queue.Pop(kStart), kNodeAdded, kStart);
  queue.Happened(kAssignedPodDeleted, kStart + 20s);
  CHECK_FALSE(queue.has_next());
  queue.Happened(kNodeAdded, kStart + 20s);
  CHECK(NameOf(queue.Pop(kStart + 20s)) == "pod");
}

TEST_CASE("an event during the attempt is not lost") {
  SchedulingQueue queue;
  queue.Upsert(Info(MakePod("pod")), false, kStart);
  auto entry = queue.Pop(kStart);
  queue.Happened(kNodeAdded, kStart);
  queue.Park(*entry, kNodeAdded, kStart);
  const auto next = queue.Advance(kStart);
  REQUIRE(next);
  CHECK(*next == kStart + 1s);
  CHECK(NameOf(queue.Pop(kStart)) == "pod");
}

TEST_CASE("a pod whose chance has come waits out its back-off only while others are active") {
  SchedulingQueue queue;
  queue.Upsert(WithPriority("important", 10), false, kStart);
  queue.Park(*queue.Pop(kStart), kNodeAdded, kStart);
  queue.Upsert(Info(MakePod("other")), false, kStart);
  queue.Happened(kNodeAdded, kStart);
  CHECK(NameOf(queue.Pop(kStart)) == "other");
  CHECK(queue.has_next());
  CHECK(NameOf(queue.Pop(kStart)) == "important");
  CHECK_FALSE(queue.has_next());
}

TEST_CASE("a pod that backs off may come back with another priority") {
  SchedulingQueue queue;
  for (const char* name : {"a", "b"}) queue.Upsert(WithPriority(name, 0), false, kStart);
  for (int i = 0; i < 2; ++i) queue.Park(*queue.Pop(kStart), kNodeAdded, kStart);
  queue.Happened(kNodeAdded, kStart);
  queue.Upsert(WithPriority("b", 5), false, kStart);
  CHECK(NameOf(queue.Pop(kStart)) == "b");
  CHECK(NameOf(queue.Pop(kStart)) == "a");
  CHECK_FALSE(queue.Pop(kStart));
}

TEST_CASE("a pod whose placement failed waits out its back-off in any case") {
  SchedulingQueue queue;
  core::v1::Pod pod = MakePod("pod");
  queue.Upsert(Info(pod), false, kStart);
  queue.Retry(*queue.Pop(kStart), kStart);
  CHECK_FALSE(queue.Pop(kStart));
  queue.Happened(kNodeAdded, kStart);
  pod.metadata.labels["a"] = "b";
  queue.Upsert(Info(pod), false, kStart);
  CHECK_FALSE(queue.Pop(kStart));
  queue.Advance(kStart + 1s);
  CHECK(NameOf(queue.Pop(kStart + 1s)) == "pod");
}

TEST_CASE("back-off doubles from one second to ten") {
  SchedulingQueue queue;
  queue.Upsert(Info(MakePod("pod")), false, kStart);
  MonoTime now = kStart;
  for (const auto expected : {1s, 2s, 4s, 8s, 10s, 10s}) {
    auto entry = queue.Pop(now);
    REQUIRE(entry);
    queue.Retry(*entry, now);
    const auto next = queue.Advance(now);
    REQUIRE(next);
    CHECK(*next - now == expected);
    now = *next;
    queue.Advance(now);
  }
}

TEST_CASE("a parked pod is tried again after five minutes in any case") {
  SchedulingQueue queue;
  queue.Upsert(Info(MakePod("pod")), false, kStart);
  queue.Park(*queue.Pop(kStart), 0, kStart);
  queue.Advance(kStart + 299s);
  CHECK_FALSE(queue.has_next());
  queue.Advance(kStart + 300s);
  CHECK(queue.has_next());
}

TEST_CASE("a change of its own status does not wake a parked pod; a change of its spec does") {
  SchedulingQueue queue;
  core::v1::Pod pod = MakePod("pod");
  pod.metadata.generation = 1;
  queue.Upsert(Info(pod), false, kStart);
  queue.Park(*queue.Pop(kStart), kNodeAdded, kStart);
  pod.status.message = "cannot be scheduled";
  queue.Upsert(Info(pod), false, kStart + 20s);
  CHECK_FALSE(queue.has_next());
  pod.metadata.generation = 2;
  queue.Upsert(Info(pod), false, kStart + 20s);
  CHECK(queue.has_next());
}

TEST_CASE("a gated pod waits for its gates; a removed one is forgotten") {
  SchedulingQueue queue;
  queue.Upsert(Info(MakePod("gated")), true, kStart);
  CHECK_FALSE(queue.Pop(kStart));
  queue.Upsert(Info(MakePod("gated")), false, kStart);
  auto entry = queue.Pop(kStart);
  CHECK(NameOf(entry) == "gated");
  queue.Remove({"default", "gated"});
  queue.Retry(*entry, kStart);
  CHECK(queue.size() == 0);
}

}  // namespace
}  // namespace minikube::scheduler
