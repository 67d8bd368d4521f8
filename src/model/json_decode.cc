// JSON into message memory, in one pass: the reader's next key finds its FieldDesc, whose type says how to read the
// value and whose offset says where to put it.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <minikube/codec.h>
#include <minikube/types.h>

#include "model/access.h"
#include "model/intern.h"
#include "model/json_codec.h"
#include "model/json_reader.h"
#include "model/quantity.h"
#include "model/scalar_text.h"

namespace minikube {
namespace model {
namespace {

using Token = JsonReader::Token;

// Where the decoder is; rendered only when something has to be said about it.
struct Path {
  const Path* parent;
  std::string_view key;  // of a member, or
  std::size_t index;     // of an element, if `key` has no data
};

void AppendPath(const Path* path, std::string& out) {
  if (path == nullptr) return;
  AppendPath(path->parent, out);
  if (path->key.data() == nullptr) {
    out += '[' + std::to_string(path->index) + ']';
  } else {
    if (!out.empty()) out += '.';
    out += path->key;
  }
}

std::string PathText(const Path* path) {
  std::string text;
  AppendPath(path, text);
  return text;
}

std::string_view TokenName(Token token) {
  switch (token) {
    case Token::kObject:
      return "object";
    case Token::kArray:
      return "array";
    case Token::kString:
      return "string";
    case Token::kNumber:
      return "number";
    case Token::kBool:
      return "boolean";
    case Token::kNull:
      return "null";
    case Token::kNone:
      break;
  }
  return "nothing";
}

// Which fields of one message have been seen.
class SeenFields {
 public:
  explicit SeenFields(std::size_t fields) {
    if (fields > kInline * 64) more_.resize((fields + 63) / 64);
  }
  // Returns whether it was seen before.
  bool Mark(std::size_t field) {
    std::uint64_t& word = more_.empty() ? words_[field / 64] : more_[field / 64];
    const std::uint64_t bit = std::uint64_t{1} << field % 64;
    return (std::exchange(word, word | bit) & bit) != 0;
  }

 private:
  static constexpr std::size_t kInline = 2;
  std::array<std::uint64_t, kInline> words_{};
  std::vector<std::uint64_t> more_;
};

class Decoder {
 public:
  Decoder(JsonReader& reader, const DecodeOptions& options)
      : r_(reader), options_(options), strings_(ThreadStrCache()) {}

  // The first error, or all complaints of strict validation, or OK.
  Status Finish() {
    if (!error_.ok()) return error_;
    if (!r_.ok()) return {Code::kBadRequest, r_.error()};
    if (complaints_.empty()) return {};
    if (options_.validation == FieldValidation::kStrict) {
      return {Code::kBadRequest, fmt::format("strict decoding error: {}", fmt::join(complaints_, ", "))};
    }
    if (options_.warnings != nullptr) {
      options_.warnings->insert(options_.warnings->end(), complaints_.begin(), complaints_.end());
    }
    return {};
  }

  bool Object(const MessageDesc& desc, void* message, const Path* path);
  bool Value(ValueType type, void* value, const Path* path);
  bool Field(const FieldDesc& field, void* message, const Path* path);

 private:
  static constexpr std::size_t kMaxComplaints = 100;

  bool Fail(const Path* path, std::string_view what) {
    if (!error_.ok() || !r_.ok()) return false;
    const std::string where = PathText(path);
    error_ = Status(Code::kBadRequest, where.empty() ? std::string(what) : fmt::format("{}: {}", where, what));
    return false;
  }
  bool Unexpected(std::string_view expected, const Path* path) {
    const Token got = r_.Peek();
    return r_.ok() && Fail(path, fmt::format("expected {}, got {}", expected, TokenName(got)));
  }
  void Complain(std::string_view what, const Path* parent, std::string_view key) {
    if (options_.validation == FieldValidation::kIgnore || complaints_.size() >= kMaxComplaints) return;
    const Path path{parent, key, 0};
    complaints_.push_back(fmt::format("{} field \"{}\"", what, PathText(&path)));
  }

  bool Message(const MessageDesc& desc, void* message, const Path* path);
  bool UnionForm(const MessageDesc& desc, void* message, const Path* path);
  bool List(const FieldDesc& field, void* message, const Path* path);
  bool Map(const FieldDesc& field, void* message, const Path* path);
  template <typename Int>
  bool Integer(void* value, const Path* path);
  bool Double(double* value, const Path* path);
  bool String(std::string_view* text, const Path* path);
  bool ReadQuantity(Quantity* value, const Path* path);
  bool ReadIntOrString(IntOrString* value, const Path* path);
  bool ReadInstant(Instant* value, std::int64_t unit, const Path* path);
  bool ReadRaw(RawJson* value);

