#include "api/world/watch_channel.h"

#include <algorithm>
#include <utility>

namespace minikube::api {

namespace {

// Changes in one step: so many are told together, and then others of the strand's thread have their turn.
constexpr std::size_t kStep = 512;

std::vector<std::string> ValuesOf(const Index& index, const Object* object) {
  return object != nullptr ? index.keys(*object) : std::vector<std::string>();
}

void WakeAll(const std::vector<std::shared_ptr<Watcher>>& watchers) {
  for (const auto& watcher : watchers) watcher->Wake();
}

Status TooSlow() {
  return {Code::kExpired, "the watches of this resource are too slow: too many events are waiting for them"};
}

}  // namespace

WatchChannel::WatchChannel(std::string name, const WatchLimits& limits, Env& env,
                           std::shared_ptr<WatchCounters> counters, const std::atomic<Revision>& published,
                           Revision floor)
    : name_(std::move(name)),
      limits_(limits),
      env_(env),
      counters_(std::move(counters)),
      published_(published),
      complete_(floor),
      floor_(floor) {}

WatchChannel::~WatchChannel() = default;

// ---- On the committer ---------------------------------------------------------------------------------------------

void WatchChannel::Add(std::vector<ObjectChange> changes) {
  // What falls out of the ring is destroyed without the lock.
  std::vector<Slot> old;
  std::lock_guard lock(ring_mu_);
  const std::size_t added = changes.size();
  for (ObjectChange& change : changes) ring_.push_back({std::move(change), {}});
  if (wanted_) ahead_ += added;
  const std::size_t keep = std::max(limits_.ring_events, std::min(ahead_, limits_.max_queue));
  while (ring_.size() > keep) {
    floor_ = ring_.front().change.revision;
    old.push_back(std::move(ring_.front()));
    ring_.pop_front();
  }
  if (ahead_ > ring_.size()) {
    ahead_ = ring_.size();
    overrun_ = true;
  }
  if (!wanted_ || std::exchange(scheduled_, true)) return;
  strand_->Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Step();
  });
}

// ---- Steps --------------------------------------------------------------------------------------------------------

void WatchChannel::Step() {
  Woken woken;
  bool all = false;
  {
    std::lock_guard lock(mu_);
    all = Advance(kStep, woken);
  }
  WakeAll(woken);
  if (all) return;
  strand_->Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Step();
  });
}

bool WatchChannel::Advance(std::size_t most, Woken& woken) {
  // Read first: what was published up to it is in the ring.
  const Revision published = published_.load(std::memory_order_acquire);
  std::vector<std::shared_ptr<const ChangeEvent>> events;
  bool all = false;
  bool overrun = false;
  {
    std::lock_guard lock(ring_mu_);
    overrun = std::exchange(overrun_, false);
    const std::size_t count = std::min(most, ahead_);
    events.reserve(count);
    for (auto it = ring_.end() - static_cast<std::ptrdiff_t>(ahead_); events.size() < count; ++it) {
      events.push_back(EventOf(*it));
    }
    ahead_ -= count;
    all = ahead_ == 0;
    if (all) scheduled_ = false;
  }
  if (overrun) {
    const std::size_t before = woken.size();
    EndAll(TooSlow(), woken);
    counters_->terminated.fetch_add(static_cast<std::int64_t>(woken.size() - before), std::memory_order_relaxed);
  }
  if (!events.empty()) {
    counters_->steps.fetch_add(1, std::memory_order_relaxed);
    counters_->changes.fetch_add(static_cast<std::int64_t>(events.size()), std::memory_order_relaxed);
  }
  std::vector<WatchGroup*> touched;
  for (const auto& event : events) Show(event, touched);
  for (WatchGroup* group : touched) group->Append(woken);
  counters_->wakes.fetch_add(static_cast<std::int64_t>(woken.size()), std::memory_order_relaxed);
  if (all) complete_ = std::max(complete_, published);
  return all;
}

void WatchChannel::Show(const std::shared_ptr<const ChangeEvent>& event, std::vector<WatchGroup*>& touched) {
  const auto show = [&](const Groups& groups) {
    for (const auto& [key, group] : groups) {
      if (group->Look(event)) touched.push_back(group.get());
    }
  };
  const auto show_those_of = [&](const Places& places, const std::string& key) {
    if (const auto it = places.find(key); it != places.end()) show(it->second);
  };
  show(broad_);
  const Object& object = *event->object();
  if (!by_namespace_.empty()) show_those_of(by_namespace_, object.meta().namespace_.str());
  if (!by_name_.empty()) show_those_of(by_name_, object.meta().name.str());
  for (const auto& [index, places] : by_index_) {
    if (places.empty()) continue;
    const std::vector<std::string> now = ValuesOf(*index, &object);
    for (const std::string& value : now) show_those_of(places, value);
    for (const std::string& value : ValuesOf(*index, event->previous().get())) {
      if (std::find(now.begin(), now.end(), value) == now.end()) show_those_of(places, value);
    }
  }
}

std::shared_ptr<const ChangeEvent> WatchChannel::EventOf(Slot& slot) {
  std::shared_ptr<const ChangeEvent> event = slot.event.lock();
  if (event == nullptr) {
    event = std::make_shared<const ChangeEvent>(slot.change);
    slot.event = event;
  }
  return event;
}

// ---- Who watches --------------------------------------------------------------------------------------------------

