#include "api/subresources/subresources.h"

#include <minikube/api/certificates/v1.h>
#include <minikube/api/core/v1.h>

#include "api/world/served.h"

namespace minikube::api {

namespace {

// What a writer of a part may change of the metadata.
void MergeMetadata(unsigned parts, const meta::v1::ObjectMeta& from, meta::v1::ObjectMeta& next) {
  if ((parts & kLabels) != 0) next.labels = from.labels;
  if ((parts & kAnnotations) != 0) next.annotations = from.annotations;
  if ((parts & kFinalizers) != 0) next.finalizers = from.finalizers;
  if ((parts & kOwnerReferences) != 0) next.ownerReferences = from.ownerReferences;
}

// status: everything that others observe, and what its kind allows of the metadata; never what the user wants.
Status MergeStatus(Attempt& attempt, const Object& incoming, Object& next) {
  Result<ObjectPtr> stored = CopyAs(incoming, *attempt.kind->message);
  if (!stored) return stored.status();
  const Object& from = **stored;
  if (!attempt.kind->HasStatus()) return {Code::kNotImplemented, "this kind has no status"};
  attempt.kind->CopyStatus(from, next);
  meta::v1::ObjectMeta& meta = next.mutable_meta();
  meta.managedFields = from.meta().managedFields;
  MergeMetadata(attempt.kind->strategy.status_writes_metadata, from.meta(), meta);
  return {};
}

Status MergeFinalize(Attempt& attempt, const Object& incoming, Object& next) {
  MergeMetadata(attempt.kind->strategy.status_writes_metadata, incoming.meta(), next.mutable_meta());
  auto& ns = next.As<core::v1::Namespace>();
  const auto& from = incoming.As<core::v1::Namespace>();
  ns.spec.finalizers = from.spec.finalizers;
  ns.status = from.status;
  return {};
}

Status MergeEphemeralContainers(Attempt&, const Object& incoming, Object& next) {
  next.As<core::v1::Pod>().spec.ephemeralContainers = incoming.As<core::v1::Pod>().spec.ephemeralContainers;
  return {};
}

// resize: what containers ask for, and nothing else.
Status MergeResize(Attempt&, const Object& incoming, Object& next) {
  auto& spec = next.As<core::v1::Pod>().spec;
  const auto& from = incoming.As<core::v1::Pod>().spec;
  const auto take = [](List<core::v1::Container>& to, const List<core::v1::Container>& wanted) {
    for (std::size_t i = 0; i < to.size(); ++i) {
      for (const core::v1::Container& container : wanted) {
        if (!(container.name == to[i].name)) continue;
        if (DeepEqual(container.resources, to[i].resources)) break;
        to.Mutable(i).resources = container.resources;
        break;
      }
    }
  };
  take(spec.containers, from.containers);
  take(spec.initContainers, from.initContainers);
  spec.resources = from.resources;
  return {};
}

// approval: the conditions that say whether a signing request is approved.
Status MergeApproval(Attempt& attempt, const Object& incoming, Object& next) {
  MergeMetadata(attempt.kind->strategy.status_writes_metadata, incoming.meta(), next.mutable_meta());
  next.As<certificates::v1::CertificateSigningRequest>().status.conditions =
      incoming.As<certificates::v1::CertificateSigningRequest>().status.conditions;
  return {};
}

struct NamedView {
  std::string_view name;
  std::string_view plural;  // "" = of any kind
  SubresourceView view;
};

constexpr NamedView kViews[] = {
    {"status", "", {nullptr, MergeStatus}},
    {"scale", "", {ShowScale, MergeScale}},
    {"finalize", "namespaces", {nullptr, MergeFinalize}},
    {"ephemeralcontainers", "pods", {nullptr, MergeEphemeralContainers}},
    {"resize", "pods", {nullptr, MergeResize}},
    {"approval", "certificatesigningrequests", {nullptr, MergeApproval}},
};

struct NamedAction {
  std::string_view name;
  std::string_view plural;
  SubresourceAction action;
};

constexpr NamedAction kActions[] = {
    {"binding", "pods", {DeriveBinding}},
    {"eviction", "pods", {DeriveEviction}},
    {"token", "serviceaccounts", {DeriveToken, true}},
};

}  // namespace

const SubresourceView* FindView(const StoredKind& kind, std::string_view name) {
  for (const NamedView& named : kViews) {
    if (named.name == name && (named.plural.empty() || named.plural == kind.resource->plural)) return &named.view;
  }
  return nullptr;
}

const SubresourceAction* FindAction(const StoredKind& kind, std::string_view name) {
  for (const NamedAction& named : kActions) {
    if (named.name == name && named.plural == kind.resource->plural) return &named.action;
  }
  return nullptr;
}

}  // namespace minikube::api
