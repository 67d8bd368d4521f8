// WatchChannel: the changes of one stored kind on their way to its watchers.
//
// Flow: the committer adds a batch to the ring (Add), which is all that it does. The channel's strand takes what it has
// not looked at yet (a step), shows each change to the groups of watchers that may want it, and wakes those that had
// taken everything before. Groups for one name, one value of an index (the pods of a node) or one namespace are found
// by it: thousands of node agents cost a change nothing.
//
// The ring keeps the newest changes, so that a watch can begin a little in the past; what is older comes from the
// store's history (registry/watch.h). What the strand has not looked at is kept too, up to `max_queue`; if it falls
// further behind, the channel's watches end with kExpired, as those of a watcher that is too slow.
//
// Lock order: mu_, then ring_mu_ or a group's. The committer takes ring_mu_ alone, which is held for moments.
// Thread safety: every member, any thread; Add from one at a time.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <minikube/env.h>

#include "api/world/change_event.h"
#include "api/world/selection.h"
#include "api/world/stored_kind.h"
#include "api/world/watcher.h"

namespace minikube::api {

// How much watching may cost.
struct WatchLimits {
  std::size_t max_queue = 8192;    // events that may wait for a watcher; beyond, it is ended with kExpired
  std::size_t ring_events = 1024;  // changes of a kind that a watch can begin before without reading history
  Duration bookmark_interval = std::chrono::minutes(1);
};

// Where a watch begins.
struct WatchBegin {
  std::shared_ptr<Watcher> watcher;
  Revision covered = 0;  // it is told everything above this; what was asked for below it is for the caller
  std::vector<std::shared_ptr<const ChangeEvent>> backlog;  // changes above `covered` that the watcher is not told
};

class WatchChannel : public std::enable_shared_from_this<WatchChannel> {
 public:
  // `name` is its strand's. Changes up to `floor` are not in it. `published` is the revision up to which all channels
  // have been given everything.
  WatchChannel(std::string name, const WatchLimits& limits, Env& env, std::shared_ptr<WatchCounters> counters,
               const std::atomic<Revision>& published, Revision floor);
  ~WatchChannel();

  // The changes of one batch, in order, whole transactions. Does nothing but keep them and post.
  void Add(std::vector<ObjectChange> changes);

  // Errors: the reason once it has ended.
  Result<WatchBegin> Attach(const MessageDesc& message, Selection selection, Revision since, bool bookmarks,
                            Task on_ready);
  void Detach(const std::shared_ptr<Watcher>& watcher);

  // Tells the watchers what they have not been told, then ends them with `why`; later ones are refused with it.
  void End(const Status& why);
  // The same as a task of its own.
  void EndLater(Status why);
  std::size_t watchers() const;

 private:
  using Group = std::shared_ptr<WatchGroup>;
  // By what they select, and within one place in order of Selection::key and type.
  using Groups = std::map<std::pair<std::string, const MessageDesc*>, Group>;
  using Places = std::unordered_map<std::string, Groups>;
  // A change in the ring, and what watchers are told of it while any of them has it.
  struct Slot {
    ObjectChange change;
    std::weak_ptr<const ChangeEvent> event;
  };
  using Woken = std::vector<std::shared_ptr<Watcher>>;

  // Where groups with that selection are kept.
  Groups& PlaceOf(const Selection& selection);
  void Forget(const Selection& selection, const MessageDesc& message);
  static std::shared_ptr<const ChangeEvent> EventOf(Slot& slot);
  // One step, on the strand, and another one if that was not all.
  void Step();
  // Shows the watchers up to `most` changes; true if that was all. With mu_ held; those in `woken` are to be woken
  // without.
  bool Advance(std::size_t most, Woken& woken);
  void Show(const std::shared_ptr<const ChangeEvent>& event, std::vector<WatchGroup*>& touched);
  void EndAll(const Status& why, Woken& woken);
  template <typename Each>
  void ForEachGroup(const Each& each) const;
  void ArmBookmark(const std::shared_ptr<Watcher>& watcher, Duration delay);
  void SendBookmark(const std::weak_ptr<Watcher>& weak);

  const std::string name_;
  const WatchLimits limits_;
  Env& env_;
  const std::shared_ptr<WatchCounters> counters_;
  const std::atomic<Revision>& published_;

  mutable std::mutex mu_;  // guards what is below, up to ring_mu_
  Groups broad_;
  Places by_namespace_;
  Places by_name_;
  std::map<const Index*, Places> by_index_;
  std::size_t watchers_ = 0;
  std::uint64_t attached_ = 0;  // watchers so far that wanted bookmarks
  Revision complete_ = 0;       // the groups have everything up to it
  Status ended_;

  std::mutex ring_mu_;  // guards what is below
  std::deque<Slot> ring_;
  Revision floor_;         // changes above it are all in the ring
  std::size_t ahead_ = 0;  // the last so many changes of the ring are still to be looked at
  bool overrun_ = false;   // changes fell out of the ring before that
  bool wanted_ = false;    // there are watchers
  bool scheduled_ = false;

  std::unique_ptr<Strand> strand_;  // made for the first watcher; last, so that its tasks end first
};

}  // namespace minikube::api
