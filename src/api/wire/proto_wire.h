// The few pieces of protobuf wire format (protobuf.dev, "Encoding") that the HTTP side needs itself: envelopes around
// objects it does not look into, and DeleteOptions.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <minikube/api/meta/v1.h>
#include <minikube/status.h>

namespace minikube::api {

void PutVarint(std::uint64_t value, std::string& out);
// Field `number` of wire type 0.
void PutInt(int number, std::uint64_t value, std::string& out);
// Field `number` of wire type 2; empty text is left out.
void PutText(int number, std::string_view text, std::string& out);
// The same, written even if empty.
void PutBytes(int number, std::string_view bytes, std::string& out);
std::size_t VarintSize(std::uint64_t value);

// "k8s\0" and the part of runtime.Unknown that comes before `raw_size` bytes of the object's message.
void PutEnvelopeHead(std::string_view api_version, std::string_view kind, std::size_t raw_size, std::string& out);
// The object's message inside an envelope. Errors: kBadRequest.
Result<std::string_view> OpenEnvelope(std::string_view bytes);

// Errors: kBadRequest.
Status ReadDeleteOptionsMessage(std::string_view bytes, meta::v1::DeleteOptions& options);

}  // namespace minikube::api
