#include "api/registry/verbs.h"

#include <fmt/format.h>

namespace minikube::api {

Result<FieldValidation> FieldValidationOf(const ApiRequest& request) {
  if (request.field_validation.empty() || request.field_validation == "Warn") return FieldValidation::kWarn;
  if (request.field_validation == "Strict") return FieldValidation::kStrict;
  if (request.field_validation == "Ignore") return FieldValidation::kIgnore;
  return Status(Code::kBadRequest,
                fmt::format("fieldValidation: Unsupported value: \"{}\": supported values: \"Ignore\", \"Strict\", "
                            "\"Warn\"",
                            request.field_validation));
}

std::string_view VerbName(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "get";
    case Verb::kList:
      return "list";
    case Verb::kWatch:
      return "watch";
    case Verb::kCreate:
      return "create";
    case Verb::kUpdate:
      return "update";
    case Verb::kPatch:
      return "patch";
    case Verb::kDelete:
      return "delete";
    case Verb::kDeleteCollection:
      return "deletecollection";
  }
  return "";
}

}  // namespace minikube::api
