// Witness: a small file that remembers a revision which was acknowledged, to notice when the log has lost it.
//
// Recovery stops at the first damaged record of the log, because a crash may tear the last one; so damage (or a cut)
// before that, by a failing disk or a person, would look like a crash and lose acknowledged writes in silence. The
// witness is written after each sync of the log and not synced itself: exact after the death of the process and after
// a clean stop, and after a power failure some older revision, never a newer one.
// Thread safety: none.
#pragma once

#include <memory>
#include <string>

#include <minikube/status.h>
#include <minikube/store.h>

namespace rocksdb {
class FileSystem;
class FSRandomRWFile;
}  // namespace rocksdb

namespace minikube::store {

class Witness {
 public:
  // Makes the file in `directory` if there is none.
  static Result<Witness> Open(const std::shared_ptr<rocksdb::FileSystem>& files, const std::string& directory);
  // What it says, without opening it; 0 if there is none, or nothing readable in it.
  static Revision Read(const std::shared_ptr<rocksdb::FileSystem>& files, const std::string& directory);
  Witness(Witness&&) noexcept;
  Witness& operator=(Witness&&) noexcept;
  ~Witness();  // syncs

  // As Read had it. Its damage costs the check, not the store.
  Revision revision() const { return revision_; }
  const std::string& path() const { return path_; }
  void Saw(Revision revision);

 private:
  Witness(std::string path, std::unique_ptr<rocksdb::FSRandomRWFile> file, Revision revision);
  std::string path_;
  std::unique_ptr<rocksdb::FSRandomRWFile> file_;
  Revision revision_ = 0;
};

// kUnavailable if a log that ends at `revision` has lost what the witness saw.
Status NotBehindWitness(Revision revision, Revision witness, const std::string& directory);

}  // namespace minikube::store
