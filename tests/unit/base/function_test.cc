#include <array>
#include <memory>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include <minikube/function.h>

namespace minikube::test {
namespace {

// A closure over a shared_ptr and `Bytes` more: small ones are held in place, large ones on the heap.
template <std::size_t Bytes>
Function<int(int)> Adder(std::shared_ptr<int> sum) {
  std::array<char, Bytes> rest{};
  return [sum, rest](int n) { return *sum += n + rest[0]; };
}

TEMPLATE_TEST_CASE_SIG("A function owns what it holds, wherever that is", "", ((std::size_t Bytes), Bytes), 1, 16, 24,
                       25, 200) {
  const auto sum = std::make_shared<int>(1);
  Function<int(int)> add = Adder<Bytes>(sum);
  CHECK(sum.use_count() == 2);
  CHECK(add(2) == 3);

  Function<int(int)> moved = std::move(add);
  CHECK_FALSE(add);  // NOLINT(bugprone-use-after-move): empty is what it is
  CHECK(sum.use_count() == 2);
  CHECK(moved(3) == 6);

  const auto other = std::make_shared<int>(10);
  moved = Adder<Bytes>(other);
  CHECK(sum.use_count() == 1);
  CHECK(moved(1) == 11);
  moved = Adder<200>(sum);
  CHECK(other.use_count() == 1);
  CHECK(moved(1) == 7);
  moved = Adder<1>(other);
  CHECK(sum.use_count() == 1);

  std::vector<Function<int(int)>> many;
  for (int i = 0; i < 100; ++i) many.push_back(Adder<Bytes>(sum));
  for (const auto& each : many) each(1);
  CHECK(*sum == 107);
  many.clear();
  CHECK(sum.use_count() == 1);

  moved = nullptr;
  CHECK_FALSE(moved);
  CHECK(other.use_count() == 1);
}

TEST_CASE("A function may hold what can only be moved, or what may throw when it is") {
  auto only = std::make_unique<int>(4);
  Function<int()> get = [only = std::move(only)] { return *only; };
  const Function<int()> got = std::move(get);
  CHECK(got() == 4);

  struct Throws {
    Throws() = default;
    Throws(const Throws&) {}
    int operator()() const { return 5; }
  };
  Function<int()> first = Throws();
  const Function<int()> second = std::move(first);
  CHECK(second() == 5);
}

}  // namespace
}  // namespace minikube::test
