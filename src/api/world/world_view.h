// WorldView: a World as those see it who know objects by their resources and nothing of how they are kept.
//
// Thread safety: immutable.
#pragma once

#include <minikube/view.h>

#include "api/world/catalogue.h"
#include "api/world/world.h"

namespace minikube::api {

class WorldView final : public ViewSource {
 public:
  explicit WorldView(Snapshot world) : world_(std::move(world)) {}

  ObjectRef Find(const ResourceDesc& resource, std::string_view ns, std::string_view name) const override;
  void ForEach(const ResourceDesc& resource, std::string_view ns, const Each& each) const override;
  void ForEachBy(const ResourceDesc& resource, const Index& index, std::string_view value,
                 const Each& each) const override;

 private:
  const Snapshot world_;
};

}  // namespace minikube::api
