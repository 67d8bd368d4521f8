#include "api/registry/event_lease.h"

namespace minikube::api {

Result<LeaseId> EventLease::For(Store& store, MonoTime now) {
  std::lock_guard lock(mu_);
  if (lease_ != 0 && now - granted_ < kShared) return lease_;
  // The last event of the minute is to live for the whole TTL too.
  Result<LeaseId> lease = store.GrantLease(kTtl + kShared);
  if (!lease) return lease.status();
  lease_ = *lease;
  granted_ = now;
  return lease_;
}

}  // namespace minikube::api
