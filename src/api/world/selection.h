// Selection: which objects of a kind a list or watch is about (namespace, labels, fields), compiled once per request.
//
// Thread safety: immutable.
#pragma once

#include <string>

#include <minikube/client.h>
#include <minikube/selector.h>

#include "api/world/stored_kind.h"
#include "model/field_path.h"

namespace minikube::api {

class Selection {
 public:
  // Everything.
  Selection() = default;
  // From a request's namespace and selectors. Errors: kBadRequest for selectors that do not parse or name fields that
  // the kind does not select by.
  static Result<Selection> Of(const StoredKind& kind, const ApiRequest& request);

  bool Matches(const Object& object) const;
  bool everything() const { return ns_.empty() && labels_.empty() && fields_.empty(); }
  const std::string& ns() const { return ns_; }
  // True if labels or fields narrow it within its namespace.
  bool filtered() const { return !labels_.empty() || !fields_.empty(); }
  // The value that an object's metadata.name must have, or "".
  const std::string& name() const { return name_; }
  // The value that a pod's spec.nodeName must have, or "": the node agents' watches are found by it.
  const std::string& node() const { return node_; }

 private:
  std::string ns_;
  std::string name_;
  std::string node_;
  LabelSelector labels_;
  FieldMatcher fields_;
};

}  // namespace minikube::api
