#include "controllers/workloads/deployment_util.h"

#include <algorithm>
#include <cmath>

#include <minikube/codec.h>
#include <minikube/object.h>

#include "kube/names.h"
#include "kube/numbers.h"
#include "kube/scaled_value.h"

namespace minikube::controllers {
namespace {

constexpr std::size_t kMaxHistoryChars = 2000;

// Annotations that describe the deployment itself, not what its replica sets are made from.
bool StaysWithDeployment(std::string_view name) {
  return name == "kubectl.kubernetes.io/last-applied-configuration" || name == kRevision || name == kRevisionHistory ||
         name == kDesiredReplicas || name == kMaxReplicas || name == "deprecated.deployment.rollback.to";
}

void Set(Map<Str>& map, std::string_view key, std::string_view value) {
  const Str* old = map.Find(key);
  if (old == nullptr || !(*old == value)) map[key] = value;
}

// Appends a revision to the comma-separated history; the oldest make room.
void Remember(meta::v1::ObjectMeta& meta, std::string_view revision) {
  const Str* old = meta.annotations.Find(kRevisionHistory);
  std::string history = old != nullptr ? old->str() : std::string();
  if (history.size() + revision.size() + 1 > kMaxHistoryChars) {
    const std::size_t comma = history.find(',', revision.size());
    history = comma == std::string::npos ? std::string() : history.substr(comma + 1);
  }
  if (!history.empty()) history += ',';
  history += revision;
  meta.annotations[kRevisionHistory] = history;
}

}  // namespace

std::int32_t Replicas(const apps::v1::Deployment& d) { return d.spec.replicas.value_or(1); }
std::int32_t Replicas(const apps::v1::ReplicaSet& rs) { return rs.spec.replicas.value_or(1); }

bool IsRollingUpdate(const apps::v1::Deployment& d) { return !(d.spec.strategy.type == "Recreate"); }

bool HasProgressDeadline(const apps::v1::Deployment& d) {
  // math.MaxInt32 is how Kubernetes spells "none".
  return d.spec.progressDeadlineSeconds.has_value() && *d.spec.progressDeadlineSeconds != 0x7fffffff;
}

std::int32_t MaxSurge(const apps::v1::Deployment& d) {
  const apps::v1::RollingUpdateDeployment* rolling = d.spec.strategy.rollingUpdate.get();
  if (!IsRollingUpdate(d) || rolling == nullptr || !rolling->maxSurge) return 0;
  return kube::ScaledValue(*rolling->maxSurge, Replicas(d), kube::Round::kUp);
}

std::int32_t MaxUnavailable(const apps::v1::Deployment& d) {
  if (!IsRollingUpdate(d) || Replicas(d) == 0) return 0;
  const apps::v1::RollingUpdateDeployment* rolling = d.spec.strategy.rollingUpdate.get();
  std::int32_t unavailable = 0;
  if (rolling != nullptr && rolling->maxUnavailable) {
    unavailable = kube::ScaledValue(*rolling->maxUnavailable, Replicas(d), kube::Round::kDown);
  }
  // Both 0 would never get anywhere.
  if (unavailable == 0 && MaxSurge(d) == 0) unavailable = 1;
  return std::min(unavailable, Replicas(d));
}

std::int32_t NewReplicaSetSize(const apps::v1::Deployment& d, std::int32_t all_replicas, std::int32_t new_replicas) {
  if (!IsRollingUpdate(d)) return Replicas(d);
  const std::int64_t room = std::int64_t{Replicas(d)} + MaxSurge(d) - all_replicas;
  if (room <= 0) return new_replicas;
  return static_cast<std::int32_t>(new_replicas + std::min<std::int64_t>(room, Replicas(d) - new_replicas));
}

std::int32_t Proportion(const apps::v1::ReplicaSet& rs, const apps::v1::Deployment& d, std::int32_t to_add,
                        std::int32_t added) {
  if (Replicas(rs) == 0 || to_add == 0 || to_add == added) return 0;
  std::int32_t fraction = -Replicas(rs);
  if (Replicas(d) != 0) {
    // What the deployment could have had at most when this replica set got its size.
    std::int32_t before = IntAnnotation(rs.metadata, kMaxReplicas).value_or(d.status.replicas);
    if (before <= 0) before = std::max(d.status.replicas, 1);
    const double size = static_cast<double>(Replicas(rs)) * (Replicas(d) + MaxSurge(d)) / before;
    fraction = static_cast<std::int32_t>(std::lround(size)) - Replicas(rs);
  }
  const std::int32_t allowed = to_add - added;
  return to_add > 0 ? std::min(fraction, allowed) : std::max(fraction, allowed);
}

std::optional<std::int64_t> RevisionOf(const meta::v1::ObjectMeta& meta) {
  const Str* text = meta.annotations.Find(kRevision);
  return text == nullptr ? 0 : kube::ParseInt<std::int64_t>(*text);
}

std::optional<std::int32_t> IntAnnotation(const meta::v1::ObjectMeta& meta, std::string_view name) {
  const Str* text = meta.annotations.Find(name);
  if (text == nullptr) return std::nullopt;
  return kube::ParseInt<std::int32_t>(*text);
}

void SyncAnnotations(const apps::v1::Deployment& d, std::int64_t revision, apps::v1::ReplicaSet& rs) {
  for (const auto& [name, value] : d.metadata.annotations) {
    if (!StaysWithDeployment(name)) Set(rs.metadata.annotations, name, value);
  }
  const std::optional<std::int64_t> old = RevisionOf(rs.metadata);
  if (!old || *old >= revision) return;  // not ours to repair, or up to date
  if (const Str* text = rs.metadata.annotations.Find(kRevision)) Remember(rs.metadata, text->str());
  rs.metadata.annotations[kRevision] = std::to_string(revision);
}

void SetSizeAnnotations(const apps::v1::Deployment& d, apps::v1::ReplicaSet& rs) {
  Set(rs.metadata.annotations, kDesiredReplicas, std::to_string(Replicas(d)));
  Set(rs.metadata.annotations, kMaxReplicas, std::to_string(std::int64_t{Replicas(d)} + MaxSurge(d)));
}

bool SameTemplate(const core::v1::PodTemplateSpec& a, const core::v1::PodTemplateSpec& b) {
  core::v1::PodTemplateSpec x = a;
  core::v1::PodTemplateSpec y = b;
  x.metadata.labels.Erase(kTemplateHash);
  y.metadata.labels.Erase(kTemplateHash);
  return DeepEqual(x, y);
}

std::string TemplateHash(const core::v1::PodTemplateSpec& pod_template, std::optional<std::int32_t> collisions) {
  std::string text;
  EncodeJsonMessage(DescriptorOf<core::v1::PodTemplateSpec>(), &pod_template, text);
  if (collisions) text += "\n" + std::to_string(*collisions);
  return kube::SafeEncode(kube::Hash(text));
}

}  // namespace minikube::controllers
