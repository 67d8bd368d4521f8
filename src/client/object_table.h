// ObjectTable: the objects of one kind at one revision, by name and by what they are indexed by. Copies cost a few
// pointers and share what they have alike, so the API server's world, its readers and every informer in the process
// look at the same table.
//
// An index is an ordered set of (value, namespace, name): what belongs to one value is a range of it, in key order. It
// holds names rather than objects: most writes change no indexed value, and then no index.
// Thread safety: distinct copies may be used from different threads; one copy as an ordinary value.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/object.h>

#include "base/persistent_map.h"

namespace minikube::client {

// An object with the revision of its last write.
struct Entry {
  ObjectRef object;
  std::int64_t revision = 0;
};

// Which object of a kind; borrows its text.
struct NameKey {
  std::string_view ns;
  std::string_view name;
};

// The order of the store's keys, "<ns>/<name>", without building them.
struct EntryOrder {
  using Key = NameKey;
  static Key KeyOf(const Entry& entry) {
    const meta::v1::ObjectMeta& meta = entry.object->meta();
    return {meta.namespace_.view(), meta.name.view()};
  }
  static std::strong_ordering Compare(const Key& a, const Key& b) {
    const std::size_t common = std::min(a.ns.size(), b.ns.size());
    if (const int order = a.ns.substr(0, common).compare(b.ns.substr(0, common)); order != 0) return order <=> 0;
    // One namespace is a prefix of the other: its '/' stands against the next character of the longer one.
    if (a.ns.size() < b.ns.size()) return '/' <=> b.ns[common];
    if (a.ns.size() > b.ns.size()) return a.ns[common] <=> '/';
    return a.name <=> b.name;
  }
};
using EntryMap = PersistentMap<Entry, EntryOrder>;

struct IndexEntry {
  Str value;
  Str ns;
  Str name;
};
struct IndexKey {
  std::string_view value;
  NameKey object;
};
struct IndexOrder {
  using Key = IndexKey;
  static Key KeyOf(const IndexEntry& entry) { return {entry.value.view(), {entry.ns.view(), entry.name.view()}}; }
  static std::strong_ordering Compare(const Key& a, const Key& b) {
    if (const std::strong_ordering order = a.value <=> b.value; order != 0) return order;
    return EntryOrder::Compare(a.object, b.object);
  }
};
using IndexMap = PersistentMap<IndexEntry, IndexOrder>;

struct TableIndex {
  std::string name;
  std::function<std::vector<std::string>(const Object&)> values;  // of one object; may be none
};
using TableIndexes = std::vector<TableIndex>;

class ObjectTable {
 public:
  // Null: no indexes.
  explicit ObjectTable(std::shared_ptr<const TableIndexes> indexes = nullptr);
  // From entries in strictly ascending key order; O(n log n) for each index, O(n) without.
  static ObjectTable FromSorted(std::vector<Entry> entries, std::shared_ptr<const TableIndexes> indexes = nullptr);

  const EntryMap& objects() const { return objects_; }
  std::size_t size() const { return objects_.size(); }
  const Entry* Find(const NameKey& key) const { return objects_.Find(key); }
  EntryMap::Iterator Begin() const { return objects_.Begin(); }
  EntryMap::Iterator LowerBound(const NameKey& key) const { return objects_.LowerBound(key); }

  // Inserts, or replaces the object of the same key.
  void Set(Entry entry);
  // Returns whether it was there.
  bool Erase(const NameKey& key);

  // The index of that name; null if the table does not keep it.
  const IndexMap* FindIndex(std::string_view name) const;

 private:
  void Update(const Object* before, const Object* after);

  std::shared_ptr<const TableIndexes> specs_;
  EntryMap objects_;
  std::vector<IndexMap> indexes_;  // one for each of specs_
};

// Calls `each(entry)` for the objects of `table` that `index` (one of its own) has under `value`, in key order.
template <typename Each>
void ForEachBy(const ObjectTable& table, const IndexMap& index, std::string_view value, const Each& each) {
  for (auto it = index.LowerBound({value, {}}); it && it->value == value; ++it) {
    if (const Entry* entry = table.Find({it->ns.view(), it->name.view()})) each(*entry);
  }
}

}  // namespace minikube::client
