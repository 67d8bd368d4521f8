// Protobuf (proto2 wire format) into message memory. Fields may come in any order and messages in pieces, which merge;
// unknown fields are skipped. Nothing is read outside the bytes given, and nesting is bounded.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <simdjson.h>

#include <minikube/codec.h>
#include <minikube/json.h>
#include <minikube/types.h>

#include "model/access.h"
#include "model/intern.h"
#include "model/json_reader.h"
#include "model/protobuf.h"
#include "model/quantity.h"
#include "model/scalar_text.h"

namespace minikube {
namespace model {
namespace {

enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kStartGroup = 3, kEndGroup = 4, kFixed32 = 5 };

// One field as it stands on the wire.
struct WireField {
  std::uint32_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t value = 0;  // kVarint, kFixed64, kFixed32
  std::string_view bytes;   // kBytes
};

// A cursor over the bytes of one message. Next() is false at the end and on malformed input; ok() tells which.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : p_(bytes.data()), end_(p_ + bytes.size()) {}
  bool ok() const { return ok_; }

  bool Next(WireField* field) {
    if (p_ == end_ || !ok_) return false;
    std::uint64_t tag = 0;
    if (!Varint(&tag) || tag >> 3 == 0 || tag >> 3 > kMaxNumber) return Bad();
    field->number = static_cast<std::uint32_t>(tag >> 3);
    field->wire = static_cast<Wire>(tag & 7);
    switch (field->wire) {
      case Wire::kVarint:
        return Varint(&field->value) || Bad();
      case Wire::kFixed64:
        return Fixed(8, &field->value);
      case Wire::kFixed32:
        return Fixed(4, &field->value);
      case Wire::kBytes: {
        std::uint64_t size = 0;
        if (!Varint(&size) || size > static_cast<std::uint64_t>(end_ - p_)) return Bad();
        field->bytes = {p_, static_cast<std::size_t>(size)};
        p_ += size;
        return true;
      }
      default:
        return Bad();  // groups; Kubernetes has none
    }
  }
  bool Varint(std::uint64_t* value) {
    std::uint64_t result = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (p_ == end_) return false;
      const auto byte = static_cast<unsigned char>(*p_++);
      result |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        *value = result;
        return true;
      }
    }
    return false;
  }
  bool AtEnd() const { return p_ == end_; }

 private:
  static constexpr std::uint64_t kMaxNumber = (1U << 29) - 1;
  bool Bad() {
    ok_ = false;
    return false;
  }
  bool Fixed(std::size_t size, std::uint64_t* value) {
    if (static_cast<std::size_t>(end_ - p_) < size) return Bad();
    *value = 0;
    std::memcpy(value, p_, size);
    p_ += size;
    return true;
  }
  const char* p_;
  const char* end_;
  bool ok_ = true;
};

bool IsPlainAscii(std::string_view text) {
  std::uint64_t any = 0;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t v;
    std::memcpy(&v, text.data() + i, 8);
    any |= v;
  }
  for (; i < text.size(); ++i) any |= static_cast<unsigned char>(text[i]);
  return (any & 0x8080808080808080) == 0;
}

class Decoder {
 public:
  explicit Decoder(int max_depth) : depth_left_(max_depth), max_depth_(max_depth), strings_(ThreadStrCache()) {}

  bool Message(const MessageDesc& desc, std::string_view bytes, void* message);
  // "spec.replicas: wrong wire type"
  std::string error() const { return path_.empty() ? error_ : path_ + ": " + error_; }

 private:
  bool Fail(std::string_view what) {
    if (error_.empty()) error_ = what;
    return false;
  }
  bool Fail(const FieldDesc& field, std::string_view what) {
    if (error_.empty()) path_ = field.name;
    return Fail(what);
  }

