// URLs as Go's url.ParseRequestURI reads them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace minikube::cel {

struct Url {
  std::string scheme;
  std::string host;  // with the port, if there is one
  std::string path;  // as written
  std::string query;
  std::string_view Hostname() const;  // without brackets and port
  std::string_view Port() const;
};

// An absolute URI, or an absolute path; nullopt if it is neither, or malformed.
std::optional<Url> ParseUrl(std::string_view text);
// Percent-decoded; nullopt if an escape is malformed. In queries + is a space.
std::optional<std::string> PercentDecode(std::string_view text, bool query);

}  // namespace minikube::cel
