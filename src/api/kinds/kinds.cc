#include "api/kinds/kinds.h"

#include <array>

namespace minikube::api {

std::span<const std::span<const Strategy>> AllStrategies() {
  static const std::array<std::span<const Strategy>, 13> kAll = {
      PodKinds(),     WorkloadKinds(), BatchKinds(), ServiceKinds(),    CoreKinds(),        EventKinds(), RbacKinds(),
      StorageKinds(), NetworkKinds(),  LimitKinds(), DefinitionKinds(), CertificateKinds(), OtherKinds()};
  return kAll;
}

}  // namespace minikube::api
