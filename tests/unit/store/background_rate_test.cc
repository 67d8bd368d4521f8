// Flushes and compactions keep to their rate, and nobody waits for somebody else.
#include <algorithm>
#include <cstdint>
#include <memory>

#include <rocksdb/system_clock.h>
#include <catch2/catch.hpp>

#include "store/background_rate.h"

namespace minikube::test {
namespace {

class Clock final : public rocksdb::SystemClockWrapper {
 public:
  Clock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "minikube.test.Clock"; }
  std::uint64_t NowNanos() override { return now; }
  void SleepForMicroseconds(int micros) override {
    ++sleeps;
    if (advance) now += static_cast<std::uint64_t>(micros) * 1000;
  }
  std::uint64_t now = 1'000'000'000;
  bool advance = true;
  int sleeps = 0;
};

constexpr std::int64_t kRate = 100'000'000;
constexpr std::int64_t kBurst = 100'000;

struct Fixture {
  void Write(std::int64_t bytes) {
    for (; bytes > 0; bytes -= kBurst) rate.Request(std::min(bytes, kBurst), rocksdb::Env::IO_LOW, nullptr);
  }
  std::shared_ptr<Clock> clock = std::make_shared<Clock>();
  store::BackgroundRate rate{clock, kRate, kBurst};
};

TEST_CASE("Background writes take the time that their rate gives them") {
  Fixture f;
  const std::uint64_t start = f.clock->now;
  f.Write(50'000'000);
  const auto took = static_cast<double>(f.clock->now - start) / 1e9;
  CHECK(took == Approx(0.5).epsilon(0.01));
  CHECK(f.rate.GetTotalBytesThrough(rocksdb::Env::IO_TOTAL) == 50'000'000);
}

TEST_CASE("A burst waits for nothing, and idle time is not saved up") {
  Fixture f;
  f.clock->now += 10'000'000'000;
  const std::uint64_t start = f.clock->now;
  f.Write(kBurst);
  CHECK(f.clock->sleeps == 0);
  f.Write(10 * kBurst);
  CHECK(f.clock->now - start >= 10'000'000);  // of the 11 ms at most the last burst is still owed
}

TEST_CASE("A writer is let through when its time has come, whatever became of those before it") {
  Fixture f;
  f.clock->advance = false;  // the others' sleeps do not end
  f.Write(20 * kBurst);
  CHECK(f.clock->sleeps == 19);
  f.clock->now += 1'000'000'000;
  f.Write(kBurst);
  CHECK(f.clock->sleeps == 19);
}

}  // namespace
}  // namespace minikube::test
