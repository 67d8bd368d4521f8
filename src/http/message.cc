#include "http/message.h"

#include <algorithm>

namespace minikube {

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

bool IsUpgradeTo(const HttpRequest& request, std::string_view protocol) {
  const auto has = [&](std::string_view name, std::string_view value) {
    return AnyElement(request.Header(name), [&](std::string_view each) { return EqualsIgnoreCase(each, value); });
  };
  return has("Connection", "upgrade") && has("Upgrade", protocol);
}

bool IsWebSocketUpgrade(const HttpRequest& request) {
  return request.method == "GET" && IsUpgradeTo(request, "websocket") &&
         request.Header("Sec-WebSocket-Version") == "13" && !request.Header("Sec-WebSocket-Key").empty();
}

std::string_view ReasonPhrase(int http_status) {
  switch (http_status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Request Entity Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

}  // namespace minikube
