// ControllerRevisions: the templates that a StatefulSet or a DaemonSet has had, for rolling out and back. Pure
// functions. Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#revision-history
#pragma once

#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/plan.h>

namespace minikube::controllers {

using Revision = apps::v1::ControllerRevision;

// What a revision of this template stores: the part of the owner's spec that rolling back restores.
RawJson RevisionData(const core::v1::PodTemplateSpec& pod_template);
// The template that a revision stores; nullopt if it cannot be read.
std::optional<core::v1::PodTemplateSpec> TemplateOf(const Revision& revision);

struct RevisionStep {
  const Revision* update = nullptr;  // of the template that the owner has now; null while `plan` makes it so
  std::int32_t collisions = 0;       // what status.collisionCount is to be
};
// Finds the revision of `pod_template` among `revisions` (which are sorted by number then), or plans its creation, or
// its new number after a rollback. `owner` is what a new one is made of: namespace, owner reference, labels; its name
// is the owner's name, to which a hash is added. `taken`: there is a revision of this name that is not the owner's.
// `hash_label`: where the new one has its hash.
RevisionStep SyncRevision(const meta::v1::ObjectMeta& owner, const core::v1::PodTemplateSpec& pod_template,
                          std::vector<const Revision*>& revisions, std::int32_t collisions,
                          const std::function<bool(std::string_view)>& taken, Plan& plan,
                          std::string_view hash_label = "controller.kubernetes.io/hash");
// Plans the deletion of the oldest beyond `limit` that are not in `live`.
void TruncateHistory(const std::vector<const Revision*>& revisions, const std::set<std::string_view>& live,
                     std::int32_t limit, Plan& plan);

}  // namespace minikube::controllers
