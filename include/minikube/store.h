// Store: the cluster's state. A multi-version, ordered map from key to bytes with etcd's promises.
//
//  - One global 64-bit revision. Every committed transaction that changes something takes the next one; all its
//    changes carry it. The first is 2, as in etcd; an empty store is at 1.
//  - A transaction is a conjunction of comparisons and a list of writes: all or nothing, serialisable.
//  - An acknowledged write is durable: it survives kill -9 and power loss. Writers queue to one committer, which
//    turns everything waiting into one write batch and one log sync.
//  - History is kept until compacted: any revision from compact_revision() on can be read and watched from.
//  - Committed changes leave once, in revision order, on the EventBus.
//  - The store knows keys, bytes and revisions; no Kubernetes kind.
//
// Thread safety: every member, any thread. Callbacks (done, Companion::OnCommitted, the bus's on_ready) run on the
// committer, a role that one thread at a time has, often the thread of a synchronous writer: they must be short and
// must not call a synchronous writing member or Stop. Lifetime: Stop (or the destructor) refuses new writes, finishes
// what was queued, and joins; reads go on until the destructor, which also releases the directory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/env.h>
#include <minikube/event_bus.h>
#include <minikube/function.h>
#include <minikube/log.h>
#include <minikube/status.h>

namespace minikube {

using Revision = std::int64_t;
using LeaseId = std::int64_t;  // 0 = no lease

// What the writer built, travelling with its write to the change that everybody sees; opaque to the store.
class Companion {
 public:
  virtual ~Companion() = default;
  // Called once on the committer when the write has its revision and is durable, before anyone sees the change.
  virtual void OnCommitted(Revision revision) = 0;
};

struct Write {
  std::string key;
  std::optional<std::string> value;  // nullopt deletes
  LeaseId lease = 0;                 // deleted when that lease ends
  std::shared_ptr<Companion> companion;
};

// `key` was last modified at exactly `mod_revision`; 0 = does not exist.
struct Compare {
  std::string key;
  Revision mod_revision = 0;
};

struct Transaction {
  std::vector<Compare> compares;
  std::vector<Write> writes;  // distinct keys
};

struct CommitResult {
  bool succeeded = false;  // false: a comparison failed and nothing was written
  Revision revision = 0;   // of the transaction; if it failed, or changed nothing, the store's current one
};

struct KeyValue {
  std::string key;
  std::string value;
  Revision create_revision = 0;
  Revision mod_revision = 0;
  std::int64_t version = 0;  // 1 at creation, +1 per write
  LeaseId lease = 0;
};

// One change as it leaves the store.
struct Change {
  enum class Type : std::uint8_t { kPut, kDelete };
  Type type = Type::kPut;
  KeyValue kv;                           // kDelete: key and mod_revision (of the deletion); no value
  bool created = false;                  // kPut: the key did not exist before
  std::shared_ptr<Companion> companion;  // of the write; null when replayed from history
};

// The `end` that makes [prefix, end) all keys with that prefix.
std::string PrefixEnd(std::string_view prefix);

struct RangeOptions {
  std::string end;        // exclusive; "" = only `key` itself; one zero byte = no end, as in etcd
  Revision revision = 0;  // 0 = the newest
  std::size_t limit = 0;  // 0 = all
  bool keys_only = false;
  bool count_only = false;
  bool exact_count = true;  // false: counting may stop once `limit` keys and `more` are known, which is cheaper
};

struct RangeResult {
  Revision revision = 0;  // the store's, when it was read
  std::vector<KeyValue> kvs;
  std::int64_t count = 0;  // within the range, whatever the limit (but see exact_count)
  bool more = false;
};

struct StoreStatus {
  Revision revision = 1;
  Revision compact_revision = 0;
  std::uint64_t disk_bytes = 0;
  std::uint64_t quota_bytes = 0;  // 0 = none
  std::int64_t leases = 0;
  // Either makes transactions that put get kNoSpace; reads, deletions and Compact go on.
  bool alarm = false;      // the quota was reached. Durable, until there is space again (docs/store.md) or Disarm
  bool disk_full = false;  // or nearly; ends by itself
  std::string failure;     // why the store became read-only for good (until it is opened anew); "" while it is well
};

class StoreAdmin;

class Store {
 public:
  virtual ~Store() = default;

  // Queues the transaction. `done` is called once, on the committer, after it is durable and published; for a
  // transaction that is not even queued, before Commit returns.
  // Errors: kUnavailable (stopping; disk failed; the outcome is unknown only if status().failure is set now), kNoSpace
  // (quota; disk full), kTooManyRequests (queue full), kBadRequest (empty, repeated or overlong key, too many writes),
  // kTooLarge (values), kNotFound (no such lease).
  virtual void Commit(Transaction txn, Function<void(Result<CommitResult>)> done) = 0;
  // The same, waiting. kInternal if called on the committer.
  virtual Result<CommitResult> Commit(Transaction txn) = 0;

