// The simulated Env by the name that older tests know it by.
#pragma once

#include <minikube/simulated_env.h>

namespace minikube::test {
using FakeEnv = SimulatedEnv;
using FakeProcess = SimulatedProcess;
}  // namespace minikube::test
