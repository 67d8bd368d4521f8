// The bytes of a snapshot file, version 1 (docs/store.md, "Snapshots"): records of the on-disk format, in blocks that
// each have a checksum over everything up to their end.
//
//   "minikube-snapshot 1\n"
//   blocks: length of the payload (4 bytes, big-endian), checksum (4 bytes), payload
//     first:  revision, compacted revision (8 bytes each)
//     others: records, in the order of keys: varint length and bytes of the key, varint length and bytes of the value
//   a block of length 0, its checksum, and the number of records (8 bytes), which the checksum covers
//
// The checksum is CRC-32 (as in zlib), of the payload after all payloads before: a block that is missing or out of
// place is noticed like one that is damaged.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <minikube/status.h>
#include <minikube/store.h>
#include <minikube/store_tools.h>

namespace minikube::store {

class SnapshotEncoder {
 public:
  void Begin(Revision revision, Revision compact_revision, std::string& out);
  // Appends nothing until a block is full.
  void Add(std::string_view key, std::string_view value, std::string& out);
  void End(std::string& out);

 private:
  void EndBlock(std::string& out);
  std::string payload_;
  std::uint32_t checksum_ = 0;
  std::int64_t records_ = 0;
};

// Takes the bytes in any pieces. `record` is called for each record of a block whose checksum is right, in the order of
// keys and once for each, with views for the call; an error of its own ends the decoding.
class SnapshotDecoder {
 public:
  using Record = std::function<Status(std::string_view key, std::string_view value)>;
  explicit SnapshotDecoder(Record record) : record_(std::move(record)) {}

  // Errors: kInvalid, with the offset of what is wrong; those of `record`. Once it fails it goes on failing.
  Status Feed(std::string_view bytes);
  // After the last byte. Errors: kInvalid (it ends too early).
  Result<SnapshotInfo> Finish() const;
  // Known once the first block is in.
  const SnapshotInfo& info() const { return info_; }

 private:
  enum class Expect : std::uint8_t { kMagic, kHeader, kRecords, kCount, kNothing };
  // Takes one piece of the format from the front; false if it is not all there yet.
  Result<bool> Step(std::string_view& bytes);
  Status Block(std::string_view payload);
  Status Damaged(std::string_view what) const;

  const Record record_;
  std::string last_key_;
  std::string held_;  // what is not a whole piece yet
  std::uint64_t offset_ = 0;
  std::uint32_t checksum_ = 0;
  Expect expect_ = Expect::kMagic;
  SnapshotInfo info_;
  Status failed_;
};

}  // namespace minikube::store
