#include "api/registry/watch.h"

#include <algorithm>

#include <minikube/custom_object.h>

#include "api/registry/read.h"
#include "api/wire/errors.h"
#include "api/world/range_end.h"
#include "api/world/selection.h"
#include "api/world/served.h"

namespace minikube::api {

namespace {

// Changes read from the store's history at a time, and at most for one watch: who is further behind lists anew.
constexpr std::size_t kReplayBatch = 1000;
constexpr std::size_t kMaxReplayed = 100'000;

class Stream final : public WatchStream {
 public:
  Stream(std::shared_ptr<Core> core, std::shared_ptr<Watcher> watcher, std::vector<WatchItem> first)
      : core_(std::move(core)), watcher_(std::move(watcher)), first_(std::move(first)) {}
  ~Stream() override { WatchHub::Detach(watcher_); }
  std::vector<WatchItem> Take(Status& end) override {
    if (first_.empty()) return watcher_->Take(end);
    std::vector<WatchItem> items = std::exchange(first_, {});
    std::vector<WatchItem> rest = watcher_->Take(end);
    items.insert(items.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
    return items;
  }
  void Skip(Revision revision, Status& end) override {
    first_.clear();
    watcher_->Skip(revision, end);
  }

 private:
  const std::shared_ptr<Core> core_;  // outlives its channel's strand
  const std::shared_ptr<Watcher> watcher_;
  std::vector<WatchItem> first_;
};

// What `selection` matches in the world, as additions.
Result<std::vector<WatchItem>> InitialItems(const World& world, const StoredKind& kind, const Selection& selection,
                                            const MessageDesc& message) {
  std::vector<WatchItem> items;
  Selected selected(world.kinds[kind.index], selection);
  while (const Entry* entry = selected.Next()) {
    Result<ObjectRef> object = InServedType(entry->object, message);
    if (!object) return object.status();
    items.push_back({WatchEvent::Type::kAdded,
                     std::make_shared<const ChangeEvent>(std::move(object).value(), nullptr, false, entry->revision),
                     entry->revision, false});
  }
  return items;
}

// The changes in (since, until] from the store's history, through the watcher's eyes.
Result<std::vector<WatchItem>> ReplayedItems(Core& core, const StoredKind& kind, const Watcher& watcher, Revision since,
                                             Revision until) {
  std::vector<WatchItem> items;
  const auto too_old = [&] { return TooOldRevisionError(since, core.store.status().compact_revision); };
  std::size_t replayed = 0;
  for (Revision next = since + 1; next <= until;) {
    Result<Store::History> history = core.store.Replay(kind.prefix, RangeEnd(kind.prefix), next, kReplayBatch);
    if (!history) return history.status().code() == Code::kExpired ? too_old() : history.status();
    replayed += history->changes.size();
    if (replayed > kMaxReplayed) return too_old();
    for (const Change& change : history->changes) {
      const Revision revision = change.kv.mod_revision;
      if (revision > until) return items;
      ObjectRef previous;
      if (!change.created) {
        Result<std::optional<KeyValue>> before = core.store.Get(change.kv.key, revision - 1);
        if (!before) return before.status().code() == Code::kExpired ? too_old() : before.status();
        if (*before) {
          Result<ObjectRef> decoded = Cache::DecodeStored(kind, (*before)->value, (*before)->mod_revision);
          if (!decoded) return decoded.status();
          previous = std::move(decoded).value();
        }
      }
      const bool deleted = change.type == Change::Type::kDelete;
      ObjectRef object;
      if (deleted) {
        if (previous.get() == nullptr) continue;
        ObjectPtr last = ObjectPtr::Clone(*previous);
        last->mutable_meta().resourceVersion = std::to_string(revision);
        object = std::move(last).Freeze();
      } else {
        Result<ObjectRef> decoded = Cache::DecodeStored(kind, change.kv.value, revision);
        if (!decoded) return decoded.status();
        object = std::move(decoded).value();
      }
      WatchItem item = ChangeEvent::ItemFor(
          std::make_shared<const ChangeEvent>(std::move(object), std::move(previous), deleted, revision),
          watcher.selection(), watcher.message());
      if (item.change != nullptr) items.push_back(std::move(item));
    }
    if (history->next <= next) break;
    next = history->next;
  }
  return items;
}

}  // namespace

Result<std::unique_ptr<WatchStream>> StartWatch(std::shared_ptr<Core> core, const RequestContext& context,
                                                Task on_ready) {
  const Gate::Pass pass(core->gate);
  if (!pass) return Status(Code::kUnavailable, "the API server is stopping");
  const ApiRequest& request = context.request;
  const ResourceDesc& resource = *request.resource;
  const StoredKind* kind = core->cache.snapshot()->catalogue->Find(resource);
  if (kind == nullptr && IsCustom(*resource.message)) return NoSuchResource();  // its definition has gone
  if (kind == nullptr || std::find(resource.verbs.begin(), resource.verbs.end(), "watch") == resource.verbs.end()) {
    return MethodNotAllowedError(resource, "watch");
  }
  MINIKUBE_RETURN_IF_ERROR(CheckListOptions(request));
  Result<Selection> selection = Selection::Of(*kind, request);
  if (!selection) return selection.status();
  Result<Revision> since = ParseRevision(request.resource_version);
  if (!since) return since.status();

  const Snapshot world = core->cache.snapshot();
  const bool initial = request.send_initial_events || *since == 0;
  if (request.send_initial_events && *since > world->revision) return TooLargeRevisionError(*since, world->revision);
  std::vector<WatchItem> first;
  Revision from = *since;
  if (initial) {
    from = world->revision;
    Result<std::vector<WatchItem>> items = InitialItems(*world, *kind, *selection, *resource.message);
    if (!items) return items.status();
    first = std::move(items).value();
    if (request.send_initial_events && request.allow_bookmarks) {
      first.push_back({WatchEvent::Type::kBookmark, nullptr, from, true});
    }
  }
  Result<WatchBegin> begin = core->hub.Attach(*kind, *resource.message, std::move(selection).value(), from,
                                              request.allow_bookmarks, std::move(on_ready));
  if (!begin) return begin.status();
  const std::shared_ptr<Watcher> watcher = begin->watcher;
  auto stream = [&](std::vector<WatchItem> items) { return std::make_unique<Stream>(core, watcher, std::move(items)); };
  if (begin->covered > from) {
    // The ring begins later than the watch: the gap comes from the store's history.
    Result<std::vector<WatchItem>> items = ReplayedItems(*core, *kind, *watcher, from, begin->covered);
    if (!items) {
      stream({});  // detaches
      return items.status();
    }
    first.insert(first.end(), std::make_move_iterator(items->begin()), std::make_move_iterator(items->end()));
  }
  for (const auto& change : begin->backlog) {
    WatchItem item = ChangeEvent::ItemFor(change, watcher->selection(), watcher->message());
    if (item.change != nullptr) first.push_back(std::move(item));
  }
  return Result<std::unique_ptr<WatchStream>>(stream(std::move(first)));
}

}  // namespace minikube::api