  // The fields of one message that have occurred. Its lists and maps are finished (trimmed, sorted) when it ends, so
  // that elements of two of them that alternate cost no more than others.
  struct Touched {
    std::uint64_t fields = 0;  // bit i: the field of index i
    bool beyond = false;       // one of index 64 or more
  };
  // A message may come in pieces, each of which finishes it again. No encoder does that, so few are enough.
  static constexpr int kMaxPieces = 64;
  bool Group(const MessageDesc& desc, std::uint8_t group, std::string_view bytes, void* message, Touched& touched);
  bool Field(const FieldDesc& field, const WireField& wire, void* message);
  bool Packed(const FieldDesc& field, std::string_view bytes, void* message);
  bool MapEntry(const FieldDesc& field, const WireField& wire, void* message);
  bool Value(const FieldDesc& field, const WireField& wire, void* value);
  bool Scalar(const FieldDesc& field, const WireField& wire, void* value);
  bool String(const FieldDesc& field, std::string_view text, Str* out);
  bool Instant(const FieldDesc& field, std::string_view bytes, std::int64_t* micros);
  bool IntOrString(const FieldDesc& field, std::string_view bytes, minikube::IntOrString* out);
  bool Raw(const FieldDesc& field, std::string_view bytes, RawJson* out);
  bool Tree(const FieldDesc& field, std::string_view bytes, Json* out);
  void Finish(const MessageDesc& desc, const Touched& touched, void* message);

  int depth_left_;
  int max_depth_;
  int pieces_ = 0;
  StrCache& strings_;
  std::string path_;
  std::string error_;
};

const FieldDesc* FindNumber(const MessageDesc& desc, std::uint8_t group, std::uint32_t number, std::size_t& next) {
  const auto at = [&](std::size_t i) -> const FieldDesc& { return desc.fields[desc.by_number[i]]; };
  for (std::size_t i = next; i < std::min(next + 2, desc.by_number.size()); ++i) {
    if (at(i).proto_number == number && at(i).proto_group == group) {
      next = i;  // the same one again if it is a list or map
      return &at(i);
    }
  }
  const auto* found = std::lower_bound(desc.by_number.data(), desc.by_number.data() + desc.by_number.size(), number,
                                       [&](std::uint16_t index, std::uint32_t n) {
                                         const FieldDesc& f = desc.fields[index];
                                         return f.proto_group != group ? f.proto_group < group : f.proto_number < n;
                                       });
  const auto i = static_cast<std::size_t>(found - desc.by_number.data());
  if (i == desc.by_number.size() || at(i).proto_number != number || at(i).proto_group != group) return nullptr;
  next = i;
  return &at(i);
}

bool Decoder::Message(const MessageDesc& desc, std::string_view bytes, void* message) {
  Touched touched;
  const bool ok = Group(desc, 0, bytes, message, touched);
  Finish(desc, touched, message);
  return ok;
}

void Decoder::Finish(const MessageDesc& desc, const Touched& touched, void* message) {
  const auto finish = [&](const FieldDesc& field) {
    if (field.shape != Shape::kList && field.shape != Shape::kMap) return;
    auto*& rep = As<internal::ArrayRep*>(SlotOf(field, message));
    field.shape == Shape::kMap ? MapFinish(LayoutOf(field), rep, nullptr, nullptr) : ArrayShrink(LayoutOf(field), rep);
  };
  for (std::uint64_t bits = touched.fields; bits != 0; bits &= bits - 1) {
    finish(desc.fields[static_cast<std::size_t>(__builtin_ctzll(bits))]);
  }
  if (!touched.beyond) return;
  for (std::size_t i = 64; i < desc.fields.size(); ++i) finish(desc.fields[i]);
}

bool Decoder::Group(const MessageDesc& desc, std::uint8_t group, std::string_view bytes, void* message,
                    Touched& touched) {
  if (depth_left_ <= 0) return Fail("nested too deeply");
  --depth_left_;
  WireReader reader(bytes);
  WireField wire;
  std::size_t next = 0;
  while (reader.Next(&wire)) {
    if (const FieldDesc* field = FindNumber(desc, group, wire.number, next)) {
      const auto index = static_cast<std::size_t>(field - desc.fields.data());
      bool again = false;
      if (index < 64) {
        const std::uint64_t bit = std::uint64_t{1} << index;
        again = (touched.fields & bit) != 0;
        touched.fields |= bit;
      } else {
        again = IsSet(*field, message);
        touched.beyond = true;
      }
      const bool single = field->shape == Shape::kPlain || field->shape == Shape::kBox;
      if (again && single && field->type == FieldType::kMessage && ++pieces_ > kMaxPieces) {
        return Fail(*field, "in too many pieces");
      }
      if (!Field(*field, wire, message)) return false;
      continue;
    }
    for (std::size_t i = 0; i < desc.groups.size(); ++i) {
      if (desc.groups[i].parent != group || desc.groups[i].proto_number != wire.number) continue;
      if (wire.wire != Wire::kBytes) return Fail(fmt::format("field {} has the wrong wire type", wire.number));
      if (!Group(desc, static_cast<std::uint8_t>(i + 1), wire.bytes, message, touched)) return false;
    }
  }
  ++depth_left_;
  return reader.ok() || Fail("malformed message");
}

