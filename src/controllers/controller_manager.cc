#include <minikube/controller_manager.h>

#include <algorithm>
#include <utility>

#include "controllers/controllers.h"

namespace minikube {
namespace {

std::vector<ControllerEntry> BuiltIn(const ControllerManagerOptions& options) {
  using namespace controllers;  // NOLINT(google-build-using-namespace): a list of its names
  std::vector<ControllerEntry> entries{
      {"deployment-controller", NewDeploymentController},
      {"replicaset-controller", NewReplicaSetController},
      {"generic-garbage-collector", NewGarbageCollector},
      {"namespace-controller", NewNamespaceController},
      {"service-account-controller", NewServiceAccountController},
      {"node-controller", [o = NodeLifecycleOptions{options.node_monitor_grace_period}](
                              const ControllerContext& context) { return NewNodeLifecycleController(context, o); }},
      {"pod-garbage-collector", [o = PodGcOptions{options.terminated_pod_threshold}](
                                    const ControllerContext& context) { return NewPodGarbageCollector(context, o); }},
  };
  if (!options.root_ca.empty()) {
    entries.push_back({"root-ca-cert-publisher", [ca = options.root_ca](const ControllerContext& context) {
                         return NewRootCaPublisher(context, ca);
                       }});
  }
  return entries;
}

// One controller with everything that is its own. The controller itself is made, used and destroyed on the strand.
struct Running {
  std::unique_ptr<Client> client;
  std::unique_ptr<Strand> strand;
  std::unique_ptr<Controller> controller;
};

class Manager final : public ControllerManager {
 public:
  explicit Manager(std::unique_ptr<Client> reader) : reader_(std::move(reader)) {}
  ~Manager() override { Stop(); }

  Status Run(const ControllerEntry& entry, const ControllerManagerOptions& options, Env& env, const Logger& log) {
    auto running = std::make_unique<Running>();
    running->client = options.new_client(entry.name);
    if (running->client == nullptr) return {Code::kUnavailable, "no client for controller " + entry.name};
    running->strand = env.NewStrand(entry.name);
    running->strand->Post(
        [running = running.get(), make = entry.make, &env, reader = reader_.get(), log = log.Named(entry.name)] {
          running->controller = make({*running->client, *reader, *running->strand, env, log});
        });
    running_.push_back(std::move(running));
    return {};
  }

  void Stop() override {
    // A stopped strand runs nothing more, so that what lived on it may be taken down from here. The strands themselves
    // go last: answers to calls in flight are posted to them until the clients are gone.
    for (const auto& running : running_) running->strand->Stop();
    for (const auto& running : running_) running->controller.reset();
    for (const auto& running : running_) running->client.reset();
    reader_.reset();
    running_.clear();
  }

 private:
  std::unique_ptr<Client> reader_;
  std::vector<std::unique_ptr<Running>> running_;
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
  for (ControllerEntry& extra : options.extra) {
    if (std::any_of(entries.begin(), entries.end(),
                    [&](const ControllerEntry& entry) { return entry.name == extra.name; })) {
      return Status(Code::kBadRequest, "there are two controllers of the name " + extra.name);
    }
    entries.push_back(std::move(extra));
  }
  options.extra.clear();
  auto manager = std::make_unique<Manager>(std::move(reader));
  for (const ControllerEntry& entry : entries) {
    MINIKUBE_RETURN_IF_ERROR(manager->Run(entry, options, env, log));
  }
  return std::unique_ptr<ControllerManager>(std::move(manager));
}

}  // namespace minikube
