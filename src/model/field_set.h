// Sets of field paths, as managedFields keeps them: which fields of an object a manager has set.
//
// A path is a sequence of elements in the spelling of FieldsV1: `f:name` (member of an object), `k:{"name":"web"}`
// (element of a list by its keys), `v:"x"` (element of a set). A path may be in the set without those below it, and the
// other way round. Thread safety: values.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <minikube/status.h>

namespace minikube {

class FieldSet {
 public:
  // The order of structured-merge-diff: members by name, then keyed elements, values, indexes; numbers among keys by
  // value.
  struct ElementOrder {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const;
  };
  using Children = std::map<std::string, FieldSet, ElementOrder>;

  // Parses FieldsV1 JSON. Errors: kBadRequest (not JSON, not nested objects, unknown kind of element, too deep).
  static Result<FieldSet> Parse(std::string_view fields_v1);
  // FieldsV1 JSON; "{}" if empty.
  std::string ToJson() const;

  bool empty() const { return !member_ && children_.empty(); }
  // Whether this very path is in the set.
  bool member() const { return member_; }
  const Children& children() const { return children_; }
  // The set below an element, or null.
  const FieldSet* Find(std::string_view element) const;

  void set_member() { member_ = true; }
  // The set below an element, made if there is none. Prune once done: an empty one must not stay.
  FieldSet& At(std::string_view element);
  void Erase(std::string_view element);
  // Takes out a dotted path of names (`metadata.labels`) with all below it.
  void ErasePath(std::string_view dotted);
  // Drops elements with nothing below them.
  void Prune();

  void Union(const FieldSet& other);
  void Intersect(const FieldSet& other);
  void Subtract(const FieldSet& other);
  std::size_t size() const;
  friend bool operator==(const FieldSet&, const FieldSet&) = default;

  // Calls `visit` with every path, written as in conflict messages: `.spec.containers[name="web"].image`.
  void ForEachPath(const std::function<void(const std::string&)>& visit) const;

 private:
  Children children_;  // none of them empty, but while being built
  bool member_ = false;
};

}  // namespace minikube
