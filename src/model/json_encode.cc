// Message memory to JSON, as Go's encoding/json writes the types of the Kubernetes API (without escaping <, > and &).
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <minikube/codec.h>
#include <minikube/json.h>
#include <minikube/types.h>

#include "model/access.h"
#include "model/byte_writer.h"
#include "model/json_codec.h"
#include "model/quantity.h"
#include "model/scalar_text.h"

namespace minikube {
namespace model {
namespace {

// What needs a closer look: ", \, controls, and anything beyond ASCII.
bool IsSpecial(unsigned char c) { return c == '"' || c == '\\' || c < 0x20 || c >= 0x80; }

// The same of the bytes of a word: true if there is one.
bool IsSpecial(std::uint64_t v) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  const std::uint64_t quote = v ^ kOnes * '"';
  const std::uint64_t slash = v ^ kOnes * '\\';
  return ((((quote - kOnes) & ~quote) | ((slash - kOnes) & ~slash) | ((v - kOnes * 0x20) & ~v) | v) & kHigh) != 0;
}

// Copies 8 bytes; true if one of them is special.
bool CopySpecial8(const char* from, char* to) {
  std::uint64_t v;
  std::memcpy(&v, from, 8);
  std::memcpy(to, &v, 8);
  return IsSpecial(v);
}

// Copies 16 bytes and returns a bit for each that is special, the first one lowest.
std::uint32_t CopySpecial16(const char* from, char* to) {
#if defined(__SSE2__)
  const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), v);
  const __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
  const __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
  const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
  // The sign bits of `v` are the bytes beyond ASCII.
  return static_cast<std::uint32_t>(
      _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), _mm_or_si128(control, v))));
#else
  const bool first = CopySpecial8(from, to);
  const bool second = CopySpecial8(from + 8, to + 8);
  std::uint32_t mask = 0;
  if (first || second) {
    for (unsigned i = 0; i < 16; ++i)
      mask |= static_cast<std::uint32_t>(IsSpecial(static_cast<unsigned char>(from[i]))) << i;
  }
  return mask;
#endif
}

// Copies text of any length, in pieces that may overlap; true if something in it is special.
bool CopySpecial(std::string_view text, char* to) {
  const std::size_t n = text.size();
  const char* from = text.data();
  if (n >= 16) {
    std::uint32_t special = 0;
    for (std::size_t i = 0; i + 16 < n; i += 16) special |= CopySpecial16(from + i, to + i);
    return (special | CopySpecial16(from + n - 16, to + n - 16)) != 0;
  }
  if (n >= 8) {
    const bool special = CopySpecial8(from, to);
    return CopySpecial8(from + n - 8, to + n - 8) || special;
  }
  if (n >= 4) {
    std::uint32_t first;
    std::uint32_t last;
    std::memcpy(&first, from, 4);
    std::memcpy(&last, from + n - 4, 4);
    std::memcpy(to, &first, 4);
    std::memcpy(to + n - 4, &last, 4);
    return IsSpecial(first | std::uint64_t{last} << 32);
  }
  if (n == 0) return false;
  const auto first = static_cast<unsigned char>(from[0]);
  const auto middle = static_cast<unsigned char>(from[n / 2]);
  const auto last = static_cast<unsigned char>(from[n - 1]);
  to[0] = from[0];
  to[n / 2] = from[n / 2];
  to[n - 1] = from[n - 1];
  return IsSpecial(first) || IsSpecial(middle) || IsSpecial(last);
}

