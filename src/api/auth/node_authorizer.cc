#include "api/auth/node_authorizer.h"

#include <algorithm>

#include <fmt/format.h>

#include <minikube/api/certificates/v1beta1.h>
#include <minikube/api/core/v1.h>
#include <minikube/api/resource/v1.h>
#include <minikube/api/storage/v1.h>
#include <minikube/view.h>

#include "kube/pod_references.h"
#include "kube/volumes.h"

namespace minikube::api {

namespace {

using core::v1::Pod;

constexpr std::string_view kNodesGroup = "system:nodes";
constexpr std::string_view kLeaseNamespace = "kube-node-lease";

bool IsOneOf(std::string_view value, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Whether a field selector holds a field to one value.
bool Requires(std::string_view selector, std::string_view field, std::string_view value) {
  while (!selector.empty()) {
    const std::size_t comma = selector.find(',');
    const std::string_view term = selector.substr(0, comma);
    selector.remove_prefix(comma == std::string_view::npos ? selector.size() : comma + 1);
    const std::size_t equals = term.find('=');
    if (equals == std::string_view::npos || term.substr(0, equals) != field) continue;
    std::string_view is = term.substr(equals + 1);
    if (is.starts_with('=')) is.remove_prefix(1);
    if (is == value) return true;
  }
  return false;
}

AccessDecision Allow() { return {AccessDecision::Kind::kAllow, ""}; }
AccessDecision No(std::string why) { return {AccessDecision::Kind::kNoOpinion, std::move(why)}; }

}  // namespace

std::string_view NodeOf(const UserInfo& user) {
  if (!user.name.starts_with(kNodePrefix)) return {};
  if (std::find(user.groups.begin(), user.groups.end(), kNodesGroup) == user.groups.end()) return {};
  return std::string_view(user.name).substr(kNodePrefix.size());
}

NodeAuthorizer::NodeAuthorizer(const Catalogue& catalogue, const Rbac& rbac)
    : rbac_(rbac),
      pods_(catalogue.Get("", "pods").index),
      claims_(catalogue.Get("", "persistentvolumeclaims").index),
      volumes_(catalogue.Get("", "persistentvolumes").index),
      attachments_(catalogue.Get("storage.k8s.io", "volumeattachments").index),
      slices_(catalogue.Get("resource.k8s.io", "resourceslices").index),
      certificates_(catalogue.Get("certificates.k8s.io", "podcertificaterequests").index) {}

// One access of one node.
class NodeAuthorizer::Question {
 public:
  Question(const NodeAuthorizer& of, const World& world, std::string_view node, const Access& access)
      : of_(of), world_(world), node_(node), access_(access) {}

  AccessDecision Decide() const {
    const std::string_view resource = access_.resource;
    if (!access_.path.empty()) return ByRule();
    if (access_.group.empty()) {
      if (resource == "secrets") return Read([&] { return UsesSecret(); });
      if (resource == "configmaps") return Read([&] { return Uses(kube::ReadsConfigMap); });
      if (resource == "persistentvolumeclaims") {
        return access_.subresource == "status" ? ClaimStatus() : Read([&] { return Uses(kube::MountsClaim); });
      }
      if (resource == "persistentvolumes") return Volumes();
      if (resource == "serviceaccounts") return ServiceAccount();
      if (resource == "nodes") return Node();
      if (resource == "pods") return Pods();
    }
    if (access_.group == "resource.k8s.io") {
      if (resource == "resourceclaims") return Get([&] { return Uses(kube::UsesResourceClaim); });
      if (resource == "resourceslices") return Slices();
    }
    if (access_.group == "storage.k8s.io") {
      if (resource == "volumeattachments") return Get([&] { return AttachesHere(); });
      if (resource == "csinodes") return Own("CSINode", "cannot authorize CSINode subresources");
    }
    if (access_.group == "coordination.k8s.io" && resource == "leases") return Lease();
    if (access_.group == "certificates.k8s.io" && resource == "podcertificaterequests") return Certificates();
    return ByRule();
  }

 private:
  AccessDecision ByRule() const { return of_.rbac_.NodesMay(world_, access_) ? Allow() : No(""); }
  AccessDecision Unrelated() const {
    return No(fmt::format("no relationship found between node '{}' and this object", node_));
  }
  template <typename Related>
  AccessDecision If(const Related& related) const {
    if (access_.name.empty()) return No("No Object name found");
    return related() ? Allow() : Unrelated();
  }

