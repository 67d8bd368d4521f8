// Truth: what the store has published, kept apart from the cluster: every change since the beginning, and the newest
// state. Everything else is judged by it. Checks on the way what the store itself promises.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <minikube/informer.h>
#include <minikube/object.h>
#include <minikube/store.h>

#include "api/world/catalogue.h"
#include "simulation/history.h"

namespace minikube::simulation {

// One change of one object. No `after`: deleted; `before` is then what it was.
struct TruthChange {
  Revision revision = 0;
  ObjectRef before;
  ObjectRef after;
  const Object& object() const { return after ? *after : *before; }
};

class Truth {
 public:
  using Listener = std::function<void(const api::StoredKind&, const TruthChange&)>;

  Truth(const api::Catalogue& registry, Verdict& verdict);

  // Follows a store that was just opened: nothing that it ever published may be missing. Before the API server starts.
  void Attach(Store& store);
  void Detach() { subscription_.Reset(); }
  // Compares what the store answers, at a revision between the compacted one and the newest (`pick` chooses), and what
  // it replays from there.
  void Audit(const Store& store, std::uint64_t pick);
  void OnChange(Listener listener) { listeners_.push_back(std::move(listener)); }

  Revision revision() const { return revision_; }
  const api::Catalogue& registry() const { return registry_; }
  // Every change of a unit's objects, by revision.
  const std::vector<TruthChange>& changes(const api::StoredKind& unit) const { return units_[unit.index].changes; }
  const std::map<ObjectKey, ObjectRef>& objects(const api::StoredKind& unit) const {
    return units_[unit.index].objects;
  }
  // What exists under the key, or null; of a type's own unit.
  ObjectRef Find(const api::StoredKind& unit, const ObjectKey& key) const;
  // The change that a revision made to the object; null if none.
  const TruthChange* At(const api::StoredKind& unit, Revision revision, const ObjectKey& key) const;
  template <typename T>
  const api::StoredKind& UnitOf() const {
    return *registry_.Find(Client::ResourceOf<T>());
  }

 private:
  struct PerUnit {
    std::vector<TruthChange> changes;
    std::map<ObjectKey, ObjectRef> objects;
  };
  // One version of one key, as bytes.
  struct Raw {
    Revision revision = 0;
    std::string key;
    std::uint64_t value = 0;  // hash
    bool deleted = false;
  };

  void Drain();
  void Take(const Change& change);

  const api::Catalogue& registry_;
  Verdict& verdict_;
  std::vector<PerUnit> units_;
  std::vector<Raw> raw_;
  std::vector<Listener> listeners_;
  Revision revision_ = 1;
  EventBus<Change>::Subscription subscription_;
};

}  // namespace minikube::simulation
