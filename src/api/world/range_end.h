#pragma once

#include <string>
#include <string_view>

namespace minikube::api {

// The end of the range of all keys that start with `prefix`. A prefix ends in '/', so its last byte can be raised.
inline std::string RangeEnd(std::string_view prefix) {
  std::string end(prefix);
  ++end.back();
  return end;
}

}  // namespace minikube::api
