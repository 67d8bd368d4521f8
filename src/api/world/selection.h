// Selection: which objects of a kind a list or watch is about (namespace, labels, fields), compiled once per request.
//
// Thread safety: immutable.
#pragma once

#include <string>

#include <minikube/client.h>
#include <minikube/selector.h>

#include "api/world/stored_kind.h"
#include "api/world/world.h"
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
  // The same for requests that select the same in the same words.
  const std::string& key() const { return key_; }
  bool everything() const { return ns_.empty() && labels_.empty() && fields_.empty(); }
  const std::string& ns() const { return ns_; }
  // True if labels or fields narrow it within its namespace.
  bool filtered() const { return !labels_.empty() || !fields_.empty(); }
  // The value that an object's metadata.name must have, or "".
  const std::string& name() const { return name_; }
  // An index that narrows it, and the value of it; null if there is none. A watch with such a selection is found by
  // that value: thousands of node agents cost an event nothing.
  const Index* index() const { return index_; }
  const std::string& index_value() const { return index_value_; }

 private:
  std::string key_;
  std::string ns_;
  std::string name_;
  const Index* index_ = nullptr;
  std::string index_value_;
  LabelSelector labels_;
  FieldMatcher fields_;
};

// The objects of a table that a selection matches, in key order. By name they are found; by an indexed field they are a
// range of the index; otherwise it looks at all of the namespace, or all.
//
// Borrows the table and the selection.
class Selected {
 public:
  Selected(const ObjectTable& table, const Selection& selection) : Selected(table, selection, NameKey{}) {}
  // Those whose key is greater than `after`.
  Selected(const ObjectTable& table, const Selection& selection, NameKey after);

  // The next one, or null.
  const Entry* Next();
  // How many objects it has looked at.
  std::size_t looked_at() const { return looked_at_; }

 private:
  const Entry* NextCandidate();

  const ObjectTable& table_;
  const Selection& selection_;
  const IndexMap* index_ = nullptr;
  EntryMap::Iterator entries_;
  IndexMap::Iterator range_;
  bool ended_ = false;
  std::size_t looked_at_ = 0;
};

}  // namespace minikube::api
