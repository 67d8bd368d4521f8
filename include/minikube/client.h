// Client: how everything talks to the API server, in process (no byte is encoded) or over HTTPS.
//
// A request is data (ApiRequest) and an answer is data (ApiResponse): both kinds of client, the HTTP front end and the
// stages inside the API server speak the same two structs. The typed members below are sugar for hosts.
// Thread safety: every member, any thread. Synchronous members wait for the answer; they must not be called on a
// Strand (components use Do). Lifetime: calls in flight are answered with kCancelled when the client goes; the strands
// they were given outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/descriptor.h>
#include <minikube/env.h>
#include <minikube/function.h>
#include <minikube/object.h>
#include <minikube/status.h>

namespace minikube {

enum class Verb : std::uint8_t { kGet, kList, kWatch, kCreate, kUpdate, kPatch, kDelete, kDeleteCollection };

enum class PatchType : std::uint8_t { kJson, kMerge, kStrategicMerge, kApply };

enum class Propagation : std::uint8_t { kDefault, kOrphan, kBackground, kForeground };

struct ApiRequest {
  Verb verb = Verb::kGet;
  const ResourceDesc* resource = nullptr;
  std::string ns;  // "" = cluster-scoped, or all namespaces
  std::string name;
  std::string subresource;  // "status", "scale", "binding", ...

  ObjectRef object;   // body of create and update
  std::string patch;  // body of patch, JSON
  PatchType patch_type = PatchType::kMerge;

  // Options, as in the query parameters of the Kubernetes API.
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;        // get, list, watch
  std::string resource_version_match;  // "", Exact, NotOlderThan
  std::int64_t limit = 0;
  std::string continue_token;
  bool allow_bookmarks = false;
  bool send_initial_events = false;
  std::int64_t timeout_seconds = 0;  // watch; 0 = the server's
  bool dry_run = false;
  std::string field_manager;
  std::string field_validation;  // "", Ignore, Warn, Strict
  bool force = false;            // apply

  // delete
  std::optional<std::int64_t> grace_period_seconds;
  Propagation propagation = Propagation::kDefault;
  std::string precondition_uid;
  std::string precondition_resource_version;
};

struct ApiResponse {
  ObjectRef object;              // of get, create, update, patch, delete (delete may give a metav1.Status instead)
  std::vector<ObjectRef> items;  // of list, in key order
  std::int64_t revision = 0;     // the store revision of the write, or that the read is from
  std::string continue_token;    // of list: more follows
  std::optional<std::int64_t> remaining;
  bool created = false;               // 201 rather than 200
  std::vector<std::string> warnings;  // RFC 7234 Warning texts
};

struct WatchEvent {
  enum class Type : std::uint8_t { kAdded, kModified, kDeleted, kBookmark };
  Type type = Type::kAdded;
  ObjectRef object;  // kBookmark: an empty object of the kind with only resourceVersion
  std::int64_t revision = 0;
};

// A running watch; destroying it ends it, and no callback follows once the destructor has returned on the strand
// that the callbacks run on.
class WatchHandle {
 public:
  virtual ~WatchHandle() = default;
};

struct WatchCallbacks {
  // In revision order, in batches as they come.
  Function<void(std::vector<WatchEvent>)> on_events;
  // Once, at the end: kExpired = list again; kTimeout, kUnavailable = watch again from the last revision seen.
  Function<void(Status)> on_end;
};

class Client {
 public:
  virtual ~Client() = default;

  // Sends the request; `done` runs once on `strand`.
  virtual void Do(ApiRequest request, Strand& strand, Function<void(Result<ApiResponse>)> done) = 0;
  // Starts a watch (request.verb is kWatch); callbacks run on `strand`.
  virtual std::unique_ptr<WatchHandle> Watch(ApiRequest request, Strand& strand, WatchCallbacks callbacks) = 0;
  // Sends the request and waits for the answer.
  virtual Result<ApiResponse> DoSync(ApiRequest request) = 0;

  // Typed sugar. T is a generated root type, e.g. apps::v1::Deployment. Objects come back as the server has them.
  template <typename T>
  Result<T> Create(const T& object) {
    return Unwrap<T>(DoSync(RequestFor<T>(Verb::kCreate, object)));
  }
  template <typename T>
  Result<T> Update(const T& object) {
    return Unwrap<T>(DoSync(RequestFor<T>(Verb::kUpdate, object)));
  }
  template <typename T>
  Result<T> UpdateStatus(const T& object) {
    ApiRequest request = RequestFor<T>(Verb::kUpdate, object);
    request.subresource = "status";
    return Unwrap<T>(DoSync(std::move(request)));
  }
  template <typename T>
  Result<T> Get(std::string_view ns, std::string_view name) {
    return Unwrap<T>(DoSync(NamedRequest<T>(Verb::kGet, ns, name)));
  }
  template <typename T>
  Result<std::vector<T>> List(std::string_view ns, std::string_view label_selector = {}) {
    ApiRequest request = NamedRequest<T>(Verb::kList, ns, {});
    request.label_selector = std::string(label_selector);
    Result<ApiResponse> response = DoSync(std::move(request));
    if (!response) return response.status();
    std::vector<T> out;
    out.reserve(response->items.size());
    for (const ObjectRef& item : response->items) out.push_back(item->As<T>());
    return out;
  }
  template <typename T>
  Status Delete(std::string_view ns, std::string_view name) {
    return DoSync(NamedRequest<T>(Verb::kDelete, ns, name)).status();
  }
  template <typename T>
  Result<T> Patch(std::string_view ns, std::string_view name, PatchType type, std::string_view patch) {
    ApiRequest request = NamedRequest<T>(Verb::kPatch, ns, name);
    request.patch_type = type;
    request.patch = std::string(patch);
    return Unwrap<T>(DoSync(std::move(request)));
  }

  // The resource that serves type T.
  template <typename T>
  static const ResourceDesc& ResourceOf() {
    static const ResourceDesc& resource = ResourceFor(DescriptorOf<T>());
    return resource;
  }
  template <typename T>
  static ApiRequest NamedRequest(Verb verb, std::string_view ns, std::string_view name) {
    ApiRequest request;
    request.verb = verb;
    request.resource = &ResourceOf<T>();
    request.ns = std::string(ns);
    request.name = std::string(name);
    return request;
  }
  template <typename T>
  static ApiRequest RequestFor(Verb verb, const T& object) {
    ApiRequest request = NamedRequest<T>(verb, object.metadata.namespace_, object.metadata.name);
    request.object = Share(object);
    return request;
  }

 private:
  // Aborts for a type that no resource serves: a programming error.
  static const ResourceDesc& ResourceFor(const MessageDesc& desc);
  template <typename T>
  static Result<T> Unwrap(Result<ApiResponse> response) {
    if (!response) return response.status();
    return response->object->As<T>();
  }
};

}  // namespace minikube
