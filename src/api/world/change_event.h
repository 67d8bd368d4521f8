// What watchers are told: a committed change, and the view of it that each of them gets.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <minikube/client.h>
#include <minikube/codec.h>
#include <minikube/store.h>

namespace minikube::api {

// One committed change of one resource, shared by all its watchers; each wire form is encoded once.
class ChangeEvent {
 public:
  ChangeEvent(ObjectRef object, ObjectRef previous, bool deleted, Revision revision)
      : object_(std::move(object)), previous_(std::move(previous)), deleted_(deleted), revision_(revision) {}
  const ObjectRef& object() const {
    return object_;
  }  // the new state; for a deletion the last one, stamped with its revision
  const ObjectRef& previous() const { return previous_; }  // null if created
  bool deleted() const { return deleted_; }
  Revision revision() const { return revision_; }
  // The object's bytes in `type`, encoded by the first caller and shared from then on.
  const std::string& Encoded(MediaType type) const;

 private:
  ObjectRef object_;
  ObjectRef previous_;
  bool deleted_;
  Revision revision_;
  mutable std::once_flag once_[3];
  mutable std::string encoded_[3];
};

// What one watcher is to be told: the change, seen through its selector.
struct WatchItem {
  WatchEvent::Type type = WatchEvent::Type::kAdded;
  std::shared_ptr<const ChangeEvent> change;  // null for a bookmark
  Revision revision = 0;
  bool initial_events_end = false;  // bookmark that ends sendInitialEvents
};

// A watcher's end of a watch: bounded queue, pulled by its owner. Destroying it ends the watch; `on_ready` (any thread,
// short) is not called after the destructor has returned.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // What has come since; empty if nothing. `end` is set to the reason once the watch is over (kExpired: too slow or too
  // old; kUnavailable: stopping) and stays OK before.
  virtual std::vector<WatchItem> Take(Status& end) = 0;
};

}  // namespace minikube::api
