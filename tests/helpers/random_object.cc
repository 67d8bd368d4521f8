#include "helpers/random_object.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <minikube/json.h>
#include <minikube/types.h>

#include "model/access.h"
#include "model/json_codec.h"

namespace minikube::testing {
namespace {

using model::As;

class Filler {
 public:
  Filler(std::uint64_t seed, const RandomOptions& options) : rng_(seed), options_(options) {}

  void Message(const MessageDesc& desc, void* message) {
    path_.push_back(&desc);
    if (desc.json_form == JsonForm::kObject || desc.json_form == JsonForm::kItems) {
      for (const FieldDesc& field : desc.fields) {
        if (Chance(options_.density) && !TooDeep(field)) Field(field, message);
      }
    } else {
      Union(desc, message);
    }
    path_.pop_back();
  }

 private:
  std::uint64_t Below(std::uint64_t n) { return rng_() % n; }
  bool Chance(double p) { return p >= 1 || static_cast<double>(rng_() >> 11) * 0x1p-53 < p; }
  std::int64_t Between(std::int64_t low, std::int64_t high) {
    const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    const std::uint64_t step = range == std::numeric_limits<std::uint64_t>::max() ? rng_() : Below(range + 1);
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + step);
  }
  bool TooDeep(const FieldDesc& field) const {
    if (field.type != FieldType::kMessage) return false;
    if (std::count(path_.begin(), path_.end(), field.message) >= 2) return true;
    // A union needs at least one member that is not.
    return field.message->json_form != JsonForm::kObject &&
           std::all_of(field.message->fields.begin(), field.message->fields.end(),
                       [this](const FieldDesc& member) { return TooDeep(member); });
  }

  // Exactly one of the members, so that JSON can tell which.
  void Union(const MessageDesc& desc, void* message) {
    std::vector<const FieldDesc*> choices;
    for (const FieldDesc& field : desc.fields) {
      if (!TooDeep(field)) choices.push_back(&field);
    }
    if (choices.empty()) return;
    const FieldDesc& chosen = *choices[Below(choices.size())];
    Field(chosen, message);
    if (desc.json_form != JsonForm::kSchemaOrBool || chosen.type == FieldType::kBool) return;
    for (const FieldDesc& field : desc.fields) {
      if (field.type == FieldType::kBool) As<bool>(model::Mutable(field, message)) = true;
    }
  }

  void Field(const FieldDesc& field, void* message) {
    switch (field.shape) {
      case Shape::kPlain:
      case Shape::kOptional:
      case Shape::kBox:
        return Value(field, model::Mutable(field, message));
      case Shape::kList:
        for (std::uint64_t n = 1 + Below(2); n > 0; --n) Value(field, model::ListAppend(field, message));
        return;
      case Shape::kMap:
        for (std::uint64_t n = 1 + Below(3); n > 0; --n) {
          void* value = model::MapMutable(field, message, Text());
          model::ResetValue(model::TypeOf(field), value);  // the key may have been there
          Value(field, value);
        }
        return;
    }
  }

