// The value types that API structs are made of: Str, Bytes, List<T>, Map<T>, Box<T>, Quantity, IntOrString,
// Time, MicroTime, Span, RawJson.
//
// Every one of them is at most 16 bytes, all-zero memory is its empty value, and those with contents point to an
// immutable or copy-on-write, reference-counted representation: copying a struct copies pointers, and a new
// version of an object shares what did not change with the old one. The table-driven engine (src/model) reads and
// writes the same memory through descriptors, so the representations below are part of the contract between the two.
// Thread safety: as for int. Distinct values that share a representation may be used from different threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <compare>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace minikube {

// An immutable string of 8 bytes: up to 7 characters live inside it, longer ones in a shared representation.
class Str {
 public:
  static constexpr std::size_t kInline = 7;

  constexpr Str() = default;
  Str(std::string_view s) { Init(s); }    // NOLINT(google-explicit-constructor): a Str is spelled "x" in host code.
  Str(const char* s) { Init(s); }         // NOLINT(google-explicit-constructor)
  Str(const std::string& s) { Init(s); }  // NOLINT(google-explicit-constructor)
  Str(const Str& o) : bits_(o.bits_) { Retain(); }
  Str(Str&& o) noexcept : bits_(std::exchange(o.bits_, 0)) {}
  Str& operator=(const Str& o) {
    Str copy(o);
    std::swap(bits_, copy.bits_);
    return *this;
  }
  Str& operator=(Str&& o) noexcept {
    std::swap(bits_, o.bits_);
    return *this;
  }
  ~Str() { Release(); }

  bool empty() const { return bits_ == 0; }
  std::size_t size() const { return view().size(); }
  std::string_view view() const {
    if (bits_ == 0) return {};
    if (bits_ & 1) return {reinterpret_cast<const char*>(&bits_) + 1, static_cast<std::size_t>((bits_ & 0xff) >> 1)};
    const Rep* r = rep();
    return {reinterpret_cast<const char*>(r + 1), r->size};
  }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor)
  std::string str() const { return std::string(view()); }

  // True when both are the same representation: equal without looking at the characters.
  bool same(const Str& o) const { return bits_ == o.bits_; }
  friend bool operator==(const Str& a, const Str& b) { return a.bits_ == b.bits_ || a.view() == b.view(); }
  friend bool operator==(const Str& a, std::string_view b) { return a.view() == b; }
  friend bool operator==(const Str& a, const std::string& b) { return a.view() == b; }
  friend bool operator==(const Str& a, const char* b) { return a.view() == b; }
  friend std::strong_ordering operator<=>(const Str& a, const Str& b) { return a.view() <=> b.view(); }

  // Bytes of heap behind this value (shared or not), for memory accounting.
  std::size_t heap_bytes() const { return bits_ == 0 || (bits_ & 1) ? 0 : sizeof(Rep) + rep()->size; }

 private:
  struct Rep {
    std::atomic<std::uint32_t> refs;
    std::uint32_t size;
  };
  Rep* rep() const { return reinterpret_cast<Rep*>(bits_); }
  void Init(std::string_view s) {
    if (s.empty()) return;
    if (s.size() <= kInline) {
      bits_ = (s.size() << 1) | 1;
      std::memcpy(reinterpret_cast<char*>(&bits_) + 1, s.data(), s.size());
      return;
    }
    auto* r = static_cast<Rep*>(::operator new(sizeof(Rep) + s.size()));
    new (r) Rep{1, static_cast<std::uint32_t>(s.size())};
    std::memcpy(reinterpret_cast<char*>(r + 1), s.data(), s.size());
    bits_ = reinterpret_cast<std::uintptr_t>(r);
  }
  void Retain() const {
    if (bits_ != 0 && !(bits_ & 1)) rep()->refs.fetch_add(1, std::memory_order_relaxed);
  }
  void Release() {
    if (bits_ == 0 || (bits_ & 1)) return;
    Rep* r = rep();
    if (r->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) ::operator delete(r);
  }
  std::uint64_t bits_ = 0;  // 0 empty; low bit set: inline, byte 0 = size * 2 + 1; else a Rep*
};
static_assert(sizeof(Str) == 8 && sizeof(void*) == 8, "Str packs a pointer and inline text into 8 bytes");

