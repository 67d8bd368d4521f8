// What the cache of versions answers is the newest it was told, or nothing.
#include <algorithm>
#include <map>
#include <random>
#include <string>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "store/version_cache.h"

namespace minikube::test {
namespace {

std::string Key(std::uint64_t n) { return fmt::format("/registry/pods/default/{}", n); }

TEST_CASE("Of a key that was overwritten the newest version is known") {
  store::VersionCache cache;
  CHECK(cache.Find("k") == nullptr);
  cache.Put("k", {7, 7, 1, 0}, false);
  CHECK(cache.Find("k") == nullptr);
  cache.Put("k", {9, 7, 2, 5}, true);
  REQUIRE(cache.Find("k") != nullptr);
  CHECK(cache.Find("k")->mod_revision == 9);
  CHECK(cache.Find("k")->version == 2);
  CHECK(cache.Find("k")->lease == 5);
  cache.Put("k", {}, true);
  REQUIRE(cache.Find("k") != nullptr);  // deleted, which is an answer as well
  CHECK(cache.Find("k")->mod_revision == 0);
  cache.Put("k", {12, 12, 1, 0}, false);  // created anew
  CHECK(cache.Find("k")->mod_revision == 12);
}

TEST_CASE("Very long keys are not kept") {
  store::VersionCache cache;
  const std::string longest(store::VersionCache::kLongestKey, 'k');
  cache.Put(longest, {10, 8, 2, 0}, true);
  cache.Put(longest + "k", {11, 9, 2, 0}, true);
  CHECK(cache.Find(longest) != nullptr);
  CHECK(cache.Find(longest + "k") == nullptr);
}

TEST_CASE("As many keys as there is room for are mostly known; of more, none has a version that is not its newest") {
  const std::uint64_t keys = GENERATE(100, 1'000, store::VersionCache::kMostKeys / 2, 40'000);
  CAPTURE(keys);
  store::VersionCache cache;
  std::map<std::string, Revision> newest;
  std::mt19937_64 random(1);
  for (Revision revision = 2; revision < 200'000; ++revision) {
    const std::string key = Key(random() % keys);
    cache.Put(key, {revision, revision, 1, 0}, random() % 2 == 0);
    newest[key] = revision;
  }
  std::size_t known = 0;
  for (const auto& [key, revision] : newest) {
    const store::VersionInfo* found = cache.Find(key);
    if (found == nullptr) continue;
    ++known;
    REQUIRE(found->mod_revision == revision);
  }
  CHECK(known <= store::VersionCache::kMostKeys);
  CHECK(known >= std::min<std::size_t>(keys, store::VersionCache::kMostKeys) * 9 / 10);
}

}  // namespace
}  // namespace minikube::test
