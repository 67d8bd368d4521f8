// SelfSubjectReview: who am I?
#include <minikube/api/authentication/v1.h>

#include "api/reviews/reviews.h"

namespace minikube::api {

Status ReviewSelfSubject(Operation& op) {
  ObjectPtr object = ObjectPtr::Clone(*op.request().object);
  auto& review = object->As<authentication::v1::SelfSubjectReview>();
  const UserInfo& user = op.context.user;
  review.status.userInfo.username = user.name;
  review.status.userInfo.uid = user.uid;
  review.status.userInfo.groups = List<Str>(user.groups.begin(), user.groups.end());
  ApiResponse response;
  response.object = std::move(object).Freeze();
  response.revision = op.world->revision;
  response.created = true;
  op.Answer(std::move(response));
  return {};
}

}  // namespace minikube::api
