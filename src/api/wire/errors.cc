#include "api/wire/errors.h"

#include <fmt/format.h>

namespace minikube::api {

namespace {

StatusDetails DetailsOf(const ResourceDesc& resource, std::string_view name) {
  StatusDetails details;
  details.name = name;
  details.group = resource.group;
  details.kind = resource.plural;
  return details;
}

}  // namespace

std::string QualifiedResource(std::string_view group, std::string_view resource) {
  return group.empty() ? std::string(resource) : fmt::format("{}.{}", resource, group);
}

std::string QualifiedResource(const ResourceDesc& resource) {
  return QualifiedResource(resource.group, resource.plural);
}

Status NoSuchResource() { return {Code::kNotFound, "the server could not find the requested resource"}; }

Status NotFoundError(const ResourceDesc& resource, std::string_view name) {
  return {Code::kNotFound, fmt::format("{} \"{}\" not found", QualifiedResource(resource), name),
          DetailsOf(resource, name)};
}

Status AlreadyExistsError(const ResourceDesc& resource, std::string_view name) {
  return {Code::kAlreadyExists, fmt::format("{} \"{}\" already exists", QualifiedResource(resource), name),
          DetailsOf(resource, name)};
}

Status NameConflictError(const ResourceDesc& resource, std::string_view name) {
  return {Code::kAlreadyExists,
          fmt::format("{} \"{}\" already exists, the server was not able to generate a unique name for the object",
                      QualifiedResource(resource), name),
          DetailsOf(resource, name)};
}

Status ConflictError(const ResourceDesc& resource, std::string_view name, std::string_view why) {
  return {Code::kConflict,
          fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", QualifiedResource(resource), name, why),
          DetailsOf(resource, name)};
}

Status ModifiedError(const ResourceDesc& resource, std::string_view name) {
  return ConflictError(resource, name,
                       "the object has been modified; please apply your changes to the latest version and try again");
}

Status ForbiddenError(const ResourceDesc& resource, std::string_view name, std::string_view why) {
  const std::string qualified = QualifiedResource(resource);
  return {Code::kForbidden,
          name.empty() ? fmt::format("{} is forbidden: {}", qualified, why)
                       : fmt::format("{} \"{}\" is forbidden: {}", qualified, name, why),
          DetailsOf(resource, name)};
}

Status InvalidError(const ResourceDesc& resource, std::string_view name, const std::vector<StatusCause>& causes) {
  // As field.ErrorList prints itself: one error bare, several in brackets.
  std::string list;
  for (const StatusCause& cause : causes) {
    if (!list.empty()) list += ", ";
    list += cause.field.empty() ? cause.message : cause.field + ": " + cause.message;
  }
  if (causes.size() > 1) list = "[" + list + "]";
  StatusDetails details = DetailsOf(resource, name);
  details.kind = resource.kind;
  details.causes = causes;
  const std::string kind =
      resource.group.empty() ? std::string(resource.kind) : fmt::format("{}.{}", resource.kind, resource.group);
  return {Code::kInvalid, fmt::format("{} \"{}\" is invalid: {}", kind, name, list), std::move(details)};
}

Status MethodNotAllowed() {
  return {Code::kMethodNotAllowed, "the server does not allow this method on the requested resource"};
}

Status MethodNotAllowedError(const ResourceDesc& resource, std::string_view verb) {
  return {Code::kMethodNotAllowed,
          fmt::format("{} is not supported on resources of kind \"{}\"", verb, QualifiedResource(resource)),
          DetailsOf(resource, {})};
}

Status TooLargeRevisionError(std::int64_t asked, std::int64_t current) {
  StatusDetails details;
  details.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
  details.retry_after_seconds = 1;
  return {Code::kTimeout, fmt::format("Timeout: Too large resource version: {}, current: {}", asked, current),
          std::move(details)};
}

Status TooOldRevisionError(std::int64_t asked, std::int64_t oldest) {
  return {Code::kExpired, fmt::format("too old resource version: {} ({})", asked, oldest)};
}

}  // namespace minikube::api
