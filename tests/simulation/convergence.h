// Convergence: what is true of a cluster that has come to rest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "simulation/cluster.h"
#include "simulation/truth.h"

namespace minikube::simulation {

struct Problem {
  std::string_view promise;
  std::string text;
};

// What is still to be done; empty once the cluster has converged. Lets some of the world's steps run.
std::vector<Problem> Unsettled(const Truth& truth, SimulatedCluster& cluster);

}  // namespace minikube::simulation