  JsonReader& r_;
  const DecodeOptions& options_;
  StrCache& strings_;
  Status error_;
  std::vector<std::string> complaints_;
};

// The field of that name. Writers mostly keep the order of declaration, so the fields after the last one found are
// tried before the search.
const FieldDesc* FindField(const MessageDesc& desc, std::string_view key, std::size_t& next) {
  const std::size_t end = std::min(desc.fields.size(), next + 3);
  for (std::size_t i = next; i < end; ++i) {
    if (desc.fields[i].name == key) {
      next = i + 1;
      return &desc.fields[i];
    }
  }
  const FieldDesc* found = desc.Find(key);
  if (found != nullptr) next = static_cast<std::size_t>(found - desc.fields.data()) + 1;
  return found;
}

bool Decoder::Object(const MessageDesc& desc, void* message, const Path* path) {
  if (r_.Peek() != Token::kObject) return Unexpected("object", path);
  if (!r_.BeginObject()) return false;
  SeenFields seen(desc.fields.size());
  std::size_t next = 0;
  for (std::string_view key; r_.NextKey(&key);) {
    const FieldDesc* field = FindField(desc, key, next);
    if (field == nullptr) {
      // The type of a root message is in its descriptor, not in a field.
      if (!desc.gvk.kind.empty() && (key == "kind" || key == "apiVersion")) {
        const Path here{path, key == "kind" ? "kind" : "apiVersion", 0};
        const Token token = r_.Peek();
        if (token != Token::kString && token != Token::kNull) return Unexpected("string", &here);
      } else {
        Complain("unknown", path, key);
      }
      if (!r_.Skip()) return false;
      continue;
    }
    const Path here{path, field->name, 0};
    if (seen.Mark(static_cast<std::size_t>(field - desc.fields.data()))) {
      Complain("duplicate", path, field->name);
      Clear(*field, message);  // the last one counts
    }
    if (!Field(*field, message, &here)) return false;
  }
  return r_.ok();
}

// True if the value is there, yet would be written as null: next time it would be absent, so it is absent now.
bool WrittenAsNull(const FieldDesc& field, const void* value) {
  switch (field.type) {
    case FieldType::kTime:
    case FieldType::kMicroTime:
    case FieldType::kRawJson:
      return field.shape == Shape::kOptional && IsZeroValue(TypeOf(field), value);
    case FieldType::kMessage:
      return field.shape == Shape::kBox &&
             (field.message->json_form == JsonForm::kSchemaOrArray ||
              field.message->json_form == JsonForm::kSchemaOrStringArray) &&
             IsZeroValue(TypeOf(field), value);
    default:
      return false;
  }
}

bool Decoder::Field(const FieldDesc& field, void* message, const Path* path) {
  if (r_.Peek() == Token::kNull) return r_.ReadNull();
  switch (field.shape) {
    case Shape::kPlain:
    case Shape::kOptional:
    case Shape::kBox: {
      void* value = Mutable(field, message);
      if (!Value(TypeOf(field), value, path)) return false;
      if (WrittenAsNull(field, value)) Clear(field, message);
      return true;
    }
    case Shape::kList:
      return List(field, message, path);
    case Shape::kMap:
      return Map(field, message, path);
  }
  return false;
}

bool Decoder::List(const FieldDesc& field, void* message, const Path* path) {
  if (r_.Peek() != Token::kArray) return Unexpected("array", path);
  if (!r_.BeginArray()) return false;
  const ArrayLayout layout = LayoutOf(field);
  auto*& rep = As<internal::ArrayRep*>(SlotOf(field, message));
  for (Path here{path, {}, 0}; r_.NextElement(); ++here.index) {
    if (!Value(layout.value, ArrayAppend(layout, rep), &here)) return false;
  }
  ArrayShrink(layout, rep);
  return r_.ok();
}

bool Decoder::Map(const FieldDesc& field, void* message, const Path* path) {
  if (r_.Peek() != Token::kObject) return Unexpected("object", path);
  if (!r_.BeginObject()) return false;
  const ArrayLayout layout = LayoutOf(field);
  auto*& rep = As<internal::ArrayRep*>(SlotOf(field, message));
  for (std::string_view key; r_.NextKey(&key);) {
    auto* entry = static_cast<char*>(ArrayAppend(layout, rep));
    Str& own = As<Str>(entry);
    own = strings_.Get(key);
    const Path here{path, own.view(), 0};
    if (!Value(layout.value, entry + kMapValueOffset, &here)) return false;
  }
  if (!r_.ok()) return false;
  struct Context {
    Decoder* decoder;
    const Path* path;
  } context{this, path};
  MapFinish(layout, rep, &context, [](void* c, std::string_view key) {
    static_cast<Context*>(c)->decoder->Complain("duplicate", static_cast<Context*>(c)->path, key);
  });
  return true;
}

bool Decoder::Message(const MessageDesc& desc, void* message, const Path* path) {
  return desc.json_form == JsonForm::kObject ? Object(desc, message, path) : UnionForm(desc, message, path);
}

// The forms that are a bare array, or one of several shapes; each has at most one field of a shape.
bool Decoder::UnionForm(const MessageDesc& desc, void* message, const Path* path) {
  const Token token = r_.Peek();
  for (const FieldDesc& field : desc.fields) {
    if (field.shape == Shape::kList && token == Token::kArray) return List(field, message, path);
    if (field.shape == Shape::kBox && token == Token::kObject) {
      if (!Value(TypeOf(field), Mutable(field, message), path)) return false;
      if (desc.json_form == JsonForm::kSchemaOrBool) {
        for (const FieldDesc& allows : desc.fields) {
          if (allows.type == FieldType::kBool) As<bool>(Mutable(allows, message)) = true;
        }
      }
      return true;
    }
    if (field.type == FieldType::kBool && token == Token::kBool) return r_.ReadBool(&As<bool>(Mutable(field, message)));
  }
  switch (desc.json_form) {
    case JsonForm::kSchemaOrArray:
    case JsonForm::kSchemaOrStringArray:
      return Unexpected("object or array", path);
    case JsonForm::kSchemaOrBool:
      return Unexpected("object or boolean", path);
    default:
      return Unexpected("array", path);
  }
}

bool Decoder::String(std::string_view* text, const Path* path) {
  return r_.Peek() == Token::kString ? r_.ReadString(text) : Unexpected("string", path);
}

template <typename Int>
bool Decoder::Integer(void* value, const Path* path) {
  if (r_.Peek() != Token::kNumber) return Unexpected("integer", path);
  std::string_view text;
  if (!r_.ReadNumber(&text)) return false;
  Int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size()) return Fail(path, fmt::format("expected integer, got number {}", text));
  if (error != std::errc()) {
    return Fail(path, fmt::format("{} does not fit into {} bits", text, std::numeric_limits<Int>::digits + 1));
  }
  As<Int>(value) = number;
  return true;
}

// from_chars does not say whether a number out of range is too large or too small: true if it is at least 1.
bool IsLarge(std::string_view number) {
  if (number[0] == '-') number.remove_prefix(1);
  const std::size_t mark = number.find_first_of("eE");
  const std::string_view mantissa = number.substr(0, mark);
  std::int64_t exponent = 0;
  if (mark != std::string_view::npos) {
    std::string_view text = number.substr(mark + 1);
    const bool negative = text[0] == '-';
    if (text[0] == '-' || text[0] == '+') text.remove_prefix(1);
    for (const char c : text) exponent = std::min<std::int64_t>(exponent * 10 + (c - '0'), std::int64_t{1} << 40);
    if (negative) exponent = -exponent;
  }
  // The power of ten of the first digit that is not 0.
  const auto point = static_cast<std::int64_t>(std::min(mantissa.find('.'), mantissa.size()));
  const auto digit = static_cast<std::int64_t>(mantissa.find_first_of("123456789"));
  return (digit < point ? point - digit - 1 : point - digit) + exponent >= 0;
}

bool Decoder::Double(double* value, const Path* path) {
  if (r_.Peek() != Token::kNumber) return Unexpected("number", path);
  std::string_view text;
  if (!r_.ReadNumber(&text)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  if (error == std::errc()) return true;
  if (IsLarge(text)) return Fail(path, fmt::format("{} does not fit into a double", text));
  *value = 0;
  return true;
}

bool Decoder::ReadQuantity(Quantity* value, const Path* path) {
  std::string_view text;
  const Token token = r_.Peek();
  if (token == Token::kString) {
    if (!r_.ReadString(&text)) return false;
  } else if (token == Token::kNumber) {
    if (!r_.ReadNumber(&text)) return false;
  } else {
    return Unexpected("quantity", path);
  }
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  text = first == std::string_view::npos ? std::string_view() : text.substr(first);
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  if (IsPlainlyCanonicalQuantity(text)) {
    value->text = text;
    return true;
  }
  std::string canonical;
  if (!CanonicalizeQuantity(text, canonical)) return Fail(path, kQuantityError);
  value->text = strings_.Get(canonical);
  return true;
}

bool Decoder::ReadIntOrString(IntOrString* value, const Path* path) {
  const Token token = r_.Peek();
  if (token == Token::kNumber) {
    value->is_string = false;
    return Integer<std::int32_t>(&value->int_value, path);
  }
  if (token != Token::kString) return Unexpected("integer or string", path);
  std::string_view text;
  if (!r_.ReadString(&text)) return false;
  value->is_string = true;
  value->string_value = strings_.Get(text);
  return true;
}

bool Decoder::ReadInstant(Instant* value, std::int64_t unit, const Path* path) {
  std::string_view text;
  if (!String(&text, path)) return false;
  const std::optional<std::int64_t> micros = ParseInstant(text);
  if (!micros) return Fail(path, fmt::format("\"{}\" is not an RFC 3339 time", text));
  value->micros = *micros / unit * unit;
  return true;
}

bool Decoder::ReadRaw(RawJson* value) {
  std::string_view text;
  if (!r_.Skip(&text)) return false;
  std::string compact;
  compact.reserve(text.size());
  AppendCompactJson(text, compact);
  value->json = strings_.Get(compact);
  return true;
}

bool Decoder::Value(ValueType type, void* value, const Path* path) {
  // In a list or map, null stands for the empty value. An empty quantity is written as 0.
  if (r_.Peek() == Token::kNull) {
    if (type.type == FieldType::kQuantity) As<Quantity>(value).text = "0";
    return r_.ReadNull();
  }
  switch (type.type) {
    case FieldType::kBool:
      return r_.Peek() == Token::kBool ? r_.ReadBool(&As<bool>(value)) : Unexpected("boolean", path);
    case FieldType::kInt32:
      return Integer<std::int32_t>(value, path);
    case FieldType::kInt64:
      return Integer<std::int64_t>(value, path);
    case FieldType::kDouble:
      return Double(&As<double>(value), path);
    case FieldType::kString: {
      std::string_view text;
      if (!String(&text, path)) return false;
      As<Str>(value) = strings_.Get(text);
      return true;
    }
    case FieldType::kBytes: {
      std::string_view text;
      if (!String(&text, path)) return false;
      const std::optional<std::string> bytes = DecodeBase64(text);
      if (!bytes) return Fail(path, "expected base64 (RFC 4648 section 4)");
      As<Bytes>(value).data = *bytes;
      return true;
    }
    case FieldType::kQuantity:
      return ReadQuantity(&As<Quantity>(value), path);
    case FieldType::kIntOrString:
      return ReadIntOrString(&As<IntOrString>(value), path);
    case FieldType::kTime:
      return ReadInstant(&As<Time>(value), 1'000'000, path);
    case FieldType::kMicroTime:
      return ReadInstant(&As<MicroTime>(value), 1, path);
    case FieldType::kDuration: {
      std::string_view text;
      if (!String(&text, path)) return false;
      const std::optional<std::int64_t> nanos = ParseSpan(text);
      if (!nanos) return Fail(path, fmt::format("\"{}\" is not a duration such as 1h2m3.5s", text));
      As<Span>(value).nanos = *nanos;
      return true;
    }
    case FieldType::kRawJson:
      return ReadRaw(&As<RawJson>(value));
    case FieldType::kMessage:
      return Message(*type.message, value, path);
  }
  return false;
}

}  // namespace

Status DecodeJsonObject(const MessageDesc& desc, JsonReader& reader, void* message, const DecodeOptions& options) {
  Decoder decoder(reader, options);
  if (decoder.Value({FieldType::kMessage, &desc}, message, nullptr)) reader.End();
  return decoder.Finish();
}

Status DecodeJsonValue(ValueType type, std::string_view json, void* value, const DecodeOptions& options) {
  JsonReader reader(json, options.max_depth);
  Decoder decoder(reader, options);
  if (decoder.Value(type, value, nullptr)) reader.End();
  return decoder.Finish();
}

Status DecodeJsonField(const FieldDesc& field, std::string_view json, void* message, const DecodeOptions& options) {
  JsonReader reader(json, options.max_depth);
  Decoder decoder(reader, options);
  if (decoder.Field(field, message, nullptr)) reader.End();
  return decoder.Finish();
}

}  // namespace model

Status DecodeJsonMessage(const MessageDesc& desc, std::string_view json, void* message, const DecodeOptions& options) {
  return model::DecodeJsonValue({FieldType::kMessage, &desc}, json, message, options);
}

}  // namespace minikube
