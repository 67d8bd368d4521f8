#include <minikube/metrics.h>

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace minikube {
namespace {

// In a label's value a backslash, a quote and a line break are escaped.
std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return out;
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(std::make_unique<std::atomic<std::int64_t>[]>(bounds_.size() + 1)) {}

Histogram Histogram::Exponential(double least, double factor, std::size_t count) {
  std::vector<double> bounds;
  for (double bound = least; bounds.size() < count; bound *= factor) bounds.push_back(bound);
  return Histogram(std::move(bounds));
}

void Histogram::Observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

void MetricsText::Begin(std::string_view name, std::string_view help, std::string_view type) {
  fmt::format_to(std::back_inserter(out_), "# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

void MetricsText::Sample(std::string_view name, const Labels& labels, std::int64_t value) {
  out_ += name;
  char separator = '{';
  for (const auto& [label, text] : labels) {
    fmt::format_to(std::back_inserter(out_), "{}{}=\"{}\"", std::exchange(separator, ','), label, Escaped(text));
  }
  fmt::format_to(std::back_inserter(out_), "{} {}\n", labels.empty() ? "" : "}", value);
}

void MetricsText::Counter(std::string_view name, std::string_view help, std::int64_t value) {
  Begin(name, help, "counter");
  Sample(name, {}, value);
}

void MetricsText::Gauge(std::string_view name, std::string_view help, std::int64_t value) {
  Begin(name, help, "gauge");
  Sample(name, {}, value);
}

void MetricsText::Distribution(std::string_view name, std::string_view help, const Histogram& histogram) {
  Begin(name, help, "histogram");
  std::int64_t below = 0;
  for (std::size_t i = 0; i < histogram.bounds().size(); ++i) {
    below += histogram.count(i);
    fmt::format_to(std::back_inserter(out_), "{}_bucket{{le=\"{}\"}} {}\n", name, histogram.bounds()[i], below);
  }
  below += histogram.count(histogram.bounds().size());
  fmt::format_to(std::back_inserter(out_), "{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name, below,
                 histogram.sum());
}

}  // namespace minikube
