// LeaseClock: which leases exist and when they end. Knows time, not keys.
// Thread safety: any thread.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "store/engine.h"

namespace minikube::store {

class LeaseClock {
 public:
  void Add(const Lease& lease, MonoTime now);
  void Remove(LeaseId lease);
  bool Exists(LeaseId lease) const;
  // False if there is no such lease, or it has already been reported as expired.
  bool Extend(LeaseId lease, MonoTime now);
  // The leases that ended by `now`; each is reported once and then only waits for Remove.
  std::vector<LeaseId> TakeExpired(MonoTime now);
  // Lets a lease that could not be ended expire again at `when`.
  void Postpone(LeaseId lease, MonoTime when);
  std::int64_t size() const;
  // When the next one ends; nullopt if none will.
  std::optional<MonoTime> Next() const;

 private:
  struct Entry {
    Duration ttl{0};
    MonoTime ends;
    bool expired = false;
  };
  mutable std::mutex mu_;
  std::map<LeaseId, Entry> leases_;
};

}  // namespace minikube::store
