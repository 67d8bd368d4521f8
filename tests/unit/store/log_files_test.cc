// The log as RocksDB writes it, on a real disk: past the page cache, in blocks, into space allocated before.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <catch2/catch.hpp>

#include "helpers/faulty_files.h"
#include "helpers/temp_dir.h"
#include "store/log_files.h"
#include "store/log_medium.h"

namespace minikube::test {
namespace {

std::string Contents(const std::string& name) {
  std::ifstream in(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Logs {
  explicit Logs(store::LogMedia media, rocksdb::Env* env = rocksdb::Env::Default())
      : space(std::make_shared<store::LogSpace>()),
        env(store::NewLogFilesEnv(env, dir.path() + "/", media, space)),
        name(dir.path() + "/000007.log") {}
  std::unique_ptr<rocksdb::FSWritableFile> New() {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    const rocksdb::IOStatus status = env->GetFileSystem()->NewWritableFile(name, {}, &file, nullptr);
    INFO(status.ToString());
    REQUIRE(status.ok());
    return file;
  }
  TempDir dir;
  std::shared_ptr<store::LogSpace> space;
  std::unique_ptr<rocksdb::Env> env;
  std::string name;
};

TEST_CASE("A synced log holds what was appended, and zeros behind it; a closed one has its length") {
  Logs logs(GENERATE(store::LogMedia::kDirect, store::LogMedia::kThroughFileSystem));
  std::unique_ptr<rocksdb::FSWritableFile> file = logs.New();
  std::atomic<bool> done{false};
  std::thread preparer([&] {
    while (!done) logs.space->unprepared() ? logs.space->Prepare() : std::this_thread::yield();
  });
  std::mt19937 random(1);
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    // Of all sizes: within a block, over several, and just up to a block's end.
    const std::size_t size = i % 10 == 0 ? 4096 - expected.size() % 4096 : 1 + random() % (i % 7 == 0 ? 200000 : 900);
    std::string data(size, '\0');
    for (char& c : data) c = static_cast<char>(1 + random() % 255);
    if (i % 2 == 0) CHECK(logs.space->Reserve(size).ok());
    CHECK(file->Append(data, {}, nullptr).ok());
    expected += data;
    CHECK(file->GetFileSize({}, nullptr) == expected.size());
    if (i % 3 == 0) continue;  // several appends to a sync
    CHECK(file->Sync({}, nullptr).ok());
    if (i % 50 != 1) continue;
    const std::string found = Contents(logs.name);
    CHECK(found.size() >= expected.size());
    CHECK(found.substr(0, expected.size()) == expected);
    CHECK(found.find_first_not_of('\0', expected.size()) == std::string::npos);
  }
  CHECK(file->Close({}, nullptr).ok());
  done = true;
  preparer.join();
  CHECK(Contents(logs.name) == expected);
}

TEST_CASE("Other files, and logs of other directories, are files as ever") {
  Logs logs(store::LogMedia::kDirect);
  const std::string elsewhere = logs.dir.path() + "/copy/000007.log";
  std::filesystem::create_directory(logs.dir.path() + "/copy");
  for (const std::string& name : {logs.dir.path() + "/000008.sst", elsewhere}) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    REQUIRE(logs.env->GetFileSystem()->NewWritableFile(name, {}, &file, nullptr).ok());
    REQUIRE(file->Append("data", {}, nullptr).ok());
    REQUIRE(file->Flush({}, nullptr).ok());
    CHECK(Contents(name) == "data");
  }
}

TEST_CASE("Space that was reserved is there, even in a log begun later; what is not there is told before") {
  const auto files = std::make_shared<FaultyFiles>(1);
  const std::unique_ptr<rocksdb::Env> env = NewFaultyEnv(files);
  Logs logs(store::LogMedia::kThroughFileSystem, env.get());
  std::unique_ptr<rocksdb::FSWritableFile> first = logs.New();
  REQUIRE(logs.space->Reserve(500000).ok());
  logs.name = logs.dir.path() + "/000008.log";
  std::unique_ptr<rocksdb::FSWritableFile> file = logs.New();
  files->Inject(FaultyFiles::Fault::kNoSpace);
  CHECK(logs.space->Reserve(2000000).IsNoSpace());
  REQUIRE(file->Append(std::string(500000, 'v'), {}, nullptr).ok());
  CHECK(file->Sync({}, nullptr).ok());
  CHECK(Contents(logs.name).substr(0, 500000) == std::string(500000, 'v'));
}

TEST_CASE("A sync that failed is not tried again") {
  const auto files = std::make_shared<FaultyFiles>(1);
  const std::unique_ptr<rocksdb::Env> env = NewFaultyEnv(files);
  Logs logs(store::LogMedia::kThroughFileSystem, env.get());
  std::unique_ptr<rocksdb::FSWritableFile> file = logs.New();
  REQUIRE(file->Append("data", {}, nullptr).ok());
  files->Inject(FaultyFiles::Fault::kSyncError);
  CHECK_FALSE(file->Sync({}, nullptr).ok());
  files->Inject(FaultyFiles::Fault::kNone);
  CHECK_FALSE(file->Sync({}, nullptr).ok());
}

}  // namespace
}  // namespace minikube::test
