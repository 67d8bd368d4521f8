#include <minikube/json.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

#include "model/intern.h"
#include "model/json_codec.h"

namespace minikube {

static_assert(offsetof(JsonMember, value) == 8);

std::uint64_t Json::TextBits(std::string_view text, std::uint64_t inline_tag, std::uint64_t heap_tag) {
  if (text.size() <= 7) {
    std::uint64_t bits = text.size() << 4 | inline_tag;
    if (!text.empty()) std::memcpy(reinterpret_cast<char*>(&bits) + 1, text.data(), text.size());
    return bits;
  }
  auto* rep = static_cast<Rep*>(::operator new(sizeof(Rep) + text.size()));
  const auto size = static_cast<std::uint32_t>(text.size());
  new (rep) Rep{1, size, size, 0};
  std::memcpy(static_cast<void*>(rep + 1), text.data(), text.size());
  return reinterpret_cast<std::uintptr_t>(rep) | heap_tag;
}

template <typename T>
std::uint64_t Json::Make(std::vector<T> values, std::uint64_t tag) {
  auto* rep = static_cast<Rep*>(::operator new(sizeof(Rep) + values.size() * sizeof(T)));
  const auto size = static_cast<std::uint32_t>(values.size());
  new (rep) Rep{1, size, size, 0};
  T* to = reinterpret_cast<T*>(rep + 1);
  for (T& value : values) new (to++) T(std::move(value));
  return reinterpret_cast<std::uintptr_t>(rep) | tag;
}

// The elements for writing, with room for `capacity` of them, held by nobody else.
template <typename T>
T* Json::Detach(std::uint64_t tag, std::size_t capacity) {
  const bool same_kind = (bits_ & kTagMask) == tag;
  Rep* old = same_kind ? rep() : nullptr;
  const bool sole = old != nullptr && old->refs.load(std::memory_order_acquire) == 1;
  if (sole && old->capacity >= capacity) return reinterpret_cast<T*>(old + 1);
  const std::size_t n = old != nullptr ? old->size : 0;
  const std::size_t want = capacity > n && n > 0 ? std::max(capacity, 2 * n) : std::max<std::size_t>(capacity, 1);
  auto* rep = static_cast<Rep*>(::operator new(sizeof(Rep) + want * sizeof(T)));
  new (rep) Rep{1, static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(want), 0};
  T* to = reinterpret_cast<T*>(rep + 1);
  for (std::size_t i = 0; i < n; ++i) {
    T& from = reinterpret_cast<T*>(old + 1)[i];
    if (sole) {
      new (to + i) T(std::move(from));
    } else {
      new (to + i) T(from);
    }
  }
  *this = Json(reinterpret_cast<std::uintptr_t>(rep) | tag);
  return to;
}

void Json::Destroy() {
  Rep* dying = rep();
  if ((bits_ & kTagMask) == kHeapArray) {
    Json* items = reinterpret_cast<Json*>(dying + 1);
    for (std::uint32_t i = 0; i < dying->size; ++i) items[i].~Json();
  } else if ((bits_ & kTagMask) == kHeapObject) {
    auto* members = reinterpret_cast<JsonMember*>(dying + 1);
    for (std::uint32_t i = 0; i < dying->size; ++i) members[i].~JsonMember();
  }
  ::operator delete(dying);
}

Json Json::Null() { return Json(Literal(kNull)); }
Json Json::Bool(bool value) { return Json(Literal(value ? kTrue : kFalse)); }
Json Json::Number(std::string_view text) { return Json(TextBits(text, kInlineNumber, kHeapNumber)); }
Json Json::String(std::string_view text) { return Json(TextBits(text, kInlineString, kHeapString)); }
Json Json::Array() { return Json(Literal(kEmptyArray)); }
Json Json::Object() { return Json(Literal(kEmptyObject)); }

Json Json::Int(std::int64_t value) {
  char buffer[24];
  return Number({buffer, static_cast<std::size_t>(std::to_chars(buffer, buffer + sizeof buffer, value).ptr - buffer)});
}

Json Json::Double(double value) {
  if (!std::isfinite(value)) return Null();
  std::string text;
  model::AppendJsonDouble(value, text);
  return Number(text);
}

Json Json::Array(std::vector<Json> items) { return items.empty() ? Array() : Json(Make(std::move(items), kHeapArray)); }

Json Json::Object(std::vector<JsonMember> members) {
  if (members.empty()) return Object();
  const auto less = [](const JsonMember& a, const JsonMember& b) { return a.key.view() < b.key.view(); };
  if (!std::is_sorted(members.begin(), members.end(), less)) std::stable_sort(members.begin(), members.end(), less);
  // Of equal keys the last one stays.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i + 1 < members.size() && members[i].key == members[i + 1].key) continue;
    if (kept != i) members[kept] = std::move(members[i]);
    ++kept;
  }
  members.resize(kept);
  return Json(Make(std::move(members), kHeapObject));
}

Json::Kind Json::LiteralKind() const {
  switch (bits_ >> 4) {
    case kNull:
      return Kind::kNull;
    case kFalse:
    case kTrue:
      return Kind::kBool;
    case kEmptyArray:
      return Kind::kArray;
    default:
      return Kind::kObject;
  }
}

