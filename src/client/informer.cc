#include <minikube/informer.h>

#include <algorithm>
#include <map>
#include <utility>

#include "client/object_table.h"
#include "client/reflector.h"
#include "client/state_source.h"

namespace minikube {
namespace {

using client::Entry;
using client::EntryMap;
using client::EntryOrder;
using client::NameKey;
using client::ObjectTable;

constexpr Duration kBaseBackoff = std::chrono::milliseconds(100);
constexpr Duration kMaxBackoff = std::chrono::seconds(30);

NameKey KeyIn(const ObjectKey& key) { return {key.ns.view(), key.name.view()}; }

bool Alike(const ObjectRef& a, const ObjectRef& b) {
  return a == b || a->meta().resourceVersion == b->meta().resourceVersion;
}

bool AlikeEntries(const Entry& a, const Entry& b) { return Alike(a.object, b.object); }

}  // namespace

// The table is filled in one of two ways. In the server's process `following` is set, and each look replaces the table
// by the server's and tells what is different. Otherwise `reflector` is, and applies a list or event at a time.
struct Informer::Impl final : client::Reflector::Sink, client::Looker, std::enable_shared_from_this<Informer::Impl> {
  Impl(Client& c, const ResourceDesc& r, Strand& s, Env& e, Options o)
      : client(c), resource(r), strand(s), env(e), options(std::move(o)), backoff(kBaseBackoff, kMaxBackoff) {}

  void Start() {
    table = ObjectTable(std::make_shared<const client::TableIndexes>(indexes));
    if (auto* source = dynamic_cast<client::StateSource*>(&client)) {
      ApiRequest request;
      request.verb = Verb::kWatch;
      request.resource = &resource;
      request.ns = options.ns;
      request.label_selector = options.label_selector;
      request.field_selector = options.field_selector;
      looking = source->LookingOn(strand);
      following = source->Follow(std::move(request), [weak = std::weak_ptr(looking)] {
        if (const auto all = weak.lock()) all->Ring();
      });
    }
    if (following != nullptr) {
      looking->Add(weak_from_this());
      looking->Ring();
      return;
    }
    reflector = std::make_shared<client::Reflector>(client, resource, strand, env, options, *this);
    reflector->Start();
  }

  void Stop() {
    stopped = true;
    if (timer != 0) strand.Cancel(std::exchange(timer, 0));
    if (reflector != nullptr) reflector->Stop();
    following.reset();
  }

  // ---- A view of the server's state ----

  void Listen() override {
    listens = false;
    if (stopped) return;
    const Status status = following->Listen();
    listens = status.ok();
    if (!listens) TryLater();
  }

  void Take(const client::Moment& moment) override {
    taken = false;
    if (!listens || stopped) return;
    Result<client::Shown> newest = following->At(moment);
    if (!newest) return TryLater();
    backoff.Reset();
    taken = true;
    before = std::exchange(shown, newest->table.objects());
    const bool all_kept = std::all_of(indexes.begin(), indexes.end(), [&](const client::TableIndex& index) {
      return newest->table.FindIndex(index.name) != nullptr;
    });
    if (all_kept) {
      table = std::move(newest->table);
    } else {
      // An index that the server does not keep is kept here, on a table of our own.
      EntryMap::Diff(before, shown, AlikeEntries, [&](const Entry* old, const Entry* next) {
        next != nullptr ? table.Set(*next) : void(table.Erase(EntryOrder::KeyOf(*old)));
      });
    }
    revision = newest->revision;
  }

  void Tell() override {
    if (!taken || stopped) return;
    std::vector<std::function<void()>> due = std::exchange(looks, {});
    const EntryMap old_objects = std::exchange(before, {});
    const EntryMap objects = shown;
    EntryMap::Diff(old_objects, objects, AlikeEntries, [&](const Entry* old, const Entry* next) {
      Tell(old != nullptr ? old->object : ObjectRef(), next != nullptr ? next->object : ObjectRef());
    });
    if (stopped) return;
    Synced();
    for (const auto& refreshed : due) {
      if (stopped) return;
      refreshed();
    }
  }

