// What is wrong with a regular expression.
#pragma once

#include <string>
#include <string_view>

namespace minikube::cel {

// "" if it is well-formed.
std::string RegexProblem(std::string_view pattern);

}  // namespace minikube::cel
