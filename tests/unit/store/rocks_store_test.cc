// What only a store on a disk can get wrong: other processes, foreign and damaged files, failing disks.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <catch2/catch.hpp>

#include <minikube/simulated_env.h>
#include <minikube/store.h>
#include <minikube/store_admin.h>

#include "conformance/store_suite_util.h"
#include "helpers/faulty_files.h"
#include "helpers/temp_dir.h"
#include "helpers/wait.h"
#include "store/revision_store.h"
#include "store/rocks_engine.h"

namespace minikube::test {
namespace {

using Catch::Contains;

struct Fixture {
  Fixture() { options.path = dir.path() + "/state/store"; }
  std::unique_ptr<Store> Open() { return OpenStore(options, env).value(); }
  Status Error() { return OpenStore(options, env).status(); }
  // The largest file whose name ends in `suffix`.
  std::string File(const std::string& suffix) {
    std::string largest;
    for (const auto& entry : std::filesystem::directory_iterator(options.path)) {
      const std::string path = entry.path().string();
      if (path.ends_with(suffix) && (largest.empty() || entry.file_size() > std::filesystem::file_size(largest))) {
        largest = path;
      }
    }
    REQUIRE_FALSE(largest.empty());
    return largest;
  }
  TempDir dir;
  SimulatedEnv env;
  StoreOptions options;
};

TEST_CASE("A directory has one store at a time") {
  Fixture f;
  std::unique_ptr<Store> store = f.Open();
  const Status second = f.Error();
  CHECK(second.code() == Code::kUnavailable);
  CHECK_THAT(second.message(), Contains(f.options.path + "/LOCK"));
  store->Stop();
  CHECK_FALSE(f.Error().ok());  // readers may still be there
  store.reset();
  CHECK(f.Error().ok());
}

TEST_CASE("A place that cannot be written to is named") {
  Fixture f;
  f.options.path = "/proc/minikube";
  const Status status = f.Error();
  CHECK(status.code() == Code::kUnavailable);
  CHECK_THAT(status.message(), Contains("/proc/minikube"));
}

TEST_CASE("Foreign databases and later formats are refused") {
  Fixture f;
  f.Open().reset();
  rocksdb::DB* raw = nullptr;
  REQUIRE(rocksdb::DB::Open({}, f.options.path, &raw).ok());
  std::unique_ptr<rocksdb::DB> db(raw);
  std::string format;
  REQUIRE(db->Get({}, "mformat", &format).ok());
  CHECK(format == "minikube-store 1");
  REQUIRE(db->Put({}, "mformat", "minikube-store 2").ok());
  db.reset();
  CHECK_THAT(f.Error().message(), Contains("minikube-store 2"));

  REQUIRE(rocksdb::DB::Open({}, f.options.path, &raw).ok());
  db.reset(raw);
  REQUIRE(db->Delete({}, "mformat").ok());
  REQUIRE(db->Put({}, "theirs", "data").ok());
  db.reset();
  CHECK(f.Error().code() == Code::kUnavailable);
  CHECK_THAT(f.Error().message(), Contains("not a store"));
}

TEST_CASE("A log that was cut or damaged before its end is noticed") {
  Fixture f;
  std::unique_ptr<Store> store = f.Open();
  for (int i = 0; i < 100; ++i) Put(*store, "k" + std::to_string(i), std::string(1000, 'v'));
  store.reset();
  const std::string log = f.File(".log");
  const auto size = std::filesystem::file_size(log);
  SECTION("cut") { std::filesystem::resize_file(log, size / 2); }
  SECTION("cut within the last record") { std::filesystem::resize_file(log, size - 1); }
  SECTION("damaged") {
    std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 2));
    file.put('!');
  }
  SECTION("gone") { std::filesystem::remove(log); }
  const Status status = f.Error();
  CHECK(status.code() == Code::kUnavailable);
  CHECK_THAT(status.message(), Contains(f.options.path));
  CHECK(f.Error().code() == Code::kUnavailable);  // looking does not make it worse
}

TEST_CASE("A damaged table file is an error that names it, not a wrong answer") {
  Fixture f;
  f.options.write_buffer_bytes = 64 << 10;
  std::unique_ptr<Store> store = f.Open();
  for (int i = 0; i < 500; ++i)
    Put(*store, "k" + std::to_string(i), std::string(1000, static_cast<char>('a' + i % 26)));
  store.reset();
  const std::string table = f.File(".sst");
  {
    std::fstream file(table, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5000);
    file << "not what was written";
  }
  store = f.Open();
  RangeOptions all;
  all.end = std::string(1, '\0');
  const Status status = store->Range("k", all).status();
  CHECK(status.code() == Code::kUnavailable);
  CHECK_THAT(status.message(), Contains(std::filesystem::path(table).filename().string()));
}

struct FaultyFixture : Fixture {
  FaultyFixture() : files(std::make_shared<FaultyFiles>(1)), rocks_env(NewFaultyEnv(files)) {
    options.write_buffer_bytes = 256 << 10;
    OpenFaulty();
  }
  void OpenFaulty() {
    store.reset();
    store::OpenedEngine opened = store::OpenRocksEngine(options, rocks_env.get()).value();
    store = std::make_unique<store::RevisionStore>(std::move(opened.engine), std::move(opened.state), options, env);
  }
  Result<CommitResult> TryPut(std::string key, std::size_t size = 1) {
    Transaction txn;
    txn.writes.push_back({.key = std::move(key), .value = std::string(size, 'v')});
    return store->Commit(std::move(txn));
  }
  std::shared_ptr<FaultyFiles> files;
  std::unique_ptr<rocksdb::Env> rocks_env;
  std::unique_ptr<Store> store;
};

