#include <catch2/catch.hpp>

#include <minikube/reconciler.h>

namespace minikube {
namespace {

ObjectKey Key(std::string_view name) { return {Str(), name}; }

TEST_CASE("a key waits once, however often it is added") {
  WorkQueue queue;
  queue.Add(Key("a"));
  queue.Add(Key("b"));
  queue.Add(Key("a"));
  CHECK(queue.depth() == 2);
  CHECK(queue.Take() == Key("a"));
  CHECK(queue.Take() == Key("b"));
  CHECK_FALSE(queue.Take());
}

TEST_CASE("a key in work comes back once after Done") {
  WorkQueue queue;
  queue.Add(Key("a"));
  REQUIRE(queue.Take());
  queue.Add(Key("a"));
  queue.Add(Key("a"));
  CHECK_FALSE(queue.Take());
  CHECK_FALSE(queue.Idle());
  queue.Done(Key("a"));
  CHECK(queue.Take() == Key("a"));
  queue.Done(Key("a"));
  CHECK_FALSE(queue.Take());
  CHECK(queue.Idle());
}

TEST_CASE("Done of what was not taken changes nothing") {
  WorkQueue queue;
  queue.Done(Key("a"));
  queue.Add(Key("a"));
  queue.Done(Key("a"));
  CHECK(queue.Take() == Key("a"));
}

}  // namespace
}  // namespace minikube
