// The SubjectAccessReview family: may somebody do something?
#include <minikube/api/authorization/v1.h>

#include "api/reviews/reviews.h"

namespace minikube::api {

namespace {

namespace authz = authorization::v1;

template <typename Spec>
authz::SubjectAccessReviewStatus Review(Attempt& attempt, const UserInfo& user, const Spec& spec) {
  Access access;
  if (spec.resourceAttributes) {
    const authz::ResourceAttributes& attributes = *spec.resourceAttributes;
    access = {attributes.verb.view(),
              attributes.group.view(),
              attributes.resource.view(),
              attributes.subresource.view(),
              attributes.namespace_.view(),
              attributes.name.view(),
              {}};
  } else {
    access.verb = spec.nonResourceAttributes->verb.view();
    access.path = spec.nonResourceAttributes->path.view();
  }
  const AccessDecision decision = attempt.core.authorization.Decide(*attempt.world, user, access);
  authz::SubjectAccessReviewStatus status;
  status.allowed = decision.kind == AccessDecision::Kind::kAllow;
  status.reason = decision.reason;
  return status;
}

template <typename Spec>
void CheckAttributes(const Spec& spec, ErrorList& errors) {
  const FieldPath path("spec.resourceAttributes");
  if (spec.resourceAttributes && spec.nonResourceAttributes) {
    errors.Invalid(FieldPath("spec.nonResourceAttributes"), "",
                   "cannot be specified in combination with resourceAttributes");
  }
  if (!spec.resourceAttributes && !spec.nonResourceAttributes) {
    errors.Invalid(path, "", "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  }
}

template <typename T>
Status ReviewOther(Attempt& attempt) {
  ObjectPtr object = ObjectPtr::Clone(*attempt.request().object);
  T& review = object->template As<T>();
  ErrorList errors;
  CheckAttributes(review.spec, errors);
  if (review.spec.user.empty() && review.spec.groups.empty()) {
    errors.Invalid(FieldPath("spec.user"), review.spec.user, "at least one of user or group must be specified");
  }
  MINIKUBE_RETURN_IF_ERROR(errors.ToStatus(attempt.resource().group, attempt.resource().kind, ""));
  UserInfo user{review.spec.user.str(), review.spec.uid.str(), {}};
  for (const Str& group : review.spec.groups) user.groups.push_back(group.str());
  review.status = Review(attempt, user, review.spec);
  attempt.AnswerMade(std::move(object));
  return {};
}

}  // namespace

Status ReviewSubjectAccess(Attempt& attempt) { return ReviewOther<authz::SubjectAccessReview>(attempt); }

Status ReviewLocalSubjectAccess(Attempt& attempt) {
  const auto& review = attempt.request().object->As<authz::LocalSubjectAccessReview>();
  if (review.spec.resourceAttributes && !(review.spec.resourceAttributes->namespace_ == attempt.request().ns)) {
    ErrorList errors;
    errors.Invalid(FieldPath("spec.resourceAttributes.namespace"), review.spec.resourceAttributes->namespace_,
                   "must match metadata.namespace");
    return errors.ToStatus(attempt.resource().group, attempt.resource().kind, "");
  }
  return ReviewOther<authz::LocalSubjectAccessReview>(attempt);
}

Status ReviewSelfSubjectAccess(Attempt& attempt) {
  ObjectPtr object = ObjectPtr::Clone(*attempt.request().object);
  auto& review = object->As<authz::SelfSubjectAccessReview>();
  ErrorList errors;
  CheckAttributes(review.spec, errors);
  MINIKUBE_RETURN_IF_ERROR(errors.ToStatus(attempt.resource().group, attempt.resource().kind, ""));
  review.status = Review(attempt, attempt.user(), review.spec);
  attempt.AnswerMade(std::move(object));
  return {};
}

Status ReviewSelfSubjectRules(Attempt& attempt) {
  ObjectPtr object = ObjectPtr::Clone(*attempt.request().object);
  auto& review = object->As<authz::SelfSubjectRulesReview>();
  if (review.spec.namespace_.empty()) return {Code::kBadRequest, "no namespace on request"};
  for (const rbac::v1::PolicyRule& rule :
       attempt.core.authorization.rbac().RulesFor(*attempt.world, attempt.user(), review.spec.namespace_.view())) {
    if (rule.nonResourceURLs.empty()) {
      authz::ResourceRule resource;
      resource.verbs = rule.verbs;
      resource.apiGroups = rule.apiGroups;
      resource.resources = rule.resources;
      resource.resourceNames = rule.resourceNames;
      review.status.resourceRules.push_back(std::move(resource));
    } else {
      authz::NonResourceRule path;
      path.verbs = rule.verbs;
      path.nonResourceURLs = rule.nonResourceURLs;
      review.status.nonResourceRules.push_back(std::move(path));
    }
  }
  attempt.AnswerMade(std::move(object));
  return {};
}

}  // namespace minikube::api
