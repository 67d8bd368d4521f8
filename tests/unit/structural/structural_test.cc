// Structural schemas: what is one, pruning, defaulting, validation and ratcheting.
#include "structural/structural_schema.h"

#include <functional>
#include <random>
#include <string>

#include <minikube/codec.h>
#include <catch2/catch.hpp>

namespace minikube {
namespace {

using apiextensions::v1::JSONSchemaProps;

JSONSchemaProps Props(std::string_view yaml) {
  JSONSchemaProps props;
  const std::string json = YamlToJson(yaml).value();
  const Status status =
      DecodeJsonMessage(DescriptorOf<JSONSchemaProps>(), json, &props, {.validation = FieldValidation::kStrict});
  INFO(status.message());
  REQUIRE(status.ok());
  return props;
}

std::string Violations(std::string_view yaml) {
  ErrorList errors;
  const FieldPath path("schema");
  CheckStructural(Props(yaml), path, errors);
  std::string out;
  for (const StatusCause& cause : errors.causes()) out += cause.field + ": " + cause.message + "\n";
  return out;
}

std::string Errors(std::string_view yaml, std::string_view value, std::string_view old = "") {
  ErrorList errors;
  const Json before = old.empty() ? Json() : Json::Parse(old).value();
  StructuralSchema::Make(Props(yaml))->Validate(Json::Parse(value).value(), old.empty() ? nullptr : &before, errors);
  std::string out;
  for (const StatusCause& cause : errors.causes()) out += cause.field + ": " + cause.message + "\n";
  return out;
}

TEST_CASE("what keeps a schema from being structural is told with its path", "[structural]") {
  CHECK(Violations("{type: object, properties: {spec: {type: object}}}") == "");
  CHECK(Violations("{properties: {a: {type: string}}}") ==
        "schema.type: Required value: must not be empty at the root\n");
  CHECK(Violations("{type: object, properties: {a: {}}}") ==
        "schema.properties[a].type: Required value: must not be empty for specified object fields\n");
  CHECK(Violations("{type: object, properties: {a: {type: array}}}") ==
        "schema.properties[a].items: Required value: must be specified\n");
  CHECK(Violations("{type: object, properties: {a: {type: object, anyOf: [{type: object}]}}}") ==
        "schema.properties[a].anyOf[0].type: Forbidden: must be empty to be structural\n");
  CHECK(Violations("{type: object, properties: {a: {type: object, allOf: [{properties: {b: {minimum: 1}}}]}}}") ==
        "schema.properties[a].properties[b]: Required value: because it is defined in "
        "schema.properties[a].allOf[0].properties[b]\n");
  CHECK(Violations("{type: object, additionalProperties: {type: string}}") ==
        "schema.additionalProperties: Forbidden: must not be used at the root\n");
  CHECK(Violations("{type: object, properties: {p: {type: integer, x-kubernetes-int-or-string: true, "
                   "anyOf: [{type: integer}, {type: string}]}}}") == "");
  CHECK(Violations("{type: object, properties: {metadata: {type: object, properties: {labels: {type: object}}}}}") ==
        "schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but "
        "metadata is implicitly specified\n");
  CHECK(Violations("{type: object, properties: {metadata: {type: object, properties: {name: {type: string, "
                   "maxLength: 5}}}}}") == "");
  CHECK(Violations("{type: object, properties: {e: {type: object, x-kubernetes-embedded-resource: true}}}") ==
        "schema.properties[e].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true "
        "without x-kubernetes-preserve-unknown-fields\n");
  CHECK(Violations("{type: object, properties: {a: {type: string, pattern: '('}}}").find("must be a valid regular") !=
        std::string::npos);
}

TEST_CASE("pruning takes what the schema does not know", "[structural]") {
  const auto schema = StructuralSchema::Make(Props(R"(
type: object
properties:
  spec:
    type: object
    properties:
      a: {type: string}
      open: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {in: {type: object}}}
      map: {type: object, additionalProperties: {type: object, properties: {x: {type: integer}}}}
      any: {type: object, additionalProperties: true}
      list: {type: array, items: {type: object, properties: {k: {type: string}}}}
      pod: {type: object, x-kubernetes-embedded-resource: true, properties: {spec: {type: object}}}
)"));
  Json object = Json::Parse(R"({"apiVersion":"g/v1","kind":"K","metadata":{"labels":{"a":"b"}},"junk":1,"spec":{
    "a":"x","b":1,"open":{"free":1,"in":{"gone":1}},"map":{"k":{"x":1,"y":2}},"any":{"k":{"gone":1},"s":1},
    "list":[{"k":"v","z":1}],"pod":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"q":1},"r":1}}})")
                    .value();
  std::vector<std::string> pruned;
  schema->Prune(object, &pruned);
  CHECK(pruned == std::vector<std::string>{"junk", "spec.any.k.gone", "spec.b", "spec.list[0].z", "spec.map.k.y",
                                           "spec.open.in.gone", "spec.pod.r", "spec.pod.spec.q"});
  CHECK(object["spec"].ToString() ==
        R"({"a":"x","any":{"k":{},"s":1},"list":[{"k":"v"}],"map":{"k":{"x":1}},"open":{"free":1,"in":{}},)"
        R"("pod":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{}}})");
  CHECK(object["metadata"].ToString() == R"({"labels":{"a":"b"}})");
  const Json once = object;
  schema->Prune(object);
  CHECK(object.same(once));  // nothing to do: nothing copied
}

