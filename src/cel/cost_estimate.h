// What evaluating an expression can cost, told beforehand from the sizes that types admit.
#pragma once

#include <cstdint>

#include "cel/ast.h"

namespace minikube::cel {

// UINT64_MAX stands for more than can be told.
struct CostEstimate {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
};

// Of a checked tree.
CostEstimate EstimateCost(const Ast& ast);

}  // namespace minikube::cel
