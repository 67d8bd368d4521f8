// LruMap: a map of bounded size; a new entry pushes out the one that was used least recently.
//
// Thread safety: none of its own.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <utility>

namespace minikube::client {

template <typename V>
class LruMap {
 public:
  explicit LruMap(std::size_t capacity) : capacity_(capacity) {}

  // The value under `key`, made empty if it was not there; now the most recently used.
  V& operator[](const std::string& key) {
    if (const auto it = index_.find(key); it != index_.end()) {
      entries_.splice(entries_.begin(), entries_, it->second);
    } else {
      if (entries_.size() >= capacity_) {
        index_.erase(entries_.back().first);
        entries_.pop_back();
      }
      entries_.emplace_front(key, V{});
      index_[key] = entries_.begin();
    }
    return entries_.front().second;
  }
  // The value under `key`, now the most recently used; null if there is none.
  V* Find(const std::string& key) {
    const auto it = index_.find(key);
    if (it == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, it->second);
    return &entries_.front().second;
  }
  std::size_t size() const { return entries_.size(); }

 private:
  using Entries = std::list<std::pair<std::string, V>>;
  const std::size_t capacity_;
  Entries entries_;
  std::map<std::string, typename Entries::iterator> index_;
};

}  // namespace minikube::client