TEST_CASE("defaults fill what is absent, and null where it may not be", "[structural]") {
  const auto schema = StructuralSchema::Make(Props(R"(
type: object
properties:
  spec:
    type: object
    default: {}
    properties:
      a: {type: string, default: x}
      'n': {type: string, nullable: true, default: 'y'}
      p: {type: string}
      nested: {type: object, properties: {b: {type: integer, default: 3}}}
      list: {type: array, items: {type: object, properties: {c: {type: boolean, default: false}}}}
      map: {type: object, additionalProperties: {type: integer, default: 7}}
)"));
  const auto defaulted = [&](std::string_view text) {
    Json object = Json::Parse(text).value();
    schema->Default(object);
    return object.ToString();
  };
  CHECK(defaulted("{}") == R"({"spec":{"a":"x","n":"y"}})");
  CHECK(defaulted(R"({"spec":{"a":"","n":null,"p":null,"nested":{},"list":[{},{"c":true}],"map":{"k":null,"l":1}}})") ==
        R"({"spec":{"a":"","list":[{"c":false},{"c":true}],"map":{"k":7,"l":1},"n":null,"nested":{"b":3}}})");
  CHECK(defaulted(R"({"spec":{"a":null}})") == R"({"spec":{"a":"x","n":"y"}})");
}

TEST_CASE("validation says what Kubernetes says", "[structural]") {
  constexpr std::string_view kSchema = R"(
type: object
required: [spec]
properties:
  spec:
    type: object
    required: [name]
    maxProperties: 6
    properties:
      name: {type: string, minLength: 2, maxLength: 4, pattern: '^[a-z]+$'}
      'n': {type: integer, minimum: 1, maximum: 10, multipleOf: 2}
      f: {type: number, maximum: 1.5, exclusiveMaximum: true}
      e: {type: string, enum: [a, b]}
      i: {x-kubernetes-int-or-string: true}
      t: {type: string, format: date-time}
      set: {type: array, x-kubernetes-list-type: set, items: {type: string}, maxItems: 3}
      m: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k],
          items: {type: object, properties: {k: {type: string}, v: {type: integer}}}}
      nullable: {type: string, nullable: true}
)";
  struct Case {
    const char* spec;
    const char* errors;
  };
  for (const Case& c : {
           Case{R"({"name":"ab"})", ""},
           {R"({})", "spec.name: Required value\n"},
           {R"({"name":"a"})", "spec.name: Invalid value: \"a\": spec.name in body should be at least 2 chars long\n"},
           {R"({"name":"abcde"})", "spec.name: Too long: may not be more than 4 bytes\n"},
           {R"({"name":"A1"})", "spec.name: Invalid value: \"A1\": spec.name in body should match '^[a-z]+$'\n"},
           {R"({"name":5})", "spec.name: Invalid value: 5: spec.name in body must be of type string: \"integer\"\n"},
           {R"({"name":"ab","n":11})",
            "spec.n: Invalid value: 11: spec.n in body should be a multiple of 2\n"
            "spec.n: Invalid value: 11: spec.n in body should be less than or equal to 10\n"},
           {R"({"name":"ab","n":2.0})", ""},
           {R"({"name":"ab","n":2.5})",
            "spec.n: Invalid value: 2.5: spec.n in body must be of type integer: \"number\"\n"},
           {R"({"name":"ab","f":1.5})", "spec.f: Invalid value: 1.5: spec.f in body should be less than 1.5\n"},
           {R"({"name":"ab","f":1})", ""},
           {R"({"name":"ab","e":"c"})", "spec.e: Unsupported value: \"c\": supported values: \"a\", \"b\"\n"},
           {R"({"name":"ab","i":"50%"})", ""},
           {R"({"name":"ab","i":50})", ""},
           {R"({"name":"ab","i":true})",
            "spec.i: Invalid value: true: spec.i in body must be of type integer,string: \"boolean\"\n"},
           {R"({"name":"ab","t":"2023-01-01T00:00:00Z"})", ""},
           {R"({"name":"ab","t":"yesterday"})",
            "spec.t: Invalid value: \"yesterday\": spec.t in body must be of type date-time: \"yesterday\"\n"},
           {R"({"name":"ab","set":["a","b","a"]})", "spec.set[2]: Duplicate value: \"a\"\n"},
           {R"({"name":"ab","set":["a","b","c","d"]})", "spec.set: Too many: 4: must have at most 3 items\n"},
           {R"({"name":"ab","m":[{"k":"x"},{"k":"x","v":1}]})", "spec.m[1]: Duplicate value: {\"k\":\"x\"}\n"},
           {R"({"name":"ab","nullable":null})", ""},
           {R"({"name":"ab","e":null})",
            "spec.e: Invalid value: \"\": spec.e in body must be of type string: \"null\"\n"},
       }) {
    CAPTURE(c.spec);
    CHECK(Errors(kSchema, std::string(R"({"spec":)") + c.spec + "}") == c.errors);
  }
  CHECK(Errors(kSchema, "{}") == "spec: Required value\n");
}

