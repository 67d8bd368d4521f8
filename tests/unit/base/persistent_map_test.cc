// PersistentMap against std::map: the same contents and order after any history, and snapshots that never change.
#include "base/persistent_map.h"

#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

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
using TestMap = minikube::PersistentMap<Pair, ByKey>;
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

using Changes = std::vector<std::tuple<std::string, int, int>>;  // key, before, after; -1: absent

Changes DiffOf(const TestMap& from, const TestMap& to) {
  Changes out;
  TestMap::Diff(
      from, to, [](const Pair& a, const Pair& b) { return a.value == b.value; },
      [&](const Pair* before, const Pair* after) {
        out.emplace_back((after != nullptr ? after : before)->key, before != nullptr ? before->value : -1,
                         after != nullptr ? after->value : -1);
      });
  return out;
}

Changes ExpectedDiff(const Model& from, const Model& to) {
  std::map<std::string, std::pair<int, int>> all;
  for (const auto& [key, value] : from) all[key] = {value, -1};
  for (const auto& [key, value] : to) {
    const auto it = all.try_emplace(key, -1, -1).first;
    it->second.second = value;
  }
  Changes out;
  for (const auto& [key, values] : all) {
    if (values.first != values.second) out.emplace_back(key, values.first, values.second);
  }
  return out;
}

TEST_CASE("the difference of any two snapshots is what a comparison of all entries finds, in order") {
  const unsigned seed = GENERATE(range(0u, 8u)) + Catch::rngSeed();
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::vector<std::pair<TestMap, Model>> snapshots(1);
  TestMap map;
  Model model;
  for (int step = 0; step < 3000; ++step) {
    const std::string key = "k" + std::to_string(random() % 300);
    switch (random() % 4) {
      case 0:
      case 1:
        map.Set({key, step});
        model[key] = step;
        break;
      case 2:
        map.Erase(key);
        model.erase(key);
        break;
      default:  // written anew, and the same
        if (const Pair* found = map.Find(key)) map.Set(Pair(*found));
    }
    if (random() % 100 == 0) snapshots.emplace_back(map, model);
  }
  for (const auto& [from, from_model] : snapshots) {
    for (const auto& [to, to_model] : snapshots) REQUIRE(DiffOf(from, to) == ExpectedDiff(from_model, to_model));
  }
}

TEST_CASE("a difference costs what has changed, not what there is") {
  static std::size_t compared;
  struct Counted : ByKey {
    static std::strong_ordering Compare(Key a, Key b) {
      ++compared;
      return a <=> b;
    }
  };
  using Map = minikube::PersistentMap<Pair, Counted>;
  std::vector<Pair> sorted;
  for (int i = 0; i < 100'000; ++i) sorted.push_back({std::to_string(1'000'000 + 2 * i), i});
  const Map before = Map::FromSorted(std::move(sorted));
  Map after = before;
  for (int i = 0; i < 10; ++i) {
    after.Set({std::to_string(1'000'000 + 20'000 * i), -1});
    after.Set({std::to_string(1'000'001 + 20'000 * i), -1});
    after.Erase(std::to_string(1'000'100 + 20'000 * i));
  }
  compared = 0;
  std::size_t differences = 0;
  Map::Diff(
      before, after, [](const Pair& a, const Pair& b) { return a.value == b.value; },
      [&](const Pair*, const Pair*) { ++differences; });
  CHECK(differences == 30);
  CHECK(compared < 30 * 2 * 17);  // a path each, in two trees of 2^17 entries
}

}  // namespace
