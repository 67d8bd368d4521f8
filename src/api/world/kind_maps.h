// KindMaps: the objects of every kind, by StoredKind::index. A copy costs one pointer, and an Editor copies only the
// few maps around those it changes, so a batch costs the same with a hundred kinds and with thousands.
//
// Thread safety: distinct copies may be used from different threads, whatever they share; an Editor, one thread.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace minikube::api {

template <typename Map>
class KindMaps {
  static constexpr std::size_t kChunk = 16;
  using Chunk = std::array<Map, kChunk>;
  using Spine = std::vector<std::shared_ptr<const Chunk>>;

 public:
  // Empty for a kind that nothing has been stored in.
  const Map& operator[](std::size_t index) const {
    static const Map kNone;
    const std::size_t chunk = index / kChunk;
    if (spine_ == nullptr || chunk >= spine_->size() || (*spine_)[chunk] == nullptr) return kNone;
    return (*(*spine_)[chunk])[index % kChunk];
  }

  class Editor {
   public:
    explicit Editor(const KindMaps& from) : from_(from.spine_) {}
    Map& operator[](std::size_t index) {
      const std::size_t at = index / kChunk;
      if (at >= chunks_.size()) chunks_.resize(at + 1);
      std::shared_ptr<Chunk>& chunk = chunks_[at];
      if (chunk == nullptr) {
        const bool known = from_ != nullptr && at < from_->size() && (*from_)[at] != nullptr;
        chunk = known ? std::make_shared<Chunk>(*(*from_)[at]) : std::make_shared<Chunk>();
      }
      return (*chunk)[index % kChunk];
    }
    // What it began with, and the changes; the editor is done after that.
    KindMaps Done() {
      KindMaps out;
      if (chunks_.empty()) {
        out.spine_ = std::move(from_);
        return out;
      }
      auto spine = from_ != nullptr ? std::make_shared<Spine>(*from_) : std::make_shared<Spine>();
      if (spine->size() < chunks_.size()) spine->resize(chunks_.size());
      for (std::size_t i = 0; i < chunks_.size(); ++i) {
        if (chunks_[i] != nullptr) (*spine)[i] = std::move(chunks_[i]);
      }
      out.spine_ = std::move(spine);
      return out;
    }

   private:
    std::shared_ptr<const Spine> from_;
    std::vector<std::shared_ptr<Chunk>> chunks_;  // null: unchanged
  };

 private:
  std::shared_ptr<const Spine> spine_;
};

}  // namespace minikube::api