// Arbitrary bytes; base64 (RFC 4648 section 4) in JSON.
struct Bytes {
  Str data;
  std::string_view view() const { return data.view(); }
  bool empty() const { return data.empty(); }
  friend bool operator==(const Bytes&, const Bytes&) = default;
};

// Compact JSON text of any shape, kept as it is (RawExtension, FieldsV1, apiextensions JSON). Empty = absent.
struct RawJson {
  Str json;
  bool empty() const { return json.empty(); }
  friend bool operator==(const RawJson&, const RawJson&) = default;
};

namespace internal {
// The header of a List or Map representation; the elements follow it. Elements are at most 8-byte aligned.
struct ArrayRep {
  std::atomic<std::uint32_t> refs;
  std::uint32_t size;
  std::uint32_t capacity;
  std::uint32_t unused;
};
static_assert(sizeof(ArrayRep) == 16);
}  // namespace internal

// A copy-on-write array of 8 bytes. Reading never detaches; every mutating member does, if it is shared.
template <typename T>
class List {
 public:
  using value_type = T;

  constexpr List() = default;
  List(std::initializer_list<T> items) {
    Reserve(items.size());
    for (const T& item : items) push_back(item);
  }
  template <typename It>
  List(It first, It last) {
    for (; first != last; ++first) push_back(T(*first));
  }
  List(const List& o) : rep_(o.rep_) {
    if (rep_ != nullptr) rep_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  List(List&& o) noexcept : rep_(std::exchange(o.rep_, nullptr)) {}
  List& operator=(const List& o) {
    List copy(o);
    std::swap(rep_, copy.rep_);
    return *this;
  }
  List& operator=(List&& o) noexcept {
    std::swap(rep_, o.rep_);
    return *this;
  }
  ~List() { Unref(rep_); }

  bool empty() const { return size() == 0; }
  std::size_t size() const { return rep_ != nullptr ? rep_->size : 0; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size(); }
  const T& operator[](std::size_t i) const { return data()[i]; }
  const T& front() const { return data()[0]; }
  const T& back() const { return data()[size() - 1]; }
  std::span<const T> span() const { return {data(), size()}; }
  bool same(const List& o) const { return rep_ == o.rep_; }

  // The elements for writing, detached from other holders. Valid until the next call of a mutating member.
  std::span<T> Mutable() {
    Detach(size());
    return {mutable_data(), size()};
  }
  T& Mutable(std::size_t i) { return Mutable()[i]; }
  T& push_back(T item) {
    const std::size_t n = size();
    Detach(n + 1);
    T* slot = new (mutable_data() + n) T(std::move(item));
    ++rep_->size;
    return *slot;
  }
  void Erase(std::size_t i) {
    std::span<T> items = Mutable();
    for (std::size_t k = i; k + 1 < items.size(); ++k) items[k] = std::move(items[k + 1]);
    items.back().~T();
    --rep_->size;
  }
  void Insert(std::size_t i, T item) {
    push_back(std::move(item));
    std::span<T> items = Mutable();
    for (std::size_t k = items.size() - 1; k > i; --k) std::swap(items[k], items[k - 1]);
  }
  void Reserve(std::size_t capacity) { Detach(capacity); }
  void clear() { List().swap(*this); }
  void swap(List& o) noexcept { std::swap(rep_, o.rep_); }

 private:
  const T* data() const { return rep_ != nullptr ? reinterpret_cast<const T*>(rep_ + 1) : nullptr; }
  T* mutable_data() { return reinterpret_cast<T*>(rep_ + 1); }
  static void Unref(internal::ArrayRep* rep) {
    if (rep == nullptr || rep->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    T* items = reinterpret_cast<T*>(rep + 1);
    for (std::uint32_t i = 0; i < rep->size; ++i) items[i].~T();
    ::operator delete(rep);
  }
  void Detach(std::size_t capacity) {
    const std::size_t n = size();
    const bool sole = rep_ != nullptr && rep_->refs.load(std::memory_order_acquire) == 1;
    if ((rep_ == nullptr && capacity == 0) || (sole && rep_->capacity >= capacity)) return;
    std::size_t want = capacity;
    if (rep_ != nullptr && capacity > n && capacity < 2 * n) want = 2 * n;
    auto* fresh = static_cast<internal::ArrayRep*>(::operator new(sizeof(internal::ArrayRep) + want * sizeof(T)));
    new (fresh) internal::ArrayRep{1, static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(want), 0};
    T* to = reinterpret_cast<T*>(fresh + 1);
    for (std::size_t i = 0; i < n; ++i) {
      if (sole) {
        new (to + i) T(std::move(mutable_data()[i]));
      } else {
        new (to + i) T(data()[i]);
      }
    }
    Unref(std::exchange(rep_, fresh));
  }
  internal::ArrayRep* rep_ = nullptr;
};

// Not a friend: a constraint on one would ask for a complete T where List<T> is named, and kinds contain themselves.
template <typename T>
requires requires(const T& x) { x == x; }
bool operator==(const List<T>& a, const List<T>& b) {
  return a.same(b) || std::equal(a.begin(), a.end(), b.begin(), b.end());
}

template <typename V>
struct MapEntry {
  Str key;
  V value;
};

template <typename V>
requires requires(const V& x) { x == x; }
bool operator==(const MapEntry<V>& a, const MapEntry<V>& b) { return a.key == b.key && a.value == b.value; }

// A copy-on-write map of 8 bytes, sorted by key (as Go's encoding/json writes maps). Made for the small maps of
// the API: lookups are binary searches, an insertion moves what follows.
template <typename V>
class Map {
 public:
  using value_type = MapEntry<V>;

  constexpr Map() = default;
  Map(std::initializer_list<std::pair<std::string_view, V>> items) {
    for (const auto& [key, value] : items) (*this)[key] = value;
  }

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  const MapEntry<V>* begin() const { return entries_.begin(); }
  const MapEntry<V>* end() const { return entries_.end(); }
  bool same(const Map& o) const { return entries_.same(o.entries_); }

  // The value under `key`, or null.
  const V* Find(std::string_view key) const {
    const std::size_t i = LowerBound(key);
    return i < size() && entries_[i].key == key ? &entries_[i].value : nullptr;
  }
  bool Contains(std::string_view key) const { return Find(key) != nullptr; }
  // The value under `key` for writing, inserted empty if it was not there.
  V& operator[](std::string_view key) {
    const std::size_t i = LowerBound(key);
    if (i == size() || !(entries_[i].key == key)) entries_.Insert(i, MapEntry<V>{Str(key), V{}});
    return entries_.Mutable(i).value;
  }
  // Returns whether it was there.
  bool Erase(std::string_view key) {
    const std::size_t i = LowerBound(key);
    if (i == size() || !(entries_[i].key == key)) return false;
    entries_.Erase(i);
    return true;
  }
  void clear() { entries_.clear(); }

 private:
  std::size_t LowerBound(std::string_view key) const {
    std::size_t low = 0;
    std::size_t high = entries_.size();
    while (low < high) {
      const std::size_t mid = (low + high) / 2;
      if (entries_[mid].key.view() < key) {
        low = mid + 1;
      } else {
        high = mid;
      }
    }
    return low;
  }
  List<MapEntry<V>> entries_;
};

template <typename V>
requires requires(const V& x) { x == x; }
bool operator==(const Map<V>& a, const Map<V>& b) {
  return a.same(b) || std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// An optional message of 8 bytes: null, or a pointer to a shared copy-on-write T.
template <typename T>
class Box {
 public:
  constexpr Box() = default;
  Box(std::nullptr_t) {}                                   // NOLINT(google-explicit-constructor)
  Box(T value) : rep_(new Rep{1, 0, std::move(value)}) {}  // NOLINT(google-explicit-constructor)
  Box(const Box& o) : rep_(o.rep_) {
    if (rep_ != nullptr) rep_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  Box(Box&& o) noexcept : rep_(std::exchange(o.rep_, nullptr)) {}
  Box& operator=(const Box& o) {
    Box copy(o);
    std::swap(rep_, copy.rep_);
    return *this;
  }
  Box& operator=(Box&& o) noexcept {
    std::swap(rep_, o.rep_);
    return *this;
  }
  ~Box() { Unref(rep_); }

  explicit operator bool() const { return rep_ != nullptr; }
  const T* get() const { return rep_ != nullptr ? &rep_->value : nullptr; }
  const T& operator*() const { return rep_->value; }
  const T* operator->() const { return &rep_->value; }
  bool same(const Box& o) const { return rep_ == o.rep_; }

  // The message for writing: made if null, detached if shared.
  T& Mutable() {
    if (rep_ == nullptr) {
      rep_ = new Rep{1, 0, T{}};
    } else if (rep_->refs.load(std::memory_order_acquire) != 1) {
      Unref(std::exchange(rep_, new Rep{1, 0, rep_->value}));
    }
    return rep_->value;
  }
  void reset() { Box().swap(*this); }
  void swap(Box& o) noexcept { std::swap(rep_, o.rep_); }

 private:
  struct Rep {
    std::atomic<std::uint32_t> refs;
    std::uint32_t unused;
    T value;  // at offset 8; T is at most 8-byte aligned
  };
  static void Unref(Rep* rep) {
    if (rep != nullptr && rep->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete rep;
  }
  Rep* rep_ = nullptr;
};

// resource.Quantity in canonical form ("500m", "128Mi"); empty = absent. The decoder canonicalises and rejects what
// does not parse; a host may assign any valid spelling (encoders canonicalise it).
struct Quantity {
  Str text;
  Quantity() = default;
  Quantity(const char* s) : text(s) {}            // NOLINT(google-explicit-constructor)
  Quantity(std::string_view s) : text(s) {}       // NOLINT(google-explicit-constructor)
  Quantity(const std::string& s) : text(s) {}     // NOLINT(google-explicit-constructor)
  static Quantity FromInt(std::int64_t value);    // decimal SI
  static Quantity FromMilli(std::int64_t milli);  // decimal SI
  static Quantity FromBytes(std::int64_t bytes);  // binary SI
  bool empty() const { return text.empty(); }
  // The value rounded up to an integer, saturating at the ends of int64; 0 if absent or malformed.
  std::int64_t Value() const;
  // A thousandth as unit, rounded up, saturating.
  std::int64_t MilliValue() const;
  // Exact comparison of values, whatever the suffixes.
  std::strong_ordering Compare(const Quantity& other) const;
  friend bool operator==(const Quantity& a, const Quantity& b) {
    return a.text == b.text || (a.empty() == b.empty() && a.Compare(b) == 0);
  }
};

// intstr.IntOrString. Zero memory is the integer 0.
struct IntOrString {
  Str string_value;
  std::int32_t int_value = 0;
  bool is_string = false;
  IntOrString() = default;
  IntOrString(std::int32_t v) : int_value(v) {}                          // NOLINT(google-explicit-constructor)
  IntOrString(const char* s) : string_value(s), is_string(true) {}       // NOLINT(google-explicit-constructor)
  IntOrString(std::string_view s) : string_value(s), is_string(true) {}  // NOLINT(google-explicit-constructor)
  friend bool operator==(const IntOrString&, const IntOrString&) = default;
};
static_assert(sizeof(IntOrString) == 16);

// An instant with microsecond resolution, or none. Zero memory is none: the count is of microseconds since
// 0001-01-01T00:00:00Z, which is also Go's zero time.
struct Instant {
  static constexpr std::int64_t kUnixEpoch = 62'135'596'800'000'000;
  std::int64_t micros = 0;
  bool empty() const { return micros == 0; }
  static Instant FromUnixMicros(std::int64_t unix_micros) { return {unix_micros + kUnixEpoch}; }
  std::int64_t unix_micros() const { return micros - kUnixEpoch; }
  friend auto operator<=>(const Instant&, const Instant&) = default;
};
// metav1.Time: written with whole seconds, RFC 3339 in UTC.
struct Time : Instant {};
// metav1.MicroTime: written with six digits of fraction.
struct MicroTime : Instant {};

// metav1.Duration: nanoseconds, spelled as Go does ("1h2m3.5s").
struct Span {
  std::int64_t nanos = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

}  // namespace minikube