WatchChannel::Groups& WatchChannel::PlaceOf(const Selection& selection) {
  if (!selection.name().empty()) return by_name_[selection.name()];
  if (selection.index() != nullptr) return by_index_[selection.index()][selection.index_value()];
  if (!selection.ns().empty()) return by_namespace_[selection.ns()];
  return broad_;
}

void WatchChannel::Forget(const Selection& selection, const MessageDesc& message) {
  Groups& place = PlaceOf(selection);
  place.erase({selection.key(), &message});
  if (!place.empty()) return;
  if (!selection.name().empty()) {
    by_name_.erase(selection.name());
  } else if (selection.index() != nullptr) {
    by_index_[selection.index()].erase(selection.index_value());
  } else if (!selection.ns().empty()) {
    by_namespace_.erase(selection.ns());
  }
}

template <typename Each>
void WatchChannel::ForEachGroup(const Each& each) const {
  const auto visit = [&](const Groups& groups) {
    for (const auto& [key, group] : groups) each(*group);
  };
  visit(broad_);
  for (const auto& [ns, groups] : by_namespace_) visit(groups);
  for (const auto& [name, groups] : by_name_) visit(groups);
  for (const auto& [index, places] : by_index_) {
    for (const auto& [value, groups] : places) visit(groups);
  }
}

Result<WatchBegin> WatchChannel::Attach(const MessageDesc& message, Selection selection, Revision since, bool bookmarks,
                                        Task on_ready) {
  std::lock_guard lock(mu_);
  if (!ended_.ok()) return ended_;
  if (strand_ == nullptr) strand_ = env_.NewStrand(name_);
  WatchBegin begin;
  Revision told = 0;  // of what is in the ring it is told nothing
  {
    std::lock_guard ring(ring_mu_);
    wanted_ = true;
    begin.covered = std::max(since, floor_);
    told = ring_.empty() ? begin.covered : std::max(begin.covered, ring_.back().change.revision);
    auto first = ring_.end();
    while (first != ring_.begin() && std::prev(first)->change.revision > begin.covered) --first;
    for (; first != ring_.end(); ++first) begin.backlog.push_back(EventOf(*first));
  }
  std::shared_ptr<WatchGroup>& group = PlaceOf(selection)[{selection.key(), &message}];
  if (group == nullptr) {
    group = std::make_shared<WatchGroup>(std::move(selection), message, limits_.max_queue, counters_);
  }
  begin.watcher = std::make_shared<Watcher>(group, weak_from_this(), told, std::move(on_ready));
  group->Join(begin.watcher);
  ++watchers_;
  if (bookmarks) {
    // Spread over the interval, however many begin at once: multiples of the golden ratio are as far apart as can be.
    constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
    const std::uint64_t share = (++attached_ * kGolden) >> 48;  // of 65,536
    const Duration::rep whole = limits_.bookmark_interval.count();
    ArmBookmark(begin.watcher, Duration(whole - whole / 65536 * static_cast<Duration::rep>(share)));
  }
  return begin;
}

void WatchChannel::Detach(const std::shared_ptr<Watcher>& watcher) {
  // Destroyed without the lock.
  std::shared_ptr<WatchGroup> gone;
  std::lock_guard lock(mu_);
  if (watcher->timer_ != 0) strand_->Cancel(std::exchange(watcher->timer_, 0));
  if (watcher->group_->Leave(*watcher)) {
    gone = watcher->group_;
    Forget(gone->selection(), gone->message());
  }
  if (--watchers_ > 0) return;
  std::lock_guard ring(ring_mu_);
  wanted_ = false;
  ahead_ = 0;
  overrun_ = false;
}

std::size_t WatchChannel::watchers() const {
  std::lock_guard lock(mu_);
  return watchers_;
}

// ---- Bookmarks ----------------------------------------------------------------------------------------------------

void WatchChannel::ArmBookmark(const std::shared_ptr<Watcher>& watcher, Duration delay) {
  watcher->timer_ = strand_->After(delay, [weak = weak_from_this(), watcher = std::weak_ptr(watcher)] {
    if (const auto self = weak.lock()) self->SendBookmark(watcher);
  });
}

void WatchChannel::SendBookmark(const std::weak_ptr<Watcher>& weak) {
  Woken woken;
  {
    std::lock_guard lock(mu_);
    const std::shared_ptr<Watcher> watcher = weak.lock();
    if (watcher == nullptr || watcher->timer_ == 0) return;  // it has left
    // What is published by now comes before it.
    Advance(kStep, woken);
    if (watcher->Bookmark(complete_)) woken.push_back(watcher);
    counters_->bookmarks.fetch_add(1, std::memory_order_relaxed);
    ArmBookmark(watcher, limits_.bookmark_interval);
  }
  WakeAll(woken);
}

// ---- The end ------------------------------------------------------------------------------------------------------

void WatchChannel::EndAll(const Status& why, Woken& woken) {
  ForEachGroup([&](WatchGroup& group) { group.End(why, woken); });
}

void WatchChannel::End(const Status& why) {
  Woken woken;
  {
    std::lock_guard lock(mu_);
    while (!Advance(kStep, woken)) {
    }
    ended_ = why;
    EndAll(why, woken);
  }
  WakeAll(woken);
}

void WatchChannel::EndLater(Status why) {
  {
    std::lock_guard lock(mu_);
    if (strand_ == nullptr) {
      ended_ = std::move(why);
      return;
    }
  }
  strand_->Post([weak = weak_from_this(), why = std::move(why)] {
    if (const auto self = weak.lock()) self->End(why);
  });
}

}  // namespace minikube::api
