// Definitions: from CustomResourceDefinitions to what is served of them.
//
// A definition is stored as a kind from its creation to its end, and its versions are served while its condition
// Established is True. Descriptors are made once for all definitions that say the same, and live as long as this does;
// those of the objects themselves live for ever, since an object may outlive the server it came from.
// Thread safety: one thread at a time; what it has given out may be used from any.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <minikube/api/apiextensions/v1.h>

#include "api/world/catalogue.h"
#include "api/world/world.h"
#include "structural/structural_schema.h"

namespace minikube::api {

// Kubernetes' order of versions: v2 before v1, v1 before v1beta1 before v1alpha1, others after these by their name.
// True if `a` comes first.
bool VersionBefore(std::string_view a, std::string_view b);

class Definitions {
 public:
  explicit Definitions(std::shared_ptr<const Catalogue> built_in);
  ~Definitions();
  Definitions(const Definitions&) = delete;
  Definitions& operator=(const Definitions&) = delete;

  // The built-in resources and those of `definitions`.
  std::shared_ptr<const Catalogue> Serve(const EntryMap& definitions);

 private:
  class Resource;
  const Resource& ResourceOf(const apiextensions::v1::CustomResourceDefinition& definition);
  Catalogue::Custom Catalogued(const apiextensions::v1::CustomResourceDefinition& definition);

  // What was made of a definition, for as long as it is the very same object.
  struct Known {
    ObjectRef definition;
    Catalogue::Custom custom;
  };

  const std::shared_ptr<const Catalogue> built_in_;
  SchemaCache schemas_;
  std::map<std::string, Known, std::less<>> known_;  // by name
  std::size_t next_index_;
  std::map<std::string, std::size_t, std::less<>> indexes_;     // of StoredKinds, by the name of the definition
  std::map<std::string, std::unique_ptr<Resource>> resources_;  // by all that they are made from
};

}  // namespace minikube::api
