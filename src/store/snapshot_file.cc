#include "store/snapshot_file.h"

#include <utility>

#include <rocksdb/file_system.h>

#include "store/rocks_image.h"

namespace minikube::store {
namespace {

constexpr std::size_t kReadBytes = 256u << 10;

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

class File final : public SnapshotFile {
 public:
  File(std::shared_ptr<rocksdb::FileSystem> files, std::string path)
      : files_(std::move(files)), path_(std::move(path)), temporary_(path_ + ".new") {}
  ~File() override {
    if (file_ == nullptr) return;
    file_->Close({}, nullptr).PermitUncheckedError();
    files_->DeleteFile(temporary_, {}, nullptr).PermitUncheckedError();
  }

  Status Open() { return ToStatus(files_->NewWritableFile(temporary_, {}, &file_, nullptr), temporary_); }

  Status Append(std::string_view bytes) override {
    if (Status fed = decoder_.Feed(bytes); !fed.ok()) return fed.WithContext(path_);
    return ToStatus(file_->Append(ToSlice(bytes), {}, nullptr), temporary_);
  }

  Result<SnapshotInfo> Finish() override {
    Result<SnapshotInfo> info = decoder_.Finish();
    if (!info) return info.status().WithContext(path_);
    rocksdb::IOStatus status = file_->Fsync({}, nullptr);
    if (status.ok()) status = file_->Close({}, nullptr);
    if (status.ok()) status = files_->RenameFile(temporary_, path_, {}, nullptr);
    if (!status.ok()) return ToStatus(status, temporary_);
    file_.reset();
    std::unique_ptr<rocksdb::FSDirectory> directory;
    status = files_->NewDirectory(DirectoryOf(path_), {}, &directory, nullptr);
    if (status.ok()) status = directory->Fsync({}, nullptr);
    if (!status.ok()) return ToStatus(status, path_);
    return info;
  }

 private:
  const std::shared_ptr<rocksdb::FileSystem> files_;
  const std::string path_;
  const std::string temporary_;
  std::unique_ptr<rocksdb::FSWritableFile> file_;
  SnapshotDecoder decoder_{[](std::string_view, std::string_view) { return Status(); }};
};

}  // namespace

Result<std::unique_ptr<SnapshotFile>> NewSnapshotFile(rocksdb::Env& env, const std::string& path) {
  auto file = std::make_unique<File>(env.GetFileSystem(), path);
  MINIKUBE_RETURN_IF_ERROR(file->Open());
  return std::unique_ptr<SnapshotFile>(std::move(file));
}

Result<SnapshotInfo> ReadSnapshotFile(rocksdb::Env& env, const std::string& path, SnapshotDecoder& decoder) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  const rocksdb::IOStatus opened = env.GetFileSystem()->NewSequentialFile(path, {}, &file, nullptr);
  if (opened.IsNotFound() || opened.IsPathNotFound()) return Status(Code::kNotFound, path + ": no such file");
  if (!opened.ok()) return ToStatus(opened, path);
  std::string buffer(kReadBytes, '\0');
  for (;;) {
    rocksdb::Slice piece;
    const rocksdb::IOStatus read = file->Read(buffer.size(), {}, &piece, buffer.data(), nullptr);
    if (!read.ok()) return ToStatus(read, path);
    if (piece.empty()) break;
    if (Status fed = decoder.Feed(View(piece)); !fed.ok()) return fed.WithContext(path);
  }
  Result<SnapshotInfo> info = decoder.Finish();
  return info ? std::move(info) : info.status().WithContext(path);
}

}  // namespace minikube::store
