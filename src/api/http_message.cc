#include "api/http_message.h"

#include <algorithm>

namespace minikube::api {

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::string_view HttpRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoreCase(key, name)) return value;
  }
  return {};
}

bool AnyElement(std::string_view field, const std::function<bool(std::string_view)>& each) {
  while (!field.empty()) {
    std::string_view element = field.substr(0, field.find(','));
    field.remove_prefix(std::min(element.size() + 1, field.size()));
    while (!element.empty() && (element.front() == ' ' || element.front() == '\t')) element.remove_prefix(1);
    while (!element.empty() && (element.back() == ' ' || element.back() == '\t')) element.remove_suffix(1);
    if (!element.empty() && each(element)) return true;
  }
  return false;
}

bool IsWebSocketUpgrade(const HttpRequest& request) {
  const auto has = [&](std::string_view name, std::string_view value) {
    return AnyElement(request.Header(name), [&](std::string_view each) { return EqualsIgnoreCase(each, value); });
  };
  return request.method == "GET" && has("Connection", "upgrade") && has("Upgrade", "websocket") &&
         request.Header("Sec-WebSocket-Version") == "13" && !request.Header("Sec-WebSocket-Key").empty();
}

}  // namespace minikube::api
