// Value: what an expression works on and yields; and the interface behind lists and maps.
//
// A value is 32 bytes. Scalars lie inside; strings are shared (Str) or borrowed; lists and maps are made by an
// expression (and then counted), or they are a view of something that exists already: a Json tree, a generated struct.
// A view costs no allocation, and reads a member only when an expression asks for it.
// Thread safety: as for int. Lifetime: a view, and a string got through one, borrow from the tree or struct, which must
// outlive every value that came from it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/types.h>

namespace minikube {
class Json;
}

namespace minikube::cel {

class Value;

enum class Kind : std::uint8_t {
  kError,  // what went wrong, as a value: && and || may absorb it
  kNull,
  kBool,
  kInt,
  kUint,
  kDouble,
  kString,
  kBytes,
  kList,
  kMap,  // structs too
  kType,
  kTimestamp,
  kDuration,
  kOptional,
  kOpaque,  // of an extension library: a quantity, an address
};
// "int", "google.protobuf.Timestamp": the name of the type in expressions.
std::string_view NameOf(Kind kind);

// Something counted that a value points to.
class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  virtual ~Counted();
  void Retain() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  void Release() const {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  mutable std::atomic<std::uint32_t> refs_{0};
};

// A value of an extension library.
class Opaque : public Counted {
 public:
  virtual std::string_view type_name() const = 0;  // "kubernetes.Quantity"
  virtual bool Equals(const Opaque& other) const = 0;
  // How large it is, for what calls cost.
  virtual std::size_t Size() const { return 1; }
};

// A list or map that is a view of something. One stateless object per sort of source; `source` and `type` are its own.
class ListView {
 public:
  virtual std::size_t Size(const void* source, const void* type) const = 0;
  virtual Value At(const void* source, const void* type, std::size_t index) const = 0;

 protected:
  ~ListView() = default;
};
class MapView {
 public:
  virtual std::size_t Size(const void* source, const void* type) const = 0;
  // False if there is no such key.
  virtual bool Find(const void* source, const void* type, std::string_view key, Value* out) const = 0;
  virtual std::vector<Value> Keys(const void* source, const void* type) const = 0;
  virtual std::string_view TypeName(const void* type) const = 0;  // "map", or of a struct

 protected:
  ~MapView() = default;
};

class Value {
 public:
  Value() = default;
  Value(const Value& o) { Copy(o); }
  Value(Value&& o) noexcept { Take(o); }
  Value& operator=(const Value& o) {
    if (this != &o) {
      Value copy(o);
      *this = std::move(copy);
    }
    return *this;
  }
  Value& operator=(Value&& o) noexcept {
    if (this != &o) {
      Destroy();
      Take(o);
    }
    return *this;
  }
  ~Value() { Destroy(); }

  static Value Null() { return {}; }
  static Value Bool(bool v) { return {Kind::kBool, Form::kPlain, v ? 1U : 0U}; }
  static Value Int(std::int64_t v) { return {Kind::kInt, Form::kPlain, static_cast<std::uint64_t>(v)}; }
  static Value Uint(std::uint64_t v) { return {Kind::kUint, Form::kPlain, v}; }
  static Value Double(double v);
  static Value String(std::string_view v) { return OwnText(Kind::kString, v); }
  static Value Bytes(std::string_view v) { return OwnText(Kind::kBytes, v); }
  // The characters must outlive the value and its copies.
  static Value BorrowedString(std::string_view v);
  // Seconds since the epoch, and of a duration; nanos in [0, 1e9), for durations of the sign of the seconds.
  static Value Timestamp(std::int64_t seconds, std::int32_t nanos);
  static Value Duration(std::int64_t seconds, std::int32_t nanos);
  static Value Type(std::string_view name) { return OwnText(Kind::kType, name); }
  static Value Error(std::string_view message);
  static Value NoSuchOverload() { return Error("no such overload"); }
  static Value List(std::vector<Value> items);
  static Value Map(std::vector<std::pair<Value, Value>> entries);
  // A map that is a message of that type.
  static Value Struct(std::string_view type_name, std::vector<std::pair<Value, Value>> entries);
  static Value OptionalOf(Value value);
  static Value OptionalNone();
  static Value OfOpaque(const Opaque* opaque);  // takes a share of it
  static Value View(const ListView& view, const void* source, const void* type);
  static Value View(const MapView& view, const void* source, const void* type);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_error() const { return kind_ == Kind::kError; }
  bool is_true() const { return kind_ == Kind::kBool && bits_ == 1; }
  bool is_false() const { return kind_ == Kind::kBool && bits_ == 0; }
  bool is_number() const { return kind_ == Kind::kInt || kind_ == Kind::kUint || kind_ == Kind::kDouble; }

