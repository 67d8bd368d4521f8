// What validating and mutating policies have in common when they are evaluated: variables, conditions, the budget,
// parameters, and that each policy is compiled once.
//
// Thread safety: CompiledPolicies from any thread; a PolicyRun from one at a time. Lifetime: a PolicyRun borrows the
// policy and what was compiled of it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <minikube/admission.h>
#include <minikube/api/admissionregistration/v1.h>
#include <minikube/json.h>

#include "api/kinds/policy_expressions.h"
#include "api/world/catalogue.h"

namespace minikube::api {

// The expressions of a policy on one request, with one object of parameters or none.
class PolicyRun {
 public:
  // `values`: of the variables of PolicyExpressions (RequestViews::Values).
  PolicyRun(const List<admissionregistration::v1::Variable>& variables, const PolicyExpressions& compiled,
            std::vector<cel::Value> values);
  PolicyRun(const PolicyRun&) = delete;
  PolicyRun& operator=(const PolicyRun&) = delete;

  // Whether all match conditions hold. Errors: kInternal: it cannot be told.
  Result<bool> Conditions(const List<admissionregistration::v1::MatchCondition>& conditions);
  // `variables`: how many of them it was compiled with.
  cel::Value Run(const PolicyExpression& expression, std::size_t variables = PolicyExpressions::kCount);
  // Of a value that is not what it should be.
  static std::string Why(const cel::Value& value);

 private:
  friend class VariablesView;

  const List<admissionregistration::v1::Variable>& variables_;
  const PolicyExpressions& compiled_;
  std::vector<cel::Value> values_;
  std::uint64_t spent_ = 0;
  std::vector<std::optional<cel::Value>> known_;  // of `variables`: each is evaluated when it is first asked for
  std::vector<bool> asked_;
};

// The objects of parameters that a binding refers to; one null if it needs none (`kind` or `ref` is null). Errors:
// kInternal, saying how it is misconfigured.
Result<std::vector<Json>> ParamsOf(const AdmissionRequest& request, const Catalogue& catalogue,
                                   const admissionregistration::v1::ParamKind* kind,
                                   const admissionregistration::v1::ParamRef* ref);

// Each policy is compiled once for each of its states; what is kept of one that has gone is a name.
template <typename Policy>
class CompiledPolicies {
 public:
  std::shared_ptr<const PolicyExpressions> Of(const ObjectRef& policy) {
    const std::string name = policy->meta().name.str();
    {
      std::lock_guard lock(mu_);
      const auto it = known_.find(name);
      if (it != known_.end() && it->second.policy == policy) return it->second.compiled;
    }
    auto compiled = std::make_shared<const PolicyExpressions>(CompilePolicy(policy->As<Policy>().spec));
    std::lock_guard lock(mu_);
    known_[name] = {policy, compiled};
    return compiled;
  }

 private:
  struct Known {
    ObjectRef policy;
    std::shared_ptr<const PolicyExpressions> compiled;
  };
  std::mutex mu_;
  std::unordered_map<std::string, Known> known_;  // guarded by mu_
};

}  // namespace minikube::api
