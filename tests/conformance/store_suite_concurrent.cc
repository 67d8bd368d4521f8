#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/store_admin.h>

#include "conformance/store_suite.h"
#include "conformance/store_suite_util.h"
#include "conformance/store_watcher.h"

// Catch's assertions are not for several threads: workers count, the test's own thread checks.
namespace minikube::test {
namespace {

const std::string kNoEnd(1, '\0');
constexpr int kWriters = 8;
constexpr int kWrites = 150;

void Run(int threads, const std::function<void(int)>& body) {
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) running.emplace_back(body, t);
  for (std::thread& thread : running) thread.join();
}

// Increments by compare-and-set lose nothing: a lost update would show in the sum.
void CompareAndSetLosesNoUpdate(StoreHarness& harness) {
  Store& store = harness.store();
  std::atomic<int> errors{0};
  Run(kWriters, [&](int) {
    for (int i = 0; i < kWrites / 3; ++i) {
      for (;;) {
        const Result<std::optional<KeyValue>> now = store.Get("counter");
        if (!now.ok()) {
          ++errors;
          return;
        }
        Transaction txn;
        txn.compares.push_back({"counter", *now ? (*now)->mod_revision : 0});
        txn.writes.push_back({.key = "counter", .value = std::to_string(*now ? std::stoi((*now)->value) + 1 : 1)});
        const Result<CommitResult> result = store.Commit(std::move(txn));
        if (!result.ok()) {
          ++errors;
          return;
        }
        if (result->succeeded) break;
      }
    }
  });
  CHECK(errors == 0);
  CHECK(store.Get("counter").value()->value == std::to_string(kWriters * (kWrites / 3)));
  CHECK(store.Get("counter").value()->version == kWriters * (kWrites / 3));
  CHECK(store.revision() == 1 + kWriters * (kWrites / 3));
}

// Both keys are always written together; no read at any moment may see them apart, and none sees time go back.
void ReadsAreIsolated(StoreHarness& harness) {
  Store& store = harness.store();
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0}, backwards{0}, reads{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      Revision last = 0;
      while (!stop) {
        RangeOptions options;
        options.end = "pair0";
        const Result<RangeResult> pair = store.Range("pair", options);
        if (!pair.ok() || pair->kvs.size() == 1) ++torn;
        if (!pair.ok() || pair->revision < last) ++backwards;
        if (pair.ok()) last = pair->revision;
        if (pair.ok() && pair->kvs.size() == 2 && pair->kvs[0].value != pair->kvs[1].value) ++torn;
        ++reads;
      }
    });
  }
  Run(kWriters, [&](int t) {
    for (int i = 0; i < kWrites; ++i) {
      const std::string value = fmt::format("{}/{}", t, i);
      Transaction txn;
      txn.writes.push_back({.key = "pair.a", .value = value});
      txn.writes.push_back({.key = "pair.b", .value = value});
      if (!store.Commit(std::move(txn)).ok()) ++torn;
    }
  });
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(torn == 0);
  CHECK(backwards == 0);
  CHECK(reads > 0);
}

// The watch guarantees by name, with watchers that begin at any time while many write.
void WatchGuarantees(StoreHarness& harness) {
  Store& store = harness.store();
  std::atomic<int> errors{0};
  std::atomic<bool> done{false};
  std::vector<std::unique_ptr<StoreWatcher>> watchers;
  std::thread watching([&] {
    while (!done) {
      if (watchers.size() < 20) watchers.push_back(std::make_unique<StoreWatcher>(store, "", kNoEnd, 2));
      for (const auto& watcher : watchers) watcher->Poll();
    }
  });
  std::vector<std::map<Revision, int>> acknowledged(kWriters);  // by writer: revision, number of changes
  Run(kWriters, [&](int t) {
    for (int i = 0; i < kWrites; ++i) {
      Transaction txn;
      const int size = 1 + i % 3;
      for (int k = 0; k < size; ++k)
        txn.writes.push_back({.key = fmt::format("w{}/{}", t, k), .value = fmt::format("{}", i)});
      const Result<CommitResult> result = store.Commit(std::move(txn));
      if (!result.ok()) {
        ++errors;
      } else {
        acknowledged[static_cast<std::size_t>(t)][result->revision] = size;
      }
    }
  });
  done = true;
  watching.join();
  watchers.push_back(std::make_unique<StoreWatcher>(store, "", kNoEnd, 2));
  CHECK(errors == 0);

  const std::vector<std::string> history = Changes(store, 2);
  for (const auto& watcher : watchers) {
    REQUIRE(watcher->error().ok());
    const std::vector<Change>& seen = watcher->Poll();
    bool ordered = true;
    std::map<Revision, int> sizes;
    std::map<std::pair<Revision, std::string>, int> times;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      ordered = ordered && (i == 0 || seen[i - 1].kv.mod_revision <= seen[i].kv.mod_revision);
      ++sizes[seen[i].kv.mod_revision];
      ++times[{seen[i].kv.mod_revision, seen[i].kv.key}];
    }
    INFO("ordered: no change comes before one of a lower revision");
    CHECK(ordered);
    INFO("unique: no change comes twice");
    CHECK(times.size() == seen.size());
    INFO("reliable: no change is missing");
    CHECK(Lines(seen) == history);
    bool atomic = true;
    for (const auto& mine : acknowledged) {
      for (const auto& [revision, size] : mine) atomic = atomic && sizes[revision] == size;
    }
    INFO("atomic: all changes of a transaction come together");
    CHECK(atomic);
  }
}