  // Each for its own kind only.
  bool boolean() const { return bits_ == 1; }
  std::int64_t integer() const { return static_cast<std::int64_t>(bits_); }
  std::uint64_t uinteger() const { return bits_; }
  double number() const;
  std::string_view text() const;  // strings, bytes, types, errors
  std::int64_t seconds() const { return static_cast<std::int64_t>(bits_); }
  std::int32_t nanos() const { return nanos_; }
  const Opaque& opaque() const;
  const Value* optional_value() const;  // null: none

  // Lists: items; maps: entries; strings: characters of Unicode; bytes: bytes.
  std::size_t Size() const;
  Value At(std::size_t index) const;
  // Of a list made by an expression, else null.
  const std::vector<Value>* OwnItems() const;
  bool Find(const Value& key, Value* out) const;
  bool FindField(std::string_view name, Value* out) const;
  std::vector<Value> Keys() const;
  const std::vector<std::pair<Value, Value>>* OwnEntries() const;

  // The name of its type: of a struct or opaque value its own, else that of the kind.
  std::string_view TypeName() const;

 private:
  enum class Form : std::uint8_t { kPlain, kText, kBorrowed, kCounted, kView };

  Value(Kind kind, Form form, std::uint64_t bits, const void* aux = nullptr, std::int32_t nanos = 0)
      : kind_(kind), form_(form), nanos_(nanos), bits_(bits), aux_(aux) {}
  static Value OwnText(Kind kind, std::string_view text);
  static Value OfCounted(Kind kind, const Counted* counted);
  const Str& str() const { return reinterpret_cast<const Str&>(bits_); }
  const Counted* counted() const { return reinterpret_cast<const Counted*>(bits_); }
  void Take(Value& o) {
    kind_ = std::exchange(o.kind_, Kind::kNull);
    form_ = std::exchange(o.form_, Form::kPlain);
    nanos_ = o.nanos_;
    bits_ = o.bits_;
    aux_ = o.aux_;
    type_ = o.type_;
  }
  void Copy(const Value& o) {
    kind_ = o.kind_;
    form_ = o.form_;
    nanos_ = o.nanos_;
    bits_ = o.bits_;
    aux_ = o.aux_;
    type_ = o.type_;
    if (form_ == Form::kText || form_ == Form::kCounted) Retain();
  }
  void Destroy() {
    if (form_ == Form::kText || form_ == Form::kCounted) Drop();
  }
  void Retain();
  void Drop();

  Kind kind_ = Kind::kNull;
  Form form_ = Form::kPlain;
  std::int32_t nanos_ = 0;
  std::uint64_t bits_ = 0;      // the scalar; a Str; a Counted*; where borrowed text or a view's source begins
  const void* aux_ = nullptr;   // the size of borrowed text; the ListView or MapView
  const void* type_ = nullptr;  // what the view knows of its source
};

// Equality of the language: numbers by value whatever their kind, lists and maps in depth, NaN unequal to itself.
bool Equal(const Value& a, const Value& b);
// -1, 0, 1; 2: unordered (NaN), 3: the kinds cannot be compared.
int Compare(const Value& a, const Value& b);

// The items of both lists.
Value Concatenate(const Value& a, const Value& b);

// As JSON has it: the form in which results leave expressions. Errors, types, and opaque values become null.
Json ToJson(const Value& value);

}  // namespace minikube::cel