bool Decoder::Field(const FieldDesc& field, const WireField& wire, void* message) {
  switch (field.shape) {
    case Shape::kPlain:
    case Shape::kBox:
      return Value(field, wire, Mutable(field, message));
    case Shape::kOptional: {
      void* value = Mutable(field, message);
      if (!Scalar(field, wire, value)) return false;
      // There, but without a value: null in JSON, and so absent.
      const bool nullable =
          field.type == FieldType::kTime || field.type == FieldType::kMicroTime || field.type == FieldType::kRawJson;
      if (nullable && IsZeroValue(TypeOf(field), value)) Clear(field, message);
      return true;
    }
    case Shape::kList: {
      const bool packable = field.type == FieldType::kBool || field.type == FieldType::kInt32 ||
                            field.type == FieldType::kInt64 || field.type == FieldType::kDouble;
      if (packable && wire.wire == Wire::kBytes) return Packed(field, wire.bytes, message);
      return Value(field, wire, ArrayAppend(LayoutOf(field), As<internal::ArrayRep*>(SlotOf(field, message))));
    }
    case Shape::kMap:
      return MapEntry(field, wire, message);
  }
  return false;
}

bool Decoder::Packed(const FieldDesc& field, std::string_view bytes, void* message) {
  const ArrayLayout layout = LayoutOf(field);
  auto*& rep = As<internal::ArrayRep*>(SlotOf(field, message));
  WireField item;
  if (field.type == FieldType::kDouble) {
    item.wire = Wire::kFixed64;
    if (bytes.size() % 8 != 0) return Fail(field, "malformed packed list");
    for (; !bytes.empty(); bytes.remove_prefix(8)) {
      std::memcpy(&item.value, bytes.data(), 8);
      if (!Scalar(field, item, ArrayAppend(layout, rep))) return false;
    }
    return true;
  }
  for (WireReader reader(bytes); !reader.AtEnd();) {
    if (!reader.Varint(&item.value)) return Fail(field, "malformed packed list");
    if (!Scalar(field, item, ArrayAppend(layout, rep))) return false;
  }
  return true;
}

bool Decoder::MapEntry(const FieldDesc& field, const WireField& wire, void* message) {
  if (wire.wire != Wire::kBytes) return Fail(field, "wrong wire type");
  auto* entry = static_cast<char*>(ArrayAppend(LayoutOf(field), As<internal::ArrayRep*>(SlotOf(field, message))));
  // An entry may lack its value; of a quantity the default is written as 0.
  if (field.type == FieldType::kQuantity) As<Quantity>(entry + kMapValueOffset).text = "0";
  WireReader reader(wire.bytes);
  for (WireField part; reader.Next(&part);) {
    if (part.number == 1) {
      if (part.wire != Wire::kBytes) return Fail(field, "wrong wire type");
      if (!String(field, part.bytes, &As<Str>(entry))) return false;
    } else if (part.number == 2) {
      if (!Value(field, part, entry + kMapValueOffset)) return false;
    }
  }
  return reader.ok() || Fail(field, "malformed map entry");
}

bool Decoder::Value(const FieldDesc& field, const WireField& wire, void* value) {
  if (field.type != FieldType::kMessage) return Scalar(field, wire, value);
  if (wire.wire != Wire::kBytes) return Fail(field, "wrong wire type");
  if (Message(*field.message, wire.bytes, value)) return true;
  path_ = path_.empty() ? std::string(field.name) : fmt::format("{}.{}", field.name, path_);
  return false;
}

