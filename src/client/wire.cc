#include "client/wire.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <minikube/codec.h>

#include "kube/numbers.h"
#include "kube/status_codes.h"
#include "model/access.h"

namespace minikube::client {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kProtobuf = "application/vnd.kubernetes.protobuf";

// Custom resources are JSON only.
bool IsBuiltIn(const MessageDesc& desc) { return FindMessage(desc.name) == &desc; }

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// A JSON string; names and versions hold nothing but characters that need no escape, others are replaced.
std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) continue;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

class Query {
 public:
  void Add(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    text_ += fmt::format("{}{}={}", text_.empty() ? '?' : '&', name, Escape(value));
  }
  void Add(std::string_view name, std::int64_t value) {
    if (value != 0) Add(name, std::to_string(value));
  }
  void Add(std::string_view name, bool value) {
    if (value) Add(name, std::string_view("true"));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string PathOf(const ApiRequest& request) {
  const ResourceDesc& resource = *request.resource;
  std::string path = resource.group.empty() ? fmt::format("/api/{}", resource.version)
                                            : fmt::format("/apis/{}/{}", resource.group, resource.version);
  if (resource.namespaced && !request.ns.empty()) path += "/namespaces/" + Escape(request.ns);
  path += "/" + std::string(resource.plural);
  // A plain create posts to the collection; one of a subresource to the object that it belongs to.
  const bool named = !request.name.empty() && (request.verb != Verb::kCreate || !request.subresource.empty());
  if (named) path += "/" + Escape(request.name);
  if (!request.subresource.empty()) path += "/" + request.subresource;
  return path;
}

std::string_view PropagationName(Propagation propagation) {
  switch (propagation) {
    case Propagation::kDefault:
      return "";
    case Propagation::kOrphan:
      return "Orphan";
    case Propagation::kBackground:
      return "Background";
    case Propagation::kForeground:
      return "Foreground";
  }
  return "";
}

std::string DeleteOptionsOf(const ApiRequest& request) {
  std::string body = R"({"kind":"DeleteOptions","apiVersion":"v1")";
  if (request.grace_period_seconds) body += fmt::format(R"(,"gracePeriodSeconds":{})", *request.grace_period_seconds);
  if (const std::string_view policy = PropagationName(request.propagation); !policy.empty()) {
    body += fmt::format(R"(,"propagationPolicy":"{}")", policy);
  }
  if (request.dry_run) body += R"(,"dryRun":["All"])";
  if (!request.precondition_uid.empty() || !request.precondition_resource_version.empty()) {
    std::string conditions;
    if (!request.precondition_uid.empty()) conditions += R"("uid":)" + Quote(request.precondition_uid);
    if (!request.precondition_resource_version.empty()) {
      if (!conditions.empty()) conditions += ',';
      conditions += R"("resourceVersion":)" + Quote(request.precondition_resource_version);
    }
    body += R"(,"preconditions":{)" + conditions + "}";
  }
  return body + "}";
}

std::string_view PatchMediaType(PatchType type) {
  switch (type) {
    case PatchType::kJson:
      return "application/json-patch+json";
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kStrategicMerge:
      return "application/strategic-merge-patch+json";
    case PatchType::kApply:
      return "application/apply-patch+yaml";
  }
  return kJson;
}

void SetObject(const ApiRequest& request, HttpRequest& http) {
  if (!request.object) return;
  const bool built_in = IsBuiltIn(request.object->desc());
  http.content_type = built_in ? kProtobuf : kJson;
  Encode(built_in ? MediaType::kProtobuf : MediaType::kJson, *request.object, http.body);
}

MediaType MediaTypeOf(const HttpResponse& response) {
  return response.content_type.rfind(kProtobuf, 0) == 0 ? MediaType::kProtobuf : MediaType::kJson;
}

Result<ObjectPtr> DecodeAny(MediaType type, std::string_view body, const MessageDesc& fallback) {
  Result<ObjectPtr> object = Decode(type, body, nullptr);
  if (!object) object = Decode(type, body, &fallback);
  return object;
}

// The parts of a list as objects of their own; they share their contents with it.
Result<ApiResponse> SplitList(const ResourceDesc& resource, const Object& list) {
  const FieldDesc* items = list.desc().Find("items");
  const FieldDesc* metadata = list.desc().Find("metadata");
  if (items == nullptr || metadata == nullptr || items->message == nullptr) {
    return Status(Code::kInternal, fmt::format("expected a list of {}, got a {}", resource.plural, list.kind()));
  }
  ApiResponse response;
  const auto& meta = model::As<meta::v1::ListMeta>(model::SlotOf(*metadata, list.data()));
  response.revision = kube::RevisionOf(meta.resourceVersion);
  response.continue_token = meta.continue_.str();
  response.remaining = meta.remainingItemCount;
  const std::size_t size = model::ListSize(*items, list.data());
  response.items.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    ObjectPtr item = ObjectPtr::New(*items->message);
    model::DestroyMessage(*items->message, item->mutable_data());
    model::CopyMessage(*items->message, model::ListAt(*items, list.data(), i), item->mutable_data());
    response.items.push_back(std::move(item).Freeze());
  }
  return response;
}

Code CodeOf(unsigned http_status, std::string_view reason) {
  for (int i = 1; i <= static_cast<int>(Code::kTimeout); ++i) {
    const Code code = static_cast<Code>(i);
    if (!reason.empty() && ReasonOf(code) == reason) return code;
  }
  if (http_status == 501) return Code::kNotImplemented;
  if (http_status == 502) return Code::kUnavailable;  // of a proxy in between
  return kube::CodeOfHttp(http_status).value_or(Code::kInternal);
}

Status FromApiStatus(const meta::v1::Status& status, int retry_after) {
  StatusDetails details;
  if (status.details) {
    details.name = status.details->name.str();
    details.group = status.details->group.str();
    details.kind = status.details->kind.str();
    details.uid = status.details->uid.str();
    details.retry_after_seconds = status.details->retryAfterSeconds;
    for (const meta::v1::StatusCause& cause : status.details->causes) {
      details.causes.push_back({cause.reason.str(), cause.message.str(), cause.field.str()});
    }
  }
  if (details.retry_after_seconds == 0) details.retry_after_seconds = retry_after;
  return {CodeOf(static_cast<unsigned>(status.code), status.reason), status.message.str(), std::move(details)};
}

}  // namespace

