#include "api/world/watch_hub.h"

#include <utility>

namespace minikube::api {

WatchHub::WatchHub(WatchLimits limits, Env& env) : limits_(limits), env_(env) {}

WatchHub::~WatchHub() = default;

WatchHub::Channel WatchHub::ChannelOf(const StoredKind& kind) {
  {
    std::shared_lock lock(channels_mu_);
    const auto it = channels_.find(kind.index);
    if (it != channels_.end()) return it->second;
  }
  std::unique_lock lock(channels_mu_);
  Channel& channel = channels_[kind.index];
  if (channel == nullptr) {
    // What is older comes from the store's history.
    channel = std::make_shared<WatchChannel>("watch." + std::string(kind.resource->plural), limits_, env_, counters_,
                                             revision_, revision());
    if (!stopped_.ok()) channel->End(stopped_);
  }
  return channel;
}

std::vector<WatchHub::Channel> WatchHub::AllChannels() const {
  std::shared_lock lock(channels_mu_);
  std::vector<Channel> all;
  all.reserve(channels_.size());
  for (const auto& [index, channel] : channels_) all.push_back(channel);
  return all;
}

void WatchHub::Start(Revision revision) { revision_.store(revision, std::memory_order_release); }

void WatchHub::Retire(const StoredKind& kind) {
  Channel channel;
  {
    std::unique_lock lock(channels_mu_);
    const auto it = channels_.find(kind.index);
    if (it == channels_.end()) return;
    channel = std::move(it->second);
    channels_.erase(it);
    std::erase_if(retired_, [](const Channel& old) { return old->watchers() == 0; });
    retired_.push_back(channel);
  }
  // Its last objects' deletions come first.
  channel->EndLater(Status(Code::kExpired, "the resource is not served any more"));
}

void WatchHub::Publish(std::vector<KindChange> changes, Revision revision) {
  // Most batches are of one kind or two; what is of one kind goes to its channel together, for a transaction must not
  // be seen in part.
  std::vector<ObjectChange> together;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const StoredKind* kind = changes[i].kind;
    if (kind == nullptr) continue;
    for (std::size_t j = i; j < changes.size(); ++j) {
      if (changes[j].kind != kind) continue;
      together.push_back(std::move(changes[j].change));
      changes[j].kind = nullptr;
    }
    ChannelOf(*kind)->Add(std::exchange(together, {}));
  }
  revision_.store(revision, std::memory_order_release);
}

Result<WatchBegin> WatchHub::Attach(const StoredKind& kind, const MessageDesc& message, Selection selection,
                                    Revision since, bool bookmarks, Task on_ready) {
  return ChannelOf(kind)->Attach(message, std::move(selection), since, bookmarks, std::move(on_ready));
}

void WatchHub::Detach(const std::shared_ptr<Watcher>& watcher) {
  if (const Channel channel = watcher->channel()) channel->Detach(watcher);
  watcher->Close();
}

void WatchHub::Stop(const Status& why) {
  {
    std::unique_lock lock(channels_mu_);
    stopped_ = why;
  }
  for (const Channel& channel : AllChannels()) channel->End(why);
}

std::size_t WatchHub::watchers() const {
  std::size_t count = 0;
  for (const Channel& channel : AllChannels()) count += channel->watchers();
  return count;
}

}  // namespace minikube::api
