// EventLease: events live for an hour. Their keys carry a lease of the store; one lease serves all events of a minute,
// so a storm of events costs one lease and an idle cluster none.
//
// Thread safety: any thread.
#pragma once

#include <mutex>

#include <minikube/store.h>

namespace minikube::api {

class EventLease {
 public:
  static constexpr Duration kTtl = std::chrono::hours(1);
  static constexpr Duration kShared = std::chrono::minutes(1);

  // The lease for an event written now; granted, synchronously, if there is none of this minute. Not to be called on
  // the committer. Errors: of the store.
  Result<LeaseId> For(Store& store, MonoTime now);

 private:
  std::mutex mu_;  // held while a lease is granted: others who need it wait for the same one
  LeaseId lease_ = 0;
  MonoTime granted_{};
};

}  // namespace minikube::api
