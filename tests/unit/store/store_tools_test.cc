// Snapshot files and stopped stores: damage, interruption, and what must be refused.
#include <minikube/simulated_env.h>
#include <minikube/store_tools.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <catch2/catch.hpp>

#include "conformance/store_suite_util.h"
#include "helpers/faulty_files.h"
#include "helpers/temp_dir.h"
#include "helpers/wait.h"
#include "store/format.h"
#include "store/rocks_offline.h"
#include "store/snapshot_codec.h"
#include "store/snapshot_file.h"

namespace minikube::test {
namespace {

using Catch::Contains;

namespace fs = std::filesystem;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

struct Fixture {
  Fixture() {
    options.path = dir.path() + "/state/store";
    snapshot = dir.path() + "/snapshot";
  }
  std::unique_ptr<Store> Open() { return OpenStore(options, env).value(); }
  // A store with some history, stopped, and a snapshot of it.
  void Make() {
    const std::unique_ptr<Store> store = Open();
    RandomHistory(*store, Catch::rngSeed(), 60, 20);
    dump = Dump(*store);
    revision = store->revision();
    REQUIRE(SaveSnapshot(*store->admin()->Snapshot().value(), snapshot).ok());
  }
  StoreOptions At(const std::string& name) const {
    StoreOptions out;
    out.path = dir.path() + "/" + name;
    return out;
  }
  Status RestoreTo(const std::string& name) const { return RestoreStore(snapshot, At(name)).status(); }
  // What a change behind the store's back leads to.
  std::vector<std::string> ProblemsAfter(const std::function<void(rocksdb::DB&)>& damage) {
    rocksdb::DB* raw = nullptr;
    REQUIRE(rocksdb::DB::Open({}, options.path, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    damage(*db);
    REQUIRE(db->Flush({}).ok());
    REQUIRE(db->Close().ok());
    return ExamineStore(options, StoreAdmin::Depth::kVerify).value().problems;
  }

  TempDir dir;
  SimulatedEnv env;
  StoreOptions options;
  std::string snapshot;
  std::vector<std::string> dump;
  Revision revision = 0;
};

// --- Snapshot files ---------------------------------------------------------------------------------------------

TEST_CASE("A snapshot is of either kind of store, for either kind") {
  Fixture f;
  f.Make();
  const std::unique_ptr<Store> memory = RestoreMemoryStore(f.snapshot, f.env).value();
  CHECK(Dump(*memory) == f.dump);
  const std::string again = f.dir.path() + "/again";
  REQUIRE(SaveSnapshot(*memory->admin()->Snapshot().value(), again).ok());
  REQUIRE(RestoreStore(again, f.At("b")).ok());
  const std::unique_ptr<Store> disk = OpenStore(f.At("b"), f.env).value();
  CHECK(Dump(*disk) == f.dump);
  CHECK(Put(*disk, "k", "v") == f.revision + 1);
}

TEST_CASE("A stopped store has the same snapshot as a running one") {
  Fixture f;
  f.Make();
  const std::string stopped = f.dir.path() + "/stopped";
  CHECK(SnapshotStore(f.options, stopped).value().revision == f.revision);
  REQUIRE(RestoreStore(stopped, f.At("b")).ok());
  CHECK(Dump(*OpenStore(f.At("b"), f.env).value()) == f.dump);
}

TEST_CASE("Every damaged byte and every cut of a snapshot is noticed") {
  Fixture f;
  {
    const std::unique_ptr<Store> store = f.Open();
    RandomHistory(*store, Catch::rngSeed(), 8, 0);
    REQUIRE(SaveSnapshot(*store->admin()->Snapshot().value(), f.snapshot).ok());
  }
  const std::string whole = ReadFile(f.snapshot);
  REQUIRE(whole.size() > 300);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    CAPTURE(i);
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << (i % 8)));
    WriteFile(f.snapshot, bytes);
    const Status damaged = CheckSnapshot(f.snapshot).status();
    REQUIRE(damaged.code() == Code::kInvalid);
    REQUIRE_THAT(damaged.message(), Contains(f.snapshot));
    WriteFile(f.snapshot, whole.substr(0, i));
    REQUIRE(CheckSnapshot(f.snapshot).status().code() == Code::kInvalid);
  }
  WriteFile(f.snapshot, whole + "x");
  CHECK(CheckSnapshot(f.snapshot).status().code() == Code::kInvalid);
  WriteFile(f.snapshot, whole + whole);
  CHECK(CheckSnapshot(f.snapshot).status().code() == Code::kInvalid);
  WriteFile(f.snapshot, whole);
  CHECK(CheckSnapshot(f.snapshot).ok());
}

TEST_CASE("A snapshot can be decoded from pieces of any size") {
  std::string bytes;
  store::SnapshotEncoder encoder;
  encoder.Begin(7, 3, bytes);
  for (int i = 0; i < 100; ++i)
    encoder.Add(std::to_string(100 + i), std::string(static_cast<std::size_t>(i) * 50, 'v'), bytes);
  encoder.End(bytes);
  for (const std::size_t piece : {1u, 7u, 100'000u}) {
    int records = 0;
    store::SnapshotDecoder decoder([&](std::string_view key, std::string_view value) {
      CHECK(key == std::to_string(100 + records));
      CHECK(value.size() == static_cast<std::size_t>(records) * 50);
      ++records;
      return Status();
    });
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      REQUIRE(decoder.Feed(std::string_view(bytes).substr(at, piece)).ok());
    }
    const SnapshotInfo info = decoder.Finish().value();
    CHECK(info.revision == 7);
    CHECK(info.compact_revision == 3);
    CHECK(records == 100);
  }
}

TEST_CASE("Records out of order are refused, though their checksums are right") {
  for (const char* second : {"b", "a"}) {
    std::string bytes;
    store::SnapshotEncoder encoder;
    encoder.Begin(1, 0, bytes);
    encoder.Add("b", "", bytes);
    encoder.Add(second, "", bytes);
    encoder.End(bytes);
    store::SnapshotDecoder decoder([](std::string_view, std::string_view) { return Status(); });
    CHECK(decoder.Feed(bytes).code() == Code::kInvalid);
  }
}

TEST_CASE("What is no snapshot, or a later one, is refused by name") {
  Fixture f;
  CHECK(CheckSnapshot(f.snapshot).status().code() == Code::kNotFound);
  WriteFile(f.snapshot, "minikube-snapshot 2\nand more");
  CHECK_THAT(CheckSnapshot(f.snapshot).status().message(), Contains("minikube-snapshot 1"));
  WriteFile(f.snapshot, "apiVersion: v1");
  CHECK_THAT(CheckSnapshot(f.snapshot).status().message(), Contains("not a snapshot"));
  WriteFile(f.snapshot, "");
  CHECK(CheckSnapshot(f.snapshot).status().code() == Code::kInvalid);
  CHECK(f.RestoreTo("b").code() == Code::kInvalid);
  CHECK_FALSE(fs::exists(f.At("b").path));
}

TEST_CASE("A snapshot file appears whole or not at all") {
  Fixture f;
  f.Make();
  const std::string bytes = ReadFile(f.snapshot);
  const std::string path = f.dir.path() + "/copy";
  WriteFile(path, "what was there");
  {
    const std::unique_ptr<SnapshotFile> file = NewSnapshotFile(path).value();
    CHECK(file->Append(bytes.substr(0, bytes.size() / 2)).ok());
    CHECK(file->Finish().status().code() == Code::kInvalid);
  }
  CHECK(ReadFile(path) == "what was there");
  CHECK_FALSE(fs::exists(path + ".new"));
  {
    const std::unique_ptr<SnapshotFile> file = NewSnapshotFile(path).value();
    CHECK(file->Append(bytes).ok());
    CHECK(file->Finish().ok());
  }
  CHECK(ReadFile(path) == bytes);
  CHECK_FALSE(fs::exists(path + ".new"));
  CHECK_THAT(NewSnapshotFile(f.dir.path() + "/no/such/dir").status().message(), Contains("/no/such/dir"));
}

// The machine stops at any effect of saving: then there is the old file, or the new one whole.
TEST_CASE("A crash while a snapshot is saved leaves the file before") {
  Fixture f;
  f.Make();
  const std::string bytes = ReadFile(f.snapshot);
  const std::string path = f.dir.path() + "/copy";
  bool finished = false;
  for (int effect = 1; !finished; ++effect) {
    CAPTURE(effect);
    REQUIRE(effect < 50);
    WriteFile(path, "before");
    const auto files = std::make_shared<FaultyFiles>(static_cast<std::uint64_t>(effect));
    const std::unique_ptr<rocksdb::Env> faulty = NewFaultyEnv(files);
    files->CrashAfter(effect);
    Status status;
    {
      Result<std::unique_ptr<SnapshotFile>> file = store::NewSnapshotFile(*faulty, path);
      status = file.status();
      if (status.ok()) status = (*file)->Append(bytes);
      if (status.ok()) status = (*file)->Finish().status();
    }
    finished = !files->crashed();
    if (files->crashed()) files->Recover();
    CHECK(status.ok() == finished);
    const std::string left = ReadFile(path);
    CHECK((left == bytes || (left == "before" && !finished)));
  }
}

// --- Restoring --------------------------------------------------------------------------------------------------

TEST_CASE("A restore overwrites nothing") {
  Fixture f;
  f.Make();
  CHECK(RestoreStore(f.snapshot, f.options).status().code() == Code::kAlreadyExists);
  CHECK(Dump(*f.Open()) == f.dump);
  fs::create_directories(f.At("c").path);
  WriteFile(f.At("c").path + "/something", "else");
  CHECK(f.RestoreTo("c").code() == Code::kAlreadyExists);
  CHECK(ReadFile(f.At("c").path + "/something") == "else");
  CHECK(fs::create_directories(f.At("empty").path));
  CHECK(f.RestoreTo("empty").ok());
  CHECK(Dump(*OpenStore(f.At("empty"), f.env).value()) == f.dump);
  const std::unique_ptr<Store> running = f.Open();
  CHECK(RestoreStore(f.snapshot, f.options).status().code() == Code::kAlreadyExists);
}

TEST_CASE("A restore of a damaged snapshot leaves nothing") {
  Fixture f;
  f.Make();
  std::string bytes = ReadFile(f.snapshot);
  SECTION("damaged") { bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] + 1); }
  SECTION("cut") { bytes.resize(bytes.size() - 1); }
  WriteFile(f.snapshot, bytes);
  const Status status = f.RestoreTo("b");
  CHECK(status.code() == Code::kInvalid);
  CHECK_THAT(status.message(), Contains(f.snapshot));
  CHECK_FALSE(fs::exists(f.At("b").path));
  CHECK_FALSE(fs::exists(f.At("b").path + ".restoring"));
  CHECK_FALSE(RestoreMemoryStore(f.snapshot, f.env).ok());
}

