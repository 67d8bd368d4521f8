#include "kube/taints.h"

#include <algorithm>

namespace minikube::kube {

using core::v1::Taint;
using core::v1::Toleration;

bool Tolerates(const Toleration& toleration, const Taint& taint) {
  if (!toleration.effect.empty() && !(toleration.effect == taint.effect)) return false;
  if (!toleration.key.empty() && !(toleration.key == taint.key)) return false;
  if (toleration.operator_ == "Exists") return true;
  if (!toleration.operator_.empty() && !(toleration.operator_ == "Equal")) return false;
  return !toleration.key.empty() && toleration.value == taint.value;
}

bool Tolerates(const List<Toleration>& tolerations, const Taint& taint) {
  return std::any_of(tolerations.begin(), tolerations.end(),
                     [&](const Toleration& toleration) { return Tolerates(toleration, taint); });
}

}  // namespace minikube::kube
