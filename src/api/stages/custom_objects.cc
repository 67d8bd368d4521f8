#include "api/stages/custom_objects.h"

#include <string>
#include <vector>

#include <fmt/format.h>

#include <minikube/custom_object.h>

#include "api/registry/verbs.h"
#include "api/world/catalogue.h"
#include "api/world/custom_scale.h"
#include "structural/structural_schema.h"

namespace minikube::api {

Status ShapeCustomObject(Attempt& attempt) {
  const Verb verb = attempt.request().verb;
  if (verb != Verb::kCreate && verb != Verb::kUpdate && verb != Verb::kPatch) return {};  // nobody wrote anything
  const StructuralSchema* schema = attempt.world->catalogue->SchemaOf(attempt.resource());
  if (schema == nullptr) return {};
  const Result<FieldValidation> validation = FieldValidationOf(attempt.request());
  if (!validation) return validation.status();
  Json& rest = AsCustomObject(*attempt.next)->rest;
  std::vector<std::string> pruned;
  schema->Prune(rest, &pruned);
  schema->Default(rest);
  if (pruned.empty() || *validation == FieldValidation::kIgnore) return {};
  std::string all;
  for (const std::string& path : pruned) {
    std::string text = fmt::format("unknown field \"{}\"", path);
    if (*validation == FieldValidation::kStrict) {
      all += (all.empty() ? "" : ", ") + text;
      continue;
    }
    attempt.warnings.push_back(std::move(text));
  }
  return all.empty() ? Status() : Status(Code::kBadRequest, "strict decoding error: " + all);
}

void ValidateCustomObject(const Attempt& attempt, ErrorList& errors) {
  const StructuralSchema* schema = attempt.world->catalogue->SchemaOf(attempt.resource());
  if (schema == nullptr) return;
  const Json next = RootOf(attempt.next->desc(), *AsCustomObject(*attempt.next));
  Json before;
  if (attempt.before) before = RootOf(attempt.before->desc(), *AsCustomObject(*attempt.before));
  const Json* old = attempt.before ? &before : nullptr;
  const std::size_t known = errors.size();
  schema->Validate(next, old, errors);
  if (const CustomScale* scale = AsCustomResource(attempt.resource())->Scale()) {
    ValidateCustomScale(*scale, next, attempt.request().subresource == "status", errors);
  }
  if (errors.size() == known) schema->ValidateRules(next, old, errors);
}

}  // namespace minikube::api
