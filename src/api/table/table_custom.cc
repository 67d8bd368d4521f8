// Cells of custom objects, by the paths of their definition's columns. As kube-apiserver, what is not there or of
// another type than the column is null.
#include <chrono>

#include <minikube/codec.h>
#include <minikube/custom_object.h>

#include "api/table/table_cells.h"

namespace minikube::api {
namespace {

Json MetadataOf(const Object& object) {
  std::string text;
  EncodeJsonMessage(DescriptorOf<meta::v1::ObjectMeta>(), &object.meta(), text);
  Result<Json> parsed = Json::Parse(text);
  return parsed ? *std::move(parsed) : Json();
}

// Everything that the path may lead into.
Json WholeFor(const JsonPath& path, const CustomObject& object, const Object& head) {
  Json whole = object.rest;
  const GroupVersionKind& gvk = head.desc().gvk;
  if (path.BeginsWith("metadata")) {
    whole.Set("metadata", MetadataOf(head));
  } else if (path.BeginsWith("kind")) {
    whole.Set("kind", Json::String(gvk.kind));
  } else if (path.BeginsWith("apiVersion")) {
    whole.Set("apiVersion", Json::String(std::string(gvk.group) + "/" + std::string(gvk.version)));
  }
  return whole;
}

void PrintText(const Json& value, Cells& cells) {
  if (value.is_string() || value.is_number()) {
    cells.Text(value.text());
  } else if (value.is_null()) {
    cells.Text("<no value>");
  } else {
    cells.Text(value.ToString());
  }
}

void PrintDate(const Json& value, WallTime now, Cells& cells) {
  if (!value.is_string()) return void(cells.Null());
  const Result<WallTime> time = ParseTime(value.text());
  if (!time) return void(cells.Text("<invalid>"));
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time->time_since_epoch());
  cells.Text(Age(Instant::FromUnixMicros(micros.count()), now));
}

void PrintInteger(const Json& value, Cells& cells) {
  constexpr double kBeyond = 9223372036854775808.0;
  if (const std::optional<std::int64_t> integer = value.AsInt64()) {
    cells.Int(*integer);
  } else if (const std::optional<double> number = value.AsDouble(); number && *number > -kBeyond && *number < kBeyond) {
    cells.Int(static_cast<std::int64_t>(*number));
  } else {
    cells.Null();
  }
}

void Print(std::string_view type, const Json& value, WallTime now, Cells& cells) {
  if (type == "string") {
    PrintText(value, cells);
  } else if (type == "date") {
    PrintDate(value, now, cells);
  } else if (type == "integer") {
    PrintInteger(value, cells);
  } else if (type == "number" && value.is_number()) {
    cells.Number(value);
  } else if (type == "boolean" && value.is_bool()) {
    cells.Bool(value.boolean());
  } else {
    cells.Null();
  }
}

}  // namespace

void PrintCustom(const CustomResourceDesc& resource, const Object& object, WallTime now, Cells& cells) {
  cells.Text(object.meta().name);
  for (std::size_t i = 0; i < resource.column_paths.size(); ++i) {
    const std::optional<JsonPath>& path = resource.column_paths[i];
    const Json whole = path ? WholeFor(*path, *AsCustomObject(object), object) : Json();
    const Json* found = path ? path->First(whole) : nullptr;
    if (found != nullptr) {
      Print(resource.columns[i + 1].type, *found, now, cells);
    } else {
      cells.Null();
    }
  }
}

}  // namespace minikube::api
