#include "store/revision_store.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "store/examine.h"
#include "store/format.h"
#include "store/snapshot_reader.h"

namespace minikube::store {
namespace {

// What one group may hold: enough that the sync is a small part of the cost, little enough to bound memory and latency.
constexpr std::size_t kMaxGroupOperations = 4096;
constexpr std::size_t kMaxGroupBytes = 4u << 20;
constexpr std::size_t kMinGroupOperations = 8;  // worth an append and a sync of their own while more are waiting
// Groups appended while one is synced; what comes later becomes one larger group.
constexpr std::size_t kMaxAppended = 2;
// How often, in callbacks, the committer looks whether the disk could be working meanwhile.
constexpr std::size_t kOverlapEvery = 8;

// After the alarm, a compaction has made enough space when this part of the quota is free. Less would soon raise it
// anew, and shrinking costs as much each time.
constexpr std::uint64_t kFreePart = 10;

Duration Smooth(Duration known, Duration latest) { return (3 * known + latest) / 4; }

Status Stopping() { return {Code::kUnavailable, "the store is stopping"}; }

// What Kubernetes' clients get to see when etcd has no space, and know.
constexpr std::string_view kNoSpaceText = "etcdserver: mvcc: database space exceeded";

Status DiskFull() { return {Code::kNoSpace, fmt::format("{}: the disk is full", kNoSpaceText)}; }

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

RevisionStore::RevisionStore(std::unique_ptr<Engine> engine, EngineState state, StoreOptions options, Env& env)
    : options_(std::move(options)),
      env_(env),
      log_(options_.log != nullptr ? *options_.log : NullLogSink(), "store"),
      engine_(std::move(engine)),
      revision_(state.revision),
      compact_revision_(state.compact_revision),
      alarm_(state.alarm),
      next_(state.revision),
      next_compact_(state.compact_revision),
      history_age_(options_.history_age),
      collected_(state.collected),
      collect_strand_(env.NewBlockingStrand("store-collect")),
      prepare_strand_(env.NewBlockingStrand("store-prepare")),
      sync_strand_(env.NewBlockingStrand("store-sync")),
      commit_strand_(env.NewBlockingStrand("store-commit")) {
  const MonoTime now = env_.clock().MonoNow();
  for (const Lease& lease : state.leases) leases_.Add(lease, now);
  ArmLeaseTimer();
  // The quota may be larger now, or what a compaction left behind be all that is too much.
  if (collected_ < state.compact_revision || state.alarm) ScheduleCollect(state.alarm);
  if (options_.history_age > Duration::zero()) CompactByAge();
}

RevisionStore::~RevisionStore() {
  Stop();
  engine_->Close();
}

void RevisionStore::Stop() {
  {
    std::unique_lock lock(mu_);
    stopping_ = true;
    for (;;) {
      idle_.wait(lock, [this] { return !leading_ && !syncing_; });
      if (!HasWork()) break;
      leading_ = true;
      Lead(lock, nullptr);
    }
  }
  stop_collect_ = true;
  commit_strand_->Stop();
  sync_strand_->Stop();
  prepare_strand_->Stop();
  collect_strand_->Stop();
  std::lock_guard reclaimed(collect_run_mu_);
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
    if (const std::size_t most = std::min(options_.max_value_bytes, kLargestValueBytes);
        write.value && write.value->size() > most) {
      return {Code::kTooLarge,
              fmt::format("the value of {} has {} bytes; at most {} are stored", write.key, write.value->size(), most)};
    }
    if (txn.writes.size() > 1 && !keys.insert(write.key).second) {
      return {Code::kBadRequest, fmt::format("key {} is written twice in one transaction", write.key)};
    }
    bytes += write.key.size() + (write.value ? write.value->size() : 0);
  }
  return {};
}

Status RevisionStore::Enqueue(Submission& op, bool own) {
  if (stopping_) return Stopping();
  if (!own && (queue_.size() >= options_.max_queue || queue_bytes_ + op.bytes > options_.max_queue_bytes)) {
    return {Code::kTooManyRequests, "too many transactions wait to be committed"};
  }
  queue_bytes_ += op.bytes;
  queue_.push_back(std::move(op));
  return {};
}

void RevisionStore::Commit(Transaction txn, Done done) {
  Submission op;
  if (Status status = Validate(txn, op.bytes); !status.ok()) return done(std::move(status));
  op.txn = std::move(txn);
  op.done = std::move(done);
  RunAsync(std::move(op), false);
}

Result<CommitResult> RevisionStore::Commit(Transaction txn) {
  Submission op;
  MINIKUBE_RETURN_IF_ERROR(Validate(txn, op.bytes));
  op.txn = std::move(txn);
  return RunSync(std::move(op));
}

void RevisionStore::RunAsync(Submission op, bool own) {
  op.begun = env_.clock().MonoNow();
  std::unique_lock lock(mu_);
  if (Status status = Enqueue(op, own); !status.ok()) {
    lock.unlock();
    if (op.done) op.done(std::move(status));
    return;
  }
  PostLead();
}

Result<CommitResult> RevisionStore::RunSync(Submission op) {
  if (leader_.load() == std::this_thread::get_id()) {
    return Status(Code::kInternal, "a callback of the committer waits for the committer");
  }
  op.begun = env_.clock().MonoNow();
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
    }
  }
  std::unique_lock lock(waiter.mu);
  waiter.changed.wait(lock, [&waiter] { return waiter.done; });
  return std::move(waiter.result);
}

