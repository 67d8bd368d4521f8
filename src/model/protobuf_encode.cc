// Message memory to protobuf, byte for byte as Kubernetes' generated marshallers write it.
//
// They write fields in the order of their numbers, plain scalars and messages even when zero, optional ones and lists
// only when set, and maps as repeated entries sorted by key. Like them, this encoder writes from the end of the buffer
// to its beginning: a message's length is known when its header is due, without a sizing pass.
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <minikube/codec.h>
#include <minikube/json.h>
#include <minikube/types.h>

#include "model/access.h"
#include "model/protobuf.h"
#include "model/quantity.h"

namespace minikube {
namespace model {
namespace {

constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kFixed64 = 1;
constexpr std::uint32_t kLengthDelimited = 2;

// A buffer that grows towards lower addresses.
class ReverseWriter {
 public:
  ReverseWriter() : begin_(inline_), end_(begin_ + sizeof inline_), p_(end_) {}
  ReverseWriter(const ReverseWriter&) = delete;
  ReverseWriter& operator=(const ReverseWriter&) = delete;

  std::size_t size() const { return static_cast<std::size_t>(end_ - p_); }
  std::string_view view() const { return {p_, size()}; }

  void Bytes(std::string_view bytes) {
    if (bytes.empty()) return;  // its data() may be null
    Reserve(bytes.size());
    p_ -= bytes.size();
    std::memcpy(p_, bytes.data(), bytes.size());
  }
  void Varint(std::uint64_t value) {
    Reserve(10);
    if (value < 0x80) {
      *--p_ = static_cast<char>(value);
      return;
    }
    std::array<char, 10> digits;
    std::size_t n = 0;
    for (; value >= 0x80; value >>= 7) digits[n++] = static_cast<char>(value | 0x80);
    digits[n++] = static_cast<char>(value);
    p_ -= n;
    std::memcpy(p_, digits.data(), n);
  }
  void Fixed64(double value) {
    Reserve(8);
    p_ -= 8;
    std::memcpy(p_, &value, 8);
  }
  void Tag(std::uint32_t number, std::uint32_t wire_type) { Varint(number << 3 | wire_type); }
  // The header of what was written since the writer had size `since`.
  void Header(std::uint32_t number, std::size_t since) {
    Varint(size() - since);
    Tag(number, kLengthDelimited);
  }
  void String(std::uint32_t number, std::string_view text) {
    Bytes(text);
    Varint(text.size());
    Tag(number, kLengthDelimited);
  }
  void Number(std::uint32_t number, std::uint64_t value) {
    Varint(value);
    Tag(number, kVarint);
  }

