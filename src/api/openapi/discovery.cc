#include "api/openapi/discovery.h"

#include <fmt/format.h>

#include <minikube/api/apidiscovery/v2.h>
#include <minikube/api/meta/v1.h>
#include <minikube/codec.h>
#include <minikube/object.h>

#include "api/wire/errors.h"
#include "api/wire/negotiate.h"
#include "api/wire/proto_wire.h"
#include "api/wire/reply.h"
#include "crypto/digest.h"

namespace minikube::api {
namespace {

using apidiscovery::v2::APIGroupDiscovery;
using apidiscovery::v2::APIGroupDiscoveryList;
using apidiscovery::v2::APIResourceDiscovery;
using apidiscovery::v2::APISubresourceDiscovery;
using apidiscovery::v2::APIVersionDiscovery;

std::string GroupVersion(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

List<Str> Texts(std::span<const std::string_view> texts) {
  List<Str> out;
  for (const std::string_view text : texts) out.push_back(Str(text));
  return out;
}

List<meta::v1::ServerAddressByClientCIDR> Addresses(std::string_view server_address) {
  return {{Str("0.0.0.0/0"), Str(server_address)}};
}

ObjectRef Versions(const Catalogue& catalogue, std::string_view server_address) {
  meta::v1::APIVersions out;
  for (const GroupVersionDesc& gv : catalogue.group_versions()) {
    if (gv.group.empty()) out.versions.push_back(Str(gv.version));
  }
  out.serverAddressByClientCIDRs = Addresses(server_address);
  return Share(std::move(out));
}

// The named groups in the order of discovery, each with its versions; the first is preferred.
List<meta::v1::APIGroup> Groups(const Catalogue& catalogue) {
  List<meta::v1::APIGroup> groups;
  for (const GroupVersionDesc& gv : catalogue.group_versions()) {
    if (gv.group.empty()) continue;
    const meta::v1::GroupVersionForDiscovery version{Str(GroupVersion(gv.group, gv.version)), Str(gv.version)};
    if (groups.empty() || groups.back().name != gv.group) {
      meta::v1::APIGroup group;
      group.name = Str(gv.group);
      group.preferredVersion = version;
      groups.push_back(std::move(group));
    }
    groups.Mutable(groups.size() - 1).versions.push_back(version);
  }
  return groups;
}

// The kind that a subresource reads and writes, where it is of another group than the resource itself.
void SetKind(const ResourceDesc& resource, const MessageDesc& message, meta::v1::APIResource& out) {
  out.kind = Str(message.gvk.kind);
  if (message.gvk.group == resource.group && message.gvk.version == resource.version) return;
  out.group = Str(message.gvk.group);
  out.version = Str(message.gvk.version);
}

Result<ObjectRef> Resources(const Catalogue& catalogue, std::string_view group, std::string_view version) {
  meta::v1::APIResourceList out;
  out.groupVersion = GroupVersion(group, version);
  bool found = false;
  for (const GroupVersionDesc& gv : catalogue.group_versions()) found |= gv.group == group && gv.version == version;
  if (!found) return NoSuchResource();
  for (const ResourceDesc* each : catalogue.resources()) {
    const ResourceDesc& resource = *each;
    if (resource.group != group || resource.version != version) continue;
    meta::v1::APIResource entry;
    entry.name = Str(resource.plural);
    entry.singularName = Str(resource.singular);
    entry.namespaced = resource.namespaced;
    SetKind(resource, *resource.message, entry);
    entry.verbs.items = Texts(resource.verbs);
    entry.shortNames = Texts(resource.short_names);
    entry.categories = Texts(resource.categories);
    if (resource.storage_message != nullptr) {
      const GroupVersionKind& stored = resource.storage_message->gvk;
      entry.storageVersionHash = StorageVersionHash(stored.group, stored.version, stored.kind);
    }
    out.resources.push_back(std::move(entry));
    for (const SubresourceDesc& subresource : resource.subresources) {
      meta::v1::APIResource sub;
      sub.name = fmt::format("{}/{}", resource.plural, subresource.name);
      sub.namespaced = resource.namespaced;
      if (subresource.message != nullptr) SetKind(resource, *subresource.message, sub);
      sub.verbs.items = Texts(subresource.verbs);
      out.resources.push_back(std::move(sub));
    }
  }
  return Share(std::move(out));
}

Box<meta::v1::GroupVersionKind> KindOf(const MessageDesc* message) {
  if (message == nullptr) return nullptr;
  return meta::v1::GroupVersionKind{Str(message->gvk.group), Str(message->gvk.version), Str(message->gvk.kind)};
}

APIVersionDiscovery VersionDiscovery(const Catalogue& catalogue, const GroupVersionDesc& gv) {
  APIVersionDiscovery version;
  version.version = Str(gv.version);
  version.freshness = "Current";
  for (const ResourceDesc* each : catalogue.resources()) {
    const ResourceDesc& resource = *each;
    if (resource.group != gv.group || resource.version != gv.version) continue;
    APIResourceDiscovery entry;
    entry.resource = Str(resource.plural);
    entry.responseKind = KindOf(resource.message);
    entry.scope = resource.namespaced ? "Namespaced" : "Cluster";
    entry.singularResource = Str(resource.singular);
    entry.verbs = Texts(resource.verbs);
    entry.shortNames = Texts(resource.short_names);
    entry.categories = Texts(resource.categories);
    for (const SubresourceDesc& subresource : resource.subresources) {
      APISubresourceDiscovery sub;
      sub.subresource = Str(subresource.name);
      sub.responseKind = KindOf(subresource.message);
      sub.verbs = Texts(subresource.verbs);
      entry.subresources.push_back(std::move(sub));
    }
    version.resources.push_back(std::move(entry));
  }
  return version;
}

// For /api the core group alone, for /apis all others.
APIGroupDiscoveryList Aggregated(const Catalogue& catalogue, bool core) {
  APIGroupDiscoveryList list;
  for (const GroupVersionDesc& gv : catalogue.group_versions()) {
    if (gv.group.empty() != core) continue;
    if (list.items.empty() || list.items.back().metadata.name != gv.group) {
      APIGroupDiscovery group;
      group.metadata.name = Str(gv.group);
      list.items.push_back(std::move(group));
    }
    list.items.Mutable(list.items.size() - 1).versions.push_back(VersionDiscovery(catalogue, gv));
  }
  return list;
}

// Both versions of the aggregated form have the same fields and numbers; only the name differs.
std::string EncodeAggregated(const Catalogue& catalogue, MediaType type, std::string_view version, bool core) {
  const APIGroupDiscoveryList list = Aggregated(catalogue, core);
  const MessageDesc& desc = DescriptorOf<APIGroupDiscoveryList>();
  const std::string api_version = fmt::format("apidiscovery.k8s.io/{}", version);
  std::string out;
  if (type == MediaType::kProtobuf) {
    std::string raw;
    EncodeProtobufMessage(desc, &list, raw);
    PutEnvelopeHead(api_version, "APIGroupDiscoveryList", raw.size(), out);
    return out + raw;
  }
  std::string fields;
  EncodeJsonMessage(desc, &list, fields);
  out = fmt::format("{{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"{}\",{}", api_version,
                    std::string_view(fields).substr(1));
  if (type == MediaType::kYaml) {
    if (Result<std::string> yaml = JsonToYaml(out)) return *std::move(yaml);
  }
  return out;
}

// The aggregated form that a range of the Accept header asks for; nullopt if it asks for another.
struct AggregatedForm {
  MediaType type;
  std::string version;
};
std::optional<AggregatedForm> AskedFor(const MediaRange& range) {
  const Result<MediaType> type = BodyType(fmt::format("{}/{}", range.type, range.subtype));
  if (!type || range.Parameter("as") != "APIGroupDiscoveryList" || range.Parameter("g") != "apidiscovery.k8s.io") {
    return std::nullopt;
  }
  const std::string_view version = range.Parameter("v");
  if (version != "v2" && version != "v2beta1") return std::nullopt;
  return AggregatedForm{*type, std::string(version)};
}

HttpReply AggregatedReply(const Catalogue& catalogue, const HttpRequest& request, const AggregatedForm& form,
                          bool core) {
  HttpReply reply;
  reply.body = EncodeAggregated(catalogue, form.type, form.version, core);
  reply.content_type =
      fmt::format("{};g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", MediaTypeName(form.type), form.version);
  const std::string etag = fmt::format("\"{}\"", Sha256Hex(reply.body));
  reply.headers.emplace_back("ETag", etag);
  reply.headers.emplace_back("Vary", "Accept");
  if (request.Header("If-None-Match") == etag) {
    reply.status = 304;
    reply.body.clear();
    reply.content_type.clear();
  }
  return reply;
}

Result<ObjectRef> Document(const Catalogue& catalogue, const std::vector<std::string>& segments,
                           std::string_view server_address) {
  if (segments[0] == "api") {
    if (segments.size() == 1) return Versions(catalogue, server_address);
    return Resources(catalogue, "", segments[1]);
  }
  if (segments.size() == 3) return Resources(catalogue, segments[1], segments[2]);
  List<meta::v1::APIGroup> groups = Groups(catalogue);
  if (segments.size() == 1) {
    meta::v1::APIGroupList list;
    list.groups = std::move(groups);
    return Share(std::move(list));
  }
  for (const meta::v1::APIGroup& group : groups) {
    if (group.name == segments[1]) return Share(group);
  }
  return NoSuchResource();
}

}  // namespace

bool IsDiscoveryPath(const std::vector<std::string>& segments) {
  if (segments.empty()) return false;
  return (segments[0] == "api" && segments.size() <= 2) || (segments[0] == "apis" && segments.size() <= 3);
}

std::string StorageVersionHash(std::string_view group, std::string_view version, std::string_view kind) {
  return HashBase64(fmt::format("{}/{}/{}", group, version, kind), 8);
}

HttpReply DiscoveryReply(const Catalogue& catalogue, const HttpRequest& request,
                         const std::vector<std::string>& segments, std::string_view server_address) {
  const std::string_view accept = request.Header("Accept");
  if (segments.size() == 1) {
    // In order of preference: the first range that is either form decides.
    for (const MediaRange& range : ParseAccept(accept)) {
      if (const std::optional<AggregatedForm> form = AskedFor(range)) {
        return AggregatedReply(catalogue, request, *form, segments[0] == "api");
      }
      if (range.Parameter("as").empty()) break;
    }
  }
  const Result<Accepted> accepted = Negotiate(accept);
  if (!accepted) return StatusReply(accepted.status());
  const Result<ObjectRef> document = Document(catalogue, segments, server_address);
  if (!document) return StatusReply(document.status(), accepted->type);
  HttpReply reply;
  reply.content_type = MediaTypeName(accepted->type);
  reply.body = EncodeWhole(**document, *accepted);
  return reply;
}

}  // namespace minikube::api
