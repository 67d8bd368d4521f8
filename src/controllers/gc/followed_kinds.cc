#include "controllers/gc/followed_kinds.h"

#include <algorithm>
#include <utility>

#include <minikube/api/apiextensions/v1.h>
#include <minikube/custom_object.h>

#include "client/state_source.h"
#include "controllers/gc/served_resources.h"

namespace minikube::controllers {
namespace {

using apiextensions::v1::CustomResourceDefinition;

// Events own nothing and are not owned.
std::vector<const ResourceDesc*> CollectableResources(Client& client) {
  std::vector<const ResourceDesc*> out = ServedResources(client, {"list", "watch", "delete"});
  std::erase_if(out, [](const ResourceDesc* resource) { return resource->kind == "Event"; });
  return out;
}

std::string DefinitionOf(const ResourceDesc& resource) {
  return std::string(resource.plural) + "." + std::string(resource.group);
}

}  // namespace

FollowedKinds::FollowedKinds(const ControllerContext& context, Listener listener)
    : context_(context), listener_(std::move(listener)) {
  for (const ResourceDesc* resource : CollectableResources(context_.client)) {
    if (IsCustom(*resource->message)) continue;  // until its definition is seen
    built_in_.push_back(&context_.informers.Of(*resource));
    built_in_.back()->AddHandler([this, resource](const ObjectRef& before, const ObjectRef& after) {
      listener_.changed(*resource, before, after);
    });
  }
  context_.informers.Of<CustomResourceDefinition>().AddHandler(
      [this](const ObjectRef& before, const ObjectRef& after) { OnDefinition(before, after); });
}

const ResourceDesc* FollowedKinds::Find(std::string_view group, std::string_view kind) const {
  const auto is_it = [&](const ResourceDesc& r) { return r.kind == kind && r.group == group; };
  for (const Informer* informer : built_in_) {
    if (is_it(informer->resource())) return &informer->resource();
  }
  for (const auto& [definition, custom] : custom_) {
    if (custom.informer != nullptr && is_it(*custom.resource)) return custom.resource;
  }
  return nullptr;
}

bool FollowedKinds::IsServed(const ResourceDesc& resource) const {
  if (!IsCustom(*resource.message)) return true;
  const std::vector<const ResourceDesc*> served = client::ServedBy(context_.client);
  return std::find(served.begin(), served.end(), &resource) != served.end();
}

// A definition goes after its last object.
void FollowedKinds::OnDefinition(const ObjectRef& before, const ObjectRef& after) {
  if (!after) {
    const auto found = custom_.find(before->meta().name.view());
    if (found != custom_.end()) {
      const ResourceDesc& resource = *found->second.resource;
      for (const auto& [uid, object] : Drop(found->first)) listener_.changed(resource, object, nullptr);
    }
  }
  const bool had_synced = HasSynced();
  Renew();
  if (!had_synced && HasSynced()) listener_.synced();
}

void FollowedKinds::Renew() {
  std::map<std::string, const ResourceDesc*, std::less<>> wanted;
  for (const ResourceDesc* resource : CollectableResources(context_.client)) {
    if (IsCustom(*resource->message)) wanted[DefinitionOf(*resource)] = resource;
  }
  for (auto& [definition, custom] : custom_) {
    if (custom.informer != nullptr && !wanted.contains(definition)) Suspend(custom);
  }
  for (const auto& [definition, resource] : wanted) {
    const auto found = custom_.find(definition);
    if (found == custom_.end()) {
      Follow(definition, *resource, {});
    } else if (found->second.informer == nullptr || found->second.resource != resource || found->second.outdated) {
      Follow(definition, *resource, Drop(definition));
    }
  }
}

// What is served is newer than the definition that has been seen, and may have ended: that is told when its end is
// seen.
void FollowedKinds::Suspend(Custom& custom) {
  if (!std::exchange(custom.synced, true)) --unsynced_;
  custom.informer.reset();
  custom.inherited.merge(custom.objects);
  custom.objects.clear();
  for (const auto& [uid, object] : custom.inherited) listener_.lost(*object);
}

void FollowedKinds::Follow(const std::string& definition, const ResourceDesc& resource, ByUid inherited) {
  Custom& custom = custom_[definition];
  custom.resource = &resource;
  custom.inherited = std::move(inherited);
  custom.informer = std::make_unique<Informer>(context_.client, resource, context_.strand, context_.env);
  ++unsynced_;
  custom.informer->AddHandler(
      [this, definition](const ObjectRef& before, const ObjectRef& after) { OnCustom(definition, before, after); });
  custom.informer->OnSynced([this, definition] { OnSynced(definition); });
  custom.informer->Start();
}

FollowedKinds::ByUid FollowedKinds::Drop(const std::string& definition) {
  const auto found = custom_.find(definition);
  ByUid seen = std::move(found->second.objects);
  seen.merge(found->second.inherited);
  if (!found->second.synced) --unsynced_;
  custom_.erase(found);
  return seen;
}

void FollowedKinds::OnCustom(const std::string& definition, const ObjectRef& before, const ObjectRef& after) {
  Custom& custom = custom_.at(definition);
  // A kind that is not served lists as empty.
  if (!after && !IsServed(*custom.resource)) {
    custom.outdated = true;
    return;
  }
  if (after) {
    custom.objects[after->meta().uid] = after;
  } else {
    custom.objects.erase(before->meta().uid);
  }
  listener_.changed(*custom.resource, before, after);
}

void FollowedKinds::OnSynced(const std::string& definition) {
  Custom& custom = custom_.at(definition);
  if (!IsServed(*custom.resource)) {
    custom.outdated = true;
    return;
  }
  custom.synced = true;
  for (const auto& [uid, object] : std::exchange(custom.inherited, {})) {
    if (!custom.objects.contains(uid)) listener_.changed(*custom.resource, object, nullptr);
  }
  if (--unsynced_ == 0) listener_.synced();
}

}  // namespace minikube::controllers
