#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include <minikube/event_bus.h>

namespace minikube::test {
namespace {

using Bus = EventBus<int>;

Bus::Batch Batch(std::vector<int> events) { return std::make_shared<const std::vector<int>>(std::move(events)); }

std::vector<int> Take(Bus::Subscription& subscription, bool& lost) {
  std::vector<int> out;
  for (const Bus::Batch& batch : subscription.Drain(lost)) out.insert(out.end(), batch->begin(), batch->end());
  return out;
}

TEST_CASE("A subscriber gets what is published after it, in order") {
  Bus bus;
  bus.Publish(Batch({1}));
  int woken = 0;
  Bus::Subscription subscription = bus.Subscribe(10, [&] { ++woken; });
  bus.Publish(Batch({2, 3}));
  bus.Publish(Batch({4}));
  CHECK(woken == 1);  // once per filling of the empty queue
  bool lost = true;
  CHECK(Take(subscription, lost) == std::vector{2, 3, 4});
  CHECK_FALSE(lost);
  bus.Publish(Batch({5}));
  CHECK(woken == 2);
  CHECK(Take(subscription, lost) == std::vector{5});
}

TEST_CASE("Who drains into the same memory again gets what is new, and nothing twice") {
  Bus bus;
  Bus::Subscription subscription = bus.Subscribe(10, [] {});
  std::vector<Bus::Batch> batches;
  for (int round = 0; round < 3; ++round) {
    const Bus::Batch batch = Batch({round});
    bus.Publish(batch);
    bus.Publish(batch);
    bool lost = true;
    subscription.Drain(batches, lost);
    CHECK(batches == std::vector{batch, batch});
    CHECK_FALSE(lost);
  }
  bool lost = false;
  subscription.Drain(batches, lost);
  CHECK(batches.empty());
}

TEST_CASE("A batch is shared, not copied") {
  Bus bus;
  Bus::Subscription a = bus.Subscribe(10, [] {});
  Bus::Subscription b = bus.Subscribe(10, [] {});
  const Bus::Batch batch = Batch({1});
  bus.Publish(batch);
  bool lost = false;
  CHECK(a.Drain(lost).front() == batch);
  CHECK(b.Drain(lost).front() == batch);
}

TEST_CASE("A full queue is emptied and its subscriber told once") {
  Bus bus;
  int woken = 0;
  Bus::Subscription slow = bus.Subscribe(3, [&] { ++woken; });
  Bus::Subscription fast = bus.Subscribe(100, [] {});
  bus.Publish(Batch({1, 2}));
  bus.Publish(Batch({3, 4}));
  bus.Publish(Batch({5}));
  CHECK(woken == 2);  // something came; it overflowed
  bool lost = false;
  CHECK(Take(slow, lost).empty());
  CHECK(lost);
  CHECK(Take(fast, lost) == std::vector{1, 2, 3, 4, 5});
  CHECK_FALSE(lost);
}

TEST_CASE("A subscription may end itself, and others, while it is told") {
  Bus bus;
  Bus::Subscription self, other;
  int calls = 0;
  self = bus.Subscribe(10, [&] {
    ++calls;
    self.Reset();
    other.Reset();
  });
  other = bus.Subscribe(10, [&] { ++calls; });
  bus.Publish(Batch({1}));
  bus.Publish(Batch({2}));
  CHECK(calls == 1);
  CHECK(bus.subscribers() == 0);
}

TEST_CASE("A subscription outlives its bus") {
  Bus::Subscription subscription;
  {
    Bus bus;
    subscription = bus.Subscribe(10, [] {});
    bus.Publish(Batch({1}));
  }
  bool lost = false;
  CHECK(Take(subscription, lost) == std::vector{1});
  subscription.Reset();
}

}  // namespace
}  // namespace minikube::test
