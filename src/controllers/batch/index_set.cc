#include "controllers/batch/index_set.h"

#include <algorithm>
#include <optional>

#include "kube/numbers.h"

namespace minikube::controllers {

IndexSet IndexSet::Parse(std::string_view text, std::int32_t completions) {
  IndexSet out;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const std::size_t dash = part.find('-');
    const auto first = kube::ParseInt<std::int32_t>(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : kube::ParseInt<std::int32_t>(part.substr(dash + 1));
    if (!first || !last || *first < 0 || *first > *last || *first >= completions) continue;
    out.Add(Interval{*first, std::min(*last, completions - 1)});
  }
  return out;
}

void IndexSet::Add(Interval interval) {
  // Those that overlap or touch become one.
  const auto begin = std::partition_point(intervals_.begin(), intervals_.end(), [&](const Interval& each) {
    return std::int64_t{each.last} + 1 < interval.first;
  });
  auto end = begin;
  for (; end != intervals_.end() && end->first <= std::int64_t{interval.last} + 1; ++end) {
    interval.first = std::min(interval.first, end->first);
    interval.last = std::max(interval.last, end->last);
  }
  intervals_.insert(intervals_.erase(begin, end), interval);
}

void IndexSet::Add(const IndexSet& other) {
  for (const Interval& interval : other.intervals_) Add(interval);
}

bool IndexSet::Contains(std::int32_t index) const {
  const auto it = std::partition_point(intervals_.begin(), intervals_.end(),
                                       [&](const Interval& each) { return each.last < index; });
  return it != intervals_.end() && it->first <= index;
}

std::int64_t IndexSet::size() const {
  std::int64_t count = 0;
  for (const Interval& each : intervals_) count += std::int64_t{each.last} - each.first + 1;
  return count;
}

std::int64_t IndexSet::Common(const IndexSet& other) const {
  std::int64_t count = 0;
  auto a = intervals_.begin();
  auto b = other.intervals_.begin();
  while (a != intervals_.end() && b != other.intervals_.end()) {
    const std::int64_t overlap = std::int64_t{std::min(a->last, b->last)} - std::max(a->first, b->first) + 1;
    count += std::max<std::int64_t>(0, overlap);
    if (a->last < b->last) {
      ++a;
    } else {
      ++b;
    }
  }
  return count;
}

std::vector<std::int32_t> IndexSet::FirstAbsent(std::size_t count, std::int32_t completions) const {
  std::vector<std::int32_t> out;
  std::int32_t next = 0;
  const auto fill = [&](std::int32_t end) {
    for (; next < end && out.size() < count; ++next) out.push_back(next);
  };
  for (const Interval& each : intervals_) {
    if (each.first >= completions) break;
    fill(each.first);
    next = std::max(next, each.last + 1);
  }
  fill(completions);
  return out;
}

std::string IndexSet::ToString() const {
  std::string out;
  for (const Interval& each : intervals_) {
    if (!out.empty()) out += ',';
    out += std::to_string(each.first);
    if (each.last > each.first) out += (each.last == each.first + 1 ? "," : "-") + std::to_string(each.last);
  }
  return out;
}

}  // namespace minikube::controllers
