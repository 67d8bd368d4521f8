#include "api/front/respond.h"

#include <fmt/format.h>

#include <minikube/api/meta/v1.h>
#include <minikube/codec.h>

#include "api/table/table.h"
#include "api/wire/json_text.h"
#include "api/wire/proto_wire.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

// Lists up to this size are sent whole, with a Content-Length.
constexpr std::size_t kWholeUpTo = 128u << 10;

std::string ApiVersion(const GroupVersionKind& gvk) {
  return gvk.group.empty() ? std::string(gvk.version) : fmt::format("{}/{}", gvk.group, gvk.version);
}

// A head, items that are written one by one, a tail: every kind of list in JSON.
class ItemsSource final : public BodySource {
 public:
  using Writer = Function<void(const Object&, std::string&)>;
  ItemsSource(std::string head, std::vector<ObjectRef> items, Writer write, std::string tail)
      : head_(std::move(head)), items_(std::move(items)), write_(std::move(write)), tail_(std::move(tail)) {}

  State Pull(std::size_t want, std::string& out) override {
    const std::size_t until = out.size() + want;
    out += head_;
    head_.clear();
    for (; at_ < items_.size(); ++at_) {
      if (out.size() >= until) return State::kMore;
      if (at_ > 0) out += ',';
      write_(*items_[at_], out);
      items_[at_] = nullptr;
    }
    out += tail_;
    return State::kDone;
  }

 private:
  std::string head_;
  std::vector<ObjectRef> items_;
  Writer write_;
  std::string tail_;
  std::size_t at_ = 0;
};

// What was already pulled, then the rest.
class PrefixedSource final : public BodySource {
 public:
  PrefixedSource(std::string prefix, std::unique_ptr<BodySource> rest)
      : prefix_(std::move(prefix)), rest_(std::move(rest)) {}
  State Pull(std::size_t want, std::string& out) override {
    if (prefix_.empty()) return rest_->Pull(want, out);
    out += prefix_;
    std::string().swap(prefix_);
    return State::kMore;
  }

 private:
  std::string prefix_;
  std::unique_ptr<BodySource> rest_;
};

// `"metadata":{...}` of a list.
void AppendListMeta(const ApiResponse& response, std::string& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Field("resourceVersion", fmt::format("{}", response.revision));
  if (!response.continue_token.empty()) json.Field("continue", response.continue_token);
  if (response.remaining) json.Field("remainingItemCount", *response.remaining);
  json.EndObject();
}

std::string ListHead(std::string_view kind, std::string_view api_version, const ApiResponse& response) {
  std::string head = fmt::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":", kind, api_version);
  AppendListMeta(response, head);
  return head;
}

std::string TableHead(const Route& route, const MessageDesc& shown, std::string_view meta_json) {
  std::string head = fmt::format(
      "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":{},"
      "\"columnDefinitions\":",
      route.accepted.transform_version, meta_json);
  AppendTableColumns(*route.request.resource, shown, head);
  head += ",\"rows\":[";
  return head;
}

ItemsSource::Writer RowWriter(const Route& route, WallTime now) {
  return
      [resource = route.request.resource, include = route.include_object, version = route.accepted.transform_version,
       now](const Object& object, std::string& out) { AppendTableRow(*resource, object, include, version, now, out); };
}

std::unique_ptr<BodySource> JsonListSource(const Route& route, ApiResponse response, WallTime now) {
  const ResourceDesc& resource = *route.request.resource;
  switch (route.accepted.transform) {
    case Transform::kTable: {
      std::string meta;
      AppendListMeta(response, meta);
      return std::make_unique<ItemsSource>(TableHead(route, *resource.message, meta), std::move(response.items),
                                           RowWriter(route, now), "]}\n");
    }
    case Transform::kPartialMetadata:
    case Transform::kPartialMetadataList:
      return std::make_unique<ItemsSource>(
          ListHead("PartialObjectMetadataList", "meta.k8s.io/" + route.accepted.transform_version, response) +
              ",\"items\":[",
          std::move(response.items),
          [version = route.accepted.transform_version](const Object& object, std::string& out) {
            AppendPartialMetadata(object, version, out);
          },
          "]}\n");
    case Transform::kNone:
      break;
  }
  const GroupVersionKind& gvk = resource.list_message->gvk;
  return std::make_unique<ItemsSource>(
      ListHead(gvk.kind, ApiVersion(gvk), response) + ",\"items\":[", std::move(response.items),
      [](const Object& object, std::string& out) { EncodeJsonMessage(object.desc(), object.data(), out); }, "]}\n");
}

