// FakeApi: an API server in a hundred lines, for the tests of client-side code: objects, revisions, watches, status
// subresources, finalizers and graceful deletion of pods, without admission, defaulting or validation. Tests can make
// it fail.
//
// Thread safety: none; everything on one strand, or on a SimulatedEnv.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <minikube/client.h>
#include <minikube/informer.h>
#include <minikube/simulated_env.h>

namespace minikube::test {

class FakeApi {
 public:
  explicit FakeApi(Env& env);
  ~FakeApi();

  std::unique_ptr<Client> NewClient();

  // Performs a request at once.
  Result<ApiResponse> Perform(const ApiRequest& request);
  template <typename T>
  T Create(const T& object) {
    return Perform(Client::RequestFor(Verb::kCreate, object)).value().object->template As<T>();
  }
  template <typename T>
  Result<T> Get(std::string_view ns, std::string_view name) {
    Result<ApiResponse> response = Perform(Client::NamedRequest<T>(Verb::kGet, ns, name));
    if (!response) return response.status();
    return response->object->template As<T>();
  }
  template <typename T>
  std::vector<T> List() {
    std::vector<T> out;
    const Result<ApiResponse> response = Perform(Client::NamedRequest<T>(Verb::kList, "", ""));
    for (const ObjectRef& item : response.value().items) out.push_back(item->template As<T>());
    return out;
  }
  // Applies `change` to the newest version and writes it.
  template <typename T>
  T Change(const T& object, std::string_view subresource, const std::function<void(T&)>& change) {
    T next = Get<T>(object.metadata.namespace_, object.metadata.name).value();
    change(next);
    ApiRequest request = Client::RequestFor(Verb::kUpdate, next);
    request.subresource = std::string(subresource);
    return Perform(request).value().object->template As<T>();
  }
  template <typename T>
  Status Delete(const T& object, const std::function<void(ApiRequest&)>& options = {}) {
    ApiRequest request = Client::NamedRequest<T>(Verb::kDelete, object.metadata.namespace_, object.metadata.name);
    if (options) options(request);
    return Perform(request).status();
  }

  std::int64_t revision() const { return revision_; }
  std::size_t watches() const;
  // How many requests of this verb clients have sent for this resource.
  template <typename T>
  int Count(Verb verb, std::string_view subresource = {}) const {
    const auto it = counts_.find({&Client::ResourceOf<T>(), verb, std::string(subresource)});
    return it != counts_.end() ? it->second : 0;
  }

  // Faults. `refuse` is asked before a client's request is performed, `lose` after it: an error there replaces the
  // answer.
  std::function<Status(const ApiRequest&)> refuse;
  std::function<Status(const ApiRequest&)> lose;
  // Ends every watch with `status`.
  void EndWatches(const Status& status);
  // Watches of this resource are silent until Resume.
  void Stall(const ResourceDesc& resource) { stalled_ = &resource; }
  void Resume();
  // Watches from before now are refused with kExpired.
  void Compact() { compacted_ = revision_; }

 private:
  class FakeClient;
  class FakeWatch;
  struct Event {
    WatchEvent event;
    const ResourceDesc* resource;
  };

  Result<ApiResponse> CreateObject(const ApiRequest& request);
  Result<ApiResponse> UpdateObject(const ApiRequest& request);
  Result<ApiResponse> DeleteObject(const ApiRequest& request);
  Result<ApiResponse> PatchObject(const ApiRequest& request);
  ApiResponse Store(const ResourceDesc& resource, ObjectPtr object, WatchEvent::Type type);
  void Remove(const ResourceDesc& resource, const Object& object);

  Env& env_;
  std::map<const ResourceDesc*, std::map<ObjectKey, ObjectRef>> objects_;
  std::vector<Event> log_;
  std::vector<FakeWatch*> watches_;
  std::map<std::tuple<const ResourceDesc*, Verb, std::string>, int> counts_;
  const ResourceDesc* stalled_ = nullptr;
  std::int64_t compacted_ = 0;
  std::int64_t revision_ = 1;
};

}  // namespace minikube::test
