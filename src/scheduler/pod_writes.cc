#include "scheduler/pod_writes.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>
#include <minikube/codec.h>
#include <minikube/informer.h>

#include "kube/conditions.h"
#include "kube/times.h"

namespace minikube::scheduler {
namespace {

const core::v1::Pod& PodOf(const Object& object) { return object.As<core::v1::Pod>(); }

std::string Json(const core::v1::PodCondition& condition) {
  std::string json;
  EncodeJsonMessage(DescriptorOf<core::v1::PodCondition>(), &condition, json);
  return json;
}

std::string Quoted(std::string_view name) { return fmt::format("\"{}\"", name); }

}  // namespace

void PodWrites::Bind(const Object& pod, const std::string& node, Done done) {
  const meta::v1::ObjectMeta& meta = pod.meta();
  core::v1::Binding binding;
  binding.metadata.name = meta.name;
  binding.metadata.namespace_ = meta.namespace_;
  binding.metadata.uid = meta.uid;
  binding.target.kind = "Node";
  binding.target.name = node;
  ApiRequest request = Client::NamedRequest<core::v1::Pod>(Verb::kCreate, meta.namespace_, meta.name);
  request.subresource = "binding";
  request.object = Share(std::move(binding));
  client_
      .Do(std::move(request), strand_,
          [done = std::move(done)](Result<ApiResponse> response) { done(response.status()); })
      .Detach();
}

// Carries the UID, so that it cannot land on a namesake.
void PodWrites::PatchStatus(const Object& pod, const std::string& status, Done done) {
  ApiRequest request = Client::NamedRequest<core::v1::Pod>(Verb::kPatch, pod.meta().namespace_, pod.meta().name);
  request.subresource = "status";
  request.patch_type = PatchType::kStrategicMerge;
  request.patch = fmt::format(R"({{"metadata":{{"uid":"{}"}},"status":{{{}}}}})", pod.meta().uid.view(), status);
  client_
      .Do(std::move(request), strand_,
          [done = std::move(done)](Result<ApiResponse> response) { done(response.status()); })
      .Detach();
}

PodWrites::Done PodWrites::Logged(const Object& pod) {
  return [this, key = ObjectKey::Of(pod)](const Status& status) {
    if (status.ok() || status.code() == Code::kNotFound) return;
    log_.Warning("cannot write the status of a pod", {{"pod", key.ToString()}, {"error", status.ToString()}});
  };
}

void PodWrites::Unschedulable(const Object& object, std::string_view reason, const std::string& message,
                              const std::optional<std::string>& nominated) {
  const core::v1::Pod& pod = PodOf(object);
  const core::v1::PodCondition* before = kube::FindCondition(pod.status.conditions, "PodScheduled");
  const bool was_false = before != nullptr && before->status == "False";
  const bool same = was_false && before->reason == reason && before->message == message;
  const bool same_node = !nominated || pod.status.nominatedNodeName == *nominated;
  if (same && same_node) return;
  core::v1::PodCondition condition = kube::MakeCondition<core::v1::PodCondition>(
      "PodScheduled", "False", reason, message, kube::ToTime(env_.clock().Now()));
  condition.observedGeneration = pod.metadata.generation;
  if (was_false) condition.lastTransitionTime = before->lastTransitionTime;
  std::string status = fmt::format(R"("conditions":[{}])", Json(condition));
  if (!same_node) status += fmt::format(R"(,"nominatedNodeName":{})", nominated->empty() ? "null" : Quoted(*nominated));
  PatchStatus(object, status, Logged(object));
}

void PodWrites::ClearNomination(const Object& pod) { PatchStatus(pod, R"("nominatedNodeName":null)", Logged(pod)); }

void PodWrites::Preempt(const Object& victim, Done done) {
  core::v1::PodCondition condition = kube::MakeCondition<core::v1::PodCondition>(
      "DisruptionTarget", "True", "PreemptionByScheduler",
      fmt::format("{}: preempting to accommodate a higher priority pod", scheduler_name_),
      kube::ToTime(env_.clock().Now()));
  condition.observedGeneration = PodOf(victim).metadata.generation;
  ApiRequest remove = Client::NamedRequest<core::v1::Pod>(Verb::kDelete, victim.meta().namespace_, victim.meta().name);
  remove.precondition_uid = victim.meta().uid.str();
  auto shared = std::make_shared<ApiRequest>(std::move(remove));
  PatchStatus(victim, fmt::format(R"("conditions":[{}])", Json(condition)),
              [this, shared, done = std::move(done)](const Status& status) mutable {
                if (status.code() == Code::kNotFound) return done({});
                if (!status.ok()) return done(status);
                client_
                    .Do(std::move(*shared), strand_,
                        [done = std::move(done)](Result<ApiResponse> response) {
                          done(response.status().code() == Code::kNotFound ? Status() : response.status());
                        })
                    .Detach();
              });
}

}  // namespace minikube::scheduler
