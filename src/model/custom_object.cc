#include <minikube/custom_object.h>

#include <cstddef>

namespace minikube {
namespace {

constexpr std::uint16_t kByName[] = {0};
constexpr std::uint16_t kListByName[] = {1, 0};

FieldDesc Field(std::string_view name, std::size_t offset, FieldType type, Shape shape, std::uint16_t flags,
                const MessageDesc* message, std::string_view doc) {
  FieldDesc field{};
  field.name = name;
  field.offset = static_cast<std::uint32_t>(offset);
  field.type = type;
  field.shape = shape;
  field.list_type = ListType::kAtomic;
  field.flags = flags;
  field.message = message;
  field.doc = doc;
  return field;
}

// One for all kinds, which is how a custom object is known.
const std::array<FieldDesc, 2>& Fields() {
  static const std::array<FieldDesc, 2> fields = {
      Field("metadata", offsetof(CustomObject, metadata), FieldType::kMessage, Shape::kPlain, kFieldAlways,
            &DescriptorOf<meta::v1::ObjectMeta>(), "Standard object metadata."),
      Field("", offsetof(CustomObject, rest), FieldType::kJson, Shape::kPlain, kFieldRest, nullptr, "Everything else."),
  };
  return fields;
}

// stable.example.com becomes com.example.stable, as OpenAPI names definitions.
std::string DefinitionName(std::string_view group, std::string_view version, std::string_view kind) {
  std::string name;
  while (!group.empty()) {
    const std::size_t dot = group.rfind('.');
    name.append(dot == std::string_view::npos ? group : group.substr(dot + 1)).append(".");
    group = dot == std::string_view::npos ? std::string_view() : group.substr(0, dot);
  }
  return name.append(version).append(".").append(kind);
}

}  // namespace

CustomKind::CustomKind(std::string_view group, std::string_view version, std::string_view kind,
                       std::string_view list_kind)
    : group_(group),
      version_(version),
      kind_(kind),
      list_kind_(list_kind),
      name_(DefinitionName(group, version, kind)),
      list_name_(DefinitionName(group, version, list_kind)),
      list_fields_{Field("metadata", offsetof(CustomObjectList, metadata), FieldType::kMessage, Shape::kPlain,
                         kFieldAlways, &DescriptorOf<meta::v1::ListMeta>(), "Standard list metadata."),
                   Field("items", offsetof(CustomObjectList, items), FieldType::kMessage, Shape::kList,
                         kFieldRequired | kFieldAlways | kFieldEmbeddedObject, &object_, "The objects.")},
      object_{name_,
              sizeof(CustomObject),
              JsonForm::kObject,
              false,
              {group_, version_, kind_},
              0,
              Fields(),
              kByName,
              {},
              {},
              {}},
      list_{list_name_,
            sizeof(CustomObjectList),
            JsonForm::kObject,
            false,
            {group_, version_, list_kind_},
            -1,
            list_fields_,
            kListByName,
            {},
            {},
            {}} {}

bool IsCustom(const MessageDesc& desc) { return desc.fields.data() == Fields().data(); }

const CustomObject* AsCustomObject(const Object& object) {
  return IsCustom(object.desc()) ? static_cast<const CustomObject*>(object.data()) : nullptr;
}

CustomObject* AsCustomObject(Object& object) {
  return IsCustom(object.desc()) ? static_cast<CustomObject*>(object.mutable_data()) : nullptr;
}

}  // namespace minikube
