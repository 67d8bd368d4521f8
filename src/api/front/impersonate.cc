#include "api/front/impersonate.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include <minikube/api/authorization/v1.h>

#include "api/auth/token_claims.h"

namespace minikube::api {
namespace {

// One thing that the caller must be allowed to impersonate.
struct Check {
  std::string resource;
  std::string ns;
  std::string name;
};

std::optional<Check> AccountCheck(std::string_view user) {
  if (!user.starts_with(kAccountPrefix)) return std::nullopt;
  user.remove_prefix(kAccountPrefix.size());
  const std::size_t colon = user.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return Check{"serviceaccounts", std::string(user.substr(0, colon)), std::string(user.substr(colon + 1))};
}

struct Run {
  ApiCore& core;
  UserInfo caller;
  UserInfo as;
  std::vector<Check> checks;
  std::size_t next = 0;
  Function<void(Result<UserInfo>)> done;
};

void Step(std::shared_ptr<Run> run) {
  if (run->next == run->checks.size()) return run->done(std::move(run->as));
  const Check& check = run->checks[run->next++];
  authorization::v1::SelfSubjectAccessReview review;
  authorization::v1::ResourceAttributes& attributes = review.spec.resourceAttributes.Mutable();
  attributes.verb = "impersonate";
  attributes.resource = check.resource;
  attributes.namespace_ = check.ns;
  attributes.name = check.name;
  if (check.resource == "uids") attributes.group = "authentication.k8s.io";

  RequestContext context;
  context.user = run->caller;
  context.request.verb = Verb::kCreate;
  context.request.resource = FindResource("authorization.k8s.io", "v1", "selfsubjectaccessreviews");
  context.request.object = Share(std::move(review));
  ApiCore& core = run->core;
  core.Handle(std::move(context), [run = std::move(run)](Result<ApiResponse> response) {
    if (!response) return run->done(response.status());
    const auto* review =
        response->object ? response->object->TryAs<authorization::v1::SelfSubjectAccessReview>() : nullptr;
    if (review != nullptr && review->status.allowed) return Step(run);
    const Check& check = run->checks[run->next - 1];
    StatusDetails details;
    details.name = check.name;
    details.kind = check.resource;
    run->done(Status(
        Code::kForbidden,
        fmt::format("{} \"{}\" is forbidden: User \"{}\" cannot impersonate resource \"{}\" in API group "
                    "\"{}\"{}",
                    check.resource, check.name, run->caller.name, check.resource,
                    check.resource == "uids" ? "authentication.k8s.io" : "",
                    check.ns.empty() ? " at the cluster scope" : fmt::format(" in the namespace \"{}\"", check.ns)),
        std::move(details)));
  });
}

}  // namespace

Result<std::optional<Impersonation>> ReadImpersonation(const HttpRequest& request) {
  Impersonation out;
  for (const auto& [name, value] : request.headers) {
    if (EqualsIgnoreCase(name, "Impersonate-User")) out.user = value;
    if (EqualsIgnoreCase(name, "Impersonate-Uid")) out.uid = value;
    if (EqualsIgnoreCase(name, "Impersonate-Group")) out.groups.push_back(value);
    constexpr std::string_view kExtra = "Impersonate-Extra-";
    if (EqualsIgnoreCase(std::string_view(name).substr(0, kExtra.size()), kExtra)) {
      return Status(Code::kNotImplemented, "impersonating extra fields of a user is not supported");
    }
  }
  if (out.user.empty()) {
    if (!out.groups.empty() || !out.uid.empty()) {
      return Status(Code::kBadRequest, "requested impersonation of groups or a uid without impersonating a user");
    }
    return std::optional<Impersonation>();
  }
  return std::optional<Impersonation>(std::move(out));
}

void Impersonate(ApiCore& core, UserInfo caller, Impersonation wanted, Function<void(Result<UserInfo>)> done) {
  auto run = std::make_shared<Run>(Run{core, std::move(caller), {}, {}, 0, std::move(done)});
  const std::optional<Check> account = AccountCheck(wanted.user);
  run->checks.push_back(account ? *account : Check{"users", "", wanted.user});
  for (const std::string& group : wanted.groups) run->checks.push_back({"groups", "", group});
  if (!wanted.uid.empty()) run->checks.push_back({"uids", "", wanted.uid});

  run->as = {wanted.user, wanted.uid, wanted.groups};
  std::vector<std::string>& groups = run->as.groups;
  const auto add = [&groups](std::string group) {
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(std::move(group));
  };
  // A service account is always in its groups, unless the caller names others.
  if (account && wanted.groups.empty()) {
    for (std::string& group : AccountGroups(account->ns)) add(std::move(group));
  }
  add(wanted.user == "system:anonymous" ? "system:unauthenticated" : "system:authenticated");
  Step(std::move(run));
}

}  // namespace minikube::api