TEST_CASE("allOf, anyOf, oneOf and not", "[structural]") {
  constexpr std::string_view kSchema = R"(
type: object
properties:
  'n':
    type: integer
    allOf: [{minimum: 1}]
    anyOf: [{maximum: 3}, {minimum: 7}]
    not: {enum: [2]}
  o:
    type: object
    properties: {a: {type: string}, b: {type: string}}
    oneOf: [{required: [a]}, {required: [b]}]
)";
  CHECK(Errors(kSchema, R"({"n":1,"o":{"a":""}})") == "");
  CHECK(Errors(kSchema, R"({"n":8})") == "");
  CHECK(Errors(kSchema, R"({"n":2})") == "<nil>: Invalid value: \"\": \"n\" must not validate the schema (not)\n");
  CHECK(Errors(kSchema, R"({"n":5})").find("\"n\" must validate at least one schema (anyOf)") != std::string::npos);
  CHECK(Errors(kSchema, R"({"n":0})").find("n in body should be greater than or equal to 1") != std::string::npos);
  CHECK(Errors(kSchema, R"({"o":{}})").find("one and only one schema (oneOf). Found none valid") != std::string::npos);
  CHECK(Errors(kSchema, R"({"o":{"a":"","b":""}})").find("Found 2 valid alternatives") != std::string::npos);
}

