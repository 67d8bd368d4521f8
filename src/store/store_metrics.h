// What a RevisionStore counts while it works. Thread safety: any thread.
#pragma once

#include <atomic>
#include <cstdint>

#include <minikube/metrics.h>

namespace minikube::store {

struct StoreMetrics {
  Histogram commit_seconds = Histogram::Exponential(50e-6, 2, 18);  // of a transaction: queued to published
  Histogram group_transactions = Histogram::Exponential(1, 2, 13);  // that shared one write and one sync
  Histogram sync_seconds = Histogram::Exponential(50e-6, 2, 18);    // of a group: written to the log and synced
  std::atomic<std::int64_t> refused{0};                             // transactions, for want of space
  std::atomic<std::int64_t> compactions{0};
};

}  // namespace minikube::store
