#include <minikube/informers.h>

namespace minikube {

Informer& Informers::Of(const ResourceDesc& resource) {
  Entry& entry = entries_[&resource];
  if (entry.informer == nullptr) entry.informer = std::make_unique<Informer>(client_, resource, strand_, env_);
  return *entry.informer;
}

void Informers::AddIndex(const ResourceDesc& resource, const Index& index) {
  Informer& informer = Of(resource);
  if (entries_[&resource].indexes.insert(index.name).second) informer.AddIndex(std::string(index.name), index.keys);
}

void Informers::Start() {
  for (auto& [resource, entry] : entries_) {
    if (!std::exchange(entry.started, true)) entry.informer->Start();
  }
}

const Informer* Informers::Known(const ResourceDesc& resource) const {
  const auto it = entries_.find(&resource);
  return it != entries_.end() ? it->second.informer.get() : nullptr;
}

ObjectRef Informers::Find(const ResourceDesc& resource, std::string_view ns, std::string_view name) const {
  const Informer* informer = Known(resource);
  return informer != nullptr ? informer->Get(ns, name) : ObjectRef();
}

void Informers::ForEach(const ResourceDesc& resource, std::string_view ns, const Each& each) const {
  const Informer* informer = Known(resource);
  if (informer == nullptr) return;
  if (!ns.empty()) return informer->ForEachIn(ns, each);
  informer->ForEach(each);
}

void Informers::ForEachBy(const ResourceDesc& resource, const Index& index, std::string_view value,
                          const Each& each) const {
  const Informer* informer = Known(resource);
  if (informer == nullptr) return;
  for (const ObjectRef& object : informer->ByIndex(index.name, value)) each(object);
}

}  // namespace minikube