  // get, list and watch of one object.
  template <typename Related>
  AccessDecision Read(const Related& related) const {
    if (!IsOneOf(access_.verb, {"get", "list", "watch"})) return No("can only read resources of this type");
    if (!access_.subresource.empty()) return No("cannot read subresource");
    if (access_.ns.empty()) return No("can only read namespaced object of this type");
    return If(related);
  }
  template <typename Related>
  AccessDecision Get(const Related& related) const {
    if (access_.verb != "get") return No("can only get individual resources of this type");
    if (!access_.subresource.empty()) return No("cannot get subresource");
    return If(related);
  }

  AccessDecision ClaimStatus() const {
    if (!IsOneOf(access_.verb, {"update", "patch"})) return No("can only get/update/patch this type");
    return If([&] { return Uses(kube::MountsClaim); });
  }
  // A node sees all volumes, for it keeps the directories of those that are on its disk, and writes to these alone.
  AccessDecision Volumes() const {
    if (!access_.subresource.empty()) return No("cannot access subresource");
    if (access_.verb == "list" || access_.verb == "watch") return Allow();
    if (access_.verb == "get") return If([&] { return UsesVolume(access_.name) || KeepsVolume(access_.name); });
    if (access_.verb == "patch") return If([&] { return KeepsVolume(access_.name); });
    return No("can only read volumes, and patch those on its disk");
  }
  AccessDecision ServiceAccount() const {
    const auto runs_as = [&] { return Uses(kube::RunsAs); };
    if (access_.verb == "get" && access_.subresource.empty()) return Read(runs_as);
    if (access_.verb != "create" || access_.name.empty()) {
      return No("can only create tokens for individual service accounts");
    }
    if (access_.subresource != "token") return No("can only create token subresource of serviceaccount");
    return If(runs_as);
  }
  // What a node may do to objects of its own name; creations are looked at by NodeRestriction, when there is a name.
  AccessDecision Own(std::string_view what, std::string_view no_subresource) const {
    if (!IsOneOf(access_.verb, {"get", "create", "update", "patch", "delete"})) {
      return No(fmt::format("can only get, create, update, patch, or delete a {}", what));
    }
    if (!access_.subresource.empty() && !no_subresource.empty()) return No(std::string(no_subresource));
    if (access_.verb != "create" && access_.name != node_) {
      return No(fmt::format("can only access {} with the same name as the requesting node", what));
    }
    return Allow();
  }
  AccessDecision Lease() const {
    if (access_.ns != kLeaseNamespace && IsOneOf(access_.verb, {"get", "create", "update", "patch", "delete"})) {
      return No(fmt::format("can only access leases in the \"{}\" system namespace", kLeaseNamespace));
    }
    return Own("node lease", "");
  }
  AccessDecision Node() const {
    if (access_.subresource == "status") return IsOneOf(access_.verb, {"update", "patch"}) ? Allow() : No("");
    if (!access_.subresource.empty()) return No("");
    if (IsOneOf(access_.verb, {"create", "update", "patch"})) return Allow();
    if (!IsOneOf(access_.verb, {"get", "list", "watch"})) return No("");
    if (access_.name == node_) return Allow();
    if (access_.name.empty()) {
      return No(fmt::format("node '{}' cannot read all nodes, only its own Node object", node_));
    }
    return No(fmt::format("node '{}' cannot read '{}', only its own Node object", node_, access_.name));
  }
  AccessDecision Pods() const {
    const std::string_view verb = access_.verb;
    if (access_.subresource == "status") return IsOneOf(verb, {"update", "patch"}) ? Allow() : No("");
    if (access_.subresource == "eviction") return verb == "create" ? Allow() : No("");
    if (!access_.subresource.empty()) return No("");
    const auto runs_here = [&] {
      const Entry* pod = world_.Find(of_.pods_, access_.ns, access_.name);
      return pod != nullptr && pod->object->As<Pod>().spec.nodeName == node_;
    };
    if (verb == "get") return Get(runs_here);
    if (verb == "create" || verb == "delete") return Allow();
    if (verb != "list" && verb != "watch") return No("");
    if (Requires(access_.field_selector, "spec.nodeName", node_)) return Allow();
    if (!access_.name.empty()) return If(runs_here);
    return No("can only list/watch pods with spec.nodeName field selector");
  }
  AccessDecision Slices() const {
    if (!access_.subresource.empty()) return No("cannot authorize ResourceSlice subresources");
    if (access_.verb == "create") return Allow();
    if (IsOneOf(access_.verb, {"get", "update", "patch", "delete"})) {
      return If([&] {
        const Entry* slice = world_.Find(of_.slices_, {}, access_.name);
        if (slice == nullptr) return false;
        const auto& node = slice->object->As<resource::v1::ResourceSlice>().spec.nodeName;
        return node && *node == node_;
      });
    }
    if (Requires(access_.field_selector, "spec.nodeName", node_)) return Allow();
    return No("can only list/watch/deletecollection resourceslices with nodeName field selector");
  }
  AccessDecision Certificates() const {
    if (!access_.subresource.empty()) {
      return No("nodes may not access the status subresource of PodCertificateRequests");
    }
    if (access_.verb == "create") return Allow();
    if (access_.verb == "get") {
      return If([&] {
        const Entry* request = world_.Find(of_.certificates_, access_.ns, access_.name);
        return request != nullptr &&
               request->object->As<certificates::v1beta1::PodCertificateRequest>().spec.nodeName == node_;
      });
    }
    if (access_.verb != "list" && access_.verb != "watch") {
      return No(fmt::format("nodes may not {} podcertificaterequests", access_.verb));
    }
    if (Requires(access_.field_selector, "spec.nodeName", node_)) return Allow();
    return No("can only list/watch podcertificaterequests with nodeName field selector");
  }

