#include "api/streams/upgrade.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/wire/reply.h"

namespace minikube::api {
namespace {

constexpr std::string_view kSpdy = "SPDY/3.1";
constexpr std::string_view kVersionField = "X-Stream-Protocol-Version";

std::vector<std::string_view> Offered(const HttpRequest& request) {
  std::vector<std::string_view> out;
  for (const auto& [name, value] : request.headers) {
    if (!EqualsIgnoreCase(name, kVersionField)) continue;
    AnyElement(value, [&](std::string_view each) {
      out.push_back(each);
      return false;
    });
  }
  return out;
}

}  // namespace

std::optional<std::string> ChooseSpdyProtocol(const HttpRequest& request, std::span<const std::string_view> spoken,
                                              HttpReply& reply) {
  if (!IsUpgradeTo(request, kSpdy)) {
    reply = StatusReply(
        {Code::kBadRequest, request.Header("Upgrade").empty()
                                ? "Upgrade request required"
                                : fmt::format("unable to upgrade to {}: this server speaks WebSocket version 13 and {}",
                                              request.Header("Upgrade"), kSpdy)});
    return std::nullopt;
  }
  const std::vector<std::string_view> offered = Offered(request);
  if (offered.empty()) {
    reply = StatusReply(
        {Code::kBadRequest, fmt::format("unable to upgrade: header {} does not name a protocol", kVersionField)});
    return std::nullopt;
  }
  for (const std::string_view protocol : offered) {
    if (std::find(spoken.begin(), spoken.end(), protocol) == spoken.end()) continue;
    reply.status = 101;
    reply.upgrade = kSpdy;
    reply.headers.emplace_back(kVersionField, protocol);
    return std::string(protocol);
  }
  reply = StatusReply({Code::kForbidden, fmt::format("unable to upgrade: unable to negotiate protocol: client supports "
                                                     "[{}], server accepts [{}]",
                                                     fmt::join(offered, " "), fmt::join(spoken, " "))});
  for (const std::string_view each : spoken) {
    reply.headers.emplace_back("X-Accepted-Stream-Protocol-Versions", each);
  }
  return std::nullopt;
}

HttpReply NoSuchSubprotocol(std::string_view spoken) {
  return StatusReply(
      {Code::kBadRequest,
       fmt::format("none of the WebSocket subprotocols that were asked for is spoken here: {}", spoken)});
}

}  // namespace minikube::api
