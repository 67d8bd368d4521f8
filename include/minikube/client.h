// Client: how everything talks to the API server, in process (no byte is encoded) or over HTTPS.
//
// A request is data (ApiRequest) and an answer is data (ApiResponse): both kinds of client, the HTTP front end and the
// stages inside the API server speak the same two structs. The typed members below are sugar for hosts:
//
//   client.Apply(web, "my-host").value();
//   for (const Pod& pod : client.List<Pod>("default", {.label_selector = "app=web"}).value()) ...
//   client.Delete<Pod>("default", "web-0", {.grace_period_seconds = 0});
//
// Kinds that no struct was generated for are found by Discover or FindServed; their objects are CustomObjects
// (minikube/custom_object.h), and requests for them are ApiRequests.
// Thread safety: every member, any thread. Synchronous members wait for the answer; they must not be called on a
// Strand (components use Do). Lifetime: calls in flight are answered with kCancelled when the client goes; the strands
// they were given outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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

// A request in flight. Destroying it, or assigning another, withdraws the request: its callback is not called any more
// (from the strand of the callback never, from another thread it may just be running), and what has not begun at the
// server does not begin. A write that is withdrawn may have been performed. Empty once withdrawn or detached.
// Thread safety: one thread at a time; may outlive its client.
class [[nodiscard]] Call {
 public:
  // What a Client makes of it.
  class Pending {
   public:
    virtual ~Pending() = default;
    virtual void Withdraw() = 0;  // once at most
  };
  Call() = default;
  explicit Call(std::shared_ptr<Pending> pending) : pending_(std::move(pending)) {}
  Call(Call&&) noexcept = default;
  Call& operator=(Call&& other) noexcept {
    if (this == &other) return *this;
    Withdraw();
    pending_ = std::move(other.pending_);
    return *this;
  }
  ~Call() { Withdraw(); }

  // Nothing if it has been answered.
  void Withdraw() {
    if (const auto pending = std::exchange(pending_, nullptr)) pending->Withdraw();
  }
  // Lets it go its way: the callback will be called, come what may.
  void Detach() { pending_ = nullptr; }

 private:
  std::shared_ptr<Pending> pending_;
};

struct WatchCallbacks {
  // In revision order, in batches as they come.
  Function<void(std::vector<WatchEvent>)> on_events;
  // Once, at the end: kExpired = list again; kTimeout, kUnavailable = watch again from the last revision seen.
  Function<void(Status)> on_end;
};

// What a list or a watch is to show, as in the query parameters of the Kubernetes API.
struct ListOptions {
  std::string label_selector;  // "app=web,tier in (a,b)"
  std::string field_selector;  // "spec.nodeName=a"
  // Of a list: 0 = all in one answer. List asks for pages of this size and returns what is on all of them; ListPage
  // returns the one that `continue_token` (of the page before) leads to.
  std::int64_t limit = 0;
  std::string continue_token;
  std::string resource_version;        // "" = the newest; of a watch: after this one ("": with what there is now)
  std::string resource_version_match;  // "", Exact, NotOlderThan
};

struct DeleteOptions {
  std::optional<std::int64_t> grace_period_seconds;  // nullopt = the object's own; 0 = at once
  Propagation propagation = Propagation::kDefault;   // what becomes of what it owns
  // Errors: kConflict unless the object has these; "" = any.
  std::string uid;
  std::string resource_version;
  bool dry_run = false;
};

// One page of a list.
template <typename T>
struct Page {
  std::vector<T> items;
  std::string continue_token;             // "" = it is the last
  std::optional<std::int64_t> remaining;  // how many follow, if the server knows
  std::int64_t revision = 0;              // of all pages of one list
};

// A change as a watch tells it; a bookmark has only metadata.resourceVersion.
template <typename T>
struct TypedEvent {
  WatchEvent::Type type = WatchEvent::Type::kAdded;
  T object;
  std::int64_t revision = 0;
};

class Client {
 public:
  virtual ~Client() = default;

