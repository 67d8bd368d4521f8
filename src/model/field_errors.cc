#include "model/field_errors.h"

#include <iterator>
#include <unordered_set>

#include <fmt/format.h>
#include <minikube/codec.h>

namespace minikube {
namespace {

// Decodes one UTF-8 sequence at text[i]; returns its length, or 0 if it is malformed.
std::size_t DecodeRune(std::string_view text, std::size_t i, char32_t& rune) {
  const auto lead = static_cast<unsigned char>(text[i]);
  std::size_t length = 0;
  if (lead < 0x80) {
    rune = lead;
    return 1;
  }
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    rune = lead & 0x1F;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    rune = lead & 0x0F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    rune = lead & 0x07;
  } else {
    return 0;
  }
  if (i + length > text.size()) return 0;
  for (std::size_t k = 1; k < length; ++k) {
    const auto next = static_cast<unsigned char>(text[i + k]);
    if ((next & 0xC0) != 0x80) return 0;
    rune = (rune << 6) | (next & 0x3F);
  }
  if (length == 3 && (rune < 0x800 || (rune >= 0xD800 && rune <= 0xDFFF))) return 0;
  if (length == 4 && (rune < 0x10000 || rune > 0x10FFFF)) return 0;
  return length;
}

// Go prints letters, marks, numbers, punctuation, symbols and the ASCII space; this excludes the control, format,
// space, private-use and noncharacter ranges, which is what differs in practice.
bool Printable(char32_t r) {
  if (r < 0x20 || (r >= 0x7F && r <= 0xA0) || r == 0xAD) return false;
  if (r == 0x061C || r == 0x1680 || r == 0x180E || (r >= 0x2000 && r <= 0x200F) || (r >= 0x2028 && r <= 0x202F)) {
    return false;
  }
  if ((r >= 0x205F && r <= 0x206F) || r == 0x3000 || r == 0xFEFF || (r >= 0xFFF0 && r <= 0xFFFB)) return false;
  if ((r >= 0xE000 && r <= 0xF8FF) || (r & 0xFFFE) == 0xFFFE || r >= 0xE0000) return false;
  return true;
}

}  // namespace

std::string GoQuote(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    char32_t rune = 0;
    const std::size_t length = DecodeRune(text, i, rune);
    if (length == 0) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[i]));
      ++i;
      continue;
    }
    switch (rune) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\a':
        out += "\\a";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\v':
        out += "\\v";
        break;
      default:
        if (Printable(rune)) {
          out.append(text.substr(i, length));
        } else if (rune < 0x80) {
          fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(rune));
        } else if (rune < 0x10000) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(rune));
        } else {
          fmt::format_to(std::back_inserter(out), "\\U{:08x}", static_cast<unsigned>(rune));
        }
    }
    i += length;
  }
  out += '"';
  return out;
}

void FieldPath::Append(std::string& out) const {
  if (parent_ != nullptr) parent_->Append(out);
  switch (kind_) {
    case Kind::kName:
      break;
    case Kind::kIndex:
      fmt::format_to(std::back_inserter(out), "[{}]", index_);
      break;
    case Kind::kKey:
      fmt::format_to(std::back_inserter(out), "[{}]", key_);
      break;
  }
  if (name_.empty()) return;
  if (!out.empty()) out += '.';
  out += name_;
}

std::string FieldPath::ToString() const {
  std::string out;
  Append(out);
  return out.empty() ? "<nil>" : out;
}

std::string BadValue::text() const { return quoted_ ? text_ : GoQuote(borrowed_); }

BadValue::BadValue(const IntOrString& v)
    : text_(v.is_string ? GoQuote(v.string_value.view()) : std::to_string(v.int_value)) {}

BadValue::BadValue(double value) : text_(fmt::format("{}", value)) {}

BadValue BadValue::Message(const MessageDesc& desc, const void* message) {
  std::string json;
  EncodeJsonMessage(desc, message, json);
  return Json(std::move(json));
}

void ErrorList::Add(std::string_view reason, const FieldPath& path, std::string message) {
  causes_.push_back({std::string(reason), std::move(message), path.ToString()});
}

