// SchedulingQueue: pods that wait for a node, by priority and then by age.
//
// A pod is active (ready to be tried), backing off, or parked as unschedulable until an event that concerns a plugin
// which rejected it. Such an event does not make it active before its back-off has passed, so that it cannot hold up
// others; but when nobody else is active it is tried at once (KEP-5142). A pod whose placement failed, because a write
// was refused say, waits out its back-off in any case. Single-threaded; time comes in as arguments.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include <minikube/env.h>
#include <minikube/informer.h>
#include <minikube/scheduler_framework.h>

namespace minikube::scheduler {

inline constexpr Duration kInitialBackoff = std::chrono::seconds(1);
inline constexpr Duration kMaxBackoff = std::chrono::seconds(10);
// A parked pod is tried again after this even if no event seemed to concern it.
inline constexpr Duration kMaxParked = std::chrono::minutes(5);

class SchedulingQueue {
 public:
  struct Entry {
    PodInfoRef pod;
    int attempts = 0;
  };

  // A new pod, or a new version of one that waits. `gated` keeps it aside until the next Upsert.
  void Upsert(PodInfoRef pod, bool gated, MonoTime now);
  void Remove(const ObjectKey& key);

  // The next pod to try; it is out of the queue until given back or forgotten.
  std::optional<Entry> Pop(MonoTime now);
  // Nothing fits: parked until an event among `events`.
  void Park(Entry entry, std::uint32_t events, MonoTime now);
  // Failed for another reason (a write was refused): tried again after its back-off.
  void Retry(Entry entry, MonoTime now);

  // `events` have happened: pods waiting for one of them go on (after their back-off).
  void Happened(std::uint32_t events, MonoTime now);
  // Lets go on what waited long enough. Returns when to call it next.
  std::optional<MonoTime> Advance(MonoTime now);

  // Whether Pop would give a pod.
  bool has_next() const { return !active_.empty() || !early_.empty(); }
  std::size_t size() const { return waiting_.size(); }

 private:
  enum class Place : std::uint8_t { kActive, kBackoff, kRetry, kParked, kGated, kPopped };
  struct Waiting {
    Entry entry;
    Place place = Place::kActive;
    std::uint64_t sequence = 0;   // age among pods of the same priority
    std::uint32_t events = 0;     // kParked: what would help
    MonoTime since{};             // of the last attempt; of its end, if it was refused late
    MonoTime until{};             // kBackoff, kRetry, kParked
    std::uint64_t popped_at = 0;  // kPopped: the event clock then
    bool updated = false;         // kPopped: a new version came while it was being tried
  };
  struct Rank {
    std::int64_t negative_priority;
    std::uint64_t sequence;
    ObjectKey key;
    friend auto operator<=>(const Rank&, const Rank&) = default;
  };
  static Rank RankOf(const ObjectKey& key, const Waiting& w) {
    return {-static_cast<std::int64_t>(w.entry.pod->priority), w.sequence, key};
  }
  static Duration BackoffOf(int attempts);
  void PutIn(const ObjectKey& key, Waiting& w, Place place);
  void Unplace(const ObjectKey& key, Waiting& w);
  // Active if the back-off has passed, else in `place` until then.
  void AfterBackoff(const ObjectKey& key, Waiting& w, Place place, MonoTime now);
  static bool IsTimed(Place place) {
    return place == Place::kBackoff || place == Place::kRetry || place == Place::kParked;
  }
  bool HappenedSince(std::uint64_t clock, std::uint32_t events) const;

  std::map<ObjectKey, Waiting> waiting_;
  std::set<Rank> active_;
  std::set<Rank> early_;                            // kBackoff: tried when nobody is active
  std::set<std::pair<MonoTime, ObjectKey>> timed_;  // backing off or parked
  std::set<ObjectKey> parked_;
  std::uint64_t next_sequence_ = 0;
  // When each ClusterEvent bit last happened, so that an event costs nothing per pod that is being tried.
  std::uint64_t event_clock_ = 0;
  std::array<std::uint64_t, 32> happened_at_{};
  std::array<std::size_t, 32> parked_for_{};  // how many parked pods wait for each bit
};

}  // namespace minikube::scheduler
