// The on-disk format of the store, version 1 (docs/store.md, "On disk"): how keys, revisions and records become bytes.
// Nothing here knows RocksDB. Encoders append to `out`; parsers return false for bytes they could not have written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/store.h>

namespace minikube::store {

inline constexpr std::string_view kFormatName = "minikube-store";
inline constexpr int kFormatVersion = 1;

// The first byte of every key of the database names its space.
inline constexpr char kDataSpace = 'd';      // one entry per version of a key: its value
inline constexpr char kLeaseSpace = 'e';     // one entry per lease: its TTL
inline constexpr char kAttachedSpace = 'k';  // one entry per key that has a lease
inline constexpr char kLogSpace = 'l';       // one entry per revision: what it changed
inline constexpr char kMetaSpace = 'm';
inline constexpr std::string_view kFormatKey = "mformat";
inline constexpr std::string_view kCompactKey = "mcompact";  // reads below this revision are refused
inline constexpr std::string_view kCollectKey = "mcollect";  // what the log says became garbage below it is gone
inline constexpr std::string_view kAlarmKey = "malarm";      // exists while the quota's alarm is on

inline constexpr std::size_t kRevisionBytes = 8;

void AppendRevision(Revision revision, std::string& out);  // big-endian
bool ParseRevision(std::string_view bytes, Revision& revision);

// 'd', the key with 0x00 written as 0x00 0xff, 0x00 0x01. No prefix is the prefix of another, and prefixes sort as keys
// do.
void AppendDataPrefix(std::string_view key, std::string& out);
// The complement of the revision, big-endian, which follows the prefix: a key's newest version comes first.
void AppendComplement(Revision revision, std::string& out);
void AppendDataKey(std::string_view key, Revision revision, std::string& out);
// The revision alone, and the key from what is in front of it.
bool ParseDataRevision(std::string_view bytes, Revision& revision);
bool ParseDataPrefix(std::string_view prefix, std::string& key);
bool ParseDataKey(std::string_view bytes, std::string& key, Revision& revision);
// Turns the prefix of a key into what comes just after every version of it.
inline void StepPastVersions(std::string& prefix) { prefix.back() = '\x02'; }
// Where the scan for [key, end) starts and stops; `end` as in RangeOptions.
std::string DataStart(std::string_view key);
std::string DataStop(std::string_view key, std::string_view end);

struct DataRecord {
  bool deleted = false;
  Revision create_revision = 0;
  std::int64_t version = 0;
  LeaseId lease = 0;
  std::string_view value;
};
// All but the value, which follows it.
void AppendDataHeader(const DataRecord& record, std::string& out);
bool ParseDataRecord(std::string_view bytes, DataRecord& record);

std::string LogKey(Revision revision);
struct LogEntry {
  bool deleted = false;
  Revision previous = 0;  // the version this one superseded; 0 = the key did not exist
  std::string_view key;
};
void AppendLogEntry(const LogEntry& entry, std::string& out);
bool ParseLogRecord(std::string_view bytes, std::vector<LogEntry>& entries);
// Varint length and bytes.
void AppendBytes(std::string_view bytes, std::string& out);
bool TakeBytes(std::string_view& from, std::string_view& bytes);

// "minikube-store 1": the value of kFormatKey.
std::string FormatName();

std::string LeaseKey(LeaseId lease);
std::string AttachedPrefix(LeaseId lease);  // followed by the key

// Whether `key` is in [start, end), `end` as in RangeOptions.
bool InRange(std::string_view key, std::string_view start, std::string_view end);

}  // namespace minikube::store
