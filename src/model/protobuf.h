// Kubernetes protobuf below the public codec: the envelope ("k8s\0", then runtime.Unknown) and bare messages.
#pragma once

#include <string>
#include <string_view>

#include <minikube/codec.h>
#include <minikube/status.h>

namespace minikube::model {

struct ProtobufEnvelope {
  std::string_view api_version;
  std::string_view kind;
  std::string_view raw;  // the message
};

// Views into `bytes`. Errors: kBadRequest.
Status DecodeProtobufEnvelope(std::string_view bytes, ProtobufEnvelope* out);
// Decodes into `message`, which must be empty; on an error it may be partly filled. Errors: kBadRequest.
Status DecodeProtobufMessage(const MessageDesc& desc, std::string_view bytes, void* message, int max_depth);
// Appends the envelope with the message inside.
void EncodeProtobufObject(const MessageDesc& desc, const void* message, std::string& out);

}  // namespace minikube::model
