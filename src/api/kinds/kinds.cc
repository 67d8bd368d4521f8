#include "api/kinds/kinds.h"

#include <array>

namespace minikube::api {

std::span<const std::span<const Strategy>> AllStrategies() {
  static const std::array<std::span<const Strategy>, 11> kAll = {
      PodKinds(),     WorkloadKinds(), BatchKinds(), ServiceKinds(),    CoreKinds(), RbacKinds(),
      StorageKinds(), NetworkKinds(),  LimitKinds(), DefinitionKinds(), OtherKinds()};
  return kAll;
}

}  // namespace minikube::api
