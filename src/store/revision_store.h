// RevisionStore: the Store over an Engine. It owns everything that does not depend on where bytes are kept: the queue,
// the committer, comparisons, revisions, leases, publication, limits, and what happens after a failure.
//
// The committer is a role, not a thread: whoever finds it free takes it. A lone synchronous writer commits on its own
// thread, without a hand-over; under load the role stays with a strand. The committer appends groups to the engine,
// syncs them, and finishes them (publishes and calls back), in this order for each and in order of revisions for all.
// While it finishes a large group, the next may already be appended and synced by the sync strand (Overlap). `mu_`
// guards the queue, the groups on their way and both roles; what only the committer touches needs no lock, because the
// role is handed over under `mu_`.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include <minikube/store_admin.h>

#include "store/engine.h"
#include "store/history_age.h"
#include "store/lease_clock.h"
#include "store/store_metrics.h"

namespace minikube::store {

class RevisionStore final : public Store, public StoreAdmin {
 public:
  RevisionStore(std::unique_ptr<Engine> engine, EngineState state, StoreOptions options, Env& env);
  ~RevisionStore() override;

  using Store::Commit;
  void Commit(Transaction txn, Function<void(Result<CommitResult>)> done) override;
  Result<CommitResult> Commit(Transaction txn) override;
  void Range(std::string key, RangeOptions options, Strand& strand,
             Function<void(Result<RangeResult>)> done) const override;
  Result<RangeResult> Range(std::string_view key, const RangeOptions& options) const override;
  void Replay(std::string key, std::string end, Revision start, std::size_t limit, Strand& strand,
              Function<void(Result<History>)> done) const override;
  Result<History> Replay(std::string_view key, std::string_view end, Revision start, std::size_t limit) const override;
  EventBus<Change>& bus() override { return bus_; }
  Revision revision() const override { return revision_.load(std::memory_order_acquire); }
  StoreStatus status() const override;
  Status Compact(Revision revision) override;
  Status Reclaim() override;
  Status Disarm() override;
  void GrantLease(Duration ttl, Strand& strand, Function<void(Result<LeaseId>)> done) override;
  Result<LeaseId> GrantLease(Duration ttl) override;
  void KeepAlive(LeaseId lease, Strand& strand, Function<void(Status)> done) override;
  Status KeepAlive(LeaseId lease) override;
  void RevokeLease(LeaseId lease, Strand& strand, Function<void(Status)> done) override;
  Status RevokeLease(LeaseId lease) override;
  StoreAdmin* admin() override { return this; }
  Result<std::unique_ptr<SnapshotReader>> Snapshot() override;
  Result<StoreReport> Examine(Depth depth, std::stop_token stop) const override;
  void WriteMetrics(MetricsText& out) const override;
  void Stop() override;

 private:
  using Done = Function<void(Result<CommitResult>)>;
  enum class Kind : std::uint8_t { kTransaction, kGrant, kRevoke, kCompact, kDisarm };
  struct Submission {
    Kind kind = Kind::kTransaction;
    Transaction txn;
    Lease lease;           // kGrant, kRevoke
    Revision compact = 0;  // kCompact
    std::size_t bytes = 0;
    MonoTime begun;
    Done done;
    // Set by the committer.
    Status error;
    CommitResult result;
    bool writes = false;  // it has a part in the group's Apply
  };

  Status Validate(const Transaction& txn, std::size_t& bytes) const;
  // Queues `op`; OK means that `done` will be called. `own` is for expired leases, which no limit keeps out.
  Status Enqueue(Submission& op, bool own);
  Result<Submission> NewGrant(Duration ttl) const;
  Result<Submission> NewRevoke(LeaseId lease) const;
  // Runs `read`, which may wait for the disk, elsewhere, and `done` with its result on `strand`.
  template <typename R>
  void Read(Function<R()> read, Strand& strand, Function<void(R)> done) const;
  Result<CommitResult> RunSync(Submission op);
  void RunAsync(Submission op, bool own);
  // Transactions that are appended, synced and published together.
  struct Group {
    std::vector<Submission> submissions;
    PreparedGroup prepared;
    std::vector<Write*> sources;  // where each of prepared.writes came from, within submissions
    Revision last = 0;            // of its last transaction, or the one before
    Status error;                 // why nothing of it was written, or may have been
    void Clear();
  };
  using GroupPtr = std::unique_ptr<Group>;