bool Decoder::Scalar(const FieldDesc& field, const WireField& wire, void* value) {
  Wire want = Wire::kBytes;
  if (field.type == FieldType::kBool || field.type == FieldType::kInt32 || field.type == FieldType::kInt64) {
    want = Wire::kVarint;
  } else if (field.type == FieldType::kDouble) {
    want = Wire::kFixed64;
  }
  if (wire.wire != want) return Fail(field, "wrong wire type");
  switch (field.type) {
    case FieldType::kBool:
      As<bool>(value) = wire.value != 0;
      return true;
    case FieldType::kInt32:
      As<std::int32_t>(value) = static_cast<std::int32_t>(wire.value);
      return true;
    case FieldType::kInt64:
      As<std::int64_t>(value) = static_cast<std::int64_t>(wire.value);
      return true;
    case FieldType::kDouble:
      std::memcpy(value, &wire.value, 8);
      return std::isfinite(As<double>(value)) || Fail(field, "not a finite number");
    case FieldType::kString:
      return String(field, wire.bytes, &As<Str>(value));
    case FieldType::kBytes:
      As<Bytes>(value).data = wire.bytes;
      return true;
    case FieldType::kTime:
      if (!Instant(field, wire.bytes, &As<Time>(value).micros)) return false;
      As<Time>(value).micros -= As<Time>(value).micros % 1'000'000;
      return true;
    case FieldType::kMicroTime:
      return Instant(field, wire.bytes, &As<MicroTime>(value).micros);
    case FieldType::kIntOrString:
      return IntOrString(field, wire.bytes, &As<minikube::IntOrString>(value));
    case FieldType::kRawJson:
      return Raw(field, wire.bytes, &As<RawJson>(value));
    case FieldType::kJson:
      return Tree(field, wire.bytes, &As<Json>(value));
    case FieldType::kQuantity: {
      WireReader reader(wire.bytes);
      std::string_view text = "0";
      for (WireField part; reader.Next(&part);) {
        if (part.number == 1 && part.wire == Wire::kBytes) text = part.bytes;
      }
      if (!reader.ok()) return Fail(field, "malformed quantity");
      if (IsPlainlyCanonicalQuantity(text)) {
        As<Quantity>(value).text = text;
        return true;
      }
      std::string canonical;
      if (!CanonicalizeQuantity(text, canonical)) return Fail(field, kQuantityError);
      As<Quantity>(value).text = strings_.Get(canonical);
      return true;
    }
    case FieldType::kDuration: {
      WireReader reader(wire.bytes);
      for (WireField part; reader.Next(&part);) {
        if (part.number == 1 && part.wire == Wire::kVarint) {
          As<Span>(value).nanos = static_cast<std::int64_t>(part.value);
        }
      }
      return reader.ok() || Fail(field, "malformed duration");
    }
    case FieldType::kMessage:
      break;
  }
  return false;
}

bool Decoder::String(const FieldDesc& field, std::string_view text, Str* out) {
  if (!IsPlainAscii(text) && !simdjson::validate_utf8(text.data(), text.size())) return Fail(field, "not UTF-8");
  *out = strings_.Get(text);
  return true;
}

bool Decoder::Instant(const FieldDesc& field, std::string_view bytes, std::int64_t* micros) {
  *micros = 0;
  if (bytes.empty()) return true;
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
  WireReader reader(bytes);
  for (WireField part; reader.Next(&part);) {
    if (part.wire != Wire::kVarint) continue;
    if (part.number == 1) seconds = static_cast<std::int64_t>(part.value);
    if (part.number == 2) nanos = static_cast<std::int32_t>(part.value);
  }
  constexpr std::int64_t kEpoch = minikube::Instant::kUnixEpoch / 1'000'000;
  if (!reader.ok()) return Fail(field, "malformed time");
  if (seconds < -kEpoch || seconds > kMaxInstant / 1'000'000 - kEpoch || nanos < 0 || nanos >= 1'000'000'000) {
    return Fail(field, "time outside the years 1 to 9999");
  }
  *micros = (seconds + kEpoch) * 1'000'000 + nanos / 1000;
  return true;
}