  // Sends the request; `done` runs once on `strand`, unless the Call is given up before: keep it while the answer is
  // wanted, or Detach it.
  virtual Call Do(ApiRequest request, Strand& strand, Function<void(Result<ApiResponse>)> done) = 0;
  // Starts a watch (request.verb is kWatch); callbacks run on `strand`.
  virtual std::unique_ptr<WatchHandle> Watch(ApiRequest request, Strand& strand, WatchCallbacks callbacks) = 0;
  // Sends the request and waits for the answer.
  virtual Result<ApiResponse> DoSync(ApiRequest request) = 0;
  // What the server serves now: every resource in every version, in the order of discovery, those of
  // CustomResourceDefinitions among them. The descriptors live as long as the process, or the server in it. Waits for
  // the answer. Errors: of a remote server.
  virtual Result<std::vector<const ResourceDesc*>> Discover();
  // One of these, by its kind; version "" = the one that the server prefers. Errors: kNotFound.
  Result<const ResourceDesc*> FindServed(std::string_view group, std::string_view version, std::string_view kind);

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
  // Server-side apply: the object is made, or becomes so in those fields that are set in `object`; what `manager` had
  // applied before and is not set any more goes. Plain fields with their zero value are not set. metadata's
  // resourceVersion and uid, if set, must be the object's. `force` takes fields over from other managers. Errors: with
  // kConflict the causes name these fields and their managers.
  template <typename T>
  Result<T> Apply(const T& object, std::string_view manager, bool force = false) {
    return Unwrap<T>(DoSync(ApplyRequest(ResourceOf<T>(), *Share(object), manager, force)));
  }
  template <typename T>
  Result<T> ApplyStatus(const T& object, std::string_view manager, bool force = false) {
    ApiRequest request = ApplyRequest(ResourceOf<T>(), *Share(object), manager, force);
    request.subresource = "status";
    return Unwrap<T>(DoSync(std::move(request)));
  }
  // All of one namespace, or of all ("").
  template <typename T>
  Result<std::vector<T>> List(std::string_view ns, const ListOptions& options) {
    Result<ApiResponse> all = ListAll(ListRequest(ResourceOf<T>(), Verb::kList, ns, options));
    if (!all) return all.status();
    return ItemsOf<T>(*all);
  }
  template <typename T>
  Result<std::vector<T>> List(std::string_view ns, std::string_view label_selector = {}) {
    return List<T>(ns, ListOptions{.label_selector = std::string(label_selector)});
  }
  template <typename T>
  Result<Page<T>> ListPage(std::string_view ns, const ListOptions& options) {
    Result<ApiResponse> page = DoSync(ListRequest(ResourceOf<T>(), Verb::kList, ns, options));
    if (!page) return page.status();
    return Page<T>{ItemsOf<T>(*page), std::move(page->continue_token), page->remaining, page->revision};
  }
  // As the untyped Watch, of one namespace or all (""). First comes what there is, unless `resource_version` says from
  // where on.
  template <typename T>
  std::unique_ptr<WatchHandle> Watch(std::string_view ns, const ListOptions& options, Strand& strand,
                                     Function<void(std::vector<TypedEvent<T>>)> on_events,
                                     Function<void(Status)> on_end) {
    WatchCallbacks callbacks;
    callbacks.on_events = [on_events = std::move(on_events)](const std::vector<WatchEvent>& events) {
      std::vector<TypedEvent<T>> typed;
      typed.reserve(events.size());
      for (const WatchEvent& event : events) typed.push_back({event.type, event.object->As<T>(), event.revision});
      on_events(std::move(typed));
    };
    callbacks.on_end = std::move(on_end);
    return Watch(ListRequest(ResourceOf<T>(), Verb::kWatch, ns, options), strand, std::move(callbacks));
  }
  template <typename T>
  Status Delete(std::string_view ns, std::string_view name, const DeleteOptions& options = {}) {
    return DoSync(DeleteRequest(ResourceOf<T>(), ns, name, options)).status();
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
  // Also for kinds without a struct. `object` has its name and namespace.
  static ApiRequest ApplyRequest(const ResourceDesc& resource, const Object& object, std::string_view manager,
                                 bool force);
  static ApiRequest ListRequest(const ResourceDesc& resource, Verb verb, std::string_view ns,
                                const ListOptions& options);
  static ApiRequest DeleteRequest(const ResourceDesc& resource, std::string_view ns, std::string_view name,
                                  const DeleteOptions& options);
  // The answer with the items of all pages (of request.limit). A list whose pages expire meanwhile is taken anew in
  // one.
  Result<ApiResponse> ListAll(ApiRequest request);

 private:
  // Aborts for a type that no resource serves: a programming error.
  static const ResourceDesc& ResourceFor(const MessageDesc& desc);
  template <typename T>
  static Result<T> Unwrap(Result<ApiResponse> response) {
    if (!response) return response.status();
    return response->object->As<T>();
  }
  template <typename T>
  static std::vector<T> ItemsOf(const ApiResponse& response) {
    std::vector<T> out;
    out.reserve(response.items.size());
    for (const ObjectRef& item : response.items) out.push_back(item->As<T>());
    return out;
  }
};

}  // namespace minikube