// The bytes of the UTF-8 character at `p`; 0 if there is none (RFC 3629: shortest form, no surrogates, to U+10FFFF).
std::size_t Utf8Size(const unsigned char* p, const unsigned char* end) {
  const auto follows = [&](std::size_t i) { return (p[i] & 0xc0) == 0x80; };
  const auto left = static_cast<std::size_t>(end - p);
  if (p[0] < 0xc2) return p[0] < 0x80 ? 1 : 0;
  if (p[0] < 0xe0) return left >= 2 && follows(1) ? 2 : 0;
  if (p[0] < 0xf0) {
    if (left < 3 || !follows(1) || !follows(2)) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    return p[0] == 0xed && p[1] >= 0xa0 ? 0 : 3;
  }
  if (p[0] > 0xf4 || left < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  if (p[0] == 0xf0 && p[1] < 0x90) return 0;
  return p[0] == 0xf4 && p[1] >= 0x90 ? 0 : 4;
}

// Writes the special character at `p` and returns what follows it.
const unsigned char* Escape(const unsigned char* p, const unsigned char* end, ByteWriter& w) {
  constexpr std::string_view kHex = "0123456789abcdef";
  char* to = w.Reserve(8);
  if (*p >= 0x80) {
    const std::size_t size = Utf8Size(p, end);
    if (size == 0) {
      w.Append("\\ufffd");
      return p + 1;
    }
    if (size == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) {
      w.Append(p[2] == 0xa8 ? "\\u2028" : "\\u2029");  // line ends in JavaScript
      return p + 3;
    }
    std::memcpy(to, p, size);
    w.Advance(to + size);
    return p + size;
  }
  const unsigned char c = *p;
  *to++ = '\\';
  switch (c) {
    case '"':
    case '\\':
      *to++ = static_cast<char>(c);
      break;
    case '\b':
      *to++ = 'b';
      break;
    case '\f':
      *to++ = 'f';
      break;
    case '\n':
      *to++ = 'n';
      break;
    case '\r':
      *to++ = 'r';
      break;
    case '\t':
      *to++ = 't';
      break;
    default:
      std::memcpy(to, "u00", 3);
      to[3] = kHex[c >> 4];
      to[4] = kHex[c & 15];
      to += 5;
  }
  w.Advance(to);
  return p + 1;
}

void Escaped(std::string_view text, ByteWriter& w) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = p + text.size();
  while (end - p >= 16) {
    char* to = w.Reserve(16);
    const std::uint32_t special = CopySpecial16(reinterpret_cast<const char*>(p), to);
    const int plain = std::countr_zero(special | 1u << 16);
    w.Advance(to + plain);
    p += plain;
    if (special != 0) p = Escape(p, end, w);
  }
  while (p != end) {
    if (IsSpecial(*p)) {
      p = Escape(p, end, w);
    } else {
      w.Append(static_cast<char>(*p++));
    }
  }
}

void String(std::string_view text, ByteWriter& w) {
  char* to = w.Reserve(text.size() + 2);
  *to = '"';
  // What was copied of a special text is written over.
  if (CopySpecial(text, to + 1)) {
    w.Advance(to + 1);
    Escaped(text, w);
    return w.Append('"');
  }
  to[text.size() + 1] = '"';
  w.Advance(to + text.size() + 2);
}

// `separator`, then the name of a member.
void Key(char separator, std::string_view name, ByteWriter& w) {
  char* to = w.Reserve(name.size() + 4);
  to[0] = separator;
  to[1] = '"';
  if (CopySpecial(name, to + 2)) {
    w.Advance(to + 2);
    Escaped(name, w);
    return w.Append("\":");
  }
  to += name.size() + 2;
  to[0] = '"';
  to[1] = ':';
  w.Advance(to + 2);
}

void Integer(std::int64_t value, ByteWriter& w) {
  char* to = w.Reserve(24);
  w.Advance(std::to_chars(to, to + 24, value).ptr);
}

// Go: the shortest digits that read back the same; an exponent only below 1e-6 and from 1e21 on, without padding.
void Double(double value, ByteWriter& w) {
  if (!std::isfinite(value)) return w.Append("null");
  const double magnitude = std::fabs(value);
  const bool exponent = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  std::array<char, 64> buffer;
  char* end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                            exponent ? std::chars_format::scientific : std::chars_format::fixed)
                  .ptr;
  if (exponent && end - buffer.data() >= 4 && end[-4] == 'e' && end[-3] == '-' && end[-2] == '0') {
    end[-2] = end[-1];
    --end;
  }
  w.Append({buffer.data(), static_cast<std::size_t>(end - buffer.data())});
}

void QuantityText(const Quantity& quantity, ByteWriter& w) {
  const std::string_view text = quantity.text.view();
  if (text.empty()) return w.Append("\"0\"");
  if (IsPlainlyCanonicalQuantity(text)) return String(text, w);
  std::string canonical;
  String(CanonicalizeQuantity(text, canonical) ? std::string_view(canonical) : text, w);
}

class Encoder {
 public:
  // `set_only`: plain fields with their zero value are left out even where Go writes them.
  explicit Encoder(ByteWriter& out, bool set_only = false) : w_(out), set_only_(set_only) {}

  // `type_meta`: a root type says its kind and apiVersion.
  void Object(const MessageDesc& desc, const void* message, bool type_meta);
  void Value(ValueType type, const void* value, bool type_meta);
  void Field(const FieldDesc& field, const void* message, bool type_meta);
  void TypeMeta(const GroupVersionKind& gvk);
  void Tree(const Json& value);