std::string_view Json::text() const {
  switch (bits_ & kTagMask) {
    case kInlineString:
    case kInlineNumber:
      return {reinterpret_cast<const char*>(&bits_) + 1, static_cast<std::size_t>((bits_ & 0xff) >> 4)};
    case kHeapString:
    case kHeapNumber:
      if (bits_ == 0) return {};
      return {reinterpret_cast<const char*>(rep() + 1), rep()->size};
    default:
      return {};
  }
}

std::optional<std::int64_t> Json::AsInt64() const {
  if (!is_number()) return std::nullopt;
  const std::string_view spelled = text();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(spelled.data(), spelled.data() + spelled.size(), value);
  if (error != std::errc() || end != spelled.data() + spelled.size()) return std::nullopt;
  return value;
}

std::optional<double> Json::AsDouble() const {
  if (!is_number()) return std::nullopt;
  const std::string_view spelled = text();
  double value = 0;
  const auto [end, error] = std::from_chars(spelled.data(), spelled.data() + spelled.size(), value);
  // Too large or too small for a double: strtod knows which.
  if (error == std::errc::result_out_of_range) return std::strtod(std::string(spelled).c_str(), nullptr);
  return value;
}

std::span<const Json> Json::items() const {
  if ((bits_ & kTagMask) != kHeapArray) return {};
  return {reinterpret_cast<const Json*>(rep() + 1), rep()->size};
}

std::span<const JsonMember> Json::members() const {
  if ((bits_ & kTagMask) != kHeapObject) return {};
  return {reinterpret_cast<const JsonMember*>(rep() + 1), rep()->size};
}

std::size_t Json::LowerBound(std::string_view key) const {
  const std::span<const JsonMember> all = members();
  return static_cast<std::size_t>(
      std::lower_bound(all.begin(), all.end(), key,
                       [](const JsonMember& m, std::string_view k) { return m.key.view() < k; }) -
      all.begin());
}

const Json* Json::Find(std::string_view key) const {
  const std::span<const JsonMember> all = members();
  const std::size_t i = LowerBound(key);
  return i < all.size() && all[i].key == key ? &all[i].value : nullptr;
}

const Json& Json::operator[](std::string_view key) const {
  static const Json kNone;
  const Json* found = Find(key);
  return found != nullptr ? *found : kNone;
}

void Json::Append(Json item) {
  const std::size_t n = is_array() ? size() : 0;
  Json* items = Detach<Json>(kHeapArray, n + 1);
  new (items + n) Json(std::move(item));
  ++rep()->size;
}

Json& Json::MutableItem(std::size_t index) { return Detach<Json>(kHeapArray, size())[index]; }

void Json::EraseItem(std::size_t index) {
  const std::size_t n = size();
  Json* items = Detach<Json>(kHeapArray, n);
  std::move(items + index + 1, items + n, items + index);
  items[n - 1].~Json();
  if (--rep()->size == 0) *this = Array();
}

Json& Json::Mutable(std::string_view key) {
  const std::size_t i = LowerBound(key);
  const std::span<const JsonMember> all = members();
  if (i < all.size() && all[i].key == key) return Detach<JsonMember>(kHeapObject, all.size())[i].value;
  return MutableInterned(model::ThreadStrCache().Get(key));
}

// By value: the key may lie in this very tree.
Json& Json::MutableInterned(Str key) {
  const std::size_t n = members().size();
  const std::size_t i = LowerBound(key);
  const bool there = i < n && members()[i].key == key;
  auto* all = Detach<JsonMember>(kHeapObject, there ? n : n + 1);
  if (!there) {
    new (all + n) JsonMember{};
    ++rep()->size;
    std::move_backward(all + i, all + n, all + n + 1);
    all[i] = JsonMember{std::move(key), Json()};
  }
  return all[i].value;
}

bool Json::Erase(std::string_view key) {
  const std::size_t n = members().size();
  const std::size_t i = LowerBound(key);
  if (i == n || !(members()[i].key == key)) return false;
  if (n == 1) {
    *this = Object();
    return true;
  }
  auto* all = Detach<JsonMember>(kHeapObject, n);
  std::move(all + i + 1, all + n, all + i);
  all[n - 1].~JsonMember();
  --rep()->size;
  return true;
}

bool Json::EqualTrees(const Json& o) const {
  const std::uint64_t tag = bits_ & kTagMask;
  if (tag != (o.bits_ & kTagMask) || !OnHeap() || !o.OnHeap() || rep()->size != o.rep()->size) return false;
  if (tag == kHeapArray) return std::equal(items().begin(), items().end(), o.items().begin());
  if (tag == kHeapObject) return std::equal(members().begin(), members().end(), o.members().begin());
  return text() == o.text();
}

std::size_t Json::heap_bytes() const {
  if (!OnHeap()) return 0;
  std::size_t bytes = sizeof(Rep);
  if ((bits_ & kTagMask) == kHeapArray) {
    bytes += rep()->capacity * sizeof(Json);
    for (const Json& item : items()) bytes += item.heap_bytes();
  } else if ((bits_ & kTagMask) == kHeapObject) {
    bytes += rep()->capacity * sizeof(JsonMember);
    for (const JsonMember& member : members()) bytes += member.key.heap_bytes() + member.value.heap_bytes();
  } else {
    bytes += rep()->size;
  }
  return bytes;
}

std::size_t Json::nodes() const {
  std::size_t count = absent() ? 0 : 1;
  for (const Json& item : items()) count += item.nodes();
  for (const JsonMember& member : members()) count += member.value.nodes();
  return count;
}

std::string Json::ToString() const {
  std::string out;
  AppendTo(out);
  return out;
}

}  // namespace minikube
