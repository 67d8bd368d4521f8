#include "api/admission/policy_evaluation.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include <minikube/selector.h>

#include "api/admission/request_views.h"

namespace minikube::api {

using admissionregistration::v1::MatchCondition;
using admissionregistration::v1::ParamKind;
using admissionregistration::v1::ParamRef;
using admissionregistration::v1::Variable;

namespace {

constexpr std::uint64_t kBudget = 10'000'000;  // of all expressions of a run, as in kube-apiserver

}  // namespace

// `variables`, to expressions.
class VariablesView final : public cel::MapView {
 public:
  std::size_t Size(const void* source, const void*) const override { return Of(source).compiled_.variables.size(); }
  bool Find(const void* source, const void*, std::string_view key, cel::Value* out) const override {
    PolicyRun& of = Of(source);
    for (std::size_t i = 0; i < of.compiled_.variables.size(); ++i) {
      if (!(of.variables_[i].name == key)) continue;
      *out = Evaluate(of, i);
      return true;
    }
    return false;
  }
  std::vector<cel::Value> Keys(const void* source, const void*) const override {
    std::vector<cel::Value> out;
    for (const Variable& variable : Of(source).variables_) out.push_back(cel::Value::String(variable.name));
    return out;
  }
  std::string_view TypeName(const void*) const override { return "kubernetes.variables"; }

 private:
  // One evaluation, on one thread.
  static PolicyRun& Of(const void* source) { return *static_cast<PolicyRun*>(const_cast<void*>(source)); }
  static cel::Value Evaluate(PolicyRun& of, std::size_t i) {
    if (of.known_[i]) return *of.known_[i];
    if (of.asked_[i]) return cel::Value::Error("a variable depends on itself");
    of.asked_[i] = true;
    cel::Outcome outcome = of.compiled_.variables[i].program->Evaluate(of.values_);
    of.spent_ += outcome.cost;
    of.known_[i] = std::move(outcome.value);
    return *of.known_[i];
  }
};

namespace {

constexpr VariablesView kVariablesView;

}  // namespace

PolicyRun::PolicyRun(const List<Variable>& variables, const PolicyExpressions& compiled, std::vector<cel::Value> values)
    : variables_(variables), compiled_(compiled), values_(std::move(values)) {
  known_.resize(compiled.variables.size());
  asked_.resize(compiled.variables.size());
  values_[PolicyExpressions::kVariables] = cel::Value::View(kVariablesView, this, nullptr);
}

Result<bool> PolicyRun::Conditions(const List<MatchCondition>& conditions) {
  std::string problem;
  for (std::size_t i = 0; i < compiled_.match_conditions.size(); ++i) {
    const cel::Value value = Run(compiled_.match_conditions[i]);
    // One that does not hold decides, whatever others could not tell.
    if (value.is_false()) return false;
    if (value.is_true()) continue;
    problem = fmt::format("failed to evaluate match condition '{}': {}", conditions[i].name.view(), Why(value));
  }
  if (!problem.empty()) return Status(Code::kInternal, std::move(problem));
  return true;
}

cel::Value PolicyRun::Run(const PolicyExpression& expression, std::size_t variables) {
  if (spent_ >= kBudget) return cel::Value::Error("validation failed due to running out of cost budget");
  const cel::Outcome outcome = expression.program->Evaluate(
      std::span(values_).first(variables), std::min<std::uint64_t>(cel::kDefaultCostLimit, kBudget - spent_));
  spent_ += outcome.cost;
  return outcome.value;
}

std::string PolicyRun::Why(const cel::Value& value) {
  return value.is_error() ? std::string(value.text()) : "it does not evaluate to a bool";
}

namespace {

const ResourceDesc* ResourceOfKind(const Catalogue& catalogue, std::string_view api_version, std::string_view kind) {
  const std::size_t slash = api_version.find('/');
  const std::string_view group = slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
  const std::string_view version = slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
  for (const ResourceDesc* resource : catalogue.resources()) {
    if (resource->group == group && resource->version == version && resource->kind == kind) return resource;
  }
  return nullptr;
}

}  // namespace

Result<std::vector<Json>> ParamsOf(const AdmissionRequest& request, const Catalogue& catalogue,
                                   const ParamKind* of_kind, const ParamRef* of_ref) {
  std::vector<Json> out;
  if (of_kind == nullptr || of_ref == nullptr) {
    out.push_back(Json::Null());
    return out;
  }
  const ParamKind& kind = *of_kind;
  const ParamRef& ref = *of_ref;
  const ResourceDesc* resource = ResourceOfKind(catalogue, kind.apiVersion.view(), kind.kind.view());
  if (resource == nullptr) {
    return Status(Code::kInternal,
                  fmt::format("paramKind kind `{}, Kind={}` not known", kind.apiVersion.view(), kind.kind.view()));
  }
  std::string_view ns;
  if (resource->namespaced) {
    ns = ref.namespace_.empty() ? request.ns() : ref.namespace_.view();
    if (ns.empty()) {
      return Status(Code::kInternal,
                    "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources");
    }
  } else if (!ref.namespace_.empty()) {
    return Status(Code::kInternal, "paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
  }
  Status problem;
  const auto add = [&](const ObjectRef& object) {
    Result<Json> shown = ShownAs(object.get(), *resource);
    if (shown) {
      out.push_back(*std::move(shown));
    } else {
      problem = shown.status();
    }
  };
  if (!ref.name.empty()) {
    if (const ObjectRef object = request.world().Find(*resource, ns, ref.name.view())) add(object);
  } else {
    Result<LabelSelector> selector = LabelSelector::From(ref.selector.get());
    if (!selector) return selector.status();
    request.world().ForEach(*resource, ns, [&](const ObjectRef& object) {
      if (selector->Matches(object->meta().labels)) add(object);
    });
  }
  if (!problem.ok()) return problem;
  if (out.empty() && ref.parameterNotFoundAction && *ref.parameterNotFoundAction == "Deny") {
    return Status(Code::kInternal, "no params found for policy binding with `Deny` parameterNotFoundAction");
  }
  return out;
}

}  // namespace minikube::api
