#include "store/rocks_engine.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>
#include <rocksdb/write_batch.h>

#include "base/short_slices.h"
#include "store/format.h"
#include "store/log_files.h"
#include "store/rocks_image.h"
#include "store/rocks_options.h"
#include "store/version_cache.h"
#include "store/witness.h"

namespace minikube::store {
namespace {

using rocksdb::Slice;

constexpr std::size_t kCollectChunk = 128;             // removals per batch: a writer may have to wait for one
constexpr std::size_t kKeptBatchBytes = 1u << 20;      // a larger one is given back after use
constexpr std::uint64_t kSmallStoreBytes = 16u << 20;  // not worth shrinking
constexpr int kNextBeforeSeek = 8;                     // versions stepped over before seeking past the rest

// The store deletes no ranges, and looking for such deletions costs: a table whose filter says that a key is not there
// is then left for the first block of the next one.
rocksdb::ReadOptions Reading() {
  rocksdb::ReadOptions read;
  read.ignore_range_deletions = true;
  return read;
}

// Follows the size of tables and memtables: exact after each flush and compaction, and between them what was appended
// is added, because asking RocksDB for each group would cost a lock.
class SizeListener final : public rocksdb::EventListener {
 public:
  // RocksDB's threads: for long times they only compute, and what a writer waits for would wait behind them.
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { base::TakeShortSlices(); }
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override { base::TakeShortSlices(); }
  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo&) override { Measure(db); }
  void OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo&) override { Measure(db); }

  void Measure(rocksdb::DB* db) {
    std::uint64_t bytes = 0;
    if (db->GetIntProperty(rocksdb::DB::Properties::kLiveSstFilesSize, &bytes)) tables_ = bytes;
    if (db->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes)) unflushed_ = bytes;
  }
  void Appended(std::uint64_t bytes) { unflushed_ += bytes; }
  std::uint64_t tables() const { return tables_; }
  std::uint64_t total() const { return tables_ + unflushed_; }

 private:
  std::atomic<std::uint64_t> tables_{0};
  std::atomic<std::uint64_t> unflushed_{0};
};

class RocksEngine final : public Engine {
 public:
  RocksEngine(const StoreOptions& options, rocksdb::Env* env)
      : path_(options.path),
        sync_(options.sync),
        free_needed_(2 * options.write_buffer_bytes),
        log_space_(std::make_shared<LogSpace>()),
        own_env_(sync_ ? MakeEnv(env) : nullptr),
        env_(own_env_ != nullptr ? own_env_.get()
             : env != nullptr    ? env
                                 : rocksdb::Env::Default()),
        listener_(new SizeListener) {}

  Result<EngineState> Open(const StoreOptions& options);

  Result<VersionInfo> Find(std::string_view key) override;
  AppendOutcome Append(const PreparedGroup& group, Status& status) override;
  Status Sync() override;
  void Prepare() override { log_space_->Prepare(); }
  bool unprepared() const override { return log_space_->unprepared(); }
  Result<std::vector<std::string>> Attached(LeaseId lease, std::size_t limit) override;
  Result<RangeResult> Range(std::string_view key, const RangeOptions& options, Revision revision) const override;
  Result<Store::History> Replay(std::string_view key, std::string_view end, Revision start, Revision last,
                                std::size_t limit) const override;
  Status Collect(Revision compact, std::atomic<bool>& stop) override;
  Status Shrink(bool needed, std::atomic<bool>& stop) override;
  std::uint64_t DiskBytes() const override { return listener_->total(); }
  bool HasSpace() const override;
  Result<std::unique_ptr<EngineImage>> Image() const override { return NewRocksImage(*db_, path_); }
  void Close() override;

 private:
  Status PrepareFormat();
  void AppendWrites(const PreparedGroup& group);
  // Tests bring a world of their own, in which the log is a file like others.
  std::unique_ptr<rocksdb::Env> MakeEnv(rocksdb::Env* env) const {
    return NewLogFilesEnv(env != nullptr ? env : rocksdb::Env::Default(), path_,
                          env != nullptr ? LogMedia::kThroughFileSystem : LogMedia::kDirect, log_space_);
  }
  rocksdb::Status Write(rocksdb::WriteBatch& batch);

