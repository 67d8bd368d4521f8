// Who is told of changes. Watchers of one kind with the same selection share a WatchGroup: what the selection sees of
// the changes is found out once for all of them, and kept in one log until the last of them has taken it. A watcher is
// a place in that log, so a thousand of them cost a change no more than one does, but for waking them.
//
// Limits: a watcher that is more than `max_behind` items behind is ended with kExpired. A group's log is never longer
// than that and one step, however many and however slow its watchers are.
// Thread safety: every member, any thread, where it does not say otherwise. A group's lock covers its log and its
// watchers' places; nothing is called under it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include <minikube/env.h>

#include "api/world/change_event.h"
#include "api/world/selection.h"

namespace minikube::api {

class WatchChannel;
class Watcher;

// What watching has cost so far; each is exact on its own.
struct WatchCounters {
  std::atomic<std::int64_t> steps{0};        // of channels that had news
  std::atomic<std::int64_t> changes{0};      // that steps looked at
  std::atomic<std::int64_t> evaluations{0};  // of a selection against a change
  std::atomic<std::int64_t> items{0};        // put into a group's log
  std::atomic<std::int64_t> wakes{0};        // of watchers that had taken everything before
  std::atomic<std::int64_t> bookmarks{0};
  std::atomic<std::int64_t> terminated{0};  // watchers that were too slow
};

class WatchGroup {
 public:
  WatchGroup(Selection selection, const MessageDesc& message, std::size_t max_behind,
             std::shared_ptr<WatchCounters> counters)
      : selection_(std::move(selection)), message_(message), max_behind_(max_behind), counters_(std::move(counters)) {}

  const Selection& selection() const { return selection_; }
  const MessageDesc& message() const { return message_; }

  void Join(const std::shared_ptr<Watcher>& watcher);
  // True if it was the last.
  bool Leave(const Watcher& watcher);
  // Puts what the selection sees of that change aside for Append; true if it is the first. By one thread at a time.
  bool Look(const std::shared_ptr<const ChangeEvent>& change);
  // Adds what was put aside to the log, ends watchers that are too slow, and adds those that must be woken to `woken`.
  // By the thread that looked.
  void Append(std::vector<std::shared_ptr<Watcher>>& woken);
  // Ends its watchers with `why` once they have taken what there is; adds them to `woken`.
  void End(const Status& why, std::vector<std::shared_ptr<Watcher>>& woken);

 private:
  friend class Watcher;
  std::uint64_t log_end() const { return log_begin_ + log_.size(); }
  // `watcher` has taken the whole log.
  void CaughtUp(Watcher& watcher);
  // Forgets what nobody needs any more.
  void Trim();

  const Selection selection_;
  const MessageDesc& message_;
  const std::size_t max_behind_;
  const std::shared_ptr<WatchCounters> counters_;
  std::vector<WatchItem> aside_;  // of the step that runs

  std::mutex mu_;  // guards what is below, and the places of the watchers
  std::deque<WatchItem> log_;
  std::uint64_t log_begin_ = 0;  // the number of the log's first item
  std::vector<std::shared_ptr<Watcher>> watchers_;
  std::size_t behind_ = 0;  // watchers that have not taken the whole log
};

class Watcher {
 public:
  // Is told what has a revision above `after`. Lifetime: the channel may go first.
  Watcher(std::shared_ptr<WatchGroup> group, std::weak_ptr<WatchChannel> channel, Revision after, Task on_ready)
      : group_(std::move(group)),
        channel_(std::move(channel)),
        after_(after),
        told_(after),
        on_ready_(std::move(on_ready)) {}

  const Selection& selection() const { return group_->selection(); }
  const MessageDesc& message() const { return group_->message(); }
  // Null once it has gone.
  std::shared_ptr<WatchChannel> channel() const { return channel_.lock(); }

  // As WatchStream's.
  std::vector<WatchItem> Take(Status& end);
  void Skip(Revision revision, Status& end);
  // Tells it how far it has come, unless an event does; true if it must be woken. Everything up to `revision` is in the
  // log.
  bool Bookmark(Revision revision);

  void Wake();
  // After it returns, on_ready is not called any more.
  void Close();

 private:
  friend class WatchGroup;
  friend class WatchChannel;

  const std::shared_ptr<WatchGroup> group_;
  const std::weak_ptr<WatchChannel> channel_;
  // Guarded by the group's lock.
  Revision after_;
  Revision told_;           // the last item's, or what was known before
  std::uint64_t next_ = 0;  // the number of the item it takes next
  bool is_behind_ = false;  // counted in the group's behind_
  Revision bookmark_ = 0;   // that waits to be taken
  Status end_;
  // Guarded by the channel's lock.
  TimerId timer_ = 0;  // of its next bookmark

  std::recursive_mutex call_mu_;  // held around on_ready; recursive: on_ready may close its own stream
  Task on_ready_;
};

}  // namespace minikube::api
