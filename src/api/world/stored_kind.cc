#include "api/world/stored_kind.h"

#include <minikube/custom_object.h>

#include "model/access.h"

namespace minikube::api {

std::string StoredKind::Key(std::string_view ns, std::string_view name) const {
  std::string key;
  key.reserve(prefix.size() + ns.size() + 1 + name.size());
  key += prefix;
  if (!ns.empty()) {
    key += ns;
    key += '/';
  }
  key += name;
  return key;
}

bool StoredKind::HasStatus() const { return custom ? has_status_subresource : status != nullptr; }

void StoredKind::CopyStatus(const Object& from, Object& to) const {
  if (!custom) {
    if (status != nullptr) model::Assign(*status, from.data(), to.mutable_data());
    return;
  }
  const Json* source = AsCustomObject(from)->rest.Find("status");
  Json& target = AsCustomObject(to)->rest;
  if (source != nullptr) {
    target.Set("status", *source);
  } else {
    target.Erase("status");
  }
}

void StoredKind::ClearStatus(Object& object) const {
  if (!custom) {
    if (status != nullptr) model::Clear(*status, object.mutable_data());
    return;
  }
  AsCustomObject(object)->rest.Erase("status");
}

}  // namespace minikube::api
