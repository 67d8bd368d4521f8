// Descriptors: the API as constant tables, generated from schema/ for built-in kinds; a custom kind has one of two
// fields (minikube/custom_object.h). One engine (codecs, defaulting, validation, equality, patches, OpenAPI, tables) is
// driven by them.
//
// Thread safety: immutable. Lifetime: generated descriptors live for ever; those of custom kinds as long as their
// CustomKind.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace minikube {

struct MessageDesc;

enum class FieldType : std::uint8_t {
  kBool,         // bool
  kInt32,        // std::int32_t
  kInt64,        // std::int64_t
  kDouble,       // double
  kString,       // Str
  kBytes,        // Bytes
  kQuantity,     // Quantity
  kIntOrString,  // IntOrString
  kTime,         // Time
  kMicroTime,    // MicroTime
  kDuration,     // Span
  kRawJson,      // RawJson
  kJson,         // Json (minikube/json.h)
  kMessage,      // a generated struct, see FieldDesc::message
};

enum class Shape : std::uint8_t {
  kPlain,     // T; the zero value is absent
  kOptional,  // std::optional<T> (scalars only)
  kBox,       // Box<T> (messages only)
  kList,      // List<T>
  kMap,       // Map<T>, string keys
};

enum class ListType : std::uint8_t { kAtomic, kSet, kMap };  // x-kubernetes-list-type; for maps kMap = granular

enum class PatchStrategy : std::uint8_t {  // bits; x-kubernetes-patch-strategy
  kNone = 0,
  kMerge = 1,
  kReplace = 2,
  kRetainKeys = 4,
};

enum FieldFlag : std::uint16_t {
  kFieldRequired = 1,  // OpenAPI `required`
  kFieldAlways = 2,    // written even when empty (Go: no omitempty)
  kFieldHasMin = 4,
  kFieldHasMax = 8,
  kFieldEmbeddedObject = 16,  // a whole object (RawJson, or a kind): written with its own apiVersion and kind
  kFieldAtomic = 32,          // x-kubernetes-map-type: atomic on this field
  kFieldRest = 64,            // plain kJson: an object of all members that are no other field; has no name of its own
};

struct FieldDesc {
  std::string_view name;  // as in JSON
  std::uint32_t offset;   // in the struct
  FieldType type;
  Shape shape;
  ListType list_type;           // kList: x-kubernetes-list-type
  std::uint8_t patch_strategy;  // PatchStrategy bits
  std::uint16_t flags;          // FieldFlag bits
  std::uint16_t proto_number;   // in its protobuf message or inline group
  std::uint8_t proto_group;     // index into MessageDesc::groups + 1; 0 = the message itself
  const MessageDesc* message;   // kMessage
  std::string_view patch_merge_key;
  std::span<const std::string_view> list_map_keys;
  std::span<const std::string_view> enum_values;  // empty: any
  std::string_view default_json;                  // "" = none; else a JSON literal
  std::int64_t min;
  std::int64_t max;
  std::string_view doc;

  bool has(FieldFlag flag) const { return (flags & flag) != 0; }
};

// Go embeds some structs: flat in JSON (and here), but a nested message in protobuf. One entry per such message.
struct InlineGroup {
  std::uint16_t proto_number;
  std::uint8_t parent;  // index + 1 of the enclosing group; 0 = the message itself
};

// How a message looks in JSON when it is not a plain object.
enum class JsonForm : std::uint8_t {
  kObject,
  kItems,          // protobuf message {items = 1}, a bare array in JSON (ExtraValue, Verbs)
  kSchemaOrArray,  // apiextensions.JSONSchemaPropsOrArray
  kSchemaOrBool,
  kSchemaOrStringArray,
};

struct GroupVersionKind {
  std::string_view group;
  std::string_view version;
  std::string_view kind;
};

struct MessageDesc {
  std::string_view name;  // OpenAPI definition name: io.k8s.api.core.v1.Container
  std::uint32_t size;     // sizeof the struct; align is at most 8
  JsonForm json_form;
  bool atomic;                               // x-kubernetes-map-type: atomic
  GroupVersionKind gvk;                      // kind empty unless it is a root type
  std::int32_t metadata_field;               // index of an ObjectMeta `metadata` field, or -1
  std::span<const FieldDesc> fields;         // in declaration order
  std::span<const std::uint16_t> by_name;    // indexes into fields, sorted by name
  std::span<const std::uint16_t> by_number;  // indexes into fields, sorted by (proto_group, proto_number)
  std::span<const InlineGroup> groups;
  std::string_view doc;

  // The field of that JSON name, or null.
  const FieldDesc* Find(std::string_view json_name) const;
};

// A printer column of a resource ("additionalPrinterColumns"); the cells of built-in kinds are computed in src/api.
struct ColumnDesc {
  std::string_view name;
  std::string_view type;
  std::string_view format;
  std::int32_t priority;
  std::string_view doc;
};

// What is served below an object of a resource: .../<plural>/<name>/<subresource>.
struct SubresourceDesc {
  std::string_view name;
  const MessageDesc* message;  // the kind it reads and writes, perhaps of another group (autoscaling/v1 Scale)
  std::span<const std::string_view> verbs;
};

// What is served at /api/v1/<plural> or /apis/<group>/<version>/<plural>.
struct ResourceDesc {
  std::string_view group;
  std::string_view version;
  std::string_view plural;
  std::string_view singular;
  std::string_view kind;
  bool namespaced;
  const MessageDesc* message;
  const MessageDesc* list_message;     // null if it cannot be listed
  std::string_view storage_version;    // "" if it is not stored (reviews, bindings)
  const MessageDesc* storage_message;  // the type it is stored as (of another version, or even group: events); or null
  std::string_view storage_prefix;     // first part of its keys below /registry/: mostly the plural
  std::span<const std::string_view> short_names;
  std::span<const std::string_view> categories;
  std::span<const std::string_view> verbs;
  std::span<const SubresourceDesc> subresources;
  std::span<const ColumnDesc> columns;
};

// A group and version that serves resources.
struct GroupVersionDesc {
  std::string_view group;
  std::string_view version;
  std::int32_t group_priority;    // APIService groupPriorityMinimum: higher comes first in discovery
  std::int32_t version_priority;  // the same within the group; the first version of a group is its preferred one
};

// Every generated message, in a fixed order; every group and version, and every resource, in the order of discovery.
std::span<const MessageDesc* const> AllMessages();
std::span<const GroupVersionDesc> AllGroupVersions();
std::span<const ResourceDesc> AllResources();
// Null if there is none.
const MessageDesc* FindMessage(std::string_view openapi_name);
const MessageDesc* FindKind(std::string_view group, std::string_view version, std::string_view kind);
const ResourceDesc* FindResource(std::string_view group, std::string_view version, std::string_view plural);

// The descriptor of a generated struct; specialised in its header.
template <typename T>
const MessageDesc& DescriptorOf();

}  // namespace minikube
