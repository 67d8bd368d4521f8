// The leases of RevisionStore: granting, ending, and the timer. A lease ends by a transaction like any other.
#include <utility>

#include <fmt/format.h>

#include "store/revision_store.h"

namespace minikube::store {
namespace {

constexpr std::size_t kKeysPerGroup = 1024;
constexpr Duration kRetry = std::chrono::seconds(5);
// Longer waits are cut into pieces, so that no sum of times overflows.
constexpr Duration kLongestTimer = std::chrono::hours(24);

}  // namespace

Result<RevisionStore::Submission> RevisionStore::NewGrant(Duration ttl) const {
  if (ttl <= Duration::zero()) return Status(Code::kBadRequest, "a lease needs a positive TTL");
  Submission op;
  op.kind = Kind::kGrant;
  do {
    op.lease.id = static_cast<LeaseId>(env_.random().Next() >> 1);
  } while (op.lease.id == 0 || leases_.Exists(op.lease.id));
  op.lease.ttl = ttl;
  return op;
}

Result<RevisionStore::Submission> RevisionStore::NewRevoke(LeaseId lease) const {
  if (!leases_.Exists(lease)) return Status(Code::kNotFound, fmt::format("lease {} does not exist", lease));
  Submission op;
  op.kind = Kind::kRevoke;
  op.lease.id = lease;
  return op;
}

Result<LeaseId> RevisionStore::GrantLease(Duration ttl) {
  Result<Submission> op = NewGrant(ttl);
  if (!op) return op.status();
  const LeaseId id = op->lease.id;
  MINIKUBE_RETURN_IF_ERROR(RunSync(std::move(*op)).status());
  return id;
}

void RevisionStore::GrantLease(Duration ttl, Strand& strand, Function<void(Result<LeaseId>)> done) {
  Result<Submission> op = NewGrant(ttl);
  if (!op) {
    strand.Post([done = std::move(done), why = op.status()] { done(why); });
    return;
  }
  op->done = [post = strand.Poster(), done = std::move(done),
              id = op->lease.id](const Result<CommitResult>& ended) mutable {
    const Result<LeaseId> result = ended ? Result<LeaseId>(id) : Result<LeaseId>(ended.status());
    post([done = std::move(done), result] { done(result); });
  };
  RunAsync(std::move(*op), false);
}

Status RevisionStore::KeepAlive(LeaseId lease) {
  if (leases_.Extend(lease, env_.clock().MonoNow())) return {};
  return {Code::kNotFound, fmt::format("lease {} does not exist", lease)};
}

void RevisionStore::KeepAlive(LeaseId lease, Strand& strand, Function<void(Status)> done) {
  strand.Post([done = std::move(done), status = KeepAlive(lease)] { done(status); });
}

Status RevisionStore::RevokeLease(LeaseId lease) {
  Result<Submission> op = NewRevoke(lease);
  if (!op) return op.status();
  return RunSync(std::move(*op)).status();
}

void RevisionStore::RevokeLease(LeaseId lease, Strand& strand, Function<void(Status)> done) {
  Result<Submission> op = NewRevoke(lease);
  if (!op) {
    strand.Post([done = std::move(done), why = op.status()] { done(why); });
    return;
  }
  op->done = [post = strand.Poster(), done = std::move(done)](const Result<CommitResult>& ended) mutable {
    post([done = std::move(done), status = ended.status()] { done(status); });
  };
  RunAsync(std::move(*op), false);
}

// In pieces, each a transaction of its own, so that a lease with very many keys neither needs memory for all of them
// nor holds up other writers' memory. The lease itself goes with the last piece: after a crash the rest follows.
void RevisionStore::RunRevoke(Group& group) {
  Submission& op = group.submissions.front();
  const LeaseId lease = op.lease.id;
  if (!leases_.Exists(lease)) {
    op.error = Status(Code::kNotFound, fmt::format("lease {} does not exist", lease));
    return;
  }
  for (bool last = false; !last;) {
    Result<std::vector<std::string>> keys = engine_->Attached(lease, kKeysPerGroup);
    if (!keys) {
      op.error = keys.status();
      break;
    }
    last = keys->size() < kKeysPerGroup;
    op.txn = Transaction();
    for (std::string& key : *keys) op.txn.writes.push_back({.key = std::move(key)});
    op.error = PrepareWrites(group, op);
    if (!op.error.ok()) break;
    if (last) group.prepared.ended.push_back(lease);
    if (!Append(group)) break;
    if (const Status synced = engine_->Sync(); !synced.ok()) {
      group.error = Fail(synced);
      break;
    }
    Publish(group);
  }
  if (op.error.ok() && group.error.ok()) return;
  seen_.clear();
  leases_.Postpone(lease, env_.clock().MonoNow() + kRetry);
  ArmLeaseTimer();
}

void RevisionStore::ArmLeaseTimer() {
  const std::optional<MonoTime> next = leases_.Next();
  if (!next) return;
  const MonoTime now = env_.clock().MonoNow();
  const MonoTime at = std::min(std::max(*next, now), now + kLongestTimer);
  std::lock_guard lock(timer_mu_);
  if (lease_timer_ != 0) {
    if (lease_timer_at_ <= at) return;
    commit_strand_->Cancel(lease_timer_);
  }
  lease_timer_at_ = at;
  lease_timer_ = commit_strand_->After(at - now, [this] { OnLeaseTimer(); });
}

void RevisionStore::OnLeaseTimer() {
  {
    std::lock_guard lock(timer_mu_);
    lease_timer_ = 0;
  }
  for (const LeaseId lease : leases_.TakeExpired(env_.clock().MonoNow())) {
    Submission op;
    op.kind = Kind::kRevoke;
    op.lease.id = lease;
    RunAsync(std::move(op), true);
  }
  ArmLeaseTimer();
}

}  // namespace minikube::store
