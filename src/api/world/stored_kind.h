// StoredKind: one kind of stored object, whatever versions (or groups) serve it; and Strategy, what is special about
// it.
//
// Most kinds need nothing special: the generic path stores them from their descriptors alone. A Strategy adds switches
// and small hooks; hooks are pure functions over objects of the storage version, so they can run again when an
// optimistic lock fails.
//
// Thread safety: immutable once the Catalogue is made.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/auth.h>
#include <minikube/codec.h>
#include <minikube/descriptor.h>
#include <minikube/object.h>
#include <minikube/view.h>

#include "api/world/world.h"
#include "model/field_errors.h"
#include "model/validation_names.h"

namespace minikube::api {

struct StoredKind;

// A further object that a write changes in the same transaction (the IPAddress of a Service, the budget of an
// eviction).
struct SideWrite {
  const StoredKind* kind = nullptr;
  std::string ns;
  std::string name;
  Revision expected = 0;  // 0: must not exist
  ObjectPtr object;       // null: delete
};

// Something of which there is one in the cluster and which no object's key stands for (a node port): taken or given
// back in the transaction that writes its owner, so that two writers cannot have it at once.
struct Claim {
  std::string name;  // "nodeports/30080"
  bool taken = true;
};

// What hooks may look at.
struct HookContext {
  const World& world;
  const UserInfo& user;
  WallTime now;
  Random& random;
  std::string_view service_cluster_ip_range;
  std::vector<SideWrite>& side_writes;
  std::vector<Claim>& claims;
};

// What objects of a kind are found by, beside their name: the cache keeps it once, for everybody.
struct StoredIndex {
  const Index* index = nullptr;
  std::string_view field = {};  // the field selector that it answers, or "": it is for informers alone
};

// A field that lists and watches may select by, beside metadata.name and metadata.namespace.
struct SelectableField {
  constexpr SelectableField(const char* path) : path(path), stored(path) {}  // NOLINT(google-explicit-constructor)
  constexpr SelectableField(std::string_view path, std::string_view stored, std::string_view otherwise = {},
                            std::string_view group = {})
      : path(path), stored(stored), otherwise(otherwise), group(group) {}

  std::string_view path;       // as users name it
  std::string_view stored;     // where the stored version has it
  std::string_view otherwise;  // where else, if it is empty there; "" = nowhere
  std::string_view group;      // the API group that names it so, of those that serve the kind; "" = the stored one
};

// Parts of an object's metadata that users write.
enum MetadataPart : unsigned { kLabels = 1, kAnnotations = 2, kFinalizers = 4, kOwnerReferences = 8 };
constexpr unsigned kMetadataParts = kLabels | kAnnotations | kFinalizers | kOwnerReferences;

struct Strategy {
  std::string_view group;
  std::string_view plural;

  // The rule for names; generateName follows the same one.
  Messages (*name)(std::string_view, NameUse) = [](std::string_view n, NameUse use) {
    return NameIsDnsSubdomain(n, use);
  };
  bool generation = false;              // metadata.generation counts changes of what the user wants
  bool create_on_update = false;        // PUT of an object that does not exist creates it
  bool unconditional_update = true;     // PUT without resourceVersion overwrites
  bool returns_deleted = false;         // DELETE answers with the object rather than with a Status
  unsigned status_writes_metadata = 0;  // what writes to subresources may change beside their own part: MetadataParts
  bool expires = false;                 // objects go after a while by themselves (EventLease)
  bool status_on_create = false;        // a new object may bring its status (nodes register with what they are)
  bool inert = false;                   // kube-apiserver would act on it and we do not yet: who makes one is warned
  std::string_view deprecated = {};     // told to whoever uses the kind at all
  std::span<const SelectableField> field_selectors = {};
  std::span<const StoredIndex> indexes = {};
  // Fields that users do not set: cleared on create, kept on update. `before` is null on create. Runs after admission
  // has added its own, so what it sets belongs to no field manager.
  void (*prepare)(Object& next, const Object* before, const HookContext& context) = nullptr;
  // Likewise, of an object of which a subresource was written.
  void (*prepare_part)(Object& next, const Object& before, std::string_view subresource,
                       const HookContext& context) = nullptr;
  // Defaults that depend on other fields; run before those of the tables, and before anything is added to the object.
  void (*defaults)(Object& next, const Object* before) = nullptr;
  // Of a new object, and of each new state of an old one. `before` is null on create.
  // `subresource` is how an update came in, "" for the object itself.
  void (*validate)(const Object& next, const Object* before, std::string_view subresource, ErrorList& errors) = nullptr;
  // Likewise, where the rules depend on which of the kind's resources was written to.
  void (*validate_as)(const ResourceDesc& served, const Object& next, const Object* before,
                      ErrorList& errors) = nullptr;
  // What the user should know about an object that is valid: deprecated, ignored or probably not meant. One line each,
  // "path.to.field: message". `before` is null on create; writes to subresources are not looked at.
  void (*warn)(const Object& next, const Object* before, std::vector<std::string>& warnings) = nullptr;
  // Reserves what exists once only; may add side writes and claims. `next` null: the object is deleted.
  Status (*allocate)(Object* next, const Object* before, HookContext& context) = nullptr;
  // What a deletion that has to wait for others says in the object.
  void (*begin_deletion)(Object& next, WallTime now) = nullptr;
  // Lets an object that was read from the store share what most of its kind have; changes no value.
  void (*share)(Object& stored) = nullptr;
  // Seconds an object may take to go, given what the caller asked for; nullopt: it goes at once.
  std::optional<std::int64_t> (*grace_period)(const Object& object, std::optional<std::int64_t> asked) = nullptr;
};

struct StoredKind {
  std::size_t index = 0;                   // in World::kinds
  const ResourceDesc* resource = nullptr;  // the resource that serves the storage version, or else the preferred one
  const MessageDesc* message = nullptr;    // the type as stored
  std::string prefix;                      // "/registry/pods/"
  Strategy strategy;
  const FieldDesc* spec = nullptr;  // null if the type has none
  const FieldDesc* status = nullptr;
  bool has_status_subresource = false;
  std::shared_ptr<const client::TableIndexes> indexes;  // of its table; null: none
  bool custom = false;                       // of a CustomResourceDefinition: spec and status are in its Json
  std::vector<const MessageDesc*> versions;  // of a custom kind: the types an object may have been stored as

  // What objects are encoded in for the store: custom kinds have no protobuf form.
  MediaType media() const { return custom ? MediaType::kJson : MediaType::kProtobuf; }
  // Whether it has a status that others than users write.
  bool HasStatus() const;
  void CopyStatus(const Object& from, Object& to) const;
  void ClearStatus(Object& object) const;
  std::string Key(std::string_view ns, std::string_view name) const;
};

}  // namespace minikube::api