bool Decoder::IntOrString(const FieldDesc& field, std::string_view bytes, minikube::IntOrString* out) {
  *out = minikube::IntOrString();
  WireReader reader(bytes);
  for (WireField part; reader.Next(&part);) {
    if (part.number == 1 && part.wire == Wire::kVarint) out->is_string = part.value == 1;
    if (part.number == 2 && part.wire == Wire::kVarint) out->int_value = static_cast<std::int32_t>(part.value);
    if (part.number == 3 && part.wire == Wire::kBytes && !String(field, part.bytes, &out->string_value)) return false;
  }
  // Only the one that counts; JSON has no room for the other.
  out->is_string ? void(out->int_value = 0) : void(out->string_value = Str());
  return reader.ok() || Fail(field, "malformed integer or string");
}

// {raw = 1}: JSON, or an object in its own protobuf envelope, which becomes JSON here.
bool Decoder::Raw(const FieldDesc& field, std::string_view bytes, RawJson* out) {
  std::string_view raw;
  WireReader reader(bytes);
  for (WireField part; reader.Next(&part);) {
    if (part.number == 1 && part.wire == Wire::kBytes) raw = part.bytes;
  }
  if (!reader.ok()) return Fail(field, "malformed raw value");
  std::string json;
  if (raw.starts_with(std::string_view("k8s\0", 4))) {
    if (depth_left_ <= 0) return Fail(field, "nested too deeply");
    DecodeOptions options;
    options.max_depth = depth_left_ - 1;
    const Result<ObjectPtr> object = Decode(MediaType::kProtobuf, raw, nullptr, options);
    if (!object) return Fail(field, object.status().message());
    Encode(MediaType::kJson, **object, json);
  } else if (!raw.empty()) {
    JsonReader check(raw, max_depth_);
    if (!check.Skip() || !check.End()) return Fail(field, check.error());
    AppendCompactJson(raw, json);
    if (json == "null") json.clear();
  }
  out->json = strings_.Get(json);
  return true;
}

// {raw = 1}: the JSON text of the value.
bool Decoder::Tree(const FieldDesc& field, std::string_view bytes, Json* out) {
  std::string_view raw;
  WireReader reader(bytes);
  for (WireField part; reader.Next(&part);) {
    if (part.number == 1 && part.wire == Wire::kBytes) raw = part.bytes;
  }
  if (!reader.ok()) return Fail(field, "malformed JSON value");
  if (raw.empty()) return true;
  JsonLimits limits;
  limits.max_depth = max_depth_;
  Result<Json> value = Json::Parse(raw, limits);
  if (!value) return Fail(field, value.status().message());
  *out = *std::move(value);
  return true;
}

}  // namespace

Status DecodeProtobufEnvelope(std::string_view bytes, ProtobufEnvelope* out) {
  constexpr std::string_view kMagic("k8s\0", 4);
  if (!bytes.starts_with(kMagic)) {
    return {Code::kBadRequest, "invalid protobuf: it does not begin with the Kubernetes prefix"};
  }
  const Status malformed(Code::kBadRequest, "invalid protobuf: malformed envelope");
  WireReader reader(bytes.substr(kMagic.size()));
  for (WireField field; reader.Next(&field);) {
    if (field.number > 4) continue;
    if (field.wire != Wire::kBytes) return malformed;
    if (field.number == 2) out->raw = field.bytes;
    if (field.number == 3 && !field.bytes.empty()) {
      return {Code::kBadRequest, "invalid protobuf: encoded content is not supported"};
    }
    if (field.number != 1) continue;
    WireReader meta(field.bytes);
    for (WireField part; meta.Next(&part);) {
      if (part.wire != Wire::kBytes) continue;
      if (!simdjson::validate_utf8(part.bytes.data(), part.bytes.size())) return malformed;
      if (part.number == 1) out->api_version = part.bytes;
      if (part.number == 2) out->kind = part.bytes;
    }
    if (!meta.ok()) return malformed;
  }
  return reader.ok() ? Status() : malformed;
}

Status DecodeProtobufMessage(const MessageDesc& desc, std::string_view bytes, void* message, int max_depth) {
  Decoder decoder(max_depth);
  if (decoder.Message(desc, bytes, message)) return {};
  return {Code::kBadRequest, "invalid protobuf: " + decoder.error()};
}

}  // namespace model
}  // namespace minikube
