// Disk: what outlives the API server. Each life opens an engine on it; at the end of a life that is a crash, any part
// of what was appended and not synced is lost, from the end.
//
// The engine that it gives out stands in front of a real one: it decides where a crash or a disk fault hits, and
// misbehaves where a planted bug says so. One life at a time; single-threaded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "simulation/bugs.h"
#include "store/rocks_engine.h"

namespace minikube::simulation {

// What goes wrong with one Append or Sync. After a crash nothing more is written in this life.
enum class DiskFault : std::uint8_t {
  kNone,
  kCrash,       // the machine stops before it
  kCrashAfter,  // the machine stops after it, before anybody hears of it
  kNoSpace,     // an append is refused, nothing is written
  kFails,       // an error: the store is read-only from now on
};

class Disk {
 public:
  virtual ~Disk() = default;
  // Begins a life. `fault` is asked before each Append (true) and Sync (false).
  virtual Result<store::OpenedEngine> Open(std::function<DiskFault(bool append)> fault) = 0;
  // The machine stops now: from here on this life's engine writes nothing more.
  virtual void Crash() = 0;
  // What the crash has left is put in order. The engine of the last life is gone.
  virtual void Recover() = 0;
};

// In memory, fast. With `bug` the engine breaks a promise of the store.
std::unique_ptr<Disk> NewMemoryDisk(std::uint64_t seed, Bug bug);
// RocksDB on files in `directory` that forget, tear and reorder what was not synced. Its own threads make it
// repeatable only as far as what it answers.
std::unique_ptr<Disk> NewRocksDisk(std::uint64_t seed, std::string directory);

}  // namespace minikube::simulation
