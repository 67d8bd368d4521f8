#include "store/revision_store.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "store/format.h"

namespace minikube::store {
namespace {

// What one group may hold: enough that the sync is a small part of the cost, little enough to bound memory and latency.
constexpr std::size_t kMaxGroupOperations = 4096;
constexpr std::size_t kMaxGroupBytes = 4u << 20;

Status Stopping() { return {Code::kUnavailable, "the store is stopping"}; }

}  // namespace

RevisionStore::RevisionStore(std::unique_ptr<Engine> engine, EngineState state, StoreOptions options, Env& env)
    : options_(std::move(options)),
      env_(env),
      engine_(std::move(engine)),
      revision_(state.revision),
      compact_revision_(state.compact_revision),
      collected_(state.collected),
      collect_strand_(env.NewBlockingStrand("store-collect")),
      commit_strand_(env.NewBlockingStrand("store-commit")) {
  const MonoTime now = env_.clock().MonoNow();
  for (const Lease& lease : state.leases) leases_.Add(lease, now);
  ArmLeaseTimer();
  if (collected_ < state.compact_revision) ScheduleCollect();
}

RevisionStore::~RevisionStore() {
  Stop();
  engine_->Close();
}

void RevisionStore::Stop() {
  {
    std::unique_lock lock(mu_);
    stopping_ = true;
    role_free_.wait(lock, [this] { return !leading_; });
    if (!queue_.empty()) {
      leading_ = true;
      Lead(lock, nullptr);
    }
  }
  stop_collect_ = true;
  commit_strand_->Stop();
  collect_strand_->Stop();
}

// --- Queue ------------------------------------------------------------------------------------------------------

Status RevisionStore::Validate(const Transaction& txn, std::size_t& bytes) const {
  if (txn.compares.size() > kMaxTransactionItems || txn.writes.size() > kMaxTransactionItems) {
    return {Code::kBadRequest,
            fmt::format("a transaction has at most {} comparisons and writes", kMaxTransactionItems)};
  }
  const auto bad_key = [](const std::string& key) { return key.empty() || key.size() > kMaxKeyBytes; };
  for (const Compare& compare : txn.compares) {
    if (bad_key(compare.key)) return {Code::kBadRequest, "a key is empty or too long"};
    bytes += compare.key.size();
  }
  std::unordered_set<std::string_view> keys;
  for (const Write& write : txn.writes) {
    if (bad_key(write.key)) return {Code::kBadRequest, "a key is empty or too long"};
    if (write.value && write.value->size() > options_.max_value_bytes) {
      return {Code::kTooLarge, fmt::format("the value of {} has {} bytes; at most {} are stored", write.key,
                                           write.value->size(), options_.max_value_bytes)};
    }
    if (txn.writes.size() > 1 && !keys.insert(write.key).second) {
      return {Code::kBadRequest, fmt::format("key {} is written twice in one transaction", write.key)};
    }
    bytes += write.key.size() + (write.value ? write.value->size() : 0);
  }
  return {};
}

Status RevisionStore::Enqueue(Operation& op, bool own) {
  if (stopping_) return Stopping();
  if (!own && (queue_.size() >= options_.max_queue || queue_bytes_ + op.bytes > options_.max_queue_bytes)) {
    return {Code::kTooManyRequests, "too many transactions wait to be committed"};
  }
  queue_bytes_ += op.bytes;
  queue_.push_back(std::move(op));
  return {};
}

void RevisionStore::Commit(Transaction txn, Done done) {
  Operation op;
  if (Status status = Validate(txn, op.bytes); !status.ok()) return done(std::move(status));
  op.txn = std::move(txn);
  op.done = std::move(done);
  RunAsync(std::move(op), false);
}

Result<CommitResult> RevisionStore::Commit(Transaction txn) {
  Operation op;
  MINIKUBE_RETURN_IF_ERROR(Validate(txn, op.bytes));
  op.txn = std::move(txn);
  return RunSync(std::move(op));
}

void RevisionStore::RunAsync(Operation op, bool own) {
  std::unique_lock lock(mu_);
  if (Status status = Enqueue(op, own); !status.ok()) {
    lock.unlock();
    if (op.done) op.done(std::move(status));
    return;
  }
  if (!leading_) PostLead(lock);
}

Result<CommitResult> RevisionStore::RunSync(Operation op) {
  if (leader_.load() == std::this_thread::get_id()) {
    return Status(Code::kInternal, "a callback of the committer waits for the committer");
  }
  struct Waiter {
    std::mutex mu;
    std::condition_variable changed;
    bool done = false;
    Result<CommitResult> result = Stopping();
  } waiter;
  op.done = [&waiter](Result<CommitResult> result) {
    // Notified under the lock: once it is released the waiter may be gone.
    std::lock_guard lock(waiter.mu);
    waiter.result = std::move(result);
    waiter.done = true;
    waiter.changed.notify_one();
  };
  {
    std::unique_lock lock(mu_);
    MINIKUBE_RETURN_IF_ERROR(Enqueue(op, false));
    if (!leading_) {
      leading_ = true;
      Lead(lock, &waiter.done);  // only the role's holder sets it, so it needs no lock here
      return std::move(waiter.result);
    }
  }
  std::unique_lock lock(waiter.mu);
  waiter.changed.wait(lock, [&waiter] { return waiter.done; });
  return std::move(waiter.result);
}

void RevisionStore::Lead(std::unique_lock<std::mutex>& lock, const bool* until) {
  leader_.store(std::this_thread::get_id());
  while (!queue_.empty() && (until == nullptr || !*until)) {
    TakeGroup();
    lock.unlock();
    RunGroup();
    lock.lock();
  }
  leader_.store(std::thread::id());
  leading_ = false;
  if (stopping_) {
    role_free_.notify_all();
  } else if (!queue_.empty()) {
    PostLead(lock);
  }
}

void RevisionStore::PostLead(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(posted_, true)) return;
  lock.unlock();
  commit_strand_->Post([this] {
    std::unique_lock lock(mu_);
    posted_ = false;
    if (leading_ || queue_.empty()) return;
    leading_ = true;
    Lead(lock, nullptr);
  });
}

