// NodeRestriction: a node agent changes its own node and what runs on it, and nothing else. What a name in a request's
// path can tell, the Node authoriser has checked; here is what only the object tells.
// https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
#include <algorithm>
#include <set>
#include <string>

#include <fmt/format.h>

#include <minikube/api/authentication/v1.h>
#include <minikube/api/certificates/v1.h>
#include <minikube/api/certificates/v1beta1.h>
#include <minikube/api/coordination/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/api/resource/v1.h>
#include <minikube/api/storage/v1.h>

#include "api/admission/plugins.h"
#include "api/auth/node_authorizer.h"
#include "api/wire/errors.h"
#include "crypto/csr.h"
#include "kube/names.h"
#include "kube/pod_references.h"

namespace minikube::api {

namespace {

using core::v1::Node;
using core::v1::Pod;

constexpr std::string_view kLeaseNamespace = "kube-node-lease";
constexpr std::string_view kNodeRestriction = "node-restriction.kubernetes.io";

// ---- Labels -------------------------------------------------------------------------------------------------------

bool IsIn(std::string_view domain, std::string_view parent) {
  if (domain == parent) return true;
  return domain.size() > parent.size() && domain.ends_with(parent) && domain[domain.size() - parent.size() - 1] == '.';
}

// Whether a node may not give itself that label: with it, it could draw privileged workloads to itself.
bool IsForbiddenLabel(std::string_view key) {
  constexpr std::string_view kOwn[] = {kube::kHostnameLabel,
                                       "topology.kubernetes.io/zone",
                                       "topology.kubernetes.io/region",
                                       "failure-domain.beta.kubernetes.io/zone",
                                       "failure-domain.beta.kubernetes.io/region",
                                       "beta.kubernetes.io/instance-type",
                                       "node.kubernetes.io/instance-type",
                                       "kubernetes.io/os",
                                       "kubernetes.io/arch",
                                       "beta.kubernetes.io/os",
                                       "beta.kubernetes.io/arch"};
  const std::size_t slash = key.find('/');
  const std::string_view domain = slash == std::string_view::npos ? std::string_view() : key.substr(0, slash);
  if (IsIn(domain, kNodeRestriction)) return true;
  if (!IsIn(domain, "kubernetes.io") && !IsIn(domain, "k8s.io")) return false;
  const bool own = std::find(std::begin(kOwn), std::end(kOwn), key) != std::end(kOwn);
  return !own && !IsIn(domain, "kubelet.kubernetes.io") && !IsIn(domain, "node.kubernetes.io");
}

// The forbidden ones among the labels that differ, as they are told.
std::string ForbiddenLabels(const Map<Str>& a, const Map<Str>& b) {
  std::set<std::string_view> forbidden;
  const auto compare = [&](const Map<Str>& from, const Map<Str>& to) {
    for (const auto& [key, value] : from) {
      const Str* other = to.Find(key.view());
      if ((other == nullptr || !(*other == value)) && IsForbiddenLabel(key.view())) forbidden.insert(key.view());
    }
  };
  compare(a, b);
  compare(b, a);
  return fmt::format("{}", fmt::join(forbidden, ", "));
}

// ---- Kinds --------------------------------------------------------------------------------------------------------

// One request of one node.
class Check {
 public:
  Check(const AdmissionRequest& request, std::string_view node) : request_(request), node_(node) {}

  Status Run() const {
    const std::string_view group = request_.resource().group;
    const std::string_view resource = request_.resource().plural;
    if (group.empty() && resource == "pods") return Pods();
    if (group.empty() && resource == "nodes") return Nodes();
    if (group.empty() && resource == "persistentvolumeclaims") return ClaimStatus();
    if (group.empty() && resource == "serviceaccounts") return Token();
    if (resource == "leases") return Lease();
    if (resource == "csinodes") return OwnName("CSINode");
    if (resource == "resourceslices") return Slice();
    if (resource == "podcertificaterequests") return CertificateOfPod();
    if (resource == "certificatesigningrequests") return SigningRequest();
    return {};
  }

