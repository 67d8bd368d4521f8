#include "bench/rocks_ceiling.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <minikube/store.h>

#include "bench/store_load.h"
#include "store/format.h"
#include "store/rocks_options.h"

namespace minikube::bench {
namespace {

constexpr std::uint64_t kTogether = 32;

void Check(const rocksdb::Status& status) {
  if (!status.ok()) bench::Check(Status(Code::kUnavailable, status.ToString()));
}

}  // namespace

Load FillRocks(const std::string& directory, double seconds, const std::function<std::string(std::uint64_t)>& key,
               const std::function<std::string(std::uint64_t)>& value) {
  std::filesystem::remove_all(directory);
  StoreOptions options;
  options.path = directory;
  rocksdb::Options rocks_options = store::MakeRocksOptions(options, rocksdb::Env::Default());
  rocks_options.rate_limiter = nullptr;  // no sync waits behind what it would hold back
  rocksdb::DB* opened = nullptr;
  Check(rocksdb::DB::Open(rocks_options, directory, &opened));
  const std::unique_ptr<rocksdb::DB> db(opened);

  rocksdb::Slice bound;
  rocksdb::ReadOptions read;
  read.prefix_same_as_start = true;
  read.ignore_range_deletions = true;
  read.iterate_upper_bound = &bound;
  rocksdb::WriteOptions write;
  write.disableWAL = true;
  rocksdb::WriteBatch batch;
  std::vector<std::pair<std::string, std::uint64_t>> keys;
  std::string record;

  Load load;
  const double cpu = CpuSeconds(RUSAGE_SELF);
  const auto begin = SteadyClock::now();
  for (std::uint64_t first = 0; Seconds(begin) < seconds; first += kTogether) {
    keys.clear();
    for (std::uint64_t n = first; n < first + kTogether; ++n) keys.emplace_back(key(n), n);
    const std::unique_ptr<rocksdb::Iterator> finder(db->NewIterator(read));
    for (const auto& [name, n] : keys) {
      const std::string stop = store::DataStop(name, "");
      bound = stop;
      finder->Seek(store::DataStart(name) + std::string(store::kRevisionBytes, '\0'));
      if (finder->Valid()) bench::Check(Status(Code::kInternal, name + " is there already"));
    }
    batch.Clear();
    for (const auto& [name, n] : keys) {
      record.clear();
      store::AppendLogEntry({false, 0, name}, record);
      Check(batch.Put(store::LogKey(static_cast<Revision>(n) + 2), record));
    }
    std::sort(keys.begin(), keys.end());
    for (const auto& [name, n] : keys) {
      const auto revision = static_cast<Revision>(n) + 2;
      std::string data_key;
      store::AppendDataKey(name, revision, data_key);
      record.clear();
      store::AppendDataHeader({false, revision, 1, 0, {}}, record);
      record += value(n);
      Check(batch.Put(data_key, record));
    }
    Check(db->Write(write, &batch));
    load.count += static_cast<double>(kTogether);
  }
  load.seconds = Seconds(begin);
  load.cpu = CpuSeconds(RUSAGE_SELF) - cpu;
  std::filesystem::remove_all(directory);
  return load;
}

}  // namespace minikube::bench
