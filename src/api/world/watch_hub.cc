#include "api/world/watch_hub.h"

#include <algorithm>

#include "api/world/served.h"

namespace minikube::api {

namespace {

std::vector<std::string> ValuesOf(const Index& index, const Object* object) {
  return object != nullptr ? index.keys(*object) : std::vector<std::string>();
}

}  // namespace

// ---- Watcher ------------------------------------------------------------------------------------------------------

bool Watcher::Push(WatchItem item) {
  std::lock_guard lock(mu_);
  if (!end_.ok()) return false;
  const bool was_empty = queue_.empty();
  if (queue_.size() >= max_queue_) {
    queue_.clear();
    terminated_->fetch_add(1, std::memory_order_relaxed);
    end_ = Status(Code::kExpired, "the watcher is too slow: too many events are waiting for it");
    return true;
  }
  queue_.push_back(std::move(item));
  return was_empty;
}

bool Watcher::PushBookmark(Revision revision) {
  std::lock_guard lock(mu_);
  // A watcher that has events waiting is told how far it is by those.
  if (!end_.ok() || !queue_.empty()) return false;
  queue_.push_back({WatchEvent::Type::kBookmark, nullptr, revision, false});
  return true;
}

bool Watcher::End(Status why) {
  std::lock_guard lock(mu_);
  if (!end_.ok()) return false;
  end_ = std::move(why);
  return true;
}

void Watcher::Wake() {
  std::lock_guard call(call_mu_);
  if (on_ready_) on_ready_();
}

std::vector<WatchItem> Watcher::Take(Status& end) {
  std::lock_guard lock(mu_);
  end = end_;
  return std::exchange(queue_, {});
}

void Watcher::Close() {
  std::lock_guard call(call_mu_);
  on_ready_ = nullptr;
}

// ---- ChangeView ---------------------------------------------------------------------------------------------------

std::shared_ptr<const ChangeEvent> ChangeView::InType(const std::shared_ptr<const ChangeEvent>& change,
                                                      const MessageDesc& message) {
  if (&change->object()->desc() == &message) return change;
  auto& slot = converted_[{change.get(), &message}];
  if (slot == nullptr) {
    Result<ObjectRef> object = InServedType(change->object(), message);
    if (!object) return nullptr;
    slot = std::make_shared<const ChangeEvent>(std::move(object).value(), change->previous(), change->deleted(),
                                               change->revision());
  }
  return slot;
}

WatchItem ChangeView::For(const Selection& selection, const MessageDesc& message) {
  WatchItem item;
  item.revision = change_->revision();
  const bool before = change_->previous().get() != nullptr && selection.Matches(*change_->previous());
  const bool now = !change_->deleted() && selection.Matches(*change_->object());
  if (now) {
    item.type = before ? WatchEvent::Type::kModified : WatchEvent::Type::kAdded;
    item.change = InType(change_, message);
  } else if (before) {
    item.type = WatchEvent::Type::kDeleted;
    if (!change_->deleted() && departure_ == nullptr) {
      // It still exists, but not for this selection: what the watcher knew, at the revision it stopped being true.
      ObjectPtr last = ObjectPtr::Clone(*change_->previous());
      last->mutable_meta().resourceVersion = std::to_string(change_->revision());
      departure_ =
          std::make_shared<const ChangeEvent>(std::move(last).Freeze(), change_->previous(), true, change_->revision());
    }
    item.change = InType(change_->deleted() ? change_ : departure_, message);
  }
  return item;
}

// ---- WatchHub -----------------------------------------------------------------------------------------------------

struct WatchHub::Channel {
  using List = std::vector<std::shared_ptr<Watcher>>;
  using Lists = std::unordered_map<std::string, List>;

  mutable std::mutex mu;
  std::deque<std::shared_ptr<const ChangeEvent>> ring;
  Revision floor = 0;  // changes above it are all in the ring
  List broad;
  Lists by_name;
  std::map<const Index*, Lists> by_index;
  Status stopped;