  void TryLater() {
    if (timer != 0) return;
    timer = strand.After(backoff.Next(env.random()), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self == nullptr || self->stopped) return;
      self->timer = 0;
      self->looking->Ring();
    });
  }

  // Deleted and made again unseen are two different objects, and handlers see the end of the first.
  void Tell(const ObjectRef& before, const ObjectRef& after) {
    if (before && after && before->meta().uid != after->meta().uid) {
      Tell(before, nullptr);
      Tell(nullptr, after);
      return;
    }
    for (const Handler& handler : handlers) {
      if (stopped) return;
      handler(before, after);
    }
  }

  // ---- By list and watch ----

  void OnList(std::vector<ObjectRef> items, std::int64_t list_revision) override {
    const auto self = shared_from_this();
    std::sort(items.begin(), items.end(), [](const ObjectRef& a, const ObjectRef& b) {
      return EntryOrder::Compare(EntryOrder::KeyOf({a}), EntryOrder::KeyOf({b})) < 0;
    });
    std::vector<ObjectRef> gone;
    auto listed = items.begin();
    for (auto it = table.Begin(); it; ++it) {
      const NameKey key = EntryOrder::KeyOf(*it);
      while (listed != items.end() && EntryOrder::Compare(EntryOrder::KeyOf({*listed}), key) < 0) ++listed;
      if (listed == items.end() || EntryOrder::Compare(EntryOrder::KeyOf({*listed}), key) != 0) {
        gone.push_back(it->object);
      }
    }
    for (const ObjectRef& object : gone) {
      Apply(ObjectKey::Of(*object), nullptr);
      if (stopped) return;
    }
    for (ObjectRef& item : items) {
      const ObjectKey key = ObjectKey::Of(*item);
      Apply(key, std::move(item));
      if (stopped) return;
    }
    revision = list_revision;
    Synced();
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
    const Entry* known = table.Find(KeyIn(key));
    const ObjectRef before = known != nullptr ? known->object : ObjectRef();
    if (!before && !after) return;
    if (before && after) {
      if (Alike(before, after)) return;
      if (before->meta().uid != after->meta().uid) {
        Apply(key, nullptr);
        if (!stopped) Apply(key, std::move(after));
        return;
      }
    }
    if (after) {
      table.Set({after});
    } else {
      table.Erase(KeyIn(key));
    }
    Tell(before, after);
  }

  // ---- Both ----

  void Synced() {
    if (!std::exchange(synced, true)) {
      for (auto& handler : std::exchange(on_synced, {})) {
        handler();
        if (stopped) return;
      }
    }
    TellReached();
  }

  void TellReached() {
    while (!stopped && !waiters.empty() && waiters.begin()->first <= revision) {
      auto reached = std::move(waiters.begin()->second);
      waiters.erase(waiters.begin());
      reached();
    }
  }

  Client& client;
  const ResourceDesc& resource;
  Strand& strand;
  Env& env;
  const Options options;
  client::Backoff backoff;
  std::vector<Handler> handlers;
  client::TableIndexes indexes;
  ObjectTable table;
  std::multimap<std::int64_t, std::function<void()>> waiters;
  std::vector<std::function<void()>> on_synced;
  std::int64_t revision = 0;
  bool synced = false;
  bool stopped = false;

  std::shared_ptr<client::Looking> looking;
  std::unique_ptr<client::StateSource::Following> following;
  EntryMap shown;   // as of the last look; what `table` holds, though it may be a table of our own
  EntryMap before;  // what was shown until this look, while it has not been told
  bool listens = false;
  bool taken = false;
  std::vector<std::function<void()>> looks;  // who waits for the next one
  TimerId timer = 0;

  std::shared_ptr<client::Reflector> reflector;
  std::multimap<std::uint64_t, std::function<void()>> refreshes;  // by the list that they wait for
};

Informer::Informer(Client& client, const ResourceDesc& resource, Strand& strand, Env& env, Options options)
    : impl_(std::make_shared<Impl>(client, resource, strand, env, std::move(options))) {}

Informer::~Informer() { impl_->Stop(); }

void Informer::AddHandler(Handler handler) { impl_->handlers.push_back(std::move(handler)); }

void Informer::AddIndex(std::string name, std::function<std::vector<std::string>(const Object&)> keys) {
  impl_->indexes.push_back({std::move(name), std::move(keys)});
}

void Informer::Start() { impl_->Start(); }

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
  const Entry* entry = impl_->table.Find(KeyIn(key));
  return entry != nullptr ? entry->object : ObjectRef();
}

std::size_t Informer::size() const { return impl_->table.size(); }

void Informer::ForEach(const std::function<void(const ObjectRef&)>& each) const {
  const EntryMap objects = impl_->table.objects();
  for (auto it = objects.Begin(); it; ++it) each(it->object);
}

void Informer::ForEachIn(std::string_view ns, const std::function<void(const ObjectRef&)>& each) const {
  const EntryMap objects = impl_->table.objects();
  for (auto it = objects.LowerBound({ns, {}}); it && it->object->meta().namespace_ == ns; ++it) each(it->object);
}

std::vector<ObjectRef> Informer::ByIndex(std::string_view index, std::string_view value) const {
  std::vector<ObjectRef> out;
  const client::IndexMap* found = impl_->table.FindIndex(index);
  if (found == nullptr) return out;
  client::ForEachBy(impl_->table, *found, value, [&](const Entry& entry) { out.push_back(entry.object); });
  return out;
}

void Informer::WhenReached(std::int64_t revision, std::function<void()> reached) {
  if (impl_->revision >= revision) {
    reached();
    return;
  }
  impl_->waiters.emplace(revision, std::move(reached));
  // A write is to be seen before its writer hears of it: one look is enough.
  if (impl_->following != nullptr) impl_->looking->Ring();
}

void Informer::Refresh(std::function<void()> refreshed) {
  if (impl_->following != nullptr) {
    impl_->looks.push_back(std::move(refreshed));
    impl_->looking->Ring();
  } else {
    impl_->refreshes.emplace(impl_->reflector->ListAgain(), std::move(refreshed));
  }
}

}  // namespace minikube