// --- Roles ------------------------------------------------------------------------------------------------------

bool RevisionStore::CanAppend() const {
  if (queue_.empty() || appended_.size() >= kMaxAppended) return false;
  // Ending a lease reads which keys it has, and no write may use it meanwhile, so all before it must be finished.
  return queue_.front().kind != Kind::kRevoke || (appended_.empty() && synced_.empty() && !syncing_);
}

bool RevisionStore::HasWork() const { return !synced_.empty() || (!syncing_ && !appended_.empty()) || CanAppend(); }

void RevisionStore::Lead(std::unique_lock<std::mutex>& lock, const bool* until) {
  leader_.store(std::this_thread::get_id());
  while (HasWork()) {
    if (!synced_.empty()) {
      GroupPtr group = std::move(synced_.front());
      synced_.pop_front();
      lock.unlock();
      Finish(*group);
      lock.lock();
      spare_.push_back(std::move(group));
    } else if (until != nullptr && *until) {
      break;
    } else if (CanAppend()) {
      AppendNext(lock);
      if (!queue_.empty()) PostSync();
    } else {
      SyncAppended(lock);
    }
  }
  leader_.store(std::thread::id());
  leading_ = false;
  PostLead();
}

void RevisionStore::PostLead() {
  if (stopping_) return idle_.notify_all();
  if (leading_ || lead_posted_ || !HasWork()) return;
  lead_posted_ = true;
  commit_strand_->Post([this] {
    std::unique_lock lock(mu_);
    lead_posted_ = false;
    if (leading_ || stopping_) return;
    leading_ = true;
    Lead(lock, nullptr);
  });
}

RevisionStore::GroupPtr RevisionStore::TakeGroup() {
  GroupPtr group;
  if (spare_.empty()) {
    group = std::make_unique<Group>();
  } else {
    group = std::move(spare_.back());
    spare_.pop_back();
  }
  // If appending all of it takes longer than a sync, the disk gets the first half while the rest is appended.
  std::size_t most = kMaxGroupOperations;
  if (append_takes_ * static_cast<Duration::rep>(queue_.size()) > sync_takes_) {
    const auto fit = static_cast<std::size_t>(sync_takes_ / append_takes_);
    most = std::clamp(std::min(fit, queue_.size() / 2), kMinGroupOperations, kMaxGroupOperations);
  }
  std::size_t bytes = 0;
  while (!queue_.empty() && group->submissions.size() < most && bytes < kMaxGroupBytes) {
    Submission& op = queue_.front();
    const bool alone = op.kind == Kind::kRevoke;
    if (alone && !group->submissions.empty()) break;
    bytes += op.bytes;
    queue_bytes_ -= op.bytes;
    group->submissions.push_back(std::move(op));
    queue_.pop_front();
    if (alone) break;
  }
  return group;
}

