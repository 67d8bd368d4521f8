#include <minikube/informer.h>

#include <algorithm>
#include <set>
#include <utility>

#include "client/reflector.h"

namespace minikube {
namespace {

// One index as a flat, ordered set of (value, key): 64 bytes per entry, whatever the number of objects per value.
struct Index {
  using Entry = std::pair<Str, ObjectKey>;

  std::function<std::vector<std::string>(const Object&)> keys_of;
  std::set<Entry> entries;

  void Update(const ObjectKey& key, const ObjectRef& before, const ObjectRef& after) {
    std::vector<std::string> old_values = Values(before);
    std::vector<std::string> new_values = Values(after);
    if (old_values == new_values) return;
    for (const std::string& value : old_values) {
      if (!std::binary_search(new_values.begin(), new_values.end(), value)) entries.erase(Entry{value, key});
    }
    for (const std::string& value : new_values) {
      if (std::binary_search(old_values.begin(), old_values.end(), value)) continue;
      auto next = entries.lower_bound(Entry{value, ObjectKey{}});
      // Entries of one value share its string.
      const bool known = next != entries.end() && next->first == value;
      entries.insert(Entry{known ? next->first : Str(value), key});
    }
  }

 private:
  std::vector<std::string> Values(const ObjectRef& object) const {
    if (!object) return {};
    std::vector<std::string> values = keys_of(*object);
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
  }
};

}  // namespace

struct Informer::Impl final : client::Reflector::Sink, std::enable_shared_from_this<Informer::Impl> {
  explicit Impl(const ResourceDesc& r) : resource(r) {}

  void OnList(std::vector<ObjectRef> items, std::int64_t list_revision) override {
    const auto self = shared_from_this();  // a handler may destroy the Informer
    std::vector<ObjectKey> gone;
    {
      std::set<ObjectKey> listed;
      if (!objects.empty()) {
        for (const ObjectRef& item : items) listed.insert(ObjectKey::Of(*item));
      }
      for (const auto& [key, object] : objects) {
        if (!listed.contains(key)) gone.push_back(key);
      }
    }
    for (const ObjectKey& key : gone) {
      Apply(key, nullptr);
      if (stopped) return;
    }
    for (ObjectRef& item : items) {
      const ObjectKey key = ObjectKey::Of(*item);
      Apply(key, std::move(item));
      if (stopped) return;
    }
    revision = list_revision;
    if (!std::exchange(synced, true)) {
      for (auto& handler : std::exchange(on_synced, {})) {
        handler();
        if (stopped) return;
      }
    }
    TellReached();
    while (!stopped && !refreshes.empty() && refreshes.begin()->first <= reflector->lists()) {
      auto refreshed = std::move(refreshes.begin()->second);
      refreshes.erase(refreshes.begin());
      refreshed();
    }
  }

  void OnEvents(std::vector<WatchEvent> events) override {
    const auto self = shared_from_this();
    for (WatchEvent& event : events) {
      if (event.type != WatchEvent::Type::kBookmark) {
        const ObjectKey key = ObjectKey::Of(*event.object);
        Apply(key, event.type == WatchEvent::Type::kDeleted ? ObjectRef() : std::move(event.object));
        if (stopped) return;
      }
      revision = std::max(revision, event.revision);
    }
    TellReached();
  }

  void Apply(const ObjectKey& key, ObjectRef after) {
    auto it = objects.find(key);
    ObjectRef before = it != objects.end() ? it->second : ObjectRef();
    if (before && after) {
      if (before == after || before->meta().resourceVersion == after->meta().resourceVersion) return;
      // Deleted and made again unseen: two different objects, and handlers see the end of the first.
      if (!(before->meta().uid == after->meta().uid)) {
        Apply(key, nullptr);
        if (stopped) return;
        before = nullptr;
        it = objects.end();
      }
    }
    if (!before && !after) return;
    for (auto& [name, index] : indexes) index.Update(key, before, after);
    if (!after) {
      objects.erase(it);
    } else if (before) {
      it->second = after;
    } else {
      objects.emplace(ObjectKey::Of(*after), after);
    }
    for (const Handler& handler : handlers) {
      handler(before, after);
      if (stopped) return;
    }
  }

  void TellReached() {
    while (!stopped && !waiters.empty() && waiters.begin()->first <= revision) {
      auto reached = std::move(waiters.begin()->second);
      waiters.erase(waiters.begin());
      reached();
    }
  }

  const ResourceDesc& resource;
  std::shared_ptr<client::Reflector> reflector;
  std::vector<Handler> handlers;
  std::map<std::string, Index, std::less<>> indexes;
  std::map<ObjectKey, ObjectRef> objects;
  std::multimap<std::int64_t, std::function<void()>> waiters;
  std::multimap<std::uint64_t, std::function<void()>> refreshes;  // by the list that they wait for
  std::vector<std::function<void()>> on_synced;
  std::int64_t revision = 0;
  bool synced = false;
  bool stopped = false;
};

Informer::Informer(Client& client, const ResourceDesc& resource, Strand& strand, Env& env, Options options)
    : impl_(std::make_shared<Impl>(resource)) {
  impl_->reflector = std::make_shared<client::Reflector>(client, resource, strand, env, std::move(options), *impl_);
}

Informer::~Informer() {
  impl_->stopped = true;
  impl_->reflector->Stop();
}

void Informer::AddHandler(Handler handler) { impl_->handlers.push_back(std::move(handler)); }

void Informer::AddIndex(std::string name, std::function<std::vector<std::string>(const Object&)> keys) {
  impl_->indexes[std::move(name)].keys_of = std::move(keys);
}

void Informer::Start() { impl_->reflector->Start(); }

bool Informer::HasSynced() const { return impl_->synced; }

void Informer::OnSynced(std::function<void()> synced) {
  if (impl_->synced) {
    synced();
  } else {
    impl_->on_synced.push_back(std::move(synced));
  }
}

const ResourceDesc& Informer::resource() const { return impl_->resource; }

std::int64_t Informer::revision() const { return impl_->revision; }

ObjectRef Informer::Get(const ObjectKey& key) const {
  const auto it = impl_->objects.find(key);
  return it != impl_->objects.end() ? it->second : ObjectRef();
}

const std::map<ObjectKey, ObjectRef>& Informer::objects() const { return impl_->objects; }

void Informer::ForEachIn(std::string_view ns, const std::function<void(const ObjectRef&)>& each) const {
  auto it = impl_->objects.lower_bound(ObjectKey{ns, Str()});
  for (; it != impl_->objects.end() && it->first.ns == ns; ++it) each(it->second);
}

std::vector<ObjectRef> Informer::ByIndex(std::string_view index, std::string_view value) const {
  std::vector<ObjectRef> out;
  const auto found = impl_->indexes.find(index);
  if (found == impl_->indexes.end()) return out;
  const auto& entries = found->second.entries;
  for (auto it = entries.lower_bound(Index::Entry{value, ObjectKey{}}); it != entries.end() && it->first == value;
       ++it) {
    out.push_back(impl_->objects.at(it->second));
  }
  return out;
}

void Informer::WhenReached(std::int64_t revision, std::function<void()> reached) {
  if (impl_->revision >= revision) {
    reached();
  } else {
    impl_->waiters.emplace(revision, std::move(reached));
  }
}

void Informer::Refresh(std::function<void()> refreshed) {
  impl_->refreshes.emplace(impl_->reflector->ListAgain(), std::move(refreshed));
}

}  // namespace minikube
