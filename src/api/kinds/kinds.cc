#include "api/kinds/kinds.h"

#include <array>

namespace minikube::api {

std::span<const std::span<const Strategy>> AllStrategies() {
  static const std::array<std::span<const Strategy>, 7> kAll = {
      PodKinds(), WorkloadKinds(), BatchKinds(), ServiceKinds(), CoreKinds(), RbacKinds(), OtherKinds()};
  return kAll;
}

}  // namespace minikube::api
