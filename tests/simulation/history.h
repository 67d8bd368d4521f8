// History: what happened in one simulation, line by line, and its hash. The same seed must give the same one, byte for
// byte.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <minikube/env.h>

namespace minikube::simulation {

class History {
 public:
  // Lines are printed to `out` as they come; null: only hashed.
  History(const Clock& clock, std::FILE* out);

  template <typename... Args>
  void Add(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
    text_.clear();
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    Line(component);
  }
  // A part of the history that is too small for a line.
  void Mix(std::string_view text);

  std::uint64_t hash() const { return hash_; }
  std::size_t lines() const { return lines_; }

 private:
  void Line(std::string_view component);

  const Clock& clock_;
  std::FILE* const out_;
  const WallTime start_;
  std::string text_;
  std::uint64_t hash_ = 0xcbf29ce484222325u;
  std::size_t lines_ = 0;
};

// What a simulation found wrong: the promise that was broken, and how.
class Verdict {
 public:
  explicit Verdict(History& history) : history_(history) {}
  template <typename... Args>
  void Broken(std::string_view promise, fmt::format_string<Args...> format, Args&&... args) {
    std::string text = fmt::format(format, std::forward<Args>(args)...);
    history_.Add("VIOLATION", "{}: {}", promise, text);
    // The first says what happened; what follows from it is many.
    if (violations_.size() < 10) violations_.push_back(fmt::format("{}: {}", promise, text));
  }
  bool ok() const { return violations_.empty(); }
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  History& history_;
  std::vector<std::string> violations_;
};

}  // namespace minikube::simulation
