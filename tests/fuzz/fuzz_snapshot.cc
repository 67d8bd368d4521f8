// Whatever a snapshot file holds is refused, or makes a store that can be read.
#include <memory>
#include <string>

#include "fuzz.h"
#include "store/examine.h"
#include "store/format.h"
#include "store/memory_engine.h"
#include "store/snapshot_codec.h"

namespace minikube::fuzz {
namespace {

void Put(std::string_view key, std::string_view value, std::string& out) {
  store::AppendBytes(key, out);
  store::AppendBytes(value, out);
}

// The records of a store with one key written twice, one deleted, and one with a lease.
std::string SomeRecords() {
  std::string out;
  const auto version = [&out](std::string_view name, Revision revision, const store::DataRecord& record) {
    std::string key, value;
    store::AppendDataKey(name, revision, key);
    store::AppendDataHeader(record, value);
    Put(key, value + std::string(record.value), out);
  };
  version("a", 3, {false, 2, 2, 0, "new"});
  version("a", 2, {false, 2, 1, 0, "old"});
  version("b", 5, {true, 0, 0, 0, ""});
  version("b", 4, {false, 4, 1, 0, "x"});
  version("c", 6, {false, 6, 1, 9, ""});
  std::string number;
  store::AppendRevision(1'000'000, number);
  Put(store::LeaseKey(9), number, out);
  Put(store::AttachedPrefix(9) + "c", "", out);
  const auto logged = [&out](Revision revision, const store::LogEntry& entry) {
    std::string value;
    store::AppendLogEntry(entry, value);
    Put(store::LogKey(revision), value, out);
  };
  logged(2, {false, 0, "a"});
  logged(3, {false, 2, "a"});
  logged(4, {false, 0, "b"});
  logged(5, {true, 4, "b"});
  logged(6, {false, 0, "c"});
  Put(store::kFormatKey, store::FormatName(), out);
  return out;
}

std::string WithChecksums(std::string_view records) {
  std::string out;
  store::SnapshotEncoder encoder;
  encoder.Begin(6, 0, out);
  std::string_view key, value;
  while (store::TakeBytes(records, key) && store::TakeBytes(records, value)) encoder.Add(key, value, out);
  encoder.End(out);
  return out;
}

void Restore(std::string_view bytes) {
  store::MemoryLoader loader;
  store::SnapshotDecoder decoder([&loader](std::string_view key, std::string_view value) {
    return loader.Add(key, value) ? Status() : Status(Code::kInvalid, "a record");
  });
  const std::size_t half = bytes.size() / 2;
  if (!decoder.Feed(bytes.substr(0, half)).ok() || !decoder.Feed(bytes.substr(half)).ok() || !decoder.Finish()) return;
  const store::OpenedEngine opened = loader.Finish();
  const std::unique_ptr<store::EngineImage> image = opened.engine->Image().value();
  StoreUsage usage;
  std::vector<std::string> problems;
  Check(store::Examine(*image, StoreAdmin::Depth::kVerify, {}, usage, problems).ok(), "memory can be read");
  if (!problems.empty()) return;
  RangeOptions all;
  all.end = std::string(1, '\0');
  const RangeResult range = opened.engine->Range("", all, opened.state.revision).value();
  Check(range.count == usage.keys, "every key that is counted can be read");
  const Revision oldest = opened.state.compact_revision;
  opened.engine->Replay("", all.end, oldest + 1, opened.state.revision, 0).value();
  std::atomic<bool> stop{false};
  Check(opened.engine->Collect(opened.state.revision, stop).ok(), "garbage can be removed");
  Check(opened.engine->Range("", all, opened.state.revision).value().count == usage.keys, "and nothing else");
}

}  // namespace

std::vector<std::string> Seeds() { return {WithChecksums(SomeRecords()), SomeRecords()}; }

}  // namespace minikube::fuzz

// A snapshot as it stands; anything else as its records, which then come with the right checksums.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minikube;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  fuzz::Restore(input.starts_with("minikube-snapshot") ? std::string(input) : fuzz::WithChecksums(input));
  return 0;
}
