#include "store/snapshot_codec.h"

#include <algorithm>

#include <fmt/format.h>
#include <zlib.h>

#include "store/format.h"

namespace minikube::store {
namespace {

constexpr std::string_view kMagic = "minikube-snapshot 1\n";
constexpr std::string_view kMagicName = "minikube-snapshot ";
constexpr std::size_t kBlockBytes = 64u << 10;  // a block ends with the record that reaches it
// A length beyond the largest record is damage, and must not ask for any amount of memory.
constexpr std::uint32_t kMaxBlockBytes = kBlockBytes + kMaxKeyBytes + kLargestValueBytes + 64;
constexpr std::size_t kFrameBytes = 8;

void AppendWord(std::uint32_t value, std::string& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xff));
}

std::uint32_t ReadWord(std::string_view bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return value;
}

std::uint32_t Checksum(std::uint32_t before, std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32(before, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

}  // namespace

void SnapshotEncoder::Begin(Revision revision, Revision compact_revision, std::string& out) {
  out += kMagic;
  AppendRevision(revision, payload_);
  AppendRevision(compact_revision, payload_);
  EndBlock(out);
}

void SnapshotEncoder::Add(std::string_view key, std::string_view value, std::string& out) {
  AppendBytes(key, payload_);
  AppendBytes(value, payload_);
  ++records_;
  if (payload_.size() >= kBlockBytes) EndBlock(out);
}

void SnapshotEncoder::EndBlock(std::string& out) {
  checksum_ = Checksum(checksum_, payload_);
  AppendWord(static_cast<std::uint32_t>(payload_.size()), out);
  AppendWord(checksum_, out);
  out += payload_;
  payload_.clear();
}

void SnapshotEncoder::End(std::string& out) {
  if (!payload_.empty()) EndBlock(out);
  std::string count;
  AppendRevision(records_, count);
  AppendWord(0, out);
  AppendWord(Checksum(checksum_, count), out);
  out += count;
}

Status SnapshotDecoder::Damaged(std::string_view what) const {
  return {Code::kInvalid, fmt::format("damaged at byte {}: {}", offset_, what)};
}

Status SnapshotDecoder::Feed(std::string_view bytes) {
  MINIKUBE_RETURN_IF_ERROR(failed_);
  info_.bytes += bytes.size();
  std::string_view rest = bytes;
  if (!held_.empty()) {
    held_ += bytes;
    rest = held_;
  }
  for (;;) {
    const std::size_t before = rest.size();
    Result<bool> stepped = Step(rest);
    if (!stepped) return failed_ = stepped.status();
    if (!*stepped) break;
    offset_ += before - rest.size();
  }
  if (held_.empty()) {
    held_ = rest;
  } else {
    held_.erase(0, held_.size() - rest.size());
  }
  return {};
}

Result<bool> SnapshotDecoder::Step(std::string_view& bytes) {
  if (bytes.empty()) return false;
  if (expect_ == Expect::kMagic) {
    const std::size_t known = std::min(bytes.size(), kMagicName.size());
    if (bytes.substr(0, known) != kMagicName.substr(0, known)) {
      return Status(Code::kInvalid, "not a snapshot of minikube");
    }
    if (bytes.size() < kMagic.size()) return false;
    if (!bytes.starts_with(kMagic)) {
      return Status(Code::kInvalid,
                    fmt::format("a snapshot of a format that this version does not read (it reads \"{}\")",
                                kMagic.substr(0, kMagic.size() - 1)));
    }
    bytes.remove_prefix(kMagic.size());
    expect_ = Expect::kHeader;
    return true;
  }
  if (expect_ == Expect::kNothing) return Damaged("something follows its end");
  if (bytes.size() < kFrameBytes) return false;
  const std::uint32_t length = ReadWord(bytes);
  const std::uint32_t checksum = ReadWord(bytes.substr(4));
  const bool end = length == 0;
  if (length > kMaxBlockBytes) return Damaged("the length of a block");
  const std::size_t size = end ? kRevisionBytes : length;
  if (bytes.size() - kFrameBytes < size) return false;
  const std::string_view payload = bytes.substr(kFrameBytes, size);
  if (Checksum(checksum_, payload) != checksum) return Damaged("the checksum of a block is wrong");
  checksum_ = checksum;
  if (end) {
    Revision count = 0;
    if (expect_ != Expect::kRecords || !ParseRevision(payload, count) || count != info_.records) {
      return Damaged("the number of records");
    }
    expect_ = Expect::kNothing;
  } else {
    MINIKUBE_RETURN_IF_ERROR(Block(payload));
  }
  bytes.remove_prefix(kFrameBytes + size);
  return true;
}

Status SnapshotDecoder::Block(std::string_view payload) {
  if (expect_ == Expect::kHeader) {
    if (payload.size() != 2 * kRevisionBytes || !ParseRevision(payload.substr(0, kRevisionBytes), info_.revision) ||
        !ParseRevision(payload.substr(kRevisionBytes), info_.compact_revision)) {
      return Damaged("the header");
    }
    expect_ = Expect::kRecords;
    return {};
  }
  std::string_view key, value;
  while (!payload.empty()) {
    if (!TakeBytes(payload, key) || !TakeBytes(payload, value)) return Damaged("a record");
    if (key <= last_key_) return Damaged("the order of the records");
    last_key_ = key;
    ++info_.records;
    MINIKUBE_RETURN_IF_ERROR(record_(key, value));
  }
  return {};
}

Result<SnapshotInfo> SnapshotDecoder::Finish() const {
  MINIKUBE_RETURN_IF_ERROR(failed_);
  if (expect_ != Expect::kNothing) {
    return Status(Code::kInvalid, fmt::format("cut off at byte {}", info_.bytes));
  }
  return info_;
}

}  // namespace minikube::store
