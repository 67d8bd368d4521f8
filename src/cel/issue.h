// What is wrong with an expression, and where.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minikube::cel {

struct Issue {
  std::uint32_t offset = 0;  // in bytes
  std::string message;
};

// One "ERROR: <input>:1:5: message" per issue, each with the line and a mark below the place, as cel-go shows them.
std::string Render(std::string_view expression, const std::vector<Issue>& issues);

}  // namespace minikube::cel
