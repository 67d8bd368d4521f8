// YAML in and out.
#include <catch2/catch.hpp>

#include <string>

#include <minikube/api/core/v1.h>
#include <minikube/codec.h>

namespace minikube {
namespace {

std::string ToJson(std::string_view yaml) {
  const Result<std::string> json = YamlToJson(yaml);
  if (json.ok()) return *json;
  CHECK(json.status().code() == Code::kBadRequest);
  CHECK(json.status().message().starts_with("error converting YAML to JSON: yaml: "));
  return json.status().message();
}
std::string ToYaml(std::string_view json) {
  const Result<std::string> yaml = JsonToYaml(json);
  return yaml.ok() ? *yaml : yaml.status().message();
}

TEST_CASE("plain scalars resolve as kubectl resolves them") {
  struct Case {
    const char* yaml;
    const char* json;
  };
  const Case cases[] = {
      {"a", R"("a")"},
      {"", "null"},
      {"~", "null"},
      {"null", "null"},
      {"Null", "null"},
      {"nULL", R"("nULL")"},
      {"true", "true"},
      {"True", "true"},
      {"yes", "true"},
      {"off", "false"},
      {"N", "false"},
      {"yEs", R"("yEs")"},
      {"0", "0"},
      {"-0", "0"},
      {"+12", "12"},
      {"0644", "420"},
      {"0o17", "15"},
      {"0x1F", "31"},
      {"0b101", "5"},
      {"08", "8"},
      {"1_000", "1000"},
      {"1.50", "1.5"},
      {"1e3", "1000"},
      {".5", "0.5"},
      {"5.", "5"},
      {"-1.5e-7", "-1.5e-7"},
      {"1.2.3", R"("1.2.3")"},
      {"1e", R"("1e")"},
      {"0x", R"("0x")"},
      {"-", "[null]"},
      {"2001-01-01", R"("2001-01-01")"},
      {"2026-01-02T03:04:05Z", R"("2026-01-02T03:04:05Z")"},
      {"9223372036854775808", "9223372036854775808"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      {"12:30", R"("12:30")"},
      {"'yes'", R"("yes")"},
      {"\"1\"", R"("1")"},
      {"!!str 1", R"("1")"},
      {"!!int 1", "1"},
      {"!!binary Zm9v", R"("foo")"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.yaml);
    CHECK(ToJson(c.yaml) == c.json);
  }
  CHECK(ToJson("a: .nan").find("not a number in JSON") != std::string::npos);
  CHECK(ToJson("!!binary '*'").find("invalid base64") != std::string::npos);
}

TEST_CASE("documents become JSON") {
  CHECK(ToJson("a:\n  b: [1, {c: d}]\n  e: |\n    x\n    y\n") == R"({"a":{"b":[1,{"c":"d"}],"e":"x\ny\n"}})");
  CHECK(ToJson("1: a\ntrue: b\nnull: c") == R"({"1":"a","true":"b","null":"c"})");
  CHECK(ToJson("# nothing\n") == "null");
  CHECK(ToJson("---\na: 1\n---\n") == R"({"a":1})");
  CHECK(ToJson("a: 1\n...\n") == R"({"a":1})");
  CHECK(ToJson("{\"a\": [1, 2]}") == R"({"a":[1,2]})");
  // Duplicates are left to the decoder, which tells the user.
  CHECK(ToJson("a: 1\na: 2") == R"({"a":1,"a":2})");
}

TEST_CASE("anchors and merges are written out") {
  CHECK(ToJson("a: &x {k: v}\nb: *x") == R"({"a":{"k":"v"},"b":{"k":"v"}})");
  CHECK(ToJson("base: &b {x: 1, z: 2}\nc:\n  <<: *b\n  z: 3") == R"({"base":{"x":1,"z":2},"c":{"z":3,"x":1}})");
  CHECK(ToJson("a: &a {x: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b]}") ==
        R"({"a":{"x":1},"b":{"x":2,"z":2},"c":{"x":1,"z":2}})");
  CHECK(ToJson("a: {<<: 1}").find("map merge requires") != std::string::npos);
}

TEST_CASE("what cannot be JSON is refused") {
  CHECK(ToJson("a: 1\n---\nb: 2\n").find("expected a single document") != std::string::npos);
  CHECK(ToJson("a: 1\n---\n---\n...\n") == R"({"a":1})");
  // Indicators where no node can be, which the parser would look at for ever.
  for (const char* yaml : {", {- ]\n", ",", "]", "}", "a: 1\n---\n]", "---\n,\n---\n,"}) {
    CAPTURE(yaml);
    CHECK(ToJson(yaml).find("line ") != std::string::npos);
  }
  CHECK(ToJson("[a]: b").find("a mapping key must be a scalar") != std::string::npos);
  CHECK(ToJson("a: *nowhere").find("line 1") != std::string::npos);
  CHECK(ToJson("a: b: c").find("line 1") != std::string::npos);
  CHECK(ToJson("a:\n\t- b").find("error") != std::string::npos);
  for (const char* yaml : {"[", "{", "\"", "'", "a: \"", "\xc3\xa9: '", "a: [", "- -\n -", "%YAML 9.9\n---\n[", "&",
                           "*", "!!", "\xff", "a: &x *x", "@", "`"}) {
    CAPTURE(yaml);
    CHECK_FALSE(YamlToJson(yaml).ok());
  }
}

TEST_CASE("nesting of yaml is bounded") {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  CHECK(YamlToJson(nested(100)).ok());
  CHECK_FALSE(YamlToJson(nested(101)).ok());
  CHECK_FALSE(YamlToJson(nested(100'000)).ok());
  std::string indented;
  for (std::size_t i = 0; i < 300; ++i) indented += std::string(i, ' ') + "a:\n";
  CHECK_FALSE(YamlToJson(indented).ok());
}

TEST_CASE("a small text cannot become a huge one") {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) bomb += (k == 0 ? "" : ",") + below;
    bomb += "]\n";
  }
  CHECK(ToJson(bomb).find("excessive aliasing") != std::string::npos);
  CHECK(ToJson("a: &a [*a]").find("nested too deeply") != std::string::npos);
}

TEST_CASE("YAML is written as kubectl writes it") {
  CHECK(ToYaml(R"({"kind":"Pod","apiVersion":"v1","spec":{"b":[{"x":1,"a":[]},["y",{}]],"a":null}})") ==
        "apiVersion: v1\nkind: Pod\nspec:\n  a: null\n  b:\n  - a: []\n    x: 1\n  - - \"y\"\n    - {}\n");
  CHECK(ToYaml("[]") == "[]\n");
  CHECK(ToYaml("\"a\"") == "a\n");
  CHECK(ToYaml(R"({"a":"x\ny\n","b":"x\n\n  y","c":" x\n","d":"x\n\n","e":"x \ny"})") ==
        "a: |\n  x\n  y\nb: |-\n  x\n\n    y\nc: |2\n   x\nd: |+\n  x\n\ne: \"x \\ny\"\n");
  CHECK(ToYaml("{") == "unexpected end of JSON input");
}

TEST_CASE("strings are quoted where they would mean something else") {
  struct Case {
    const char* text;
    const char* yaml;
  };
  const Case cases[] = {
      {"plain text", "plain text"},
      {"", "\"\""},
      {"true", "\"true\""},
      {"yes", "\"yes\""},
      {"n", "\"n\""},
      {"null", "\"null\""},
      {"12", "\"12\""},
      {"1.5", "\"1.5\""},
      {"0x1F", "\"0x1F\""},
      {"1e3", "\"1e3\""},
      {"2001-01-01", "\"2001-01-01\""},
      {"190:20:30", "\"190:20:30\""},
      {"a: b", "'a: b'"},
      {"a #b", "'a #b'"},
      {"a:b", "a:b"},
      {"a#b", "a#b"},
      {"- a", "'- a'"},
      {"-a", "-a"},
      {"*a", "'*a'"},
      {"it's", "it's"},
      {"'q'", "'''q'''"},
      {" a", "' a'"},
      {"a:", "'a:'"},
      {"{a}", "'{a}'"},
      {"---", "'---'"},
      {"%a", "'%a'"},
      {"@a", "'@a'"},
      {"\t", "\"\\t\""},
      {"\x7f", "\"\\u007f\""},
      {"\xc2\x85", "\"\\u0085\""},
      {"\xef\xbb\xbf", "\"\\ufeff\""},
      {"\xc3\xa9", "\xc3\xa9"},
  };
  for (const Case& c : cases) {
    std::string json = "\"";
    for (const char* p = c.text; *p != 0; ++p) *p == '\t' ? json += "\\t" : json += *p;
    CAPTURE(c.text);
    CHECK(ToYaml(json + '"') == std::string(c.yaml) + "\n");
    CHECK(ToJson(ToYaml(json + '"')) == json + '"');
  }
}

TEST_CASE("objects are read from YAML") {
  const Result<ObjectPtr> object = Decode(MediaType::kYaml, R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  volumes:
  - name: config
    configMap: {name: c, defaultMode: 0644}
  containers:
  - name: web
    command: [sh, -c, "echo hi"]
)",
                                          nullptr);
  REQUIRE(object.ok());
  const auto& pod = (*object)->As<core::v1::Pod>();
  CHECK(pod.spec.volumes[0].configMap->defaultMode == 420);
  CHECK(pod.spec.containers[0].command == List<Str>{"sh", "-c", "echo hi"});

  DecodeOptions strict;
  strict.validation = FieldValidation::kStrict;
  CHECK(Decode(MediaType::kYaml, "apiVersion: v1\nkind: Pod\nspec: {}\nspec: {}\nspek: 1\n", nullptr, strict)
            .status()
            .message() == R"(strict decoding error: duplicate field "spec", unknown field "spek")");
}

}  // namespace
}  // namespace minikube