  const std::string path_;
  const bool sync_;
  const std::uint64_t free_needed_;
  const std::shared_ptr<LogSpace> log_space_;
  const std::unique_ptr<rocksdb::Env> own_env_;
  rocksdb::Env* const env_;
  std::shared_ptr<SizeListener> listener_;
  std::unique_ptr<rocksdb::DB> db_;
  std::optional<Witness> witness_;     // by Sync alone
  std::atomic<Revision> appended_{0};  // the last revision in the log, durable or not
  std::mutex write_mu_;                // held from reserving space in the log until it is used

  // Committer.
  rocksdb::WriteBatch batch_;
  VersionCache versions_;
  std::unique_ptr<rocksdb::Iterator> finder_;  // within a group; between groups it would pin memory
  std::string finder_end_;
  Slice finder_bound_;  // finder_end_, anew for each key
  std::string scratch_;
  std::string record_;
  std::vector<const PreparedWrite*> order_;
  bool suspended_ = false;  // RocksDB may refuse writes since the disk was full

  std::uint64_t removed_ = 0;  // since the last Shrink; by Collect and Shrink alone
};

Result<EngineState> RocksEngine::Open(const StoreOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (error) return Status(Code::kUnavailable, fmt::format("{}: {}", path_, error.message()));

  rocksdb::Options rocks_options = MakeRocksOptions(options, env_);
  rocks_options.listeners.push_back(listener_);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(rocks_options, path_, &db);
  db_.reset(db);
  if (!opened.ok()) {
    if (opened.IsIOError() && opened.ToString().find("/LOCK") != std::string::npos) {
      return Status(Code::kUnavailable,
                    fmt::format("{}/LOCK is held: another process, or another Store of this one, has "
                                "the directory open ({})",
                                path_, opened.ToString()));
    }
    return ToStatus(opened, path_);
  }
  listener_->Measure(db);

  MINIKUBE_RETURN_IF_ERROR(PrepareFormat());
  Result<std::unique_ptr<EngineImage>> image = Image();
  if (!image) return image.status();
  EngineState state = (*image)->state();
  Result<Witness> witness = Witness::Open(env_->GetFileSystem(), path_);
  if (!witness) return witness.status();
  MINIKUBE_RETURN_IF_ERROR(NotBehindWitness(state.revision, witness->revision(), path_));
  witness_ = std::move(*witness);
  return state;
}

Status RocksEngine::PrepareFormat() {
  const Status found = CheckFormat(*db_, path_);
  if (found.code() != Code::kNotFound) return found;
  rocksdb::WriteOptions write;
  write.sync = sync_;
  return ToStatus(db_->Put(write, ToSlice(kFormatKey), FormatName()), path_);
}

Result<VersionInfo> RocksEngine::Find(std::string_view key) {
  if (const VersionInfo* known = versions_.Find(key); known != nullptr) return *known;
  if (finder_ == nullptr) {
    rocksdb::ReadOptions read = Reading();
    read.prefix_same_as_start = true;  // and so the filters answer for keys that do not exist
    read.iterate_upper_bound = &finder_bound_;
    finder_.reset(db_->NewIterator(read));
  }
  scratch_.clear();
  AppendDataPrefix(key, scratch_);
  finder_end_ = scratch_;
  StepPastVersions(finder_end_);
  finder_bound_ = finder_end_;
  scratch_.append(kRevisionBytes, '\0');
  finder_->Seek(scratch_);
  VersionInfo info;
  if (!finder_->Valid()) {
    if (!finder_->status().ok()) return ToStatus(finder_->status(), path_);
    return info;
  }
  const std::string_view found = View(finder_->key());
  if (found.substr(0, found.size() - kRevisionBytes) !=
      std::string_view(scratch_).substr(0, scratch_.size() - kRevisionBytes)) {
    return info;
  }
  DataRecord record;
  if (!ParseDataRevision(found, info.mod_revision) || !ParseDataRecord(View(finder_->value()), record)) {
    return Malformed(path_, "the newest version of " + std::string(key));
  }
  if (record.deleted) return VersionInfo();
  info.create_revision = record.create_revision;
  info.version = record.version;
  info.lease = record.lease;
  return info;
}