void RevisionStore::TakeGroup() {
  std::size_t bytes = 0;
  while (!queue_.empty() && group_.size() < kMaxGroupOperations && bytes < kMaxGroupBytes) {
    Operation& op = queue_.front();
    // Ending a lease reads which keys it has from the engine, so all before it must have been applied.
    const bool alone = op.kind == Kind::kRevoke;
    if (alone && !group_.empty()) return;
    bytes += op.bytes;
    queue_bytes_ -= op.bytes;
    group_.push_back(std::move(op));
    queue_.pop_front();
    if (alone) return;
  }
}

// --- Committer --------------------------------------------------------------------------------------------------

void RevisionStore::RunGroup() {
  UpdateSpace();
  next_ = revision_.load(std::memory_order_relaxed);
  if (!failed_.ok()) {
    for (Operation& op : group_) op.error = failed_;
  } else if (group_.front().kind == Kind::kRevoke) {
    RunRevoke();
  } else {
    for (Operation& op : group_) Prepare(op);
    Status error;
    if (ApplyGroup(error)) {
      Publish();
    } else {
      // Those that wrote nothing may have compared with what was not written.
      for (Operation& op : group_) {
        if (op.error.ok()) op.error = error;
      }
    }
  }
  Finish();
}

void RevisionStore::Finish() {
  for (Operation& op : group_) {
    if (!op.done) continue;
    if (op.error.ok()) {
      op.done(op.result);
    } else {
      op.done(op.error);
    }
  }
  group_.clear();
}

void RevisionStore::UpdateSpace() {
  no_space_ = !engine_->HasSpace() || (options_.quota_bytes != 0 && engine_->DiskBytes() >= options_.quota_bytes);
}

void RevisionStore::Fail(Status why) {
  failed_ = Status(Code::kUnavailable, "the store is read-only: " + why.message());
  std::lock_guard lock(collect_mu_);
  failure_ = why.message();
}

