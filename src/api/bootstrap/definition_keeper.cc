#include "api/bootstrap/definition_keeper.h"

#include <algorithm>

#include <minikube/api/apiextensions/v1.h>

#include "api/kinds/definition_names.h"
#include "api/registry/operation.h"
#include "api/world/catalogue.h"

namespace minikube::api {

namespace {

using apiextensions::v1::CustomResourceDefinition;

// Objects that are deleted at a time; the next look finds the rest.
constexpr std::size_t kMostDeletions = 256;

// As the server itself. What fails is tried again at the next look.
void Submit(const std::shared_ptr<Core>& core, ApiRequest request) {
  RequestContext context;
  context.user = {"system:apiserver", "", {"system:masters", "system:authenticated"}};
  context.manager = "kube-apiserver";
  context.request = std::move(request);
  const std::string what = context.request.name;
  std::make_shared<Operation>(core, std::move(context), [log = core->log, what](const Result<ApiResponse>& result) {
    if (!result) log.Debug("definition not kept", {{"name", what}, {"error", result.status().message()}});
  })->StartAuthorised();
}

ApiRequest Update(const CustomResourceDefinition& next) {
  ApiRequest request;
  request.verb = Verb::kUpdate;
  request.resource = FindResource("apiextensions.k8s.io", "v1", "customresourcedefinitions");
  request.name = next.metadata.name.str();
  request.object = Share(next);
  return request;
}

// Deletes some of its objects, or, when there are none, what holds the definition.
void Empty(const std::shared_ptr<Core>& core, const World& world, const CustomResourceDefinition& definition) {
  for (const Catalogue::Custom& custom : world.catalogue->custom()) {
    if (custom.kind->strategy.group != definition.spec.group.view() ||
        custom.kind->strategy.plural != definition.spec.names.plural.view()) {
      continue;
    }
    const ObjectTable& objects = world.kinds[custom.kind->index];
    std::size_t begun = 0;
    for (auto it = objects.Begin(); it && begun < kMostDeletions; ++it) {
      const meta::v1::ObjectMeta& meta = it->object->meta();
      if (meta.deletionTimestamp) continue;  // it waits for its finalizers
      ApiRequest request;
      request.verb = Verb::kDelete;
      request.resource = custom.kind->resource;
      request.ns = meta.namespace_.str();
      request.name = meta.name.str();
      Submit(core, std::move(request));
      ++begun;
    }
    if (objects.size() != 0) return;
  }
  CustomResourceDefinition next = definition;
  List<Str> rest;
  for (const Str& finalizer : definition.metadata.finalizers) {
    if (!(finalizer == kCustomResourceCleanup)) rest.push_back(finalizer);
  }
  next.metadata.finalizers = rest;
  Submit(core, Update(next));
}

}  // namespace

void KeepDefinitions(const std::shared_ptr<Core>& core) {
  const Snapshot world = core->cache.snapshot();
  const StoredKind& kind = core->built_in->Get("apiextensions.k8s.io", "customresourcedefinitions");
  for (auto it = world->kinds[kind.index].Begin(); it; ++it) {
    const auto& definition = it->object->As<CustomResourceDefinition>();
    const auto& finalizers = definition.metadata.finalizers;
    const bool held = std::find(finalizers.begin(), finalizers.end(), Str(kCustomResourceCleanup)) != finalizers.end();
    if (definition.metadata.deletionTimestamp) {
      if (held) Empty(core, *world, definition);
    } else if (!IsConditionTrue(definition, "NamesAccepted")) {
      Submit(core, Update(definition));  // its names are decided anew; nothing is written if that changes nothing
    }
  }
}

}  // namespace minikube::api
