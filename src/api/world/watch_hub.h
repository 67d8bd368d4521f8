// WatchHub: tells every watcher what changed, by way of one WatchChannel for each stored kind.
//
// The cache publishes a batch on the committer, which puts it into the channels' rings and does nothing else; what
// watchers select, in which form, and that they are woken, is the business of each channel's strand and of who takes.
// Thread safety: every member, any thread; Publish from one at a time.
#pragma once

#include <atomic>
#include <memory>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include <minikube/env.h>

#include "api/world/change_event.h"
#include "api/world/selection.h"
#include "api/world/stored_kind.h"
#include "api/world/watch_channel.h"

namespace minikube::api {

struct KindChange {
  const StoredKind* kind = nullptr;
  ObjectChange change;
};

class WatchHub {
 public:
  // `env` outlives it.
  WatchHub(WatchLimits limits, Env& env);
  ~WatchHub();

  // From this revision on, everything is published.
  void Start(Revision revision);
  // That kind is not stored any more: ends its watches.
  void Retire(const StoredKind& kind);
  // All changes up to `revision`, in order.
  void Publish(std::vector<KindChange> changes, Revision revision);
  Revision revision() const { return revision_.load(std::memory_order_acquire); }

  // Attaches a watcher that is told the changes above `since`, or above the oldest one still in the ring. `message` is
  // the type it wants objects in; `on_ready` is called (any thread, short) when there is something to take again.
  // Errors: kUnavailable after Stop.
  Result<WatchBegin> Attach(const StoredKind& kind, const MessageDesc& message, Selection selection, Revision since,
                            bool bookmarks, Task on_ready);
  // It is called no more once this has returned.
  static void Detach(const std::shared_ptr<Watcher>& watcher);

  // Ends every watch with `why`; later ones are refused with it.
  void Stop(const Status& why);
  std::size_t watchers() const;
  const WatchCounters& counters() const { return *counters_; }

 private:
  using Channel = std::shared_ptr<WatchChannel>;
  // The channel of a kind, made when it is first needed; shared: Retire may come while it is in use.
  Channel ChannelOf(const StoredKind& kind);
  std::vector<Channel> AllChannels() const;

  const WatchLimits limits_;
  Env& env_;
  std::atomic<Revision> revision_{0};
  // Shared: a watcher may outlive the hub.
  const std::shared_ptr<WatchCounters> counters_ = std::make_shared<WatchCounters>();

  mutable std::shared_mutex channels_mu_;              // guards what is below
  std::unordered_map<std::size_t, Channel> channels_;  // by StoredKind::index
  std::vector<Channel> retired_;                       // whose watchers are still to be told
  Status stopped_;
};

}  // namespace minikube::api
