// What the schema declares, for tests of what is told about it.
#pragma once

#include "api/kinds/kinds.h"
#include "api/world/catalogue.h"

namespace minikube::api::testing {

inline const Catalogue& BuiltInCatalogue() {
  static const std::shared_ptr<const Catalogue> built_in = Catalogue::BuiltIn(AllStrategies());
  return *built_in;
}

}  // namespace minikube::api::testing
