// SelfSubjectReview: who am I? TokenReview: whose is this token?
#include <minikube/api/authentication/v1.h>

#include "api/auth/token_authenticator.h"
#include "api/auth/token_claims.h"
#include "api/reviews/reviews.h"

namespace minikube::api {

namespace {

namespace authn = authentication::v1;

authn::UserInfo Shown(const UserInfo& user) {
  authn::UserInfo out;
  out.username = user.name;
  out.uid = user.uid;
  out.groups = List<Str>(user.groups.begin(), user.groups.end());
  for (const auto& [key, values] : user.extra) out.extra[key].items = List<Str>(values.begin(), values.end());
  return out;
}

// A token of the token file is good for the API server alone; one of a service account says whom it is for.
Result<TokenUser> UserOf(const Attempt& attempt, std::string_view token, const std::vector<std::string>& audiences) {
  const auto& known = attempt.core.options.known_token;
  if (std::optional<UserInfo> user = known ? known(token) : std::nullopt) {
    if (std::find(audiences.begin(), audiences.end(), kTokenIssuer) == audiences.end()) {
      return Status(Code::kUnauthorized, "the token is for the API server alone");
    }
    return TokenUser{*std::move(user), {std::string(kTokenIssuer)}};
  }
  return AuthenticateAccountToken(attempt.core.verified_tokens, *attempt.world, attempt.core.env.clock().Now(), token,
                                  audiences);
}

}  // namespace

Status ReviewSelfSubject(Attempt& attempt) {
  ObjectPtr object = ObjectPtr::Clone(*attempt.request().object);
  object->As<authn::SelfSubjectReview>().status.userInfo = Shown(attempt.user());
  attempt.AnswerMade(std::move(object));
  return {};
}

Status ReviewToken(Attempt& attempt) {
  ObjectPtr object = ObjectPtr::Clone(*attempt.request().object);
  auto& review = object->As<authn::TokenReview>();
  if (review.spec.token.empty()) return {Code::kBadRequest, "token is required for TokenReview in authentication"};
  std::vector<std::string> audiences;
  for (const Str& audience : review.spec.audiences) audiences.push_back(audience.str());
  if (audiences.empty()) audiences.emplace_back(kTokenIssuer);
  review.status = {};
  if (const Result<TokenUser> found = UserOf(attempt, review.spec.token.view(), audiences)) {
    review.status.authenticated = true;
    review.status.user = Shown(found->user);
    review.status.audiences = List<Str>(found->audiences.begin(), found->audiences.end());
  } else {
    review.status.error = found.status().message();
  }
  attempt.AnswerMade(std::move(object));
  return {};
}

}  // namespace minikube::api