void RocksEngine::AppendWrites(const PreparedGroup& group) {
  record_.clear();
  for (std::size_t i = 0; i < group.writes.size(); ++i) {
    const PreparedWrite& write = group.writes[i];
    AppendLogEntry({write.value == nullptr, write.before.mod_revision, write.key}, record_);
    if (i + 1 == group.writes.size() || group.writes[i + 1].revision != write.revision) {
      batch_.Put(LogKey(write.revision), record_);
      record_.clear();
    }
  }
  // In the order of keys, and then of revisions: inserting into the memtable costs less so.
  order_.clear();
  for (const PreparedWrite& write : group.writes) order_.push_back(&write);
  std::sort(order_.begin(), order_.end(), [](const PreparedWrite* a, const PreparedWrite* b) {
    const int keys = a->key.compare(b->key);
    return keys != 0 ? keys < 0 : a->revision < b->revision;
  });
  std::string header;
  for (const PreparedWrite* next : order_) {
    const PreparedWrite& write = *next;
    scratch_.clear();
    AppendDataKey(write.key, write.revision, scratch_);
    header.clear();
    AppendDataHeader({write.value == nullptr, write.after.create_revision, write.after.version, write.after.lease, {}},
                     header);
    const Slice key(scratch_);
    const Slice value[] = {header, write.value != nullptr ? Slice(*write.value) : Slice()};
    batch_.Put(rocksdb::SliceParts(&key, 1), rocksdb::SliceParts(value, 2));
    if (write.before.lease == write.after.lease) continue;
    if (write.before.lease != 0) batch_.Delete(AttachedPrefix(write.before.lease) + std::string(write.key));
    if (write.after.lease != 0) batch_.Put(AttachedPrefix(write.after.lease) + std::string(write.key), Slice());
  }
}

// Into the log, for which there is space, and into the memtable.
rocksdb::Status RocksEngine::Write(rocksdb::WriteBatch& batch) {
  std::lock_guard lock(write_mu_);
  if (const rocksdb::IOStatus reserved = log_space_->Reserve(batch.GetDataSize()); !reserved.ok()) return reserved;
  rocksdb::Status written = db_->Write({}, &batch);
  listener_->Appended(batch.GetDataSize());
  return written;
}

AppendOutcome RocksEngine::Append(const PreparedGroup& group, Status& status) {
  finder_.reset();
  if (suspended_) {
    const rocksdb::Status resumed = db_->Resume();
    if (!resumed.ok()) status = ToStatus(resumed, path_ + ": the disk was full");
    // Busy: RocksDB looks for space by itself every few seconds, and is at it.
    if (resumed.IsNoSpace() || resumed.IsBusy()) return AppendOutcome::kNoSpace;
    if (!resumed.ok()) return AppendOutcome::kBroken;
    suspended_ = false;
  }
  batch_.Clear();
  AppendWrites(group);
  for (const Lease& lease : group.granted) {
    record_.clear();
    AppendRevision(lease.ttl.count(), record_);
    batch_.Put(LeaseKey(lease.id), record_);
  }
  for (const LeaseId lease : group.ended) batch_.Delete(LeaseKey(lease));
  if (group.compact != 0) {
    record_.clear();
    AppendRevision(group.compact, record_);
    batch_.Put(ToSlice(kCompactKey), record_);
  }
  if (group.alarm) *group.alarm ? batch_.Put(ToSlice(kAlarmKey), Slice()) : batch_.Delete(ToSlice(kAlarmKey));
  const rocksdb::Status written = Write(batch_);
  if (batch_.GetDataSize() > kKeptBatchBytes) batch_ = rocksdb::WriteBatch();
  if (written.ok()) {
    for (const PreparedWrite& write : group.writes) {
      versions_.Put(write.key, write.after, write.before.mod_revision != 0);
    }
    if (!group.writes.empty()) appended_ = group.writes.back().revision;
    return AppendOutcome::kAppended;
  }
  status = ToStatus(written, path_);
  if (!written.IsNoSpace()) return AppendOutcome::kBroken;
  // If it was not the log that found no space, but a table or a new log, then RocksDB refuses writes until Resume.
  suspended_ = true;
  return AppendOutcome::kNoSpace;
}

Status RocksEngine::Sync() {
  if (!sync_) return {};  // and the witness could be on disk before what it has seen
  const Revision appended = appended_;
  if (const rocksdb::Status synced = db_->SyncWAL(); !synced.ok()) return ToStatus(synced, path_);
  if (appended > witness_->revision()) witness_->Saw(appended);
  return {};
}

