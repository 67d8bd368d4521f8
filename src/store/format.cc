#include "store/format.h"

#include <fmt/format.h>

namespace minikube::store {
namespace {

void AppendBigEndian(std::uint64_t value, std::string& out) {
  char bytes[8];
  for (int i = 7; i >= 0; --i, value >>= 8) bytes[i] = static_cast<char>(value & 0xff);
  out.append(bytes, sizeof bytes);
}

std::uint64_t ReadBigEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return value;
}

void AppendVarint(std::uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

bool TakeVarint(std::string_view& bytes, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool TakeNumber(std::string_view& bytes, std::int64_t& value) {
  std::uint64_t raw = 0;
  if (!TakeVarint(bytes, raw)) return false;
  value = static_cast<std::int64_t>(raw);
  return true;
}

constexpr unsigned char kDeletedFlag = 1;

}  // namespace

void AppendRevision(Revision revision, std::string& out) { AppendBigEndian(static_cast<std::uint64_t>(revision), out); }

bool ParseRevision(std::string_view bytes, Revision& revision) {
  if (bytes.size() != kRevisionBytes) return false;
  revision = static_cast<Revision>(ReadBigEndian(bytes));
  return revision >= 0;
}

void AppendDataPrefix(std::string_view key, std::string& out) {
  out.push_back(kDataSpace);
  for (std::size_t zero = key.find('\0'); zero != key.npos; zero = key.find('\0')) {
    out.append(key.substr(0, zero + 1));
    out.push_back('\xff');
    key.remove_prefix(zero + 1);
  }
  out.append(key);
  out.append({'\0', '\x01'});
}

void AppendComplement(Revision revision, std::string& out) {
  AppendBigEndian(~static_cast<std::uint64_t>(revision), out);
}

void AppendDataKey(std::string_view key, Revision revision, std::string& out) {
  AppendDataPrefix(key, out);
  AppendComplement(revision, out);
}

bool ParseDataRevision(std::string_view bytes, Revision& revision) {
  if (bytes.size() < 1 + 2 + kRevisionBytes || bytes.front() != kDataSpace) return false;
  revision = static_cast<Revision>(~ReadBigEndian(bytes.substr(bytes.size() - kRevisionBytes)));
  return true;
}

bool ParseDataPrefix(std::string_view prefix, std::string& key) {
  if (prefix.size() < 1 + 2 || !prefix.ends_with(std::string_view("\0\x01", 2))) return false;
  prefix.remove_prefix(1);
  prefix.remove_suffix(2);
  key.clear();
  for (std::size_t zero = prefix.find('\0'); zero != prefix.npos; zero = prefix.find('\0')) {
    if (zero + 1 == prefix.size() || prefix[zero + 1] != '\xff') return false;
    key.append(prefix.substr(0, zero + 1));
    prefix.remove_prefix(zero + 2);
  }
  key.append(prefix);
  return true;
}

bool ParseDataKey(std::string_view bytes, std::string& key, Revision& revision) {
  return ParseDataRevision(bytes, revision) && ParseDataPrefix(bytes.substr(0, bytes.size() - kRevisionBytes), key);
}

std::string DataStart(std::string_view key) {
  std::string out;
  AppendDataPrefix(key, out);
  return out;
}

std::string DataStop(std::string_view key, std::string_view end) {
  if (end == std::string_view("\0", 1)) return std::string(1, static_cast<char>(kDataSpace + 1));
  std::string out;
  AppendDataPrefix(end.empty() ? key : end, out);
  if (end.empty()) StepPastVersions(out);
  return out;
}

void AppendDataHeader(const DataRecord& record, std::string& out) {
  out.push_back(record.deleted ? kDeletedFlag : 0);
  AppendVarint(static_cast<std::uint64_t>(record.create_revision), out);
  AppendVarint(static_cast<std::uint64_t>(record.version), out);
  AppendVarint(static_cast<std::uint64_t>(record.lease), out);
}

bool ParseDataRecord(std::string_view bytes, DataRecord& record) {
  if (bytes.empty() || static_cast<unsigned char>(bytes.front()) > kDeletedFlag) return false;
  record.deleted = bytes.front() == kDeletedFlag;
  bytes.remove_prefix(1);
  if (!TakeNumber(bytes, record.create_revision) || !TakeNumber(bytes, record.version) ||
      !TakeNumber(bytes, record.lease)) {
    return false;
  }
  record.value = bytes;
  return true;
}

std::string LogKey(Revision revision) {
  std::string out(1, kLogSpace);
  AppendRevision(revision, out);
  return out;
}

void AppendLogEntry(const LogEntry& entry, std::string& out) {
  out.push_back(entry.deleted ? kDeletedFlag : 0);
  AppendVarint(static_cast<std::uint64_t>(entry.previous), out);
  AppendBytes(entry.key, out);
}

bool ParseLogRecord(std::string_view bytes, std::vector<LogEntry>& entries) {
  entries.clear();
  while (!bytes.empty()) {
    LogEntry& entry = entries.emplace_back();
    if (static_cast<unsigned char>(bytes.front()) > kDeletedFlag) return false;
    entry.deleted = bytes.front() == kDeletedFlag;
    bytes.remove_prefix(1);
    if (!TakeNumber(bytes, entry.previous) || !TakeBytes(bytes, entry.key)) return false;
  }
  return true;
}

void AppendBytes(std::string_view bytes, std::string& out) {
  AppendVarint(bytes.size(), out);
  out.append(bytes);
}

bool TakeBytes(std::string_view& from, std::string_view& bytes) {
  std::uint64_t size = 0;
  if (!TakeVarint(from, size) || size > from.size()) return false;
  bytes = from.substr(0, size);
  from.remove_prefix(size);
  return true;
}

std::string FormatName() { return fmt::format("{} {}", kFormatName, kFormatVersion); }

std::string LeaseKey(LeaseId lease) {
  std::string out(1, kLeaseSpace);
  AppendRevision(lease, out);
  return out;
}

std::string AttachedPrefix(LeaseId lease) {
  std::string out(1, kAttachedSpace);
  AppendRevision(lease, out);
  return out;
}

bool InRange(std::string_view key, std::string_view start, std::string_view end) {
  if (end.empty()) return key == start;
  return key >= start && (end == std::string_view("\0", 1) || key < end);
}

}  // namespace minikube::store
