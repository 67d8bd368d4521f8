// Informer: a component's live view of one resource, and the events that keep its work queue fed.
//
// Lists, then watches from that revision, and lists again when told to (kExpired). It holds references to the objects
// that the API server's cache holds: no copy. Level-triggered: handlers learn that something changed and look at the
// newest state.
// Thread safety: everything on the strand given at construction. Lifetime: the client and strand outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/client.h>

namespace minikube {

// namespace/name of an object; ns is empty for cluster-scoped ones.
struct ObjectKey {
  std::string ns;
  std::string name;
  static ObjectKey Of(const Object& object) {
    return {object.meta().namespace_.str(), object.meta().name.str()};
  }
  std::string ToString() const { return ns.empty() ? name : ns + "/" + name; }
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

class Informer {
 public:
  // Called on the strand after the view has changed. `before` is null for a new object, `after` for a deleted one.
  using Handler = std::function<void(const ObjectRef& before, const ObjectRef& after)>;

  struct Options {
    std::string ns;              // "" = all
    std::string label_selector;
    std::string field_selector;
  };

  Informer(Client& client, const ResourceDesc& resource, Strand& strand, Env& env, Options options);
  Informer(Client& client, const ResourceDesc& resource, Strand& strand, Env& env)
      : Informer(client, resource, strand, env, Options{}) {}
  ~Informer();

  // Before Start.
  void AddHandler(Handler handler);
  // Index by a function of the object (e.g. owner UID, node name); before Start. Objects may have many index keys.
  void AddIndex(std::string name, std::function<std::vector<std::string>(const Object&)> keys);

  void Start();
  // True once the first list is in; `synced` handlers then run once.
  bool HasSynced() const;
  void OnSynced(std::function<void()> synced);

  // Revision up to which this view is complete.
  std::int64_t revision() const;

  ObjectRef Get(const ObjectKey& key) const;  // null if absent
  ObjectRef Get(std::string_view ns, std::string_view name) const { return Get({std::string(ns), std::string(name)}); }
  const std::map<ObjectKey, ObjectRef>& objects() const;
  std::vector<ObjectRef> ByIndex(std::string_view index, std::string_view value) const;
  // Runs `reached` on the strand as soon as revision() >= revision (at once if it is).
  void WhenReached(std::int64_t revision, std::function<void()> reached);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace minikube
