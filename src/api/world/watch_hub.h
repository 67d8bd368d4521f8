// WatchHub: tells every watcher what changed. Per kind it keeps the newest changes in a ring, so that a watch can begin
// a little in the past; what is older comes from the store's history (see watch.h).
//
// Flow: the cache publishes a batch (on the committer); each channel pushes the events that pass a watcher's selection
// to that watcher's bounded queue and wakes it; its owner pulls with WatchStream::Take. Watches for one object, or for
// one value of an index (the pods of a node), are found by it: thousands of node agents cost an event nothing.
// Thread safety: every member, any thread; Publish from one at a time. A channel's lock covers its ring and its list of
// watchers; no callback runs under it.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/world/change_event.h"
#include "api/world/selection.h"
#include "api/world/stored_kind.h"

namespace minikube::api {

struct KindEvent {
  const StoredKind* kind = nullptr;
  std::shared_ptr<const ChangeEvent> change;
};

class Watcher;

class WatchHub {
 public:
  struct Options {
    std::size_t max_queue = 8192;    // events waiting for a watcher; beyond, it is ended with kExpired
    std::size_t ring_events = 1024;  // per kind
  };
  explicit WatchHub(Options options);
  ~WatchHub();

  // From this revision on, everything is published.
  void Start(Revision revision);
  // That kind is not stored any more: ends its watches.
  void Retire(const StoredKind& kind);
  // All events up to `revision`, in order.
  void Publish(const std::vector<KindEvent>& events, Revision revision);
  Revision revision() const { return revision_.load(std::memory_order_acquire); }

  struct Begin {
    std::shared_ptr<Watcher> watcher;
    Revision covered = 0;  // the watcher gets everything above this; what was asked for below it is for the caller
  };
  // Attaches a watcher that gets the changes above `since`, or above the oldest one still in the ring. `message` is the
  // type it wants objects in. Errors: kUnavailable after Stop.
  Result<Begin> Attach(const StoredKind& kind, const MessageDesc& message, Selection selection, Revision since,
                       bool bookmarks, Task on_ready);
  void Detach(const StoredKind& kind, const std::shared_ptr<Watcher>& watcher);

  // Tells every watcher that asked for bookmarks how far it has come.
  void SendBookmarks();
  // Ends every watch with `why`; later ones are refused with it.
  void Stop(Status why);
  std::size_t watchers() const;
  // Watches that were ended because they were too slow, so far.
  std::int64_t terminated() const { return terminated_->load(std::memory_order_relaxed); }

 private:
  struct Channel;
  const Options options_;
  std::atomic<Revision> revision_{0};
  // Shared: a watcher may outlive the hub.
  const std::shared_ptr<std::atomic<std::int64_t>> terminated_ = std::make_shared<std::atomic<std::int64_t>>(0);
  // The channel of a kind, made when it is first needed; shared: Retire may come while it is in use.
  std::shared_ptr<Channel> ChannelOf(const StoredKind& kind);
  std::vector<std::shared_ptr<Channel>> AllChannels() const;
  static void EndAll(Channel& channel, const Status& why);

  mutable std::shared_mutex channels_mu_;                               // guards the map and stopped_
  std::unordered_map<std::size_t, std::shared_ptr<Channel>> channels_;  // by StoredKind::index
  Status stopped_;
};

// What a watcher sees of a change: none, or an item.
class ChangeView {
 public:
  explicit ChangeView(std::shared_ptr<const ChangeEvent> change) : change_(std::move(change)) {}
  // The item for that selection in that type; null change if the selection does not see it. Conversions and departures
  // are made once per view and shared.
  WatchItem For(const Selection& selection, const MessageDesc& message);

 private:
  std::shared_ptr<const ChangeEvent> InType(const std::shared_ptr<const ChangeEvent>& change,
                                            const MessageDesc& message);
  std::shared_ptr<const ChangeEvent> change_;
  std::shared_ptr<const ChangeEvent> departure_;  // as a deletion, for those whose selection it has left
  std::map<std::pair<const ChangeEvent*, const MessageDesc*>, std::shared_ptr<const ChangeEvent>> converted_;
};

// A bounded queue between the hub and one stream.
class Watcher {
 public:
  // `terminated` counts those that were too slow.
  Watcher(const MessageDesc& message, Selection selection, bool bookmarks, std::size_t max_queue,
          std::shared_ptr<std::atomic<std::int64_t>> terminated, Task on_ready)
      : message(message),
        selection(std::move(selection)),
        bookmarks(bookmarks),
        max_queue_(max_queue),
        terminated_(std::move(terminated)),
        on_ready_(std::move(on_ready)) {}

  const MessageDesc& message;
  const Selection selection;
  const bool bookmarks;

  // Returns whether the owner must be woken (outside any lock of the hub).
  bool Push(WatchItem item);
  bool PushBookmark(Revision revision);
  bool End(Status why);
  void Wake();
  std::vector<WatchItem> Take(Status& end);
  // After it returns, on_ready is not called any more.
  void Close();

 private:
  const std::size_t max_queue_;
  const std::shared_ptr<std::atomic<std::int64_t>> terminated_;
  std::mutex mu_;  // guards queue_ and end_
  std::vector<WatchItem> queue_;
  Status end_;
  std::recursive_mutex call_mu_;  // held around on_ready; recursive: on_ready may close its own stream
  Task on_ready_;
};

}  // namespace minikube::api
