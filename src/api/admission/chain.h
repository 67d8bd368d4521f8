// AdmissionChain: all plugins in order, and who of them wants to see what.
//
// Thread safety: any thread.
#pragma once

#include <functional>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include <minikube/admission.h>

#include "api/registry/core_options.h"

namespace minikube::api {

class AdmissionChain {
 public:
  // The built-in plugins, and those of the host among them. Errors: kBadRequest (two of one name, levels of pod
  // security that there are not).
  static Result<std::shared_ptr<const AdmissionChain>> Make(const CoreOptions& options);

  // Those that want requests of this kind, in order. Resource and subresource are the catalogue's: they outlive the
  // chain.
  std::span<AdmissionPlugin* const> For(const AdmissionTarget& target) const;

 private:
  struct Key {
    const ResourceDesc* resource;
    std::string_view subresource;
    AdmissionOperation operation;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const {
      return std::hash<const void*>()(key.resource) * 31 + std::hash<std::string_view>()(key.subresource) * 7 +
             static_cast<std::size_t>(key.operation);
    }
  };
  using Plugins = std::vector<AdmissionPlugin*>;

  std::vector<std::shared_ptr<AdmissionPlugin>> plugins_;
  mutable std::shared_mutex mu_;
  mutable std::unordered_map<Key, std::unique_ptr<const Plugins>, Hash> wanted_;  // guarded by mu_; only ever grows
};

}  // namespace minikube::api
