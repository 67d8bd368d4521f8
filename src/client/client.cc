#include <minikube/client.h>

#include <cstdlib>
#include <string>

namespace minikube {

const ResourceDesc& Client::ResourceFor(const MessageDesc& desc) {
  for (const ResourceDesc& resource : AllResources()) {
    if (resource.message == &desc) return resource;
  }
  DieOnBadResult(Status(Code::kInternal, "no resource serves the type " + std::string(desc.name)));
}

}  // namespace minikube
