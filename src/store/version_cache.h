// VersionCache: the newest versions of keys that are written again and again (a node's lease, an object's status), so
// that the committer does not look for them in the tables each time.
//
// A key that was written once is not kept: most are not written again soon, and keeping them costs as much as it saves.
// Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/engine.h"

namespace minikube::store {

class VersionCache {
 public:
  // At most so many keys, and none longer: 2.4 MB with usual ones, 4.4 MB with the longest. Less while there are few.
  static constexpr std::size_t kMostKeys = 16384;
  static constexpr std::size_t kLongestKey = 160;

  // Null: not known. It holds until the next Put.
  const VersionInfo* Find(std::string_view key) const;
  // To be told of every write. A key that is not known is kept, in place of another if need be, if it was
  // `overwritten`.
  void Put(std::string_view key, const VersionInfo& version, bool overwritten);

 private:
  struct Entry {
    std::string key;
    VersionInfo version;
  };
  static constexpr std::size_t kWays = 4;  // places that a key may be in, beside one another
  static std::uint64_t HashOf(std::string_view key);
  std::size_t FirstPlace(std::uint64_t hash) const { return hash % (hashes_.size() / kWays) * kWays; }
  // Of the key, or npos.
  std::size_t PlaceOf(std::string_view key, std::uint64_t hash) const;
  void Grow();

  std::vector<std::uint64_t> hashes_;  // 0 = free. Apart from the entries: what is not there is told by one look
  std::vector<Entry> entries_;
  std::size_t used_ = 0;
  std::uint64_t victim_ = 0;  // a linear congruence, of which the upper bits are as good as chance
};

}  // namespace minikube::store
