#include "api/table/table.h"

#include <fmt/format.h>

#include <minikube/api/autoscaling/v1.h>
#include <minikube/api/meta/v1.h>
#include <minikube/codec.h>

#include "api/table/table_cells.h"
#include "api/wire/json_text.h"

namespace minikube::api {
namespace {

// For resources that declare none, and for objects of subresources.
constexpr ColumnDesc kPlainColumns[] = {
    {"Name", "string", "name", 0, "Name must be unique within a namespace."},
    {"Age", "string", "", 0, "Time since the object was created."},
};

// A workload's scale has columns of its own.
constexpr ColumnDesc kScaleColumns[] = {
    {"Name", "string", "name", 0, "Name must be unique within a namespace."},
    {"Desired", "integer", "", 0, "Number of pods wanted."},
    {"Available", "integer", "", 0, "Number of pods observed."},
    {"Age", "string", "", 0, "Time since the object was created."},
};

std::span<const ColumnDesc> ColumnsOf(const ResourceDesc& resource, const MessageDesc& shown) {
  if (&shown == &DescriptorOf<autoscaling::v1::Scale>()) return kScaleColumns;
  return resource.columns.empty() ? std::span<const ColumnDesc>(kPlainColumns) : resource.columns;
}

Printer FindPrinter(const MessageDesc& desc) {
  for (const auto find : {FindPodPrinter, FindWorkloadPrinter, FindCorePrinter, FindPolicyPrinter}) {
    if (const Printer printer = find(desc)) return printer;
  }
  return nullptr;
}

}  // namespace

void AppendTableColumns(const ResourceDesc& resource, const MessageDesc& shown, std::string& out) {
  JsonWriter json(out);
  json.BeginArray();
  for (const ColumnDesc& column : ColumnsOf(resource, shown)) {
    json.BeginObject();
    json.Field("name", column.name);
    json.Field("type", column.type);
    json.Field("format", column.format);
    json.Field("description", column.doc);
    json.Field("priority", column.priority);
    json.EndObject();
  }
  json.EndArray();
}

void AppendTableRow(const ResourceDesc& resource, const Object& object, IncludeObject include,
                    std::string_view table_version, WallTime now, std::string& out) {
  out += "{\"cells\":[";
  Cells cells(out);
  if (const auto* scale = object.TryAs<autoscaling::v1::Scale>()) {
    cells.Text(scale->metadata.name).Int(scale->spec.replicas).Int(scale->status.replicas).Text(AgeOf(object, now));
  } else if (resource.columns.empty()) {
    cells.Text(object.meta().name).Text(AgeOf(object, now));
  } else if (&object.desc() != resource.message) {
    // A subresource's object under its resource's columns: what is not known stays blank.
    for (const ColumnDesc& column : resource.columns) {
      if (column.name == "Name") {
        cells.Text(object.meta().name);
      } else if (column.name == "Age") {
        cells.Text(AgeOf(object, now));
      } else {
        cells.Text("");
      }
    }
  } else if (const CustomResourceDesc* custom = AsCustomResource(resource)) {
    PrintCustom(*custom, object, now, cells);
  } else if (const Printer print = FindPrinter(object.desc())) {
    print(object, now, cells);
  } else {
    PrintFields(resource, object, now, cells);
  }
  out += ']';
  switch (include) {
    case IncludeObject::kNone:
      break;
    case IncludeObject::kMetadata:
      out += ",\"object\":";
      AppendPartialMetadata(object, table_version, out);
      break;
    case IncludeObject::kObject:
      out += ",\"object\":";
      Encode(MediaType::kJson, object, out);
      break;
  }
  out += '}';
}

void AppendPartialMetadata(const Object& object, std::string_view version, std::string& out) {
  fmt::format_to(std::back_inserter(out),
                 "{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":", version);
  EncodeJsonMessage(DescriptorOf<meta::v1::ObjectMeta>(), &object.meta(), out);
  out += '}';
}

}  // namespace minikube::api
