// What OpenAPI documents say, whatever their version: schemas and operations as plain data, made from the resource
// tables one at a time, so that a document is written without ever standing in memory as a tree.
//
// Thread safety: pure functions of the tables.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/descriptor.h>

#include "api/world/catalogue.h"

namespace minikube::api {

struct SchemaNode {
  std::string_view type;  // "" = anything
  std::string_view format;
  std::string_view doc;
  std::string_view ref;  // name of a definition; then type and format are empty
  std::string_view default_json;
  std::span<const std::string_view> enum_values;
  std::unique_ptr<SchemaNode> items;                                 // of an array
  std::unique_ptr<SchemaNode> values;                                // of a map
  std::vector<std::pair<std::string_view, std::string>> extensions;  // x-kubernetes-...: JSON
};

struct DefinitionNode {
  std::string_view name;
  SchemaNode schema;
  std::vector<std::string_view> required;
  std::vector<std::pair<std::string_view, SchemaNode>> properties;
};

// A message as a definition. Kinds also get apiVersion and kind.
DefinitionNode DescribeMessage(const MessageDesc& message);

// The scalar types of the API that are definitions of their own: quantities, times and their like.
std::span<const std::string_view> ScalarDefinitions();
DefinitionNode DescribeScalar(std::string_view name);

struct ParameterNode {
  std::string_view name;
  std::string_view type;
  std::string_view doc;
  bool in_path = false;  // else in the query
};

struct OperationNode {
  std::string_view method;  // "get", ...
  std::string_view action;  // x-kubernetes-action
  std::string id;
  const MessageDesc* kind = nullptr;  // x-kubernetes-group-version-kind; may be null
  std::string_view body;              // definition of the body; "" = none
  std::string_view response;          // definition of the answer; "" = text
  std::vector<ParameterNode> parameters;
};

struct PathNode {
  std::string path;
  std::string tag;                        // "apps_v1"
  std::vector<ParameterNode> parameters;  // of all operations
  std::vector<OperationNode> operations;
};

// Every path of a resource: collections, objects, subresources.
std::vector<PathNode> DescribePaths(const ResourceDesc& resource);

// The messages that `resources` use, directly or within one another, sorted by name; with what every API needs (Status,
// DeleteOptions, WatchEvent).
std::vector<const MessageDesc*> MessagesOf(const std::vector<const ResourceDesc*>& resources);

// {"group":"apps","kind":"Deployment","version":"v1"}.
std::string KindJson(const GroupVersionKind& gvk);

inline constexpr std::string_view kPatchTypes[] = {"application/apply-patch+yaml", "application/json-patch+json",
                                                   "application/merge-patch+json",
                                                   "application/strategic-merge-patch+json"};
inline constexpr std::string_view kPatchDefinition = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

// Changes whenever a document made from `catalogue` would.
std::string OpenApiFingerprint(const Catalogue& catalogue);

}  // namespace minikube::api