Result<VersionInfo> RevisionStore::Find(std::string_view key) {
  const auto it = seen_.find(key);
  if (it != seen_.end()) return it->second;
  Result<VersionInfo> found = engine_->Find(key);
  if (found) seen_.emplace(key, *found);
  return found;
}

void RevisionStore::Prepare(Operation& op) {
  switch (op.kind) {
    case Kind::kTransaction:
      op.error = PrepareWrites(op);
      break;
    case Kind::kGrant:
      if (no_space_) {
        op.error = Status(Code::kUnavailable, "the store has no space left");
        break;
      }
      prepared_.granted.push_back(op.lease);
      break;
    case Kind::kCompact: {
      const Revision known = std::max(prepared_.compact, compact_revision_.load());
      if (op.compact < known) op.error = Status(Code::kExpired, fmt::format("compacted up to revision {}", known));
      if (op.compact > known) prepared_.compact = op.compact;
      break;
    }
    case Kind::kRevoke:
      break;  // RunRevoke
  }
}

Status RevisionStore::PrepareWrites(Operation& op) {
  op.result = {false, next_};
  for (const Compare& compare : op.txn.compares) {
    const Result<VersionInfo> found = Find(compare.key);
    if (!found) return found.status();
    if (found->mod_revision != compare.mod_revision) return {};
  }
  // First everything that can fail, then the effects: a transaction that fails leaves nothing in the group.
  bool changes = false;
  for (const Write& write : op.txn.writes) {
    const Result<VersionInfo> found = Find(write.key);
    if (!found) return found.status();
    changes = changes || write.value || found->mod_revision != 0;
    if (!write.value) continue;
    if (no_space_) return {Code::kUnavailable, "the store has no space left: delete and compact, or raise the quota"};
    if (write.lease != 0 && !leases_.Exists(write.lease)) {
      return {Code::kNotFound, fmt::format("lease {} does not exist", write.lease)};
    }
  }
  op.result.succeeded = true;
  if (!changes) return {};
  op.result.revision = ++next_;
  for (Write& write : op.txn.writes) {
    VersionInfo& current = seen_.find(write.key)->second;
    if (!write.value && current.mod_revision == 0) continue;
    PreparedWrite& out = prepared_.writes.emplace_back();
    sources_.push_back(&write);
    out.key = write.key;
    out.revision = next_;
    out.before = current;
    if (write.value) {
      out.value = &*write.value;
      out.after = {next_, current.mod_revision == 0 ? next_ : current.create_revision, current.version + 1,
                   write.lease};
    }
    current = out.after;
  }
  return {};
}

bool RevisionStore::ApplyGroup(Status& error) {
  const ApplyOutcome outcome = prepared_.empty() ? ApplyOutcome::kDurable : engine_->Apply(prepared_, error);
  if (outcome == ApplyOutcome::kDurable) return true;
  if (outcome == ApplyOutcome::kNoSpace) {
    no_space_ = true;
  } else {
    Fail(error);
    error = failed_;
  }
  prepared_.Clear();
  sources_.clear();
  seen_.clear();
  return false;
}

void RevisionStore::Publish() {
  const MonoTime now = env_.clock().MonoNow();
  for (const Lease& lease : prepared_.granted) leases_.Add(lease, now);
  for (const LeaseId lease : prepared_.ended) leases_.Remove(lease);
  const bool granted = !prepared_.granted.empty();
  const Revision compact = prepared_.compact;

  std::shared_ptr<std::vector<Change>> changes;
  if (!sources_.empty()) {
    changes = std::make_shared<std::vector<Change>>();
    changes->reserve(sources_.size());
  }
  seen_.clear();  // its keys are about to move
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const PreparedWrite& write = prepared_.writes[i];
    Write& source = *sources_[i];
    if (source.companion != nullptr) source.companion->OnCommitted(write.revision);
    Change& change = changes->emplace_back();
    change.type = write.value != nullptr ? Change::Type::kPut : Change::Type::kDelete;
    change.created = write.value != nullptr && write.before.mod_revision == 0;
    change.companion = std::move(source.companion);
    change.kv.mod_revision = write.revision;
    change.kv.create_revision = write.after.create_revision;
    change.kv.version = write.after.version;
    change.kv.lease = write.after.lease;
    if (source.value) change.kv.value = std::move(*source.value);
    change.kv.key = std::move(source.key);
  }
  prepared_.Clear();
  sources_.clear();

  // Whoever learns of a change, from the bus or from `done`, must be able to read it.
  revision_.store(next_, std::memory_order_release);
  if (changes != nullptr) bus_.Publish(std::move(changes));
  if (granted) ArmLeaseTimer();
  if (compact != 0) {
    compact_revision_.store(compact);
    ScheduleCollect();
  }
}