  // Whether `is` says so of a pod of this node, in the namespace of the access (or any, if that is ""), and of its
  // name.
  template <typename Is>
  bool AnyPod(std::string_view ns, const Is& is) const {
    const ObjectTable& table = world_.kinds[of_.pods_];
    const IndexMap* by_node = table.FindIndex(kByNode.name);
    if (by_node == nullptr) return false;
    const client::IndexKey first{node_, {ns, {}}};
    for (auto it = by_node->LowerBound(first); it && it->value == node_ && (ns.empty() || it->ns == ns); ++it) {
      const Entry* entry = table.Find({it->ns.view(), it->name.view()});
      if (entry == nullptr) continue;
      const Pod& pod = entry->object->As<Pod>();
      // A node makes its mirror pods itself: they may not open anything to it.
      if (!kube::IsMirrorPod(pod) && is(pod)) return true;
    }
    return false;
  }
  bool Uses(bool (*is)(const Pod&, std::string_view name)) const {
    return AnyPod(access_.ns, [&](const Pod& pod) { return is(pod, access_.name); });
  }
  // Secrets that a volume needs are its driver's, which runs on the node.
  bool UsesSecret() const {
    if (Uses(kube::ReadsSecret)) return true;
    return AnyPod({}, [&](const Pod& pod) {
      bool found = false;
      kube::ForEachClaim(pod, [&](std::string_view claim) {
        const core::v1::PersistentVolume* volume = VolumeOf(pod, claim);
        found |= volume != nullptr && kube::VolumeReadsSecret(*volume, access_.ns, access_.name);
      });
      return found;
    });
  }
  bool UsesVolume(std::string_view name) const {
    return AnyPod({}, [&](const Pod& pod) {
      bool found = false;
      kube::ForEachClaim(pod, [&](std::string_view claim) {
        const core::v1::PersistentVolume* volume = VolumeOf(pod, claim);
        found |= volume != nullptr && volume->metadata.name == name;
      });
      return found;
    });
  }
  bool KeepsVolume(std::string_view name) const {
    const Entry* entry = world_.Find(of_.volumes_, {}, name);
    if (entry == nullptr) return false;
    const auto& volume = entry->object->As<core::v1::PersistentVolume>();
    const Str* by = volume.metadata.annotations.Find(kube::kProvisionedBy);
    return by != nullptr && *by == kube::kLocalPath && kube::HostnameOf(volume) == node_;
  }
  const core::v1::PersistentVolume* VolumeOf(const Pod& pod, std::string_view claim_name) const {
    const Entry* claim = world_.Find(of_.claims_, pod.metadata.namespace_.view(), claim_name);
    if (claim == nullptr) return nullptr;
    const Str& name = claim->object->As<core::v1::PersistentVolumeClaim>().spec.volumeName;
    const Entry* entry = name.empty() ? nullptr : world_.Find(of_.volumes_, {}, name.view());
    if (entry == nullptr) return nullptr;
    const auto& volume = entry->object->As<core::v1::PersistentVolume>();
    // It counts as the claim's if it says so too.
    const auto* ref = volume.spec.claimRef.get();
    const bool ours = ref != nullptr && ref->name == claim_name && ref->namespace_ == pod.metadata.namespace_;
    return ours ? &volume : nullptr;
  }
  bool AttachesHere() const {
    const Entry* attachment = world_.Find(of_.attachments_, {}, access_.name);
    return attachment != nullptr && attachment->object->As<storage::v1::VolumeAttachment>().spec.nodeName == node_;
  }

  const NodeAuthorizer& of_;
  const World& world_;
  const std::string_view node_;
  const Access& access_;
};

AccessDecision NodeAuthorizer::Decide(const World& world, const UserInfo& user, const Access& access) const {
  const std::string_view node = NodeOf(user);
  if (node.empty()) return {};
  return Question(*this, world, node, access).Decide();
}

}  // namespace minikube::api