 private:
  template <typename... Args>
  Status Refuse(fmt::format_string<Args...> text, Args&&... args) const {
    return request_.Forbid(fmt::format(text, std::forward<Args>(args)...));
  }
  bool creates() const { return request_.operation() == AdmissionOperation::kCreate; }
  bool updates() const { return request_.operation() == AdmissionOperation::kUpdate; }
  std::string_view Operation() const { return creates() ? "CREATE" : updates() ? "UPDATE" : "DELETE"; }

  Status Pods() const {
    const std::string_view subresource = request_.subresource();
    if (subresource == "status") return PodStatus();
    if (subresource == "eviction") return Eviction();
    if (!subresource.empty()) {
      return Refuse("unexpected pod subresource \"{}\", only 'status' and 'eviction' are allowed", subresource);
    }
    if (creates()) return MirrorPod(request_.object()->As<Pod>());
    if (updates()) {
      return Refuse("unexpected operation \"UPDATE\", node \"{}\" can only create and delete mirror pods", node_);
    }
    if (request_.old_object()->As<Pod>().spec.nodeName == node_) return {};
    return Refuse("node \"{}\" can only delete pods with spec.nodeName set to itself", node_);
  }

  Status MirrorPod(const Pod& pod) const {
    if (!kube::IsMirrorPod(pod)) {
      return Refuse(
          "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"{}\" can only create mirror pods",
          node_);
    }
    if (!(pod.spec.nodeName == node_)) {
      return Refuse("node \"{}\" can only create pods with spec.nodeName set to itself", node_);
    }
    const auto& owners = pod.metadata.ownerReferences;
    if (owners.size() > 1) {
      return Refuse("node \"{}\" can only create pods with a single owner reference set to itself", node_);
    }
    if (owners.empty() || !(owners[0].apiVersion == "v1") || !(owners[0].kind == "Node") ||
        !(owners[0].name == node_)) {
      return Refuse("node \"{}\" can only create pods with an owner reference set to itself", node_);
    }
    const meta::v1::OwnerReference& owner = owners[0];
    if (!owner.controller.value_or(false)) {
      return Refuse("node \"{}\" can only create pods with a controller owner reference set to itself", node_);
    }
    if (owner.blockOwnerDeletion.value_or(false)) {
      return Refuse("node \"{}\" must not set blockOwnerDeletion on an owner reference", node_);
    }
    const Node* node = request_.Find<Node>({}, node_);
    if (node == nullptr) return NotFoundError(Client::ResourceOf<Node>(), node_);
    if (!(node->metadata.uid == owner.uid)) {
      return Refuse("node {} UID mismatch: expected {} got {}", node_, owner.uid.view(), node->metadata.uid.view());
    }
    const std::string_view reference = kube::FirstReference(pod);
    if (reference.empty()) return {};
    return Refuse("node \"{}\" can not create pods that reference {}", node_, reference);
  }

  Status PodStatus() const {
    if (!updates()) return Refuse("unexpected operation \"{}\"", Operation());
    const Pod& before = request_.old_object()->As<Pod>();
    const Pod& next = request_.object()->As<Pod>();
    if (!(before.spec.nodeName == node_)) {
      return Refuse("node \"{}\" can only update pod status for pods with spec.nodeName set to itself", node_);
    }
    if (!(before.metadata.labels == next.metadata.labels)) {
      return Refuse("node \"{}\" cannot update labels through pod status", node_);
    }
    const auto& a = before.status.resourceClaimStatuses;
    const auto& b = next.status.resourceClaimStatuses;
    const bool same_claims = std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
      return x.name == y.name && x.resourceClaimName == y.resourceClaimName;
    });
    if (!same_claims) return Refuse("node \"{}\" cannot update resource claim statues", node_);
    const auto& extended = before.status.extendedResourceClaimStatus;
    const auto& extended_next = next.status.extendedResourceClaimStatus;
    const bool same_extended = static_cast<bool>(extended) == static_cast<bool>(extended_next) &&
                               (!extended || DeepEqual(*extended, *extended_next));
    if (!same_extended) return Refuse("node \"{}\" cannot update extended resource claim status", node_);
    return {};
  }

