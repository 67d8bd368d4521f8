#include "helpers/fake_api.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>

#include "client/calls_in_flight.h"
#include "model/patch.h"

namespace minikube::test {
namespace {

// `spec` and everything else of one object, the status of another.
template <typename T>
bool TakeStatus(const Object& from, Object& to) {
  const T* source = from.TryAs<T>();
  if (source == nullptr) return false;
  to.As<T>().status = source->status;
  return true;
}
void CopyStatus(const Object& from, Object& to) {
  (void)(TakeStatus<core::v1::Pod>(from, to) || TakeStatus<core::v1::Node>(from, to) ||
         TakeStatus<core::v1::Namespace>(from, to) || TakeStatus<apps::v1::Deployment>(from, to) ||
         TakeStatus<apps::v1::ReplicaSet>(from, to));
}
template <typename T>
bool SpecDiffers(const Object& a, const Object& b) {
  return a.TryAs<T>() != nullptr && !DeepEqual(a.As<T>().spec, b.As<T>().spec);
}

Status NotFound(const ApiRequest& request) {
  return {Code::kNotFound, fmt::format("{} \"{}\" not found", request.resource->plural, request.name)};
}

}  // namespace

class FakeApi::FakeWatch final : public WatchHandle, public std::enable_shared_from_this<FakeWatch> {
 public:
  FakeWatch(FakeApi& api, ApiRequest request, Strand& strand, WatchCallbacks callbacks)
      : api_(&api), request_(std::move(request)), strand_(strand), callbacks_(std::move(callbacks)) {
    next_ = static_cast<std::size_t>(std::max<std::int64_t>(0, std::stoll(request_.resource_version)));
  }
  void Begin() {
    api_->watches_.push_back(this);
    if (static_cast<std::int64_t>(next_) < api_->compacted_) return End({Code::kExpired, "too old resource version"});
    Wake();
  }
  void Detach() {
    if (api_ != nullptr) std::erase(api_->watches_, this);
    api_ = nullptr;
  }
  void Wake() {
    if (std::exchange(posted_, true)) return;
    strand_.Post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Deliver();
    });
  }
  void End(Status status) {
    Detach();
    strand_.Post([weak = weak_from_this(), status = std::move(status)] {
      const auto self = weak.lock();
      if (self != nullptr && !self->destroyed_) self->callbacks_.on_end(status);
    });
  }
  void Destroy() {
    destroyed_ = true;
    Detach();
  }

 private:
  void Deliver() {
    posted_ = false;
    if (api_ == nullptr || destroyed_ || api_->stalled_ == request_.resource) return;
    std::vector<WatchEvent> events;
    for (const Event& entry : api_->log_) {
      if (entry.event.revision <= static_cast<std::int64_t>(next_) || entry.resource != request_.resource) continue;
      if (!request_.ns.empty() && !(entry.event.object->meta().namespace_ == request_.ns)) continue;
      events.push_back(entry.event);
    }
    if (events.empty()) return;
    next_ = static_cast<std::size_t>(events.back().revision);
    callbacks_.on_events(std::move(events));
  }

  FakeApi* api_;
  ApiRequest request_;
  Strand& strand_;
  WatchCallbacks callbacks_;
  std::size_t next_ = 0;
  bool posted_ = false;
  bool destroyed_ = false;
};

class FakeApi::FakeClient final : public Client {
 public:
  explicit FakeClient(FakeApi& api) : api_(api) {}

  Call Do(ApiRequest request, Strand& strand, Function<void(Result<ApiResponse>)> done) override {
    ++api_.counts_[{request.resource, request.verb, request.subresource}];
    auto [id, call] = calls_->Add(strand, std::move(done));
    strand.Post([this, calls = calls_, id = id, request = std::move(request)] { calls->Answer(id, Answer(request)); });
    return std::move(call);
  }
  std::unique_ptr<WatchHandle> Watch(ApiRequest request, Strand& strand, WatchCallbacks callbacks) override {
    ++api_.counts_[{request.resource, request.verb, request.subresource}];
    auto watch = std::make_shared<FakeWatch>(api_, std::move(request), strand, std::move(callbacks));
    watch->Begin();
    return std::make_unique<Handle>(std::move(watch));
  }
  Result<ApiResponse> DoSync(ApiRequest request) override { return Answer(request); }

