#include <utility>

#include "cel/function.h"
#include "cel/library/authorizer.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

constexpr std::string_view kPathCheck = "kubernetes.authorization.PathCheck";
constexpr std::string_view kGroupCheck = "kubernetes.authorization.GroupCheck";
constexpr std::string_view kResourceCheck = "kubernetes.authorization.ResourceCheck";
constexpr std::string_view kDecision = "kubernetes.authorization.Decision";

// A question in the making; each step gives a new one.
class Question final : public Opaque {
 public:
  Question(std::string_view type, const AccessChecker* c, AccessQuery q)
      : checker(c), query(std::move(q)), type_(type) {
    checker->Retain();
  }
  ~Question() override { checker->Release(); }
  std::string_view type_name() const override { return type_; }
  bool Equals(const Opaque& other) const override { return this == &other; }
  const AccessChecker* const checker;
  const AccessQuery query;

 private:
  const std::string_view type_;
};

class Answer final : public Opaque {
 public:
  explicit Answer(AccessChecker::Decision d) : decision(std::move(d)) {}
  std::string_view type_name() const override { return kDecision; }
  bool Equals(const Opaque& other) const override { return this == &other; }
  const AccessChecker::Decision decision;
};

const Question& QuestionOf(const Value& v) { return static_cast<const Question&>(v.opaque()); }
const AccessChecker::Decision& DecisionOf(const Value& v) { return static_cast<const Answer&>(v.opaque()).decision; }

// The question with one attribute more.
template <std::string AccessQuery::*kMember>
Value With(std::string_view type, Args a) {
  AccessQuery query = QuestionOf(a[0]).query;
  query.*kMember = a[1].text();
  return Value::OfOpaque(new Question(type, QuestionOf(a[0]).checker, std::move(query)));
}

Value Path(Args a) {
  if (a[1].text().empty()) return Value::Error("path must not be empty");
  return With<&AccessQuery::path>(kPathCheck, a);
}
Value Group(Args a) { return With<&AccessQuery::group>(kGroupCheck, a); }
Value ServiceAccount(Args a) {
  AccessQuery query;
  query.service_account_namespace = a[1].text();
  query.service_account_name = a[2].text();
  return Value::OfOpaque(new Question(kAuthorizerType, QuestionOf(a[0]).checker, std::move(query)));
}
Value Resource(Args a) {
  if (a[1].text().empty()) return Value::Error("resource must not be empty");
  return With<&AccessQuery::resource>(kResourceCheck, a);
}
Value Subresource(Args a) { return With<&AccessQuery::subresource>(kResourceCheck, a); }
Value Namespace(Args a) { return With<&AccessQuery::namespace_>(kResourceCheck, a); }
Value Name(Args a) { return With<&AccessQuery::name>(kResourceCheck, a); }
Value FieldSelector(Args a) { return With<&AccessQuery::field_selector>(kResourceCheck, a); }
Value LabelSelector(Args a) { return With<&AccessQuery::label_selector>(kResourceCheck, a); }
Value Check(Args a) {
  AccessQuery query = QuestionOf(a[0]).query;
  query.verb = a[1].text();
  return Value::OfOpaque(new Answer(QuestionOf(a[0]).checker->Check(query)));
}
Value Errored(Args a) { return Value::Bool(!DecisionOf(a[0]).error.empty()); }
Value ErrorText(Args a) { return Value::String(DecisionOf(a[0]).error); }
Value Allowed(Args a) { return Value::Bool(DecisionOf(a[0]).allowed); }
Value Reason(Args a) { return Value::String(DecisionOf(a[0]).reason); }

#define AUTHORIZER "kubernetes.authorization.Authorizer"
#define PATH_CHECK "kubernetes.authorization.PathCheck"
#define GROUP_CHECK "kubernetes.authorization.GroupCheck"
#define RESOURCE_CHECK "kubernetes.authorization.ResourceCheck"
#define DECISION "kubernetes.authorization.Decision"

constexpr FunctionDefinition kDefinitions[] = {
    {".path", AUTHORIZER ", string -> " PATH_CHECK, Path},
    {".group", AUTHORIZER ", string -> " GROUP_CHECK, Group},
    {".serviceAccount", AUTHORIZER ", string, string -> " AUTHORIZER, ServiceAccount},
    {".resource", GROUP_CHECK ", string -> " RESOURCE_CHECK, Resource},
    {".subresource", RESOURCE_CHECK ", string -> " RESOURCE_CHECK, Subresource},
    {".namespace", RESOURCE_CHECK ", string -> " RESOURCE_CHECK, Namespace},
    {".name", RESOURCE_CHECK ", string -> " RESOURCE_CHECK, Name},
    {".fieldSelector", RESOURCE_CHECK ", string -> " RESOURCE_CHECK, FieldSelector, CallCost::kSelector},
    {".labelSelector", RESOURCE_CHECK ", string -> " RESOURCE_CHECK, LabelSelector, CallCost::kSelector},
    {".check", PATH_CHECK ", string -> " DECISION, Check, CallCost::kAuthorizationCheck},
    {".check", RESOURCE_CHECK ", string -> " DECISION, Check, CallCost::kAuthorizationCheck},
    {".errored", DECISION " -> bool", Errored},
    {".error", DECISION " -> string", ErrorText},
    {".allowed", DECISION " -> bool", Allowed},
    {".reason", DECISION " -> string", Reason},
};

}  // namespace

Value MakeAuthorizer(const AccessChecker* checker) {
  return Value::OfOpaque(new Question(kAuthorizerType, checker, {}));
}

Value MakeResourceCheck(const AccessChecker* checker, AccessQuery query) {
  return Value::OfOpaque(new Question(kResourceCheck, checker, std::move(query)));
}

std::span<const FunctionDefinition> library::Authorizers() { return kDefinitions; }

}  // namespace minikube::cel
