// x-kubernetes-validations: rules, changes, messages, budgets.
#include <string>

#include <minikube/codec.h>
#include <catch2/catch.hpp>

#include "structural/structural_schema.h"

namespace minikube {
namespace {

using apiextensions::v1::JSONSchemaProps;

JSONSchemaProps Props(std::string_view yaml) {
  JSONSchemaProps props;
  const std::string json = YamlToJson(yaml).value();
  REQUIRE(DecodeJsonMessage(DescriptorOf<JSONSchemaProps>(), json, &props).ok());
  return props;
}

std::string Text(const ErrorList& errors) {
  std::string out;
  for (const StatusCause& cause : errors.causes()) out += cause.field + ": " + cause.message + "\n";
  return out;
}

std::string Problems(std::string_view yaml) {
  ErrorList errors;
  const FieldPath path("schema");
  CheckSchemaRules(Props(yaml), path, errors);
  return Text(errors);
}

std::string Errors(std::string_view yaml, std::string_view value, std::string_view old = "") {
  ErrorList errors;
  const Json before = old.empty() ? Json() : Json::Parse(old).value();
  StructuralSchema::Make(Props(yaml))
      ->ValidateRules(Json::Parse(value).value(), old.empty() ? nullptr : &before, errors);
  return Text(errors);
}

TEST_CASE("a rule that does not hold is an error with its message", "[rules]") {
  constexpr std::string_view kSchema = R"yaml(
type: object
properties:
  spec:
    type: object
    x-kubernetes-validations:
    - rule: self.replicas <= self.max
    - {rule: "self.name.startsWith('a')", message: "must start with a", fieldPath: .name, reason: FieldValueForbidden}
    - {rule: "self.replicas != 5", messageExpression: "'five is odd: %d'.format([self.replicas])"}
    properties:
      replicas: {type: integer}
      max: {type: integer}
      name: {type: string, maxLength: 10}
)yaml";
  CHECK(Problems(kSchema) == "");
  CHECK(Errors(kSchema, R"({"spec":{"replicas":1,"max":2,"name":"ab"}})") == "");
  CHECK(Errors(kSchema, R"({"spec":{"replicas":3,"max":2,"name":"ab"}})") ==
        "spec: Invalid value: failed rule: self.replicas <= self.max\n");
  CHECK(Errors(kSchema, R"({"spec":{"replicas":1,"max":2,"name":"b"}})") ==
        "spec.name: Forbidden: must start with a\n");
  CHECK(Errors(kSchema, R"({"spec":{"replicas":5,"max":9,"name":"a"}})") == "spec: Invalid value: five is odd: 5\n");
  CHECK(Errors(kSchema, R"({"spec":{"max":2,"name":"a"}})").find("no such key: replicas evaluating rule: ") !=
        std::string::npos);
  CHECK(Errors(kSchema, R"({})") == "");
}

TEST_CASE("values are what the schema says they are", "[rules]") {
  const auto holds = [](std::string_view schema, std::string_view rule, std::string_view value) {
    const std::string yaml = "{type: object, properties: {v: " + std::string(schema) +
                             "}, x-kubernetes-validations: [{rule: \"" + std::string(rule) + "\"}]}";
    CAPTURE(yaml);
    CHECK(Problems(yaml).find("compilation failed") == std::string::npos);
    CHECK(Errors(yaml, R"({"apiVersion":"g/v1","kind":"K","metadata":{"name":"x"},"v":)" + std::string(value) + "}") ==
          "");
  };
  holds("{type: number}", "self.v == 1.0", "1");
  holds("{type: integer}", "self.v == 1", "1.0");
  holds("{type: string, format: date-time}", "self.v.getFullYear() == 2023", R"("2023-01-01T00:00:00Z")");
  holds("{type: string, format: date}", "self.v == timestamp('2023-01-01T00:00:00Z')", R"("2023-01-01")");
  holds("{type: string, format: duration}", "self.v == duration('1h')", R"("60m")");
  holds("{type: string, format: byte}", "self.v == b'ab'", R"("YWI=")");
  holds("{x-kubernetes-int-or-string: true}", "type(self.v) == int ? self.v == 5 : self.v == '5%'", R"("5%")");
  holds("{type: object, additionalProperties: {type: integer}}", "self.v.all(k, self.v[k] > 0) && self.v['a'] == 1",
        R"({"a":1})");
  holds("{type: object, properties: {a-b: {type: integer}, namespace: {type: string}}}",
        "self.v.a__dash__b == 1 && self.v.__namespace__ == 'x'", R"({"a-b":1,"namespace":"x"})");
  holds("{type: string}", "self.metadata.name == 'x' && self.kind == 'K' && has(self.v)", R"("")");
  CHECK(Problems("{type: object, properties: {v: {type: string}}, x-kubernetes-validations: [{rule: self.w == ''}]}")
            .find("undefined field 'w'") != std::string::npos);
}

TEST_CASE("rules about changes need something to compare with", "[rules]") {
  constexpr std::string_view kSchema = R"yaml(
type: object
properties:
  a: {type: string, maxLength: 9, x-kubernetes-validations: [{rule: self == oldSelf, message: immutable}]}
  m:
    type: array
    maxItems: 9
    x-kubernetes-list-type: map
    x-kubernetes-list-map-keys: [k]
    items:
      type: object
      properties: {k: {type: string, maxLength: 9}, v: {type: integer}}
      x-kubernetes-validations: [{rule: self.v >= oldSelf.v, message: must not shrink}]
  o: {type: integer, x-kubernetes-validations: [{rule: "oldSelf.optMap(o, o < self).orValue(self == 0)",
      optionalOldSelf: true, message: must grow from 0}]
}
)yaml";
  CHECK(Problems(kSchema) == "");
  CHECK(Errors(kSchema, R"({"a":"x"})") == "");
  CHECK(Errors(kSchema, R"({"a":"y"})", R"({"a":"x"})") == "a: Invalid value: \"y\": immutable\n");
  CHECK(Errors(kSchema, R"({"a":"y"})", R"({})") == "");
  CHECK(Errors(kSchema, R"({"m":[{"k":"b","v":1},{"k":"a","v":1}]})", R"({"m":[{"k":"a","v":2},{"k":"b","v":1}]})") ==
        "m[1]: Invalid value: must not shrink\n");
  CHECK(Errors(kSchema, R"({"o":1})") == "o: Invalid value: 1: must grow from 0\n");
  CHECK(Errors(kSchema, R"({"o":0})") == "");
  CHECK(Errors(kSchema, R"({"o":2})", R"({"o":1})") == "");
  CHECK(
      Problems(R"yaml({type: object, properties: {l: {type: array, maxItems: 2, items: {type: integer,
      x-kubernetes-validations: [{rule: self == oldSelf}]}}}})yaml") ==
      "schema.properties[l].items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": oldSelf cannot "
      "be used on the uncorrelatable portion of the schema within schema.properties[l]\n");
  CHECK(Problems("{type: object, x-kubernetes-validations: [{rule: 'true', optionalOldSelf: true}]}")
            .find("may not be set if oldSelf is not used in rule") != std::string::npos);
}