  Status Eviction() const {
    if (!creates()) return Refuse("unexpected operation {}", Operation());
    const Pod* pod = request_.Find<Pod>(request_.ns(), request_.name());
    if (pod == nullptr) return NotFoundError(request_.resource(), request_.name());
    if (pod->spec.nodeName == node_) return {};
    return Refuse("node {} can only evict pods with spec.nodeName set to itself", node_);
  }

  Status Nodes() const {
    if (!(request_.name() == node_)) {
      return Refuse("node \"{}\" is not allowed to modify node \"{}\"", node_, request_.name());
    }
    if (request_.operation() == AdmissionOperation::kDelete) return {};
    const Node& next = request_.object()->As<Node>();
    if (creates()) {
      if (next.spec.configSource) {
        return Refuse("node \"{}\" is not allowed to create pods with a non-nil configSource", node_);
      }
      const std::string labels = ForbiddenLabels(next.metadata.labels, {});
      if (labels.empty()) return {};
      return Refuse("node \"{}\" is not allowed to set the following labels: {}", node_, labels);
    }
    const Node& before = request_.old_object()->As<Node>();
    if (next.spec.configSource &&
        !(before.spec.configSource && DeepEqual(*next.spec.configSource, *before.spec.configSource))) {
      return Refuse("node \"{}\" is not allowed to update configSource to a new non-nil configSource", node_);
    }
    const auto same = [](const auto& x, const auto& y) { return DeepEqual(x, y); };
    const auto& taints = before.spec.taints;
    if (!std::equal(taints.begin(), taints.end(), next.spec.taints.begin(), next.spec.taints.end(), same)) {
      return Refuse("node \"{}\" is not allowed to modify taints", node_);
    }
    const auto& owners = before.metadata.ownerReferences;
    const auto& next_owners = next.metadata.ownerReferences;
    if (!std::equal(owners.begin(), owners.end(), next_owners.begin(), next_owners.end(), same)) {
      return Refuse("node \"{}\" is not allowed to modify ownerReferences", node_);
    }
    const std::string labels = ForbiddenLabels(next.metadata.labels, before.metadata.labels);
    return labels.empty() ? Status() : Refuse("is not allowed to modify labels: {}", labels);
  }

  Status ClaimStatus() const {
    if (request_.subresource() != "status") return Refuse("may only update PVC status");
    if (!updates()) return Refuse("unexpected operation \"{}\"", Operation());
    const auto rest = [](const Object& object) {
      auto claim = object.As<core::v1::PersistentVolumeClaim>();
      claim.metadata.resourceVersion = {};
      claim.metadata.managedFields = {};
      claim.status.capacity = {};
      claim.status.conditions = {};
      claim.status.allocatedResourceStatuses = {};
      claim.status.allocatedResources = {};
      return claim;
    };
    if (DeepEqual(rest(*request_.old_object()), rest(*request_.object()))) return {};
    return Refuse("node \"{}\" is not allowed to update fields other than status.quantity and status.conditions",
                  node_);
  }

  Status Token() const {
    if (!creates() || request_.subresource() != "token") return {};
    const auto& spec = request_.body()->As<authentication::v1::TokenRequest>().spec;
    const auto& bound = spec.boundObjectRef;
    if (!bound || !(bound->apiVersion == "v1") || !(bound->kind == "Pod") || bound->name.empty()) {
      return Refuse("node requested token not bound to a pod");
    }
    if (bound->uid.empty()) return Refuse("node requested token with a pod binding without a uid");
    const Pod* pod = request_.Find<Pod>(request_.ns(), bound->name.view());
    if (pod == nullptr) return NotFoundError(Client::ResourceOf<Pod>(), bound->name.view());
    if (!(pod->metadata.uid == bound->uid)) {
      return Refuse(
          "the UID in the bound object reference ({}) does not match the UID in record. The object might have been "
          "deleted and then recreated",
          bound->uid.view());
    }
    if (!(pod->spec.nodeName == node_)) {
      return Refuse("node requested token bound to a pod scheduled on a different node");
    }
    if (spec.audiences.size() > 1) return Refuse("node may only request 0 or 1 audiences");
    return Audience(*pod, spec.audiences.empty() ? std::string_view() : spec.audiences[0].view());
  }

