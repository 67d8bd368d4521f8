#include "api/custom/definitions.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <mutex>
#include <optional>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include <minikube/api/autoscaling/v1.h>
#include <minikube/custom_object.h>

#include "api/world/custom_resource.h"

namespace minikube::api {
namespace {

using apiextensions::v1::CustomResourceDefinition;
using apiextensions::v1::CustomResourceDefinitionNames;
using apiextensions::v1::CustomResourceDefinitionVersion;
using apiextensions::v1::CustomResourceSubresourceScale;

constexpr std::string_view kVerbs[] = {"create", "delete", "deletecollection", "get",
                                       "list",   "patch",  "update",           "watch"};
constexpr std::string_view kStatusVerbs[] = {"get", "patch", "update"};

// The descriptors of a kind, the same ones for the same names.
const CustomKind& KindOf(std::string_view group, std::string_view version, std::string_view kind,
                         std::string_view list_kind) {
  static std::mutex mu;
  static std::map<std::string, std::unique_ptr<const CustomKind>> known;
  std::lock_guard lock(mu);
  std::unique_ptr<const CustomKind>& found = known[fmt::format("{}/{}/{}/{}", group, version, kind, list_kind)];
  if (found == nullptr) found = std::make_unique<const CustomKind>(group, version, kind, list_kind);
  return *found;
}

// v<major>[alpha|beta<minor>].
struct ParsedVersion {
  int stability = 0;  // 2: stable, 1: beta, 0: alpha
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
};
std::optional<ParsedVersion> ParseVersion(std::string_view text) {
  ParsedVersion out;
  if (!text.starts_with('v')) return std::nullopt;
  const char* const end = text.data() + text.size();
  const auto number = [end](const char* from, std::uint32_t& to) -> const char* {
    if (from == end || *from < '1' || *from > '9') return nullptr;
    const auto [rest, error] = std::from_chars(from, end, to);
    return error == std::errc() ? rest : nullptr;
  };
  const char* at = number(text.data() + 1, out.major);
  if (at == nullptr) return std::nullopt;
  if (at == end) {
    out.stability = 2;
    return out;
  }
  const std::string_view rest(at, static_cast<std::size_t>(end - at));
  for (const auto& [word, stability] : {std::pair<std::string_view, int>("alpha", 0), {"beta", 1}}) {
    if (!rest.starts_with(word)) continue;
    out.stability = stability;
    if (number(at + word.size(), out.minor) == end) return out;
  }
  return std::nullopt;
}

// Null if the version has none.
const CustomResourceSubresourceScale* ScaleOf(const CustomResourceDefinitionVersion& version) {
  return version.subresources ? version.subresources->scale.get() : nullptr;
}

bool IsTrue(const CustomResourceDefinition& definition, std::string_view type) {
  for (const auto& condition : definition.status.conditions) {
    if (condition.type == type) return condition.status == "True";
  }
  return false;
}

// A path of a definition as one of this server: without the first dot.
std::string_view WithoutDot(std::string_view path) {
  if (path.starts_with('.')) path.remove_prefix(1);
  return path;
}

// What it is called: what it was given once it was established, what it asks for before.
const CustomResourceDefinitionNames& NamesOf(const CustomResourceDefinition& definition) {
  return IsTrue(definition, "Established") ? definition.status.acceptedNames : definition.spec.names;
}

}  // namespace

bool VersionBefore(std::string_view a, std::string_view b) {
  const std::optional<ParsedVersion> x = ParseVersion(a);
  const std::optional<ParsedVersion> y = ParseVersion(b);
  if (!x && !y) return a < b;
  if (!x || !y) return x.has_value();
  return std::tie(x->stability, x->major, x->minor) > std::tie(y->stability, y->major, y->minor);
}

// What is made of one definition. Owns what its descriptors point to.
class Definitions::Resource {
 public:
  Resource(const CustomResourceDefinition& definition, std::size_t index)
      : group_(definition.spec.group.str()), names_(NamesOf(definition)) {
    const bool established = IsTrue(definition, "Established");
    for (const Str& name : names_.shortNames) short_names_.push_back(name.view());
    for (const Str& category : names_.categories) categories_.push_back(category.view());
    for (const CustomResourceDefinitionVersion& version : definition.spec.versions) versions_.push_back(version);
    std::stable_sort(versions_.begin(), versions_.end(),
                     [](const auto& a, const auto& b) { return VersionBefore(a.name.view(), b.name.view()); });
    stored_.index = index;
    stored_.custom = true;
    stored_.prefix = fmt::format("/registry/{}/{}/", group_, names_.plural.view());
    stored_.strategy.group = group_;
    stored_.strategy.plural = names_.plural.view();
    stored_.strategy.generation = true;
    stored_.strategy.unconditional_update = false;
    DescribeVersions(definition.spec.scope == "Namespaced");
    for (std::size_t i = 0; i < versions_.size(); ++i) {
      catalogued_.known.push_back(&resources_[i]);
      if (established && versions_[i].served) catalogued_.resources.push_back(&resources_[i]);
      stored_.versions.push_back(resources_[i].message);
      if (!versions_[i].storage) continue;
      stored_.resource = &resources_[i];
      stored_.message = resources_[i].message;
      stored_.has_status_subresource = versions_[i].subresources && versions_[i].subresources->status;
    }
    catalogued_.kind = &stored_;
  }
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;

