// FaultyFiles: a file system for RocksDB that fails on command and forgets what was not synced.
//
// Files are real files in a directory of the test; syncs are only remembered, so a test does thousands of crashes a
// second. Until Crash, everything reads back as written. After the crash point every call fails, as for a process that
// is no more; once the database object is gone, Recover() makes of each file what a disk may have kept: what was
// synced, and of what was appended since any part, torn at any byte; of what was overwritten any sectors, in any order;
// of the files, renames and deletions of a directory since its sync the first few. Thread safety: any thread, but
// Recover: no file may be open.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace minikube::test {

class FaultyFiles final : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultyFiles(std::uint64_t seed);
  const char* Name() const override { return "minikube.FaultyFiles"; }

  // The machine stops at the n-th effect (write, sync, creation, rename, deletion) from now, in the middle of it.
  void CrashAfter(int effects);
  bool crashed() const;
  // Effects since the construction.
  int effects() const;
  // What the disk kept; then the machine works again.
  void Recover();

  // kLowSpace: free space is reported as 0, but writing still works.
  enum class Fault : std::uint8_t { kNone, kLowSpace, kNoSpace, kWriteError, kSyncError };
  // From now on writes to files whose name ends in `suffix` ("" = all) fail so.
  void Inject(Fault fault, std::string suffix = "");

  // FileSystem
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext*) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext*) override;
  rocksdb::IOStatus NewRandomRWFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                                    rocksdb::IODebugContext*) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result, rocksdb::IODebugContext*) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext*) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext*) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options, std::uint64_t* bytes,
                                 rocksdb::IODebugContext*) override;

 private:
  friend class FaultyWritableFile;
  friend class FaultyRandomRWFile;
  friend class FaultyDirectory;

  struct File {
    std::uint64_t synced = 0;                    // bytes from the start that are safe
    std::optional<std::string> synced_contents;  // of a file that is overwritten: its last synced state
  };
  // A change of a directory that its sync has not covered; undone in reverse order, if at all.
  struct Entry {
    std::string name;                   // what is now there, or gone
    std::optional<std::string> before;  // contents that `name` had before; nullopt: it did not exist
    std::optional<std::string> from;    // of a rename: the other name, which existed with the contents of `name`
  };

  // One effect: false if the machine has stopped. `last` is set if this is the effect in whose middle it stops.
  bool Step(bool& last);
  std::size_t Draw(std::size_t below);
  rocksdb::IOStatus Check(Fault fault, const std::string& name) const;
  static std::string Read(const std::string& name);
  static void Write(const std::string& name, const std::string& contents);

  mutable std::mutex mu_;  // guards all below
  std::mt19937_64 random_;
  int effects_ = 0;
  int crash_at_ = -1;
  bool crashed_ = false;
  Fault fault_ = Fault::kNone;
  std::string fault_suffix_;
  std::map<std::string, File> files_;
  std::map<std::string, std::vector<Entry>> unsynced_;  // by directory, in order
};

// RocksDB's world with these files, in which nobody sleeps before retrying what a stopped machine cannot do.
std::unique_ptr<rocksdb::Env> NewFaultyEnv(std::shared_ptr<FaultyFiles> files);

}  // namespace minikube::test
