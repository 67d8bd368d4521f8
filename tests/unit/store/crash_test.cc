// The RocksDB store on a machine that stops at any effect and forgets, tears and reorders what was not synced.
#include <stdlib.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/simulated_env.h>
#include <minikube/store.h>
#include <minikube/store_admin.h>

#include "helpers/faulty_files.h"
#include "helpers/temp_dir.h"
#include "store/revision_store.h"
#include "store/rocks_engine.h"

namespace minikube::test {
namespace {

const std::string kNoEnd(1, '\0');

class Machine {
 public:
  Machine(std::uint64_t seed, std::string path)
      : random_(seed), env_(seed), files_(std::make_shared<FaultyFiles>(seed)), rocks_env_(NewFaultyEnv(files_)) {
    options_.path = std::move(path);
    options_.write_buffer_bytes = 64 << 10;
  }

  // One life: opens, checks, writes, and stops at a random effect or in good order.
  void Live() {
    files_->CrashAfter(1 + static_cast<int>(random_() % (random_() % 4 == 0 ? 30 : 400)));
    Status opened = Open();
    INFO(opened.ToString());
    if (opened.ok()) {
      Check();
      const int steps = static_cast<int>(random_() % 150);
      for (int i = 0; i < steps && !files_->crashed(); ++i) Step();
      env_.RunReady();
      store_.reset();
    } else {
      REQUIRE(files_->crashed());  // the only reason there may be
    }
    if (files_->crashed()) {
      ++crashes_;
      files_->Recover();
    } else {
      files_->CrashAfter(0);  // never
    }
  }
  int crashes() const { return crashes_; }
  Revision acknowledged() const { return acknowledged_; }

 private:
  using State = std::map<std::string, std::string>;

  Status Open() {
    Result<store::OpenedEngine> opened = store::OpenRocksEngine(options_, rocks_env_.get());
    if (!opened) return opened.status();
    store_ =
        std::make_unique<store::RevisionStore>(std::move(opened->engine), std::move(opened->state), options_, env_);
    return {};
  }

  // The states that were submitted, by revision: what was recovered must be one of them, and not older than what was
  // acknowledged.
  void Check() {
    const StoreStatus status = store_->status();
    CAPTURE(status.revision, acknowledged_, states_.size(), status.compact_revision);
    REQUIRE(status.revision >= acknowledged_);
    REQUIRE(status.revision < static_cast<Revision>(states_.size()));
    REQUIRE(status.compact_revision >= compact_acknowledged_);
    REQUIRE(status.compact_revision <= compact_submitted_);
    compact_acknowledged_ = compact_submitted_ = status.compact_revision;
    states_.resize(static_cast<std::size_t>(status.revision) + 1);
    acknowledged_ = status.revision;
    for (int i = 0; i < 4; ++i) {
      const Revision oldest = std::max<Revision>(1, status.compact_revision);
      const Revision at =
          i == 0 ? status.revision
                 : oldest + static_cast<Revision>(random_() % static_cast<std::uint64_t>(status.revision - oldest + 1));
      RangeOptions options;
      options.end = kNoEnd;
      options.revision = at;
      const Result<RangeResult> range = store_->Range("", options);
      if (files_->crashed()) return;
      REQUIRE(range.ok());
      State state;
      for (const KeyValue& kv : range->kvs) state[kv.key] = kv.value;
      REQUIRE(state == states_[static_cast<std::size_t>(at)]);
    }
    // Watching from the compacted revision leads from its state to the newest, one revision after the other.
    const Result<Store::History> history = store_->Replay("", kNoEnd, status.compact_revision + 1, 0);
    if (files_->crashed()) return;
    REQUIRE(history.ok());
    State state = states_[static_cast<std::size_t>(std::max<Revision>(1, status.compact_revision))];
    Revision last = std::max<Revision>(1, status.compact_revision);
    for (const Change& change : history->changes) {
      if (change.kv.mod_revision != last) {
        REQUIRE(change.kv.mod_revision == last + 1);
        REQUIRE(state == states_[static_cast<std::size_t>(last)]);
        last = change.kv.mod_revision;
      }
      if (change.type == Change::Type::kPut) {
        state[change.kv.key] = change.kv.value;
      } else {
        state.erase(change.kv.key);
      }
    }
    REQUIRE(last == status.revision);
    REQUIRE(state == states_.back());
    const Result<StoreReport> report = store_->admin()->Examine(StoreAdmin::Depth::kVerify);
    if (files_->crashed()) return;
    REQUIRE(report.ok());
    REQUIRE(report->problems == std::vector<std::string>());
    for (auto it = leases_.begin(); it != leases_.end();) {
      REQUIRE(store_->KeepAlive(*it).ok());
      ++it;
    }
  }

