// What one side of a comparison did in one round, and how rounds of two sides become a line of output.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>

#include <fmt/format.h>

namespace minikube::bench {

using SteadyClock = std::chrono::steady_clock;

inline double Seconds(SteadyClock::time_point since) {
  return std::chrono::duration<double>(SteadyClock::now() - since).count();
}

// Of RUSAGE_SELF (the whole process) or RUSAGE_THREAD (the calling thread), user and system.
inline double CpuSeconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

inline double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

struct Load {
  double count = 0;           // calls, keys or events: what is counted per second
  double seconds = 0;         // that they took together
  double cpu = 0;             // seconds of processor, of the process that does the work
  double client_cpu = 0;      // of the peer's client, if that is another process
  std::vector<float> micros;  // of each call

  double Rate() const { return count / seconds; }
  double CpuMicros() const { return cpu / count * 1e6; }
  double ClientCpuMicros() const { return client_cpu / count * 1e6; }
  double MeanMicros() const { return seconds / count * 1e6; }  // of a lone caller
  double Percentile(double q) const {
    if (micros.empty()) return 0;
    std::vector<float> sorted = micros;
    const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(sorted.size() - 1));
    std::nth_element(sorted.begin(), nth, sorted.end());
    return *nth;
  }
};

// What is done in one round, and what came of it in each.
struct Side {
  std::function<Load()> run;
  std::vector<Load> rounds;
};

using Figure = double (*)(const Load&);

inline void Print(std::string_view name, double value, std::string_view unit) {
  fmt::print("{} {:.6g} {}\n", name, value, unit);
  std::fflush(stdout);
}

// `name value unit peer value ratio`; without a peer's value, its first half.
inline void Print(std::string_view name, double value, std::string_view unit, std::string_view peer, double other,
                  double ratio) {
  if (other == 0) return Print(name, value, unit);
  fmt::print("{} {:.6g} {} {} {:.6g} {:.3g}\n", name, value, unit, peer, other, ratio);
  std::fflush(stdout);
}

inline double MedianOf(const Side& side, Figure figure) {
  std::vector<double> values;
  for (const Load& load : side.rounds) values.push_back(figure(load));
  return Median(std::move(values));
}

// Medians of both and of the rounds' ratios: what slows one round down slows down both sides of it.
inline void PrintBeside(std::string_view name, std::string_view unit, const Side& ours, std::string_view peer_name,
                        const Side& peer, Figure figure) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(ours.rounds.size(), peer.rounds.size()); ++i) {
    ratios.push_back(figure(ours.rounds[i]) / figure(peer.rounds[i]));
  }
  Print(name, MedianOf(ours, figure), unit, peer_name, MedianOf(peer, figure), Median(std::move(ratios)));
}

}  // namespace minikube::bench
