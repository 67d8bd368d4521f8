// The messages of Kubernetes' channel protocols over WebSocket: a channel's number, then its data. As it is: the number
// as a byte; in base64: as a digit, the data encoded, all of it text.
//
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/base64.h"
#include "model/scalar_text.h"

namespace minikube::api {

struct ChannelMessage {
  unsigned char channel = 0;
  std::string data;
};

inline std::string EncodeChannel(bool base64, unsigned char channel, std::string_view data) {
  std::string out(1, static_cast<char>(base64 ? '0' + channel : channel));
  if (base64) {
    out += Base64(data);
  } else {
    out += data;
  }
  return out;
}

// nullopt: not a message, or not base64.
inline std::optional<ChannelMessage> DecodeChannel(bool base64, std::string_view message) {
  if (message.empty()) return std::nullopt;
  const auto first = static_cast<unsigned char>(message.front());
  if (!base64) return ChannelMessage{first, std::string(message.substr(1))};
  std::optional<std::string> data = model::DecodeBase64(message.substr(1));
  if (!data) return std::nullopt;
  return ChannelMessage{static_cast<unsigned char>(first - '0'), *std::move(data)};
}

}  // namespace minikube::api