 private:
  void Reserve(std::size_t n) {
    if (static_cast<std::size_t>(p_ - begin_) >= n) return;
    const std::size_t used = size();
    const std::size_t capacity = 2 * (used + n);
    std::unique_ptr<char[]> fresh(new char[capacity]);
    std::memcpy(fresh.get() + capacity - used, p_, used);
    heap_ = std::move(fresh);
    begin_ = heap_.get();
    end_ = begin_ + capacity;
    p_ = end_ - used;
  }
  char inline_[6000];  // most objects fit
  std::unique_ptr<char[]> heap_;
  char* begin_;
  char* end_;
  char* p_;
};

constexpr std::int64_t kUnixEpochSeconds = Instant::kUnixEpoch / 1'000'000;

std::int64_t FloorDiv(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

class Encoder {
 public:
  explicit Encoder(ReverseWriter& out) : w_(out) {}

  // Of an inline group, or (0) of the message itself.
  void Group(const MessageDesc& desc, std::uint8_t group, const void* message);

 private:
  void Field(const FieldDesc& field, const void* message);
  // With its tag; number 1 and 2 in map entries.
  void Value(std::uint32_t number, ValueType type, const void* value);

  ReverseWriter& w_;
};

void Encoder::Group(const MessageDesc& desc, std::uint8_t group, const void* message) {
  // Two sequences, both ascending by number, merged from their ends: the fields and the groups inside this one.
  std::size_t field = desc.by_number.size();
  while (field > 0 && desc.fields[desc.by_number[field - 1]].proto_group > group) --field;
  std::uint32_t below = ~std::uint32_t{0};  // numbers not written yet are lower
  for (;;) {
    const FieldDesc* next_field = nullptr;
    if (field > 0 && desc.fields[desc.by_number[field - 1]].proto_group == group) {
      next_field = &desc.fields[desc.by_number[field - 1]];
    }
    std::size_t next_group = desc.groups.size();
    for (std::size_t i = 0; i < desc.groups.size(); ++i) {
      if (desc.groups[i].parent != group || desc.groups[i].proto_number >= below) continue;
      if (next_group == desc.groups.size() || desc.groups[i].proto_number > desc.groups[next_group].proto_number) {
        next_group = i;
      }
    }
    if (next_group != desc.groups.size() &&
        (next_field == nullptr || desc.groups[next_group].proto_number > next_field->proto_number)) {
      below = desc.groups[next_group].proto_number;
      const std::size_t since = w_.size();
      Group(desc, static_cast<std::uint8_t>(next_group + 1), message);
      w_.Header(below, since);
    } else if (next_field != nullptr) {
      --field;
      Field(*next_field, message);
    } else {
      return;
    }
  }
}

void Encoder::Field(const FieldDesc& field, const void* message) {
  if (field.proto_number == 0) return;  // in JSON only
  switch (field.shape) {
    case Shape::kPlain:
      // What is a nil slice in Go is left out.
      if (field.type == FieldType::kBytes && As<Bytes>(SlotOf(field, message)).empty()) return;
      if (field.type == FieldType::kMessage && field.message->json_form == JsonForm::kItems && !IsSet(field, message)) {
        return;
      }
      return Value(field.proto_number, TypeOf(field), SlotOf(field, message));
    case Shape::kOptional:
    case Shape::kBox:
      if (const void* value = Get(field, message)) Value(field.proto_number, TypeOf(field), value);
      return;
    case Shape::kList: {
      const std::size_t n = ListSize(field, message);
      if (n == 0) return;
      const ArrayLayout layout = LayoutOf(field);
      const char* items = static_cast<const char*>(ListAt(field, message, 0));
      for (std::size_t i = n; i-- > 0;) Value(field.proto_number, layout.value, items + i * layout.stride);
      return;
    }
    case Shape::kMap: {
      const std::size_t n = MapSize(field, message);
      if (n == 0) return;
      const ArrayLayout layout = LayoutOf(field);
      const char* items = reinterpret_cast<const char*>(&MapKeyAt(field, message, 0));
      for (std::size_t i = n; i-- > 0;) {
        const char* item = items + i * layout.stride;
        const std::size_t since = w_.size();
        Value(2, layout.value, item + kMapValueOffset);
        w_.String(1, As<Str>(item).view());
        w_.Header(field.proto_number, since);
      }
      return;
    }
  }
}

void Encoder::Value(std::uint32_t number, ValueType type, const void* value) {
  const std::size_t since = w_.size();
  switch (type.type) {
    case FieldType::kBool:
      return w_.Number(number, As<bool>(value) ? 1 : 0);
    case FieldType::kInt32:
      return w_.Number(number, static_cast<std::uint64_t>(static_cast<std::int64_t>(As<std::int32_t>(value))));
    case FieldType::kInt64:
      return w_.Number(number, static_cast<std::uint64_t>(As<std::int64_t>(value)));
    case FieldType::kDouble:
      w_.Fixed64(As<double>(value));
      return w_.Tag(number, kFixed64);
    case FieldType::kString:
    case FieldType::kBytes:
      return w_.String(number, As<Str>(value).view());
    case FieldType::kQuantity: {
      const std::string_view text = As<Quantity>(value).text.view();
      std::string canonical;
      if (text.empty()) {
        w_.String(1, "0");
      } else if (IsPlainlyCanonicalQuantity(text) || !CanonicalizeQuantity(text, canonical)) {
        w_.String(1, text);
      } else {
        w_.String(1, canonical);
      }
      break;
    }
    case FieldType::kIntOrString: {
      const auto& either = As<IntOrString>(value);
      w_.String(3, either.string_value.view());
      w_.Number(2, static_cast<std::uint64_t>(static_cast<std::int64_t>(either.int_value)));
      w_.Number(1, either.is_string ? 1 : 0);
      break;
    }
    case FieldType::kTime:
    case FieldType::kMicroTime: {
      const std::int64_t micros = As<std::int64_t>(value);
      if (micros != 0) {  // the zero time is an empty message
        const std::int64_t seconds = FloorDiv(micros, 1'000'000);
        // Time has whole seconds only, yet its nanos are written, as 0.
        const std::int64_t nanos = type.type == FieldType::kTime ? 0 : (micros - seconds * 1'000'000) * 1000;
        w_.Number(2, static_cast<std::uint64_t>(nanos));
        w_.Number(1, static_cast<std::uint64_t>(seconds - kUnixEpochSeconds));
      }
      break;
    }
    case FieldType::kDuration:
      w_.Number(1, static_cast<std::uint64_t>(As<Span>(value).nanos));
      break;
    case FieldType::kRawJson:
      if (!As<RawJson>(value).empty()) w_.String(1, As<RawJson>(value).json.view());
      break;
    case FieldType::kJson:
      if (!As<Json>(value).absent()) w_.String(1, As<Json>(value).ToString());
      break;
    case FieldType::kMessage:
      Group(*type.message, 0, value);
      break;
  }
  w_.Header(number, since);
}

}  // namespace

void EncodeProtobufObject(const MessageDesc& desc, const void* message, std::string& out) {
  ReverseWriter w;
  w.String(4, "");  // contentType
  w.String(3, "");  // contentEncoding
  std::size_t since = w.size();
  Encoder(w).Group(desc, 0, message);
  w.Header(2, since);
  since = w.size();
  w.String(2, desc.gvk.kind);
  w.Bytes(desc.gvk.version);
  if (!desc.gvk.group.empty()) {
    w.Bytes("/");
    w.Bytes(desc.gvk.group);
  }
  w.Varint(desc.gvk.version.size() + (desc.gvk.group.empty() ? 0 : desc.gvk.group.size() + 1));
  w.Tag(1, kLengthDelimited);
  w.Header(1, since);
  w.Bytes(std::string_view("k8s\0", 4));
  out.append(w.view());
}

}  // namespace model

void EncodeProtobufMessage(const MessageDesc& desc, const void* message, std::string& out) {
  model::ReverseWriter w;
  model::Encoder(w).Group(desc, 0, message);
  out.append(w.view());
}

}  // namespace minikube
