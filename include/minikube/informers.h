// Informers: what a component sees of the API, one Informer for each resource, however many look at it.
//
// Thread safety: everything on the strand given at construction. Lifetime: the client, the strand and the env outlive
// it; it outlives whoever has added a handler to one of its informers.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>

#include <minikube/informer.h>
#include <minikube/view.h>

namespace minikube {

class Informers final : public ViewSource {
 public:
  Informers(Client& client, Strand& strand, Env& env) : client_(client), strand_(strand), env_(env) {}

  // Of all objects of the resource; made at the first call. One that is made after Start is started by the next Start.
  Informer& Of(const ResourceDesc& resource);
  template <typename T>
  Informer& Of() {
    return Of(Client::ResourceOf<T>());
  }
  // Before the informer is started; adding one again changes nothing.
  void AddIndex(const ResourceDesc& resource, const Index& index);
  // Starts the informers that have not been.
  void Start();

  // ViewSource; a resource that nobody asked for is empty.
  ObjectRef Find(const ResourceDesc& resource, std::string_view ns, std::string_view name) const override;
  void ForEach(const ResourceDesc& resource, std::string_view ns, const Each& each) const override;
  void ForEachBy(const ResourceDesc& resource, const Index& index, std::string_view value,
                 const Each& each) const override;

 private:
  struct Entry {
    std::unique_ptr<Informer> informer;
    std::set<std::string_view> indexes;
    bool started = false;
  };
  const Informer* Known(const ResourceDesc& resource) const;

  Client& client_;
  Strand& strand_;
  Env& env_;
  std::map<const ResourceDesc*, Entry> entries_;
};

}  // namespace minikube
