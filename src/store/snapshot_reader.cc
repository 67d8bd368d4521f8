#include "store/snapshot_reader.h"

#include <utility>

#include "store/snapshot_codec.h"

namespace minikube::store {
namespace {

class ImageReader final : public SnapshotReader {
 public:
  explicit ImageReader(std::unique_ptr<EngineImage> image) : image_(std::move(image)) {}

  Revision revision() const override { return image_->state().revision; }

  Status Read(std::string& out) override {
    const std::size_t before = out.size();
    if (at_ == At::kBegin) {
      encoder_.Begin(image_->state().revision, image_->state().compact_revision, out);
      at_ = At::kRecords;
    }
    std::string_view key, value;
    while (at_ == At::kRecords && out.size() == before) {
      const Result<bool> more = image_->Next(key, value);
      if (!more) return more.status();
      if (*more) {
        encoder_.Add(key, value, out);
      } else {
        encoder_.End(out);
        at_ = At::kEnd;
      }
    }
    return {};
  }

 private:
  enum class At : std::uint8_t { kBegin, kRecords, kEnd };
  const std::unique_ptr<EngineImage> image_;
  SnapshotEncoder encoder_;
  At at_ = At::kBegin;
};

}  // namespace

std::unique_ptr<SnapshotReader> NewSnapshotReader(std::unique_ptr<EngineImage> image) {
  return std::make_unique<ImageReader>(std::move(image));
}

}  // namespace minikube::store
