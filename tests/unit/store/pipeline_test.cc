// The committer between appending and syncing: what is not durable yet is nobody's business.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include <minikube/simulated_env.h>
#include <minikube/store.h>
#include <minikube/store_admin.h>

#include "conformance/store_suite_util.h"
#include "store/memory_engine.h"
#include "store/revision_store.h"

namespace minikube::test {
namespace {

// The engine in memory, with a word before each sync.
class WatchedEngine final : public store::Engine {
 public:
  struct Hooks {
    std::function<Status()> sync = [] { return Status(); };
    int appends = 0;
    int syncs = 0;
  };
  explicit WatchedEngine(std::shared_ptr<Hooks> hooks) : hooks_(std::move(hooks)), engine_(store::NewMemoryEngine()) {}

  Result<store::VersionInfo> Find(std::string_view key) override { return engine_->Find(key); }
  store::AppendOutcome Append(const store::PreparedGroup& group, Status& status) override {
    ++hooks_->appends;
    return engine_->Append(group, status);
  }
  Status Sync() override {
    ++hooks_->syncs;
    return hooks_->sync();
  }
  Result<std::vector<std::string>> Attached(LeaseId lease, std::size_t limit) override {
    return engine_->Attached(lease, limit);
  }
  Result<RangeResult> Range(std::string_view key, const RangeOptions& options, Revision revision) const override {
    return engine_->Range(key, options, revision);
  }
  Result<Store::History> Replay(std::string_view key, std::string_view end, Revision start, Revision last,
                                std::size_t limit) const override {
    return engine_->Replay(key, end, start, last, limit);
  }
  Status Collect(Revision compact, std::atomic<bool>& stop) override { return engine_->Collect(compact, stop); }
  Status Shrink(bool needed, std::atomic<bool>& stop) override { return engine_->Shrink(needed, stop); }
  std::uint64_t DiskBytes() const override { return engine_->DiskBytes(); }
  bool HasSpace() const override { return engine_->HasSpace(); }
  Result<std::unique_ptr<store::EngineImage>> Image() const override { return engine_->Image(); }
  void Close() override { engine_->Close(); }

 private:
  const std::shared_ptr<Hooks> hooks_;
  const std::unique_ptr<store::Engine> engine_;
};

struct Fixture {
  Fixture()
      : hooks(std::make_shared<WatchedEngine::Hooks>()),
        store(std::make_unique<WatchedEngine>(hooks), store::EngineState(), StoreOptions(), env) {
    subscription = store.bus().Subscribe(1000, [this] {
      bool lost = false;
      for (const auto& batch : subscription.Drain(lost)) published += batch->size();
    });
  }
  ~Fixture() {
    hooks->sync = [] { return Status(); };
  }

  // Queues a put; `then` is called when it is done.
  void Submit(const std::string& key, std::function<void()> then = nullptr) {
    Transaction txn;
    txn.writes.push_back({.key = key, .value = "v"});
    store.Commit(std::move(txn), [this, then](Result<CommitResult> result) {
      results.push_back(std::move(result));
      if (then) then();
    });
  }

