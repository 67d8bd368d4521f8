// IndexSet: completion indexes as intervals, as status.completedIndexes spells them ("1,3-5").
//
// Thread safety: a value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minikube::controllers {

class IndexSet {
 public:
  struct Interval {
    std::int32_t first = 0;
    std::int32_t last = 0;
    friend bool operator==(const Interval&, const Interval&) = default;
  };

  IndexSet() = default;
  // What of the text is below `completions`; parts that cannot be read are left out.
  static IndexSet Parse(std::string_view text, std::int32_t completions);

  void Add(std::int32_t index) { Add(Interval{index, index}); }
  void Add(const IndexSet& other);
  bool Contains(std::int32_t index) const;
  std::int64_t size() const;
  bool empty() const { return intervals_.empty(); }
  // How many indexes are in both.
  std::int64_t Common(const IndexSet& other) const;
  // The first `count` indexes below `completions` that are not in the set.
  std::vector<std::int32_t> FirstAbsent(std::size_t count, std::int32_t completions) const;
  // Two neighbours are written as two numbers, more as a range.
  std::string ToString() const;

  friend bool operator==(const IndexSet&, const IndexSet&) = default;

 private:
  void Add(Interval interval);

  std::vector<Interval> intervals_;  // ascending; no two touch
};

}  // namespace minikube::controllers
