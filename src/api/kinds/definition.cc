// CustomResourceDefinition: kinds that users add.
#include <algorithm>
#include <set>
#include <string>

#include <fmt/format.h>

#include <minikube/api/apiextensions/v1.h>

#include "api/kinds/definition_names.h"
#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"
#include "api/world/catalogue.h"
#include "structural/structural_schema.h"

namespace minikube::api {

namespace {

using apiextensions::v1::CustomResourceDefinition;
using apiextensions::v1::CustomResourceDefinitionNames;
using apiextensions::v1::CustomResourceDefinitionSpec;
using apiextensions::v1::CustomResourceDefinitionVersion;

constexpr std::string_view kApproval = "api-approved.kubernetes.io";

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

void DefaultDefinition(Object& next, const Object*) {
  CustomResourceDefinitionNames& names = next.As<CustomResourceDefinition>().spec.names;
  if (names.singular.empty()) names.singular = Lower(names.kind.view());
  if (names.listKind.empty() && !names.kind.empty()) names.listKind = names.kind.str() + "List";
}

// Of what users write, status is not theirs; which versions objects may be stored in is known from the spec.
void PrepareDefinition(Object& next, const Object* before, const HookContext&) {
  auto& definition = next.As<CustomResourceDefinition>();
  definition.status = before != nullptr ? before->As<CustomResourceDefinition>().status
                                        : apiextensions::v1::CustomResourceDefinitionStatus{};
  List<Str>& stored = definition.status.storedVersions;
  for (const CustomResourceDefinitionVersion& version : definition.spec.versions) {
    if (!version.storage) continue;
    if (std::find(stored.begin(), stored.end(), version.name) == stored.end()) stored.push_back(version.name);
    return;
  }
}

NamesInUse NamesOfOthers(const CustomResourceDefinition& definition, const World& world) {
  NamesInUse out;
  const StoredKind& kind = world.catalogue->Get("apiextensions.k8s.io", "customresourcedefinitions");
  for (auto it = world.kinds[kind.index].Begin(); it; ++it) {
    const auto& other = it->object->As<CustomResourceDefinition>();
    if (!(other.spec.group == definition.spec.group) || other.metadata.name == definition.metadata.name) continue;
    const CustomResourceDefinitionNames& names = other.status.acceptedNames;
    for (const Str& name : {names.plural, names.singular}) {
      if (!name.empty()) out.resources.insert(name.str());
    }
    for (const Str& name : names.shortNames) out.resources.insert(name.str());
    for (const Str& name : {names.kind, names.listKind}) {
      if (!name.empty()) out.kinds.insert(name.str());
    }
  }
  return out;
}

Status AllocateNames(Object* next, const Object* before, HookContext& context) {
  CustomResourceDefinition* definition = next != nullptr ? &next->As<CustomResourceDefinition>() : nullptr;
  if (definition != nullptr) AcceptNames(*definition, NamesOfOthers(*definition, context.world), context.now);
  context.claims = NameClaims(definition, before != nullptr ? &before->As<CustomResourceDefinition>() : nullptr);
  return {};
}

// Its objects go first: see bootstrap/definition_keeper.h.
void BeginDeletion(Object& next, WallTime now) {
  auto& definition = next.As<CustomResourceDefinition>();
  List<Str>& finalizers = definition.metadata.finalizers;
  if (std::find(finalizers.begin(), finalizers.end(), Str(kCustomResourceCleanup)) == finalizers.end()) {
    finalizers.push_back(kCustomResourceCleanup);
  }
  SetCondition(definition, "Terminating", true, "InstanceDeletionPending",
               "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon", now);
}

// ---- Validation ---------------------------------------------------------------------------------------------------

void Label(const FieldPath& path, const Str& value, std::string_view before, ErrorList& errors) {
  if (value.empty()) return;
  const Messages wrong = IsDns1035Label(before.empty() ? value.view() : Lower(value.view()));
  if (!wrong.empty()) errors.Invalid(path, value, fmt::format("{}{}", before, fmt::join(wrong, ",")));
}

void ValidateNames(const CustomResourceDefinitionNames& names, const FieldPath& path, ErrorList& errors) {
  constexpr std::string_view kMixed = "may have mixed case, but should otherwise match: ";
  const struct {
    std::string_view name;
    const Str& value;
    std::string_view before;
  } required[] = {{"plural", names.plural, ""},
                  {"singular", names.singular, ""},
                  {"kind", names.kind, kMixed},
                  {"listKind", names.listKind, kMixed}};
  for (const auto& each : required) {
    if (each.value.empty()) errors.Required(path.Child(each.name), "");
  }
  for (const auto& each : required) Label(path.Child(each.name), each.value, each.before, errors);
  const FieldPath short_names = path.Child("shortNames");
  for (std::size_t i = 0; i < names.shortNames.size(); ++i) {
    errors.InvalidEach(short_names.Index(i), names.shortNames[i], IsDns1035Label(names.shortNames[i].view()));
  }
  if (!names.kind.empty() && names.kind == names.listKind) {
    errors.Invalid(path.Child("listKind"), names.listKind, "kind and listKind may not be the same");
  }
  const FieldPath categories = path.Child("categories");
  for (std::size_t i = 0; i < names.categories.size(); ++i) {
    errors.InvalidEach(categories.Index(i), names.categories[i], IsDns1035Label(names.categories[i].view()));
  }
}

void SimplePath(const FieldPath& path, std::string_view value, ErrorList& errors) {
  if (!value.starts_with('.')) errors.Invalid(path, value, "must be a simple json path starting with .");
}

void ValidateColumn(const apiextensions::v1::CustomResourceColumnDefinition& column, const FieldPath& path,
                    ErrorList& errors) {
  constexpr std::string_view kTypes[] = {"boolean", "date", "integer", "number", "string"};
  constexpr std::string_view kFormats[] = {"byte",  "date",  "date-time", "double",
                                           "float", "int32", "int64",     "password"};
  const auto is_one = [](std::span<const std::string_view> all, const Str& value) {
    return std::find(all.begin(), all.end(), value.view()) != all.end();
  };
  if (column.name.empty()) errors.Required(path.Child("name"), "");
  const std::string types = fmt::format("must be one of {}", fmt::join(kTypes, ","));
  if (column.type.empty()) {
    errors.Required(path.Child("type"), types);
  } else if (!is_one(kTypes, column.type)) {
    errors.Invalid(path.Child("type"), column.type, types);
  }
  if (!column.format.empty() && !is_one(kFormats, column.format)) {
    errors.Invalid(path.Child("format"), column.format, fmt::format("must be one of {}", fmt::join(kFormats, ",")));
  }
  if (column.jsonPath.empty()) {
    errors.Required(path.Child("JSONPath"), "");
  } else {
    SimplePath(path.Child("JSONPath"), column.jsonPath.view(), errors);
  }
}

void ValidateScale(const apiextensions::v1::CustomResourceSubresourceScale& scale, const FieldPath& path,
                   ErrorList& errors) {
  const auto check = [&](std::string_view name, const Str& value, std::string_view under, std::string_view where) {
    if (value.empty()) return;  // the schema says that it must be there
    if (!value.view().starts_with('.')) return SimplePath(path.Child(name), value.view(), errors);
    if (!value.view().starts_with(under)) errors.Invalid(path.Child(name), value, where);
  };
  check("specReplicasPath", scale.specReplicasPath, ".spec.", "should be a json path under .spec");
  check("statusReplicasPath", scale.statusReplicasPath, ".status.", "should be a json path under .status");
  if (!scale.labelSelectorPath || scale.labelSelectorPath->empty()) return;
  const std::string_view selector = scale.labelSelectorPath->view();
  const FieldPath at = path.Child("labelSelectorPath");
  SimplePath(at, selector, errors);
  if (selector.starts_with('.') && !selector.starts_with(".spec.") && !selector.starts_with(".status.")) {
    errors.Invalid(at, selector, "should be a json path under either .spec or .status");
  }
}

// Where a path of selectableFields leads; null and why, if nowhere. Such paths have dots and names alone.
const apiextensions::v1::JSONSchemaProps* FindSelectable(const apiextensions::v1::JSONSchemaProps& root,
                                                         std::string_view path, std::string& why) {
  const apiextensions::v1::JSONSchemaProps* at = &root;
  while (!path.empty()) {
    if (path.find('[') == 0) why = "array notation is not allowed";
    if (path.front() != '.' && why.empty())
      why = fmt::format("expected [ or . but got: {}", path.substr(0, path.find_first_of(".[]")));
    path.remove_prefix(1);
    if (path.empty() && why.empty()) why = "unexpected end of JSON path";
    if (!why.empty()) return nullptr;
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(end);
    if (!at->properties.empty()) {
      at = at->properties.Find(name);
    } else {
      at = at->additionalProperties ? at->additionalProperties->schema.get() : nullptr;
    }
    if (at != nullptr) continue;
    why = "does not refer to a valid field";
    return nullptr;
  }
  return at;
}

void ValidateSelectable(const CustomResourceDefinitionVersion& version, const FieldPath& path, ErrorList& errors) {
  constexpr std::size_t kMost = 8;
  const auto& fields = version.selectableFields;
  if (fields.empty()) return;
  if (!version.schema || !version.schema->openAPIV3Schema) {
    return errors.Invalid(path, "", "may only be set when `version.schema.openAPIV3Schema` is not included");
  }
  std::set<std::string_view> known;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string_view text = fields[i].jsonPath.view();
    const FieldPath item = path.Index(i);
    const FieldPath at = item.Child("jsonPath");
    if (text.empty()) continue;  // the schema says that it must be there
    std::string why;
    const auto* found = FindSelectable(*version.schema->openAPIV3Schema, text, why);
    if (!why.empty()) {
      errors.Invalid(at, text, fmt::format("is an invalid path: {}", why));
      continue;
    }
    if (text == ".metadata" || text.starts_with(".metadata.")) {
      errors.Invalid(at, text, "must not point to fields in metadata");
    }
    if (!(found->type == "string") && !(found->type == "boolean") && !(found->type == "integer")) {
      errors.Invalid(at, text,
                     "must point to a field of type string, boolean or integer. Enum string fields and strings with "
                     "formats are allowed.");
    }
    if (!known.insert(text).second) errors.Duplicate(at, text);
  }
  if (known.size() > kMost) errors.TooMany(path, known.size(), kMost);
}

// `checked`: the schema is that of the definition before, and was found good. `keeps_selectable`: what may be selected
// by is what it was.
void ValidateVersion(const CustomResourceDefinitionVersion& version, const FieldPath& path, bool checked,
                     bool keeps_selectable, ErrorList& errors) {
  const FieldPath name = path.Child("name");
  const Messages wrong = IsDns1035Label(version.name.view());
  if (!wrong.empty()) errors.Invalid(name, version.name, fmt::format("{}", fmt::join(wrong, ",")));
  if (!version.deprecated && version.deprecationWarning) {
    errors.Invalid(path.Child("deprecationWarning"), *version.deprecationWarning,
                   "can only be set for deprecated versions");
  } else if (version.deprecationWarning && version.deprecationWarning->size() > 256) {
    errors.Invalid(path.Child("deprecationWarning"), *version.deprecationWarning, "must be <= 256 characters long");
  }
  const FieldPath schema = path.Child("schema");
  const FieldPath props = schema.Child("openAPIV3Schema");
  if (!version.schema || !version.schema->openAPIV3Schema) {
    errors.Required(props, "");
  } else if (!checked) {
    const std::size_t known = errors.size();
    if (version.schema->openAPIV3Schema->nullable) {
      errors.Forbidden(schema.Child("openAPIV3Schema.nullable"), "nullable cannot be true at the root");
    }
    CheckStructural(*version.schema->openAPIV3Schema, props, errors);
    if (errors.size() == known) CheckSchemaRules(*version.schema->openAPIV3Schema, props, errors);
  }
  const FieldPath columns = path.Child("additionalPrinterColumns");
  for (std::size_t i = 0; i < version.additionalPrinterColumns.size(); ++i) {
    ValidateColumn(version.additionalPrinterColumns[i], columns.Index(i), errors);
  }
  const FieldPath subresources = path.Child("subresources");
  if (version.subresources && version.subresources->scale) {
    ValidateScale(*version.subresources->scale, subresources.Child("scale"), errors);
  }
  if (!keeps_selectable) ValidateSelectable(version, path.Child("selectableFields"), errors);
}

const CustomResourceDefinitionVersion* VersionOf(const CustomResourceDefinitionSpec& spec, const Str& name) {
  for (const CustomResourceDefinitionVersion& version : spec.versions) {
    if (version.name == name) return &version;
  }
  return nullptr;
}

void ValidateVersions(const CustomResourceDefinitionSpec& spec, const CustomResourceDefinitionSpec* before,
                      const FieldPath& path, ErrorList& errors) {
  std::set<std::string_view> names;
  int stored = 0;
  for (std::size_t i = 0; i < spec.versions.size(); ++i) {
    const CustomResourceDefinitionVersion& version = spec.versions[i];
    const CustomResourceDefinitionVersion* old = before != nullptr ? VersionOf(*before, version.name) : nullptr;
    const bool checked = old != nullptr && version.schema && old->schema && DeepEqual(*version.schema, *old->schema);
    const bool keeps = checked && std::equal(version.selectableFields.begin(), version.selectableFields.end(),
                                             old->selectableFields.begin(), old->selectableFields.end(),
                                             [](const auto& a, const auto& b) { return a.jsonPath == b.jsonPath; });
    ValidateVersion(version, path.Index(i), checked, keeps, errors);
    names.insert(version.name.view());
    if (version.storage) ++stored;
  }
  const auto all = [&] {
    std::vector<std::string_view> list;
    for (const auto& version : spec.versions) list.push_back(version.name.view());
    return fmt::format("[{}]", fmt::join(list, " "));
  };
  if (names.size() != spec.versions.size()) {
    errors.Invalid(path, BadValue::Json(all()), "must contain unique version names");
  }
  if (stored != 1) {
    errors.Invalid(path, BadValue::Json(all()), "must have exactly one version marked as storage version");
  }
}

void ValidateSpec(const CustomResourceDefinitionSpec& spec, const CustomResourceDefinitionSpec* before,
                  bool established, ErrorList& errors) {
  const FieldPath path("spec");
  if (spec.group.empty()) {
    errors.Required(path.Child("group"), "");
  } else if (const Messages wrong = IsDns1123Subdomain(spec.group.view()); !wrong.empty()) {
    errors.Invalid(path.Child("group"), spec.group, fmt::format("{}", fmt::join(wrong, ",")));
  } else if (spec.group.view().find('.') == std::string_view::npos) {
    errors.Invalid(path.Child("group"), spec.group, "should be a domain with at least one dot");
  }
  if (spec.scope.empty()) {
    errors.Required(path.Child("scope"), "");
  } else if (!(spec.scope == "Cluster") && !(spec.scope == "Namespaced")) {
    errors.NotSupported(path.Child("scope"), spec.scope, {"Cluster", "Namespaced"});
  }
  if (spec.preserveUnknownFields) {
    errors.Invalid(path.Child("preserveUnknownFields"), true,
                   "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                   "spec.versions[*].schema instead");
  }
  ValidateVersions(spec, before, path.Child("versions"), errors);
  ValidateNames(spec.names, path.Child("names"), errors);
  const FieldPath conversion = path.Child("conversion");
  if (spec.conversion && spec.conversion->strategy == "Webhook") {
    errors.Forbidden(conversion.Child("strategy"), "this server does not call conversion webhooks yet");
  } else if (spec.conversion && !(spec.conversion->strategy == "None")) {
    errors.NotSupported(conversion.Child("strategy"), spec.conversion->strategy, {"None", "Webhook"});
  } else if (spec.conversion && spec.conversion->webhook) {
    errors.Forbidden(conversion.Child("webhookClientConfig"), "should not be set when strategy is not set to Webhook");
  }
  if (before == nullptr) return;
  const FieldPath names = path.Child("names");
  if (established && !(spec.scope == before->scope)) errors.Immutable(path.Child("scope"), spec.scope);
  if (established && !(spec.names.kind == before->names.kind)) errors.Immutable(names.Child("kind"), spec.names.kind);
  if (!(spec.group == before->group)) errors.Immutable(path.Child("group"), spec.group);
  if (!(spec.names.plural == before->names.plural)) errors.Immutable(names.Child("plural"), spec.names.plural);
}

void ValidateStoredVersions(const CustomResourceDefinition& definition, ErrorList& errors) {
  const FieldPath status("status");
  const FieldPath path = status.Child("storedVersions");
  const List<Str>& stored = definition.status.storedVersions;
  if (stored.empty()) return errors.Invalid(path, BadValue::Json("[]"), "must have at least one stored version");
  for (std::size_t i = 0; i < stored.size(); ++i) {
    if (VersionOf(definition.spec, stored[i]) != nullptr) continue;
    errors.Invalid(path.Index(i), stored[i],
                   fmt::format("missing from spec.versions; {0} was previously a storage version, and must remain in "
                               "spec.versions until a storage migration ensures no data remains persisted in {0} and "
                               "removes {0} from status.storedVersions",
                               stored[i].view()));
  }
}

void ValidateDefinition(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& definition = next.As<CustomResourceDefinition>();
  const auto* old = before != nullptr ? &before->As<CustomResourceDefinition>() : nullptr;
  const CustomResourceDefinitionSpec& spec = definition.spec;
  const FieldPath metadata("metadata");
  if (definition.metadata.name.view() != fmt::format("{}.{}", spec.names.plural.view(), spec.group.view())) {
    errors.Invalid(metadata.Child("name"), definition.metadata.name, "must be spec.names.plural+\".\"+spec.group");
  }
  ValidateSpec(spec, old != nullptr ? &old->spec : nullptr, old != nullptr && IsConditionTrue(*old, "Established"),
               errors);
  ValidateStoredVersions(definition, errors);
  const std::string group = "." + spec.group.str();
  if (old == nullptr && (group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io")) &&
      definition.metadata.annotations.Find(kApproval) == nullptr) {
    const FieldPath annotations = metadata.Child("annotations");
    errors.Required(annotations.Key(kApproval),
                    "protected groups must have approval annotation \"api-approved.kubernetes.io\", see "
                    "https://github.com/kubernetes/enhancements/pull/1111");
  }
}

constexpr Strategy kKinds[] = {
    {.group = "apiextensions.k8s.io",
     .plural = "customresourcedefinitions",
     .generation = true,
     .unconditional_update = false,
     .prepare = PrepareDefinition,
     .defaults = DefaultDefinition,
     .validate = ValidateDefinition,
     .allocate = AllocateNames,
     .begin_deletion = BeginDeletion},
};

}  // namespace

std::span<const Strategy> DefinitionKinds() { return kKinds; }

}  // namespace minikube::api