  SimulatedEnv env;
  std::shared_ptr<WatchedEngine::Hooks> hooks;
  store::RevisionStore store;
  EventBus<Change>::Subscription subscription;
  std::size_t published = 0;
  std::vector<Result<CommitResult>> results;
};

TEST_CASE("What is not synced is neither readable nor published nor acknowledged") {
  Fixture f;
  f.hooks->sync = [&] {
    CHECK(f.hooks->appends == 1);
    CHECK(f.store.revision() == 1);
    CHECK_FALSE(f.store.Get("k").value());
    CHECK(f.store.Replay("k", "", 2, 0).value().changes.empty());
    CHECK(f.published == 0);
    CHECK(f.results.empty());
    CHECK_FALSE(f.store.admin()->Snapshot().ok());  // it would have to wait, which here nobody can
    return Status();
  };
  f.Submit("k");
  f.env.RunReady();
  CHECK(f.hooks->syncs == 1);
  f.hooks->sync = [] { return Status(); };
  CHECK(f.store.admin()->Snapshot().value()->revision() == 2);
  CHECK(f.hooks->syncs == 2);
  CHECK(f.store.revision() == 2);
  CHECK(f.store.Get("k").value());
  CHECK(f.published == 1);
  REQUIRE(f.results.size() == 1);
  CHECK(f.results[0]->revision == 2);
}

TEST_CASE("An answer that rests on what is not synced waits for the sync") {
  Fixture f;
  f.hooks->sync = [&] {
    CHECK(f.results.empty());
    return Status(Code::kUnavailable, "the disk is gone");
  };
  f.Submit("k");
  Transaction loser;
  loser.compares.push_back({"k", 0});
  loser.writes.push_back({.key = "k", .value = "v"});
  f.store.Commit(std::move(loser), [&](Result<CommitResult> result) { f.results.push_back(std::move(result)); });
  f.env.RunReady();
  REQUIRE(f.results.size() == 2);
  // That the comparison fails cannot be told by a store that does not know whether `k` is there.
  for (const auto& result : f.results) CHECK(result.status().code() == Code::kUnavailable);
}

TEST_CASE("While callbacks run, what they submit is appended and synced, in order") {
  Fixture f;
  constexpr int kWriters = 40;
  std::vector<Revision> synced_at;
  f.hooks->sync = [&] {
    synced_at.push_back(static_cast<Revision>(f.results.size()));
    return Status();
  };
  for (int w = 0; w < kWriters; ++w) {
    f.Submit("a" + std::to_string(w), [&f, w] { f.Submit("b" + std::to_string(w)); });
  }
  f.env.RunReady();
  REQUIRE(f.results.size() == 2 * kWriters);
  for (std::size_t i = 0; i < f.results.size(); ++i) {
    REQUIRE(f.results[i].ok());
    CHECK(f.results[i]->revision == static_cast<Revision>(i) + 2);
  }
  CHECK(f.published == 2 * kWriters);
  CHECK(f.store.revision() == 2 * kWriters + 1);
  CHECK(f.hooks->appends > 2);  // not one for the first ones and one for those they submitted
}

TEST_CASE("After a failed sync nothing is appended, and all that was fails") {
  Fixture f;
  int followers = 0;
  f.hooks->sync = [&] {
    if (f.hooks->syncs == 1) return Status();
    return Status(Code::kUnavailable, "the disk is gone");
  };
  for (int w = 0; w < 40; ++w) {
    f.Submit("a" + std::to_string(w), [&f, &followers, w] {
      if (++followers <= 40) f.Submit("b" + std::to_string(w));
    });
  }
  f.env.RunReady();
  REQUIRE(f.results.size() == 80);
  for (std::size_t i = 0; i < 80; ++i) CHECK(f.results[i].ok() == (i < 40));
  CHECK(f.store.revision() == 41);
  CHECK(f.published == 40);
  CHECK(f.hooks->syncs == 2);
  CHECK(f.store.status().failure == "the disk is gone");
  const int appends = f.hooks->appends;
  f.Submit("c");
  f.env.RunReady();
  CHECK_FALSE(f.results.back().ok());
  CHECK(f.hooks->appends == appends);
  CHECK(f.hooks->syncs == 2);
}

TEST_CASE("A lease's end waits for the writes before it, and takes them along") {
  Fixture f;
  LeaseId lease = 0;
  lease = f.store.GrantLease(std::chrono::hours(1)).value();
  for (int w = 0; w < 20; ++w) {
    Transaction txn;
    txn.writes.push_back({.key = "k" + std::to_string(w), .value = "v", .lease = lease});
    f.store.Commit(std::move(txn), [&](Result<CommitResult> result) { f.results.push_back(std::move(result)); });
  }
  CHECK(f.store.RevokeLease(lease).ok());
  REQUIRE(f.results.size() == 20);
  RangeOptions all;
  all.end = PrefixEnd("k");
  CHECK(f.store.Range("k", all).value().count == 0);
  CHECK(f.published == 40);
}

}  // namespace
}  // namespace minikube::test
