// A streamed body over a WebSocket instead: logs and watches, as kube-apiserver offers them. What the client says is
// ignored.
#pragma once

#include <memory>

#include "http/message.h"

namespace minikube::api {

// Where a message ends.
enum class BodyCut : std::uint8_t {
  kPieces,    // as the body comes
  kLines,     // after each line
  kPrefixed,  // frames with their length before them, in four bytes, which are left out
};

enum class BodyForm : std::uint8_t { kBinary, kText, kBase64 };

// Turns `reply`, which has a source that signals, into that of a WebSocket with such messages. With `greeting` the
// first one is empty: it may be waited for.
void OverWebSocket(BodyCut cut, BodyForm form, bool greeting, HttpReply& reply);

// For logs: chooses a subprotocol (binary.k8s.io, base64.binary.k8s.io, or none named) of those that the request offers
// and makes `reply` speak it; refuses if none is spoken here. Without a source, `reply` is left as it is.
void LogOverWebSocket(const HttpRequest& request, HttpReply& reply);

// For watches: JSON as text, protobuf as binary messages, an event each. `protobuf`: what the source's frames are.
void WatchOverWebSocket(const HttpRequest& request, bool protobuf, HttpReply& reply);

}  // namespace minikube::api
