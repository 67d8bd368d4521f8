// What `kubectl get` prints of custom objects.
#include <minikube/api/apiextensions/v1.h>
#include <minikube/codec.h>
#include <minikube/custom_object.h>

#include "api/table/table.h"
#include "api/wire/json_path.h"
#include "unit/api/engine_fixture.h"

using namespace minikube;
using namespace minikube::api;
using namespace minikube::api::testing;
using apiextensions::v1::CustomResourceDefinition;

namespace {

using Columns = std::vector<apiextensions::v1::CustomResourceColumnDefinition>;

CustomResourceDefinition WidgetsWith(const Columns& columns) {
  CustomResourceDefinition out;
  out.metadata.name = "widgets.example.com";
  out.spec.group = "example.com";
  out.spec.scope = "Namespaced";
  out.spec.names.plural = "widgets";
  out.spec.names.singular = "widget";
  out.spec.names.kind = "Widget";
  out.spec.names.listKind = "WidgetList";
  apiextensions::v1::CustomResourceDefinitionVersion version;
  version.name = "v1";
  version.served = true;
  version.storage = true;
  auto& schema = version.schema.Mutable().openAPIV3Schema.Mutable();
  schema.type = "object";
  schema.xKubernetesPreserveUnknownFields = true;
  for (const auto& column : columns) version.additionalPrinterColumns.push_back(column);
  out.spec.versions.push_back(version);
  return out;
}

const ResourceDesc& Widgets(Fixture& f) { return *f.engine->catalogue()->FindResource("example.com", "v1", "widgets"); }

std::string ColumnsOf(Fixture& f) {
  std::string out;
  AppendTableColumns(Widgets(f), *Widgets(f).message, out);
  return out;
}

// The cells of a widget that is an hour old.
std::string RowOf(Fixture& f, std::string_view rest) {
  const std::string json =
      R"({"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","labels":{"a":"b"},)"
      R"("creationTimestamp":"2026-01-01T00:00:00Z"},)" +
      std::string(rest) + "}";
  const ObjectRef widget = Decode(MediaType::kJson, json, Widgets(f).message).value().Freeze();
  std::string out;
  AppendTableRow(Widgets(f), *widget, IncludeObject::kNone, "v1", ParseTime("2026-01-01T01:00:00Z").value(), out);
  return out;
}

std::string FirstOf(std::string_view path, std::string_view json) {
  const std::optional<JsonPath> parsed = JsonPath::Parse(path);
  if (!parsed) return "not understood";
  const Json root = Json::Parse(json).value();
  const Json* found = parsed->First(root);
  return found != nullptr ? found->ToString() : "none";
}

}  // namespace

TEST_CASE("custom columns: the name and the age, unless the definition says otherwise") {
  Fixture f;
  REQUIRE(f.client->Create(WidgetsWith({})).status().ToString() == "OK");
  CHECK(ColumnsOf(f) ==
        R"([{"name":"Name","type":"string","format":"name","description":"Name must be unique within a namespace.",)"
        R"("priority":0},{"name":"Age","type":"date","format":"","description":"Time since the object was created.",)"
        R"("priority":0}])");
  CHECK(RowOf(f, R"("spec":{})") == R"({"cells":["w","60m"]})");

  // They change with the definition.
  auto definition = f.client->Get<CustomResourceDefinition>("", "widgets.example.com").value();
  definition.spec.versions.Mutable(0).additionalPrinterColumns.push_back(
      {.name = "Size", .type = "integer", .format = "int32", .priority = 1, .jsonPath = ".spec.size"});
  REQUIRE(f.client->Update(definition).status().ToString() == "OK");
  CHECK(ColumnsOf(f) ==
        R"([{"name":"Name","type":"string","format":"name","description":"Name must be unique within a namespace.",)"
        R"("priority":0},{"name":"Size","type":"integer","format":"int32","description":)"
        R"("Custom resource definition column (in JSONPath format): .spec.size","priority":1}])");
  CHECK(RowOf(f, R"("spec":{"size":3})") == R"({"cells":["w",3]})");
}

