// OwnerGraph: every object by UID, and who owns whom. What the garbage collector decides on.
//
// Thread safety: none of its own.
#pragma once

#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <minikube/descriptor.h>
#include <minikube/object.h>

namespace minikube::controllers {

class OwnerGraph {
 public:
  struct Node {
    const ResourceDesc* resource = nullptr;
    ObjectRef object;
  };

  // The new version of an object replaces the old one, and its owner references the old ones.
  void Put(const ResourceDesc& resource, const ObjectRef& object);
  void Remove(const Object& object);

  const Node* Find(std::string_view uid) const;
  // Objects with a reference to `owner_uid`, whether that one exists or not.
  std::vector<Node> DependentsOf(std::string_view owner_uid) const;
  bool HasDependents(std::string_view owner_uid) const;
  std::size_t size() const { return nodes_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const Str& s) const { return std::hash<std::string_view>{}(s.view()); }
  };
  void RemoveEdges(const Object& object);

  std::unordered_map<Str, Node, Hash> nodes_;
  std::set<std::pair<Str, Str>> edges_;  // (owner, dependent)
};

// Is being deleted, and waits for the dependents that block it.
bool IsDeletingDependents(const Object& object);
// Is being deleted, and its dependents are to be let go first.
bool IsOrphaning(const Object& object);

}  // namespace minikube::controllers