void RevisionStore::AppendNext(std::unique_lock<std::mutex>& lock) {
  GroupPtr group = TakeGroup();
  group->error = failed_;
  lock.unlock();
  const MonoTime began = env_.clock().MonoNow();
  RunGroup(*group);
  const Duration took = env_.clock().MonoNow() - began;
  lock.lock();
  append_takes_ = Smooth(append_takes_, took / static_cast<Duration::rep>(group->submissions.size()));
  appended_.push_back(std::move(group));
  PostPrepare();
}

void RevisionStore::PostPrepare() {
  if (stopping_ || !engine_->unprepared() || std::exchange(prepare_posted_, true)) return;
  prepare_strand_->Post([this] {
    {
      std::lock_guard lock(mu_);
      prepare_posted_ = false;
    }
    engine_->Prepare();
  });
}

void RevisionStore::SyncAppended(std::unique_lock<std::mutex>& lock) {
  syncing_ = true;
  std::deque<GroupPtr> groups = std::exchange(appended_, {});
  Status status = failed_;
  lock.unlock();
  const MonoTime began = env_.clock().MonoNow();
  if (status.ok()) status = engine_->Sync();
  const MonoTime ended = env_.clock().MonoNow();
  metrics_.sync_seconds.Observe(Seconds(ended - began));
  if (!status.ok()) status = Fail(status);
  lock.lock();
  syncing_ = false;
  sync_ended_ = ended;
  sync_takes_ = Smooth(sync_takes_, ended - began);
  for (GroupPtr& group : groups) {
    if (group->error.ok()) group->error = status;
    synced_.push_back(std::move(group));
  }
}

void RevisionStore::PostSync() {
  if (stopping_ || syncing_ || appended_.empty() || std::exchange(sync_posted_, true)) return;
  sync_strand_->Post([this] {
    std::unique_lock lock(mu_);
    sync_posted_ = false;
    while (!stopping_ && !syncing_ && !appended_.empty()) {
      SyncAppended(lock);
      PostLead();
    }
  });
}

// With many writers the callbacks of one group, and what those writers do next, can take longer than a sync. Then the
// disk should not be idle until the last of them is done; but while syncs are what takes time, they should be few.
void RevisionStore::Overlap() {
  std::unique_lock lock(mu_);
  if (syncing_ || env_.clock().MonoNow() - sync_ended_ < sync_takes_ / 2) return;
  if (CanAppend()) AppendNext(lock);
  PostSync();
}

// --- Committer --------------------------------------------------------------------------------------------------

void RevisionStore::Group::Clear() {
  submissions.clear();
  prepared.Clear();
  sources.clear();
  last = 0;
  error = Status();
}

void RevisionStore::RunGroup(Group& group) {
  UpdateSpace();
  group.last = next_;
  if (!group.error.ok()) return;
  if (group.submissions.front().kind == Kind::kRevoke) return RunRevoke(group);
  for (Submission& op : group.submissions) Prepare(group, op);
  Append(group);
}

void RevisionStore::Finish(Group& group) {
  if (group.error.ok()) Publish(group);
  const MonoTime now = env_.clock().MonoNow();
  std::size_t count = 0;
  for (Submission& op : group.submissions) {
    // Those that wrote nothing may have compared with what was not written.
    if (op.error.ok()) op.error = group.error;
    if (op.kind == Kind::kTransaction) {
      metrics_.commit_seconds.Observe(Seconds(now - op.begun));
      if (op.error.code() == Code::kNoSpace) metrics_.refused.fetch_add(1, std::memory_order_relaxed);
    }
    if (op.done && op.error.ok()) {
      op.done(op.result);
    } else if (op.done) {
      op.done(op.error);
    }
    if (++count % kOverlapEvery == 0) Overlap();
  }
  group.Clear();
}

void RevisionStore::UpdateSpace() {
  SetDiskFull(!engine_->HasSpace());
  over_quota_ = options_.quota_bytes != 0 && engine_->DiskBytes() >= options_.quota_bytes;
}

void RevisionStore::SetDiskFull(bool full) {
  if (disk_full_.exchange(full) == full) return;
  log_.Warning(full ? "the disk is full, or nearly: puts are refused until there is space"
                    : "the disk has space again");
}

Status RevisionStore::CheckSpace(Group& group) {
  if (over_quota_ && !alarm_) group.prepared.alarm = true;
  if (over_quota_ || alarm_) return {Code::kNoSpace, std::string(kNoSpaceText)};
  return disk_full_ ? DiskFull() : Status();
}

