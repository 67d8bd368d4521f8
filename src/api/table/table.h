// meta.k8s.io Tables: what `kubectl get` prints, made on the server.
//
// Columns come from the resource's declaration; cells are computed per kind (table_*.cc).
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include <minikube/descriptor.h>
#include <minikube/env.h>
#include <minikube/object.h>

namespace minikube::api {

// Which part of each object a Table row carries.
enum class IncludeObject : std::uint8_t { kNone, kMetadata, kObject };

// Appends the JSON array of column definitions for objects of type `shown`: the resource's own, or a subresource's.
void AppendTableColumns(const ResourceDesc& resource, const MessageDesc& shown, std::string& out);

// Appends one row as JSON: cells, and the part of the object that `include` names. An object of another type than the
// resource's own (a subresource's, other than a Scale) gets its name and age only.
void AppendTableRow(const ResourceDesc& resource, const Object& object, IncludeObject include,
                    std::string_view table_version, WallTime now, std::string& out);

// Appends {"kind":"PartialObjectMetadata",...}.
void AppendPartialMetadata(const Object& object, std::string_view version, std::string& out);

}  // namespace minikube::api
