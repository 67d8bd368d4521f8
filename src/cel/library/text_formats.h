// The formats that a string can be said to have in OpenAPI schemas and in CEL's format library.
//
// Thread safety: pure functions.
#pragma once

#include <string_view>

namespace minikube::text_formats {

// True if the text has that format, or nothing is known of a format of that name. Dashes in the name do not matter,
// except in Kubernetes' own (k8s-short-name). In the sense of kube-openapi's strfmt.
bool Matches(std::string_view format, std::string_view text);
// Whether a format of that name is known.
bool IsKnown(std::string_view format);

// RFC 3339 full-date, and date-time.
bool IsDate(std::string_view text);
bool IsDateTime(std::string_view text);
// An absolute URI or an absolute path (RFC 3986), as Go's url.ParseRequestURI takes it.
bool IsRequestUri(std::string_view text);
bool IsUuid(std::string_view text);
// Base64 with padding (RFC 4648 section 4).
bool IsBase64(std::string_view text);

}  // namespace minikube::text_formats