Status RevisionStore::Fail(const Status& why) {
  const Status failed(Code::kUnavailable, "the store is read-only: " + why.message());
  {
    std::lock_guard lock(mu_);
    if (!failed_.ok()) return failed_;
    failed_ = failed;
    std::lock_guard failure_lock(collect_mu_);
    failure_ = why.message();
  }
  log_.Error("the store is read-only until it is opened anew", {{"error", why.message()}});
  return failed;
}

Result<VersionInfo> RevisionStore::Find(std::string_view key) {
  const auto it = seen_.find(key);
  if (it != seen_.end()) return it->second;
  Result<VersionInfo> found = engine_->Find(key);
  if (found) seen_.emplace(key, *found);
  return found;
}

void RevisionStore::Prepare(Group& group, Submission& op) {
  switch (op.kind) {
    case Kind::kTransaction:
      op.error = PrepareWrites(group, op);
      break;
    case Kind::kGrant:
      op.error = CheckSpace(group);
      if (op.error.ok()) group.prepared.granted.push_back(op.lease);
      break;
    case Kind::kDisarm:
      if (alarm_) group.prepared.alarm = false;
      break;
    case Kind::kCompact: {
      const Revision known = std::max(group.prepared.compact, next_compact_);
      if (op.compact < known) op.error = Status(Code::kExpired, fmt::format("compacted up to revision {}", known));
      if (op.compact > known) group.prepared.compact = op.compact;
      break;
    }
    case Kind::kRevoke:
      break;  // RunRevoke
  }
}

