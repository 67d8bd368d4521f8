#include <minikube/controller_manager.h>

#include <algorithm>
#include <set>
#include <span>
#include <utility>

#include "controllers/controllers.h"

namespace minikube {
namespace {

std::vector<ControllerEntry> BuiltIn(const ControllerManagerOptions& options) {
  using namespace controllers;  // NOLINT(google-build-using-namespace): a list of its names
  // One a line.
  // clang-format off
  std::vector<ControllerEntry> entries{
      DeploymentController(),
      ReplicaSetController(),
      ReplicationControllerController(),
      StatefulSetController(),
      DaemonSetController(),
      JobController(),
      CronJobController(),
      TtlAfterFinishedController(),
      GarbageCollector(),
      NamespaceController(),
      ServiceAccountController(),
      TokenSecretController(options.root_ca),
      NodeLifecycleController(options.node_monitor_grace_period),
      TaintEvictionController(),
      PodGarbageCollector(options.terminated_pod_threshold),
      EndpointsController(),
      EndpointSliceController(),
      EndpointSliceMirroringController(),
      DisruptionController(),
      ClaimBinder(),
      VolumeStates(),
      ClaimProtection(),
      VolumeProtection(),
      EphemeralVolumeController(),
      ExpandController(),
      LocalPathProvisioner(),
      LocalPathReclaimer(),
      ResourceQuotaController(),
      ClusterRoleAggregationController(),
      SigningRequestApprover(),
      SigningRequestCleaner(),
  };
  // clang-format on
  if (!options.root_ca.empty()) entries.push_back(RootCaPublisher(options.root_ca));
  if (options.sign) entries.push_back(SigningRequestSigner(options.sign));
  return entries;
}

// Controllers that share a strand and what they see. They are made, used and destroyed on the strand.
class Group {
 public:
  Group(Client& reader, Env& env, std::string name)
      : env_(env),
        strand_(env.NewStrand(std::move(name))),
        informers_(std::make_unique<Informers>(reader, *strand_, env)) {}

  void Add(const ControllerEntry& entry, std::unique_ptr<Client> client, const Logger& log) {
    clients_.push_back(std::move(client));
    strand_->Post([this, make = entry.make, client = clients_.back().get(), log = log.Named(entry.name)] {
      controllers_.push_back(make({*client, *informers_, *strand_, env_, log}));
    });
  }
  // Once all are made, so that each has said what it wants to see.
  void Start() {
    strand_->Post([this] { informers_->Start(); });
  }

  // A stopped strand runs nothing more, so that what lived on it may be taken down from here. The strand itself goes
  // last: answers to calls in flight are posted to it until the clients, the reader too, are gone.
  void Stop() {
    strand_->Stop();
    controllers_.clear();
    informers_.reset();
    clients_.clear();
  }

 private:
  Env& env_;
  std::unique_ptr<Strand> strand_;
  std::unique_ptr<Informers> informers_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Controller>> controllers_;
};

class Manager final : public ControllerManager {
 public:
  explicit Manager(std::unique_ptr<Client> reader) : reader_(std::move(reader)) {}
  ~Manager() override { Stop(); }

  // Runs these on one strand.
  Status Run(const std::string& name, std::span<const ControllerEntry> entries, const ControllerManagerOptions& options,
             Env& env, const Logger& log) {
    Group* const group = groups_.emplace_back(std::make_unique<Group>(*reader_, env, name)).get();
    for (const ControllerEntry& entry : entries) {
      std::unique_ptr<Client> client = options.new_client(entry.identity.empty() ? entry.name : entry.identity);
      if (client == nullptr) return {Code::kUnavailable, "no client for controller " + entry.name};
      group->Add(entry, std::move(client), log);
    }
    group->Start();
    return {};
  }

  void Stop() override {
    for (const auto& group : groups_) group->Stop();
    reader_.reset();
    groups_.clear();
  }

 private:
  std::unique_ptr<Client> reader_;
  std::vector<std::unique_ptr<Group>> groups_;
};

}  // namespace

Result<std::unique_ptr<ControllerManager>> ControllerManager::Start(ControllerManagerOptions options, Env& env,
                                                                    Logger log) {
  if (!options.new_client) return Status(Code::kBadRequest, "new_client is not set");
  std::unique_ptr<Client> reader = options.new_client(kManagerName);
  if (reader == nullptr) return Status(Code::kUnavailable, "no client for the controller manager");
  std::vector<ControllerEntry> entries = BuiltIn(options);
  for (const std::string& name : options.disabled) {
    const auto removed = std::remove_if(entries.begin(), entries.end(),
                                        [&](const ControllerEntry& entry) { return entry.name == name; });
    if (removed == entries.end()) return Status(Code::kBadRequest, "no such controller: " + name);
    entries.erase(removed, entries.end());
  }
  std::set<std::string_view> names;
  for (const auto* list : {&entries, &options.extra}) {
    for (const ControllerEntry& entry : *list) {
      if (!names.insert(entry.name).second) {
        return Status(Code::kBadRequest, "there are two controllers of the name " + entry.name);
      }
    }
  }
  auto manager = std::make_unique<Manager>(std::move(reader));
  MINIKUBE_RETURN_IF_ERROR(manager->Run("controllers", entries, options, env, log));
  for (const ControllerEntry& extra : options.extra) {
    MINIKUBE_RETURN_IF_ERROR(manager->Run(extra.name, {&extra, 1}, options, env, log));
  }
  return std::unique_ptr<ControllerManager>(std::move(manager));
}

}  // namespace minikube
