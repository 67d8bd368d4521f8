// Workload: what users do to the cluster, drawn from the seed. It chooses by the truth, and acts through the API like
// anybody; some of its writes name versions that have passed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include <minikube/simulated_env.h>

#include "simulation/network.h"
#include "simulation/rules.h"
#include "simulation/truth.h"

namespace minikube::simulation {

struct WorkloadOptions {
  // Pods that all workloads together ask for, at most, so that everything finds room once all nodes work.
  int max_pods = 12;
  bool namespaces = true;
  bool owners = true;
  bool taints = true;
  bool disturbs_pods = true;  // deletes, evicts, relabels pods
};

class Workload {
 public:
  Workload(SimulatedEnv& env, const Truth& truth, Network& network, OwnerRules& owners, WorkloadOptions options,
           std::uint64_t seed);
  ~Workload();

  // From now on until Heal, something every few hundred milliseconds.
  void Start();
  // No more changes; what would keep the cluster from converging is taken back, repeatedly until it is so.
  void Heal();
  void Stop();
  bool healed() const { return healed_; }
  int actions() const { return actions_; }

 private:
  using Answered = std::function<void(const Result<ApiResponse>&)>;
  void Schedule();
  void Act();
  void RepairStep();

  void CreateDeployment();
  void CreateReplicaSet();
  void CreatePod();
  void CreateConfigMap();
  void CreateNamespace();
  void DeleteNamespace();
  void Scale();
  void Roll();
  void UpdateStale();
  void DeleteOwner();
  void DisturbPod();
  void MarkNode();

  void Send(ApiRequest request, Answered answered = {});
  // A merge patch.
  template <typename T>
  void Patch(const Object& object, std::string patch, Answered answered = {});
  template <typename T>
  void Create(const T& object) {
    Send(Client::RequestFor(Verb::kCreate, object));
  }
  template <typename T>
  ObjectRef Pick();
  template <typename T>
  std::size_t CountOf() const;
  ObjectRef OneOf(const std::vector<ObjectRef>& objects);
  std::string Namespace();
  std::string Name(std::string_view prefix);
  core::v1::PodTemplateSpec Template(const std::string& app);
  int Room() const;
  std::uint64_t Draw(std::uint64_t below) { return random_() % below; }
  bool Chance(int percent) { return Draw(100) < static_cast<std::uint64_t>(percent); }

  const Truth& truth_;
  OwnerRules& owners_;
  const WorkloadOptions options_;
  std::mt19937_64 random_;
  std::unique_ptr<SimulatedProcess> process_;
  Endpoint endpoint_;
  std::unique_ptr<Strand> strand_;
  std::unique_ptr<Client> client_;
  std::map<Str, Propagation> deleting_;  // UID -> how it is deleted, once and for all
  int last_name_ = 0;
  int actions_ = 0;
  int waiting_ = 0;  // repairs without an answer
  bool healing_ = false;
  bool healed_ = false;
};

}  // namespace minikube::simulation
