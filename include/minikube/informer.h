// Informer: a component's live view of one resource, and the events that keep its work queue fed.
//
// Of a client in the API server's process it is a view of the server's own state: woken by a change, it takes the
// newest state, shared and not copied, and tells its handlers what is different from the one before. It has no queue
// and cannot fall behind, and all such informers of one strand move on together: what they show is of one revision. Of
// a remote client it lists, watches from that revision, and lists again when told to (kExpired). Level-triggered:
// handlers learn that something changed and look at the newest state; several changes of one object may be told as one.
//
// Thread safety: everything on the strand given at construction. Lifetime: the client and strand outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/client.h>

namespace minikube {

// namespace/name of an object; ns is empty for cluster-scoped ones. 16 bytes: made from an object it shares its
// strings.
struct ObjectKey {
  Str ns;
  Str name;
  static ObjectKey Of(const Object& object) { return {object.meta().namespace_, object.meta().name}; }
  std::string ToString() const { return ns.empty() ? name.str() : ns.str() + "/" + name.str(); }
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

// Whether a write that ended with this error may have been performed nevertheless. Who goes by an Informer then looks
// again (Refresh) before acting on.
inline bool MayBePerformed(Code code) {
  return code == Code::kUnavailable || code == Code::kTimeout || code == Code::kInternal || code == Code::kCancelled;
}

class Informer {
 public:
  // Called on the strand after the view has changed. `before` is null for a new object, `after` for a deleted one.
  using Handler = std::function<void(const ObjectRef& before, const ObjectRef& after)>;

  struct Options {
    std::string ns;  // "" = all
    std::string label_selector;
    std::string field_selector;
  };

  Informer(Client& client, const ResourceDesc& resource, Strand& strand, Env& env, Options options);
  Informer(Client& client, const ResourceDesc& resource, Strand& strand, Env& env)
      : Informer(client, resource, strand, env, Options{}) {}
  ~Informer();

  // Before Start. Handlers run in the order added.
  void AddHandler(Handler handler);
  // Index by a function of the object (e.g. owner UID, node name); before Start. Objects may have many index keys. One
  // that the API server keeps itself (kByController, kByNode of a View) costs nothing; two of one resource have
  // different names.
  void AddIndex(std::string name, std::function<std::vector<std::string>(const Object&)> keys);

  void Start();
  // True once the first list is in; `synced` handlers then run once.
  bool HasSynced() const;
  void OnSynced(std::function<void()> synced);

  const ResourceDesc& resource() const;
  // Revision up to which this view is complete; 0 before the first list.
  std::int64_t revision() const;

  ObjectRef Get(const ObjectKey& key) const;  // null if absent
  ObjectRef Get(std::string_view ns, std::string_view name) const { return Get(ObjectKey{ns, name}); }
  std::size_t size() const;
  // Calls `each` for every object, in the order of the API's lists; a change meanwhile is not seen.
  void ForEach(const std::function<void(const ObjectRef&)>& each) const;
  // Calls `each` for every object of one namespace, in order of name.
  void ForEachIn(std::string_view ns, const std::function<void(const ObjectRef&)>& each) const;
  // In order of key.
  std::vector<ObjectRef> ByIndex(std::string_view index, std::string_view value) const;
  // Runs `reached` on the strand as soon as revision() >= revision (at once if it is).
  void WhenReached(std::int64_t revision, std::function<void()> reached);
  // Looks (a remote one: lists) anew and then runs `refreshed` on the strand: the view shows every write that ended
  // before this call, also one whose revision nobody knows because its answer was lost. After Start; while the server
  // is away it takes as long.
  void Refresh(std::function<void()> refreshed);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// The same of one type. What it gives is valid until the running task of the strand ends.
template <typename T>
class TypedInformer {
 public:
  TypedInformer(Client& client, Strand& strand, Env& env, Informer::Options options = {})
      : informer_(client, Client::ResourceOf<T>(), strand, env, std::move(options)) {}

  // Before Start: `before` is null for a new object, `after` for a deleted one.
  void AddHandler(std::function<void(const T* before, const T* after)> handler) {
    informer_.AddHandler([handler = std::move(handler)](const ObjectRef& before, const ObjectRef& after) {
      handler(AsPointer(before), AsPointer(after));
    });
  }
  // Before Start.
  void AddIndex(std::string name, std::function<std::vector<std::string>(const T&)> keys) {
    informer_.AddIndex(std::move(name),
                       [keys = std::move(keys)](const Object& object) { return keys(object.As<T>()); });
  }
  void Start() { informer_.Start(); }
  bool HasSynced() const { return informer_.HasSynced(); }
  void OnSynced(std::function<void()> synced) { informer_.OnSynced(std::move(synced)); }

  // Null if there is none.
  const T* Get(std::string_view ns, std::string_view name) const { return AsPointer(informer_.Get(ns, name)); }
  std::size_t size() const { return informer_.size(); }
  // Of one namespace, or all (""), in order of key.
  void ForEach(std::string_view ns, const std::function<void(const T&)>& each) const {
    const auto untyped = [&each](const ObjectRef& object) { each(object->As<T>()); };
    ns.empty() ? informer_.ForEach(untyped) : informer_.ForEachIn(ns, untyped);
  }
  std::vector<const T*> ByIndex(std::string_view index, std::string_view value) const {
    std::vector<const T*> out;
    for (const ObjectRef& object : informer_.ByIndex(index, value)) out.push_back(AsPointer(object));
    return out;
  }

  Informer& untyped() { return informer_; }
  const Informer& untyped() const { return informer_; }

 private:
  static const T* AsPointer(const ObjectRef& object) { return object ? &object->As<T>() : nullptr; }

  Informer informer_;
};

}  // namespace minikube
