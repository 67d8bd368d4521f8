// Metrics: numbers that a component counts while it works, and their text form for Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minikube {

// How often values fell below each of some bounds. Thread safety: any thread; Observe takes no lock.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);  // ascending
  // `count` bounds, the first `least`, each `factor` times the one before.
  static Histogram Exponential(double least, double factor, std::size_t count);

  void Observe(double value);

  const std::vector<double>& bounds() const { return bounds_; }
  // Of the values that are at most bounds()[bucket] and above the bound before; beyond the last: of the rest.
  std::int64_t count(std::size_t bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<std::int64_t>[]> counts_;  // one more than bounds
  std::atomic<double> sum_{0};
};

// Builds the text. Names and label names are the caller's own, and valid; values of labels may be anything.
// Thread safety: none.
class MetricsText {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string>>;

  void Counter(std::string_view name, std::string_view help, std::int64_t value);
  void Gauge(std::string_view name, std::string_view help, std::int64_t value);
  void Distribution(std::string_view name, std::string_view help, const Histogram& histogram);
  // A metric of several series: Begin, then one Sample for each. `type` is "counter" or "gauge".
  void Begin(std::string_view name, std::string_view help, std::string_view type);
  void Sample(std::string_view name, const Labels& labels, std::int64_t value);

  std::string Take() { return std::exchange(out_, {}); }

 private:
  std::string out_;
};

}  // namespace minikube
