// FollowedKinds: informers of every kind whose objects can be followed and deleted; of those of the schema all the
// time, of custom ones while their CustomResourceDefinitions serve them.
//
// Thread safety: everything on the strand of the context.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <minikube/controller.h>
#include <minikube/informer.h>

namespace minikube::controllers {

class FollowedKinds {
 public:
  struct Listener {
    // As an Informer::Handler. The end of a custom object may be told only when its definition has gone.
    std::function<void(const ResourceDesc&, const ObjectRef& before, const ObjectRef& after)> changed;
    // Its kind is not served any more, but the object may exist.
    std::function<void(const Object&)> lost;
    // HasSynced has become true again.
    std::function<void()> synced;
  };

  FollowedKinds(const ControllerContext& context, Listener listener);

  // Those of the schema.
  const std::vector<Informer*>& built_in() const { return built_in_; }
  // False while objects of a custom kind that is served have not been seen yet.
  bool HasSynced() const { return unsynced_ == 0; }
  // The resource of that kind, in the version that is followed; null if none is.
  const ResourceDesc* Find(std::string_view group, std::string_view kind) const;
  // Whether the server knows the resource now, just so: what it says of another is no word about its objects.
  bool IsServed(const ResourceDesc& resource) const;

 private:
  struct Hash {
    std::size_t operator()(const Str& s) const { return std::hash<std::string_view>{}(s.view()); }
  };
  using ByUid = std::unordered_map<Str, ObjectRef, Hash>;
  struct Custom {
    const ResourceDesc* resource = nullptr;
    ByUid objects;    // that have not ended
    ByUid inherited;  // seen under an earlier description of the kind, until this one's objects are seen
    bool synced = false;
    bool outdated = false;               // the change of its definition is yet to be seen
    std::unique_ptr<Informer> informer;  // null while it is not served
  };

  void OnDefinition(const ObjectRef& before, const ObjectRef& after);
  // Follows what is served now.
  void Renew();
  void Follow(const std::string& definition, const ResourceDesc& resource, ByUid inherited);
  void Suspend(Custom& custom);
  // Everything that was seen of it.
  ByUid Drop(const std::string& definition);
  void OnCustom(const std::string& definition, const ObjectRef& before, const ObjectRef& after);
  void OnSynced(const std::string& definition);

  const ControllerContext context_;
  const Listener listener_;
  std::vector<Informer*> built_in_;
  std::map<std::string, Custom, std::less<>> custom_;  // by the name of the definition
  std::size_t unsynced_ = 0;                           // of custom_
};

}  // namespace minikube::controllers
