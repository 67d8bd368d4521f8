// JSON documents seen through the tables as server-side apply sees them: which parts are single values, which merge by
// member, by key or as a set (x-kubernetes-list-type, x-kubernetes-map-type). Field sets of a document, merging one
// into another, taking fields out.
//
// `shape` (may be null) is for custom objects: how what the descriptor does not tell merges.
// Thread safety: pure functions. Documents must be of bounded depth.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <minikube/descriptor.h>
#include <minikube/status.h>

#include "model/field_set.h"
#include "model/merge_shape.h"
#include "model/message_fields.h"

namespace minikube {

// The fields that a configuration sets. Errors: kBadRequest (an element without its key, two with the same).
Result<FieldSet> FieldsOf(const MessageDesc& desc, const nlohmann::json& document, const MergeShape* shape = nullptr);

// The paths of lists, maps and structs in a configuration that are replaced as a whole: ".spec.tolerations".
std::vector<std::string> AtomicFields(const MessageDesc& desc, const nlohmann::json& document,
                                      const MergeShape* shape = nullptr);

// What CompareMessages says of messages, for objects that only their documents show in full: custom ones.
FieldChanges CompareDocuments(const MessageDesc& desc, const nlohmann::json& before, const nlohmann::json& after,
                              const MergeShape* shape);

// Gives `live` every field that `config` sets; null takes one away. Elements of merging lists keep the order of
// `config` among themselves, others stay where they are.
void MergeFields(const MessageDesc& desc, nlohmann::json& live, const nlohmann::json& config,
                 const MergeShape* shape = nullptr);

// Takes out of `document` what is in `doomed` and neither in `owned` nor an ancestor of something in `owned`.
void RemoveFields(const MessageDesc& desc, nlohmann::json& document, const FieldSet& doomed, const FieldSet& owned,
                  const MergeShape* shape = nullptr);

}  // namespace minikube
