#include "store/rocks_image.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <rocksdb/env.h>
#include <rocksdb/metadata.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>

#include "store/format.h"

namespace minikube::store {
namespace {

using rocksdb::Slice;

class RocksImage final : public EngineImage {
 public:
  RocksImage(rocksdb::DB& db, const std::string& path) : db_(db), path_(path), snapshot_(db.GetSnapshot()) {}
  ~RocksImage() override {
    all_.reset();
    db_.ReleaseSnapshot(snapshot_);
  }

  // The log's last entry has the revision; Collect keeps the one at the compacted revision, so this never scans.
  Status ReadState() {
    MINIKUBE_RETURN_IF_ERROR(ReadNumber(kCompactKey, state_.compact_revision));
    MINIKUBE_RETURN_IF_ERROR(ReadNumber(kCollectKey, state_.collected));
    const Result<std::optional<std::string>> alarm = Get(std::string(kAlarmKey));
    if (!alarm) return alarm.status();
    state_.alarm = alarm->has_value();
    const std::string lower(1, kLogSpace);
    const Slice lower_bound(lower);
    rocksdb::ReadOptions read = Options();
    read.iterate_lower_bound = &lower_bound;
    const std::unique_ptr<rocksdb::Iterator> it(db_.NewIterator(read));
    it->SeekForPrev(std::string(1, static_cast<char>(kLogSpace + 1)));
    if (!it->status().ok()) return ToStatus(it->status(), path_);
    if (it->Valid() && !ParseRevision(View(it->key()).substr(1), state_.revision)) return Malformed(path_, "a log key");
    state_.revision = std::max({state_.revision, state_.compact_revision, Revision{1}});
    return ReadLeases();
  }

  const EngineState& state() const override { return state_; }

  Result<bool> Next(std::string_view& key, std::string_view& value) override {
    if (all_ == nullptr) {
      rocksdb::ReadOptions read = Options();
      read.fill_cache = false;
      all_.reset(db_.NewIterator(read));
      all_->SeekToFirst();
    } else {
      all_->Next();
    }
    if (!all_->Valid()) {
      if (!all_->status().ok()) return ToStatus(all_->status(), path_);
      return false;
    }
    key = View(all_->key());
    value = View(all_->value());
    return true;
  }

  Result<std::optional<std::string>> Get(const std::string& key) const override {
    std::string value;
    const rocksdb::Status status = db_.Get(Options(), key, &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return ToStatus(status, path_);
    return std::optional<std::string>(std::move(value));
  }

  std::vector<std::string> CheckFiles(const std::stop_token& stop) const override {
    rocksdb::Options options;
    options.env = db_.GetEnv();
    rocksdb::BlockBasedTableOptions table;
    table.no_block_cache = true;  // what is on the disk, not what was once read from it
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    std::vector<rocksdb::LiveFileMetaData> files;
    db_.GetLiveFilesMetaData(&files);
    std::vector<std::string> problems;
    for (const rocksdb::LiveFileMetaData& file : files) {
      if (stop.stop_requested()) break;
      const std::string name = file.db_path + file.name;
      rocksdb::SstFileReader reader(options);
      rocksdb::Status status = reader.Open(name);
      if (status.ok()) status = reader.VerifyChecksum();
      if (status.ok()) continue;
      // A running store may have replaced the file meanwhile.
      if (!db_.GetEnv()->FileExists(name).ok() && !IsLive(file.name)) continue;
      problems.push_back(fmt::format("{}: {}", name, status.ToString()));
    }
    return problems;
  }

 private:
  rocksdb::ReadOptions Options() const {
    rocksdb::ReadOptions read;
    read.snapshot = snapshot_;
    read.total_order_seek = true;
    return read;
  }

  bool IsLive(const std::string& name) const {
    std::vector<rocksdb::LiveFileMetaData> files;
    db_.GetLiveFilesMetaData(&files);
    return std::any_of(files.begin(), files.end(), [&](const auto& file) { return file.name == name; });
  }

  Status ReadNumber(std::string_view key, Revision& value) const {
    const Result<std::optional<std::string>> bytes = Get(std::string(key));
    if (!bytes) return bytes.status();
    return !*bytes || ParseRevision(**bytes, value) ? Status() : Malformed(path_, key);
  }

  Status ReadLeases() {
    const std::string upper(1, static_cast<char>(kLeaseSpace + 1));
    const Slice upper_bound(upper);
    rocksdb::ReadOptions read = Options();
    read.iterate_upper_bound = &upper_bound;
    const std::unique_ptr<rocksdb::Iterator> it(db_.NewIterator(read));
    for (it->Seek(std::string(1, kLeaseSpace)); it->Valid(); it->Next()) {
      Lease lease;
      std::int64_t ttl = 0;
      if (!ParseRevision(View(it->key()).substr(1), lease.id) || !ParseRevision(View(it->value()), ttl)) {
        return Malformed(path_, "a lease");
      }
      lease.ttl = Duration(ttl);
      state_.leases.push_back(lease);
    }
    return ToStatus(it->status(), path_);
  }

  rocksdb::DB& db_;
  const std::string path_;
  const rocksdb::Snapshot* const snapshot_;
  EngineState state_;
  std::unique_ptr<rocksdb::Iterator> all_;
};

}  // namespace

Status ToStatus(const rocksdb::Status& status, std::string_view path) {
  if (status.ok()) return {};
  std::string text = status.ToString();
  // Of a table that is missing RocksDB tells the name it had in LevelDB, which it tried last.
  for (std::size_t at = text.find(".ldb"); at != text.npos; at = text.find(".ldb")) text.replace(at, 4, ".sst");
  return {status.IsNoSpace() ? Code::kNoSpace : Code::kUnavailable, fmt::format("{}: {}", path, text)};
}

Status Malformed(std::string_view path, std::string_view what) {
  return {Code::kUnavailable, fmt::format("{}: {} is malformed", path, what)};
}

Status CheckFormat(rocksdb::DB& db, const std::string& path) {
  std::string found;
  const rocksdb::Status read = db.Get({}, ToSlice(kFormatKey), &found);
  if (read.ok()) {
    if (found == FormatName()) return {};
    return {Code::kUnavailable,
            fmt::format("{}: format \"{}\" is not one that this version reads ({})", path, found, FormatName())};
  }
  if (!read.IsNotFound()) return ToStatus(read, path);
  rocksdb::ReadOptions read_options;
  read_options.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> it(db.NewIterator(read_options));
  it->SeekToFirst();
  if (it->Valid()) return {Code::kUnavailable, path + ": a RocksDB database, but not a store of minikube"};
  if (!it->status().ok()) return ToStatus(it->status(), path);
  return {Code::kNotFound, path + ": an empty database"};
}

Result<std::unique_ptr<EngineImage>> NewRocksImage(rocksdb::DB& db, const std::string& path) {
  auto image = std::make_unique<RocksImage>(db, path);
  MINIKUBE_RETURN_IF_ERROR(image->ReadState());
  return std::unique_ptr<EngineImage>(std::move(image));
}

}  // namespace minikube::store