TEST_CASE("A restore that was cut off can be repeated, and two do not mix") {
  Fixture f;
  f.Make();
  const std::string staging = f.At("b").path + ".restoring";
  // As a restore leaves it that died: a database with part of the records.
  rocksdb::Options raw_options;
  raw_options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  REQUIRE(rocksdb::DB::Open(raw_options, staging, &raw).ok());
  std::unique_ptr<rocksdb::DB> db(raw);
  REQUIRE(db->Put({}, "dstale", "record").ok());
  REQUIRE(db->Flush({}).ok());
  // It still runs:
  CHECK(f.RestoreTo("b").code() == Code::kConflict);
  std::string value;
  CHECK(db->Get({}, "dstale", &value).ok());
  db.reset();
  CHECK_FALSE(fs::exists(f.At("b").path));
  CHECK(f.RestoreTo("b").ok());
  CHECK_FALSE(fs::exists(staging));
  CHECK(Dump(*OpenStore(f.At("b"), f.env).value()) == f.dump);
}

TEST_CASE("A disk that fails while restoring is told, and nothing is left") {
  Fixture f;
  f.Make();
  const auto files = std::make_shared<FaultyFiles>(1);
  const std::unique_ptr<rocksdb::Env> faulty = NewFaultyEnv(files);
  files->Inject(FaultyFiles::Fault::kNoSpace, ".sst");
  const Status status = store::Restore(f.snapshot, f.At("b"), {}, faulty.get()).status();
  CHECK(status.code() == Code::kNoSpace);
  CHECK_THAT(status.message(), Contains(f.At("b").path));
  CHECK_FALSE(fs::exists(f.At("b").path));
  CHECK(f.RestoreTo("b").ok());
}

