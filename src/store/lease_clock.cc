#include "store/lease_clock.h"

namespace minikube::store {
namespace {

// A TTL of centuries must not wrap around the clock.
MonoTime EndsAt(MonoTime now, Duration ttl) { return ttl > MonoTime::max() - now ? MonoTime::max() : now + ttl; }

}  // namespace

void LeaseClock::Add(const Lease& lease, MonoTime now) {
  std::lock_guard lock(mu_);
  leases_[lease.id] = {lease.ttl, EndsAt(now, lease.ttl), false};
}

void LeaseClock::Remove(LeaseId lease) {
  std::lock_guard lock(mu_);
  leases_.erase(lease);
}

bool LeaseClock::Exists(LeaseId lease) const {
  std::lock_guard lock(mu_);
  return leases_.contains(lease);
}

bool LeaseClock::Extend(LeaseId lease, MonoTime now) {
  std::lock_guard lock(mu_);
  const auto it = leases_.find(lease);
  if (it == leases_.end() || it->second.expired) return false;
  it->second.ends = EndsAt(now, it->second.ttl);
  return true;
}

std::vector<LeaseId> LeaseClock::TakeExpired(MonoTime now) {
  std::lock_guard lock(mu_);
  std::vector<LeaseId> out;
  for (auto& [id, entry] : leases_) {
    if (entry.expired || entry.ends > now) continue;
    entry.expired = true;
    out.push_back(id);
  }
  return out;
}

void LeaseClock::Postpone(LeaseId lease, MonoTime when) {
  std::lock_guard lock(mu_);
  const auto it = leases_.find(lease);
  if (it == leases_.end()) return;
  it->second.ends = when;
  it->second.expired = false;
}

std::int64_t LeaseClock::size() const {
  std::lock_guard lock(mu_);
  return static_cast<std::int64_t>(leases_.size());
}

std::optional<MonoTime> LeaseClock::Next() const {
  std::lock_guard lock(mu_);
  std::optional<MonoTime> next;
  for (const auto& [id, entry] : leases_) {
    if (!entry.expired && (!next || entry.ends < *next)) next = entry.ends;
  }
  return next;
}

}  // namespace minikube::store
