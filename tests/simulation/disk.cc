#include "simulation/disk.h"

#include <random>
#include <utility>
#include <vector>

#include "helpers/faulty_files.h"
#include "store/memory_engine.h"

namespace minikube::simulation {
namespace {

using store::AppendOutcome;
using store::Engine;
using store::EngineState;
using store::PreparedGroup;

// A copy of a group, to apply again.
struct StoredGroup {
  explicit StoredGroup(const PreparedGroup& source) : prepared(source) {
    texts.reserve(2 * source.writes.size());
    for (store::PreparedWrite& write : prepared.writes) {
      write.key = texts.emplace_back(write.key);
      if (write.value != nullptr) write.value = &texts.emplace_back(*write.value);
    }
  }
  std::vector<std::string> texts;  // what `prepared` borrows; never grows, so that it never moves
  PreparedGroup prepared;
};

// What of an engine's state changes with a group.
void Advance(EngineState& state, const PreparedGroup& group) {
  if (!group.writes.empty()) state.revision = group.writes.back().revision;
  if (group.compact != 0) state.compact_revision = group.compact;
  if (group.alarm) state.alarm = *group.alarm;
  for (const store::Lease& lease : group.granted) state.leases.push_back(lease);
  for (const LeaseId ended : group.ended) {
    std::erase_if(state.leases, [ended](const store::Lease& lease) { return lease.id == ended; });
  }
}

// Shared by a disk and the engines of its lives.
struct Life {
  bool over = false;
};

// What stands in front of the real engine in every life.
class Front : public Engine {
 public:
  using AskFault = std::function<DiskFault(bool append)>;
  Front(Engine& inner, std::shared_ptr<Life> life, AskFault fault, Bug bug)
      : inner_(inner), life_(std::move(life)), fault_(std::move(fault)), bug_(bug) {}

  Result<store::VersionInfo> Find(std::string_view key) override { return inner_.Find(key); }
  AppendOutcome Append(const PreparedGroup& group, Status& status) override {
    const DiskFault fault = life_->over ? DiskFault::kFails : fault_(true);
    if (fault == DiskFault::kNone) return DoAppend(group, status);
    if (fault == DiskFault::kCrash) AppendInCrash(group, status);
    if (fault == DiskFault::kCrashAfter) (void)DoAppend(group, status);
    status = Failure(fault);
    return fault == DiskFault::kNoSpace ? AppendOutcome::kNoSpace : AppendOutcome::kBroken;
  }
  Status Sync() override {
    const DiskFault fault = life_->over ? DiskFault::kFails : fault_(false);
    if (fault == DiskFault::kNone) return DoSync();
    if (fault == DiskFault::kCrashAfter) (void)DoSync();
    return Failure(fault);
  }
  Result<std::vector<std::string>> Attached(LeaseId lease, std::size_t limit) override {
    return inner_.Attached(lease, limit);
  }
  Result<RangeResult> Range(std::string_view key, const RangeOptions& options, Revision revision) const override {
    Result<RangeResult> out = inner_.Range(key, options, revision);
    if (bug_ == Bug::kReadMissesKey && out && key == "/registry/pods/" && out->kvs.size() > 2) {
      out->kvs.erase(out->kvs.begin() + 1);
    }
    return out;
  }
  Result<Store::History> Replay(std::string_view key, std::string_view end, Revision start, Revision last,
                                std::size_t limit) const override {
    Result<Store::History> out = inner_.Replay(key, end, start, last, limit);
    if (bug_ == Bug::kHistorySkips && out && out->changes.size() > 1) out->changes.erase(out->changes.begin());
    return out;
  }
  Status Collect(Revision compact, std::atomic<bool>& stop) override {
    return inner_.Collect(bug_ == Bug::kCollectsTooMuch ? compact + 40 : compact, stop);
  }
  Status Shrink(bool needed, std::atomic<bool>& stop) override { return inner_.Shrink(needed, stop); }
  std::uint64_t DiskBytes() const override { return inner_.DiskBytes(); }
  bool HasSpace() const override { return inner_.HasSpace(); }
  Result<std::unique_ptr<store::EngineImage>> Image() const override { return inner_.Image(); }
  void Close() override {}

 protected:
  virtual AppendOutcome DoAppend(const PreparedGroup& group, Status& status) { return inner_.Append(group, status); }
  virtual Status DoSync() { return inner_.Sync(); }
  // The machine stops in the middle of it.
  virtual void AppendInCrash(const PreparedGroup&, Status&) {}

 private:
  static Status Failure(DiskFault fault) {
    return {Code::kUnavailable, fault == DiskFault::kNoSpace ? "no space left on device"
                                : fault == DiskFault::kFails ? "input/output error"
                                                             : "the machine is off"};
  }

