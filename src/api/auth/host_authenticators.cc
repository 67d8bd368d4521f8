#include "api/auth/host_authenticators.h"

#include <utility>

#include "api/auth/authenticate.h"

namespace minikube::api {

namespace {

struct Asking {
  std::vector<std::shared_ptr<Authenticator>> authenticators;
  Credentials credentials;
  Result<UserInfo> otherwise;
  Function<void(Result<UserInfo>)> done;
  std::size_t next = 0;
};

void Step(std::shared_ptr<Asking> asking) {
  if (asking->next == asking->authenticators.size()) return asking->done(std::move(asking->otherwise));
  Authenticator& authenticator = *asking->authenticators[asking->next++];
  Asking& of = *asking;
  authenticator.Authenticate(of.credentials, [asking = std::move(asking)](Authenticator::Answer answer) mutable {
    if (answer && *answer) {
      AddAuthenticatedGroup(**answer);
      return asking->done(**std::move(answer));
    }
    // Why is not for whoever tries credentials.
    if (!answer) asking->otherwise = Status(Code::kUnauthorized, "Unauthorized");
    Step(std::move(asking));
  });
}

}  // namespace

void AskAuthenticators(std::vector<std::shared_ptr<Authenticator>> authenticators, Credentials credentials,
                       Result<UserInfo> otherwise, Function<void(Result<UserInfo>)> done) {
  Step(std::make_shared<Asking>(
      Asking{std::move(authenticators), std::move(credentials), std::move(otherwise), std::move(done)}));
}

}  // namespace minikube::api