  // Reads, and what there is about leases, come in two forms. That with a strand returns at once and calls `done` there
  // once, unless the strand or the store goes first: for components and requests, whose threads must not wait for a
  // disk or another machine. The other one waits.

  // Keys in [key, options.end), in order, at one revision. Errors: kExpired (revision compacted),
  // kBadRequest (revision in the future).
  virtual void Range(std::string key, RangeOptions options, Strand& strand,
                     Function<void(Result<RangeResult>)> done) const = 0;
  virtual Result<RangeResult> Range(std::string_view key, const RangeOptions& options = {}) const = 0;
  // The key alone; nullopt if it does not exist at that revision (0 = the newest).
  void Get(std::string key, Revision revision, Strand& strand,
           Function<void(Result<std::optional<KeyValue>>)> done) const;
  Result<std::optional<KeyValue>> Get(std::string_view key, Revision revision = 0) const;

  // Every change of keys in [key, end) with revision >= start, in order, from history. The caller bounds the number by
  // `limit` (0 = all; a revision is never split, so its last one may go beyond); `next` is where to go on.
  // Errors: kExpired (start <= compact_revision). Watching from a state read at revision R: Subscribe to bus(), Replay
  // from R + 1 until `next` is beyond revision(), then take from the bus what has a revision >= `next`.
  struct History {
    std::vector<Change> changes;
    Revision next = 0;
  };
  virtual void Replay(std::string key, std::string end, Revision start, std::size_t limit, Strand& strand,
                      Function<void(Result<History>)> done) const = 0;
  virtual Result<History> Replay(std::string_view key, std::string_view end, Revision start,
                                 std::size_t limit) const = 0;

  // Committed changes, once, in order, each transaction within one batch. A subscriber sees every change with a
  // revision > revision() as read after Subscribe returned; earlier ones it may still get are to be skipped.
  virtual EventBus<Change>& bus() = 0;

  virtual Revision revision() const = 0;
  virtual StoreStatus status() const = 0;

  // Drops versions that no read at or above `revision` can see: refused to readers at once, removed in the background.
  // Errors: kExpired (already compacted beyond), kBadRequest (in the future).
  virtual Status Compact(Revision revision) = 0;

  // Leases: keys written with a lease are deleted when it ends. TTLs survive a restart (counted anew from it).
  virtual void GrantLease(Duration ttl, Strand& strand, Function<void(Result<LeaseId>)> done) = 0;
  virtual Result<LeaseId> GrantLease(Duration ttl) = 0;
  virtual void KeepAlive(LeaseId lease, Strand& strand, Function<void(Status)> done) = 0;
  virtual Status KeepAlive(LeaseId lease) = 0;  // kNotFound if it has ended
  virtual void RevokeLease(LeaseId lease, Strand& strand, Function<void(Status)> done) = 0;
  virtual Status RevokeLease(LeaseId lease) = 0;

  // For who looks after this store (minikube/store_admin.h); null if it is looked after elsewhere. Lives as long as the
  // store.
  virtual StoreAdmin* admin() = 0;

  virtual void Stop() = 0;
};

// Limits that do not depend on options, as kBadRequest.
inline constexpr std::size_t kMaxKeyBytes = 16 * 1024;
inline constexpr std::size_t kMaxTransactionItems = 4096;      // comparisons and writes, each
inline constexpr std::size_t kLargestValueBytes = 256u << 20;  // what max_value_bytes can be at most

struct StoreOptions {
  std::string path;                        // directory; made if missing
  std::uint64_t quota_bytes = 8ull << 30;  // 0 = none
  // History is compacted by itself: what is older than `history_age` (by up to a fifth more; 0 = never), and what is
  // more than `history_revisions` behind (by up to an eighth more; 0 = no limit). Watches and paginated lists can
  // resume within it.
  Duration history_age = std::chrono::minutes(5);
  std::int64_t history_revisions = 0;
  std::size_t max_value_bytes = 3u << 19;   // 1.5 MiB, as etcd's request limit; kTooLarge beyond
  std::size_t max_queue = 65536;            // transactions waiting for the committer; beyond: kTooManyRequests
  std::size_t max_queue_bytes = 64u << 20;  // the same, counting their keys and values
  std::size_t write_buffer_bytes = 16u << 20;
  std::size_t block_cache_bytes = 8u << 20;
  bool sync = true;        // false only for tests that measure something else
  LogSink* log = nullptr;  // outlives the store; null = no logs
};

// RocksDB in options.path. Errors: kUnavailable naming the file (locked by another process, corrupt, no space).
Result<std::unique_ptr<Store>> OpenStore(StoreOptions options, Env& env);
// The same semantics without a disk; for tests and simulation. path, sync and the buffer sizes are not used.
std::unique_ptr<Store> NewMemoryStore(Env& env, StoreOptions options = {});

}  // namespace minikube
