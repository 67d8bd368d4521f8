// Where a planted bug takes hold of the simulated world.
#pragma once

#include <memory>

#include "simulation/cluster.h"
#include "simulation/network.h"

namespace minikube::simulation {

// Everything of one bug that lives as long as its simulation.
class PlantedBug {
 public:
  virtual ~PlantedBug() = default;
};

// Changes what passes the network, and what the runtimes do. Null for bugs that the disk has. Destroyed before the
// environment and after everything else.
std::unique_ptr<PlantedBug> Plant(Bug bug, SimulatedEnv& env, const Truth& truth, Network& network,
                                  SimulatedCluster& cluster);

}  // namespace minikube::simulation
