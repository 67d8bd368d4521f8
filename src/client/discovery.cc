#include "client/discovery.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <minikube/api/apidiscovery/v2.h>
#include <minikube/codec.h>
#include <minikube/custom_object.h>

namespace minikube::client {
namespace {

namespace v2 = apidiscovery::v2;

constexpr std::string_view kDocument = "APIGroupDiscoveryList";

// A resource beyond the schema, with all that its descriptor points to.
class CustomResource {
 public:
  CustomResource(std::string_view group, std::string_view version, const v2::APIResourceDiscovery& from)
      : group_(group),
        version_(version),
        plural_(from.resource),
        singular_(from.singularResource),
        kind_(from.responseKind ? from.responseKind->kind.view() : std::string_view()),
        type_(group_, version_, kind_, kind_ + "List") {
    Copy(from.shortNames, short_name_texts_, short_names_);
    Copy(from.categories, category_texts_, categories_);
    Copy(from.verbs, verb_texts_, verbs_);
    for (const v2::APISubresourceDiscovery& sub : from.subresources) {
      subresource_texts_.push_back(std::make_unique<Subresource>());
      Subresource& texts = *subresource_texts_.back();
      texts.name = sub.subresource.str();
      Copy(sub.verbs, texts.verb_texts, texts.verbs);
      const MessageDesc* message = nullptr;
      if (sub.responseKind) {
        const auto& gvk = *sub.responseKind;
        message = FindKind(gvk.group, gvk.version, gvk.kind);
      }
      subresources_.push_back({texts.name, message != nullptr ? message : &type_.object(), texts.verbs});
    }
    desc_.group = group_;
    desc_.version = version_;
    desc_.plural = plural_;
    desc_.singular = singular_;
    desc_.kind = kind_;
    desc_.namespaced = from.scope == "Namespaced";
    desc_.message = &type_.object();
    desc_.list_message = &type_.list();
    desc_.short_names = short_names_;
    desc_.categories = categories_;
    desc_.verbs = verbs_;
    desc_.subresources = subresources_;
  }
  CustomResource(const CustomResource&) = delete;
  CustomResource& operator=(const CustomResource&) = delete;

  const ResourceDesc& desc() const { return desc_; }

 private:
  struct Subresource {
    std::string name;
    std::vector<std::string> verb_texts;
    std::vector<std::string_view> verbs;
  };
  static void Copy(const List<Str>& from, std::vector<std::string>& texts, std::vector<std::string_view>& views) {
    for (const Str& text : from) texts.push_back(text.str());
    views.assign(texts.begin(), texts.end());
  }

  const std::string group_;
  const std::string version_;
  const std::string plural_;
  const std::string singular_;
  const std::string kind_;
  const CustomKind type_;
  std::vector<std::string> short_name_texts_, category_texts_, verb_texts_;
  std::vector<std::string_view> short_names_, categories_, verbs_;
  std::vector<std::unique_ptr<Subresource>> subresource_texts_;
  std::vector<SubresourceDesc> subresources_;
  ResourceDesc desc_{};
};

// The one descriptor of all that say the same.
const ResourceDesc& Interned(std::string_view group, std::string_view version, const v2::APIResourceDiscovery& from) {
  static std::mutex mu;
  static auto& known = *new std::map<std::string, std::unique_ptr<const CustomResource>>();
  std::string key = std::string(group) + "\n" + std::string(version) + "\n";
  EncodeJsonMessage(DescriptorOf<v2::APIResourceDiscovery>(), &from, key);
  std::lock_guard lock(mu);
  auto& resource = known[std::move(key)];
  if (resource == nullptr) resource = std::make_unique<const CustomResource>(group, version, from);
  return resource->desc();
}

}  // namespace

HttpRequest DiscoveryRequest(std::string_view path) {
  HttpRequest request;
  request.method = "GET";
  request.target = std::string(path);
  request.accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=" + std::string(kDocument) + ",application/json";
  return request;
}

Status AddDiscovered(const HttpResponse& response, std::vector<const ResourceDesc*>& out) {
  if (response.status < 200 || response.status > 299) return ErrorOf(response);
  if (response.content_type.find(kDocument) == std::string::npos) {
    return {Code::kNotImplemented, "the server does not tell its resources in one document"};
  }
  v2::APIGroupDiscoveryList list;
  MINIKUBE_RETURN_IF_ERROR(DecodeJsonMessage(DescriptorOf<v2::APIGroupDiscoveryList>(), response.body, &list));
  for (const v2::APIGroupDiscovery& group : list.items) {
    const std::string_view name = group.metadata.name;
    for (const v2::APIVersionDiscovery& version : group.versions) {
      for (const v2::APIResourceDiscovery& resource : version.resources) {
        const ResourceDesc* built_in = FindResource(name, version.version, resource.resource);
        // What has no kind of its own is only there for its subresources.
        if (built_in == nullptr && (!resource.responseKind || resource.responseKind->kind.empty())) continue;
        out.push_back(built_in != nullptr ? built_in : &Interned(name, version.version, resource));
      }
    }
  }
  return {};
}

}  // namespace minikube::client
