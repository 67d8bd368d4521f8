#include "simulation/history.h"

#include <chrono>
#include <cstring>

namespace minikube::simulation {

History::History(const Clock& clock, std::FILE* out) : clock_(clock), out_(out), start_(clock.Now()) {}

void History::Mix(std::string_view text) {
  const auto mix = [this](std::uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9e3779b97f4a7c15u;
    hash_ ^= hash_ >> 29;
  };
  mix(text.size());
  while (!text.empty()) {
    std::uint64_t word = 0;
    const std::size_t taken = std::min(text.size(), sizeof word);
    std::memcpy(&word, text.data(), taken);
    mix(word);
    text.remove_prefix(taken);
  }
}

void History::Line(std::string_view component) {
  ++lines_;
  const auto time = std::chrono::duration_cast<std::chrono::microseconds>(clock_.Now() - start_).count();
  const std::string line = fmt::format("{:>12.6f}  {:<24} {}\n", static_cast<double>(time) / 1e6, component, text_);
  Mix(line);
  if (out_ != nullptr) std::fputs(line.c_str(), out_);
}

}  // namespace minikube::simulation