TEST_CASE("a rule that failed before is tolerated where nothing changed", "[rules]") {
  constexpr std::string_view kSchema = R"yaml(
type: object
properties:
  a: {type: object, properties: {x: {type: integer}}, x-kubernetes-validations: [{rule: self.x > 0}]}
  b: {type: integer}
)yaml";
  CHECK(Errors(kSchema, R"({"a":{"x":-1},"b":2})", R"({"a":{"x":-1},"b":1})") == "");
  CHECK(Errors(kSchema, R"({"a":{"x":-2},"b":2})", R"({"a":{"x":-1},"b":1})") ==
        "a: Invalid value: failed rule: self.x > 0\n");
  CHECK(Errors(kSchema, R"({"a":{"x":-1}})", R"({"b":1})") == "a: Invalid value: failed rule: self.x > 0\n");
}

TEST_CASE("no schema's rules can cost too much, and no object's do", "[rules]") {
  // A list in a list, of any size, compared with itself.
  const std::string dear = Problems(R"yaml(
type: object
properties:
  l: {type: array, items: {type: array, items: {type: string}}, x-kubernetes-validations:
      [{rule: "self.all(a, a.all(b, self.exists(c, b in c)))"}]
}
)yaml");
  CHECK(
      dear.find("schema.properties[l].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget "
                "by factor of more than 100x") == 0);
  CHECK(dear.find("schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema "
                  "exceeds budget") != std::string::npos);
  CHECK(Problems(R"yaml(
type: object
properties:
  l: {type: array, maxItems: 10, items: {type: array, maxItems: 10, items: {type: string, maxLength: 10}},
      x-kubernetes-validations: [{rule: "self.all(a, a.all(b, self.exists(c, b in c)))"
  }]
  }
)yaml") == "");
  constexpr std::string_view kSchema = R"yaml(
type: object
properties:
  l: {type: array, items: {type: integer}, x-kubernetes-validations:
      [{rule: "self.all(a, self.all(b, a == b))"
}, {rule: "true"}]
}
)yaml";
  std::string list = "[1";
  for (int i = 0; i < 2000; ++i) list += ",1";
  CHECK(Errors(kSchema, R"({"l":)" + list + "]}") ==
        "l: Invalid value: 'operation cancelled: actual cost limit exceeded': no further validation rules will be run "
        "due "
        "to call cost exceeds limit for rule: self.all(a, self.all(b, a == b))\n");
  ErrorList errors;
  std::int64_t budget = 10;
  StructuralSchema::Make(Props(kSchema))
      ->ValidateRules(Json::Parse(R"({"l":[1,1,1]})").value(), nullptr, errors, &budget);
  CHECK(budget < 0);
  CHECK(Text(errors) ==
        "l: Invalid value: validation failed due to running out of cost budget, no further validation "
        "rules will be run\n");
}

TEST_CASE("the texts of rules are checked", "[rules]") {
  const auto problem = [](std::string_view rule, std::string_view part) {
    CAPTURE(rule);
    const std::string text = Problems(
        "{type: object, properties: {a: {type: string, maxLength: 5}}, "
        "x-kubernetes-validations: [" +
        std::string(rule) + "]}");
    CHECK(text.find(part) != std::string::npos);
  };
  problem("{rule: ' '}", "rule: Required value: rule is not specified");
  problem("{rule: 'true', message: ' '}", "message: Invalid value: \" \": must be non-empty if specified");
  problem("{rule: 'true', message: \"a\\nb\"}", "must not contain line breaks");
  problem("{rule: \"true\\n&& true\"}", "message must be specified if rule contains line breaks");
  problem("{rule: 'true', reason: Other}", "Unsupported value: \"Other\"");
  problem("{rule: 'true', fieldPath: .b}", "fieldPath: Invalid value: \".b\": must be a valid path");
  problem("{rule: '1'}", "cel expression must evaluate to a bool");
  problem("{rule: 'true', messageExpression: '1'}", "messageExpression must evaluate to a string");
  problem("{rule: 'self.a =='}", "compilation failed: ERROR: <input>:1:10: Syntax error");
}

}  // namespace
}  // namespace minikube
