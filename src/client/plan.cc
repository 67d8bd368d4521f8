#include <minikube/plan.h>

#include <algorithm>

#include <minikube/codec.h>

namespace minikube {

bool NamespaceTerminating(const Status& status) {
  const auto& causes = status.details().causes;
  return std::any_of(causes.begin(), causes.end(),
                     [](const StatusCause& cause) { return cause.reason == "NamespaceTerminating"; });
}

bool Step::Ignores(const Status& status) const {
  return std::find(ignored_codes.begin(), ignored_codes.end(), status.code()) != ignored_codes.end() ||
         std::any_of(ignored.begin(), ignored.end(), [&](Expected expected) { return expected(status); });
}

void Plan::Again(Duration after) {
  if (!again_ || after < *again_) again_ = after;
}

Step& Plan::Delete(const ResourceDesc& resource, const meta::v1::ObjectMeta& meta) {
  ApiRequest request;
  request.verb = Verb::kDelete;
  request.resource = &resource;
  request.ns = meta.namespace_.str();
  request.name = meta.name.str();
  request.precondition_uid = meta.uid.str();
  return Add(std::move(request));
}

Step& Plan::ReadAll(const ResourceDesc& resource, std::string_view ns) {
  ApiRequest request;
  request.verb = Verb::kList;
  request.resource = &resource;
  request.ns = std::string(ns);
  return Add(std::move(request));
}

Step& Plan::PatchOwners(const ResourceDesc& resource, const meta::v1::ObjectMeta& meta,
                        const List<meta::v1::OwnerReference>& owners) {
  ApiRequest request;
  request.verb = Verb::kPatch;
  request.resource = &resource;
  request.ns = meta.namespace_.str();
  request.name = meta.name.str();
  request.patch_type = PatchType::kMerge;
  // UIDs and versions are made of characters that need no escaping.
  request.patch = "{\"metadata\":{\"uid\":\"" + meta.uid.str() + "\",\"resourceVersion\":\"" +
                  meta.resourceVersion.str() + "\",\"ownerReferences\":[";
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (i > 0) request.patch += ',';
    EncodeJsonMessage(DescriptorOf<meta::v1::OwnerReference>(), &owners[i], request.patch);
  }
  request.patch += "]}}";
  return Add(std::move(request));
}

}  // namespace minikube
