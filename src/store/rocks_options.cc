#include "store/rocks_options.h"

#include <algorithm>

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include "store/background_rate.h"
#include "store/format.h"

namespace minikube::store {
namespace {

// What flushes and compactions may write together. Several times what writers can keep up for long.
constexpr std::int64_t kBackgroundBytesPerSecond = 300 << 20;
constexpr std::int64_t kBackgroundBurstBytes = kBackgroundBytesPerSecond / 1000;

// Everything in front of the revision of a data key: one filter entry per key, however many versions it has.
class DataPrefix final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "minikube.DataPrefix.1"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return {key.data(), key.size() - kRevisionBytes};
  }
  bool InDomain(const rocksdb::Slice& key) const override {
    return key.size() > 1 + 2 + kRevisionBytes && key[0] == kDataSpace;
  }
};

// The log of revisions, whose keys only ascend: each is inserted beside the one before it, without a search.
class LogPrefix final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "minikube.LogPrefix.1"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return {key.data(), 1}; }
  bool InDomain(const rocksdb::Slice& key) const override { return !key.empty() && key[0] == kLogSpace; }
};

// RocksDB's own log would be a file nobody reads, rolled at every start; its errors come back as statuses.
class NoLog final : public rocksdb::Logger {
 public:
  NoLog() : Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

rocksdb::Options MakeRocksOptions(const StoreOptions& options, rocksdb::Env* env) {
  rocksdb::BlockBasedTableOptions table;
  // Few shards: one per core of a big machine would leave each too small for an index block.
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes, 1);
  table.cache_index_and_filter_blocks = true;  // so that the block cache bounds them as well
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.block_size = 16 << 10;
  // Each put asks the filters of all runs whether its key exists: wrong answers cost it the reading of a block.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(14));
  table.whole_key_filtering = false;  // lookups are by prefix
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;  // Debian's RocksDB computes CRC32C without the processor's help

  rocksdb::Options out;
  out.env = env;
  out.create_if_missing = true;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  out.prefix_extractor = std::make_shared<DataPrefix>();

  out.write_buffer_size = options.write_buffer_bytes;
  out.max_write_buffer_number = 4;  // a burst goes on while the first ones are flushed
  out.arena_block_size = std::min<std::size_t>(128 << 10, options.write_buffer_bytes / 8);
  out.memtable_insert_with_hint_prefix_extractor = std::make_shared<LogPrefix>();
  out.memtable_prefix_bloom_size_ratio = 0.005;  // a new key is mostly not in the memtables either

  out.allow_concurrent_memtable_write = false;  // one committer
  out.enable_write_thread_adaptive_yield = false;
  out.level0_file_num_compaction_trigger = 4;  // each more is one more run that every range has to merge
  out.level0_slowdown_writes_trigger = 24;
  out.level0_stop_writes_trigger = 48;
  out.target_file_size_base = 16 << 20;
  out.max_bytes_for_level_base = 64 << 20;
  out.level_compaction_dynamic_level_bytes = true;
  out.compression_per_level = {rocksdb::kNoCompression, rocksdb::kNoCompression, rocksdb::kLZ4Compression};

  // The tail of the log may hold one group that was never acknowledged, torn in any way, so recovery stops at the first
  // record that is not whole. kAbsoluteConsistency would refuse to open after any crash, kTolerateCorruptedTailRecords
  // after a torn one, and kSkipAnyCorruptedRecords leaves holes. That nothing acknowledged was behind that point is
  // checked by the witness (rocks_engine.cc), which RocksDB has no notion of.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  out.track_and_verify_wals_in_manifest = true;
  out.avoid_flush_during_recovery = true;  // a small store opens without writing a table file
  out.use_fsync = false;
  // Table files must neither pile up dirty pages nor be written as fast as the disk takes them: a sync of the log waits
  // behind what the disk was given before it. Without these two limits, 64 writers that go on for seconds commit a
  // sixth less, with a 99th percentile four times as long. (RocksDB's own tuning of the rate goes down while the store
  // is idle, and comes up too slowly for a burst.)
  out.bytes_per_sync = 256 << 10;
  out.rate_limiter =
      std::make_shared<BackgroundRate>(env->GetSystemClock(), kBackgroundBytesPerSecond, kBackgroundBurstBytes);
  out.max_background_jobs = 2;
  out.max_open_files = 256;
  out.max_manifest_file_size = 4 << 20;
  out.skip_stats_update_on_db_open = true;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  out.info_log = std::make_shared<NoLog>();
  out.paranoid_checks = true;
  return out;
}

}  // namespace minikube::store
