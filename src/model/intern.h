// Repeated strings (label keys, images, names, enum values) share one representation: a small direct-mapped cache of
// the strings a thread has decoded lately. A collision replaces the older one, so it never grows and is never wrong.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <minikube/types.h>

namespace minikube::model {

class StrCache {
 public:
  // A Str with that text, shared with an earlier one if the cache still has it.
  Str Get(std::string_view text) {
    // Short ones need no representation; long ones rarely repeat and would keep their memory alive here.
    if (text.size() <= Str::kInline || text.size() > kMaxSize) return Str(text);
    Str& slot = slots_[Hash(text) % kSlots];
    if (slot.view() != text) slot = Str(text);
    return slot;
  }

 private:
  static constexpr std::size_t kSlots = 1024;
  static constexpr std::size_t kMaxSize = 96;

  // Of the size, both ends and the middle; more than 7 characters.
  static std::uint64_t Hash(std::string_view text) {
    const auto load = [&](std::size_t at) {
      std::uint64_t v;
      std::memcpy(&v, text.data() + at, 8);
      return v;
    };
    const std::size_t last = text.size() - 8;
    std::uint64_t h = (load(0) ^ text.size()) * 0x9e3779b97f4a7c15;
    h = (h ^ (h >> 32) ^ load(last)) * 0xbf58476d1ce4e5b9;
    h = (h ^ (h >> 32) ^ load(last / 2)) * 0x94d049bb133111eb;
    return h >> 40;
  }
  std::array<Str, kSlots> slots_;
};

// The cache of the calling thread.
inline StrCache& ThreadStrCache() {
  static thread_local StrCache cache;
  return cache;
}

}  // namespace minikube::model