  // Only audiences that a volume of the pod asks for, or that somebody has allowed the node by name.
  Status Audience(const Pod& pod, std::string_view audience) const {
    const auto has = [&](const auto& requests) {
      return std::any_of(requests.begin(), requests.end(), [&](const auto& r) { return r.audience == audience; });
    };
    for (const core::v1::Volume& volume : pod.spec.volumes) {
      if (volume.projected) {
        for (const auto& source : volume.projected->sources) {
          if (source.serviceAccountToken && source.serviceAccountToken->audience == audience) return {};
        }
      }
      const std::string driver = DriverOf(pod, volume);
      const auto* known = driver.empty() ? nullptr : request_.Find<storage::v1::CSIDriver>({}, driver);
      if (known != nullptr && has(known->spec.tokenRequests)) return {};
    }
    const Access access{"request-serviceaccounts-token-audience", {}, audience, {}, request_.ns(), request_.name(), {}};
    if (request_.Authorize(request_.user(), access).kind == AccessDecision::Kind::kAllow) return {};
    return Refuse(
        "audience \"{}\" not found in pod spec volume, {} is not authorized to request tokens for this audience",
        audience, request_.user().name);
  }
  std::string DriverOf(const Pod& pod, const core::v1::Volume& volume) const {
    if (volume.csi) return volume.csi->driver.str();
    std::string name;
    if (volume.persistentVolumeClaim) name = volume.persistentVolumeClaim->claimName.str();
    if (volume.ephemeral) name = fmt::format("{}-{}", pod.metadata.name.view(), volume.name.view());
    if (name.empty()) return {};
    const auto* claim = request_.Find<core::v1::PersistentVolumeClaim>(pod.metadata.namespace_.view(), name);
    if (claim == nullptr) return {};
    const auto* bound = request_.Find<core::v1::PersistentVolume>({}, claim->spec.volumeName.view());
    return bound != nullptr && bound->spec.csi ? bound->spec.csi->driver.str() : std::string();
  }

  Status Lease() const {
    if (request_.ns() != kLeaseNamespace) {
      return Refuse("can only access leases in the \"{}\" system namespace", kLeaseNamespace);
    }
    return OwnName("node lease");
  }
  Status OwnName(std::string_view what) const {
    if (request_.name() == node_) return {};
    return Refuse("can only access {} with the same name as the requesting node", what);
  }

  Status Slice() const {
    if (updates()) return {};
    const Object* object = creates() ? request_.object() : request_.old_object();
    const auto& of = object->As<resource::v1::ResourceSlice>().spec.nodeName;
    if (of && *of == node_) return {};
    return Refuse("can only {} ResourceSlice with the same NodeName as the requesting node",
                  creates() ? "create" : "delete");
  }

