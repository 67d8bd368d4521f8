#include "api/stages/local_following.h"

#include <optional>

#include "api/registry/watch.h"
#include "api/stages/stages.h"
#include "api/world/selection.h"

namespace minikube::api {

namespace {

class LocalFollowing final : public client::StateSource::Following {
 public:
  LocalFollowing(std::shared_ptr<Core> core, const StoredKind& kind, RequestContext context,
                 std::function<void()> changed)
      : core_(std::move(core)), kind_(kind), context_(std::move(context)), changed_(std::move(changed)) {}

  Result<client::Shown> Newest() override {
    MINIKUBE_RETURN_IF_ERROR(Allowed());
    // First the bell, then the look: what comes after the look rings.
    MINIKUBE_RETURN_IF_ERROR(Listen());
    const Snapshot world = core_->cache.snapshot();
    const ObjectTable& table = world->kinds[kind_.index];
    client::Shown shown;
    shown.revision = world->revision;
    shown.table = selection_->everything() ? table : ObjectTable(Matching(table));
    seen_ = table.objects();
    return shown;
  }

 private:
  // Asked anew at every look, so that who loses the right to see something sees nothing new of it.
  Status Allowed() {
    for (const Verb verb : {Verb::kList, Verb::kWatch}) {
      context_.request.verb = verb;
      MINIKUBE_RETURN_IF_ERROR(AuthoriseRequest(*core_, context_));
    }
    return {};
  }

  // A watch of which only the news counts that there is news. One that has overflown is opened anew: nothing is missed,
  // for the World is looked at afterwards.
  Status Listen() {
    if (!selection_) {
      Result<Selection> selection = Selection::Of(kind_, context_.request);
      if (!selection) return selection.status();
      selection_ = std::move(selection).value();
    }
    if (stream_ != nullptr) {
      Status end;
      stream_->Take(end);
      if (end.ok()) return {};
      stream_.reset();
      if (end.code() != Code::kExpired) return end;
    }
    context_.request.resource_version = std::to_string(core_->cache.snapshot()->revision);
    Result<std::unique_ptr<WatchStream>> stream = StartWatch(core_, context_, changed_);
    if (!stream) return stream.status();
    stream_ = std::move(stream).value();
    Status end;
    stream_->Take(end);
    return end;
  }

  ObjectTable Matching(const ObjectTable& table) {
    if (!selection_->name().empty() || selection_->index() != nullptr) {
      // A few objects, found directly: cheaper than whatever else has changed.
      matching_ = ObjectTable();
      Selected selected(table, *selection_);
      while (const Entry* entry = selected.Next()) matching_.Set(*entry);
      return matching_;
    }
    EntryMap::Diff(
        seen_, table.objects(), [](const Entry& a, const Entry& b) { return a.object == b.object; },
        [&](const Entry* before, const Entry* after) {
          if (after != nullptr && selection_->Matches(*after->object)) {
            matching_.Set(*after);
          } else {
            matching_.Erase(EntryOrder::KeyOf(before != nullptr ? *before : *after));
          }
        });
    return matching_;
  }

  const std::shared_ptr<Core> core_;
  const StoredKind& kind_;
  RequestContext context_;
  const std::function<void()> changed_;
  std::optional<Selection> selection_;
  EntryMap seen_;         // all objects of the kind, as of the last look
  ObjectTable matching_;  // those of them that the selection matches; empty if it matches all
  std::unique_ptr<WatchStream> stream_;
};

}  // namespace

std::unique_ptr<client::StateSource::Following> NewLocalFollowing(std::shared_ptr<Core> core, RequestContext context,
                                                                  std::function<void()> changed) {
  const StoredKind* kind = core->registry.Find(*context.request.resource);
  if (kind == nullptr || kind->message != context.request.resource->message) return nullptr;
  return std::make_unique<LocalFollowing>(std::move(core), *kind, std::move(context), std::move(changed));
}

}  // namespace minikube::api
