// Objects of kinds that are defined at run time (CustomResourceDefinitions): ObjectMeta, and everything else as a Json
// tree, just as it was written.
//
//   CustomKind crontab("stable.example.com", "v1", "CronTab", "CronTabList");
//   ObjectPtr object = Decode(MediaType::kJson, bytes, &crontab.object()).value();
//   AsCustomObject(*object)->rest["spec"]["replicas"].AsInt64();
//
// The descriptors make codecs, equality, JSON and merge patches, server-side apply (without a schema: maps merge, lists
// are replaced) and field selectors work on them as on generated structs. They have no protobuf form.
// Thread safety: descriptors are immutable; objects as any Object. Lifetime: a CustomKind must outlive its objects.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <minikube/api/meta/v1.h>
#include <minikube/descriptor.h>
#include <minikube/json.h>
#include <minikube/object.h>
#include <minikube/types.h>

namespace minikube {

struct CustomObject {
  meta::v1::ObjectMeta metadata;
  Json rest;  // an object of all members but apiVersion, kind and metadata; absent if there are none
};

struct CustomObjectList {
  meta::v1::ListMeta metadata;
  List<CustomObject> items;
};

// The descriptors of one kind in one version, and of its list.
class CustomKind {
 public:
  CustomKind(std::string_view group, std::string_view version, std::string_view kind, std::string_view list_kind);
  CustomKind(const CustomKind&) = delete;
  CustomKind& operator=(const CustomKind&) = delete;

  const MessageDesc& object() const { return object_; }
  const MessageDesc& list() const { return list_; }

 private:
  const std::string group_;
  const std::string version_;
  const std::string kind_;
  const std::string list_kind_;
  const std::string name_;  // com.example.stable.v1.CronTab
  const std::string list_name_;
  std::array<FieldDesc, 2> list_fields_;
  MessageDesc object_;
  MessageDesc list_;
};

// The object of any custom kind; null if it is of a generated one.
bool IsCustom(const MessageDesc& desc);
const CustomObject* AsCustomObject(const Object& object);
CustomObject* AsCustomObject(Object& object);

}  // namespace minikube
