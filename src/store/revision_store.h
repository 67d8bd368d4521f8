// RevisionStore: the Store over an Engine. It owns everything that does not depend on where bytes are kept: the queue,
// the committer, comparisons, revisions, leases, publication, limits, and what happens after a failure.
//
// The committer is a role, not a thread: whoever finds it free takes it. A lone synchronous writer commits on its own
// thread, without a hand-over; under load the role stays with the commit strand. `mu_` guards the queue and the role;
// what only the committer touches needs no lock, because the role is handed over under `mu_`.
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

#include "store/engine.h"
#include "store/lease_clock.h"

namespace minikube::store {

class RevisionStore final : public Store {
 public:
  RevisionStore(std::unique_ptr<Engine> engine, EngineState state, StoreOptions options, Env& env);
  ~RevisionStore() override;

  using Store::Commit;
  void Commit(Transaction txn, Function<void(Result<CommitResult>)> done) override;
  Result<CommitResult> Commit(Transaction txn) override;
  Result<RangeResult> Range(std::string_view key, const RangeOptions& options) const override;
  Result<History> Replay(std::string_view key, std::string_view end, Revision start, std::size_t limit) const override;
  EventBus<Change>& bus() override { return bus_; }
  Revision revision() const override { return revision_.load(std::memory_order_acquire); }
  StoreStatus status() const override;
  Status Compact(Revision revision) override;
  Result<LeaseId> GrantLease(Duration ttl) override;
  Status KeepAlive(LeaseId lease) override;
  Status RevokeLease(LeaseId lease) override;
  Status Snapshot(const std::string& path) override;
  void Stop() override;

 private:
  using Done = Function<void(Result<CommitResult>)>;
  enum class Kind : std::uint8_t { kTransaction, kGrant, kRevoke, kCompact };
  struct Operation {
    Kind kind = Kind::kTransaction;
    Transaction txn;
    Lease lease;           // kGrant, kRevoke
    Revision compact = 0;  // kCompact
    std::size_t bytes = 0;
    Done done;
    // Set by the committer.
    Status error;
    CommitResult result;
    bool writes = false;  // it has a part in the group's Apply
  };

  Status Validate(const Transaction& txn, std::size_t& bytes) const;
  // Queues `op`; OK means that `done` will be called. `own` is for expired leases, which no limit keeps out.
  Status Enqueue(Operation& op, bool own);
  Result<CommitResult> RunSync(Operation op);
  void RunAsync(Operation op, bool own);
  // Holding the role: runs groups until the queue is empty or `until` is set, then gives the role up.
  void Lead(std::unique_lock<std::mutex>& lock, const bool* until);
  void PostLead(std::unique_lock<std::mutex>& lock);
  void TakeGroup();  // holding mu_ and the role

  // Committer.
  void RunGroup();
  void RunRevoke();
  void Prepare(Operation& op);
  Status PrepareWrites(Operation& op);
  Result<VersionInfo> Find(std::string_view key);
  bool ApplyGroup(Status& error);
  void Publish();
  void Finish();
  void UpdateSpace();
  void Fail(Status why);

  void ArmLeaseTimer();
  void OnLeaseTimer();
  void ScheduleCollect();
  void CollectGarbage();

  const StoreOptions options_;
  Env& env_;
  const std::unique_ptr<Engine> engine_;
  EventBus<Change> bus_;
  std::atomic<Revision> revision_;
  std::atomic<Revision> compact_revision_;
  std::atomic<bool> no_space_{false};

  std::mutex mu_;
  std::condition_variable role_free_;
  std::deque<Operation> queue_;
  std::size_t queue_bytes_ = 0;
  bool leading_ = false;  // somebody has the role
  bool posted_ = false;   // the strand was asked to take it
  bool stopping_ = false;
  std::atomic<std::thread::id> leader_{};

  // Committer.
  std::vector<Operation> group_;
  PreparedGroup prepared_;
  Revision next_ = 0;                                       // revision of the last transaction prepared
  std::vector<Write*> sources_;                             // where each of prepared_.writes came from, within group_
  std::unordered_map<std::string_view, VersionInfo> seen_;  // keys of this group, as of the last one prepared
  Status failed_;                                           // once not OK the store is read-only

  LeaseClock leases_;
  std::mutex timer_mu_;  // guards the two
  TimerId lease_timer_ = 0;
  MonoTime lease_timer_at_;

  mutable std::mutex collect_mu_;  // guards the three
  bool collecting_ = false;
  Revision collected_ = 0;
  std::string failure_;  // what status() tells
  std::atomic<bool> stop_collect_{false};

  // Destroyed first: their tasks use what is above.
  std::unique_ptr<Strand> collect_strand_;
  std::unique_ptr<Strand> commit_strand_;
};

}  // namespace minikube::store
