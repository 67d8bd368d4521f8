// StoreAdmin: what people who look after a store do with it, while it is in use: back it up, see what it holds and
// whether that is sound, give space back. Not every Store has one: one that is a service elsewhere is looked after
// there.
//
// Thread safety: every member, any thread; each but WriteMetrics and Disarm may take long. Lifetime: its Store's.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <minikube/metrics.h>
#include <minikube/status.h>
#include <minikube/store.h>

namespace minikube {

// What a store holds, counted by reading all of it.
struct StoreUsage {
  std::int64_t keys = 0;            // that exist now
  std::uint64_t bytes = 0;          // of these: keys and newest values
  std::int64_t history = 0;         // older versions and deletions, for reads of the past and for watches
  std::uint64_t history_bytes = 0;  // the same of those
  std::int64_t leases = 0;
};

struct StoreReport {
  StoreStatus status;  // as of the revision that was read
  StoreUsage usage;
  std::vector<std::string> problems;  // what does not fit together, each with the file or key; at most 100
};

// A snapshot as a stream of bytes: everything the store holds at one revision, history and leases included, with
// checksums (docs/store.md, "Snapshots"). It does not see later writes and holds up nobody; meanwhile what it reads
// stays on disk. Thread safety: none. The store outlives it.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  virtual Revision revision() const = 0;
  // Appends the next bytes, about 64 KiB or one value; nothing at the end. Errors: kUnavailable naming the file.
  virtual Status Read(std::string& out) = 0;
};

class StoreAdmin {
 public:
  virtual ~StoreAdmin() = default;

  // A snapshot as of now; online. Waits until that is durable. Errors: kUnavailable.
  virtual Result<std::unique_ptr<SnapshotReader>> Snapshot() = 0;
  // Reads everything as of now; online. kCount: status and usage. kVerify: also every file's checksums, and each record
  // against the others; problems are in the report. Errors: kUnavailable (cannot be read on), kCancelled (`stop`).
  enum class Depth : std::uint8_t { kCount, kVerify };
  virtual Result<StoreReport> Examine(Depth depth, std::stop_token stop = {}) const = 0;
  virtual void WriteMetrics(MetricsText& out) const = 0;
  // Waits until what Compact made unreadable is removed, and gives the space back to the file system.
  virtual Status Reclaim() = 0;
  // Ends the alarm, though space may not suffice: then the next put raises it again.
  virtual Status Disarm() = 0;
};

}  // namespace minikube