TEST_CASE("A failed write or sync makes the store read-only and says why") {
  FaultyFixture f;
  const Revision before = Put(*f.store, "k", "v");
  const auto fault = GENERATE(FaultyFiles::Fault::kWriteError, FaultyFiles::Fault::kSyncError);
  f.files->Inject(fault, ".log");
  const Status status = f.TryPut("x").status();
  CHECK(status.code() == Code::kUnavailable);
  CHECK_THAT(status.message(), Contains(".log"));
  CHECK(f.store->status().failure.find(".log") != std::string::npos);
  CHECK(f.store->revision() == before);
  // A sync that failed once proves nothing when it succeeds the next time.
  f.files->Inject(FaultyFiles::Fault::kNone);
  CHECK(f.TryPut("x").status().code() == Code::kUnavailable);
  CHECK(f.store->Compact(before).code() == Code::kUnavailable);
  CHECK(f.store->GrantLease(std::chrono::seconds(1)).status().code() == Code::kUnavailable);
  CHECK(f.store->Get("k").value()->value == "v");
  f.OpenFaulty();
  CHECK(f.store->Get("k").value()->value == "v");
  CHECK(f.store->status().failure.empty());
  CHECK(f.TryPut("x").ok());
}

TEST_CASE("A disk that is nearly full takes deletions, but no puts") {
  FaultyFixture f;
  Put(*f.store, "k", "v");
  f.files->Inject(FaultyFiles::Fault::kLowSpace);
  CHECK(f.TryPut("x").status().code() == Code::kNoSpace);
  CHECK(f.store->status().disk_full);
  CHECK_FALSE(f.store->status().alarm);
  CHECK(f.store->status().failure.empty());
  CHECK(f.store->Get("k").value()->value == "v");
  CHECK(Delete(*f.store, "k") == 3);
  CHECK(f.store->Compact(3).ok());
  f.env.RunReady();
  f.files->Inject(FaultyFiles::Fault::kNone);
  CHECK(f.TryPut("x").value().revision == 4);
  CHECK_FALSE(f.store->status().disk_full);
}

TEST_CASE("A disk that is full refuses writes until there is space again") {
  FaultyFixture f;
  f.options.write_buffer_bytes = 16 << 20;  // no table is being written when the disk gets full
  f.OpenFaulty();
  Put(*f.store, "k", "v");
  Transaction erase;  // more than the log has room for
  for (char c = '0'; c < '0' + 64; ++c) {
    erase.writes.push_back({.key = std::string(16000, c)});
    Put(*f.store, erase.writes.back().key, "v");
  }
  const Revision before = f.store->revision();
  f.files->Inject(FaultyFiles::Fault::kNoSpace);
  CHECK(f.store->Commit(erase).status().code() == Code::kNoSpace);
  CHECK(f.TryPut("y").status().code() == Code::kNoSpace);
  CHECK_THAT(f.TryPut("y").status().message(), Contains("the disk is full"));
  CHECK(f.store->status().disk_full);
  CHECK(f.store->status().failure.empty());
  CHECK(f.store->Get("k").value()->value == "v");
  CHECK(f.store->revision() == before);
  CHECK(Delete(*f.store, "k") == before + 1);  // a small one: the log has some room ahead

  f.files->Inject(FaultyFiles::Fault::kNone);
  // RocksDB looks every few seconds whether there is space again.
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  Result<CommitResult> result = f.TryPut("z");
  while (!result.ok() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
    result = f.TryPut("z");
  }
  INFO(result.status().ToString());
  REQUIRE(result.ok());
  CHECK(result->revision == before + 2);
  CHECK_FALSE(f.store->status().disk_full);
  f.OpenFaulty();
  CHECK(Changes(*f.store, before + 1) ==
        std::vector<std::string>{fmt::format("{} delete k", before + 1), fmt::format("{} put z=v new", before + 2)});
}

TEST_CASE("A lease that was granted before a crash ends after it") {
  FaultyFixture f;
  const LeaseId lease = f.store->GrantLease(std::chrono::seconds(10)).value();
  const LeaseId longer = f.store->GrantLease(std::chrono::seconds(60)).value();
  Put(*f.store, "short", "v", lease);
  Put(*f.store, "long", "v", longer);
  f.env.RunFor(std::chrono::seconds(9));
  f.files->CrashAfter(1);
  CHECK_FALSE(f.TryPut("unacknowledged").ok());
  f.store.reset();
  f.files->Recover();
  f.OpenFaulty();
  f.env.RunFor(std::chrono::seconds(9));  // counted anew
  CHECK(f.store->Get("short").value());
  f.env.RunFor(std::chrono::seconds(2));
  CHECK_FALSE(f.store->Get("short").value());
  CHECK(f.store->KeepAlive(lease).code() == Code::kNotFound);
  CHECK(f.store->Get("long").value());
  // A crash in the middle of ending it, at every effect: it ends after the restart.
  for (int effect = 1; f.store->Get("long").value(); ++effect) {
    CAPTURE(effect);
    REQUIRE(effect < 100);
    f.files->CrashAfter(effect);
    f.env.RunFor(std::chrono::seconds(61));
    f.store.reset();
    if (f.files->crashed()) {
      f.files->Recover();
    } else {
      f.files->CrashAfter(0);
    }
    f.OpenFaulty();
  }
  CHECK(f.store->KeepAlive(longer).code() == Code::kNotFound);
  CHECK(f.store->admin()->Examine(StoreAdmin::Depth::kVerify).value().problems.empty());
}

}  // namespace
}  // namespace minikube::test
