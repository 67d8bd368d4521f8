#include "scheduler/queue.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace minikube::scheduler {

Duration SchedulingQueue::BackoffOf(int attempts) {
  Duration backoff = kInitialBackoff;
  for (int i = 1; i < attempts && backoff < kMaxBackoff; ++i) backoff *= 2;
  return std::min(backoff, kMaxBackoff);
}

namespace {

template <typename Visit>
void ForEachBit(std::uint32_t events, Visit visit) {
  for (; events != 0; events &= events - 1) visit(static_cast<std::size_t>(std::countr_zero(events)));
}

}  // namespace

void SchedulingQueue::Unplace(const ObjectKey& key, Waiting& w) {
  if (w.place == Place::kActive) active_.erase(RankOf(key, w));
  if (w.place == Place::kBackoff) early_.erase(RankOf(key, w));
  if (IsTimed(w.place)) timed_.erase({w.until, key});
  if (w.place != Place::kParked) return;
  parked_.erase(key);
  ForEachBit(w.events, [&](std::size_t bit) { --parked_for_[bit]; });
}

void SchedulingQueue::PutIn(const ObjectKey& key, Waiting& w, Place place) {
  w.place = place;
  if (place == Place::kActive) active_.insert(RankOf(key, w));
  if (place == Place::kBackoff) early_.insert(RankOf(key, w));
  if (IsTimed(place)) timed_.emplace(w.until, key);
  if (place != Place::kParked) return;
  parked_.insert(key);
  ForEachBit(w.events, [&](std::size_t bit) { ++parked_for_[bit]; });
}

void SchedulingQueue::AfterBackoff(const ObjectKey& key, Waiting& w, Place place, MonoTime now) {
  const MonoTime ready = w.since + BackoffOf(w.entry.attempts);
  if (w.entry.attempts == 0 || ready <= now) return PutIn(key, w, Place::kActive);
  w.until = ready;
  PutIn(key, w, place);
}

void SchedulingQueue::Upsert(PodInfoRef pod, bool gated, MonoTime now) {
  ObjectKey key = ObjectKey::Of(*pod->object);
  const auto [it, is_new] = waiting_.try_emplace(key);
  Waiting& w = it->second;
  if (is_new) {
    w.sequence = next_sequence_++;
    w.entry.pod = std::move(pod);
    return PutIn(key, w, gated ? Place::kGated : Place::kActive);
  }
  if (w.place == Place::kPopped) {  // its turn goes on with what it had; the new version is for the next one
    w.entry.pod = std::move(pod);
    w.updated = true;
    return;
  }
  // Only what the spec or the labels say can help a parked pod; a status written by ourselves does not.
  const meta::v1::ObjectMeta& before = w.entry.pod->object->meta();
  const meta::v1::ObjectMeta& after = pod->object->meta();
  const bool changed =
      before.generation != after.generation || !(before.labels == after.labels) || w.place == Place::kGated;
  const Place place = w.place;
  Unplace(key, w);
  w.entry.pod = std::move(pod);
  if (place == Place::kActive) return PutIn(key, w, gated ? Place::kGated : Place::kActive);
  if (!changed) return PutIn(key, w, place);
  if (gated) return PutIn(key, w, Place::kGated);
  AfterBackoff(key, w, place == Place::kRetry ? Place::kRetry : Place::kBackoff, now);
}

void SchedulingQueue::Remove(const ObjectKey& key) {
  const auto it = waiting_.find(key);
  if (it == waiting_.end()) return;
  Unplace(key, it->second);
  waiting_.erase(it);
}

std::optional<SchedulingQueue::Entry> SchedulingQueue::Pop(MonoTime now) {
  const std::set<Rank>& ready = active_.empty() ? early_ : active_;
  if (ready.empty()) return std::nullopt;
  const ObjectKey key = ready.begin()->key;
  Waiting& w = waiting_.at(key);
  Unplace(key, w);
  w.place = Place::kPopped;
  w.since = now;
  w.popped_at = event_clock_;
  w.updated = false;
  ++w.entry.attempts;
  return w.entry;
}

void SchedulingQueue::Park(Entry entry, std::uint32_t events, MonoTime now) {
  const ObjectKey key = ObjectKey::Of(*entry.pod->object);
  const auto it = waiting_.find(key);
  if (it == waiting_.end() || it->second.place != Place::kPopped) return;  // deleted meanwhile
  Waiting& w = it->second;
  w.events = events | kPodUpdated;
  if (w.updated || HappenedSince(w.popped_at, w.events)) return AfterBackoff(key, w, Place::kBackoff, now);
  w.until = now + kMaxParked;
  PutIn(key, w, Place::kParked);
}

void SchedulingQueue::Retry(Entry entry, MonoTime now) {
  const ObjectKey key = ObjectKey::Of(*entry.pod->object);
  const auto it = waiting_.find(key);
  if (it == waiting_.end() || it->second.place != Place::kPopped) return;
  it->second.since = now;  // the attempt ends only now: plugins and the API server may have taken their time
  AfterBackoff(key, it->second, Place::kRetry, now);
}

bool SchedulingQueue::HappenedSince(std::uint64_t clock, std::uint32_t events) const {
  bool happened = false;
  ForEachBit(events, [&](std::size_t bit) { happened = happened || happened_at_[bit] > clock; });
  return happened;
}

void SchedulingQueue::Happened(std::uint32_t events, MonoTime now) {
  ++event_clock_;
  bool awaited = false;
  ForEachBit(events, [&](std::size_t bit) {
    happened_at_[bit] = event_clock_;
    awaited = awaited || parked_for_[bit] > 0;
  });
  if (!awaited) return;
  for (auto it = parked_.begin(); it != parked_.end();) {
    const ObjectKey key = *it++;  // leaving the place invalidates only the element itself
    Waiting& w = waiting_.at(key);
    if ((w.events & events) == 0) continue;
    Unplace(key, w);
    AfterBackoff(key, w, Place::kBackoff, now);
  }
}

std::optional<MonoTime> SchedulingQueue::Advance(MonoTime now) {
  while (!timed_.empty() && timed_.begin()->first <= now) {
    const ObjectKey key = timed_.begin()->second;
    Waiting& w = waiting_.at(key);
    Unplace(key, w);
    PutIn(key, w, Place::kActive);
  }
  if (timed_.empty()) return std::nullopt;
  return timed_.begin()->first;
}

}  // namespace minikube::scheduler