TEST_CASE("what was wrong and stays as it was is tolerated", "[structural]") {
  constexpr std::string_view kSchema = R"(
type: object
properties:
  a: {type: string, maxLength: 1}
  b: {type: string, maxLength: 1}
  m: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k],
      items: {type: object, properties: {k: {type: string}, v: {type: string, maxLength: 1}}}}
  l: {type: array, items: {type: string, maxLength: 1}}
)";
  constexpr std::string_view kOld = R"({"a":"long","m":[{"k":"x","v":"long"},{"k":"y","v":"1"}],"l":["long"]})";
  CHECK(Errors(kSchema, kOld, kOld) == "");
  CHECK(Errors(kSchema, R"({"a":"long","b":"1"})", kOld) == "");
  CHECK(Errors(kSchema, R"({"a":"longer"})", kOld) == "a: Too long: may not be more than 1 byte\n");
  CHECK(Errors(kSchema, R"({"b":"long"})", kOld) == "b: Too long: may not be more than 1 byte\n");
  // Items of a map are followed by their keys, wherever they go; those of other lists are not.
  CHECK(Errors(kSchema, R"({"m":[{"k":"y","v":"2"},{"k":"x","v":"long"}]})", kOld) == "");
  CHECK(Errors(kSchema, R"({"m":[{"k":"z","v":"long"}]})", kOld) == "m[0].v: Too long: may not be more than 1 byte\n");
  CHECK(Errors(kSchema, R"({"l":["long","x"]})", kOld) == "l[0]: Too long: may not be more than 1 byte\n");
}

TEST_CASE("embedded objects need what every object needs", "[structural]") {
  constexpr std::string_view kSchema =
      "{type: object, properties: {e: {type: object, x-kubernetes-embedded-resource: true, "
      "x-kubernetes-preserve-unknown-fields: true}}}";
  CHECK(Errors(kSchema, R"({"e":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}})") == "");
  CHECK(Errors(kSchema, R"({"e":{}})") == "e.apiVersion: Required value\ne.kind: Required value\n");
  CHECK(Errors(kSchema, R"({"e":{"apiVersion":"a/b/c","kind":"Pod"}})") ==
        "e.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c\n");
  CHECK(Errors(kSchema, R"({"e":{"apiVersion":"v1","kind":"Pod","metadata":{"labels":5}}})")
            .find("e.metadata: Invalid value") == 0);
}

TEST_CASE("equal schemas are one", "[structural]") {
  SchemaCache cache;
  const auto one = cache.Get(Props("{type: object, properties: {a: {type: string}}}"));
  CHECK(cache.Get(Props("{type: object, properties: {a: {type: string}}}")) == one);
  CHECK(cache.Get(Props("{type: object, properties: {a: {type: integer}}}")) != one);
}

// Random values against one schema: pruning and defaulting come to rest at once, and never make what is valid invalid.
TEST_CASE("pruning and defaulting once is enough", "[structural]") {
  const auto schema = StructuralSchema::Make(Props(R"(
type: object
properties:
  a: {type: object, default: {b: 1}, properties: {b: {type: integer, default: 2}, c: {type: string, nullable: true}}}
  l: {type: array, items: {type: object, properties: {a: {type: integer, default: 1}}}}
  m: {type: object, additionalProperties: {type: object, properties: {a: {type: array, items: {type: string}}}}}
  p: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: object}}}
)"));
  std::mt19937_64 rng(Catch::rngSeed());
  const std::function<Json(int)> random = [&](int depth) {
    switch (rng() % (depth > 0 ? 7 : 4)) {
      case 0:
        return Json::Null();
      case 1:
        return Json::Int(static_cast<std::int64_t>(rng() % 3));
      case 2:
        return Json::String("text");
      case 3:
        return Json::Object();
      case 4: {
        Json list = Json::Array();
        for (std::uint64_t n = rng() % 3; n > 0; --n) list.Append(random(depth - 1));
        return list;
      }
      default: {
        Json object = Json::Object();
        for (const char* key : {"a", "b", "c", "l", "m", "p"}) {
          if (rng() % 2 == 0) object.Set(key, random(depth - 1));
        }
        return object;
      }
    }
  };
  for (int i = 0; i < 2000; ++i) {
    Json object = random(4);
    CAPTURE(object.ToString());
    ErrorList before;
    schema->Validate(object, nullptr, before);
    schema->Prune(object);
    schema->Default(object);
    Json again = object;
    std::vector<std::string> pruned;
    schema->Prune(again, &pruned);
    schema->Default(again);
    CHECK(pruned.empty());
    CHECK(again == object);
    ErrorList after;
    schema->Validate(object, nullptr, after);
    if (before.empty()) CHECK(after.empty());
  }
}

}  // namespace
}  // namespace minikube
