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

Step& Plan::PatchOwners(const ResourceDesc& resource, const meta::v1::ObjectMeta& before,
                        const meta::v1::ObjectMeta& after) {
  ApiRequest request;
  request.verb = Verb::kPatch;
  request.resource = &resource;
  request.ns = before.namespace_.str();
  request.name = before.name.str();
  request.patch_type = PatchType::kMerge;
  // UIDs, versions and finalizers are made of characters that need no escaping.
  std::string& patch = request.patch;
  patch = "{\"metadata\":{\"uid\":\"" + before.uid.str() + "\",\"resourceVersion\":\"" + before.resourceVersion.str() +
          "\"";
  if (!before.ownerReferences.same(after.ownerReferences)) {
    patch += ",\"ownerReferences\":[";
    for (std::size_t i = 0; i < after.ownerReferences.size(); ++i) {
      if (i > 0) patch += ',';
      EncodeJsonMessage(DescriptorOf<meta::v1::OwnerReference>(), &after.ownerReferences[i], patch);
    }
    patch += ']';
  }
  if (!before.finalizers.same(after.finalizers)) {
    patch += ",\"finalizers\":[";
    for (std::size_t i = 0; i < after.finalizers.size(); ++i) {
      patch += std::string(i > 0 ? "," : "") + "\"" + after.finalizers[i].str() + "\"";
    }
    patch += ']';
  }
  patch += "}}";
  return Add(std::move(request));
}

}  // namespace minikube