 private:
  struct Handle final : WatchHandle {
    explicit Handle(std::shared_ptr<FakeWatch> w) : watch(std::move(w)) {}
    ~Handle() override { watch->Destroy(); }
    std::shared_ptr<FakeWatch> watch;
  };
  Result<ApiResponse> Answer(const ApiRequest& request) {
    if (api_.refuse) MINIKUBE_RETURN_IF_ERROR(api_.refuse(request));
    Result<ApiResponse> answer = api_.Perform(request);
    if (api_.lose) MINIKUBE_RETURN_IF_ERROR(api_.lose(request));
    return answer;
  }
  FakeApi& api_;
  const std::shared_ptr<client::CallsInFlight> calls_ = std::make_shared<client::CallsInFlight>();
};

FakeApi::FakeApi(Env& env) : env_(env) {}

FakeApi::~FakeApi() {
  for (FakeWatch* watch : std::vector<FakeWatch*>(watches_)) watch->Detach();
}

std::unique_ptr<Client> FakeApi::NewClient() { return std::make_unique<FakeClient>(*this); }

std::size_t FakeApi::watches() const { return watches_.size(); }

void FakeApi::EndWatches(const Status& status) {
  for (FakeWatch* watch : std::vector<FakeWatch*>(watches_)) watch->End(status);
}

void FakeApi::Resume() {
  stalled_ = nullptr;
  for (FakeWatch* watch : watches_) watch->Wake();
}

Result<ApiResponse> FakeApi::Perform(const ApiRequest& request) {
  auto& objects = objects_[request.resource];
  switch (request.verb) {
    case Verb::kGet: {
      const auto it = objects.find({request.ns, request.name});
      if (it == objects.end()) return NotFound(request);
      ApiResponse response;
      response.object = it->second;
      response.revision = revision_;
      return response;
    }
    case Verb::kList: {
      ApiResponse response;
      response.revision = revision_;
      for (const auto& [key, object] : objects) {
        if (request.ns.empty() || key.ns == request.ns) response.items.push_back(object);
      }
      return response;
    }
    case Verb::kDeleteCollection: {
      const auto all = objects;
      for (const auto& [key, object] : all) {
        ApiRequest one = request;
        one.verb = Verb::kDelete;
        one.name = key.name.str();
        if (key.ns == request.ns) (void)DeleteObject(one);
      }
      return ApiResponse{};
    }
    case Verb::kCreate:
      return CreateObject(request);
    case Verb::kUpdate:
      return UpdateObject(request);
    case Verb::kDelete:
      return DeleteObject(request);
    case Verb::kPatch:
      return PatchObject(request);
    case Verb::kWatch:
      break;
  }
  return Status(Code::kMethodNotAllowed, "not here");
}

ApiResponse FakeApi::Store(const ResourceDesc& resource, ObjectPtr object, WatchEvent::Type type) {
  object->mutable_meta().resourceVersion = std::to_string(++revision_);
  ApiResponse response;
  response.revision = revision_;
  response.object = std::move(object).Freeze();
  objects_[&resource][ObjectKey::Of(*response.object)] = response.object;
  log_.push_back({{type, response.object, revision_}, &resource});
  for (FakeWatch* watch : watches_) watch->Wake();
  return response;
}

void FakeApi::Remove(const ResourceDesc& resource, const Object& object) {
  ObjectPtr last = ObjectPtr::Clone(object);
  const ObjectKey key = ObjectKey::Of(object);
  (void)Store(resource, std::move(last), WatchEvent::Type::kDeleted);
  objects_[&resource].erase(key);
}

Result<ApiResponse> FakeApi::CreateObject(const ApiRequest& request) {
  ObjectPtr object = ObjectPtr::Clone(*request.object);
  meta::v1::ObjectMeta& meta = object->mutable_meta();
  if (meta.name.empty()) meta.name = fmt::format("{}{:05x}", meta.generateName.view(), env_.random().Next() & 0xfffff);
  if (objects_[request.resource].contains({request.ns, meta.name})) {
    return Status(Code::kAlreadyExists,
                  fmt::format("{} \"{}\" already exists", request.resource->plural, meta.name.view()));
  }
  meta.uid = NewUid(env_.random());
  meta.generation = 1;
  const auto now = std::chrono::floor<std::chrono::seconds>(env_.clock().Now()).time_since_epoch();
  meta.creationTimestamp = Time{Instant::FromUnixMicros(std::chrono::microseconds(now).count())};
  ApiResponse response = Store(*request.resource, std::move(object), WatchEvent::Type::kAdded);
  response.created = true;
  return response;
}

