// StateSource: what a Client in the API server's own process can do beside its requests: show the state itself. An
// Informer of such a Client is a view of that state; of any other it keeps the same tables by list and watch.
//
// Thread safety: as said at each member. Lifetime: the source outlives its followings.
#pragma once

#include <cstdint>
#include <memory>

#include <minikube/client.h>

#include "client/object_table.h"

namespace minikube::client {

// What a request selects, complete up to that revision.
struct Shown {
  ObjectTable table;
  std::int64_t revision = 0;
};

class StateSource {
 public:
  virtual ~StateSource() = default;

  class Following {
   public:
    virtual ~Following() = default;
    // The newest state: it shows every write that was answered before. Shares all that has not changed with what it
    // gave before. One call at a time. Errors: those of the watch, and of who may no longer see it; it can be asked
    // again later.
    virtual Result<Shown> Newest() = 0;
  };
  // Follows what a list and watch with these selectors would show; `changed` is called (any thread, short) at the first
  // change after each Newest, and not any more once the Following has gone. Null: this resource cannot be shown so, for
  // its objects are stored in another version.
  virtual std::unique_ptr<Following> Follow(ApiRequest request, std::function<void()> changed) = 0;
};

}  // namespace minikube::client
