// Who asks, and may he? Users, and what a host may add to the API server to know and to judge them.
//
// Ownership: the API server shares authenticators and authorisers (ApiServerOptions) until it is destroyed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/function.h>
#include <minikube/status.h>

namespace minikube {

// user.Info of an authenticated caller.
struct UserInfo {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
  // Further facts from whoever authenticated it, such as authentication.kubernetes.io/pod-name.
  std::map<std::string, std::vector<std::string>> extra = {};
};

// What a request over HTTPS brings to show who sends it.
struct Credentials {
  std::string method;        // "GET"
  std::string target;        // path and query, percent-encoded
  std::string bearer_token;  // of "Authorization: Bearer ..."; "" = none
  std::vector<std::pair<std::string, std::string>> headers;
};

// Recognises users whom the built-in authenticators (client certificates, token file, service accounts) do not: those
// are asked first, then the host's in their order. If nobody knows a bearer token, or one says that a credential is no
// good, the answer is 401; without any credential the caller is system:anonymous. TokenReviews do not ask them.
//
// Thread safety: called from any thread, for several requests at once; must not block.
class Authenticator {
 public:
  // nullopt: nothing that it knows. Errors: kUnauthorized, for a credential of its kind that is no good.
  using Answer = Result<std::optional<UserInfo>>;

  virtual ~Authenticator() = default;
  // Calls `done` once, on any thread, perhaps before it returns; `credentials` are valid until then. The group
  // system:authenticated is added to whoever is found.
  virtual void Authenticate(const Credentials& credentials, Function<void(Answer)> done) = 0;
};

// What somebody wants to do: authorization.k8s.io's ResourceAttributes, or NonResourceAttributes where `path` is set.
// Borrows its text.
struct Access {
  std::string_view verb;  // "get", "list", "deletecollection" ...; of a path the method, in small letters
  std::string_view group;
  std::string_view resource;
  std::string_view subresource;
  std::string_view ns;    // "" = cluster-scoped, or all namespaces
  std::string_view name;  // "" = no particular one
  std::string_view path;  // not empty: a path that is no resource; the members above but the verb do not count
  std::string_view field_selector = {};  // of list, watch and deletecollection
};

struct AccessDecision {
  enum class Kind : std::uint8_t { kNoOpinion, kAllow, kDeny };
  Kind kind = Kind::kNoOpinion;
  std::string reason;  // told to whoever is refused
};

// Judges requests, before the built-in authorisers (Node, RBAC) do: the first that allows or denies has decided, and
// what nobody allows is refused. system:masters may do everything, and is not asked about.
//
// Thread safety: called from any thread, for several requests at once; must not block: who has to ask elsewhere keeps
// what he was told. Every request passes here, reads and watches too.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual AccessDecision Decide(const UserInfo& user, const Access& access) = 0;
};

}  // namespace minikube
