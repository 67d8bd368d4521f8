// authorizer: questions to the API server's authoriser in expressions of admission policies.
#pragma once

#include <string>
#include <string_view>

#include "cel/value.h"

namespace minikube::cel {

// One question. Of a path, or of a resource.
struct AccessQuery {
  std::string service_account_namespace;  // "" : the user of the request
  std::string service_account_name;
  std::string path;  // not empty: a non-resource request
  std::string group;
  std::string resource;
  std::string subresource;
  std::string namespace_;
  std::string name;
  std::string field_selector;
  std::string label_selector;
  std::string verb;
};

// Answers of the authoriser; whoever evaluates expressions implements it. Thread safety: as the evaluation needs.
class AccessChecker : public Counted {
 public:
  struct Decision {
    bool allowed = false;
    std::string reason;
    std::string error;  // not empty: it could not be told
  };
  virtual Decision Check(const AccessQuery& query) const = 0;
};

inline constexpr std::string_view kAuthorizerType = "kubernetes.authorization.Authorizer";

// The value of the variables `authorizer` and, with the attributes of the request, `authorizer.requestResource`.
Value MakeAuthorizer(const AccessChecker* checker);
Value MakeResourceCheck(const AccessChecker* checker, AccessQuery query);

}  // namespace minikube::cel
