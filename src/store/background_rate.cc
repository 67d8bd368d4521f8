#include "store/background_rate.h"

#include <algorithm>

namespace minikube::store {

void BackgroundRate::Request(std::int64_t bytes, rocksdb::Env::IOPriority, rocksdb::Statistics*) {
  bytes_ += bytes;
  ++requests_;
  const auto nanos = [rate = rate_.load()](std::int64_t count) {
    return static_cast<std::uint64_t>(static_cast<double>(count) / static_cast<double>(rate) * 1e9);
  };
  std::uint64_t ahead = 0;
  {
    std::lock_guard lock(mu_);
    const std::uint64_t now = clock_->NowNanos();
    paid_until_ = std::max(paid_until_, now) + nanos(bytes);
    ahead = paid_until_ - now;
  }
  if (ahead > nanos(burst_)) clock_->SleepForMicroseconds(static_cast<int>(ahead / 1000));
}

}  // namespace minikube::store
