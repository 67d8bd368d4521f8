// What the scheduler tells the API server about pods: bindings, conditions, promised nodes, evictions.
//
// Thread safety: everything on the strand. Lifetime: client, strand and env outlive it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <minikube/client.h>
#include <minikube/env.h>
#include <minikube/function.h>
#include <minikube/log.h>

namespace minikube::scheduler {

class PodWrites {
 public:
  using Done = Function<void(Status)>;

  PodWrites(Client& client, Strand& strand, Env& env, Logger log, std::string scheduler_name)
      : client_(client), strand_(strand), env_(env), log_(std::move(log)), scheduler_name_(std::move(scheduler_name)) {}

  void Bind(const Object& pod, const std::string& node, Done done);
  // PodScheduled=False with this reason, and the node promised to the pod, if that changed ("" takes a promise back).
  // Nothing is written that the pod says already.
  void Unschedulable(const Object& pod, std::string_view reason, const std::string& message,
                     const std::optional<std::string>& nominated);
  void ClearNomination(const Object& pod);
  // Marks the pod as disrupted, then deletes it. A pod that has gone is no error.
  void Preempt(const Object& victim, Done done);

 private:
  void PatchStatus(const Object& pod, const std::string& status, Done done);
  Done Logged(const Object& pod);

  Client& client_;
  Strand& strand_;
  Env& env_;
  Logger log_;
  const std::string scheduler_name_;
};

}  // namespace minikube::scheduler