Result<std::vector<std::string>> RocksEngine::Attached(LeaseId lease, std::size_t limit) {
  rocksdb::ReadOptions read = Reading();
  read.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read));
  const std::string prefix = AttachedPrefix(lease);
  std::vector<std::string> out;
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix) && out.size() < limit; it->Next()) {
    out.emplace_back(View(it->key()).substr(prefix.size()));
  }
  if (!it->status().ok()) return ToStatus(it->status(), path_);
  return out;
}

Result<RangeResult> RocksEngine::Range(std::string_view key, const RangeOptions& options, Revision revision) const {
  const std::string start = DataStart(key);
  const std::string stop = DataStop(key, options.end);
  const Slice upper(stop);
  rocksdb::ReadOptions read = Reading();
  read.iterate_upper_bound = &upper;
  read.total_order_seek = !options.end.empty();
  read.prefix_same_as_start = options.end.empty();
  RangeResult out;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read));
  std::string target = start;
  if (options.end.empty()) {
    target.clear();
    AppendDataKey(key, revision, target);
  }
  it->Seek(target);
  std::string prefix;  // of the key that is looked at, as it stands in the database
  Revision version = 0;
  while (it->Valid()) {
    if (!ParseDataRevision(View(it->key()), version)) return Malformed(path_, "a key");
    prefix.assign(it->key().data(), it->key().size() - kRevisionBytes);
    if (version > revision) {
      // Too new; this key's visible version, if it has one, is further on.
      target = prefix;
      AppendComplement(revision, target);
      int steps = 0;
      while (it->Valid() && it->key().compare(target) < 0 && ++steps <= kNextBeforeSeek) it->Next();
      if (it->Valid() && it->key().compare(target) < 0) it->Seek(target);
      continue;
    }
    DataRecord record;
    if (!ParseDataRecord(View(it->value()), record)) return Malformed(path_, "a version");
    if (!record.deleted) {
      ++out.count;
      if (!options.count_only && (options.limit == 0 || out.kvs.size() < options.limit)) {
        KeyValue& kv = out.kvs.emplace_back();
        if (!ParseDataPrefix(prefix, kv.key)) return Malformed(path_, "a key");
        if (!options.keys_only) kv.value = record.value;
        kv.create_revision = record.create_revision;
        kv.mod_revision = version;
        kv.version = record.version;
        kv.lease = record.lease;
      } else if (!options.count_only) {
        out.more = true;
        if (!options.exact_count) break;
      }
    }
    if (options.end.empty()) break;
    // Past the older versions of this key, of which there are mostly none or few.
    int steps = 0;
    do {
      it->Next();
    } while (it->Valid() && it->key().starts_with(prefix) && ++steps < kNextBeforeSeek);
    if (steps == kNextBeforeSeek) {
      StepPastVersions(prefix);
      it->Seek(prefix);
    }
  }
  if (!it->status().ok()) return ToStatus(it->status(), path_);
  return out;
}

Result<Store::History> RocksEngine::Replay(std::string_view key, std::string_view end, Revision start, Revision last,
                                           std::size_t limit) const {
  rocksdb::ReadOptions read = Reading();
  read.total_order_seek = true;
  const std::string stop = LogKey(last + 1);
  const Slice upper(stop);
  read.iterate_upper_bound = &upper;
  Store::History out;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read));
  std::vector<LogEntry> entries;
  std::string data_key;
  rocksdb::PinnableSlice value;
  for (it->Seek(LogKey(start)); it->Valid(); it->Next()) {
    Revision revision = 0;
    if (!ParseRevision(View(it->key()).substr(1), revision) || !ParseLogRecord(View(it->value()), entries)) {
      return Malformed(path_, "a log entry");
    }
    if (limit != 0 && out.changes.size() >= limit) {
      out.next = revision;
      return out;
    }
    for (const LogEntry& entry : entries) {
      if (!InRange(entry.key, key, end)) continue;
      Change& change = out.changes.emplace_back();
      change.kv.key = entry.key;
      change.kv.mod_revision = revision;
      change.type = entry.deleted ? Change::Type::kDelete : Change::Type::kPut;
      if (entry.deleted) continue;
      change.created = entry.previous == 0;
      data_key.clear();
      AppendDataKey(entry.key, revision, data_key);
      value.Reset();
      const rocksdb::Status got = db_->Get({}, db_->DefaultColumnFamily(), data_key, &value);
      // A version can only be missing because it was compacted meanwhile.
      if (got.IsNotFound()) return Status(Code::kExpired, fmt::format("revision {} was compacted", revision));
      if (!got.ok()) return ToStatus(got, path_);
      DataRecord record;
      if (!ParseDataRecord(View(value), record)) return Malformed(path_, "a version of " + change.kv.key);
      change.kv.value = record.value;
      change.kv.create_revision = record.create_revision;
      change.kv.version = record.version;
      change.kv.lease = record.lease;
    }
  }
  if (!it->status().ok()) return ToStatus(it->status(), path_);
  out.next = last + 1;
  return out;
}

