// x-kubernetes-validations: the rules of a schema, compiled; their evaluation against an object.
//
// Thread safety: immutable once made; evaluation on any thread. Limits: each rule by kDefaultCostLimit, all of an
// object by kRuleBudget; beforehand by what could be spent at most (kMaxRuleCost, kMaxSchemaCost).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <minikube/json.h>

#include "cel/program.h"
#include "model/field_errors.h"
#include "structural/declaration.h"
#include "structural/schema_node.h"

namespace minikube {

// What the rules may cost for one object.
inline constexpr std::int64_t kRuleBudget = 10'000'000;
// What one rule, and all of a schema, may cost at most by estimate.
inline constexpr std::uint64_t kMaxRuleCost = 10'000'000;
inline constexpr std::uint64_t kMaxSchemaCost = 100'000'000;
inline constexpr std::size_t kMaxRuleMessageBytes = std::size_t{5} * 1024;

struct CompiledRule {
  std::shared_ptr<const cel::Program> rule;     // null: it does not compile, or is empty
  std::shared_ptr<const cel::Program> message;  // of messageExpression; null if there is none, or it does not compile
  std::string rule_problem;
  std::string message_problem;
  std::string field_path;  // below the value, as errors show it; "" : the value itself
  bool field_path_valid = true;
  bool uses_old = false;
};

// The rules of one place.
struct NodeRules {
  Declaration declaration;
  std::vector<CompiledRule> rules;
};

// All rules of a schema, each place's at SchemaNode::rules_index - 1.
class SchemaRules {
 public:
  // Compiles, and notes in the nodes where rules are.
  void Compile(SchemaNode& root);
  // Evaluates; spends from `budget`, which is negative after it ran out.
  void Validate(const SchemaNode& root, const Json& object, const Json* old, ErrorList& errors,
                std::int64_t* budget) const;
  const NodeRules& At(const SchemaNode& node) const { return places_[node.rules_index - 1]; }

 private:
  bool CompileBelow(SchemaNode& node, bool root, const std::string& name);
  std::vector<NodeRules> places_;
};

// Says what is wrong with the rules of a schema, which is structural, before it is used.
void CheckRules(const SchemaNode& root, const SchemaRules& rules, const FieldPath& path, ErrorList& errors);

}  // namespace minikube
