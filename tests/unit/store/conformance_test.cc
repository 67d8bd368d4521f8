// The conformance suite on both implementations.
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <catch2/catch.hpp>

#include <minikube/simulated_env.h>
#include <minikube/store.h>

#include "conformance/store_suite.h"
#include "helpers/temp_dir.h"
#include "helpers/wait.h"

namespace minikube::test {
namespace {

enum class Kind : std::uint8_t { kRocks, kMemory };

class Harness : public StoreHarness {
 public:
  Harness(Kind kind, Env& env) : kind_(kind), env_(env) { OpenAnew(StoreOptions()); }

  Env& env() override { return env_; }
  Store& store() override { return *store_; }
  bool Reopen() override {
    if (kind_ == Kind::kMemory) return false;
    Open();
    return true;
  }
  void OpenAnew(StoreOptions options) override {
    options_ = std::move(options);
    options_.path = TempPath("store" + std::to_string(++opened_));
    Open();
  }
  Result<std::unique_ptr<Store>> Restore(const std::string& snapshot, const RestoreOptions& options) override {
    if (kind_ == Kind::kMemory) return RestoreMemoryStore(snapshot, env_, {}, options);
    StoreOptions at;
    at.path = TempPath("restored" + std::to_string(++opened_));
    const Result<SnapshotInfo> info = RestoreStore(snapshot, at, options);
    return info ? OpenStore(at, env_) : info.status();
  }
  std::string TempPath(std::string_view name) override { return dir_.path() + "/" + std::string(name); }

 private:
  void Open() {
    store_.reset();
    store_ = kind_ == Kind::kMemory ? NewMemoryStore(env_, options_) : OpenStore(options_, env_).value();
  }
  const Kind kind_;
  Env& env_;
  TempDir dir_;
  StoreOptions options_;
  int opened_ = 0;
  std::unique_ptr<Store> store_;
};

struct OwnEnv {
  SimulatedEnv fake;
};

class FakeHarness final : private OwnEnv, public Harness {
 public:
  explicit FakeHarness(Kind kind) : Harness(kind, fake) {}
  void Advance(Duration by) override { fake.RunFor(by); }
  bool Settle(const std::function<bool()>& reached) override {
    fake.RunReady();
    return reached();
  }
};

class RealHarness final : public Harness {
 public:
  RealHarness(Kind kind, Env& env) : Harness(kind, env) {}
  void Advance(Duration) override { FAIL("real time passes by itself"); }
  bool Settle(const std::function<bool()>& reached) override {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (!reached()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

void RunSequential(Kind kind) {
  for (const auto cases : {SequentialStoreCases(), OperationsStoreCases()}) {
    for (const StoreCase& item : cases) {
      DYNAMIC_SECTION(item.name) {
        FakeHarness harness(kind);
        item.run(harness);
      }
    }
  }
}

void RunConcurrent(Kind kind) {
  for (const StoreCase& item : ConcurrentStoreCases()) {
    DYNAMIC_SECTION(item.name) {
      const std::unique_ptr<Env> env = NewRealEnv(2);
      RealHarness harness(kind, *env);
      item.run(harness);
    }
  }
}

TEST_CASE("The RocksDB store conforms", "[conformance]") { RunSequential(Kind::kRocks); }
TEST_CASE("The in-memory store conforms", "[conformance]") { RunSequential(Kind::kMemory); }
TEST_CASE("The RocksDB store conforms under concurrency", "[conformance]") { RunConcurrent(Kind::kRocks); }
TEST_CASE("The in-memory store conforms under concurrency", "[conformance]") { RunConcurrent(Kind::kMemory); }

}  // namespace
}  // namespace minikube::test