 private:
  void UnionForm(const MessageDesc& desc, const void* message);
  void Null() { w_.Append("null"); }
  bool IsAlwaysWritten(const FieldDesc& field) const { return field.has(kFieldAlways) && !set_only_; }

  ByteWriter& w_;
  const bool set_only_;
};

void Encoder::TypeMeta(const GroupVersionKind& gvk) {
  w_.Append("\"kind\":");
  String(gvk.kind, w_);
  w_.Append(",\"apiVersion\":\"");
  if (!gvk.group.empty()) {
    w_.Append(gvk.group);
    w_.Append('/');
  }
  w_.Append(gvk.version);
  w_.Append('"');
}

// Objects inside objects (the claims of a StatefulSet) are whole ones, but the items of a list leave out what the list
// says for all of them.
bool IsListKind(const MessageDesc& desc) { return desc.gvk.kind.ends_with("List"); }

// True if a plain value is written: a message by the fields that it has, anything else unless it is zero.
bool IsWritten(const FieldDesc& field, const void* slot) {
  switch (field.type) {
    case FieldType::kBool:
      return As<bool>(slot);
    case FieldType::kInt32:
      return As<std::int32_t>(slot) != 0;
    case FieldType::kString:
      return !As<Str>(slot).empty();
    default:
      return !IsZeroValue(TypeOf(field), slot);
  }
}

void Encoder::Object(const MessageDesc& desc, const void* message, bool type_meta) {
  char separator = '{';
  if (type_meta && !desc.gvk.kind.empty()) {
    w_.Append('{');
    TypeMeta(desc.gvk);
    separator = ',';
  }
  for (const FieldDesc& field : desc.fields) {
    const void* slot = SlotOf(field, message);
    if (field.has(kFieldRest)) {
      for (const JsonMember& member : As<Json>(slot).members()) {
        Key(separator, member.key.view(), w_);
        separator = ',';
        Tree(member.value);
      }
      continue;
    }
    if (field.shape == Shape::kPlain) {
      if (!IsAlwaysWritten(field) && !IsWritten(field, slot)) continue;
      Key(separator, field.name, w_);
      separator = ',';
      if (field.type == FieldType::kString) {
        String(As<Str>(slot).view(), w_);
        continue;
      }
    } else {
      const bool set = IsSet(field, message);
      if (!set && !IsAlwaysWritten(field)) continue;
      Key(separator, field.name, w_);
      separator = ',';
      if (field.shape == Shape::kList && field.name == "items" && IsListKind(desc)) {
        if (set) {
          Field(field, message, field.has(kFieldEmbeddedObject));
        } else {
          w_.Append("[]");  // clients iterate over it without looking
        }
        continue;
      }
    }
    Field(field, message, field.message != nullptr && field.message->metadata_field >= 0);
  }
  if (separator == '{') w_.Append('{');
  w_.Append('}');
}

void Encoder::Tree(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kAbsent:
    case Json::Kind::kNull:
      return Null();
    case Json::Kind::kBool:
      return w_.Append(value.boolean() ? "true" : "false");
    case Json::Kind::kNumber:
      return w_.Append(value.text());
    case Json::Kind::kString:
      return String(value.text(), w_);
    case Json::Kind::kArray: {
      char separator = '[';
      for (const Json& item : value.items()) {
        w_.Append(std::exchange(separator, ','));
        Tree(item);
      }
      if (separator == '[') w_.Append('[');
      return w_.Append(']');
    }
    case Json::Kind::kObject: {
      char separator = '{';
      for (const JsonMember& member : value.members()) {
        Key(std::exchange(separator, ','), member.key.view(), w_);
        Tree(member.value);
      }
      if (separator == '{') w_.Append('{');
      return w_.Append('}');
    }
  }
}

void Encoder::Field(const FieldDesc& field, const void* message, bool type_meta) {
  switch (field.shape) {
    case Shape::kPlain:
    case Shape::kOptional:
    case Shape::kBox: {
      const void* value = Get(field, message);
      if (value == nullptr) return Null();
      if (field.type == FieldType::kBytes && field.shape == Shape::kPlain && As<Bytes>(value).empty()) return Null();
      return Value(TypeOf(field), value, type_meta);
    }
    case Shape::kList: {
      const ArrayLayout layout = LayoutOf(field);
      const std::size_t n = ListSize(field, message);
      if (n == 0) return Null();
      const char* item = static_cast<const char*>(ListAt(field, message, 0));
      for (std::size_t i = 0; i < n; ++i, item += layout.stride) {
        w_.Append(i == 0 ? '[' : ',');
        Value(layout.value, item, type_meta);
      }
      return w_.Append(']');
    }
    case Shape::kMap: {
      const ArrayLayout layout = LayoutOf(field);
      const std::size_t n = MapSize(field, message);
      if (n == 0) return Null();
      const char* item = reinterpret_cast<const char*>(&MapKeyAt(field, message, 0));
      for (std::size_t i = 0; i < n; ++i, item += layout.stride) {
        w_.Append(i == 0 ? '{' : ',');
        String(As<Str>(item).view(), w_);
        w_.Append(':');
        Value(layout.value, item + kMapValueOffset, type_meta);
      }
      return w_.Append('}');
    }
  }
}

