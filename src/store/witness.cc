#include "store/witness.h"

#include <utility>

#include <fmt/format.h>
#include <rocksdb/file_system.h>

#include "store/format.h"

namespace minikube::store {
namespace {

constexpr std::string_view kName = "/WITNESS";

// The revision and its complement, which a torn or foreign file would not have.
std::string Record(Revision revision) {
  std::string out;
  AppendRevision(revision, out);
  AppendRevision(~revision, out);
  return out;
}

}  // namespace

Result<Witness> Witness::Open(const std::shared_ptr<rocksdb::FileSystem>& files, const std::string& directory) {
  std::string path = directory + std::string(kName);
  rocksdb::IOStatus status;
  if (!files->FileExists(path, {}, nullptr).ok()) {
    std::unique_ptr<rocksdb::FSWritableFile> created;
    status = files->NewWritableFile(path, {}, &created, nullptr);
    if (status.ok()) status = created->Close({}, nullptr);
  }
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  if (status.ok()) status = files->NewRandomRWFile(path, {}, &file, nullptr);
  if (!status.ok()) return Status(Code::kUnavailable, fmt::format("{}: {}", path, status.ToString()));
  return Witness(std::move(path), std::move(file), Read(files, directory));
}

Revision Witness::Read(const std::shared_ptr<rocksdb::FileSystem>& files, const std::string& directory) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  if (!files->NewSequentialFile(directory + std::string(kName), {}, &file, nullptr).ok()) return 0;
  char bytes[2 * kRevisionBytes];
  rocksdb::Slice read;
  Revision revision = 0;
  const rocksdb::IOStatus status = file->Read(sizeof bytes, {}, &read, bytes, nullptr);
  const bool sound = status.ok() &&
                     ParseRevision(std::string_view(read.data(), read.size()).substr(0, kRevisionBytes), revision) &&
                     read.ToString() == Record(revision);
  return sound ? revision : 0;
}

Witness::Witness(std::string path, std::unique_ptr<rocksdb::FSRandomRWFile> file, Revision revision)
    : path_(std::move(path)), file_(std::move(file)), revision_(revision) {}
Witness::Witness(Witness&&) noexcept = default;
Witness& Witness::operator=(Witness&&) noexcept = default;

Witness::~Witness() {
  if (file_ == nullptr) return;
  file_->Sync({}, nullptr).PermitUncheckedError();
  file_->Close({}, nullptr).PermitUncheckedError();
}

void Witness::Saw(Revision revision) {
  revision_ = revision;
  file_->Write(0, Record(revision), {}, nullptr).PermitUncheckedError();
}

Status NotBehindWitness(Revision revision, Revision witness, const std::string& directory) {
  if (revision >= witness) return {};
  return {Code::kUnavailable,
          fmt::format("{0}: the log ({0}/*.log) ends at revision {1}, but revision {2} was acknowledged (by {0}{3}): "
                      "the log was damaged or cut; restore a snapshot",
                      directory, revision, witness, kName)};
}

}  // namespace minikube::store