// Writers that wait and writers that do not, with compaction and snapshots going on, end in one consistent state.
void MixedLoadStaysConsistent(StoreHarness& harness) {
  Store& store = harness.store();
  std::atomic<int> acknowledged{0}, errors{0};
  std::atomic<bool> stop{false};
  std::thread compacting([&] {
    while (!stop) {
      const StoreStatus status = store.status();
      const Revision target = (status.compact_revision + status.revision) / 2;
      if (!store.Compact(target).ok()) ++errors;
      const Result<Store::History> history = store.Replay("", kNoEnd, target + 1, 1000);
      if (!history.ok() && history.status().code() != Code::kExpired) ++errors;
      RangeOptions options;
      options.end = kNoEnd;
      if (!store.Range("", options).ok()) ++errors;
    }
  });
  Run(kWriters, [&](int t) {
    for (int i = 0; i < kWrites; ++i) {
      Transaction txn;
      txn.writes.push_back({.key = fmt::format("k{}/{}", t, i % 10), .value = fmt::format("{}", i)});
      if (t % 2 == 0) {
        if (store.Commit(std::move(txn)).ok()) ++acknowledged;
      } else {
        store.Commit(std::move(txn), [&](Result<CommitResult> result) {
          if (result.ok()) ++acknowledged;
        });
      }
    }
  });
  REQUIRE(harness.Settle([&] { return acknowledged == kWriters * kWrites; }));
  stop = true;
  compacting.join();
  CHECK(errors == 0);
  CHECK(store.revision() == 1 + kWriters * kWrites);
  RangeOptions options;
  options.end = kNoEnd;
  const RangeResult all = store.Range("", options).value();
  CHECK(all.count == kWriters * 10);
  for (const KeyValue& kv : all.kvs) {
    CHECK(kv.version == kWrites / 10);
    CHECK(std::stoi(kv.value) >= kWrites - 10);
  }
  const std::vector<std::string> before = Dump(store);
  if (harness.Reopen()) CHECK(Dump(harness.store()) == before);
}

// Snapshots taken while many write are each the state and the history at their revision, as the store itself has them.
void SnapshotsUnderLoadAreOneRevision(StoreHarness& harness) {
  Store& store = harness.store();
  std::atomic<bool> done{false};
  std::atomic<int> errors{0};
  std::vector<std::string> paths;
  std::vector<Revision> revisions;
  std::thread snapshots([&] {
    // At least three, however fast the writers are.
    for (int i = 0; i < 3 || (!done && i < 20); ++i) {
      paths.push_back(harness.TempPath(fmt::format("snapshot{}", i)));
      const Result<std::unique_ptr<SnapshotReader>> reader = store.admin()->Snapshot();
      const Result<SnapshotInfo> info = reader ? SaveSnapshot(**reader, paths.back()) : reader.status();
      errors += !info.ok();
      revisions.push_back(info ? info->revision : 0);
    }
  });
  Run(kWriters, [&](int t) {
    for (int i = 0; i < kWrites; ++i) {
      Transaction txn;
      for (int k = 0; k < 1 + i % 3; ++k) {
        const bool erase = (i + k) % 5 == 0;
        txn.writes.push_back({.key = fmt::format("k{}", (t + i + k) % 40),
                              .value = erase ? std::nullopt : std::optional(fmt::format("{}/{}", t, i))});
      }
      errors += !store.Commit(std::move(txn)).ok();
    }
  });
  done = true;
  snapshots.join();
  REQUIRE(errors == 0);
  const std::vector<std::string> changes = Changes(store, 1);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    CAPTURE(i, revisions[i]);
    const std::unique_ptr<Store> copy = harness.Restore(paths[i], {}).value();
    REQUIRE(copy->revision() == revisions[i]);
    std::vector<std::string> expected;
    for (const std::string& line : changes) {
      if (std::stoll(line) <= revisions[i]) expected.push_back(line);
    }
    CHECK(Changes(*copy, 1) == expected);
    RangeOptions all;
    all.end = kNoEnd;
    all.revision = revisions[i];
    const std::vector<KeyValue> original = store.Range("", all).value().kvs;
    const std::vector<KeyValue> copied = copy->Range("", all).value().kvs;
    REQUIRE(copied.size() == original.size());
    for (std::size_t k = 0; k < original.size(); ++k) {
      CHECK(std::tie(copied[k].key, copied[k].value, copied[k].create_revision, copied[k].mod_revision,
                     copied[k].version) == std::tie(original[k].key, original[k].value, original[k].create_revision,
                                                    original[k].mod_revision, original[k].version));
    }
    CHECK(copy->admin()->Examine(StoreAdmin::Depth::kVerify).value().problems.empty());
  }
}

constexpr StoreCase kConcurrent[] = {
    {"compare and set loses no update", CompareAndSetLosesNoUpdate},
    {"reads are isolated", ReadsAreIsolated},
    {"watch: ordered, unique, reliable, atomic", WatchGuarantees},
    {"mixed load stays consistent", MixedLoadStaysConsistent},
    {"snapshots under load are one revision", SnapshotsUnderLoadAreOneRevision},
};

}  // namespace

std::span<const StoreCase> ConcurrentStoreCases() { return kConcurrent; }

}  // namespace minikube::test
