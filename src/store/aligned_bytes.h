// AlignedBytes: bytes that grow at the end and begin at an address that direct I/O takes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

namespace minikube::store {

class AlignedBytes {
 public:
  static constexpr std::size_t kAlignment = 4096;

  AlignedBytes() = default;
  explicit AlignedBytes(std::size_t capacity) { Reserve(capacity); }
  AlignedBytes(AlignedBytes&& o) noexcept { swap(o); }
  AlignedBytes& operator=(AlignedBytes&& o) noexcept {
    swap(o);
    return *this;
  }
  void swap(AlignedBytes& o) noexcept {
    data_.swap(o.data_);
    std::swap(size_, o.size_);
    std::swap(capacity_, o.capacity_);
  }

  void Reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    std::unique_ptr<char, Free> grown(static_cast<char*>(::operator new(capacity, std::align_val_t(kAlignment))));
    if (size_ > 0) std::memcpy(grown.get(), data_.get(), size_);
    data_ = std::move(grown);
    capacity_ = capacity;
  }
  void Append(std::string_view bytes) {
    if (bytes.empty()) return;  // and there may be no memory yet
    if (size_ + bytes.size() > capacity_) Reserve(std::max({size_ + bytes.size(), 2 * capacity_, kAlignment}));
    std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  // With zeros, up to a multiple of the alignment.
  void Pad() {
    const std::size_t padded = (size_ + kAlignment - 1) / kAlignment * kAlignment;
    Reserve(padded);
    std::memset(data_.get() + size_, 0, padded - size_);
    size_ = padded;
  }
  void Clear() { size_ = 0; }

  char* data() { return data_.get(); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  std::string_view view() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(char* p) const { ::operator delete(p, std::align_val_t(kAlignment)); }
  };
  std::unique_ptr<char, Free> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace minikube::store
