// Kubernetes' named formats: format.dns1123Label().validate("a").
#include <string>

#include <fmt/format.h>

#include "cel/function.h"
#include "cel/library/text_formats.h"
#include "model/validation_names.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

struct Format {
  std::string_view name;
  Messages (*check)(std::string_view);
};

Messages Unless(bool holds, std::string_view message) { return holds ? Messages{} : Messages{std::string(message)}; }

constexpr Format kFormats[] = {
    {"dns1123Label", [](std::string_view s) { return NameIsDnsLabel(s); }},
    {"dns1123Subdomain", [](std::string_view s) { return NameIsDnsSubdomain(s); }},
    {"dns1035Label", [](std::string_view s) { return NameIsDns1035Label(s); }},
    {"qualifiedName", IsQualifiedName},
    {"dns1123LabelPrefix", [](std::string_view s) { return NameIsDnsLabel(s, NameUse::kPrefix); }},
    {"dns1123SubdomainPrefix", [](std::string_view s) { return NameIsDnsSubdomain(s, NameUse::kPrefix); }},
    {"dns1035LabelPrefix", [](std::string_view s) { return NameIsDns1035Label(s, NameUse::kPrefix); }},
    {"labelValue", IsLabelValue},
    {"uri", [](std::string_view s) { return Unless(text_formats::IsRequestUri(s), "invalid URI for request"); }},
    {"uuid", [](std::string_view s) { return Unless(text_formats::IsUuid(s), "does not match the UUID format"); }},
    {"byte", [](std::string_view s) { return Unless(text_formats::IsBase64(s), "invalid base64"); }},
    {"date", [](std::string_view s) { return Unless(text_formats::IsDate(s), "invalid date"); }},
    {"datetime", [](std::string_view s) { return Unless(text_formats::IsDateTime(s), "invalid datetime"); }},
};

// How large a regular expression a check costs like.
std::size_t RegexSize(std::string_view format) {
  if (format == "labelValue") return 40;
  if (format == "uuid") return 78;
  if (format.starts_with("dns1123Subdomain") || format == "qualifiedName") return 60;
  return format.starts_with("dns") ? 30 : 80;
}

class FormatValue final : public Opaque {
 public:
  explicit FormatValue(const Format& f) : format(f) {}
  std::string_view type_name() const override { return "kubernetes.NamedFormat"; }
  bool Equals(const Opaque& other) const override { return &static_cast<const FormatValue&>(other).format == &format; }
  std::size_t Size() const override { return RegexSize(format.name); }
  const Format& format;
};

Value Make(const Format& format) { return Value::OfOpaque(new FormatValue(format)); }

Value Named(Args a) {
  for (const Format& format : kFormats) {
    if (format.name == a[0].text()) return Value::OptionalOf(Make(format));
  }
  return Value::OptionalNone();
}

template <std::size_t kIndex>
Value Constant(Args) {
  return Make(kFormats[kIndex]);
}

Value Validate(Args a) {
  constexpr std::size_t kMaxText = 65536;
  if (a[1].text().size() > kMaxText) {
    return Value::OptionalOf(
        Value::List({Value::String(fmt::format("too long: must have at most {} characters", kMaxText))}));
  }
  std::vector<Value> problems;
  for (const std::string& message : static_cast<const FormatValue&>(a[0].opaque()).format.check(a[1].text())) {
    problems.push_back(Value::String(message));
  }
  return problems.empty() ? Value::OptionalNone() : Value::OptionalOf(Value::List(std::move(problems)));
}

constexpr FunctionDefinition kDefinitions[] = {
    {"format.named", "string -> optional_type(kubernetes.NamedFormat)", Named},
    {".validate", "kubernetes.NamedFormat, string -> optional_type(list(string))", Validate, CallCost::kFormat},
    {"format.dns1123Label", "-> kubernetes.NamedFormat", Constant<0>},
    {"format.dns1123Subdomain", "-> kubernetes.NamedFormat", Constant<1>},
    {"format.dns1035Label", "-> kubernetes.NamedFormat", Constant<2>},
    {"format.qualifiedName", "-> kubernetes.NamedFormat", Constant<3>},
    {"format.dns1123LabelPrefix", "-> kubernetes.NamedFormat", Constant<4>},
    {"format.dns1123SubdomainPrefix", "-> kubernetes.NamedFormat", Constant<5>},
    {"format.dns1035LabelPrefix", "-> kubernetes.NamedFormat", Constant<6>},
    {"format.labelValue", "-> kubernetes.NamedFormat", Constant<7>},
    {"format.uri", "-> kubernetes.NamedFormat", Constant<8>},
    {"format.uuid", "-> kubernetes.NamedFormat", Constant<9>},
    {"format.byte", "-> kubernetes.NamedFormat", Constant<10>},
    {"format.date", "-> kubernetes.NamedFormat", Constant<11>},
    {"format.datetime", "-> kubernetes.NamedFormat", Constant<12>},
};

}  // namespace

std::span<const FunctionDefinition> library::Formats() { return kDefinitions; }

}  // namespace minikube::cel
