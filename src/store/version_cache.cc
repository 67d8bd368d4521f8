#include "store/version_cache.h"

#include <functional>
#include <utility>

namespace minikube::store {
namespace {

constexpr std::size_t kFirstKeys = 64;
constexpr std::size_t kNowhere = ~std::size_t{0};

}  // namespace

std::uint64_t VersionCache::HashOf(std::string_view key) {
  const std::uint64_t hash = std::hash<std::string_view>()(key);
  return hash != 0 ? hash : 1;
}

std::size_t VersionCache::PlaceOf(std::string_view key, std::uint64_t hash) const {
  if (hashes_.empty()) return kNowhere;
  const std::size_t first = FirstPlace(hash);
  for (std::size_t i = first; i < first + kWays; ++i) {
    if (hashes_[i] == hash && entries_[i].key == key) return i;
  }
  return kNowhere;
}

const VersionInfo* VersionCache::Find(std::string_view key) const {
  const std::size_t place = PlaceOf(key, HashOf(key));
  return place != kNowhere ? &entries_[place].version : nullptr;
}

void VersionCache::Put(std::string_view key, const VersionInfo& version, bool overwritten) {
  const std::uint64_t hash = HashOf(key);
  std::size_t place = PlaceOf(key, hash);
  if (place == kNowhere) {
    if (!overwritten || key.size() > kLongestKey) return;
    if (hashes_.size() < kMostKeys && 2 * used_ >= hashes_.size()) Grow();
    // By chance: when more keys than fit are written in turns, the eldest is the very one that comes next.
    victim_ = victim_ * 6364136223846793005u + 1442695040888963407u;
    place = FirstPlace(hash) + (victim_ >> 33) % kWays;
    for (std::size_t i = FirstPlace(hash), end = i + kWays; i < end; ++i) {
      if (hashes_[i] == 0) place = i;
    }
    if (hashes_[place] == 0) ++used_;
    hashes_[place] = hash;
    entries_[place].key.assign(key);
  }
  entries_[place].version = version;
}

void VersionCache::Grow() {
  std::vector<std::uint64_t> hashes(hashes_.empty() ? kFirstKeys : 2 * hashes_.size());
  std::vector<Entry> entries(hashes.size());
  hashes.swap(hashes_);
  entries.swap(entries_);
  for (std::size_t from = 0; from < hashes.size(); ++from) {
    if (hashes[from] == 0) continue;
    // There is room: the places of one group are now those of two.
    std::size_t to = FirstPlace(hashes[from]);
    while (hashes_[to] != 0) ++to;
    hashes_[to] = hashes[from];
    entries_[to] = std::move(entries[from]);
  }
}

}  // namespace minikube::store