TEST_CASE("Records that contradict one another are not restored") {
  Fixture f;
  std::string bytes;
  store::SnapshotEncoder encoder;
  encoder.Begin(2, 0, bytes);
  std::string key, header;
  store::AppendDataKey("k", 2, key);
  store::AppendDataHeader({false, 2, 1, 0, {}}, header);
  encoder.Add(key, header, bytes);
  encoder.Add(store::kFormatKey, store::FormatName(), bytes);  // and no log
  encoder.End(bytes);
  WriteFile(f.snapshot, bytes);
  CHECK(CheckSnapshot(f.snapshot).ok());
  CHECK(f.RestoreTo("b").code() == Code::kInvalid);
  CHECK_FALSE(fs::exists(f.At("b").path));
  CHECK(RestoreMemoryStore(f.snapshot, f.env).status().code() == Code::kInvalid);
}

// --- Stopped stores ---------------------------------------------------------------------------------------------

TEST_CASE("Whether a store is in use") {
  Fixture f;
  CHECK(StoreInUse(f.options.path).status().code() == Code::kNotFound);
  CHECK(ExamineStore(f.options, StoreAdmin::Depth::kCount).status().code() == Code::kNotFound);
  CHECK_FALSE(fs::exists(f.options.path));
  std::unique_ptr<Store> store = f.Open();
  Put(*store, "k", "v");
  CHECK(StoreInUse(f.options.path).value());
  CHECK(ExamineStore(f.options, StoreAdmin::Depth::kCount).status().code() == Code::kConflict);
  CHECK(SnapshotStore(f.options, f.snapshot).status().code() == Code::kConflict);
  CHECK(StoreInUse(f.options.path).value());  // asking has not unlocked it
  store.reset();
  CHECK_FALSE(StoreInUse(f.options.path).value());
}