  void Value(const FieldDesc& field, void* value) {
    switch (field.type) {
      case FieldType::kBool:
        As<bool>(value) = Below(2) == 0;
        return;
      case FieldType::kInt32:
        As<std::int32_t>(value) = static_cast<std::int32_t>(
            Integer(field, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()));
        return;
      case FieldType::kInt64:
        As<std::int64_t>(value) =
            Integer(field, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
        return;
      case FieldType::kDouble:
        As<double>(value) = static_cast<double>(Between(-1'000'000'000, 1'000'000'000)) / 1024;
        return;
      case FieldType::kString:
        As<Str>(value) = field.enum_values.empty() ? Text() : Str(field.enum_values[Below(field.enum_values.size())]);
        return;
      case FieldType::kBytes: {
        std::string bytes;
        for (std::uint64_t n = 1 + Below(20); n > 0; --n) bytes += static_cast<char>(rng_());
        As<Bytes>(value).data = bytes;
        return;
      }
      case FieldType::kQuantity: {
        constexpr std::string_view kSuffixes[] = {"", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3"};
        const std::string text = std::to_string(Between(-2000, 2'000'000));
        As<Quantity>(value).text = text + std::string(kSuffixes[Below(std::size(kSuffixes))]);
        return;
      }
      case FieldType::kIntOrString:
        As<IntOrString>(value) =
            Below(2) == 0 ? IntOrString(static_cast<std::int32_t>(rng_())) : IntOrString(Text().view());
        return;
      case FieldType::kTime:
        As<Time>(value).micros = Between(1, 315'537'897'599) * 1'000'000;
        return;
      case FieldType::kMicroTime:
        As<MicroTime>(value).micros = Between(1, 315'537'897'599'999'999);
        return;
      case FieldType::kDuration:
        As<Span>(value).nanos =
            Between(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
        return;
      case FieldType::kRawJson:
        As<RawJson>(value).json = RawText(field);
        return;
      case FieldType::kJson:
        As<Json>(value) = Json::Parse(RawText(field)).value();
        return;
      case FieldType::kMessage:
        return Message(*field.message, value);
    }
  }

  std::int64_t Integer(const FieldDesc& field, std::int64_t low, std::int64_t high) {
    if (field.has(kFieldHasMin)) low = std::max(low, field.min);
    if (field.has(kFieldHasMax)) high = std::min(high, field.max);
    return Below(2) == 0 ? Between(low, high) : std::clamp<std::int64_t>(Between(0, 1000), low, high);
  }

  Str Text() {
    constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    // What writers and readers get wrong: escapes, controls, line ends, look-alikes of other types, other planes.
    constexpr std::string_view kTricky[] = {"\"",
                                            "\\",
                                            "\n",
                                            "\t",
                                            "\r",
                                            " ",
                                            "\x01",
                                            "\x1f",
                                            "\x7f",
                                            "'",
                                            ":",
                                            ": ",
                                            "#",
                                            " #",
                                            "-",
                                            "- ",
                                            "{",
                                            "}",
                                            "[",
                                            "]",
                                            ",",
                                            "&",
                                            "*",
                                            "!",
                                            "|",
                                            ">",
                                            "%",
                                            "@",
                                            "`",
                                            "?",
                                            "~",
                                            "null",
                                            "true",
                                            "no",
                                            "0x1F",
                                            "010",
                                            "1e3",
                                            ".5",
                                            "2001-01-01",
                                            "<<",
                                            "=",
                                            "---",
                                            "...",
                                            "\xc3\xa9",
                                            "\xc2\x85",
                                            "\xc2\xa0",
                                            "\xe2\x80\xa8",
                                            "\xef\xbb\xbf",
                                            "\xef\xbf\xbd",
                                            "\xf0\x9f\x98\x80",
                                            "</",
                                            "\\u0041",
                                            "0",
                                            "-1"};
    std::string text;
    for (std::uint64_t n = 1 + Below(16); n > 0; --n) {
      if (options_.tame_strings || Below(4) != 0) {
        text += kAlphabet[Below(kAlphabet.size())];
      } else {
        text += kTricky[Below(std::size(kTricky))];
        if (Below(4) == 0) break;  // short ones are the ones taken for something else
      }
    }
    return text;
  }

  std::string RawText(const FieldDesc& field) {
    std::string json = "{";
    if (field.has(kFieldEmbeddedObject)) json += R"("apiVersion":"example.com/v1","kind":"Example",)";
    json += "\"a\":";
    model::AppendJsonString(Text().view(), json);
    json += ",\"b\":[1,-2.5,null,true,{}],\"n\":" + std::to_string(rng_()) + "}";
    return json;
  }

  std::mt19937_64 rng_;
  RandomOptions options_;
  std::vector<const MessageDesc*> path_;
};

bool HasProtobufForm(const MessageDesc& desc, std::set<const MessageDesc*>& seen) {
  if (!seen.insert(&desc).second) return true;
  return std::all_of(desc.fields.begin(), desc.fields.end(), [&](const FieldDesc& field) {
    return field.proto_number != 0 && (field.message == nullptr || HasProtobufForm(*field.message, seen));
  });
}

}  // namespace

ObjectPtr RandomObject(const MessageDesc& desc, std::uint64_t seed, const RandomOptions& options) {
  ObjectPtr object = ObjectPtr::New(desc);
  Filler(seed, options).Message(desc, object->mutable_data());
  return object;
}

bool HasProtobufForm(const MessageDesc& desc) {
  std::set<const MessageDesc*> seen;
  return HasProtobufForm(desc, seen);
}

}  // namespace minikube::testing