namespace {

std::string WithDetail(std::string message, std::string_view detail) {
  if (!detail.empty()) message.append(": ").append(detail);
  return message;
}

std::string_view Plural(std::int64_t n, std::string_view one, std::string_view many) { return n == 1 ? one : many; }

}  // namespace

void ErrorList::Required(const FieldPath& path, std::string_view detail) {
  Add("FieldValueRequired", path, WithDetail("Required value", detail));
}

void ErrorList::Invalid(const FieldPath& path, const BadValue& value, std::string_view detail) {
  Add("FieldValueInvalid", path, WithDetail("Invalid value: " + value.text(), detail));
}

void ErrorList::TypeInvalid(const FieldPath& path, const BadValue& value, std::string_view detail) {
  Add("FieldValueTypeInvalid", path, WithDetail("Invalid value: " + value.text(), detail));
}

void ErrorList::NotSupported(const FieldPath& path, const BadValue& value,
                             std::span<const std::string_view> supported) {
  std::string detail;
  for (std::string_view s : supported) detail.append(detail.empty() ? "supported values: " : ", ").append(GoQuote(s));
  Add("FieldValueNotSupported", path, WithDetail("Unsupported value: " + value.text(), detail));
}

void ErrorList::NotFound(const FieldPath& path, const BadValue& value) {
  Add("FieldValueNotFound", path, "Not found: " + value.text());
}

void ErrorList::Duplicate(const FieldPath& path, const BadValue& value) {
  Add("FieldValueDuplicate", path, "Duplicate value: " + value.text());
}

void ErrorList::Forbidden(const FieldPath& path, std::string_view detail) {
  Add("FieldValueForbidden", path, WithDetail("Forbidden", detail));
}

void ErrorList::TooLong(const FieldPath& path, std::int64_t max_bytes) {
  Add("FieldValueTooLong", path,
      fmt::format("Too long: may not be more than {} {}", max_bytes, Plural(max_bytes, "byte", "bytes")));
}

void ErrorList::TooMany(const FieldPath& path, std::size_t actual, std::size_t max) {
  Add("FieldValueTooMany", path,
      fmt::format("Too many: {}: must have at most {} {}", actual, max,
                  Plural(static_cast<std::int64_t>(max), "item", "items")));
}

void ErrorList::TooFew(const FieldPath& path, std::size_t actual, std::size_t min) {
  Add("FieldValueTooFew", path,
      fmt::format("Too few: {}: must have at least {} {}", actual, min,
                  Plural(static_cast<std::int64_t>(min), "item", "items")));
}

void ErrorList::TooShort(const FieldPath& path, std::size_t min) {
  Add("FieldValueTooShort", path,
      fmt::format("Too short: must be at least {} {}", min,
                  Plural(static_cast<std::int64_t>(min), "character", "characters")));
}

void ErrorList::Internal(const FieldPath& path, std::string_view detail) {
  Add("InternalError", path, WithDetail("Internal error", detail));
}

void ErrorList::InvalidEach(const FieldPath& path, const BadValue& value, const std::vector<std::string>& details) {
  for (const std::string& detail : details) Invalid(path, value, detail);
}

void ErrorList::Immutable(const FieldPath& path, const BadValue& value) { Invalid(path, value, "field is immutable"); }

void ErrorList::Append(ErrorList other) {
  causes_.insert(causes_.end(), std::make_move_iterator(other.causes_.begin()),
                 std::make_move_iterator(other.causes_.end()));
}

std::string ErrorList::ToString() const {
  std::unordered_set<std::string> seen;
  std::string out;
  for (const StatusCause& cause : causes_) {
    std::string text = cause.field + ": " + cause.message;
    if (!seen.insert(text).second) continue;
    if (!out.empty()) out += ", ";
    out += text;
  }
  return seen.size() > 1 ? "[" + out + "]" : out;
}

Status ErrorList::ToStatus(std::string_view group, std::string_view kind, std::string_view name) const {
  if (empty()) return {};
  const std::string qualified = group.empty() ? std::string(kind) : fmt::format("{}.{}", kind, group);
  StatusDetails details;
  details.name = name;
  details.group = group;
  details.kind = kind;
  details.causes = causes_;
  return {Code::kInvalid, fmt::format("{} {} is invalid: {}", qualified, GoQuote(name), ToString()),
          std::move(details)};
}

}  // namespace minikube
