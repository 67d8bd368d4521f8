// Content negotiation (RFC 9110 section 12) as the Kubernetes API does it: media types with the parameters as, v, g and
// stream.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/codec.h>
#include <minikube/status.h>

namespace minikube::api {

// The shape a client wants instead of the object itself.
enum class Transform : std::uint8_t { kNone, kTable, kPartialMetadata, kPartialMetadataList };

// What was agreed on.
struct Accepted {
  MediaType type = MediaType::kJson;
  Transform transform = Transform::kNone;
  std::string transform_version;  // "v1" or "v1beta1" of meta.k8s.io, when transformed
  bool pretty = false;            // indented JSON
};

// One range of an Accept header, or a Content-Type. Names are lower case.
struct MediaRange {
  std::string type;
  std::string subtype;
  double quality = 1;
  std::vector<std::pair<std::string, std::string>> parameters;  // without q

  // The value of a parameter, or "".
  std::string_view Parameter(std::string_view name) const;
};

// The ranges of an Accept header in order of preference: by q, then the more specific, then as written. What does not
// parse is left out. At most 64 ranges are read.
std::vector<MediaRange> ParseAccept(std::string_view header);

// The first acceptable form. An empty header accepts JSON. Errors: kNotAcceptable.
Result<Accepted> Negotiate(std::string_view accept);

// The media type that a body is in; JSON for an empty header. Errors: kUnsupportedMediaType.
Result<MediaType> BodyType(std::string_view content_type);

// "application/json" and its like.
std::string_view MediaTypeName(MediaType type);

// Whether an Accept-Encoding header takes gzip.
bool AcceptsGzip(std::string_view accept_encoding);

}  // namespace minikube::api
