#include <minikube/metrics.h>

#include <catch2/catch.hpp>

using namespace minikube;

TEST_CASE("metrics: counters, gauges and series in Prometheus' text form") {
  MetricsText text;
  text.Counter("requests_total", "Requests answered.", 7);
  text.Gauge("open", "Open now.", -1);
  text.Begin("by_code", "By code.", "counter");
  text.Sample("by_code", {{"code", "200"}, {"verb", "get"}}, 5);
  text.Sample("by_code", {{"code", "a\"b\\c\nd"}}, 1);
  CHECK(text.Take() ==
        "# HELP requests_total Requests answered.\n# TYPE requests_total counter\nrequests_total 7\n"
        "# HELP open Open now.\n# TYPE open gauge\nopen -1\n"
        "# HELP by_code By code.\n# TYPE by_code counter\nby_code{code=\"200\",verb=\"get\"} 5\n"
        "by_code{code=\"a\\\"b\\\\c\\nd\"} 1\n");
  CHECK(text.Take().empty());
}

TEST_CASE("metrics: a histogram counts what is at most each bound") {
  Histogram histogram = Histogram::Exponential(0.5, 2, 3);
  for (const double value : {0.25, 0.5, 0.75, 2.0, 8.0}) histogram.Observe(value);
  MetricsText text;
  text.Distribution("took_seconds", "How long.", histogram);
  CHECK(text.Take() ==
        "# HELP took_seconds How long.\n# TYPE took_seconds histogram\n"
        "took_seconds_bucket{le=\"0.5\"} 2\ntook_seconds_bucket{le=\"1\"} 3\ntook_seconds_bucket{le=\"2\"} 4\n"
        "took_seconds_bucket{le=\"+Inf\"} 5\ntook_seconds_sum 11.5\ntook_seconds_count 5\n");
}
