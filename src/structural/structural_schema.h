// StructuralSchema: the schema of a custom kind (apiextensions.k8s.io/v1 JSONSchemaProps), made ready to work on Json
// trees: prune, default, validate, and tell server-side apply how values merge. "Structural" is what Kubernetes
// requires of such schemas: every value has a place outside of the logical operators, which only restrict it.
//
// The object that functions work on is the whole one, with apiVersion, kind and metadata (RootOf), or without them:
// the root's own are never pruned, defaulted or typed here, for they are no business of the schema.
// Thread safety: immutable once made. Limits: SchemaLimits; errors of one validation stop at kMaxSchemaErrors.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <minikube/api/apiextensions/v1.h>
#include <minikube/custom_object.h>
#include <minikube/json.h>

#include "model/field_errors.h"
#include "structural/schema_node.h"

namespace minikube {

class SchemaRules;

inline constexpr std::size_t kMaxSchemaErrors = 1000;

// Says what is wrong with `props` as a structural schema, with the paths below `path` and in the words of Kubernetes.
// Empty: StructuralSchema::Make can be relied on.
void CheckStructural(const apiextensions::v1::JSONSchemaProps& props, const FieldPath& path, ErrorList& errors);
// The same of its rules, if it is structural: they compile, and cannot cost too much.
void CheckSchemaRules(const apiextensions::v1::JSONSchemaProps& props, const FieldPath& path, ErrorList& errors);

class StructuralSchema {
 public:
  // Of a schema that CheckStructural has passed; of any other, what can be made of it.
  static std::shared_ptr<const StructuralSchema> Make(const apiextensions::v1::JSONSchemaProps& props);
  ~StructuralSchema();
  StructuralSchema(const StructuralSchema&) = delete;
  StructuralSchema& operator=(const StructuralSchema&) = delete;

  const SchemaNode& root() const { return root_; }

  // Takes out what the schema does not know. Appends the paths of what went to `pruned` (may be null), sorted.
  void Prune(Json& object, std::vector<std::string>* pruned = nullptr) const;
  // Gives what is absent, or null though it may not be, its default; a null without default goes.
  void Default(Json& object) const;
  // Everything the schema says but its rules in the expression language (ValidateRules). With `old`, the object before
  // the change, what was wrong and has not changed is tolerated; lists are followed by their keys.
  void Validate(const Json& object, const Json* old, ErrorList& errors) const;
  // The rules (x-kubernetes-validations), on an object that Validate has passed; `object` and `old` with apiVersion,
  // kind and metadata (RootOf). Rules about changes need an old value; others are not evaluated for what is as it was.
  // `budget` (null: kRuleBudget) is what they may cost, and is left with the rest: negative if it ran out, which is an
  // error.
  void ValidateRules(const Json& object, const Json* old, ErrorList& errors, std::int64_t* budget = nullptr) const;

 private:
  friend class SchemaCache;
  StructuralSchema();
  SchemaNode root_;
  std::unique_ptr<const SchemaRules> rules_;
};

// The object as the schema and its rules see it: apiVersion, kind, the name and generateName of metadata, and the rest.
Json RootOf(const MessageDesc& desc, const CustomObject& object);

// One schema for all that have the same contents. Thread safety: any thread.
class SchemaCache {
 public:
  std::shared_ptr<const StructuralSchema> Get(const apiextensions::v1::JSONSchemaProps& props);

 private:
  struct Entry {
    apiextensions::v1::JSONSchemaProps props;
    std::weak_ptr<const StructuralSchema> schema;
  };
  std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<Entry>> entries_;  // by hash of the schema's JSON
};

}  // namespace minikube
