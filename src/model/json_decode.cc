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
#include <minikube/json.h>
#include <minikube/types.h>

#include "model/access.h"
#include "model/field_errors.h"
#include "model/intern.h"
#include "model/json_codec.h"
#include "model/json_reader.h"
#include "model/json_tree.h"
#include "model/quantity.h"
#include "model/scalar_text.h"

namespace minikube {
namespace model {
namespace {

using Token = JsonReader::Token;

// Where the decoder is; rendered only when something has to be said about it.
struct Path {
  const Path* parent;
  const MessageDesc* owner;  // of the member `key`; null for
  std::string_view key;      // the key of a map, or
  std::size_t index;         // an element, if `key` has no data
};

// spec.containers[0].env, as strict validation names places.
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

// spec.containers.env: the members alone, as Go's decoder names places.
void AppendMembers(const Path* path, std::string& out) {
  if (path == nullptr) return;
  AppendMembers(path->parent, out);
  if (path->owner == nullptr) return;
  if (!out.empty()) out += '.';
  out += path->key;
}

// "Container", and with the package "v1.Container", of io.k8s.api.core.v1.Container.
std::string_view GoStruct(const MessageDesc& desc) { return desc.name.substr(desc.name.rfind('.') + 1); }
std::string_view GoType(const MessageDesc& desc) {
  return desc.name.substr(desc.name.rfind('.', desc.name.rfind('.') - 1) + 1);
}

// Types with a decoder of their own in Go are named as what that decoder reads.
std::string_view GoType(ValueType type) {
  switch (type.type) {
    case FieldType::kBool:
      return "bool";
    case FieldType::kInt32:
    case FieldType::kIntOrString:
      return "int32";
    case FieldType::kInt64:
      return "int64";
    case FieldType::kDouble:
      return "float64";
    case FieldType::kBytes:
      return "[]uint8";
    case FieldType::kMessage:
      return GoType(*type.message);
    default:
      return "string";
  }
}

std::string GoType(const FieldDesc& field) {
  if (field.shape == Shape::kList) return fmt::format("[]{}", GoType(TypeOf(field)));
  if (field.shape == Shape::kMap) {
    if (field.type == FieldType::kQuantity) return "v1.ResourceList";
    return fmt::format("map[string]{}", GoType(TypeOf(field)));
  }
  return std::string(GoType(TypeOf(field)));
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
    if (!error_.empty()) {
      // A text that is no JSON is not of the wrong type.
      r_.Rewind();
      if (r_.Skip() && r_.End()) return {Code::kBadRequest, std::move(error_)};
    }
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

  bool Fail(std::string what) {
    if (error_.empty() && r_.ok()) error_ = std::move(what);
    return false;
  }
  // The value `got` ("string", "number 1.5") cannot become a `type`.
  bool Mismatch(std::string_view got, std::string_view type, const Path* path) {
    while (path != nullptr && path->owner == nullptr) path = path->parent;
    if (path == nullptr) return Fail(fmt::format("json: cannot unmarshal {} into Go value of type {}", got, type));
    std::string members;
    AppendMembers(path, members);
    return Fail(fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}", got,
                            GoStruct(*path->owner), members, type));
  }
  // What comes next cannot.
  bool Unexpected(std::string_view type, const Path* path) {
    const Token got = r_.Peek();
    return r_.ok() && Mismatch(GoTokenName(got), type, path);
  }
  void Complain(std::string_view what, const Path* parent, std::string_view key) {
    if (options_.validation == FieldValidation::kIgnore || complaints_.size() >= kMaxComplaints) return;
    const Path path{parent, nullptr, key, 0};
    std::string where;
    AppendPath(&path, where);
    complaints_.push_back(fmt::format("{} field \"{}\"", what, where));
  }

  bool Message(const MessageDesc& desc, void* message, const Path* path);
  bool UnionForm(const MessageDesc& desc, void* message, const Path* path);
  bool List(const FieldDesc& field, void* message, const Path* path);
  bool Map(const FieldDesc& field, void* message, const Path* path);
  template <typename Int>
  bool Integer(void* value, const Path* path);
  bool Double(double* value, const Path* path);
  bool String(std::string_view* text, std::string_view type, const Path* path);
  bool ReadQuantity(Quantity* value);
  bool ReadIntOrString(IntOrString* value, const Path* path);
  bool ReadInstant(FieldType type, Instant* value, const Path* path);
  bool ReadRaw(RawJson* value);
  bool ReadTree(Json* value, const Path* path);
  bool Member(std::string_view key, std::vector<JsonMember>& members, const Path* path);

