// Looking after a store: snapshots, compaction by itself, the quota, examination, metrics.
#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/store_admin.h>

#include "conformance/store_suite.h"
#include "conformance/store_suite_util.h"
#include "conformance/store_watcher.h"

namespace minikube::test {
namespace {

using std::chrono::seconds;

const std::string kNoEnd(1, '\0');

SnapshotInfo Save(Store& store, const std::string& path) {
  const std::unique_ptr<SnapshotReader> reader = store.admin()->Snapshot().value();
  return SaveSnapshot(*reader, path).value();
}

// --- Snapshots --------------------------------------------------------------------------------------------------

void SnapshotsAreCopies(StoreHarness& harness) {
  Store& store = harness.store();
  RandomHistory(store, Catch::rngSeed(), 200, 20);
  const std::string path = harness.TempPath("snapshot");
  const std::unique_ptr<SnapshotReader> reader = store.admin()->Snapshot().value();
  const std::vector<std::string> before = Dump(store);
  const StoreStatus status = store.status();
  CHECK(reader->revision() == status.revision);
  Put(store, "later", "v");  // the snapshot is of when it was begun
  REQUIRE(store.Compact(store.revision()).ok());
  harness.Settle([] { return false; });
  const SnapshotInfo info = SaveSnapshot(*reader, path).value();
  CHECK(info.revision == status.revision);
  CHECK(info.compact_revision == status.compact_revision);
  CHECK(info.records > 0);
  const SnapshotInfo again = CheckSnapshot(path).value();
  CHECK(again.records == info.records);
  CHECK(again.bytes == info.bytes);

  const std::unique_ptr<Store> copy = harness.Restore(path, {}).value();
  CHECK(Dump(*copy) == before);
  CHECK(copy->admin()->Examine(StoreAdmin::Depth::kVerify).value().problems.empty());
  Put(*copy, "elsewhere", "v");
  CHECK_FALSE(store.Get("elsewhere").value());

  Save(store, path);  // replaces the file
  CHECK(harness.Restore(path, {}).value()->Get("later").value());
}

void AnEmptyStoreHasASnapshot(StoreHarness& harness) {
  const std::string path = harness.TempPath("snapshot");
  CHECK(Save(harness.store(), path).revision == 1);
  const std::unique_ptr<Store> copy = harness.Restore(path, {}).value();
  CHECK(copy->revision() == 1);
  CHECK(Put(*copy, "k", "v") == 2);
}

void ValuesOfAnySizeAreInSnapshots(StoreHarness& harness) {
  Store& store = harness.store();
  std::mt19937 random(Catch::rngSeed());
  for (const std::size_t size : {0u, 1u, 65'535u, 65'536u, 70'000u, 1'500'000u}) {
    std::string value(size, '\0');
    for (char& c : value) c = static_cast<char>(random());
    Put(store, fmt::format("k{}", size), std::move(value));
  }
  const std::string path = harness.TempPath("snapshot");
  Save(store, path);
  CHECK(Dump(*harness.Restore(path, {}).value()) == Dump(store));
}

// A client that knew the store before it was lost goes on with the restored one: exactly, or by beginning anew.
void RestoredStoresGoOn(StoreHarness& harness) {
  Store& store = harness.store();
  for (int i = 0; i < 10; ++i) Put(store, fmt::format("k{}", i % 3), fmt::format("{}", i));
  REQUIRE(store.Compact(4).ok());
  const std::string path = harness.TempPath("snapshot");
  const Revision saved = Save(store, path).revision;
  for (int i = 0; i < 5; ++i) Put(store, "lost", fmt::format("{}", i));

  const std::unique_ptr<Store> exact = harness.Restore(path, {}).value();
  CHECK(exact->revision() == saved);
  StoreWatcher resumed(*exact, "", kNoEnd, 6);
  CHECK(Put(*exact, "k0", "new") == saved + 1);
  std::vector<std::string> expected;
  for (const std::string& line : Changes(store, 6)) {
    if (std::stoll(line) <= saved) expected.push_back(line);
  }
  expected.push_back(fmt::format("{} put k0=new", saved + 1));
  CHECK(Lines(resumed.Poll()) == expected);
  CHECK(exact->Replay("", kNoEnd, 4, 0).status().code() == Code::kExpired);

  const std::unique_ptr<Store> bumped = harness.Restore(path, {.bump_revision = 1000}).value();
  CHECK(bumped->revision() == saved + 1000);
  CHECK(bumped->status().compact_revision == saved + 1000);
  CHECK(bumped->Get("k0").value()->mod_revision == store.Get("k0", saved).value()->mod_revision);
  CHECK(bumped->Get("k0", saved).status().code() == Code::kExpired);
  // Also from revisions that only the lost store had.
  for (const Revision known : {saved - 1, saved, saved + 3, saved + 1000}) {
    CHECK(bumped->Replay("", kNoEnd, known, 0).status().code() == Code::kExpired);
  }
  CHECK(Put(*bumped, "k0", "new") == saved + 1001);
  CHECK(Lines(bumped->Replay("", kNoEnd, saved + 1001, 0).value().changes) ==
        std::vector<std::string>{fmt::format("{} put k0=new", saved + 1001)});
  harness.Settle([] { return false; });
  CHECK(bumped->admin()->Examine(StoreAdmin::Depth::kVerify).value().problems.empty());
  for (const Revision bump : {Revision{-1}, std::numeric_limits<Revision>::max()}) {
    CHECK(harness.Restore(path, {.bump_revision = bump}).status().code() == Code::kBadRequest);
  }
}

void LeasesAreInSnapshots(StoreHarness& harness) {
  Store& store = harness.store();
  const LeaseId lease = store.GrantLease(seconds(10)).value();
  Put(store, "mine", "1", lease);
  const std::string path = harness.TempPath("snapshot");
  Save(store, path);
  const std::unique_ptr<Store> copy = harness.Restore(path, {}).value();
  harness.Advance(seconds(9));
  CHECK(copy->Get("mine").value()->lease == lease);
  CHECK(copy->KeepAlive(lease).ok());
  harness.Advance(seconds(11));
  REQUIRE(harness.Settle([&] { return !copy->Get("mine").value(); }));
  CHECK(copy->KeepAlive(lease).code() == Code::kNotFound);
}

// --- Compaction by itself ---------------------------------------------------------------------------------------

void HistoryHasAnAge(StoreHarness& harness) {
  StoreOptions options;
  options.history_age = seconds(100);
  harness.OpenAnew(options);
  Store& store = harness.store();
  Put(store, "k", "1");
  Put(store, "k", "2");
  harness.Advance(seconds(70));
  const Revision later = Put(store, "k", "3");
  harness.Advance(seconds(29));
  CHECK(store.Get("k", 2).value()->value == "1");  // younger than that
  harness.Advance(seconds(22));                    // and by a fifth older
  REQUIRE(harness.Settle([&] { return store.status().compact_revision > 0; }));
  CHECK(store.Get("k", 2).status().code() == Code::kExpired);
  CHECK(store.Get("k", later - 1).value()->value == "2");
  CHECK(store.Get("k").value()->value == "3");
  // A store that nobody writes to ends with no history.
  harness.Advance(seconds(300));
  CHECK(store.status().compact_revision == store.revision());
  CHECK(store.revision() == later);

  options.history_age = seconds(0);
  harness.OpenAnew(options);
  Put(harness.store(), "k", "1");
  harness.Advance(std::chrono::hours(10));
  CHECK(harness.store().status().compact_revision == 0);
}

void HistoryHasALength(StoreHarness& harness) {
  StoreOptions options;
  options.history_revisions = 80;
  harness.OpenAnew(options);
  Store& store = harness.store();
  for (int i = 0; i < 1000; ++i) {
    Put(store, fmt::format("k{}", i % 7), "v");
    harness.Settle([] { return false; });
    const StoreStatus status = store.status();
    REQUIRE(status.revision - status.compact_revision <= 80 + 80 / 8 + 1);
    if (status.compact_revision != 0) REQUIRE(status.revision - status.compact_revision >= 80);
  }
  CHECK(store.status().compact_revision > 800);
  CHECK(store.admin()->Examine(StoreAdmin::Depth::kVerify).value().problems.empty());
}

void ReclaimWaits(StoreHarness& harness) {
  Store& store = harness.store();
  for (int i = 0; i < 50; ++i) Put(store, "k", std::string(1000, 'v'));
  REQUIRE(store.Compact(store.revision()).ok());
  REQUIRE(store.admin()->Reclaim().ok());
  CHECK(store.admin()->Examine(StoreAdmin::Depth::kCount).value().usage.history == 0);
  CHECK(store.status().disk_bytes < 50'000);
}

// --- The quota --------------------------------------------------------------------------------------------------

// Puts noise until it is refused; how many keys there are then.
int Fill(Store& store, Status& refused) {
  std::mt19937 random(Catch::rngSeed());
  for (int i = 0; i < 200; ++i) {
    std::string noise(64 << 10, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    Transaction txn;
    txn.writes.push_back({.key = fmt::format("k{}", i), .value = std::move(noise)});
    refused = store.Commit(std::move(txn)).status();
    if (!refused.ok()) return i;
  }
  return 200;
}

Status TryPut(Store& store) {
  Transaction txn;
  txn.writes.push_back({.key = "k0", .value = "v"});
  return store.Commit(std::move(txn)).status();
}

void OpenWithQuota(StoreHarness& harness) {
  StoreOptions options;
  options.quota_bytes = 2u << 20;
  options.history_age = seconds(0);
  harness.OpenAnew(options);
}

void TheQuotaStopsPutsOnly(StoreHarness& harness) {
  OpenWithQuota(harness);
  Store& store = harness.store();
  Status status;
  const int count = Fill(store, status);
  CHECK(count > 20);
  CHECK(count < 200);
  CHECK(status.code() == Code::kNoSpace);
  CHECK(status.message() == "etcdserver: mvcc: database space exceeded");
  CHECK(store.status().alarm);
  CHECK(store.status().failure.empty());
  CHECK(store.GrantLease(seconds(1)).status().code() == Code::kNoSpace);
  CHECK(store.Get("k0").value());
  Transaction mixed;
  mixed.writes.push_back({.key = "k1"});
  mixed.writes.push_back({.key = "k2", .value = "v"});
  CHECK(store.Commit(std::move(mixed)).status().code() == Code::kNoSpace);
  CHECK(store.Get("k1").value());
  Transaction nothing;
  nothing.compares.push_back({"k0", 1});
  nothing.writes.push_back({.key = "k0", .value = "v"});
  CHECK_FALSE(store.Commit(std::move(nothing)).value().succeeded);

  for (int i = 0; i < count; ++i) Delete(store, fmt::format("k{}", i));
  harness.Settle([] { return false; });
  CHECK(TryPut(store).code() == Code::kNoSpace);  // their history still takes the space
  CHECK(store.Compact(store.revision()).ok());
  REQUIRE(harness.Settle([&] { return TryPut(store).ok(); }));
  CHECK_FALSE(store.status().alarm);
  CHECK(store.admin()->Examine(StoreAdmin::Depth::kVerify).value().problems.empty());
}

// It stays on over a restart, whatever the size then is, until a compaction has made space.
void TheAlarmIsDurable(StoreHarness& harness) {
  OpenWithQuota(harness);
  Status status;
  Fill(harness.store(), status);
  REQUIRE(status.code() == Code::kNoSpace);
  if (!harness.Reopen()) return;
  CHECK(harness.store().status().alarm);
  CHECK(TryPut(harness.store()).code() == Code::kNoSpace);
  harness.Settle([] { return false; });  // a look for space that finds none
  CHECK(harness.store().status().alarm);
  REQUIRE(harness.Reopen());
  CHECK(harness.store().status().alarm);
  for (int i = 0; i < 20; ++i) Delete(harness.store(), fmt::format("k{}", i));
  REQUIRE(harness.store().Compact(harness.store().revision()).ok());
  REQUIRE(harness.Settle([&] { return !harness.store().status().alarm; }));
  CHECK(TryPut(harness.store()).ok());
  REQUIRE(harness.Reopen());
  CHECK_FALSE(harness.store().status().alarm);
}

void TheAlarmCanBeDisarmed(StoreHarness& harness) {
  OpenWithQuota(harness);
  Store& store = harness.store();
  Status status;
  Fill(store, status);
  REQUIRE(status.code() == Code::kNoSpace);
  CHECK(store.admin()->Disarm().ok());
  CHECK_FALSE(store.status().alarm);
  CHECK(TryPut(store).code() == Code::kNoSpace);  // there still is no space
  CHECK(store.status().alarm);
  CHECK(store.admin()->Disarm().ok());
  CHECK(store.admin()->Disarm().ok());
}

// --- Examination and metrics ------------------------------------------------------------------------------------

void UsageIsCounted(StoreHarness& harness) {
  Store& store = harness.store();
  CHECK(store.admin()->Examine(StoreAdmin::Depth::kCount).value().usage.keys == 0);
  Put(store, "a", "11");
  Put(store, "b", "1");
  Put(store, "a", "222");
  Put(store, "c", "1");
  Delete(store, "b");
  const LeaseId lease = store.GrantLease(seconds(10)).value();
  Put(store, "d", "", lease);
  const StoreReport report = store.admin()->Examine(StoreAdmin::Depth::kVerify).value();
  CHECK(report.problems.empty());
  CHECK(report.status.revision == 7);
  CHECK(report.usage.keys == 3);
  CHECK(report.usage.bytes == 4 + 2 + 1);
  CHECK(report.usage.history == 3);  // the first a; b and its deletion
  CHECK(report.usage.history_bytes == 3 + 2 + 1);
  CHECK(report.usage.leases == 1);
  REQUIRE(store.Compact(7).ok());
  harness.Settle([] { return false; });
  const StoreReport after = store.admin()->Examine(StoreAdmin::Depth::kVerify).value();
  CHECK(after.problems.empty());
  CHECK(after.usage.keys == 3);
  CHECK(after.usage.history == 0);

  std::stop_source stop;
  stop.request_stop();
  CHECK(store.admin()->Examine(StoreAdmin::Depth::kVerify, stop.get_token()).status().code() == Code::kCancelled);
}

void NothingIsWrongWithRandomHistories(StoreHarness& harness) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    CAPTURE(seed + Catch::rngSeed());
    harness.OpenAnew(StoreOptions());
    for (int round = 0; round < 4; ++round) {
      RandomHistory(harness.store(), seed * 4 + static_cast<unsigned>(round) + Catch::rngSeed(), 60, 15);
      if (round % 2 == 1) harness.Settle([] { return false; });
      CHECK(harness.store().admin()->Examine(StoreAdmin::Depth::kVerify).value().problems ==
            std::vector<std::string>());
      if (round == 2) harness.Reopen();
    }
  }
}

std::int64_t Metric(Store& store, const std::string& name) {
  MetricsText text;
  store.admin()->WriteMetrics(text);
  const std::string all = "\n" + text.Take();
  const std::size_t at = all.find("\n" + name + " ");
  REQUIRE(at != std::string::npos);
  return std::stoll(all.substr(at + name.size() + 2));
}

void WorkIsCounted(StoreHarness& harness) {
  StoreOptions options;
  options.quota_bytes = 1u << 20;
  harness.OpenAnew(options);
  Store& store = harness.store();
  StoreWatcher slow(store, "a", kNoEnd, 2, 5);
  CHECK(Metric(store, "minikube_store_commit_duration_seconds_count") == 0);
  for (int i = 0; i < 10; ++i) Put(store, "k", "v");
  std::vector<Result<CommitResult>> results;
  for (int i = 0; i < 4; ++i) {
    Transaction txn;
    txn.writes.push_back({.key = "k", .value = "v"});
    store.Commit(std::move(txn), [&](Result<CommitResult> result) { results.push_back(std::move(result)); });
  }
  REQUIRE(harness.Settle([&] { return results.size() == 4; }));
  CHECK(Metric(store, "minikube_store_commit_duration_seconds_count") == 14);
  CHECK(Metric(store, "minikube_store_batch_transactions_sum") == 14);
  CHECK(Metric(store, "minikube_store_batch_transactions_count") == 11);
  CHECK(Metric(store, "minikube_store_slow_watchers_total") == 1);
  CHECK(Metric(store, "minikube_store_revision") == 15);
  CHECK(Metric(store, "minikube_store_history_revisions") == 14);
  REQUIRE(store.Compact(10).ok());
  CHECK(Metric(store, "minikube_store_history_revisions") == 5);
  CHECK(Metric(store, "minikube_store_compactions_total") == 1);
  CHECK(Metric(store, "minikube_store_leases") == 0);
  CHECK(store.GrantLease(seconds(10)).ok());
  CHECK(Metric(store, "minikube_store_leases") == 1);
  CHECK(Metric(store, "minikube_store_size_bytes") > 0);
  CHECK(Metric(store, "minikube_store_quota_bytes") == 1 << 20);
  Status refused;
  Fill(store, refused);
  CHECK(Metric(store, "minikube_store_alarm") == 1);
  CHECK(Metric(store, "minikube_store_refused_total") == 1);
}

constexpr StoreCase kOperations[] = {
    {"snapshots are copies", SnapshotsAreCopies},
    {"an empty store has a snapshot", AnEmptyStoreHasASnapshot},
    {"values of any size are in snapshots", ValuesOfAnySizeAreInSnapshots},
    {"restored stores go on", RestoredStoresGoOn},
    {"leases are in snapshots", LeasesAreInSnapshots},
    {"history has an age", HistoryHasAnAge},
    {"history has a length", HistoryHasALength},
    {"reclaim waits", ReclaimWaits},
    {"the quota stops puts only", TheQuotaStopsPutsOnly},
    {"the alarm is durable", TheAlarmIsDurable},
    {"the alarm can be disarmed", TheAlarmCanBeDisarmed},
    {"usage is counted", UsageIsCounted},
    {"nothing is wrong with random histories", NothingIsWrongWithRandomHistories},
    {"work is counted", WorkIsCounted},
};

}  // namespace

std::span<const StoreCase> OperationsStoreCases() { return kOperations; }

}  // namespace minikube::test