  const Catalogue::Custom& catalogued() const { return catalogued_; }

 private:
  // The name, then what the definition asks for, or the age.
  void DescribeColumns(const CustomResourceDefinitionVersion& version, CustomResourceDesc& out) {
    std::vector<ColumnDesc>& columns = columns_.emplace_back();
    columns.push_back({"Name", "string", "name", 0, "Name must be unique within a namespace."});
    for (const auto& column : version.additionalPrinterColumns) {
      std::string& doc = docs_.emplace_back(column.description.str());
      if (doc.empty()) {
        doc = fmt::format("Custom resource definition column (in JSONPath format): {}", column.jsonPath.view());
      }
      columns.push_back({column.name.view(), column.type.view(), column.format.view(), column.priority, doc});
      out.column_paths.push_back(JsonPath::Parse(column.jsonPath.view()));
    }
    if (version.additionalPrinterColumns.empty()) {
      columns.push_back({"Age", "date", "", 0, "Time since the object was created."});
      out.column_paths.push_back(JsonPath::Parse(".metadata.creationTimestamp"));
    }
    out.columns = columns;
  }

  void DescribeVersions(bool namespaced) {
    resources_.reserve(versions_.size());  // they are pointed to, as are their subresources
    subresources_.reserve(versions_.size());
    columns_.reserve(versions_.size());
    const CustomResourceDefinitionVersion* storage = nullptr;
    for (const auto& version : versions_) storage = version.storage ? &version : storage;
    const auto kind_of = [this](const CustomResourceDefinitionVersion& version) -> const CustomKind& {
      return KindOf(group_, version.name.view(), names_.kind.view(), names_.listKind.view());
    };
    for (const CustomResourceDefinitionVersion& version : versions_) {
      const CustomKind& kind = kind_of(version);
      CustomResourceDesc& out = resources_.emplace_back();
      out.group = group_;
      out.version = version.name.view();
      out.plural = names_.plural.view();
      out.singular = names_.singular.view();
      out.kind = names_.kind.view();
      out.namespaced = namespaced;
      out.message = &kind.object();
      out.list_message = &kind.list();
      if (storage != nullptr) {
        out.storage_version = storage->name.view();
        out.storage_message = &kind_of(*storage).object();
      }
      out.storage_prefix = std::string_view(stored_.prefix).substr(std::string_view("/registry/").size());
      out.storage_prefix.remove_suffix(1);
      out.short_names = short_names_;
      out.categories = categories_;
      out.verbs = kVerbs;
      std::vector<SubresourceDesc>& below = subresources_.emplace_back();
      if (version.subresources && version.subresources->status) {
        below.push_back({"status", &kind.object(), kStatusVerbs});
      }
      if (const CustomResourceSubresourceScale* scale = ScaleOf(version)) {
        below.push_back({"scale", &DescriptorOf<autoscaling::v1::Scale>(), kStatusVerbs});
        scales_[version.name.str()] = {std::string(WithoutDot(scale->specReplicasPath.view())),
                                       std::string(WithoutDot(scale->statusReplicasPath.view())),
                                       std::string(WithoutDot(scale->labelSelectorPath.value_or(Str()).view()))};
      }
      out.subresources = below;
      out.scales = &scales_;
      for (const auto& field : version.selectableFields) {
        const std::string_view path = WithoutDot(field.jsonPath.view());
        out.field_selectors.emplace_back(path, path);
      }
      DescribeColumns(version, out);
    }
  }

