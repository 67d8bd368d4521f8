// StateSource: what a Client in the API server's own process can do beside its requests: show the state itself. An
// Informer of such a Client is a view of that state; of any other it keeps the same tables by list and watch.
//
// The informers of one strand look together: whatever makes one of them look, all move on to the same revision before
// any handler runs. A component that has seen a pod has seen the node that was there before it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <minikube/client.h>

#include "client/object_table.h"

namespace minikube::client {

// What a request selects, complete up to that revision.
struct Shown {
  ObjectTable table;
  std::int64_t revision = 0;
};

class StateSource;

// All objects at one revision, as the source keeps them.
class Moment {
 public:
  virtual ~Moment() = default;
};

// One that looks, with others. Everything on its strand.
class Looker {
 public:
  virtual ~Looker() = default;
  // From here on news rings.
  virtual void Listen() = 0;
  // Takes what the moment shows, and says nothing yet.
  virtual void Take(const Moment& moment) = 0;
  // Tells what has changed.
  virtual void Tell() = 0;
};

// The lookers of one strand and one source.
// Thread safety: Ring from any thread, the rest on the strand. Lifetime: source and strand outlive it.
class Looking : public std::enable_shared_from_this<Looking> {
 public:
  Looking(const StateSource& source, Strand& strand) : source_(source), strand_(strand) {}
  void Add(std::weak_ptr<Looker> looker) { lookers_.push_back(std::move(looker)); }
  // All look, in a task of their own; however often it rings until then, once.
  void Ring();

 private:
  void Look();

  const StateSource& source_;
  Strand& strand_;
  std::vector<std::weak_ptr<Looker>> lookers_;
  std::atomic<bool> rung_ = false;
};

// Thread safety: every member, any thread; a Following as said there. Lifetime: the source outlives its followings.
class StateSource {
 public:
  virtual ~StateSource() = default;

  // One call at a time. Errors: those of a watch, and of who may not see it (any more); both can be called again later.
  class Following {
   public:
    virtual ~Following() = default;
    // Sees to it that the next change rings. Comes before the Moment is taken, so that nothing falls between.
    virtual Status Listen() = 0;
    // Shares all that has not changed with what it gave before.
    virtual Result<Shown> At(const Moment& moment) = 0;
  };
  // Follows what a list and watch with these selectors would show. `changed` is called (any thread, short) at the first
  // change after each Listen, and not any more once the Following has gone. Null: this resource cannot be shown so, for
  // its objects are stored in another version.
  virtual std::unique_ptr<Following> Follow(ApiRequest request, std::function<void()> changed) = 0;
  // The newest state: it shows every write that was answered before.
  virtual std::unique_ptr<const Moment> Now() const = 0;
  // The resources of that state, as ServedBy.
  virtual std::vector<const ResourceDesc*> Served() const = 0;

  // Of all who look on that strand.
  std::shared_ptr<Looking> LookingOn(Strand& strand);

 private:
  std::mutex mu_;
  std::map<Strand*, std::weak_ptr<Looking>> looking_;  // guarded by mu_
};

// What the server of `client` serves now, in all versions: in the server's process also what CustomResourceDefinitions
// have added up to the newest revision (those live as long as the client), of any other the resources of the schema.
std::vector<const ResourceDesc*> ServedBy(Client& client);

}  // namespace minikube::client
