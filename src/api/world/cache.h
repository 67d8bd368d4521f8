// Cache: the one copy of the world. First subscriber of the store's bus: it applies each batch of changes on the
// committer's own thread, so a write is visible to every reader before its writer hears that it succeeded.
//
// The objects in it are those that writers built (ObjectCompanion); only what comes from elsewhere is decoded.
// Thread safety: snapshot() from any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include <minikube/function.h>
#include <minikube/log.h>
#include <minikube/store.h>

#include "api/world/catalogue.h"
#include "api/world/watch_hub.h"
#include "api/world/world.h"

namespace minikube::api {

class Cache {
 public:
  // What is served once these CustomResourceDefinitions are stored. Called from one thread at a time.
  using CatalogueMaker = std::function<std::shared_ptr<const Catalogue>(const EntryMap& definitions)>;
  // `built_in` is served until Load. Store and hub outlive it.
  Cache(std::shared_ptr<const Catalogue> built_in, CatalogueMaker catalogue_of, Store& store, WatchHub& hub,
        Logger log);

  // Reads everything and follows the store from there. Errors: of the store; kInternal for a value that is not an
  // object of its key's type, naming the key.
  Status Load();

  // `changed` is called after every batch in which a definition changed or an object of a custom kind was deleted;
  // on the committer: it only posts.
  void OnCustomChanges(Function<void()> changed);

  // Follows the store no more; no callback of the store is in it once it has returned.
  void Stop() { subscription_.Reset(); }

  Snapshot snapshot() const {
    std::lock_guard lock(mu_);
    return world_;
  }

  // The object of a stored value; stamped with the revision it was written at.
  static Result<ObjectRef> DecodeStored(const StoredKind& kind, std::string_view value, Revision revision);

 private:
  void Drain();
  struct Batch;
  void Apply(const std::vector<Change>& changes, Batch& batch);
  // One change of an object of `kind`.
  void ApplyTo(const StoredKind& kind, const Change& change, Batch& batch);
  void ServeDefinitions(Batch& batch);
  Result<ObjectTable> ReadKind(const StoredKind& kind, Revision revision);

  const CatalogueMaker catalogue_of_;
  const std::size_t definitions_;  // index of the kind that adds kinds
  Store& store_;
  WatchHub& hub_;
  Logger log_;
  std::mutex apply_mu_;                 // held while the world is read or changed; before mu_
  Function<void()> on_custom_changes_;  // guarded by apply_mu_
  mutable std::mutex mu_;               // guards the pointer only
  Snapshot world_;
  EventBus<Change>::Subscription subscription_;
};

}  // namespace minikube::api