HttpRequest ToHttp(const ApiRequest& request) {
  HttpRequest http;
  http.target = PathOf(request);
  http.accept = IsBuiltIn(*request.resource->message) && request.verb != Verb::kWatch
                    ? fmt::format("{}, {}", kProtobuf, kJson)
                    : std::string(kJson);
  Query query;
  query.Add("labelSelector", request.label_selector);
  query.Add("fieldSelector", request.field_selector);
  query.Add("resourceVersion", request.resource_version);
  query.Add("resourceVersionMatch", request.resource_version_match);
  query.Add("limit", request.limit);
  query.Add("continue", request.continue_token);
  query.Add("fieldManager", request.field_manager);
  query.Add("fieldValidation", request.field_validation);
  query.Add("force", request.force);
  switch (request.verb) {
    case Verb::kGet:
    case Verb::kList:
      http.method = "GET";
      break;
    case Verb::kWatch:
      http.method = "GET";
      query.Add("watch", true);
      query.Add("allowWatchBookmarks", request.allow_bookmarks);
      query.Add("sendInitialEvents", request.send_initial_events);
      query.Add("timeoutSeconds", request.timeout_seconds);
      break;
    case Verb::kCreate:
    case Verb::kUpdate:
      http.method = request.verb == Verb::kCreate ? "POST" : "PUT";
      if (request.dry_run) query.Add("dryRun", std::string_view("All"));
      SetObject(request, http);
      break;
    case Verb::kPatch:
      http.method = "PATCH";
      if (request.dry_run) query.Add("dryRun", std::string_view("All"));
      http.content_type = PatchMediaType(request.patch_type);
      http.body = request.patch;
      break;
    case Verb::kDelete:
    case Verb::kDeleteCollection:
      http.method = "DELETE";
      http.content_type = kJson;
      http.body = DeleteOptionsOf(request);
      break;
  }
  http.target += query.text();
  return http;
}

Status ErrorOf(const HttpResponse& response) {
  Result<ObjectPtr> body = Decode(MediaTypeOf(response), response.body, &DescriptorOf<meta::v1::Status>());
  if (body) return FromApiStatus((*body)->As<meta::v1::Status>(), response.retry_after_seconds);
  StatusDetails details;
  details.retry_after_seconds = response.retry_after_seconds;
  constexpr std::size_t kMaxQuoted = 200;  // of what a proxy in between may have said
  return {CodeOf(response.status, ""),
          fmt::format("the server answered {}: {}", response.status, response.body.substr(0, kMaxQuoted)),
          std::move(details)};
}

Result<ApiResponse> FromHttp(const ApiRequest& request, const HttpResponse& response) {
  if (response.status < 200 || response.status > 299) return ErrorOf(response);
  Result<ObjectPtr> decoded =
      DecodeAny(MediaTypeOf(response), response.body,
                request.verb == Verb::kList ? *request.resource->list_message : *request.resource->message);
  if (!decoded)
    return Status(Code::kInternal,
                  fmt::format("the server's answer is not understood: {}", decoded.status().message()));
  const ObjectRef object = std::move(decoded).value().Freeze();
  if (request.verb == Verb::kList) {
    Result<ApiResponse> list = SplitList(*request.resource, *object);
    if (list) list->warnings = response.warnings;
    return list;
  }
  ApiResponse out;
  out.object = object;
  out.revision = kube::RevisionOf(object->meta().resourceVersion);
  out.created = response.status == 201;
  out.warnings = response.warnings;
  return out;
}

Result<WatchEvent> ToWatchEvent(const ResourceDesc& resource, std::string_view line) {
  meta::v1::WatchEvent wire;
  MINIKUBE_RETURN_IF_ERROR(DecodeJsonMessage(DescriptorOf<meta::v1::WatchEvent>(), line, &wire));
  if (wire.type == "ERROR") {
    Result<ObjectPtr> error = Decode(MediaType::kJson, wire.object.json, &DescriptorOf<meta::v1::Status>());
    if (!error) return Status(Code::kInternal, "a watch failed without saying why");
    return FromApiStatus((*error)->As<meta::v1::Status>(), 0);
  }
  WatchEvent event;
  if (wire.type == "ADDED") {
    event.type = WatchEvent::Type::kAdded;
  } else if (wire.type == "MODIFIED") {
    event.type = WatchEvent::Type::kModified;
  } else if (wire.type == "DELETED") {
    event.type = WatchEvent::Type::kDeleted;
  } else if (wire.type == "BOOKMARK") {
    event.type = WatchEvent::Type::kBookmark;
  } else {
    return Status(Code::kInternal, fmt::format("unknown watch event \"{}\"", wire.type.view()));
  }
  Result<ObjectPtr> object = Decode(MediaType::kJson, wire.object.json, resource.message);
  if (!object) return Status(Code::kInternal, fmt::format("watch event not understood: {}", object.status().message()));
  event.object = std::move(object).value().Freeze();
  event.revision = kube::RevisionOf(event.object->meta().resourceVersion);
  return event;
}

}  // namespace minikube::client
