// The errors of the Kubernetes API, in its words: clients match on codes and reasons, people on these texts.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <minikube/descriptor.h>
#include <minikube/status.h>

namespace minikube::api {

// "pods", "deployments.apps": a resource with its group, as error messages spell it.
std::string QualifiedResource(std::string_view group, std::string_view resource);
std::string QualifiedResource(const ResourceDesc& resource);

// The 404 for a path or resource that is not served.
Status NoSuchResource();
Status NotFoundError(const ResourceDesc& resource, std::string_view name);
Status AlreadyExistsError(const ResourceDesc& resource, std::string_view name);
// No generated name was free.
Status NameConflictError(const ResourceDesc& resource, std::string_view name);
// `why` follows the sentence "Operation cannot be fulfilled on ...".
Status ConflictError(const ResourceDesc& resource, std::string_view name, std::string_view why);
// The optimistic lock failed.
Status ModifiedError(const ResourceDesc& resource, std::string_view name);
// 403 of admission: `<resource> "<name>" is forbidden: <why>`.
Status ForbiddenError(const ResourceDesc& resource, std::string_view name, std::string_view why);
// 422 with causes; `name` may be empty.
Status InvalidError(const ResourceDesc& resource, std::string_view name, const std::vector<StatusCause>& causes);
// 405 for what no path offers.
Status MethodNotAllowed();
Status MethodNotAllowedError(const ResourceDesc& resource, std::string_view verb);
// 504: the caller asked for a revision that has not come yet.
Status TooLargeRevisionError(std::int64_t asked, std::int64_t current);
// 410: the caller asked for a revision that is gone.
Status TooOldRevisionError(std::int64_t asked, std::int64_t oldest);

}  // namespace minikube::api