  // The following hold mu_; what takes `lock` releases it meanwhile.
  bool CanAppend() const;
  bool HasWork() const;  // for a committer
  GroupPtr TakeGroup();
  // Holding the role: works until there is nothing left to do, or `until` is set, then gives the role up.
  void Lead(std::unique_lock<std::mutex>& lock, const bool* until);
  void PostLead();  // if there is work and nobody to do it
  void AppendNext(std::unique_lock<std::mutex>& lock);
  void PostSync();                                        // if there is something to sync and nobody does it
  void PostPrepare();                                     // if there is something to prepare
  void SyncAppended(std::unique_lock<std::mutex>& lock);  // while nobody else syncs

  // Committer.
  void RunGroup(Group& group);
  void RunRevoke(Group& group);
  void Prepare(Group& group, Submission& op);
  Status PrepareWrites(Group& group, Submission& op);
  Result<VersionInfo> Find(std::string_view key);
  bool Append(Group& group);
  void Overlap();
  void Publish(Group& group);
  void Finish(Group& group);
  void UpdateSpace();
  void SetDiskFull(bool full);
  Status CheckSpace(Group& group);  // for a put; may raise the alarm
  void CompactByCount();

  // Makes the store read-only; returns what every writer is told from now on. Any thread.
  Status Fail(const Status& why);

  void ArmLeaseTimer();
  void OnLeaseTimer();
  void ScheduleCollect(bool shrink);
  void CollectGarbage();
  Status CollectOnce(Revision target, bool shrink);
  void CompactByAge();
  // Queues a compaction of the store's own.
  void CompactLater(Revision revision, Done done);

  const StoreOptions options_;
  Env& env_;
  const Logger log_;
  const std::unique_ptr<Engine> engine_;
  StoreMetrics metrics_;
  EventBus<Change> bus_;
  std::atomic<Revision> revision_;
  std::atomic<Revision> compact_revision_;
  std::atomic<bool> alarm_;
  std::atomic<bool> disk_full_{false};

  mutable std::mutex mu_;
  std::condition_variable idle_;  // somebody gave up a role while the store stops
  std::deque<Submission> queue_;
  std::size_t queue_bytes_ = 0;
  std::deque<GroupPtr> appended_;  // not known to be durable, and not being synced
  std::deque<GroupPtr> synced_;    // or failed; to be finished
  std::vector<GroupPtr> spare_;    // finished, for their buffers
  Status failed_;                  // once not OK the store is read-only
  bool leading_ = false;           // somebody is the committer
  bool lead_posted_ = false;       // the commit strand was asked to take the role
  bool syncing_ = false;           // somebody syncs
  bool sync_posted_ = false;       // the sync strand was asked to
  bool prepare_posted_ = false;    // the prepare strand was asked to prepare
  bool stopping_ = false;
  MonoTime sync_ended_;
  Duration sync_takes_{0};    // of late
  Duration append_takes_{0};  // the same, for each operation
  std::atomic<std::thread::id> leader_{};

  // Committer.
  Revision next_ = 0;                                       // revision of the last transaction prepared
  Revision next_compact_ = 0;                               // the compacted revision as of then
  std::unordered_map<std::string_view, VersionInfo> seen_;  // keys of this group, as of the last one prepared
  bool over_quota_ = false;
  bool compacting_by_count_ = false;  // such a compaction is queued

  HistoryAge history_age_;  // by the commit strand's timer
  LeaseClock leases_;
  std::mutex timer_mu_;  // guards the two
  TimerId lease_timer_ = 0;
  MonoTime lease_timer_at_;

  std::mutex collect_run_mu_;      // held while the engine collects and shrinks; before collect_mu_
  mutable std::mutex collect_mu_;  // guards the four
  bool collecting_ = false;
  bool shrink_ = false;  // the next time even if little would come back
  Revision collected_ = 0;
  std::string failure_;  // what status() tells
  std::atomic<bool> stop_collect_{false};

  // Destroyed first: their tasks use what is above.
  std::unique_ptr<Strand> collect_strand_;
  std::unique_ptr<Strand> prepare_strand_;
  std::unique_ptr<Strand> sync_strand_;
  std::unique_ptr<Strand> commit_strand_;
  mutable std::mutex read_mu_;
  mutable std::unique_ptr<Strand> read_strand_;  // made when first needed; guarded by read_mu_
};

}  // namespace minikube::store