  Engine& inner_;
  const std::shared_ptr<Life> life_;
  const AskFault fault_;
  const Bug bug_;
};

class MemoryDisk final : public Disk {
 public:
  MemoryDisk(std::uint64_t seed, Bug bug) : random_(seed), bug_(bug) {}

  Result<store::OpenedEngine> Open(std::function<DiskFault(bool)> fault) override {
    life_ = std::make_shared<Life>();
    store::OpenedEngine out;
    out.state = state_;
    if (bug_ == Bug::kSkipsRevisions && state_.revision > 1) out.state.revision += 5;
    out.engine = std::make_unique<MemoryFront>(*this, *image_, life_, std::move(fault), bug_);
    return out;
  }
  void Crash() override { life_->over = true; }

  void Recover() override {
    const std::size_t unsynced = log_.size() - synced_;
    const std::size_t lost = unsynced == 0 ? 0 : random_() % (unsynced + 1);
    synced_ = log_.size() - lost;
    if (lost == 0) return;
    log_.resize(synced_);
    image_ = store::NewMemoryEngine();
    state_ = {};
    for (const auto& group : log_) {
      Status status;
      (void)image_->Append(group->prepared, status);
      Advance(state_, group->prepared);
    }
  }

 private:
  class MemoryFront final : public Front {
   public:
    MemoryFront(MemoryDisk& disk, Engine& inner, std::shared_ptr<Life> life, AskFault fault, Bug bug)
        : Front(inner, std::move(life), std::move(fault), bug), disk_(disk) {}
    AppendOutcome DoAppend(const PreparedGroup& group, Status& status) override {
      disk_.log_.push_back(std::make_unique<StoredGroup>(group));
      Advance(disk_.state_, group);
      return Front::DoAppend(group, status);
    }
    Status DoSync() override {
      disk_.Sync();
      return {};
    }

   private:
    MemoryDisk& disk_;
  };

  void Sync() {
    // With the bug it only says so, mostly.
    if (bug_ != Bug::kAcknowledgesUnsynced || random_() % 8 == 0) synced_ = log_.size();
  }

  std::mt19937_64 random_;
  const Bug bug_;
  std::unique_ptr<Engine> image_ = store::NewMemoryEngine();  // of the whole log
  EngineState state_;                                         // likewise
  std::shared_ptr<Life> life_;
  std::vector<std::unique_ptr<StoredGroup>> log_;
  std::size_t synced_ = 0;  // groups, from the first
};

class RocksDisk final : public Disk {
 public:
  RocksDisk(std::uint64_t seed, std::string directory)
      : random_(seed), files_(std::make_shared<test::FaultyFiles>(seed)), env_(test::NewFaultyEnv(files_)) {
    options_.path = std::move(directory);
    options_.write_buffer_bytes = 256u << 10;
  }

  Result<store::OpenedEngine> Open(std::function<DiskFault(bool)> fault) override {
    Result<store::OpenedEngine> opened = store::OpenRocksEngine(options_, env_.get());
    if (!opened) return opened;
    life_ = std::make_shared<Life>();
    store::OpenedEngine out;
    out.state = std::move(opened->state);
    out.engine = std::make_unique<RocksFront>(*this, std::move(opened->engine), life_, std::move(fault));
    return out;
  }
  void Crash() override {
    if (life_ != nullptr) life_->over = true;
    if (!files_->crashed()) files_->CrashAfter(1);
  }
  void Recover() override {
    if (files_->crashed()) {
      files_->Recover();
    } else {
      files_->CrashAfter(0);  // never: closing had nothing to write
    }
  }

 private:
  class RocksFront final : public Front {
   public:
    RocksFront(RocksDisk& disk, std::unique_ptr<Engine> inner, std::shared_ptr<Life> life, AskFault fault)
        : Front(*inner, std::move(life), std::move(fault), Bug::kNone), disk_(disk), inner_(std::move(inner)) {}
    void Close() override { inner_->Close(); }
    void AppendInCrash(const PreparedGroup& group, Status& status) override {
      disk_.files_->CrashAfter(1 + static_cast<int>(disk_.random_() % 3));
      (void)inner_->Append(group, status);
    }

   private:
    RocksDisk& disk_;
    const std::unique_ptr<Engine> inner_;
  };

  std::mt19937_64 random_;
  const std::shared_ptr<test::FaultyFiles> files_;
  const std::unique_ptr<rocksdb::Env> env_;
  StoreOptions options_;
  std::shared_ptr<Life> life_;
};

}  // namespace

std::unique_ptr<Disk> NewMemoryDisk(std::uint64_t seed, Bug bug) { return std::make_unique<MemoryDisk>(seed, bug); }
std::unique_ptr<Disk> NewRocksDisk(std::uint64_t seed, std::string directory) {
  return std::make_unique<RocksDisk>(seed, std::move(directory));
}

}  // namespace minikube::simulation