void Encoder::UnionForm(const MessageDesc& desc, const void* message) {
  const FieldDesc* flag = nullptr;
  for (const FieldDesc& field : desc.fields) {
    if (field.shape == Shape::kPlain) {
      flag = &field;
    } else if (IsSet(field, message)) {
      return Field(field, message, false);
    }
  }
  if (flag != nullptr) return Field(*flag, message, false);
  if (desc.json_form == JsonForm::kItems) return w_.Append("[]");
  Null();
}

void Encoder::Value(ValueType type, const void* value, bool type_meta) {
  switch (type.type) {
    case FieldType::kBool:
      return w_.Append(As<bool>(value) ? "true" : "false");
    case FieldType::kInt32:
      return Integer(As<std::int32_t>(value), w_);
    case FieldType::kInt64:
      return Integer(As<std::int64_t>(value), w_);
    case FieldType::kDouble:
      return Double(As<double>(value), w_);
    case FieldType::kString:
      return String(As<Str>(value).view(), w_);
    case FieldType::kBytes: {
      std::string text;
      AppendBase64(As<Bytes>(value).view(), text);
      return String(text, w_);
    }
    case FieldType::kQuantity:
      return QuantityText(As<Quantity>(value), w_);
    case FieldType::kIntOrString: {
      const auto& either = As<IntOrString>(value);
      return either.is_string ? String(either.string_value.view(), w_) : Integer(either.int_value, w_);
    }
    case FieldType::kTime:
    case FieldType::kMicroTime: {
      const std::int64_t micros = As<std::int64_t>(value);
      if (micros == 0) return Null();
      std::string text;
      type.type == FieldType::kTime ? AppendTime(micros, text) : AppendMicroTime(micros, text);
      return String(text, w_);
    }
    case FieldType::kDuration: {
      std::string text;
      AppendSpan(As<Span>(value).nanos, text);
      return String(text, w_);
    }
    case FieldType::kRawJson: {
      const std::string_view json = As<RawJson>(value).json.view();
      return json.empty() ? Null() : w_.Append(json);
    }
    case FieldType::kJson:
      return Tree(As<Json>(value));
    case FieldType::kMessage:
      return type.message->json_form == JsonForm::kObject ? Object(*type.message, value, type_meta)
                                                          : UnionForm(*type.message, value);
  }
}

template <typename Write>
void Append(std::string& out, Write write) {
  ByteWriter w;
  write(w);
  out.append(w.view());
}

}  // namespace

void EncodeJsonValue(ValueType type, const void* value, std::string& out) {
  Append(out, [&](ByteWriter& w) { Encoder(w).Value(type, value, false); });
}

void EncodeJsonObject(const MessageDesc& desc, const void* message, std::string& out) {
  Append(out, [&](ByteWriter& w) { Encoder(w).Object(desc, message, true); });
}

void EncodeJsonSetFields(const MessageDesc& desc, const void* message, std::string& out) {
  Append(out, [&](ByteWriter& w) { Encoder(w, true).Object(desc, message, true); });
}

void EncodeJsonField(const FieldDesc& field, const void* message, std::string& out) {
  Append(out, [&](ByteWriter& w) { Encoder(w).Field(field, message, false); });
}

void AppendJsonString(std::string_view text, std::string& out) {
  Append(out, [&](ByteWriter& w) { String(text, w); });
}

void AppendJsonDouble(double value, std::string& out) {
  Append(out, [&](ByteWriter& w) { Double(value, w); });
}

}  // namespace model

void Json::AppendTo(std::string& out) const {
  model::Append(out, [&](model::ByteWriter& w) { model::Encoder(w).Tree(*this); });
}

void EncodeJsonMessage(const MessageDesc& desc, const void* message, std::string& out) {
  model::EncodeJsonValue({FieldType::kMessage, &desc}, message, out);
}

}  // namespace minikube
