// ControllerHost: controllers on a strand of their own, as the manager runs them, without the manager.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <minikube/controller.h>

namespace minikube::test {

class ControllerHost {
 public:
  ControllerHost(Client& client, Env& env, const std::vector<ControllerEntry>& entries,
                 std::string name = "controllers")
      : strand_(env.NewStrand(std::move(name))), informers_(client, *strand_, env) {
    for (const ControllerEntry& entry : entries) {
      controllers_.push_back(entry.make({client, informers_, *strand_, env, Logger()}));
    }
    informers_.Start();
  }

  bool Idle() const {
    return std::all_of(controllers_.begin(), controllers_.end(), [](const auto& each) { return each->Idle(); });
  }
  const Strand& strand() const { return *strand_; }

 private:
  std::unique_ptr<Strand> strand_;
  Informers informers_;
  std::vector<std::unique_ptr<Controller>> controllers_;
};

}  // namespace minikube::test