TEST_CASE("Examining a stopped store changes nothing") {
  Fixture f;
  f.Make();
  std::vector<std::pair<std::string, std::string>> before, after;
  const auto look = [&](auto& into) {
    for (const auto& entry : fs::directory_iterator(f.options.path)) {
      into.emplace_back(entry.path().string(), ReadFile(entry.path().string()));
    }
    std::sort(into.begin(), into.end());
  };
  look(before);
  const StoreReport report = ExamineStore(f.options, StoreAdmin::Depth::kVerify).value();
  CHECK(report.problems.empty());
  CHECK(report.status.revision == f.revision);
  CHECK(report.usage.keys > 0);
  CHECK(report.status.disk_bytes > 0);
  look(after);
  CHECK(before == after);
}

TEST_CASE("A check names each damaged file") {
  Fixture f;
  f.options.write_buffer_bytes = 64 << 10;
  std::unique_ptr<Store> store = f.Open();
  std::vector<std::string> tables;
  const auto list = [&] {
    tables.clear();
    for (const auto& entry : fs::directory_iterator(f.options.path)) {
      if (entry.path().extension() == ".sst") tables.push_back(entry.path().string());
    }
    return tables.size();
  };
  // A few: not so many that RocksDB would make others of them meanwhile.
  int puts = 0;
  for (std::size_t wanted = 1; wanted <= 2; ++wanted) {
    for (int i = 0; i < 80; ++i) Put(*store, "k" + std::to_string(++puts), std::string(1000, 'v'));
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (list() < wanted && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  }
  store.reset();
  f.Open().reset();  // what was half written is gone, and written anew
  REQUIRE(list() >= 2);
  const bool live = GENERATE(false, true);
  if (live) store = f.Open();
  tables.resize(2);
  for (const std::string& table : tables) {
    std::fstream file(table, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5000);
    file << "not what was written";
  }
  const StoreReport report = live ? store->admin()->Examine(StoreAdmin::Depth::kVerify).value()
                                  : ExamineStore(f.options, StoreAdmin::Depth::kVerify).value();
  for (const std::string& table : tables) {
    CHECK(std::count_if(report.problems.begin(), report.problems.end(), [&](const std::string& problem) {
            return problem.starts_with(f.options.path) && problem.find(fs::path(table).filename()) != std::string::npos;
          }) >= 1);
  }
  if (live) return;
  fs::remove(tables[0]);
  CHECK_THAT(ExamineStore(f.options, StoreAdmin::Depth::kVerify).status().message(),
             Contains(fs::path(tables[0]).filename().string()));
}

TEST_CASE("A log that was cut is noticed without opening the store for writing") {
  Fixture f;
  {
    const std::unique_ptr<Store> store = f.Open();
    for (int i = 0; i < 50; ++i) Put(*store, "k" + std::to_string(i), std::string(1000, 'v'));
  }
  for (const auto& entry : fs::directory_iterator(f.options.path)) {
    if (entry.path().extension() == ".log") fs::resize_file(entry.path(), fs::file_size(entry.path()) / 2);
  }
  const Status status = ExamineStore(f.options, StoreAdmin::Depth::kVerify).status();
  CHECK(status.code() == Code::kUnavailable);
  CHECK_THAT(status.message(), Contains("WITNESS"));
}

TEST_CASE("A check finds what does not fit together") {
  Fixture f;
  {
    const std::unique_ptr<Store> store = f.Open();
    Put(*store, "a", "1");                                                       // 2
    Put(*store, "a", "2");                                                       // 3
    Put(*store, "b", "1", store->GrantLease(std::chrono::seconds(10)).value());  // 4
    Delete(*store, "a");                                                         // 5
    Put(*store, "a", "3");                                                       // 6
  }
  const auto data_key = [](const char* key, Revision revision) {
    std::string out;
    store::AppendDataKey(key, revision, out);
    return out;
  };
  const auto one = [&](const std::function<void(rocksdb::DB&)>& damage, const std::string& text) {
    const std::vector<std::string> problems = f.ProblemsAfter(damage);
    CAPTURE(problems);
    REQUIRE_FALSE(problems.empty());
    CHECK(std::any_of(problems.begin(), problems.end(),
                      [&](const std::string& problem) { return problem.find(text) != std::string::npos; }));
  };
  SECTION("nothing") {
    CHECK(f.ProblemsAfter([](rocksdb::DB&) {}).empty());
  }
  SECTION("a version is gone") {
    one([&](rocksdb::DB& db) { CHECK(db.Delete({}, data_key("a", 3)).ok()); }, "\"a\"");
  }
  SECTION("the newest version is gone") {
    one([&](rocksdb::DB& db) { CHECK(db.Delete({}, data_key("a", 6)).ok()); }, "revision 6");
  }
  SECTION("a version that the log does not know") {
    one([&](rocksdb::DB& db) { CHECK(db.Put({}, data_key("c", 4), std::string("\0\x04\x01\0v", 5)).ok()); },
        "versions");
  }
  SECTION("a version of the future") {
    one([&](rocksdb::DB& db) { CHECK(db.Put({}, data_key("c", 9), std::string("\0\x09\x01\0v", 5)).ok()); }, "\"c\"");
  }
  SECTION("a log entry is gone") {
    one([&](rocksdb::DB& db) { CHECK(db.Delete({}, store::LogKey(4)).ok()); }, "revisions 4 to 4");
  }
  SECTION("a record that is none") {
    one([&](rocksdb::DB& db) { CHECK(db.Put({}, data_key("a", 6), "\x07").ok()); }, "cannot be decoded");
  }
  SECTION("a key that is none") {
    one([&](rocksdb::DB& db) { CHECK(db.Put({}, "dx", "").ok()); }, "cannot be decoded");
  }
  SECTION("a record of an unknown kind") {
    one([&](rocksdb::DB& db) { CHECK(db.Put({}, "zz", "").ok()); }, "unknown record");
  }
  SECTION("a lease is gone") {
    one(
        [&](rocksdb::DB& db) {
          const std::unique_ptr<rocksdb::Iterator> it(db.NewIterator({}));
          it->Seek("e");
          REQUIRE(it->Valid());
          CHECK(db.Delete({}, it->key()).ok());
        },
        "\"b\"");
  }
  SECTION("an attachment is gone") {
    one(
        [&](rocksdb::DB& db) {
          const std::unique_ptr<rocksdb::Iterator> it(db.NewIterator({}));
          it->Seek("k");
          REQUIRE(it->Valid());
          CHECK(db.Delete({}, it->key()).ok());
        },
        "\"b\" has lease");
  }
}

TEST_CASE("A report as JSON") {
  Fixture f;
  f.Make();
  const StoreReport report = ExamineStore(f.options, StoreAdmin::Depth::kVerify).value();
  const std::string json = ToJson(report, true);
  CHECK_THAT(json, Contains("\"revision\": " + std::to_string(f.revision)));
  CHECK_THAT(json, Contains("\"format\": \"minikube-store 1\"") && Contains("\"problems\": []"));
  CHECK_THAT(ToJson(report, false), !Contains("problems"));
}

}  // namespace
}  // namespace minikube::test
