#include "model/type_meta.h"

#include <optional>

#include <fmt/format.h>

#include "model/protobuf.h"

namespace minikube::model {
namespace {

constexpr int kMaxDepth = 100;

// What the bytes are, if they are well-formed.
std::optional<TypeMeta> Interpret(MediaType type, std::string_view bytes) {
  switch (type) {
    case MediaType::kJson: {
      JsonReader reader(bytes, kMaxDepth);
      Result<TypeMeta> meta = ReadTypeMeta(reader);
      reader.Rewind();
      if (!meta || !reader.Skip() || !reader.End()) return std::nullopt;
      return *std::move(meta);
    }
    case MediaType::kYaml: {
      const Result<std::string> json = YamlToJson(bytes);
      return json ? Interpret(MediaType::kJson, *json) : std::nullopt;
    }
    case MediaType::kProtobuf: {
      ProtobufEnvelope envelope;
      if (!DecodeProtobufEnvelope(bytes, &envelope).ok()) return std::nullopt;
      return TypeMeta{std::string(envelope.api_version), std::string(envelope.kind)};
    }
  }
  return std::nullopt;
}

// The beginning of a body: as it is if it may be JSON, else its bytes in hexadecimal.
std::string Summary(std::string_view bytes) {
  constexpr std::size_t kMax = 30;
  if (bytes.empty()) return "<empty>";
  const std::string_view start = bytes.substr(0, kMax);
  std::string out;
  if (bytes[0] == '{') {
    out = start;
  } else {
    for (const char c : start) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return bytes.size() > kMax ? out + " ..." : out;
}

}  // namespace

Status NoTypeMeta(std::string_view why) {
  return {Code::kBadRequest, fmt::format("couldn't get version/kind; json parse error: {}", why)};
}

Result<TypeMeta> ReadTypeMeta(JsonReader& reader) {
  using Token = JsonReader::Token;
  if (const Token token = reader.Peek(); token != Token::kObject) {
    if (!reader.Skip() || !reader.End()) return NoTypeMeta(reader.error());
    // Go spells out the type that it reads these two members into.
    return NoTypeMeta(
        fmt::format("json: cannot unmarshal {} into Go value of type struct {{ APIVersion string "
                    "\"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                    "\"json:\\\"kind,omitempty\\\"\" }}",
                    GoTokenName(token)));
  }
  TypeMeta meta;
  reader.BeginObject();
  bool have_kind = false;
  bool have_version = false;
  for (std::string_view key; !(have_kind && have_version) && reader.NextKey(&key);) {
    const bool is_kind = key == "kind";
    if (!is_kind && key != "apiVersion") {
      reader.Skip();
      continue;
    }
    (is_kind ? have_kind : have_version) = true;
    const std::string_view name = is_kind ? "kind" : "apiVersion";
    const Token token = reader.Peek();
    std::string_view text;
    if (token == Token::kString) {
      reader.ReadString(&text);
      (is_kind ? meta.kind : meta.api_version) = text;
    } else if (token == Token::kNull) {
      reader.ReadNull();
    } else if (reader.ok()) {
      return NoTypeMeta(
          fmt::format("json: cannot unmarshal {} into Go struct field .{} of type string", GoTokenName(token), name));
    }
  }
  if (!reader.ok()) return NoTypeMeta(reader.error());
  return meta;
}

Status ExplainDecodeError(const Status& error, MediaType type, std::string_view bytes, const MessageDesc& expected) {
  const GroupVersionKind& want = expected.gvk;
  const std::optional<TypeMeta> meta = Interpret(type, bytes);
  if (!meta) {
    return {error.code(), fmt::format("the object provided is unrecognized (must be of type {}): {} ({})", want.kind,
                                      error.message(), Summary(bytes))};
  }
  std::string_view version = meta->api_version.empty() ? want.version : std::string_view(meta->api_version);
  version.remove_prefix(version.rfind('/') + 1);  // npos + 1 is 0
  return {error.code(), fmt::format("{} in version \"{}\" cannot be handled as a {}: {}",
                                    meta->kind.empty() ? want.kind : std::string_view(meta->kind), version, want.kind,
                                    error.message())};
}

}  // namespace minikube::model
