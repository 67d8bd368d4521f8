#include "api/admission/request_views.h"

#include <string>

#include <fmt/format.h>

#include <minikube/api/admission/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/codec.h>

#include "api/admission/policy_match.h"
#include "api/kinds/policy_expressions.h"
#include "api/world/served.h"
#include "cel/library/authorizer.h"

namespace minikube::api {

namespace {

Json ShownRequest(const AdmissionRequest& request, const ResourceDesc& as) {
  admission::v1::AdmissionRequest out;
  const auto kind_of = [](const ResourceDesc& of) {
    meta::v1::GroupVersionKind kind;
    kind.group = of.group;
    kind.version = of.version;
    kind.kind = of.kind;
    return kind;
  };
  const auto resource_of = [](const ResourceDesc& of) {
    meta::v1::GroupVersionResource resource;
    resource.group = of.group;
    resource.version = of.version;
    resource.resource = of.plural;
    return resource;
  };
  out.kind = kind_of(as);
  out.resource = resource_of(as);
  out.subResource = request.subresource();
  out.requestKind = kind_of(request.resource());
  out.requestResource = resource_of(request.resource());
  out.requestSubResource = request.subresource();
  out.name = request.name();
  out.namespace_ = request.ns();
  out.operation = NameOf(request.operation());
  out.userInfo.username = request.user().name;
  out.userInfo.uid = request.user().uid;
  for (const std::string& group : request.user().groups) out.userInfo.groups.push_back(group);
  for (const auto& [key, values] : request.user().extra) {
    out.userInfo.extra[key].items = List<Str>(values.begin(), values.end());
  }
  out.dryRun = request.dry_run();
  std::string text;
  EncodeJsonMessage(DescriptorOf<admission::v1::AdmissionRequest>(), &out, text);
  Result<Json> tree = Json::Parse(text);
  return tree ? *std::move(tree) : Json::Null();
}

// What expressions see of a namespace: neither who manages it nor who owns it.
Json ShownNamespace(const AdmissionRequest& request) {
  const auto* ns = request.ns().empty() ? nullptr : request.Find<core::v1::Namespace>({}, request.ns());
  if (ns == nullptr) return Json::Null();
  core::v1::Namespace shown = *ns;
  shown.metadata.managedFields = {};
  shown.metadata.ownerReferences = {};
  shown.metadata.selfLink = {};
  std::string text;
  Encode(MediaType::kJson, *Share(std::move(shown)), text);
  Result<Json> tree = Json::Parse(text);
  return tree ? *std::move(tree) : Json::Null();
}

// The server's authorisers, for the variable `authorizer`.
class Checker final : public cel::AccessChecker {
 public:
  explicit Checker(const AdmissionRequest& request) : request_(request) {}
  Decision Check(const cel::AccessQuery& query) const override {
    UserInfo user = request_.user();
    if (!query.service_account_name.empty()) {
      user = {fmt::format("system:serviceaccount:{}:{}", query.service_account_namespace, query.service_account_name),
              "",
              {"system:serviceaccounts", "system:serviceaccounts:" + query.service_account_namespace,
               "system:authenticated"}};
    }
    const Access access{query.verb,       query.group, query.resource, query.subresource,
                        query.namespace_, query.name,  query.path,     query.field_selector};
    const AccessDecision decision = request_.Authorize(user, access);
    return {decision.kind == AccessDecision::Kind::kAllow, decision.reason, ""};
  }

 private:
  const AdmissionRequest& request_;
};

}  // namespace

Result<Json> ShownAs(const Object* object, const ResourceDesc& as) {
  if (object == nullptr) return Json::Null();
  Result<ObjectPtr> converted = CopyAs(*object, *as.message);
  if (!converted) return converted.status();
  std::string text;
  Encode(MediaType::kJson, **converted, text);
  return Json::Parse(text);
}

Result<const RequestViews::Objects*> RequestViews::In(const ResourceDesc& as) {
  const auto known = objects_.find(&as);
  if (known != objects_.end()) return &known->second;
  // What is not stored, or not as it came, is shown as it came.
  const Object* object = request_.object();
  const bool action = request_.operation() == AdmissionOperation::kCreate && !request_.subresource().empty();
  Result<Json> shown = Json::Null();
  if (request_.body() != nullptr && (object == nullptr || action)) {
    std::string text;
    Encode(MediaType::kJson, *request_.body(), text);
    shown = Json::Parse(text);
  } else {
    shown = ShownAs(object, as);
  }
  if (!shown) return shown.status();
  Result<Json> old = ShownAs(request_.old_object(), as);
  if (!old) return old.status();
  return &(objects_[&as] = {*std::move(shown), *std::move(old), ShownRequest(request_, as)});
}

Result<std::vector<cel::Value>> RequestViews::Values(const ResourceDesc& as, const Json& params) {
  const Result<const Objects*> objects = In(as);
  if (!objects) return objects.status();
  if (!namespace_) {
    namespace_ = ShownNamespace(request_);
    authorizer_ = cel::MakeAuthorizer(new Checker(request_));
    cel::AccessQuery query;
    query.group = request_.resource().group;
    query.resource = request_.resource().plural;
    query.subresource = request_.subresource();
    query.namespace_ = request_.ns();
    query.name = request_.name();
    request_resource_ = cel::MakeResourceCheck(new Checker(request_), std::move(query));
  }
  std::vector<cel::Value> values(PolicyExpressions::kCount);
  values[PolicyExpressions::kObject] = cel::FromJson((*objects)->object);
  values[PolicyExpressions::kOldObject] = cel::FromJson((*objects)->old_object);
  values[PolicyExpressions::kRequest] = cel::FromJson((*objects)->request);
  values[PolicyExpressions::kParams] = cel::FromJson(params);
  values[PolicyExpressions::kNamespaceObject] = cel::FromJson(*namespace_);
  values[PolicyExpressions::kAuthorizer] = authorizer_;
  values[PolicyExpressions::kRequestResource] = request_resource_;
  return values;
}

}  // namespace minikube::api
