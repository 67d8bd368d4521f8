#include <minikube/client.h>

#include <cstdlib>
#include <string>
#include <utility>

#include <minikube/codec.h>

namespace minikube {

const ResourceDesc& Client::ResourceFor(const MessageDesc& desc) {
  for (const ResourceDesc& resource : AllResources()) {
    if (resource.message == &desc) return resource;
  }
  DieOnBadResult(Status(Code::kInternal, "no resource serves the type " + std::string(desc.name)));
}

ApiRequest Client::ApplyRequest(const ResourceDesc& resource, const Object& object, std::string_view manager,
                                bool force) {
  ApiRequest request;
  request.verb = Verb::kPatch;
  request.resource = &resource;
  request.ns = object.meta().namespace_.str();
  request.name = object.meta().name.str();
  request.patch_type = PatchType::kApply;
  request.patch = EncodeApply(object);
  request.field_manager = std::string(manager);
  request.force = force;
  return request;
}

ApiRequest Client::ListRequest(const ResourceDesc& resource, Verb verb, std::string_view ns,
                               const ListOptions& options) {
  ApiRequest request;
  request.verb = verb;
  request.resource = &resource;
  request.ns = std::string(ns);
  request.label_selector = options.label_selector;
  request.field_selector = options.field_selector;
  request.limit = options.limit;
  request.continue_token = options.continue_token;
  request.resource_version = options.resource_version;
  request.resource_version_match = options.resource_version_match;
  return request;
}

ApiRequest Client::DeleteRequest(const ResourceDesc& resource, std::string_view ns, std::string_view name,
                                 const DeleteOptions& options) {
  ApiRequest request;
  request.verb = Verb::kDelete;
  request.resource = &resource;
  request.ns = std::string(ns);
  request.name = std::string(name);
  request.grace_period_seconds = options.grace_period_seconds;
  request.propagation = options.propagation;
  request.precondition_uid = options.uid;
  request.precondition_resource_version = options.resource_version;
  request.dry_run = options.dry_run;
  return request;
}

Result<ApiResponse> Client::ListAll(ApiRequest request) {
  Result<ApiResponse> all = DoSync(request);
  while (all && !all->continue_token.empty()) {
    ApiRequest next = request;
    next.continue_token = std::move(all->continue_token);
    next.resource_version.clear();  // the token says from which
    next.resource_version_match.clear();
    Result<ApiResponse> page = DoSync(std::move(next));
    if (!page && page.status().code() == Code::kExpired) {
      request.limit = 0;
      request.continue_token.clear();
      return DoSync(std::move(request));
    }
    if (!page) return page.status();
    all->items.insert(all->items.end(), std::make_move_iterator(page->items.begin()),
                      std::make_move_iterator(page->items.end()));
    all->continue_token = std::move(page->continue_token);
    all->remaining = page->remaining;
  }
  return all;
}

Result<std::vector<const ResourceDesc*>> Client::Discover() {
  std::vector<const ResourceDesc*> out;
  for (const ResourceDesc& resource : AllResources()) out.push_back(&resource);
  return out;
}

Result<const ResourceDesc*> Client::FindServed(std::string_view group, std::string_view version,
                                               std::string_view kind) {
  Result<std::vector<const ResourceDesc*>> served = Discover();
  if (!served) return served.status();
  for (const ResourceDesc* resource : *served) {
    // The preferred version of a group comes first.
    if (resource->group == group && resource->kind == kind && (version.empty() || resource->version == version)) {
      return resource;
    }
  }
  std::string what(kind);
  if (!group.empty()) what += "." + std::string(group);
  if (!version.empty()) what += "/" + std::string(version);
  return Status(Code::kNotFound, "the server serves no kind " + what);
}

}  // namespace minikube