Result<ApiResponse> FakeApi::UpdateObject(const ApiRequest& request) {
  auto& objects = objects_[request.resource];
  const auto it = objects.find({request.ns, request.name});
  if (it == objects.end()) return NotFound(request);
  const ObjectRef old = it->second;
  const meta::v1::ObjectMeta& asked = request.object->meta();
  if (!asked.resourceVersion.empty() && !(asked.resourceVersion == old->meta().resourceVersion)) {
    return Status(Code::kConflict, "the object has been modified");
  }
  ApiResponse response;
  response.object = old;
  response.revision = revision_;
  if (request.dry_run) return response;
  ObjectPtr next = ObjectPtr::Clone(request.subresource == "status" ? *old : *request.object);
  CopyStatus(request.subresource == "status" ? *request.object : *old, *next);
  meta::v1::ObjectMeta& meta = next->mutable_meta();
  meta.generation = old->meta().generation;
  meta.deletionTimestamp = old->meta().deletionTimestamp;
  if (SpecDiffers<apps::v1::Deployment>(*old, *next) || SpecDiffers<apps::v1::ReplicaSet>(*old, *next)) {
    ++meta.generation;
  }
  if (Equal(*old, *next)) return response;
  const bool last_finalizer = meta.deletionTimestamp && meta.finalizers.empty() && !old->meta().finalizers.empty();
  if (request.subresource == "finalize" || last_finalizer) {
    Remove(*request.resource, *next);
    response.revision = revision_;
    return response;
  }
  return Store(*request.resource, std::move(next), WatchEvent::Type::kModified);
}

Result<ApiResponse> FakeApi::DeleteObject(const ApiRequest& request) {
  auto& objects = objects_[request.resource];
  const auto it = objects.find({request.ns, request.name});
  if (it == objects.end()) return NotFound(request);
  const ObjectRef old = it->second;
  const bool other_uid = !request.precondition_uid.empty() && !(old->meta().uid == request.precondition_uid);
  const bool other_version = !request.precondition_resource_version.empty() &&
                             !(old->meta().resourceVersion == request.precondition_resource_version);
  if (other_uid || other_version) return Status(Code::kConflict, "precondition failed");
  ObjectPtr next = ObjectPtr::Clone(*old);
  meta::v1::ObjectMeta& meta = next->mutable_meta();
  if (request.propagation == Propagation::kForeground) meta.finalizers.push_back("foregroundDeletion");
  if (request.propagation == Propagation::kOrphan) meta.finalizers.push_back("orphan");
  const core::v1::Pod* pod = old->TryAs<core::v1::Pod>();
  const bool graceful = pod != nullptr && !pod->spec.nodeName.empty() && request.grace_period_seconds.value_or(30) > 0;
  const bool is_namespace = old->TryAs<core::v1::Namespace>() != nullptr;
  ApiResponse response;
  if (meta.finalizers.empty() && !graceful && !is_namespace) {
    Remove(*request.resource, *old);
    response.object = old;
    response.revision = revision_;
    return response;
  }
  if (meta.deletionTimestamp) {
    response.object = old;
    response.revision = revision_;
    return response;
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(env_.clock().Now()).time_since_epoch();
  meta.deletionTimestamp = Time{Instant::FromUnixMicros(std::chrono::microseconds(now).count())};
  return Store(*request.resource, std::move(next), WatchEvent::Type::kModified);
}

Result<ApiResponse> FakeApi::PatchObject(const ApiRequest& request) {
  auto& objects = objects_[request.resource];
  const auto it = objects.find({request.ns, request.name});
  if (it == objects.end()) return NotFound(request);
  Result<ObjectPtr> patched = ApplyPatch(*it->second, request.patch_type, request.patch);
  if (!patched) return patched.status();
  ApiRequest update = request;
  update.object = std::move(patched).value().Freeze();
  return UpdateObject(update);
}

}  // namespace minikube::test
