#include "store/witness.h"

#include <utility>

#include <fmt/format.h>
#include <rocksdb/file_system.h>

#include "store/format.h"

namespace minikube::store {
namespace {

// The revision and its complement, which a torn or foreign file would not have.
std::string Record(Revision revision) {
  std::string out;
  AppendRevision(revision, out);
  AppendRevision(~revision, out);
  return out;
}

}  // namespace

Result<Witness> Witness::Open(const std::shared_ptr<rocksdb::FileSystem>& files, const std::string& directory) {
  std::string path = directory + "/WITNESS";
  rocksdb::IOStatus status;
  if (!files->FileExists(path, {}, nullptr).ok()) {
    std::unique_ptr<rocksdb::FSWritableFile> created;
    status = files->NewWritableFile(path, {}, &created, nullptr);
    if (status.ok()) status = created->Close({}, nullptr);
  }
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  if (status.ok()) status = files->NewRandomRWFile(path, {}, &file, nullptr);
  if (!status.ok()) return Status(Code::kUnavailable, fmt::format("{}: {}", path, status.ToString()));
  char bytes[2 * kRevisionBytes];
  rocksdb::Slice read;
  Revision revision = 0;
  status = file->Read(0, sizeof bytes, {}, &read, bytes, nullptr);
  if (!status.ok() || !ParseRevision(std::string_view(read.data(), read.size()).substr(0, kRevisionBytes), revision) ||
      read.ToString() != Record(revision)) {
    revision = 0;
  }
  return Witness(std::move(path), std::move(file), revision);
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

}  // namespace minikube::store
