// ObjectCache: the ConfigMaps and Secrets that the pods of this node refer to, each watched alone for as long as some
// pod needs it. A node may only read what its pods name, so it cannot watch a whole namespace.
//
// Thread safety: everything on the agent's strand. Lifetime: client, strand and env outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <minikube/client.h>
#include <minikube/informer.h>

#include "agent/container_env.h"

namespace minikube::agent {

class ObjectCache final : public ObjectSource {
 public:
  ObjectCache(Client& client, Strand& strand, Env& env) : client_(client), strand_(strand), env_(env) {}

  // Watches the object until the pin is dropped; `changed` runs when it is first known and whenever it changes.
  class Pin {
   public:
    Pin() = default;
    Pin(ObjectCache& cache, std::uint64_t id) : cache_(&cache), id_(id) {}
    Pin(Pin&& o) noexcept : cache_(std::exchange(o.cache_, nullptr)), id_(o.id_) {}
    Pin& operator=(Pin&& o) noexcept {
      std::swap(cache_, o.cache_);
      std::swap(id_, o.id_);
      return *this;
    }
    ~Pin() {
      if (cache_ != nullptr) cache_->Drop(id_);
    }

   private:
    ObjectCache* cache_ = nullptr;
    std::uint64_t id_ = 0;
  };
  Pin Watch(const ResourceDesc& resource, std::string_view ns, std::string_view name, std::function<void()> changed);

  // Errors: kUnavailable also for what no pin watches.
  Result<ObjectRef> Get(const ResourceDesc& resource, std::string_view ns, std::string_view name) override;

 private:
  struct Key {
    const ResourceDesc* resource;
    std::string ns;
    std::string name;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Entry {
    std::unique_ptr<Informer> informer;
    std::map<std::uint64_t, std::function<void()>> watchers;
  };
  void Drop(std::uint64_t pin);
  void Changed(const Key& key);

  Client& client_;
  Strand& strand_;
  Env& env_;
  std::map<Key, Entry> entries_;
  std::map<std::uint64_t, Key> pins_;
  std::uint64_t last_pin_ = 0;
};

}  // namespace minikube::agent
