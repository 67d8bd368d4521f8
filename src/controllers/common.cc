#include "controllers/common.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <minikube/codec.h>

namespace minikube::controllers {

const meta::v1::OwnerReference* ControllerOf(const meta::v1::ObjectMeta& meta) {
  for (const meta::v1::OwnerReference& owner : meta.ownerReferences) {
    if (owner.controller.value_or(false)) return &owner;
  }
  return nullptr;
}

meta::v1::OwnerReference ControllerRefTo(const MessageDesc& desc, const meta::v1::ObjectMeta& owner) {
  meta::v1::OwnerReference reference;
  reference.apiVersion = ApiVersionOf(desc.gvk);
  reference.kind = desc.gvk.kind;
  reference.name = owner.name;
  reference.uid = owner.uid;
  reference.controller = true;
  reference.blockOwnerDeletion = true;
  return reference;
}

std::string ApiVersionOf(const GroupVersionKind& gvk) {
  if (gvk.group.empty()) return std::string(gvk.version);
  return std::string(gvk.group) + "/" + std::string(gvk.version);
}

bool RemoveOwner(meta::v1::ObjectMeta& meta, std::string_view uid) {
  for (std::size_t i = 0; i < meta.ownerReferences.size(); ++i) {
    if (meta.ownerReferences[i].uid == uid) {
      meta.ownerReferences.Erase(i);
      return true;
    }
  }
  return false;
}

Time ToTime(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return Time{Instant::FromUnixMicros(std::chrono::microseconds(seconds.time_since_epoch()).count())};
}

bool IsPodFinished(const core::v1::Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }

bool IsPodActive(const core::v1::Pod& pod) {
  return !IsPodFinished(pod) && !pod.metadata.deletionTimestamp.has_value();
}

const core::v1::PodCondition* FindCondition(const core::v1::Pod& pod, std::string_view type) {
  return FindCondition(pod.status.conditions, type);
}

bool IsPodReady(const core::v1::Pod& pod) {
  const core::v1::PodCondition* ready = FindCondition(pod, "Ready");
  return ready != nullptr && ready->status == "True";
}

std::optional<Instant> AvailableAt(const core::v1::Pod& pod, std::int32_t min_ready_seconds) {
  const core::v1::PodCondition* ready = FindCondition(pod, "Ready");
  if (ready == nullptr || !(ready->status == "True")) return std::nullopt;
  if (min_ready_seconds <= 0) return Instant{};
  return Instant{ready->lastTransitionTime.micros + std::int64_t{min_ready_seconds} * 1'000'000};
}

std::int32_t ScaledValue(const IntOrString& value, std::int32_t total, Round round) {
  if (!value.is_string) return std::max(value.int_value, 0);
  const std::string_view text = value.string_value;
  std::int64_t percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (error != std::errc() || std::string_view(end, text.data() + text.size()) != "%" || percent < 0) return 0;
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  const std::int64_t product = std::min(percent, kMax) * std::max(total, 0);
  return static_cast<std::int32_t>(std::min(kMax, (product + (round == Round::kUp ? 99 : 0)) / 100));
}

bool IsNamespaceTerminating(const Status& status) {
  const auto& causes = status.details().causes;
  return std::any_of(causes.begin(), causes.end(),
                     [](const StatusCause& cause) { return cause.reason == "NamespaceTerminating"; });
}

ApiRequest PatchOwnersRequest(const ResourceDesc& resource, const meta::v1::ObjectMeta& meta,
                              const List<meta::v1::OwnerReference>& owners) {
  ApiRequest request;
  request.verb = Verb::kPatch;
  request.resource = &resource;
  request.ns = meta.namespace_.str();
  request.name = meta.name.str();
  request.patch_type = PatchType::kMerge;
  // UIDs and versions are made of characters that need no escaping.
  request.patch = "{\"metadata\":{\"uid\":\"" + meta.uid.str() + "\",\"resourceVersion\":\"" +
                  meta.resourceVersion.str() + "\",\"ownerReferences\":[";
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (i > 0) request.patch += ',';
    EncodeJsonMessage(DescriptorOf<meta::v1::OwnerReference>(), &owners[i], request.patch);
  }
  request.patch += "]}}";
  return request;
}

ApiRequest DeleteRequest(const ResourceDesc& resource, const meta::v1::ObjectMeta& meta) {
  ApiRequest request;
  request.verb = Verb::kDelete;
  request.resource = &resource;
  request.ns = meta.namespace_.str();
  request.name = meta.name.str();
  request.precondition_uid = meta.uid.str();
  return request;
}

}  // namespace minikube::controllers
