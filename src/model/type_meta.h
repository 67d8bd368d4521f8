// What an encoded object says it is, before anybody knows its type; and what is said to senders of something else.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include <minikube/codec.h>

#include "model/json_reader.h"

namespace minikube::model {

struct TypeMeta {
  std::string api_version;  // "" if it is not said
  std::string kind;
};

// Reads as far as it must. Errors: kBadRequest.
Result<TypeMeta> ReadTypeMeta(JsonReader& reader);
// The error for a text that cannot be read.
Status NoTypeMeta(std::string_view why);

// `error`, which Decode gave for `bytes` where it expected `expected`, as kube-apiserver tells it to the sender:
//   Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.foo"
Status ExplainDecodeError(const Status& error, MediaType type, std::string_view bytes, const MessageDesc& expected);

}  // namespace minikube::model
