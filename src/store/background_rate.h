// BackgroundRate: how fast flushes and compactions may write together.
//
// In place of RocksDB's own limiter, which in 7.8 can leave a thread waiting for ever (facebook/rocksdb#11742): then
// neither that compaction nor Close comes to an end. Here nobody waits for anybody: each writer is told how long its
// bytes have to wait behind those before them, and sleeps that long.
// Thread safety: any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include <rocksdb/rate_limiter.h>
#include <rocksdb/system_clock.h>

namespace minikube::store {

class BackgroundRate final : public rocksdb::RateLimiter {
 public:
  // `bytes_per_second` > 0. What is ahead of that by at most `burst_bytes` need not wait.
  BackgroundRate(std::shared_ptr<rocksdb::SystemClock> clock, std::int64_t bytes_per_second, std::int64_t burst_bytes)
      : clock_(std::move(clock)), rate_(bytes_per_second), burst_(burst_bytes) {}

  using RateLimiter::Request;
  void Request(std::int64_t bytes, rocksdb::Env::IOPriority priority, rocksdb::Statistics* statistics) override;
  void SetBytesPerSecond(std::int64_t bytes_per_second) override { rate_ = bytes_per_second; }
  std::int64_t GetBytesPerSecond() const override { return rate_; }
  std::int64_t GetSingleBurstBytes() const override { return burst_; }
  // Of all priorities, whichever is asked for.
  std::int64_t GetTotalBytesThrough(rocksdb::Env::IOPriority) const override { return bytes_; }
  std::int64_t GetTotalRequests(rocksdb::Env::IOPriority) const override { return requests_; }

 private:
  const std::shared_ptr<rocksdb::SystemClock> clock_;
  std::atomic<std::int64_t> rate_;
  const std::int64_t burst_;
  std::atomic<std::int64_t> bytes_{0};
  std::atomic<std::int64_t> requests_{0};
  std::mutex mu_;
  std::uint64_t paid_until_ = 0;  // nanoseconds: when all that was let through would have been written at the rate
};

}  // namespace minikube::store