Status RevisionStore::PrepareWrites(Group& group, Submission& op) {
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
    MINIKUBE_RETURN_IF_ERROR(CheckSpace(group));
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
    PreparedWrite& out = group.prepared.writes.emplace_back();
    group.sources.push_back(&write);
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

// False, and group.error says why, if nothing of it will be there (or nobody knows, and the store is read-only).
bool RevisionStore::Append(Group& group) {
  const Revision before = group.last;
  group.last = next_;
  seen_.clear();
  if (group.prepared.empty()) return true;
  const AppendOutcome outcome = engine_->Append(group.prepared, group.error);
  if (outcome == AppendOutcome::kAppended) {
    next_compact_ = std::max(next_compact_, group.prepared.compact);
    return true;
  }
  next_ = before;
  if (outcome == AppendOutcome::kNoSpace) {
    log_.Debug("not written", {{"error", group.error.message()}});
    SetDiskFull(true);
    group.error = DiskFull();
  } else {
    group.error = Fail(group.error);
  }
  return false;
}

void RevisionStore::Publish(Group& group) {
  PreparedGroup& prepared = group.prepared;
  const MonoTime now = env_.clock().MonoNow();
  for (const Lease& lease : prepared.granted) leases_.Add(lease, now);
  for (const LeaseId lease : prepared.ended) leases_.Remove(lease);
  if (prepared.alarm) {
    alarm_ = *prepared.alarm;
    log_.Warning(alarm_ ? "the quota is used up: puts are refused until there is space" : "puts are taken again",
                 {{"bytes", std::to_string(engine_->DiskBytes())}, {"quota", std::to_string(options_.quota_bytes)}});
  }
  if (!group.sources.empty()) metrics_.group_transactions.Observe(static_cast<double>(group.submissions.size()));

  std::shared_ptr<std::vector<Change>> changes;
  if (!group.sources.empty()) {
    changes = std::make_shared<std::vector<Change>>();
    changes->reserve(group.sources.size());
  }
  for (std::size_t i = 0; i < group.sources.size(); ++i) {
    const PreparedWrite& write = prepared.writes[i];
    Write& source = *group.sources[i];
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

  // Whoever learns of a change, from the bus or from `done`, must be able to read it.
  revision_.store(group.last, std::memory_order_release);
  if (changes != nullptr) bus_.Publish(std::move(changes));
  if (!prepared.granted.empty()) ArmLeaseTimer();
  if (prepared.compact != 0) {
    compact_revision_.store(prepared.compact);
    metrics_.compactions.fetch_add(1, std::memory_order_relaxed);
  }
  // Garbage that RocksDB has not dropped yet counts for the quota as well.
  const bool alarm_raised = prepared.alarm.value_or(false);
  if (prepared.compact != 0 || alarm_raised) ScheduleCollect(alarm_raised);
  CompactByCount();
  prepared.Clear();
  group.sources.clear();
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

template <typename R>
void RevisionStore::Read(Function<R()> read, Strand& strand, Function<void(R)> done) const {
  std::lock_guard lock(read_mu_);
  if (read_strand_ == nullptr) read_strand_ = env_.NewBlockingStrand("store-read");
  read_strand_->Post([read = std::move(read), post = strand.Poster(), done = std::move(done)]() mutable {
    post([done = std::move(done), result = read()]() mutable { done(std::move(result)); });
  });
}

void RevisionStore::Range(std::string key, RangeOptions options, Strand& strand,
                          Function<void(Result<RangeResult>)> done) const {
  Read<Result<RangeResult>>([this, key = std::move(key), options = std::move(options)] { return Range(key, options); },
                            strand, std::move(done));
}

void RevisionStore::Replay(std::string key, std::string end, Revision start, std::size_t limit, Strand& strand,
                           Function<void(Result<History>)> done) const {
  Read<Result<History>>(
      [this, key = std::move(key), end = std::move(end), start, limit] { return Replay(key, end, start, limit); },
      strand, std::move(done));
}

StoreStatus RevisionStore::status() const {
  StoreStatus out;
  out.revision = revision();
  out.compact_revision = compact_revision_.load();
  out.disk_bytes = engine_->DiskBytes();
  out.quota_bytes = options_.quota_bytes;
  out.leases = leases_.size();
  out.alarm = alarm_;
  out.disk_full = disk_full_ || !engine_->HasSpace();
  std::lock_guard lock(collect_mu_);
  out.failure = failure_;
  return out;
}

Result<std::unique_ptr<SnapshotReader>> RevisionStore::Snapshot() {
  Result<std::unique_ptr<EngineImage>> image = engine_->Image();
  if (!image) return image.status();
  // The image may have what was appended and is not durable yet: a snapshot must not have what a crash then takes back.
  // A store that failed has nothing to wait for, and its snapshot is all the more wanted.
  const Status durable = RunSync(Submission()).status();
  if (!durable.ok() && status().failure.empty()) return durable;
  return NewSnapshotReader(std::move(*image));
}

Result<StoreReport> RevisionStore::Examine(Depth depth, std::stop_token stop) const {
  Result<std::unique_ptr<EngineImage>> image = engine_->Image();
  if (!image) return image.status();
  StoreReport report;
  report.status = status();
  report.status.revision = (*image)->state().revision;
  report.status.compact_revision = (*image)->state().compact_revision;
  MINIKUBE_RETURN_IF_ERROR(store::Examine(**image, depth, stop, report.usage, report.problems));
  return report;
}

void RevisionStore::WriteMetrics(MetricsText& out) const {
  const StoreStatus now = status();
  out.Distribution("minikube_store_commit_duration_seconds",
                   "From queueing a transaction until it is durable and published.", metrics_.commit_seconds);
  out.Distribution("minikube_store_batch_transactions", "Transactions that shared one write and one sync.",
                   metrics_.group_transactions);
  out.Distribution("minikube_store_sync_duration_seconds", "Writing a batch to the log and syncing it.",
                   metrics_.sync_seconds);
  out.Gauge("minikube_store_revision", "The newest revision.", now.revision);
  out.Gauge("minikube_store_compact_revision", "The compacted revision.", now.compact_revision);
  out.Gauge("minikube_store_history_revisions", "Revisions that can still be watched from.",
            now.revision - std::max<Revision>(now.compact_revision, 1));
  out.Gauge("minikube_store_size_bytes", "What counts for the quota: tables and what is not yet in one.",
            static_cast<std::int64_t>(now.disk_bytes));
  out.Gauge("minikube_store_quota_bytes", "The quota; 0 = none.", static_cast<std::int64_t>(now.quota_bytes));
  out.Gauge("minikube_store_alarm", "1 while puts are refused because the quota was reached.", now.alarm ? 1 : 0);
  out.Gauge("minikube_store_disk_full", "1 while puts are refused because the disk is full, or nearly.",
            now.disk_full ? 1 : 0);
  out.Gauge("minikube_store_read_only", "1 after a failure of the disk.", now.failure.empty() ? 0 : 1);
  out.Gauge("minikube_store_leases", "Leases.", now.leases);
  {
    std::lock_guard lock(mu_);
    out.Gauge("minikube_store_queue_transactions", "Transactions that wait for the committer.",
              static_cast<std::int64_t>(queue_.size()));
  }
  out.Counter("minikube_store_refused_total", "Transactions refused for want of space.", metrics_.refused.load());
  out.Counter("minikube_store_compactions_total", "Compactions.", metrics_.compactions.load());
  out.Counter("minikube_store_slow_watchers_total", "Subscribers of changes that were too slow and lost their place.",
              bus_.slow_subscribers());
}

// --- Compaction -------------------------------------------------------------------------------------------------

Status RevisionStore::Compact(Revision revision) {
  const Revision now = this->revision();
  if (revision < 0 || revision > now) {
    return {Code::kBadRequest, fmt::format("revision {} is in the future of {}", revision, now)};
  }
  Submission op;
  op.kind = Kind::kCompact;
  op.compact = revision;
  return RunSync(std::move(op)).status();
}

Status RevisionStore::Reclaim() {
  if (stop_collect_) return Stopping();
  return CollectOnce(compact_revision_.load(), true);
}

Status RevisionStore::Disarm() {
  Submission op;
  op.kind = Kind::kDisarm;
  return RunSync(std::move(op)).status();
}

void RevisionStore::CompactLater(Revision revision, Done done) {
  Submission op;
  op.kind = Kind::kCompact;
  op.compact = revision;
  op.done = std::move(done);
  RunAsync(std::move(op), true);
}

void RevisionStore::CompactByAge() {
  const Revision old = history_age_.Sample(env_.clock().MonoNow(), revision());
  if (old > compact_revision_.load()) CompactLater(old, nullptr);
  commit_strand_->After(history_age_.interval(), [this] { CompactByAge(); });
}

// Committer. In steps of an eighth, so that a busy store compacts now and then and not all the time.
void RevisionStore::CompactByCount() {
  const std::int64_t keep = options_.history_revisions;
  const Revision now = revision();
  if (keep <= 0 || compacting_by_count_ || now - compact_revision_.load() - keep <= keep / 8) return;
  compacting_by_count_ = true;
  CompactLater(now - keep, [this](const Result<CommitResult>&) { compacting_by_count_ = false; });
}

void RevisionStore::ScheduleCollect(bool shrink) {
  {
    std::lock_guard lock(collect_mu_);
    shrink_ = shrink_ || shrink;
    if (std::exchange(collecting_, true)) return;
  }
  collect_strand_->Post([this] { CollectGarbage(); });
}

void RevisionStore::CollectGarbage() {
  Status status;
  for (;;) {
    const Revision target = compact_revision_.load();
    bool shrink = false;
    {
      std::lock_guard lock(collect_mu_);
      shrink = std::exchange(shrink_, false);
      if (!status.ok() || stop_collect_ || (collected_ >= target && !shrink)) {
        collecting_ = false;
        // What could not be removed is removed by a later Compact or Open; a broken disk also fails the next commit,
        // but a store that nobody writes to must tell as well.
        if (!status.ok() && !stop_collect_ && status.code() != Code::kNoSpace && failure_.empty()) {
          failure_ = "removing compacted versions: " + status.message();
        }
        return;
      }
    }
    status = CollectOnce(target, shrink);
  }
}

Status RevisionStore::CollectOnce(Revision target, bool shrink) {
  std::lock_guard running(collect_run_mu_);
  MINIKUBE_RETURN_IF_ERROR(engine_->Collect(target, stop_collect_));
  if (!stop_collect_) MINIKUBE_RETURN_IF_ERROR(engine_->Shrink(shrink || alarm_ || disk_full_, stop_collect_));
  if (stop_collect_) return Stopping();
  {
    std::lock_guard lock(collect_mu_);
    collected_ = std::max(collected_, target);
  }
  const std::uint64_t quota = options_.quota_bytes;
  if (alarm_ && (quota == 0 || engine_->DiskBytes() <= quota - quota / kFreePart)) {
    Submission op;
    op.kind = Kind::kDisarm;
    RunAsync(std::move(op), true);
  }
  return {};
}

}  // namespace minikube::store
