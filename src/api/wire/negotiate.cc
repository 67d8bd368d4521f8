#include "api/wire/negotiate.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "http/message.h"

namespace minikube::api {
namespace {

constexpr std::size_t kMaxRanges = 64;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// Cuts the part before `separator` off `text`, minding quoted strings.
std::string_view Cut(std::string_view& text, char separator) {
  bool quoted = false;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (text[i] == '\\' && quoted)
      ++i;
    else if (text[i] == separator && !quoted)
      break;
  }
  i = std::min(i, text.size());
  const std::string_view part = text.substr(0, i);
  text.remove_prefix(i < text.size() ? i + 1 : i);
  return Trim(part);
}

std::string Unquote(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::string(value);
  std::string out;
  for (std::size_t i = 1; i + 1 < value.size(); ++i) {
    if (value[i] == '\\' && i + 2 < value.size()) ++i;
    out += value[i];
  }
  return out;
}

// q values have at most three digits after the point (RFC 9110 section 12.4.2); anything else counts as 0.
double ParseQuality(std::string_view text) {
  if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789.") != std::string_view::npos) return 0;
  return std::min(1.0, std::strtod(std::string(text).c_str(), nullptr));
}

std::optional<MediaRange> ParseRange(std::string_view text) {
  MediaRange range;
  std::string_view rest = text;
  const std::string_view name = Cut(rest, ';');
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  range.type = Lower(Trim(name.substr(0, slash)));
  range.subtype = Lower(Trim(name.substr(slash + 1)));
  if (range.type.empty() || range.subtype.empty()) return std::nullopt;
  while (!rest.empty()) {
    const std::string_view parameter = Cut(rest, ';');
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    std::string key = Lower(Trim(parameter.substr(0, equals)));
    std::string value = Unquote(Trim(parameter.substr(equals + 1)));
    if (key == "q") {
      range.quality = ParseQuality(value);
    } else {
      range.parameters.emplace_back(std::move(key), std::move(value));
    }
  }
  return range;
}

// What the range asks for, if this server can give it.
std::optional<Accepted> Match(const MediaRange& range) {
  Accepted accepted;
  if (range.type == "*" || (range.type == "application" && range.subtype == "*")) {
    if (range.type == "*" && range.subtype != "*") return std::nullopt;
  } else if (range.type == "application" && range.subtype == "json") {
    accepted.type = MediaType::kJson;
  } else if (range.type == "application" && (range.subtype == "yaml" || range.subtype == "x-yaml")) {
    accepted.type = MediaType::kYaml;
  } else if (range.type == "application" && range.subtype == "vnd.kubernetes.protobuf") {
    accepted.type = MediaType::kProtobuf;
  } else {
    return std::nullopt;
  }
  if (const std::string_view stream = range.Parameter("stream"); !stream.empty() && stream != "watch") {
    return std::nullopt;
  }
  const std::string_view as = range.Parameter("as");
  if (as.empty()) return accepted;
  const std::string_view version = range.Parameter("v");
  if (range.Parameter("g") != "meta.k8s.io" || (version != "v1" && version != "v1beta1")) return std::nullopt;
  accepted.transform_version = std::string(version);
  if (as == "Table") {
    if (accepted.type == MediaType::kProtobuf) return std::nullopt;  // tables have no protobuf form
    accepted.transform = Transform::kTable;
  } else if (as == "PartialObjectMetadata") {
    accepted.transform = Transform::kPartialMetadata;
  } else if (as == "PartialObjectMetadataList") {
    accepted.transform = Transform::kPartialMetadataList;
  } else {
    return std::nullopt;
  }
  return accepted;
}

}  // namespace

std::string_view MediaRange::Parameter(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return {};
}

std::vector<MediaRange> ParseAccept(std::string_view header) {
  std::vector<MediaRange> ranges;
  while (!header.empty() && ranges.size() < kMaxRanges) {
    if (std::optional<MediaRange> range = ParseRange(Cut(header, ','))) ranges.push_back(*std::move(range));
  }
  const auto specificity = [](const MediaRange& range) { return (range.type != "*") + (range.subtype != "*"); };
  std::stable_sort(ranges.begin(), ranges.end(), [&](const MediaRange& a, const MediaRange& b) {
    if (a.quality != b.quality) return a.quality > b.quality;
    return specificity(a) > specificity(b);
  });
  return ranges;
}

Result<Accepted> Negotiate(std::string_view accept) {
  if (Trim(accept).empty()) return Accepted{};
  for (const MediaRange& range : ParseAccept(accept)) {
    if (range.quality <= 0) continue;
    if (std::optional<Accepted> accepted = Match(range)) return *std::move(accepted);
  }
  return Status(Code::kNotAcceptable,
                "only the following media types are accepted: application/json, application/yaml, "
                "application/vnd.kubernetes.protobuf");
}

Result<MediaType> BodyType(std::string_view content_type) {
  if (Trim(content_type).empty()) return MediaType::kJson;
  if (const std::optional<MediaRange> range = ParseRange(content_type)) {
    if (range->type == "application") {
      if (range->subtype == "json") return MediaType::kJson;
      if (range->subtype == "yaml" || range->subtype == "x-yaml") return MediaType::kYaml;
      if (range->subtype == "vnd.kubernetes.protobuf") return MediaType::kProtobuf;
    }
  }
  return Status(Code::kUnsupportedMediaType,
                "the body of the request was in an unknown format - accepted media types include: application/json, "
                "application/yaml, application/vnd.kubernetes.protobuf");
}

std::string_view MediaTypeName(MediaType type) {
  switch (type) {
    case MediaType::kJson:
      return "application/json";
    case MediaType::kYaml:
      return "application/yaml";
    case MediaType::kProtobuf:
      return "application/vnd.kubernetes.protobuf";
  }
  return "application/json";
}

bool AcceptsGzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    std::string_view coding = Cut(accept_encoding, ',');
    const std::string_view name = Cut(coding, ';');
    if (!EqualsIgnoreCase(name, "gzip") && name != "*") continue;
    const std::size_t q = coding.find("q=");
    return q == std::string_view::npos || ParseQuality(Trim(coding.substr(q + 2))) > 0;
  }
  return false;
}

}  // namespace minikube::api
