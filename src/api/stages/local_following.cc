#include "api/stages/local_following.h"

#include <optional>

#include "api/registry/watch.h"
#include "api/stages/stages.h"
#include "api/world/catalogue.h"
#include "api/world/selection.h"

namespace minikube::api {

namespace {

class LocalFollowing final : public client::StateSource::Following {
 public:
  LocalFollowing(std::shared_ptr<Core> core, const StoredKind& kind, RequestContext context,
                 std::function<void()> changed)
      : core_(std::move(core)), kind_(kind), context_(std::move(context)), changed_(std::move(changed)) {}

  // A watch of which only the news counts that there is news. One that has overflown is opened anew: nothing is missed,
  // for the World is looked at afterwards.
  Status Listen() override {
    if (!selection_) {
      MINIKUBE_RETURN_IF_ERROR(Allowed());
      Result<Selection> selection = Selection::Of(kind_, context_.request);
      if (!selection) return selection.status();
      selection_ = std::move(selection).value();
    }
    if (stream_ != nullptr) {
      Status end;
      stream_->Skip(0, end);
      if (end.ok()) return {};
      stream_.reset();
      if (end.code() != Code::kExpired) return end;
    }
    context_.request.resource_version = std::to_string(core_->cache.snapshot()->revision);
    Result<std::unique_ptr<WatchStream>> stream = StartWatch(core_, context_, changed_);
    if (!stream) return stream.status();
    stream_ = std::move(stream).value();
    Status end;
    stream_->Skip(0, end);
    return end;
  }

  Result<client::Shown> At(const client::Moment& moment) override {
    const World& world = *static_cast<const LocalMoment&>(moment).world;
    // What this shows needs no other look.
    if (Status end; stream_ != nullptr) stream_->Skip(world.revision, end);
    const ObjectTable& table = world.kinds[kind_.index];
    if (!looked_ || !seen_.same(table.objects())) {
      // Who has lost the right to see this sees nothing new of it.
      MINIKUBE_RETURN_IF_ERROR(Allowed());
      if (!selection_->everything()) UpdateMatching(table);
      seen_ = table.objects();
      looked_ = true;
    }
    return client::Shown{selection_->everything() ? table : matching_, world.revision};
  }

 private:
  Status Allowed() {
    for (const Verb verb : {Verb::kList, Verb::kWatch}) {
      context_.request.verb = verb;
      MINIKUBE_RETURN_IF_ERROR(AuthoriseRequest(*core_, context_));
    }
    return {};
  }

  void UpdateMatching(const ObjectTable& table) {
    if (!selection_->name().empty() || selection_->index() != nullptr) {
      // A few objects, found directly: cheaper than whatever else has changed.
      matching_ = ObjectTable();
      Selected selected(table, *selection_);
      while (const Entry* entry = selected.Next()) matching_.Set(*entry);
      return;
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
  }

  const std::shared_ptr<Core> core_;
  const StoredKind& kind_;
  RequestContext context_;
  const std::function<void()> changed_;
  std::optional<Selection> selection_;
  bool looked_ = false;
  EntryMap seen_;         // all objects of the kind, as of the last look
  ObjectTable matching_;  // those of them that the selection matches; empty if it matches all
  std::unique_ptr<WatchStream> stream_;
};

}  // namespace

std::unique_ptr<client::StateSource::Following> NewLocalFollowing(std::shared_ptr<Core> core, RequestContext context,
                                                                  std::function<void()> changed) {
  const StoredKind* kind = core->cache.snapshot()->catalogue->Find(*context.request.resource);
  // A custom kind may come to be stored in another version, or go: it is listed and watched.
  if (kind == nullptr || kind->custom || kind->message != context.request.resource->message) return nullptr;
  return std::make_unique<LocalFollowing>(std::move(core), *kind, std::move(context), std::move(changed));
}

}  // namespace minikube::api
