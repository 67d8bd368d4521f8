// World: everything that the API server knows at one revision. Reading it needs no lock and keeping it costs little:
// the tables of neighbouring revisions share all but the paths to what changed.
//
// Thread safety: immutable once published.
#pragma once

#include <memory>
#include <string_view>

#include <minikube/object.h>
#include <minikube/store.h>

#include "api/world/kind_maps.h"
#include "client/object_table.h"

namespace minikube::api {

using client::Entry;
using client::EntryMap;
using client::EntryOrder;
using client::IndexMap;
using client::NameKey;
using client::ObjectTable;

class Catalogue;

struct World {
  Revision revision = 0;
  std::shared_ptr<const Catalogue> catalogue;  // what is served and stored as of that revision
  KindMaps<ObjectTable> kinds;                 // by StoredKind::index

  const Entry* Find(std::size_t kind, std::string_view ns, std::string_view name) const {
    return kinds[kind].Find({ns, name});
  }
};

using Snapshot = std::shared_ptr<const World>;

}  // namespace minikube::api