// The length of the message must be known before its first byte, so it is made whole.
std::string ProtobufList(const Route& route, const ApiResponse& response) {
  const bool partial = route.accepted.transform != Transform::kNone;
  meta::v1::ListMeta meta;
  meta.resourceVersion = fmt::format("{}", response.revision);
  meta.continue_ = response.continue_token;
  meta.remainingItemCount = response.remaining;
  std::string scratch;
  EncodeProtobufMessage(DescriptorOf<meta::v1::ListMeta>(), &meta, scratch);
  std::string raw;
  PutBytes(1, scratch, raw);
  for (const ObjectRef& item : response.items) {
    scratch.clear();
    if (partial) {
      std::string metadata;
      EncodeProtobufMessage(DescriptorOf<meta::v1::ObjectMeta>(), &item->meta(), metadata);
      PutBytes(1, metadata, scratch);
    } else {
      EncodeProtobufMessage(item->desc(), item->data(), scratch);
    }
    PutBytes(2, scratch, raw);
  }
  std::string out;
  out.reserve(raw.size() + 128);
  const GroupVersionKind& gvk = route.request.resource->list_message->gvk;
  if (partial) {
    PutEnvelopeHead("meta.k8s.io/" + route.accepted.transform_version, "PartialObjectMetadataList", raw.size(), out);
  } else {
    PutEnvelopeHead(ApiVersion(gvk), gvk.kind, raw.size(), out);
  }
  out += raw;
  return out;
}

std::string Drain(BodySource& source) {
  std::string out;
  while (source.Pull(std::size_t{1} << 20, out) == BodySource::State::kMore) {
  }
  return out;
}

void SetBody(std::string json, const Accepted& accepted, HttpReply& reply) {
  reply.content_type = MediaTypeName(accepted.type);
  if (accepted.type == MediaType::kYaml) {
    Result<std::string> yaml = JsonToYaml(json);
    reply.body = yaml ? *std::move(yaml) : std::move(json);  // what we wrote ourselves parses
  } else {
    reply.body = accepted.pretty ? IndentJson(json) : std::move(json);
  }
}

HttpReply ListReply(const Route& route, ApiResponse response, WallTime now) {
  HttpReply reply;
  if (route.accepted.type == MediaType::kProtobuf) {
    reply.content_type = MediaTypeName(MediaType::kProtobuf);
    reply.body = ProtobufList(route, response);
    return reply;
  }
  std::unique_ptr<BodySource> source = JsonListSource(route, std::move(response), now);
  if (route.accepted.type == MediaType::kYaml || route.accepted.pretty) {
    SetBody(Drain(*source), route.accepted, reply);
    return reply;
  }
  std::string start;
  if (source->Pull(kWholeUpTo, start) == BodySource::State::kDone) {
    reply.body = std::move(start);
  } else {
    reply.source = std::make_unique<PrefixedSource>(std::move(start), std::move(source));
  }
  return reply;
}

HttpReply ObjectReply(const Route& route, const Object& object, WallTime now) {
  HttpReply reply;
  Transform transform = route.accepted.transform;
  if (object.TryAs<meta::v1::Status>() != nullptr || object.desc().metadata_field < 0) transform = Transform::kNone;
  switch (transform) {
    case Transform::kNone:
      reply.content_type = MediaTypeName(route.accepted.type);
      reply.body = EncodeWhole(object, route.accepted);
      return reply;
    case Transform::kTable: {
      std::string meta;
      JsonWriter writer(meta);
      writer.BeginObject();
      writer.Field("resourceVersion", object.meta().resourceVersion.view());
      writer.EndObject();
      std::string json = TableHead(route, object.desc(), meta);
      AppendTableRow(*route.request.resource, object, route.include_object, route.accepted.transform_version, now,
                     json);
      json += "]}\n";
      SetBody(std::move(json), route.accepted, reply);
      return reply;
    }
    case Transform::kPartialMetadata:
    case Transform::kPartialMetadataList: {
      if (route.accepted.type == MediaType::kProtobuf) {
        std::string metadata;
        EncodeProtobufMessage(DescriptorOf<meta::v1::ObjectMeta>(), &object.meta(), metadata);
        std::string raw;
        PutBytes(1, metadata, raw);
        PutEnvelopeHead("meta.k8s.io/" + route.accepted.transform_version, "PartialObjectMetadata", raw.size(),
                        reply.body);
        reply.body += raw;
        reply.content_type = MediaTypeName(MediaType::kProtobuf);
        return reply;
      }
      std::string json;
      AppendPartialMetadata(object, route.accepted.transform_version, json);
      json += '\n';
      SetBody(std::move(json), route.accepted, reply);
      return reply;
    }
  }
  return reply;
}

}  // namespace

HttpReply ResourceReply(const Route& route, Result<ApiResponse> response, WallTime now) {
  if (!response) return StatusReply(response.status(), route.accepted.type, route.accepted.pretty);
  const std::vector<std::string> warnings = std::move(response->warnings);
  HttpReply reply;
  if (route.request.verb == Verb::kList) {
    reply = ListReply(route, *std::move(response), now);
  } else if (response->object) {
    const bool created = response->created;
    reply = ObjectReply(route, *response->object, now);
    if (created) reply.status = 201;
  } else {
    // A write that leaves no object to show, such as deletecollection.
    reply.content_type = MediaTypeName(route.accepted.type);
    reply.body = EncodeWhole(*StatusObject(Status()), route.accepted);
  }
  AddWarnings(warnings, reply);
  return reply;
}

}  // namespace minikube::api
