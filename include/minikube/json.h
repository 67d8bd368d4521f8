// Json: one JSON value (RFC 8259) of any shape, in 8 bytes.
//
// A copy-on-write tree: copying a value copies a pointer, and changing one member copies the objects above it, nothing
// else. Everything is kept as it was written: 0, "", [], {} and null are there, numbers keep their spelling (1.0 is not
// 1, and 20 digits stay 20 digits). The members of an object are sorted by key, as Go's encoding/json writes maps, and
// their keys share memory where the same text was read lately. All-zero memory is the absent value, which is no JSON
// value at all: what a look-up of a missing member gives.
// Thread safety: as for int. Distinct values that share parts may be used from different threads.
// Lifetime: views and spans borrow from the value they were got from, until it changes or ends.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/status.h>
#include <minikube/types.h>

namespace minikube {

struct JsonMember;

// What a text may ask of the parser.
struct JsonLimits {
  int max_depth = 100;                                    // nested arrays and objects
  std::size_t max_nodes = 1'000'000;                      // values, all levels together
  std::size_t max_bytes = std::size_t{16} * 1024 * 1024;  // of text
};

class Json {
 public:
  enum class Kind : std::uint8_t { kAbsent, kNull, kBool, kNumber, kString, kArray, kObject };

  constexpr Json() = default;  // absent
  Json(const Json& o) : bits_(o.bits_) { Retain(); }
  Json(Json&& o) noexcept : bits_(std::exchange(o.bits_, 0)) {}
  Json& operator=(const Json& o) {
    Json copy(o);
    std::swap(bits_, copy.bits_);
    return *this;
  }
  Json& operator=(Json&& o) noexcept {
    std::swap(bits_, o.bits_);
    return *this;
  }
  ~Json() { Release(); }

  static Json Null();
  static Json Bool(bool value);
  static Json Int(std::int64_t value);
  // As Go's encoding/json writes it; null if it is not finite.
  static Json Double(double value);
  // A number as spelled; the text must be one by RFC 8259.
  static Json Number(std::string_view text);
  static Json String(std::string_view text);
  static Json Array();
  static Json Array(std::vector<Json> items);
  static Json Object();
  // In any order; of members with the same key the last one counts.
  static Json Object(std::vector<JsonMember> members);

  // Errors: kBadRequest (malformed, or beyond the limits), in the words of Go's encoding/json.
  static Result<Json> Parse(std::string_view text, const JsonLimits& limits = {});
  static Result<Json> ParseYaml(std::string_view text, const JsonLimits& limits = {});
  // Compact text. Absent is written as null.
  void AppendTo(std::string& out) const;
  std::string ToString() const;
  Result<std::string> ToYaml() const;

  Kind kind() const {
    if (bits_ == 0) return Kind::kAbsent;
    switch (bits_ & kTagMask) {
      case kHeapString:
      case kInlineString:
        return Kind::kString;
      case kHeapNumber:
      case kInlineNumber:
        return Kind::kNumber;
      case kHeapArray:
        return Kind::kArray;
      case kHeapObject:
        return Kind::kObject;
      default:
        return LiteralKind();
    }
  }
  bool absent() const { return bits_ == 0; }
  bool is_null() const { return bits_ == Literal(kNull); }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_number() const { return kind() == Kind::kNumber; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }

  // False if it is no boolean.
  bool boolean() const { return bits_ == Literal(kTrue); }
  // The characters of a string, or the spelling of a number; else "". An inline text lies in this very value.
  std::string_view text() const;
  // A number spelled as an integer, if it fits; a number of any spelling as the nearest double.
  std::optional<std::int64_t> AsInt64() const;
  std::optional<double> AsDouble() const;

  // Items of an array, members of an object; else 0.
  std::size_t size() const { return IsTree() ? rep()->size : 0; }
  // Empty unless it is an array, or an object.
  std::span<const Json> items() const;
  std::span<const JsonMember> members() const;
  // The member of that name; null if there is none, or this is no object. The second form gives the absent value.
  const Json* Find(std::string_view key) const;
  const Json& operator[](std::string_view key) const;

  // Changing. What is not an array or object becomes one, empty at first.
  void Append(Json item);
  Json& MutableItem(std::size_t index);  // must exist
  void EraseItem(std::size_t index);     // must exist
  // The member for writing, inserted absent if it was not there.
  Json& Mutable(std::string_view key);
  Json& MutableInterned(Str key);  // the same, without looking the key up among known ones
  void Set(std::string_view key, Json value) { Mutable(key) = std::move(value); }
  bool Erase(std::string_view key);

  // True when both are the same representation: equal without looking.
  bool same(const Json& o) const { return bits_ == o.bits_; }
  // Deep equality. Numbers are equal if they are spelled alike.
  friend bool operator==(const Json& a, const Json& b) { return a.bits_ == b.bits_ || a.EqualTrees(b); }

  // Bytes of heap behind this value (shared or not), and the values in it, for memory accounting.
  std::size_t heap_bytes() const;
  std::size_t nodes() const;

 private:
  struct Rep {
    std::atomic<std::uint32_t> refs;
    std::uint32_t size;
    std::uint32_t capacity;
    std::uint32_t unused;
    // characters, Json or JsonMember follow
  };
  static_assert(sizeof(Rep) == 16);

  static constexpr std::uint64_t kTagMask = 7;
  static constexpr std::uint64_t kHeapString = 0;
  static constexpr std::uint64_t kInlineString = 1;
  static constexpr std::uint64_t kHeapNumber = 2;
  static constexpr std::uint64_t kInlineNumber = 3;
  static constexpr std::uint64_t kHeapArray = 4;
  static constexpr std::uint64_t kLiteral = 5;
  static constexpr std::uint64_t kHeapObject = 6;
  enum LiteralValue : std::uint8_t { kNull, kFalse, kTrue, kEmptyArray, kEmptyObject };
  static constexpr std::uint64_t Literal(LiteralValue value) { return std::uint64_t{value} << 4 | kLiteral; }

  explicit Json(std::uint64_t bits) : bits_(bits) {}
  static std::uint64_t TextBits(std::string_view text, std::uint64_t inline_tag, std::uint64_t heap_tag);
  Kind LiteralKind() const;
  bool OnHeap() const { return bits_ != 0 && (bits_ & 1) == 0; }
  bool IsTree() const { return (bits_ & kTagMask) == kHeapArray || (bits_ & kTagMask) == kHeapObject; }
  Rep* rep() const { return reinterpret_cast<Rep*>(bits_ & ~kTagMask); }
  void Retain() const {
    if (OnHeap()) rep()->refs.fetch_add(1, std::memory_order_relaxed);
  }
  void Release() {
    if (OnHeap() && rep()->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) Destroy();
  }
  void Destroy();
  bool EqualTrees(const Json& o) const;
  template <typename T>
  T* Detach(std::uint64_t tag, std::size_t capacity);
  template <typename T>
  static std::uint64_t Make(std::vector<T> values, std::uint64_t tag);
  std::size_t LowerBound(std::string_view key) const;

  // 0: absent. Else the low three bits are a tag: of a literal, of text of up to 7 characters (its size is in the high
  // half of the lowest byte), or of a pointer to a Rep.
  std::uint64_t bits_ = 0;
};
static_assert(sizeof(Json) == 8);

struct JsonMember {
  Str key;
  Json value;
  friend bool operator==(const JsonMember&, const JsonMember&) = default;
};
static_assert(sizeof(JsonMember) == 16);

}  // namespace minikube
