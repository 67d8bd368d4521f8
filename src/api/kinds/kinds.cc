#include "api/kinds/kinds.h"

#include <array>

namespace minikube::api {

std::span<const std::span<const Behaviour>> AllBehaviours() {
  static const std::array<std::span<const Behaviour>, 7> kAll = {
      PodKinds(), WorkloadKinds(), BatchKinds(), ServiceKinds(), CoreKinds(), RbacKinds(), OtherKinds()};
  return kAll;
}

}  // namespace minikube::api
