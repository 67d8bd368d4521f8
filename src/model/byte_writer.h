// An append-only buffer that the encoders write through a raw pointer: one bounds check per piece, not per character.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace minikube::model {

class ByteWriter {
 public:
  ByteWriter() : p_(inline_), end_(inline_ + sizeof inline_), begin_(inline_) {}
  ByteWriter(const ByteWriter&) = delete;
  ByteWriter& operator=(const ByteWriter&) = delete;

  // Room for `n` bytes at the returned place; Advance says how many were used.
  char* Reserve(std::size_t n) {
    if (static_cast<std::size_t>(end_ - p_) < n) Grow(n);
    return p_;
  }
  void Advance(char* to) { p_ = to; }
  void Append(std::string_view text) {
    if (text.empty()) return;  // its data() may be null
    char* to = Reserve(text.size());
    std::memcpy(to, text.data(), text.size());
    p_ = to + text.size();
  }
  void Append(char c) {
    *Reserve(1) = c;
    ++p_;
  }
  std::string_view view() const { return {begin_, static_cast<std::size_t>(p_ - begin_)}; }

 private:
  void Grow(std::size_t n) {
    const std::size_t size = static_cast<std::size_t>(p_ - begin_);
    const std::size_t capacity = 2 * (size + n);
    std::unique_ptr<char[]> fresh(new char[capacity]);
    std::memcpy(fresh.get(), begin_, size);
    heap_ = std::move(fresh);
    begin_ = heap_.get();
    p_ = begin_ + size;
    end_ = begin_ + capacity;
  }
  char* p_;
  char* end_;
  char* begin_;
  std::unique_ptr<char[]> heap_;
  char inline_[6000];  // most objects fit
};

}  // namespace minikube::model