  Status CertificateOfPod() const {
    if (!creates()) return Refuse("unexpected operation {}", Operation());
    if (!request_.subresource().empty()) return Refuse("unexpected subresource {}", request_.subresource());
    const auto& spec = request_.object()->As<certificates::v1beta1::PodCertificateRequest>().spec;
    if (!(spec.nodeName == node_)) {
      return Refuse("PodCertificateRequest.Spec.NodeName=\"{}\", which is not the requesting node \"{}\"",
                    spec.nodeName.view(), node_);
    }
    const Node* node = request_.Find<Node>({}, node_);
    if (node == nullptr || !(node->metadata.uid == spec.nodeUID)) {
      return Refuse("PodCertificateRequest names node UID \"{}\", inconsistent with the running node",
                    spec.nodeUID.view());
    }
    const std::string shown = fmt::format("{}/{}", request_.ns(), spec.podName.view());
    const Pod* pod = request_.Find<Pod>(request_.ns(), spec.podName.view());
    if (pod == nullptr || !(pod->metadata.uid == spec.podUID)) {
      return Refuse("PodCertificateRequest for pod \"{}\" contains pod UID (\"{}\") which differs from running pod",
                    shown, spec.podUID.view());
    }
    if (!(pod->spec.nodeName == node_)) {
      return Refuse("pod \"{}\" is not running on node \"{}\" named in the PodCertificateRequest", shown, node_);
    }
    if (kube::IsMirrorPod(*pod)) return Refuse("pod \"{}\" is a mirror pod", shown);
    if (!(pod->spec.serviceAccountName == spec.serviceAccountName)) {
      return Refuse(
          "PodCertificateRequest for pod \"{}\" contains serviceAccountName (\"{}\") that differs from running "
          "pod (\"{}\")",
          shown, spec.serviceAccountName.view(), pod->spec.serviceAccountName.view());
    }
    const auto* account = request_.Find<core::v1::ServiceAccount>(request_.ns(), spec.serviceAccountName.view());
    if (account != nullptr && account->metadata.uid == spec.serviceAccountUID) return {};
    return Refuse(
        "PodCertificateRequest for pod \"{}\" names service account UID \"{}\", which differs from the running "
        "service account",
        shown, spec.serviceAccountUID.view());
  }

  Status SigningRequest() const {
    if (!creates()) return {};
    const auto& spec = request_.object()->As<certificates::v1::CertificateSigningRequest>().spec;
    if (!(spec.signerName == "kubernetes.io/kubelet-serving") &&
        !(spec.signerName == "kubernetes.io/kube-apiserver-client-kubelet")) {
      return {};
    }
    const std::optional<std::string> name = CommonNameOfRequest(spec.request.view());
    if (!name) return Refuse("unable to parse csr: PEM block type must be CERTIFICATE REQUEST");
    if (*name == fmt::format("system:node:{}", node_)) return {};
    return Refuse("can only create a node CSR with CN=system:node:{}", node_);
  }

  const AdmissionRequest& request_;
  const std::string_view node_;
};

class NodeRestriction final : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "NodeRestriction"; }

  bool Handles(const AdmissionTarget& target) const override {
    for (const std::string_view plural : {"pods", "nodes", "persistentvolumeclaims", "serviceaccounts"}) {
      if (IsResource(target, "", plural)) return true;
    }
    return IsResource(target, "coordination.k8s.io", "leases") || IsResource(target, "storage.k8s.io", "csinodes") ||
           IsResource(target, "resource.k8s.io", "resourceslices") ||
           IsResource(target, "certificates.k8s.io", "podcertificaterequests") ||
           IsResource(target, "certificates.k8s.io", "certificatesigningrequests");
  }

  // In kube-apiserver it runs among the mutating ones too: before anything is added that the node did not ask for.
  Result<Admitted> Mutate(AdmissionRequest& request) override { return Judge(request); }
  // Tokens pass no mutating plugin.
  Result<Admitted> Validate(AdmissionRequest& request) override {
    return request.object() == nullptr && request.body() != nullptr ? Judge(request) : Result<Admitted>(Admitted::kNow);
  }

 private:
  static Result<Admitted> Judge(const AdmissionRequest& request) {
    const std::string_view node = NodeOf(request.user());
    if (!node.empty()) MINIKUBE_RETURN_IF_ERROR(Check(request, node).Run());
    return Admitted::kNow;
  }
};

}  // namespace

std::shared_ptr<AdmissionPlugin> NewNodeRestriction() { return std::make_shared<NodeRestriction>(); }

}  // namespace minikube::api