// The log says what each revision superseded, so garbage is found without looking at what is alive. Every data and log
// key is written once, hence SingleDelete, which vanishes with what it removes.
Status RocksEngine::Collect(Revision compact, std::atomic<bool>& stop) {
  std::string bytes;
  Revision collected = 0;
  const rocksdb::Status found = db_->Get({}, ToSlice(kCollectKey), &bytes);
  if (!found.ok() && !found.IsNotFound()) return ToStatus(found, path_);
  if (found.ok() && !ParseRevision(bytes, collected)) return Malformed(path_, kCollectKey);
  rocksdb::ReadOptions read = Reading();
  read.total_order_seek = true;
  read.fill_cache = false;
  const std::string end = LogKey(compact + 1);
  const Slice upper(end);
  read.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read));
  rocksdb::WriteBatch batch;
  std::vector<LogEntry> entries;
  const auto flush = [&](Revision upto) {
    bytes.clear();
    AppendRevision(upto, bytes);
    batch.Put(ToSlice(kCollectKey), bytes);
    // Not synced for its own sake: what a crash takes back is removed again.
    const rocksdb::Status written = Write(batch);
    removed_ += static_cast<std::uint64_t>(batch.Count());
    batch.Clear();
    return ToStatus(written, path_);
  };
  for (it->Seek(LogKey(collected)); it->Valid(); it->Next()) {
    if (stop) return {};
    Revision revision = 0;
    if (!ParseRevision(View(it->key()).substr(1), revision) || !ParseLogRecord(View(it->value()), entries)) {
      return Malformed(path_, "a log entry");
    }
    for (const LogEntry& entry : entries) {
      if (revision <= collected) break;  // the entry that the last Collect kept
      for (const Revision gone : {entry.previous, entry.deleted ? revision : 0}) {
        if (gone == 0) continue;
        bytes.clear();
        AppendDataKey(entry.key, gone, bytes);
        batch.SingleDelete(bytes);
      }
    }
    if (revision < compact) batch.SingleDelete(it->key());
    if (batch.Count() >= static_cast<int>(kCollectChunk)) MINIKUBE_RETURN_IF_ERROR(flush(revision));
  }
  if (!it->status().ok()) return ToStatus(it->status(), path_);
  return flush(compact);
}

Status RocksEngine::Shrink(bool needed, std::atomic<bool>& stop) {
  std::uint64_t keys = 0;
  if (!db_->GetIntProperty(rocksdb::DB::Properties::kEstimateNumKeys, &keys)) keys = 0;
  if (!needed && (listener_->tables() < kSmallStoreBytes || removed_ < keys / 4)) return {};
  removed_ = 0;
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.canceled = &stop;
  const rocksdb::Status compacted = db_->CompactRange(options, nullptr, nullptr);
  return compacted.IsIncomplete() ? Status() : ToStatus(compacted, path_);
}

bool RocksEngine::HasSpace() const {
  std::uint64_t bytes = 0;
  const rocksdb::IOStatus status = env_->GetFileSystem()->GetFreeSpace(path_, {}, &bytes, nullptr);
  return !status.ok() || bytes >= free_needed_;  // a file system that cannot tell will refuse when it is full
}

void RocksEngine::Close() {
  if (db_ == nullptr) return;
  finder_.reset();
  // What could be told here was told to the writers; nothing acknowledged waits for this.
  witness_.reset();
  db_->Close().PermitUncheckedError();
  db_.reset();
}

}  // namespace

Result<OpenedEngine> OpenRocksEngine(const StoreOptions& options, rocksdb::Env* env) {
  auto engine = std::make_unique<RocksEngine>(options, env);
  Result<EngineState> state = engine->Open(options);
  if (!state) {
    engine->Close();
    return state.status();
  }
  return OpenedEngine{std::move(engine), std::move(*state)};
}

}  // namespace minikube::store