  const std::string group_;
  const CustomResourceDefinitionNames names_;
  std::vector<std::string_view> short_names_;
  std::vector<std::string_view> categories_;
  std::vector<CustomResourceDefinitionVersion> versions_;
  std::vector<CustomResourceDesc> resources_;     // by version
  std::vector<std::vector<ColumnDesc>> columns_;  // likewise
  std::deque<std::string> docs_;                  // of columns; the elements stay where they are
  std::vector<std::vector<SubresourceDesc>> subresources_;
  std::map<std::string, CustomScale, std::less<>> scales_;  // by version
  StoredKind stored_;
  Catalogue::Custom catalogued_;
};

Definitions::Definitions(std::shared_ptr<const Catalogue> built_in)
    : built_in_(std::move(built_in)), next_index_(built_in_->kinds().size()) {}

Definitions::~Definitions() = default;

const Definitions::Resource& Definitions::ResourceOf(const CustomResourceDefinition& definition) {
  // All that a Resource is made from: what is not in it (schemas, annotations) may change without a new one.
  const CustomResourceDefinitionNames& names = NamesOf(definition);
  std::string content =
      fmt::format("{} {} {} {} {} {} {} {}\n", definition.spec.group.view(), names.plural.view(), names.singular.view(),
                  names.kind.view(), names.listKind.view(), definition.spec.scope.view(),
                  IsTrue(definition, "Established"), definition.metadata.name.view());
  for (const Str& name : names.shortNames) content += fmt::format("{},", name.view());
  content += '\n';
  for (const Str& category : names.categories) content += fmt::format("{},", category.view());
  for (const CustomResourceDefinitionVersion& version : definition.spec.versions) {
    content += fmt::format("\n{} {} {} {}", version.name.view(), version.served, version.storage,
                           version.subresources && version.subresources->status);
    // Texts may hold anything: each is told with its length.
    const auto tell = [&content](std::initializer_list<std::string_view> texts) {
      for (const std::string_view text : texts) content += fmt::format("\n{} {}", text.size(), text);
    };
    for (const auto& column : version.additionalPrinterColumns) {
      tell({column.name.view(), column.type.view(), column.format.view(), column.description.view(),
            column.jsonPath.view()});
      content += fmt::format(" {}", column.priority);
    }
    content += "\nselectable";
    for (const auto& field : version.selectableFields) tell({field.jsonPath.view()});
    if (const CustomResourceSubresourceScale* scale = ScaleOf(version)) {
      content += "\nscale";
      tell({scale->specReplicasPath.view(), scale->statusReplicasPath.view(),
            scale->labelSelectorPath.value_or(Str()).view()});
    }
  }
  std::unique_ptr<Resource>& resource = resources_[content];
  if (resource == nullptr) {
    const auto [it, fresh] = indexes_.try_emplace(definition.metadata.name.str(), next_index_);
    if (fresh) ++next_index_;
    resource = std::make_unique<Resource>(definition, it->second);
  }
  return *resource;
}

Catalogue::Custom Definitions::Catalogued(const CustomResourceDefinition& definition) {
  Catalogue::Custom custom = ResourceOf(definition).catalogued();
  for (const ResourceDesc* resource : custom.known) {
    std::shared_ptr<const StructuralSchema>& schema = custom.schemas.emplace_back();
    for (const CustomResourceDefinitionVersion& version : definition.spec.versions) {
      if (!(version.name == resource->version) || !version.schema || !version.schema->openAPIV3Schema) continue;
      schema = schemas_.Get(*version.schema->openAPIV3Schema);
    }
  }
  return custom;
}

std::shared_ptr<const Catalogue> Definitions::Serve(const EntryMap& definitions) {
  std::vector<Catalogue::Custom> custom;
  std::string fingerprint;
  std::map<std::string, Known, std::less<>> known;
  for (auto it = definitions.Begin(); it; ++it) {
    const auto& definition = it->object->As<CustomResourceDefinition>();
    Known& now = known[definition.metadata.name.str()];
    const auto before = known_.find(definition.metadata.name.view());
    if (before != known_.end() && before->second.definition == it->object) {
      now = std::move(before->second);
    } else {
      now = {it->object, Catalogued(definition)};
      now.custom.definition = it->object;
    }
    if (now.custom.kind->message == nullptr) continue;  // no version to store in: nothing that passed validation
    custom.push_back(now.custom);
    fingerprint += fmt::format("{} {} {};", definition.metadata.uid.view(), definition.metadata.generation,
                               now.custom.resources.size());
  }
  known_ = std::move(known);
  // Groups in the order of their names, as the definitions' names (plural.group) do not say.
  std::stable_sort(custom.begin(), custom.end(), [](const Catalogue::Custom& a, const Catalogue::Custom& b) {
    return a.kind->strategy.group < b.kind->strategy.group;
  });
  return Catalogue::With(built_in_, std::move(custom), std::move(fingerprint));
}

}  // namespace minikube::api
