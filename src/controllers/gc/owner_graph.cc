#include "controllers/gc/owner_graph.h"

#include "kube/owners.h"

namespace minikube::controllers {

void OwnerGraph::Put(const ResourceDesc& resource, const ObjectRef& object) {
  const meta::v1::ObjectMeta& meta = object->meta();
  const auto [it, inserted] = nodes_.try_emplace(meta.uid, Node{&resource, object});
  if (!inserted) {
    it->second.resource = &resource;
    const ObjectRef before = std::exchange(it->second.object, object);
    if (before->meta().ownerReferences.same(meta.ownerReferences)) return;
    RemoveEdges(*before);
  }
  for (const meta::v1::OwnerReference& owner : meta.ownerReferences) {
    // Edges of one owner share its string, the owner's own if it is known.
    const auto known = nodes_.find(owner.uid);
    edges_.emplace(known != nodes_.end() ? known->first : owner.uid, meta.uid);
  }
}

void OwnerGraph::Remove(const Object& object) {
  const auto it = nodes_.find(object.meta().uid);
  if (it == nodes_.end()) return;
  const ObjectRef last = it->second.object;
  RemoveEdges(*last);
  nodes_.erase(it);
}

void OwnerGraph::RemoveEdges(const Object& object) {
  for (const meta::v1::OwnerReference& owner : object.meta().ownerReferences) {
    edges_.erase({owner.uid, object.meta().uid});
  }
}

const OwnerGraph::Node* OwnerGraph::Find(std::string_view uid) const {
  const auto it = nodes_.find(Str(uid));
  return it != nodes_.end() ? &it->second : nullptr;
}

std::vector<OwnerGraph::Node> OwnerGraph::DependentsOf(std::string_view owner_uid) const {
  std::vector<Node> out;
  for (auto it = edges_.lower_bound({owner_uid, Str()}); it != edges_.end() && it->first == owner_uid; ++it) {
    if (const Node* node = Find(it->second)) out.push_back(*node);
  }
  return out;
}

bool OwnerGraph::HasDependents(std::string_view owner_uid) const {
  const auto it = edges_.lower_bound({owner_uid, Str()});
  return it != edges_.end() && it->first == owner_uid;
}

bool IsDeletingDependents(const Object& object) {
  return object.meta().deletionTimestamp && kube::HasFinalizer(object.meta(), "foregroundDeletion");
}

bool IsOrphaning(const Object& object) {
  return object.meta().deletionTimestamp && kube::HasFinalizer(object.meta(), "orphan");
}

}  // namespace minikube::controllers
