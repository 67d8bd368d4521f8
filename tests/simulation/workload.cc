#include "simulation/workload.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/api/policy/v1.h>

namespace minikube::simulation {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;
using core::v1::ConfigMap;
using core::v1::Node;
using core::v1::Pod;
using CoreNamespace = core::v1::Namespace;

namespace {

constexpr std::string_view kHome = "default";
constexpr int kMaxReplicas = 4;

bool Going(const Object& object) { return object.meta().deletionTimestamp.has_value(); }

}  // namespace

Workload::Workload(SimulatedEnv& env, const Truth& truth, Network& network, OwnerRules& owners, WorkloadOptions options,
                   std::uint64_t seed)
    : truth_(truth),
      owners_(owners),
      options_(options),
      random_(seed),
      process_(env.NewProcess("user")),
      strand_(process_->NewStrand("workload")) {
  endpoint_.name = "user";
  endpoint_.process = process_.get();
  client_ = network.NewClient(endpoint_, std::string(kUser));
}

Workload::~Workload() = default;

void Workload::Start() { Schedule(); }

void Workload::Stop() {
  strand_->Stop();
  client_.reset();
}

void Workload::Schedule() {
  strand_->After(std::chrono::milliseconds(20 + Draw(Chance(30) ? 3000 : 500)), [this] {
    if (healing_) return;
    Act();
    Schedule();
  });
}

void Workload::Act() {
  ++actions_;
  const std::uint64_t what = Draw(100);
  if (what < 14) return CreateDeployment();
  if (what < 18) return CreateReplicaSet();
  if (what < 24) return CreatePod();
  if (what < 40) return Scale();
  if (what < 56) return Roll();
  if (what < 62) return UpdateStale();
  if (what < 70) return DeleteOwner();
  if (what < 78) return options_.owners ? CreateConfigMap() : Roll();
  if (what < 88) return options_.disturbs_pods ? DisturbPod() : Scale();
  if (what < 94) return options_.taints ? MarkNode() : Roll();
  if (what < 97) return options_.namespaces ? CreateNamespace() : Scale();
  if (options_.namespaces) DeleteNamespace();
}

// --- Choosing ----------------------------------------------------------------------------------------------------

ObjectRef Workload::OneOf(const std::vector<ObjectRef>& objects) {
  return objects.empty() ? ObjectRef() : objects[Draw(objects.size())];
}

template <typename T>
ObjectRef Workload::Pick() {
  std::vector<ObjectRef> objects;
  for (const auto& [key, object] : truth_.objects(truth_.UnitOf<T>())) {
    // Pods, nodes and what is made for workloads; nothing that comes with the cluster.
    if (!key.ns.view().starts_with("kube-") && !(key.name == "kube-root-ca.crt")) objects.push_back(object);
  }
  return OneOf(objects);
}

template <typename T>
std::size_t Workload::CountOf() const {
  return truth_.objects(truth_.UnitOf<T>()).size();
}

std::string Workload::Namespace() {
  std::vector<std::string> names{std::string(kHome)};
  for (const auto& [key, object] : truth_.objects(truth_.UnitOf<CoreNamespace>())) {
    if (key.name.view().starts_with("ns-") && !Going(*object)) names.push_back(key.name.str());
  }
  return names[Draw(names.size())];
}

std::string Workload::Name(std::string_view prefix) { return fmt::format("{}-{}", prefix, ++last_name_); }

int Workload::Room() const {
  int asked = 0;
  for (const auto& [key, object] : truth_.objects(truth_.UnitOf<Deployment>())) {
    asked += object->As<Deployment>().spec.replicas.value_or(1) + 1;
  }
  for (const auto& [key, object] : truth_.objects(truth_.UnitOf<ReplicaSet>())) {
    if (ControllerRef(object->meta()) == nullptr) asked += object->As<ReplicaSet>().spec.replicas.value_or(1);
  }
  for (const auto& [key, object] : truth_.objects(truth_.UnitOf<Pod>())) {
    if (ControllerRef(object->meta()) == nullptr && !IsFinished(object->As<Pod>())) ++asked;
  }
  return options_.max_pods - asked;
}

core::v1::PodTemplateSpec Workload::Template(const std::string& app) {
  core::v1::PodTemplateSpec out;
  out.metadata.labels["app"] = app;
  core::v1::Container container;
  container.name = "main";
  container.image = fmt::format("app:{}", Draw(5));
  container.resources.requests["cpu"] = Chance(70) ? "250m" : "125m";
  out.spec.containers.push_back(container);
  if (Chance(30)) out.spec.terminationGracePeriodSeconds = static_cast<std::int64_t>(Draw(5));
  if (Chance(30)) {
    // Leaves a node that is away sooner than after the usual five minutes.
    for (const char* taint : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
      core::v1::Toleration toleration;
      toleration.key = taint;
      toleration.operator_ = "Exists";
      toleration.effect = "NoExecute";
      toleration.tolerationSeconds = static_cast<std::int64_t>(Draw(20));
      out.spec.tolerations.push_back(toleration);
    }
  }
  return out;
}

// --- Acting ------------------------------------------------------------------------------------------------------

void Workload::Send(ApiRequest request, Answered answered) {
  client_
      ->Do(std::move(request), *strand_,
           [answered = std::move(answered)](Result<ApiResponse> response) {
             if (answered) answered(response);
           })
      .Detach();
}

template <typename T>
void Workload::Patch(const Object& object, std::string patch, Answered answered) {
  ApiRequest request = Client::NamedRequest<T>(Verb::kPatch, object.meta().namespace_, object.meta().name);
  request.patch = std::move(patch);
  Send(std::move(request), std::move(answered));
}

void Workload::CreateDeployment() {
  if (CountOf<Deployment>() >= 5 || Room() < 3) return;
  Deployment deployment;
  const std::string name = Name("web");
  deployment.metadata.name = name;
  deployment.metadata.namespace_ = Namespace();
  deployment.spec.replicas = static_cast<std::int32_t>(1 + Draw(3));
  deployment.spec.template_ = Template(name);
  meta::v1::LabelSelector selector;
  selector.matchLabels["app"] = name;
  deployment.spec.selector = selector;
  if (Chance(25)) {
    deployment.spec.strategy.type = "Recreate";
  } else if (Chance(60)) {
    apps::v1::RollingUpdateDeployment rolling;
    const auto surge = static_cast<std::int32_t>(Draw(3));
    rolling.maxSurge = Chance(30) ? IntOrString("50%") : IntOrString(surge);
    rolling.maxUnavailable = static_cast<std::int32_t>(surge == 0 ? 1 + Draw(2) : Draw(3));
    deployment.spec.strategy.type = "RollingUpdate";
    deployment.spec.strategy.rollingUpdate = rolling;
  }
  if (Chance(30)) deployment.spec.revisionHistoryLimit = static_cast<std::int32_t>(Draw(3));
  Create(deployment);
}

void Workload::CreateReplicaSet() {
  if (CountOf<ReplicaSet>() >= 12 || Room() < 3) return;
  ReplicaSet set;
  const std::string name = Name("set");
  set.metadata.name = name;
  set.metadata.namespace_ = Namespace();
  set.spec.replicas = static_cast<std::int32_t>(1 + Draw(3));
  set.spec.template_ = Template(name);
  meta::v1::LabelSelector selector;
  selector.matchLabels["app"] = name;
  set.spec.selector = selector;
  Create(set);
}

void Workload::CreatePod() {
  if (Room() < 1) return;
  Pod pod;
  core::v1::PodTemplateSpec made = Template("alone");
  pod.metadata.name = Name("pod");
  pod.metadata.namespace_ = Namespace();
  pod.metadata.labels = made.metadata.labels;
  pod.spec = made.spec;
  pod.spec.restartPolicy = Chance(50) ? "Never" : Chance(50) ? "OnFailure" : "Always";
  Create(pod);
}

void Workload::CreateConfigMap() {
  if (CountOf<ConfigMap>() >= 40) return;
  ConfigMap map;
  map.metadata.name = Name("map");
  map.metadata.namespace_ = Namespace();
  map.data["key"] = map.metadata.name;
  const ObjectRef owner = Chance(60) ? Pick<Deployment>() : Pick<ConfigMap>();
  if (owner) {
    const meta::v1::ObjectMeta& meta = owner->meta();
    map.metadata.namespace_ = meta.namespace_;
    meta::v1::OwnerReference reference;
    reference.apiVersion = owner->TryAs<ConfigMap>() != nullptr ? "v1" : "apps/v1";
    reference.kind = owner->kind();
    reference.name = meta.name;
    reference.uid = meta.uid;
    if (Chance(50)) reference.blockOwnerDeletion = true;
    map.metadata.ownerReferences.push_back(reference);
  }
  Create(map);
}

void Workload::CreateNamespace() {
  if (CountOf<CoreNamespace>() >= 7) return;
  CoreNamespace ns;
  ns.metadata.name = Name("ns");
  Create(ns);
}

void Workload::DeleteNamespace() {
  std::vector<ObjectRef> mine;
  for (const auto& [key, object] : truth_.objects(truth_.UnitOf<CoreNamespace>())) {
    if (key.name.view().starts_with("ns-")) mine.push_back(object);
  }
  const ObjectRef ns = OneOf(mine);
  if (ns) Send(Client::NamedRequest<CoreNamespace>(Verb::kDelete, "", ns->meta().name));
}

void Workload::Scale() {
  const int room = Room();
  if (Chance(20)) {
    const ObjectRef set = Pick<ReplicaSet>();
    if (!set || ControllerRef(set->meta()) != nullptr) return;
    const int most = std::min(kMaxReplicas, set->As<ReplicaSet>().spec.replicas.value_or(1) + std::max(0, room));
    return Patch<ReplicaSet>(
        *set, fmt::format(R"({{"spec":{{"replicas":{}}}}})", Draw(static_cast<std::uint64_t>(most) + 1)));
  }
  const ObjectRef object = Pick<Deployment>();
  if (!object) return;
  Deployment deployment = object->As<Deployment>();
  const int most = std::min(kMaxReplicas, deployment.spec.replicas.value_or(1) + std::max(0, room));
  const auto replicas = static_cast<std::int32_t>(Draw(static_cast<std::uint64_t>(most) + 1));
  if (Chance(50)) return Patch<Deployment>(*object, fmt::format(R"({{"spec":{{"replicas":{}}}}})", replicas));
  deployment.spec.replicas = replicas;
  Send(Client::RequestFor(Verb::kUpdate, deployment));
}

void Workload::Roll() {
  const ObjectRef object = Pick<Deployment>();
  if (!object) return;
  if (Chance(8)) {
    const bool paused = object->As<Deployment>().spec.paused;
    return Patch<Deployment>(*object, fmt::format(R"({{"spec":{{"paused":{}}}}})", !paused));
  }
  Deployment deployment = object->As<Deployment>();
  deployment.spec.template_.spec.containers.Mutable(0).image = fmt::format("app:{}", Draw(5));
  Send(Client::RequestFor(Verb::kUpdate, deployment));
}

// An update of a version that may have been replaced since.
void Workload::UpdateStale() {
  const api::StoredKind& unit = truth_.UnitOf<Deployment>();
  const ObjectRef object = Pick<Deployment>();
  if (!object) return;
  std::vector<ObjectRef> versions;
  for (const TruthChange& change : truth_.changes(unit)) {
    if (change.after && change.after->meta().uid == object->meta().uid) versions.push_back(change.after);
  }
  Deployment deployment = OneOf(versions)->As<Deployment>();
  deployment.metadata.annotations["example.com/touched"] = fmt::format("{}", actions_);
  Send(Client::RequestFor(Verb::kUpdate, deployment));
}

void Workload::DeleteOwner() {
  const std::uint64_t kind = Draw(10);
  const ObjectRef object = kind < 5 ? Pick<Deployment>() : kind < 7 ? Pick<ReplicaSet>() : Pick<ConfigMap>();
  // Replica sets of deployments are the controller's.
  if (!object || (object->TryAs<ReplicaSet>() != nullptr && ControllerRef(object->meta()) != nullptr)) return;
  constexpr Propagation kWays[] = {Propagation::kBackground, Propagation::kForeground, Propagation::kOrphan};
  const auto [it, fresh] = deleting_.try_emplace(object->meta().uid, kWays[Draw(3)]);
  const auto fill = [&](ApiRequest request) {
    request.propagation = it->second;
    request.precondition_uid = object->meta().uid.str();
    owners_.Intend(object->meta().uid, it->second);
    Send(std::move(request));
  };
  const meta::v1::ObjectMeta& meta = object->meta();
  if (object->TryAs<Deployment>() != nullptr) {
    fill(Client::NamedRequest<Deployment>(Verb::kDelete, meta.namespace_, meta.name));
  } else if (object->TryAs<ReplicaSet>() != nullptr) {
    fill(Client::NamedRequest<ReplicaSet>(Verb::kDelete, meta.namespace_, meta.name));
  } else {
    fill(Client::NamedRequest<ConfigMap>(Verb::kDelete, meta.namespace_, meta.name));
  }
}

void Workload::DisturbPod() {
  const ObjectRef object = Pick<Pod>();
  if (!object) return;
  const meta::v1::ObjectMeta& meta = object->meta();
  const std::uint64_t what = Draw(10);
  if (what < 2) return Patch<Pod>(*object, R"({"metadata":{"labels":{"app":"aside"}}})");
  if (what < 4) {
    ApiRequest request = Client::NamedRequest<Pod>(Verb::kCreate, meta.namespace_, meta.name);
    request.subresource = "eviction";
    policy::v1::Eviction eviction;
    eviction.metadata.name = meta.name;
    eviction.metadata.namespace_ = meta.namespace_;
    request.object = Share(std::move(eviction));
    return Send(std::move(request));
  }
  ApiRequest request = Client::NamedRequest<Pod>(Verb::kDelete, meta.namespace_, meta.name);
  if (what < 6) request.grace_period_seconds = static_cast<std::int64_t>(Draw(3));
  Send(std::move(request));
}

void Workload::MarkNode() {
  const ObjectRef node = Pick<Node>();
  if (!node) return;
  const std::uint64_t what = Draw(10);
  if (what < 4) return Patch<Node>(*node, fmt::format(R"({{"spec":{{"unschedulable":{}}}}})", Chance(60)));
  Node next = node->As<Node>();
  for (std::size_t i = next.spec.taints.size(); i-- > 0;) {
    if (next.spec.taints[i].key == "example.com/keep-out") next.spec.taints.Erase(i);
  }
  if (what < 8) {
    core::v1::Taint taint;
    taint.key = "example.com/keep-out";
    taint.effect = Chance(50) ? "NoSchedule" : "NoExecute";
    next.spec.taints.push_back(taint);
  }
  Send(Client::RequestFor(Verb::kUpdate, next));
}

// --- Healing -----------------------------------------------------------------------------------------------------

void Workload::Heal() {
  healing_ = true;
  // What was sent before comes first.
  strand_->After(std::chrono::seconds(5), [this] { RepairStep(); });
}

void Workload::RepairStep() {
  waiting_ = 0;
  bool nothing_to_do = true;
  const auto answered = [this](const Result<ApiResponse>&) {
    if (--waiting_ == 0) strand_->After(std::chrono::milliseconds(500), [this] { RepairStep(); });
  };
  const auto repair = [&](auto send) {
    nothing_to_do = false;
    ++waiting_;
    send();
  };
  for (const auto& [key, object] : truth_.objects(truth_.UnitOf<Node>())) {
    Node node = object->As<Node>();
    const std::size_t taints = node.spec.taints.size();
    for (std::size_t i = taints; i-- > 0;) {
      if (node.spec.taints[i].key == "example.com/keep-out") node.spec.taints.Erase(i);
    }
    if (node.spec.taints.size() == taints && !node.spec.unschedulable) continue;
    node.spec.unschedulable = false;
    repair([&] { Send(Client::RequestFor(Verb::kUpdate, node), answered); });
  }
  for (const auto& [key, object] : truth_.objects(truth_.UnitOf<Deployment>())) {
    const Deployment& deployment = object->As<Deployment>();
    const bool too_large = Room() < 0 && deployment.spec.replicas.value_or(1) > 1;
    if (!deployment.spec.paused && !too_large) continue;
    repair([&, &object = object] {
      Patch<Deployment>(*object,
                        fmt::format(R"({{"spec":{{"paused":false,"replicas":{}}}}})",
                                    too_large ? 1 : deployment.spec.replicas.value_or(1)),
                        answered);
    });
  }
  if (nothing_to_do) healed_ = true;
}

}  // namespace minikube::simulation