  // Where a watcher with that selection is kept.
  List& HomeOf(const Selection& selection) {
    if (!selection.name().empty()) return by_name[selection.name()];
    if (selection.index() != nullptr) return by_index[selection.index()][selection.index_value()];
    return broad;
  }
  template <typename F>
  void ForEach(const F& f) const {
    for (const auto& watcher : broad) f(watcher);
    for (const auto& [name, list] : by_name) std::for_each(list.begin(), list.end(), f);
    for (const auto& [index, lists] : by_index) {
      for (const auto& [value, list] : lists) std::for_each(list.begin(), list.end(), f);
    }
  }
};

WatchHub::WatchHub(Options options) : options_(options) {}

WatchHub::~WatchHub() = default;

std::shared_ptr<WatchHub::Channel> WatchHub::ChannelOf(const StoredKind& kind) {
  {
    std::shared_lock lock(channels_mu_);
    const auto it = channels_.find(kind.index);
    if (it != channels_.end()) return it->second;
  }
  std::unique_lock lock(channels_mu_);
  std::shared_ptr<Channel>& channel = channels_[kind.index];
  if (channel == nullptr) {
    channel = std::make_shared<Channel>();
    channel->floor = revision();  // what is older comes from the store's history
    channel->stopped = stopped_;
  }
  return channel;
}

std::vector<std::shared_ptr<WatchHub::Channel>> WatchHub::AllChannels() const {
  std::shared_lock lock(channels_mu_);
  std::vector<std::shared_ptr<Channel>> all;
  all.reserve(channels_.size());
  for (const auto& [index, channel] : channels_) all.push_back(channel);
  return all;
}

void WatchHub::Start(Revision revision) { revision_.store(revision, std::memory_order_release); }

void WatchHub::Retire(const StoredKind& kind) {
  std::shared_ptr<Channel> channel;
  {
    std::unique_lock lock(channels_mu_);
    const auto it = channels_.find(kind.index);
    if (it == channels_.end()) return;
    channel = std::move(it->second);
    channels_.erase(it);
  }
  EndAll(*channel, Status(Code::kExpired, "the resource is not served any more"));
}

void WatchHub::Publish(const std::vector<KindEvent>& events, Revision revision) {
  std::vector<std::shared_ptr<Watcher>> woken;
  for (const KindEvent& event : events) {
    const std::shared_ptr<Channel> held = ChannelOf(*event.kind);
    Channel& channel = *held;
    ChangeView view(event.change);
    const auto tell = [&](const std::shared_ptr<Watcher>& watcher) {
      WatchItem item = view.For(watcher->selection, watcher->message);
      if (item.change != nullptr && watcher->Push(std::move(item))) woken.push_back(watcher);
    };
    const auto tell_those_of = [&](const Channel::Lists& lists, const std::string& key) {
      const auto it = lists.find(key);
      if (it != lists.end()) std::for_each(it->second.begin(), it->second.end(), tell);
    };
    std::lock_guard lock(channel.mu);
    channel.ring.push_back(event.change);
    if (channel.ring.size() > options_.ring_events) {
      channel.floor = channel.ring.front()->revision();
      channel.ring.pop_front();
    }
    std::for_each(channel.broad.begin(), channel.broad.end(), tell);
    const Object& object = *event.change->object();
    if (!channel.by_name.empty()) tell_those_of(channel.by_name, object.meta().name.str());
    for (const auto& [index, lists] : channel.by_index) {
      if (lists.empty()) continue;
      const std::vector<std::string> now = ValuesOf(*index, &object);
      for (const std::string& value : now) tell_those_of(lists, value);
      for (const std::string& value : ValuesOf(*index, event.change->previous().get())) {
        if (std::find(now.begin(), now.end(), value) == now.end()) tell_those_of(lists, value);
      }
    }
  }
  revision_.store(revision, std::memory_order_release);
  for (const auto& watcher : woken) watcher->Wake();
}

Result<WatchHub::Begin> WatchHub::Attach(const StoredKind& kind, const MessageDesc& message, Selection selection,
                                         Revision since, bool bookmarks, Task on_ready) {
  const std::shared_ptr<Channel> held = ChannelOf(kind);
  Channel& channel = *held;
  auto watcher = std::make_shared<Watcher>(message, std::move(selection), bookmarks, options_.max_queue, terminated_,
                                           std::move(on_ready));
  std::lock_guard lock(channel.mu);
  if (!channel.stopped.ok()) return channel.stopped;
  Begin begin{watcher, std::max(since, channel.floor)};
  for (const auto& change : channel.ring) {
    if (change->revision() <= begin.covered) continue;
    WatchItem item = ChangeView(change).For(watcher->selection, message);
    // Not woken: the owner begins by taking.
    if (item.change != nullptr) watcher->Push(std::move(item));
  }
  channel.HomeOf(watcher->selection).push_back(watcher);
  return begin;
}

void WatchHub::Detach(const StoredKind& kind, const std::shared_ptr<Watcher>& watcher) {
  const std::shared_ptr<Channel> held = ChannelOf(kind);
  Channel& channel = *held;
  std::lock_guard lock(channel.mu);
  Channel::List& home = channel.HomeOf(watcher->selection);
  std::erase(home, watcher);
  if (!home.empty()) return;
  if (!watcher->selection.name().empty()) {
    channel.by_name.erase(watcher->selection.name());
  } else if (watcher->selection.index() != nullptr) {
    channel.by_index[watcher->selection.index()].erase(watcher->selection.index_value());
  }
}

void WatchHub::SendBookmarks() {
  std::vector<std::shared_ptr<Watcher>> woken;
  for (const auto& channel : AllChannels()) {
    // Read before the lock: whatever is at or below it has been pushed by then or is pushed before us.
    const Revision revision = this->revision();
    std::lock_guard lock(channel->mu);
    channel->ForEach([&](const std::shared_ptr<Watcher>& watcher) {
      if (watcher->bookmarks && watcher->PushBookmark(revision)) woken.push_back(watcher);
    });
  }
  for (const auto& watcher : woken) watcher->Wake();
}

void WatchHub::EndAll(Channel& channel, const Status& why) {
  std::vector<std::shared_ptr<Watcher>> woken;
  {
    std::lock_guard lock(channel.mu);
    channel.stopped = why;
    channel.ForEach([&](const std::shared_ptr<Watcher>& watcher) {
      if (watcher->End(why)) woken.push_back(watcher);
    });
  }
  for (const auto& watcher : woken) watcher->Wake();
}

void WatchHub::Stop(Status why) {
  {
    std::unique_lock lock(channels_mu_);
    stopped_ = why;
  }
  for (const auto& channel : AllChannels()) EndAll(*channel, why);
}

std::size_t WatchHub::watchers() const {
  std::size_t count = 0;
  for (const auto& channel : AllChannels()) {
    std::lock_guard lock(channel->mu);
    channel->ForEach([&](const std::shared_ptr<Watcher>&) { ++count; });
  }
  return count;
}

}  // namespace minikube::api