  JsonReader& r_;
  const DecodeOptions& options_;
  StrCache& strings_;
  std::size_t nodes_left_ = JsonLimits{}.max_nodes;
  std::string error_;
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

// The last field, if it takes what is no field.
const FieldDesc* RestOf(const MessageDesc& desc) {
  return !desc.fields.empty() && desc.fields.back().has(kFieldRest) ? &desc.fields.back() : nullptr;
}

bool Decoder::Object(const MessageDesc& desc, void* message, const Path* path) {
  if (r_.Peek() != Token::kObject) return Unexpected(GoType(desc), path);
  if (!r_.BeginObject()) return false;
  SeenFields seen(desc.fields.size());
  std::vector<JsonMember> members;  // that are no fields
  std::size_t next = 0;
  for (std::string_view key; r_.NextKey(&key);) {
    const FieldDesc* field = FindField(desc, key, next);
    if (field == nullptr) {
      // The type of a root message is in its descriptor, not in a field.
      if (!desc.gvk.kind.empty() && (key == "kind" || key == "apiVersion")) {
        const Path here{path, &desc, key == "kind" ? "kind" : "apiVersion", 0};
        const Token token = r_.Peek();
        if (token != Token::kString && token != Token::kNull) return Unexpected("string", &here);
      } else if (RestOf(desc) != nullptr) {
        if (!Member(key, members, path)) return false;
        continue;
      } else {
        Complain("unknown", path, key);
      }
      if (!r_.Skip()) return false;
      continue;
    }
    const Path here{path, &desc, field->name, 0};
    if (seen.Mark(static_cast<std::size_t>(field - desc.fields.data()))) {
      Complain("duplicate", path, field->name);
      Clear(*field, message);  // the last one counts
    }
    if (!Field(*field, message, &here)) return false;
  }
  if (!r_.ok()) return false;
  if (!members.empty()) As<Json>(SlotOf(*RestOf(desc), message)) = Json::Object(std::move(members));
  return true;
}

// A member that is kept among the rest.
bool Decoder::Member(std::string_view key, std::vector<JsonMember>& members, const Path* path) {
  const Str name = strings_.Get(key);
  const Path here{path, nullptr, name.view(), 0};
  const auto same = [&](const JsonMember& m) { return m.key == name; };
  if (options_.validation != FieldValidation::kIgnore && std::any_of(members.begin(), members.end(), same)) {
    Complain("duplicate", path, name.view());
  }
  JsonMember& member = members.emplace_back();
  member.key = name;
  return ReadTree(&member.value, &here);
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
  const bool tree = field.type == FieldType::kJson && field.shape != Shape::kList && field.shape != Shape::kMap;
  if (!tree && r_.Peek() == Token::kNull) return r_.ReadNull();
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
  if (r_.Peek() != Token::kArray) return Unexpected(GoType(field), path);
  if (!r_.BeginArray()) return false;
  const ArrayLayout layout = LayoutOf(field);
  auto*& rep = As<internal::ArrayRep*>(SlotOf(field, message));
  for (Path here{path, nullptr, {}, 0}; r_.NextElement(); ++here.index) {
    if (!Value(layout.value, ArrayAppend(layout, rep), &here)) return false;
  }
  ArrayShrink(layout, rep);
  return r_.ok();
}

bool Decoder::Map(const FieldDesc& field, void* message, const Path* path) {
  if (r_.Peek() != Token::kObject) return Unexpected(GoType(field), path);
  if (!r_.BeginObject()) return false;
  const ArrayLayout layout = LayoutOf(field);
  auto*& rep = As<internal::ArrayRep*>(SlotOf(field, message));
  for (std::string_view key; r_.NextKey(&key);) {
    auto* entry = static_cast<char*>(ArrayAppend(layout, rep));
    Str& own = As<Str>(entry);
    own = strings_.Get(key);
    const Path here{path, nullptr, own.view(), 0};
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
  if (desc.json_form == JsonForm::kSchemaOrBool && r_.ok()) return Fail("boolean or JSON schema expected");
  return Unexpected(GoType(desc), path);
}

bool Decoder::String(std::string_view* text, std::string_view type, const Path* path) {
  return r_.Peek() == Token::kString ? r_.ReadString(text) : Unexpected(type, path);
}

template <typename Int>
bool Decoder::Integer(void* value, const Path* path) {
  constexpr std::string_view kType = sizeof(Int) == sizeof(std::int32_t) ? "int32" : "int64";
  if (r_.Peek() != Token::kNumber) return Unexpected(kType, path);
  std::string_view text;
  if (!r_.ReadNumber(&text)) return false;
  Int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Mismatch(fmt::format("number {}", text), kType, path);
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
  if (r_.Peek() != Token::kNumber) return Unexpected("float64", path);
  std::string_view text;
  if (!r_.ReadNumber(&text)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  if (error == std::errc()) return true;
  if (IsLarge(text)) return Mismatch(fmt::format("number {}", text), "float64", path);
  *value = 0;
  return true;
}

bool Decoder::ReadQuantity(Quantity* value) {
  std::string_view text;
  if (r_.Peek() == Token::kString) {
    if (!r_.ReadString(&text)) return false;
  } else if (!r_.Skip(&text)) {
    return false;
  }
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  text = first == std::string_view::npos ? std::string_view() : text.substr(first);
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  if (IsPlainlyCanonicalQuantity(text)) {
    value->text = text;
    return true;
  }
  std::string canonical;
  if (!CanonicalizeQuantity(text, canonical)) return Fail(std::string(kQuantityError));
  value->text = strings_.Get(canonical);
  return true;
}

bool Decoder::ReadIntOrString(IntOrString* value, const Path* path) {
  if (r_.Peek() != Token::kString) {
    value->is_string = false;
    return Integer<std::int32_t>(&value->int_value, path);
  }
  std::string_view text;
  if (!r_.ReadString(&text)) return false;
  value->is_string = true;
  value->string_value = strings_.Get(text);
  return true;
}

bool Decoder::ReadInstant(FieldType type, Instant* value, const Path* path) {
  const InstantForm form = type == FieldType::kMicroTime ? InstantForm::kMicroTime : InstantForm::kTime;
  std::string_view text;
  if (!String(&text, "string", path)) return false;
  const std::optional<std::int64_t> micros = ParseInstant(text, form);
  if (!micros) return Fail(WhyNoInstant(text, form));
  value->micros = form == InstantForm::kMicroTime ? *micros : *micros / 1'000'000 * 1'000'000;
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

// Tells of members that an object has twice, wherever they are.
class TreeReader final : public JsonTreeReader {
 public:
  TreeReader(JsonReader& reader, std::size_t max_nodes, bool wants_duplicates)
      : JsonTreeReader(reader, max_nodes), wants_duplicates_(wants_duplicates) {}
  const std::vector<std::string>& duplicates() const { return duplicates_; }

 protected:
  void Duplicate(const std::string& path) override { duplicates_.push_back(path); }
  bool WantsDuplicates() const override { return wants_duplicates_; }

 private:
  bool wants_duplicates_;
  std::vector<std::string> duplicates_;
};

bool Decoder::ReadTree(Json* value, const Path* path) {
  TreeReader tree(r_, nodes_left_, options_.validation != FieldValidation::kIgnore);
  const bool read = tree.Read(value);
  if (tree.too_many()) return Fail(std::string(kTooManyValues));
  if (!read) return false;
  nodes_left_ = tree.nodes_left();
  for (const std::string& duplicate : tree.duplicates()) Complain("duplicate", path, duplicate);
  return true;
}

bool Decoder::Value(ValueType type, void* value, const Path* path) {
  if (type.type == FieldType::kJson) return ReadTree(&As<Json>(value), path);
  // In a list or map, null stands for the empty value. An empty quantity is written as 0.
  if (r_.Peek() == Token::kNull) {
    if (type.type == FieldType::kQuantity) As<Quantity>(value).text = "0";
    return r_.ReadNull();
  }
  switch (type.type) {
    case FieldType::kBool:
      return r_.Peek() == Token::kBool ? r_.ReadBool(&As<bool>(value)) : Unexpected("bool", path);
    case FieldType::kInt32:
      return Integer<std::int32_t>(value, path);
    case FieldType::kInt64:
      return Integer<std::int64_t>(value, path);
    case FieldType::kDouble:
      return Double(&As<double>(value), path);
    case FieldType::kString: {
      std::string_view text;
      if (!String(&text, "string", path)) return false;
      As<Str>(value) = strings_.Get(text);
      return true;
    }
    case FieldType::kBytes: {
      std::string_view text;
      if (!String(&text, "[]uint8", path)) return false;
      std::size_t wrong = 0;
      const std::optional<std::string> bytes = DecodeBase64(text, &wrong);
      if (!bytes) return Fail(fmt::format("illegal base64 data at input byte {}", wrong));
      As<Bytes>(value).data = *bytes;
      return true;
    }
    case FieldType::kQuantity:
      return ReadQuantity(&As<Quantity>(value));
    case FieldType::kIntOrString:
      return ReadIntOrString(&As<IntOrString>(value), path);
    case FieldType::kTime:
    case FieldType::kMicroTime:
      return ReadInstant(type.type, &As<Instant>(value), path);
    case FieldType::kDuration: {
      std::string_view text;
      if (!String(&text, "string", path)) return false;
      const std::optional<std::int64_t> nanos = ParseSpan(text);
      if (!nanos) return Fail(fmt::format("time: invalid duration {}", GoQuote(text)));
      As<Span>(value).nanos = *nanos;
      return true;
    }
    case FieldType::kRawJson:
      return ReadRaw(&As<RawJson>(value));
    case FieldType::kJson:
      break;  // read above: null is a value of it
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
