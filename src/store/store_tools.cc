#include <minikube/store_tools.h>

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "store/examine.h"
#include "store/format.h"
#include "store/memory_engine.h"
#include "store/revision_store.h"
#include "store/rocks_offline.h"
#include "store/snapshot_file.h"
#include "store/snapshot_reader.h"

namespace minikube {
namespace {

rocksdb::Env& RealFiles() { return *rocksdb::Env::Default(); }

}  // namespace

Result<std::unique_ptr<SnapshotFile>> NewSnapshotFile(const std::string& path) {
  return store::NewSnapshotFile(RealFiles(), path);
}

Result<SnapshotInfo> SaveSnapshot(SnapshotReader& reader, const std::string& path) {
  Result<std::unique_ptr<SnapshotFile>> file = NewSnapshotFile(path);
  if (!file) return file.status();
  std::string bytes;
  do {
    bytes.clear();
    MINIKUBE_RETURN_IF_ERROR(reader.Read(bytes));
    MINIKUBE_RETURN_IF_ERROR((*file)->Append(bytes));
  } while (!bytes.empty());
  return (*file)->Finish();
}

Result<SnapshotInfo> CheckSnapshot(const std::string& path) {
  store::SnapshotDecoder decoder([](std::string_view, std::string_view) { return Status(); });
  return store::ReadSnapshotFile(RealFiles(), path, decoder);
}

Result<SnapshotInfo> RestoreStore(const std::string& snapshot, const StoreOptions& options,
                                  const RestoreOptions& restore) {
  return store::Restore(snapshot, options, restore, nullptr);
}

Result<std::unique_ptr<Store>> RestoreMemoryStore(const std::string& snapshot, Env& env, StoreOptions options,
                                                  const RestoreOptions& restore) {
  store::MemoryLoader loader;
  store::SnapshotDecoder decoder([&](std::string_view key, std::string_view value) {
    if (!store::Restored(key, restore) || loader.Add(key, value)) return Status();
    return Status(Code::kInvalid, fmt::format("record {:?} cannot be decoded", key));
  });
  const Result<SnapshotInfo> info = store::ReadSnapshotFile(RealFiles(), snapshot, decoder);
  if (!info) return info.status();
  const Result<Revision> revision = store::RestoredRevision(info->revision, restore);
  if (!revision) return revision.status();
  if (restore.bump_revision != 0) {
    std::string bytes;
    store::AppendRevision(*revision, bytes);
    loader.Add(store::kCompactKey, bytes);
  }
  store::OpenedEngine opened = loader.Finish();
  Result<std::unique_ptr<store::EngineImage>> image = opened.engine->Image();
  if (!image) return image.status();
  StoreUsage usage;
  std::vector<std::string> problems;
  MINIKUBE_RETURN_IF_ERROR(store::Examine(**image, StoreAdmin::Depth::kVerify, {}, usage, problems));
  if (!problems.empty()) {
    return Status(Code::kInvalid,
                  fmt::format("{}: its records contradict one another: {}", snapshot, problems.front()));
  }
  return std::unique_ptr<Store>(std::make_unique<store::RevisionStore>(
      std::move(opened.engine), std::move(opened.state), std::move(options), env));
}

Result<bool> StoreInUse(const std::string& path) { return store::InUse(path, nullptr); }

Result<StoreReport> ExamineStore(const StoreOptions& options, StoreAdmin::Depth depth) {
  Result<std::unique_ptr<store::OfflineStore>> opened = store::OpenOffline(options, nullptr);
  if (!opened) return opened.status();
  Result<std::unique_ptr<store::EngineImage>> image = (*opened)->Image();
  if (!image) return image.status();
  const store::EngineState& state = (*image)->state();
  StoreReport report;
  report.status.revision = state.revision;
  report.status.compact_revision = state.compact_revision;
  report.status.disk_bytes = (*opened)->DiskBytes();
  report.status.leases = static_cast<std::int64_t>(state.leases.size());
  report.status.alarm = state.alarm;
  MINIKUBE_RETURN_IF_ERROR(store::Examine(**image, depth, {}, report.usage, report.problems));
  return report;
}

Result<SnapshotInfo> SnapshotStore(const StoreOptions& options, const std::string& file) {
  Result<std::unique_ptr<store::OfflineStore>> opened = store::OpenOffline(options, nullptr);
  if (!opened) return opened.status();
  Result<std::unique_ptr<store::EngineImage>> image = (*opened)->Image();
  if (!image) return image.status();
  return SaveSnapshot(*store::NewSnapshotReader(std::move(*image)), file);
}

std::string ToJson(const StoreReport& report, bool verified) {
  const StoreStatus& status = report.status;
  const StoreUsage& usage = report.usage;
  nlohmann::ordered_json json = {
      {"revision", status.revision},
      {"compactRevision", status.compact_revision},
      {"keys", usage.keys},
      {"bytes", usage.bytes},
      {"historyVersions", usage.history},
      {"historyBytes", usage.history_bytes},
      {"diskBytes", status.disk_bytes},
      {"leases", status.leases},
      {"alarm", status.alarm ? "NOSPACE" : ""},
      {"diskFull", status.disk_full},
      {"failure", status.failure},
      {"format", store::FormatName()},
  };
  if (status.quota_bytes != 0) json["quotaBytes"] = status.quota_bytes;
  if (verified) json["problems"] = report.problems;
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace minikube