  void Step() {
    const unsigned kind = static_cast<unsigned>(random_() % 20);
    if (kind == 0) {
      const Revision now = store_->revision();
      const Revision target =
          compact_submitted_ +
          static_cast<Revision>(random_() % static_cast<std::uint64_t>(now - compact_submitted_ + 1));
      compact_submitted_ = std::max(compact_submitted_, target);
      if (store_->Compact(target).ok()) compact_acknowledged_ = target;
    } else if (kind == 1 && leases_.size() < 20) {
      if (const Result<LeaseId> lease = store_->GrantLease(std::chrono::hours(1)); lease.ok())
        leases_.push_back(*lease);
    } else if (kind < 5) {
      // Several that share a group, or at least a queue; when they are done others follow, so that groups overlap.
      const int count = 2 + static_cast<int>(random_() % 30);
      for (int i = 0; i < count; ++i) Submit(static_cast<int>(random_() % 3));
      env_.RunReady();
    } else {
      const auto revision = static_cast<Revision>(states_.size());
      Acknowledge(revision, store_->Commit(RandomTransaction()));
    }
    if (random_() % 8 == 0) env_.RunReady();  // what Compact left to do
  }

  void Submit(int followers) {
    const auto revision = static_cast<Revision>(states_.size());
    store_->Commit(RandomTransaction(), [this, revision, followers](Result<CommitResult> result) {
      Acknowledge(revision, result);
      if (result.ok() && followers > 0) Submit(followers - 1);
    });
  }

  void Acknowledge(Revision revision, const Result<CommitResult>& result) {
    if (!result.ok()) {
      if (!files_->crashed()) FAIL_CHECK(result.status().ToString());
      return;
    }
    if (result->revision != revision || acknowledged_ + 1 != revision) {
      FAIL_CHECK("revision " << result->revision << " instead of " << revision << " after " << acknowledged_);
    }
    acknowledged_ = revision;
  }

  // Changes something for sure, and so takes a revision.
  Transaction RandomTransaction() {
    State state = states_.back();
    Transaction txn;
    std::map<std::string, std::optional<std::string>> writes;
    writes[fmt::format("k{}", random_() % 20)] =
        fmt::format("{}{}", states_.size(), std::string(random_() % (random_() % 10 == 0 ? 5000 : 300), 'v'));
    for (unsigned i = 0; i < random_() % 3; ++i) writes.try_emplace(fmt::format("k{}", random_() % 20), std::nullopt);
    for (auto& [key, value] : writes) {
      if (value) {
        state[key] = *value;
      } else {
        state.erase(key);
      }
      txn.writes.push_back({.key = key, .value = value});
    }
    states_.push_back(std::move(state));
    return txn;
  }

  std::mt19937_64 random_;
  SimulatedEnv env_;
  std::shared_ptr<FaultyFiles> files_;
  std::unique_ptr<rocksdb::Env> rocks_env_;
  StoreOptions options_;
  std::unique_ptr<Store> store_;
  std::vector<State> states_{State(), State()};
  std::vector<LeaseId> leases_;
  Revision acknowledged_ = 1;
  Revision compact_acknowledged_ = 0;
  Revision compact_submitted_ = 0;
  int crashes_ = 0;
};

TEST_CASE("Nothing acknowledged is lost by a power failure", "[crash]") {
  const char* wanted = getenv("MINIKUBE_CRASHES");
  const int crashes = wanted != nullptr ? atoi(wanted) : 100;
  int done = 0;
  for (std::uint64_t seed = Catch::rngSeed(); done < crashes; ++seed) {
    CAPTURE(seed);
    TempDir dir;
    Machine machine(seed, dir.path() + "/store");
    for (int life = 0; life < 25; ++life) {
      CAPTURE(life);
      machine.Live();
    }
    CHECK(machine.acknowledged() > 1);
    done += machine.crashes();
  }
}

}  // namespace
}  // namespace minikube::test
