// PersistentMap against std::map: the same contents and order after any history, and snapshots that never change.
#include "api/world/persistent_map.h"

#include <map>
#include <random>
#include <string>

#include <catch2/catch.hpp>

namespace {

struct Pair {
  std::string key;
  int value = 0;
};
struct ByKey {
  using Key = std::string_view;
  static Key KeyOf(const Pair& p) { return p.key; }
  static std::strong_ordering Compare(Key a, Key b) { return a <=> b; }
};
using TestMap = minikube::api::PersistentMap<Pair, ByKey>;
using Model = std::map<std::string, int, std::less<>>;

void RequireSame(const TestMap& map, const Model& model) {
  REQUIRE(map.size() == model.size());
  auto expected = model.begin();
  for (auto it = map.Begin(); it; ++it, ++expected) {
    REQUIRE(it->key == expected->first);
    REQUIRE(it->value == expected->second);
  }
}

TEST_CASE("a persistent map behaves as an ordered map under random changes, and snapshots stay as they were") {
  const unsigned seed = GENERATE(range(0u, 8u)) + Catch::rngSeed();
  CAPTURE(seed);
  std::mt19937 random(seed);
  TestMap map;
  Model model;
  std::vector<std::pair<TestMap, Model>> snapshots;
  for (int step = 0; step < 4000; ++step) {
    const std::string key = "k" + std::to_string(random() % 500);
    if (random() % 3 != 0) {
      map.Set({key, step});
      model[key] = step;
    } else {
      REQUIRE(map.Erase(key) == (model.erase(key) == 1));
    }
    if (step % 400 == 0) snapshots.emplace_back(map, model);
  }
  RequireSame(map, model);
  for (const auto& [snapshot, expected] : snapshots) RequireSame(snapshot, expected);
}

TEST_CASE("lookups, ranks and lower bounds agree with the order") {
  std::vector<Pair> sorted;
  for (int i = 100; i < 400; i += 2) sorted.push_back({std::to_string(i), i});
  const TestMap map = TestMap::FromSorted(sorted);
  for (int i = 100; i < 400; ++i) {
    const std::string key = std::to_string(i);
    const Pair* found = map.Find(key);
    REQUIRE((found != nullptr) == (i % 2 == 0));
    REQUIRE(map.Rank(key) == static_cast<std::size_t>((i - 100 + 1) / 2));
    auto it = map.LowerBound(key);
    if (i <= 398) {
      REQUIRE(it->value == i + i % 2);
    } else {
      REQUIRE_FALSE(it);
    }
  }
}

TEST_CASE("ascending and descending insertions stay balanced enough to iterate and erase") {
  TestMap up;
  TestMap down;
  for (int i = 0; i < 20000; ++i) {
    up.Set({std::to_string(100000 + i), i});
    down.Set({std::to_string(200000 - i), i});
  }
  REQUIRE(up.size() == 20000);
  REQUIRE(down.size() == 20000);
  const TestMap kept = up;
  for (int i = 0; i < 20000; ++i) REQUIRE(up.Erase(std::to_string(100000 + i)));
  REQUIRE(up.empty());
  REQUIRE(kept.size() == 20000);
  REQUIRE_FALSE(kept.same(up));
}

}  // namespace
