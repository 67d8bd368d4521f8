#include <minikube/view.h>

#include <minikube/api/core/v1.h>

#include "kube/owners.h"
#include "kube/times.h"

namespace minikube {
namespace {

std::vector<std::string> ControllerKeys(const Object& object) {
  const meta::v1::OwnerReference* owner = kube::ControllerOf(object.meta());
  return {owner != nullptr ? owner->uid.str() : OrphansOf(object.meta().namespace_)};
}

std::vector<std::string> NodeKeys(const Object& object) {
  const Str& node = object.As<core::v1::Pod>().spec.nodeName;
  if (node.empty()) return {};
  return {node.str()};
}

}  // namespace

const Index kByController{"controller", &ControllerKeys};
const Index kByNode{"node", &NodeKeys};

// A UID has no slash.
std::string OrphansOf(std::string_view ns) { return "orphans/" + std::string(ns); }

namespace {

const LastRun& NoRun() {
  static const LastRun none;
  return none;
}

}  // namespace

View::View(const ViewSource& objects, const Clock& clock) : View(objects, clock.Now(), clock.MonoNow(), NoRun()) {}

Time View::Now() const { return kube::ToTime(now_); }

}  // namespace minikube