TEST_CASE("custom columns: a cell is what its type makes of the value, or null") {
  struct Case {
    const char* type;
    const char* path;
    const char* cell;
  };
  const Case cases[] = {
      {"string", ".spec.text", R"("x\"y")"},  {"string", ".spec.size", R"("7")"},
      {"string", ".spec.on", R"("true")"},    {"string", ".spec.nothing", R"("<no value>")"},
      {"string", ".spec.list", R"("[1,2]")"}, {"string", ".spec.missing", "null"},
      {"string", ".spec.a..b", "null"},       {"string", ".metadata.labels.a", R"("b")"},
      {"string", ".kind", R"("Widget")"},     {"string", ".apiVersion", R"("example.com/v1")"},
      {"integer", ".spec.size", "7"},         {"integer", ".spec.ratio", "1"},
      {"integer", ".spec.huge", "null"},      {"integer", ".spec.text", "null"},
      {"number", ".spec.ratio", "1.5"},       {"number", ".spec.on", "null"},
      {"boolean", ".spec.on", "true"},        {"boolean", ".spec.size", "null"},
      {"date", ".spec.when", R"("30m")"},     {"date", ".spec.text", R"("<invalid>")"},
      {"date", ".spec.size", "null"},
  };
  Columns columns;
  for (const Case& c : cases) columns.push_back({.name = "c", .type = c.type, .description = "d", .jsonPath = c.path});
  Fixture f;
  REQUIRE(f.client->Create(WidgetsWith(columns)).status().ToString() == "OK");
  std::string wanted = R"({"cells":["w")";
  for (const Case& c : cases) wanted += std::string(",") + c.cell;
  CHECK(RowOf(f, R"("spec":{"text":"x\"y","size":7,"on":true,"nothing":null,"list":[1,2],"ratio":1.5,"huge":1e300,)"
                 R"("when":"2026-01-01T00:30:00Z"})") == wanted + "]}");
}

TEST_CASE("custom columns: paths") {
  const char* json =
      R"({"a":{"b.c":1,"d":[10,20,30]},"conditions":[{"n":2.0,"status":"False","type":"Ready"},{"ok":true,)"
      R"("status":"True","type":"Done"}],"s":"text"})";
  const std::pair<const char*, const char*> cases[] = {
      {".", json},
      {".a.b\\.c", "1"},
      {".a['b.c']", "1"},
      {".a.d[0]", "10"},
      {".a.d[-1]", "30"},
      {".a.d[3]", "none"},
      {".a.d[-4]", "none"},
      {".conditions[*].type", R"("Ready")"},
      {".conditions[*].ok", "true"},
      {".conditions[?(@.type==\"Done\")].status", R"("True")"},
      {".conditions[?(@.type == 'Ready')].status", R"("False")"},
      {".conditions[?(@.type!='Ready')].type", R"("Done")"},
      {".conditions[?(@.n==2)].type", R"("Ready")"},
      {".conditions[?(@.ok==true)].type", R"("Done")"},
      {".conditions[?(@.ok)].type", R"("Done")"},
      {".conditions[?(@.type=='None')].status", "none"},
      {".s.a", "none"},
      {".s[0]", "none"},
  };
  for (const auto& [path, value] : cases) {
    CAPTURE(path);
    CHECK(FirstOf(path, json) == value);
  }
  for (const char* path : {"..a", ".a.", ".a[", ".a[x]", ".a[1:2]", ".a['x]", ".a[?(@.b=1)]", ".a[?(@.b==)]", ".a[?(",
                           ".a[99999999999999999999]", ".a[?(@.b==[1])]", "a"}) {
    CAPTURE(path);
    CHECK(FirstOf(path, json) == "not understood");
  }
}
