// The expressions of a ValidatingAdmissionPolicy or MutatingAdmissionPolicy, compiled: for its validation, and for
// admission, which evaluates them.
//
// Thread safety: immutable once made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <minikube/api/admissionregistration/v1.h>

#include "api/world/stored_kind.h"
#include "cel/program.h"

namespace minikube::api {

// One that does not compile has no program, and says why.
struct PolicyExpression {
  std::shared_ptr<const cel::Program> program;
  std::string problem;
};

struct PolicyExpressions {
  // The variables of every expression, in the order of their values.
  enum Variable : std::size_t {
    kObject,
    kOldObject,
    kRequest,
    kParams,
    kNamespaceObject,
    kVariables,
    kAuthorizer,
    kRequestResource,
    kCount
  };
  std::vector<PolicyExpression> match_conditions;
  std::vector<PolicyExpression> variables;
  std::vector<PolicyExpression> validations;
  std::vector<PolicyExpression> messages;  // of the validations; without program and problem where there is none
  std::vector<PolicyExpression> annotations;
  std::vector<PolicyExpression> mutations;

  // The first problem, or "".
  std::string Problem() const;
};

// Of a webhook: without parameters.
std::vector<PolicyExpression> CompileConditions(const List<admissionregistration::v1::MatchCondition>& conditions);
PolicyExpressions CompilePolicy(const admissionregistration::v1::ValidatingAdmissionPolicySpec& spec);
// Mutations may construct `Object`, `Object.spec` ... and `JSONPatch`.
PolicyExpressions CompilePolicy(const admissionregistration::v1::MutatingAdmissionPolicySpec& spec);

// Strategy::validate of the kinds: expressions must compile.
void ValidatePolicyExpressions(const Object& next, const Object* before, std::string_view subresource,
                               ErrorList& errors);
void ValidateMutatingPolicy(const Object& next, const Object* before, std::string_view subresource, ErrorList& errors);
void ValidateMutatingBinding(const Object& next, const Object* before, std::string_view subresource, ErrorList& errors);

}  // namespace minikube::api