// --- Reading ----------------------------------------------------------------------------------------------------

// Collect only begins to remove after compact_revision_ has moved, so a read that finds it unmoved afterwards saw
// everything it should have.
Result<RangeResult> RevisionStore::Range(std::string_view key, const RangeOptions& options) const {
  if (key.empty() && options.end.empty()) return Status(Code::kBadRequest, "an empty key");
  for (;;) {
    const Revision now = revision();
    const Revision at = options.revision == 0 ? now : options.revision;
    if (at > now || at < 0)
      return Status(Code::kBadRequest, fmt::format("revision {} is in the future of {}", at, now));
    if (at >= compact_revision_.load()) {
      Result<RangeResult> result = engine_->Range(key, options, at);
      if (at >= compact_revision_.load()) {
        if (result) result->revision = now;
        return result;
      }
    }
    if (options.revision != 0) {
      return Status(Code::kExpired,
                    fmt::format("revision {} was compacted, the oldest is {}", at, compact_revision_.load()));
    }
  }
}

Result<Store::History> RevisionStore::Replay(std::string_view key, std::string_view end, Revision start,
                                             std::size_t limit) const {
  if (start < 0) return Status(Code::kBadRequest, "a negative revision");
  start = std::max<Revision>(start, 1);
  const Revision now = revision();
  if (start > compact_revision_.load()) {
    if (start > now) return History{{}, start};
    Result<History> result = engine_->Replay(key, end, start, now, limit);
    if (start > compact_revision_.load()) return result;
  }
  return Status(Code::kExpired,
                fmt::format("revision {} was compacted, watch from {}", start, compact_revision_.load() + 1));
}

StoreStatus RevisionStore::status() const {
  StoreStatus out;
  out.revision = revision();
  out.compact_revision = compact_revision_.load();
  out.disk_bytes = engine_->DiskBytes();
  out.no_space = no_space_;
  std::lock_guard lock(collect_mu_);
  out.failure = failure_;
  return out;
}

Status RevisionStore::Snapshot(const std::string& path) { return engine_->Snapshot(path); }

// --- Compaction -------------------------------------------------------------------------------------------------

Status RevisionStore::Compact(Revision revision) {
  const Revision now = this->revision();
  if (revision < 0 || revision > now) {
    return {Code::kBadRequest, fmt::format("revision {} is in the future of {}", revision, now)};
  }
  Operation op;
  op.kind = Kind::kCompact;
  op.compact = revision;
  return RunSync(std::move(op)).status();
}

void RevisionStore::ScheduleCollect() {
  {
    std::lock_guard lock(collect_mu_);
    if (std::exchange(collecting_, true)) return;
  }
  collect_strand_->Post([this] { CollectGarbage(); });
}

void RevisionStore::CollectGarbage() {
  Status status;
  for (;;) {
    const Revision target = compact_revision_.load();
    {
      std::lock_guard lock(collect_mu_);
      if (!status.ok() || stop_collect_ || collected_ >= target) {
        collecting_ = false;
        // What could not be removed is removed by a later Compact or Open; a broken disk also fails the next commit,
        // but a store that nobody writes to must tell as well.
        if (!status.ok() && failure_.empty()) failure_ = "removing compacted versions: " + status.message();
        return;
      }
    }
    status = engine_->Collect(target, stop_collect_);
    if (status.ok() && !stop_collect_) status = engine_->Shrink(no_space_, stop_collect_);
    if (status.ok() && !stop_collect_) {
      std::lock_guard lock(collect_mu_);
      collected_ = target;
    }
  }
}

}  // namespace minikube::store
