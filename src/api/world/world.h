// World: everything that the API server knows at one revision. Reading it needs no lock and keeping it costs little:
// the maps of neighbouring revisions share all but the paths to what changed.
//
// Thread safety: immutable once published.
#pragma once

#include <compare>
#include <memory>
#include <string_view>
#include <vector>

#include <minikube/object.h>
#include <minikube/store.h>

#include "api/world/persistent_map.h"

namespace minikube::api {

// An object as stored, with the revision of its last write.
struct Entry {
  ObjectRef object;
  Revision revision = 0;
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

struct World {
  Revision revision = 0;
  std::vector<EntryMap> kinds;  // by StoredKind::index

  const Entry* Find(std::size_t kind, std::string_view ns, std::string_view name) const {
    return kinds[kind].Find({ns, name});
  }
};

using Snapshot = std::shared_ptr<const World>;

}  // namespace minikube::api
