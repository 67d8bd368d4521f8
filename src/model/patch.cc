#include "model/patch.h"

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "model/field_errors.h"
#include "model/json_patch.h"
#include "model/json_text.h"
#include "model/strategic_merge.h"

namespace minikube {
namespace {

// How kube-apiserver reports a patched document that is not an object of the type: with the document, or where it knows
// of no document but the patch, with that.
Status NotAnObjectOfTheType(PatchType type, std::string_view document, std::string_view patch, std::string_view why) {
  constexpr int kMaxShown = 100;  // levels
  std::string shown(document);
  if (type == PatchType::kStrategicMerge) {
    if (const Result<nlohmann::json> parsed = ParseJson(patch, kMaxShown)) shown = GoValueText(*parsed);
  }
  ErrorList errors;
  errors.Invalid(FieldPath("patch"), shown, why);
  return errors.ToStatus("", "", "");
}

}  // namespace

Result<ObjectPtr> ApplyPatch(const Object& current, PatchType type, std::string_view patch,
                             const DecodeOptions& options) {
  if (type == PatchType::kApply) {
    return Status(Code::kInternal, "an apply configuration is not a patch: see ServerSideApply");
  }
  std::vector<std::string> duplicates;
  Result<nlohmann::json> parsed =
      ParseJson(patch, options.max_depth, options.validation == FieldValidation::kIgnore ? nullptr : &duplicates);
  if (!parsed) return parsed.status().WithContext("error decoding patch");
  if (type != PatchType::kJson && !parsed->is_object()) return Status(Code::kBadRequest, "Invalid JSON Patch");

  Result<nlohmann::json> document = ParseJson(EncodeJson(current), 2 * options.max_depth);
  if (!document) return Status(Code::kInternal, document.status().message());
  switch (type) {
    case PatchType::kJson:
      MINIKUBE_RETURN_IF_ERROR(JsonPatch(*document, *parsed));
      break;
    case PatchType::kMerge:
      JsonMergePatch(*document, std::move(*parsed));
      break;
    default:
      MINIKUBE_RETURN_IF_ERROR(StrategicMerge(current.desc(), *document, std::move(*parsed)));
  }

  const std::string text = JsonText(*document);
  if (!duplicates.empty()) {
    if (options.validation == FieldValidation::kStrict) {
      std::string why = "strict decoding error: ";
      for (std::size_t i = 0; i < duplicates.size(); ++i) why.append(i == 0 ? "" : ", ").append(duplicates[i]);
      return NotAnObjectOfTheType(type, text, patch, why);
    }
    if (options.warnings != nullptr) {
      options.warnings->insert(options.warnings->end(), duplicates.begin(), duplicates.end());
    }
  }
  Result<ObjectPtr> patched = Decode(MediaType::kJson, text, &current.desc(), options);
  if (!patched) return NotAnObjectOfTheType(type, text, patch, patched.status().message());
  return patched;
}

Result<ObjectPtr> ApplyTestedPatch(const Object& current, std::string_view patch) {
  DecodeOptions options;
  options.validation = FieldValidation::kStrict;
  Result<nlohmann::json> parsed = ParseJson(patch, options.max_depth);
  if (!parsed) return parsed.status().WithContext("error decoding patch");
  Result<nlohmann::json> document = ParseJson(EncodeJson(current), 2 * options.max_depth);
  if (!document) return Status(Code::kInternal, document.status().message());
  bool test_failed = false;
  const Status applied = JsonPatch(*document, *parsed, {}, &test_failed);
  if (test_failed) return ObjectPtr();
  if (!applied.ok()) return applied;
  Result<ObjectPtr> patched = Decode(MediaType::kJson, JsonText(*document), &current.desc(), options);
  if (!patched) return Status(Code::kInternal, patched.status().message());
  return patched;
}

}  // namespace minikube
