// JSON in and out: what is accepted, what is refused and how it is said, and how values are written.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <minikube/api/apiextensions/v1.h>
#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/api/policy/v1.h>
#include <minikube/codec.h>

#include "model/json_codec.h"
#include "model/json_reader.h"
#include "model/type_meta.h"

namespace minikube {
namespace {

using core::v1::ConfigMap;
using core::v1::Pod;

Result<ObjectPtr> DecodeJson(std::string_view json, FieldValidation validation = FieldValidation::kIgnore,
                             std::vector<std::string>* warnings = nullptr) {
  DecodeOptions options;
  options.validation = validation;
  options.warnings = warnings;
  return Decode(MediaType::kJson, json, nullptr, options);
}

std::string ErrorOf(std::string_view json, FieldValidation validation = FieldValidation::kIgnore) {
  const Result<ObjectPtr> object = DecodeJson(json, validation);
  if (object.ok()) return "";
  CHECK(object.status().code() == Code::kBadRequest);
  return object.status().message();
}

std::string PodWith(std::string_view members) {
  return R"({"apiVersion":"v1","kind":"Pod",)" + std::string(members) + "}";
}

TEST_CASE("a pod is decoded into its struct") {
  const Result<ObjectPtr> object = DecodeJson(PodWith(R"(
    "metadata": {"name": "a\u0062c", "labels": {"z": "1", "a": "2"}, "creationTimestamp": "2026-01-02T03:04:05Z"},
    "spec": {"containers": [{"name": "c", "image": "example.com/image:latest", "ports": [{"containerPort": 80}],
             "resources": {"limits": {"memory": "1024Mi", "cpu": 1.5}},
             "livenessProbe": {"httpGet": {"port": "http"}}}],
             "terminationGracePeriodSeconds": 0, "hostNetwork": true})"));
  REQUIRE(object.ok());
  const Pod& pod = (*object)->As<Pod>();
  CHECK(pod.metadata.name == "abc");
  CHECK(pod.metadata.labels.begin()[0].key == "a");
  CHECK(*pod.metadata.labels.Find("z") == "1");
  CHECK(pod.metadata.creationTimestamp.unix_micros() == 1'767'323'045'000'000);
  REQUIRE(pod.spec.containers.size() == 1);
  const auto& container = pod.spec.containers[0];
  CHECK(container.ports[0].containerPort == 80);
  CHECK(container.resources.limits.Find("memory")->text == "1Gi");
  CHECK(container.resources.limits.Find("cpu")->text == "1500m");
  CHECK(container.livenessProbe->httpGet->port == IntOrString("http"));
  CHECK(pod.spec.terminationGracePeriodSeconds == 0);
  CHECK(pod.spec.hostNetwork);
  CHECK_FALSE(pod.spec.priority.has_value());
  CHECK((*object)->meta().name == "abc");
}

TEST_CASE("a value of the wrong type is refused in the words of Go's decoder") {
  struct Case {
    const char* members;
    const char* error;
  };
  const Case cases[] = {
      {R"("spec":{"priority":"high"})",
       "json: cannot unmarshal string into Go struct field PodSpec.spec.priority of type int32"},
      {R"("spec":{"priority":1.0})",
       "json: cannot unmarshal number 1.0 into Go struct field PodSpec.spec.priority of type int32"},
      {R"("spec":{"priority":1e3})",
       "json: cannot unmarshal number 1e3 into Go struct field PodSpec.spec.priority of type int32"},
      {R"("spec":{"priority":2147483648})",
       "json: cannot unmarshal number 2147483648 into Go struct field PodSpec.spec.priority of type int32"},
      {R"("spec":{"priority":-2147483649})",
       "json: cannot unmarshal number -2147483649 into Go struct field PodSpec.spec.priority of type int32"},
      {R"("metadata":{"generation":9223372036854775808})",
       "json: cannot unmarshal number 9223372036854775808 into Go struct field ObjectMeta.metadata.generation of type "
       "int64"},
      {R"("spec":{"hostNetwork":"true"})",
       "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"},
      {R"("spec":{"nodeName":true})",
       "json: cannot unmarshal bool into Go struct field PodSpec.spec.nodeName of type string"},
      {R"("spec":{"containers":{}})",
       "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"},
      {R"("spec":{"containers":[{"name":"a"},{"name":5}]})",
       "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string"},
      {R"("spec":[])", "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec"},
      {R"("metadata":{"labels":{"app":1}})",
       "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"},
      {R"("metadata":{"labels":[]})",
       "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string"},
      {R"("metadata":{"creationTimestamp":5})",
       "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"},
      {R"("metadata":{"creationTimestamp":"yesterday"})",
       R"(parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006")"},
      {R"("spec":{"containers":[{"livenessProbe":{"httpGet":{"port":true}}}]})",
       "json: cannot unmarshal bool into Go struct field HTTPGetAction.spec.containers.livenessProbe.httpGet.port of "
       "type int32"},
      {R"("spec":{"overhead":7})",
       "json: cannot unmarshal number into Go struct field PodSpec.spec.overhead of type v1.ResourceList"},
      {R"("spec":{"overhead":{"cpu":"a lot"}})",
       "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
      {R"("spec":{"overhead":{"cpu":[]}})",
       "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
      // The first of several; but a text that is no JSON is that, wherever it goes wrong.
      {R"("spec":{"priority":"high","hostNetwork":1})",
       "json: cannot unmarshal string into Go struct field PodSpec.spec.priority of type int32"},
      {R"("spec":{"priority":"high","hostNetwork":yes})",
       "couldn't get version/kind; json parse error: invalid character 'y' looking for beginning of value"},
  };
  for (const Case& c : cases) CHECK(ErrorOf(PodWith(c.members)) == c.error);
  CHECK(ErrorOf(R"({"apiVersion":"v1","kind":"Secret","data":{"a":"***"}})") == "illegal base64 data at input byte 0");
  CHECK(ErrorOf(R"({"apiVersion":"v1","kind":"Secret","data":{"a":7}})") ==
        "json: cannot unmarshal number into Go struct field Secret.data of type []uint8");
}

TEST_CASE("null is absence") {
  const Result<ObjectPtr> object =
      DecodeJson(PodWith(R"("metadata":{"name":null,"labels":null,"deletionTimestamp":null},
    "spec":{"containers":null,"priority":null,"affinity":null},"status":null)"));
  REQUIRE(object.ok());
  CHECK(Equal(**object, *ObjectPtr::Of(Pod{})));
}

TEST_CASE("what would be written as null is absent") {
  const auto decoded = [](std::string_view json) {
    apiextensions::v1::JSONSchemaProps props;
    REQUIRE(DecodeJsonMessage(DescriptorOf<apiextensions::v1::JSONSchemaProps>(), json, &props).ok());
    return props;
  };
  CHECK_FALSE(decoded(R"({"items":[]})").items);
  CHECK(decoded(R"({"items":{}})").items);
  CHECK(decoded(R"({"additionalProperties":false})").additionalProperties);
  const Result<ObjectPtr> object = DecodeJson(PodWith(R"("metadata":{"deletionTimestamp":"0001-01-01T00:00:00Z"},
    "spec":{"overhead":{"cpu":null}})"));
  REQUIRE(object.ok());
  CHECK_FALSE((*object)->meta().deletionTimestamp.has_value());
  CHECK((*object)->As<Pod>().spec.overhead.Find("cpu")->text == "0");
}

TEST_CASE("null as an element is an empty one") {
  const Result<ObjectPtr> object = DecodeJson(PodWith(R"("metadata":{"finalizers":[null],"labels":{"a":null}})"));
  REQUIRE(object.ok());
  CHECK((*object)->meta().finalizers == List<Str>{""});
  CHECK((*object)->meta().labels.Contains("a"));
}

TEST_CASE("unknown and duplicate fields follow the field validation asked for") {
  const std::string json = PodWith(R"("metadata":{"name":"a","name":"b","labels":{"x":"1","x":"2"},"nome":1},
    "spec":{"containers":[{},{"imagee":"i","Image":"i"}]},"extra":{"deep":[1,{"a":null}]})");
  const std::string all =
      R"(duplicate field "metadata.name", duplicate field "metadata.labels.x", unknown field "metadata.nome", )"
      R"(unknown field "spec.containers[1].imagee", unknown field "spec.containers[1].Image", unknown field "extra")";
  CHECK(ErrorOf(json, FieldValidation::kStrict) == "strict decoding error: " + all);

  std::vector<std::string> warnings;
  const Result<ObjectPtr> warned = DecodeJson(json, FieldValidation::kWarn, &warnings);
  REQUIRE(warned.ok());
  REQUIRE(warnings.size() == 6);
  CHECK(warnings[0] == R"(duplicate field "metadata.name")");
  CHECK(warnings[5] == R"(unknown field "extra")");

  const Result<ObjectPtr> ignored = DecodeJson(json);
  REQUIRE(ignored.ok());
  CHECK((*ignored)->meta().name == "b");  // the last one counts
  CHECK(*(*ignored)->meta().labels.Find("x") == "2");
  CHECK((*ignored)->meta().labels.size() == 1);
}

TEST_CASE("a duplicate list replaces the first") {
  const Result<ObjectPtr> object = DecodeJson(PodWith(R"("metadata":{"finalizers":["a","b"],"finalizers":["c"]})"));
  REQUIRE(object.ok());
  CHECK((*object)->meta().finalizers == List<Str>{"c"});
}

TEST_CASE("complaints are bounded") {
  std::string json = R"({"apiVersion":"v1","kind":"Pod")";
  for (int i = 0; i < 1000; ++i) json += ",\"x" + std::to_string(i) + "\":1";
  std::vector<std::string> warnings;
  REQUIRE(DecodeJson(json + "}", FieldValidation::kWarn, &warnings).ok());
  CHECK(warnings.size() == 100);
}

TEST_CASE("kind and apiVersion say the type") {
  CHECK(ErrorOf(R"({"apiVersion":"v1"})") == R"(Object 'Kind' is missing in '{"apiVersion":"v1"}')");
  CHECK(ErrorOf(R"({"kind":"Pod"})") == R"(Object 'apiVersion' is missing in '{"kind":"Pod"}')");
  CHECK(ErrorOf(R"({"kind":"Pid","apiVersion":"v1"})") == R"(no kind "Pid" is registered for version "v1" in scheme)");
  CHECK(ErrorOf(R"({"kind":"Pod","apiVersion":"apps/v1"})") ==
        R"(no kind "Pod" is registered for version "apps/v1" in scheme)");
  CHECK(ErrorOf(R"({"kind":"Pod","apiVersion":"a/b/v1"})") == "unexpected GroupVersion string: a/b/v1");
  CHECK(ErrorOf(R"({"kind":7,"apiVersion":"v1"})") ==
        "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type "
        "string");
  CHECK(ErrorOf("[]").starts_with(
      "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct {"));
  // Members may come in any order.
  CHECK(DecodeJson(R"({"spec":{"nodeName":"n"},"kind":"Pod","metadata":{},"apiVersion":"v1"})").ok());
}

TEST_CASE("an expected type fills in for a missing one and refuses others") {
  const MessageDesc* pod = &DescriptorOf<Pod>();
  const auto decode = [&](std::string_view json) { return Decode(MediaType::kJson, json, pod).status().message(); };
  CHECK(decode(R"({"metadata":{"name":"a"}})").empty());
  CHECK(decode(R"({"kind":"Pod"})").empty());
  CHECK(decode(R"({"apiVersion":"v1"})").empty());
  CHECK(decode(R"({"kind":"Pod","apiVersion":"v2"})") ==
        "the API version in the data (v2) does not match the expected API version (v1)");
  CHECK(decode(R"({"kind":"Node","apiVersion":"v1"})") == "converting (v1.Node) to (core.Pod): unknown conversion");
  CHECK(decode(R"({"kind":"Ingress","apiVersion":"networking.k8s.io/v1"})") ==
        "converting (v1.Ingress) to (core.Pod): unknown conversion");
}

TEST_CASE("an eviction is one in its first version too") {
  const MessageDesc* eviction = &DescriptorOf<policy::v1::Eviction>();
  const auto decode = [&](std::string_view json) { return Decode(MediaType::kJson, json, eviction); };
  const Result<ObjectPtr> old = decode(R"({"kind":"Eviction","apiVersion":"policy/v1beta1","metadata":{"name":"a"}})");
  REQUIRE(old.ok());
  CHECK((*old)->meta().name == "a");
  CHECK(decode(R"({"kind":"Eviction","apiVersion":"policy/v2"})").status().code() == Code::kBadRequest);
}

TEST_CASE("an error is told to the sender of the object") {
  const MessageDesc& pod = DescriptorOf<Pod>();
  const auto explain = [&](MediaType type, std::string_view bytes) {
    DecodeOptions options;
    options.validation = FieldValidation::kStrict;
    const Result<ObjectPtr> object = Decode(type, bytes, &pod, options);
    return object ? "" : model::ExplainDecodeError(object.status(), type, bytes, pod).message();
  };
  const auto explain_json = [&](std::string_view json) { return explain(MediaType::kJson, json); };
  CHECK(explain_json(R"({"kind":"Pod","spec":{"foo":1,"containers":[{"bar":1}]}})") ==
        "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.foo\", unknown "
        "field \"spec.containers[0].bar\"");
  CHECK(explain_json(R"({"spec":7})") ==
        "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field Pod.spec "
        "of type v1.PodSpec");
  CHECK(explain_json(R"({"apiVersion":"apps/v1","kind":"Deployment"})") ==
        "Deployment in version \"v1\" cannot be handled as a Pod: converting (v1.Deployment) to (core.Pod): unknown "
        "conversion");
  CHECK(explain(MediaType::kYaml, "spec: {priority: high}") ==
        "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field "
        "PodSpec.spec.priority of type int32");
  // Nobody knows what it was meant to be.
  CHECK(explain_json("") ==
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: "
        "unexpected end of JSON input (<empty>)");
  CHECK(explain_json(R"({"apiVersion":"v1","kind":"Pod","metadata":})") ==
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: "
        "invalid character '}' looking for beginning of value ({\"apiVersion\":\"v1\",\"kind\":\"Pod ...)");
  CHECK(explain_json("no") ==
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: "
        "invalid character 'o' in literal null (expecting 'u') (6e6f)");
}

TEST_CASE("malformed JSON is refused") {
  for (const char* json : {"",
                           " ",
                           "{",
                           "}",
                           "{]",
                           "[}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\":1 \"b\":2}",
                           "{a:1}",
                           "{'a':1}",
                           "{\"a\":01}",
                           "{\"a\":1.}",
                           "{\"a\":.5}",
                           "{\"a\":+1}",
                           "{\"a\":1e}",
                           "{\"a\":-}",
                           "{\"a\":0x1}",
                           "{\"a\":NaN}",
                           "{\"a\":tru}",
                           "{\"a\":nulll}",
                           "{\"a\":\"",
                           "{\"a\":\"\\",
                           "{\"a\":\"\\x\"}",
                           "{\"a\":\"\\u12\"}",
                           "{\"a\":\"\\u12g4\"}",
                           "{\"a\":\"\n\"}",
                           "{\"a\":\"\t\"}",
                           "{\"a\":[1,]}",
                           "{\"a\":[,1]}",
                           "{\"a\":[1 2]}",
                           "{\"a\":1}}",
                           "{\"a\":1}{",
                           "{\"a\":\"\xff\"}",
                           "{\"a\":\"\xc0\x80\"}",
                           "{\"a\":\"\xed\xa0\x80\"}",
                           "\xef\xbb\xbf{}",
                           "{\"a\":1}\x01",
                           "// comment\n{}",
                           "{\"a\":1 /* */}"}) {
    CAPTURE(json);
    // With an expected type, so that the text is read to its end.
    const Result<ObjectPtr> object = Decode(MediaType::kJson, json, &DescriptorOf<Pod>());
    REQUIRE_FALSE(object.ok());
    CHECK(object.status().code() == Code::kBadRequest);
  }
}

TEST_CASE("malformed JSON is described in the words of Go's scanner") {
  struct Case {
    const char* json;
    const char* error;
  };
  const Case cases[] = {
      {"", "unexpected end of JSON input"},
      {R"({"a":)", "unexpected end of JSON input"},
      {R"({"a":"b)", "unexpected end of JSON input"},
      {R"({"a":tr)", "unexpected end of JSON input"},
      {R"({"a":-)", "unexpected end of JSON input"},
      {R"({"a":"\u12)", "unexpected end of JSON input"},
      {"x", "invalid character 'x' looking for beginning of value"},
      {"{'a':1}", R"(invalid character '\'' looking for beginning of object key string)"},
      {R"({"a" 1})", "invalid character '1' after object key"},
      {R"({"a":1 "b":2})", "invalid character '\"' after object key:value pair"},
      {R"({"a":01})", "invalid character '1' after object key:value pair"},
      {R"({"a":[1 2]})", "invalid character '2' after array element"},
      {R"({"a":[1,]})", "invalid character ']' looking for beginning of value"},
      {R"({"a":1}})", "invalid character '}' after top-level value"},
      {R"({"a":-x})", "invalid character 'x' in numeric literal"},
      {R"({"a":1.x})", "invalid character 'x' after decimal point in numeric literal"},
      {R"({"a":1ex})", "invalid character 'x' in exponent of numeric literal"},
      {R"({"a":trve})", "invalid character 'v' in literal true (expecting 'u')"},
      {R"({"a":nulL})", "invalid character 'L' in literal null (expecting 'l')"},
      {R"({"a":"\x"})", "invalid character 'x' in string escape code"},
      {R"({"a":"\u12g4"})", R"(invalid character 'g' in \u hexadecimal character escape)"},
      {"{\"a\":\"\n\"}", R"(invalid character '\n' in string literal)"},
  };
  for (const Case& c : cases) {
    const Result<ObjectPtr> object = Decode(MediaType::kJson, c.json, &DescriptorOf<Pod>());
    CHECK(object.status().message() == std::string("couldn't get version/kind; json parse error: ") + c.error);
  }
}

TEST_CASE("every prefix of a valid object is refused without harm") {
  const std::string json =
      PodWith(R"("metadata":{"name":"\ud83d\ude00\n","labels":{"a":"b"}},"spec":{"containers":[{"name":
    "c","ports":[{"containerPort":80}]}],"hostNetwork":true,"priority":-12})");
  REQUIRE(DecodeJson(json).ok());
  for (std::size_t n = 0; n < json.size(); ++n) {
    const std::string prefix(json.data(), n);  // a buffer of its own: reading past it would be seen
    REQUIRE_FALSE(Decode(MediaType::kJson, prefix, &DescriptorOf<Pod>()).ok());
  }
}

TEST_CASE("nesting of json is bounded") {
  const auto nested = [](int depth) {
    return R"({"apiVersion":"v1","kind":"Pod","x":)" + std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']') + "}";
  };
  CHECK(DecodeJson(nested(99)).ok());
  CHECK(ErrorOf(nested(100)).find("exceeded max depth") != std::string::npos);
  CHECK(ErrorOf(nested(1'000'000)).find("exceeded max depth") != std::string::npos);
}

TEST_CASE("strings keep every character") {
  const auto name = [](std::string_view literal) {
    const Result<ObjectPtr> object = DecodeJson(PodWith("\"metadata\":{\"name\":" + std::string(literal) + "}"));
    REQUIRE(object.ok());
    return (*object)->meta().name.str();
  };
  CHECK(name(R"("\"\\\/\b\f\n\r\t\u0000\u00e9\u20ac\ud83d\ude00")") ==
        std::string("\"\\/\b\f\n\r\t\0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 18));
  CHECK(name(R"("\ud83d")") == "\xef\xbf\xbd");  // half a character
  CHECK(name(R"("\ude00x")") == "\xef\xbf\xbdx");
  CHECK(name(R"("\ud83dA")") ==
        "\xef\xbf\xbd"
        "A");
  CHECK(name(R"("\ud83d\u0041")") ==
        "\xef\xbf\xbd"
        "A");
}

TEST_CASE("strings are escaped no more than JSON needs") {
  const auto written = [](std::string_view text) {
    std::string out;
    model::AppendJsonString(text, out);
    return out;
  };
  CHECK(written("plain, 'quoted' </script> \x7f") == "\"plain, 'quoted' </script> \x7f\"");
  CHECK(written("\"\\/\b\f\n\r\t") == R"("\"\\/\b\f\n\r\t")");
  CHECK(written(std::string_view("\0\x1f", 2)) == R"("\u0000\u001f")");
  CHECK(written("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa") == "\"\\u2028\\u2029\xe2\x80\xaa\"");
  CHECK(written("a\xff"
                "b\xc3") == R"("a\ufffdb\ufffd")");
  CHECK(written("\xed\xa0\x80") == R"("\ufffd\ufffd\ufffd")");
  // Every length around the eight bytes that are looked at together.
  for (std::size_t n = 0; n < 40; ++n) {
    for (std::size_t at = 0; at < n; ++at) {
      std::string text(n, 'x');
      text[at] = '"';
      const std::string expected = '"' + text.substr(0, at) + "\\\"" + text.substr(at + 1) + '"';
      REQUIRE(written(text) == expected);
    }
  }
}

TEST_CASE("numbers are written as Go writes them") {
  const auto written = [](double value) {
    std::string out;
    model::AppendJsonDouble(value, out);
    return out;
  };
  CHECK(written(0) == "0");
  CHECK(written(1) == "1");
  CHECK(written(-1.5) == "-1.5");
  CHECK(written(0.1) == "0.1");
  CHECK(written(1e20) == "100000000000000000000");
  CHECK(written(1e21) == "1e+21");
  CHECK(written(1e-6) == "0.000001");
  CHECK(written(1e-7) == "1e-7");
  CHECK(written(1.5e-10) == "1.5e-10");
  CHECK(written(5e-324) == "5e-324");
  CHECK(written(1.7976931348623157e308) == "1.7976931348623157e+308");
}

TEST_CASE("doubles out of range are refused or become zero") {
  const model::ValueType type{FieldType::kDouble, nullptr};
  const auto read = [&](std::string_view text) {
    double value = -1;
    return model::DecodeJsonValue(type, text, &value).ok() ? value : -2;
  };
  CHECK(read("1e308") == 1e308);
  CHECK(read("1e309") == -2);
  CHECK(read("1" + std::string(400, '0')) == -2);
  CHECK(read("1e-400") == 0);
  CHECK(read("0." + std::string(400, '0') + "1") == 0);
  CHECK(read("0.1e99999999999999999999") == -2);
}

TEST_CASE("kind and apiVersion come first, empty fields stay out") {
  Pod pod;
  pod.metadata.name = "a";
  pod.spec.containers.push_back({.name = "c"});
  CHECK(
      EncodeJson(*ObjectPtr::Of(pod)) ==
      R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","resources":{}}]},)"
      R"("status":{}})");
  CHECK(EncodeJson(*ObjectPtr::Of(core::v1::PodList{})) ==
        R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]})");
  core::v1::PodList list;
  list.items.push_back(pod);
  CHECK(EncodeJson(*ObjectPtr::Of(list)).find(R"("items":[{"metadata":{"name":"a"})") != std::string::npos);
  std::string bare;
  EncodeJsonMessage(DescriptorOf<Pod>(), &pod, bare);
  CHECK(bare.starts_with(R"({"metadata":)"));
}

TEST_CASE("the claims of a StatefulSet are whole objects") {
  apps::v1::StatefulSet set;
  set.spec.volumeClaimTemplates.push_back({});
  const std::string json = EncodeJson(*ObjectPtr::Of(set));
  CHECK(json.find(R"("volumeClaimTemplates":[{"kind":"PersistentVolumeClaim","apiVersion":"v1",)") !=
        std::string::npos);
  CHECK(DecodeJson(json, FieldValidation::kStrict).ok());
}

TEST_CASE("a host's quantities are written canonically") {
  Pod pod;
  pod.spec.overhead["cpu"] = "1000m";
  pod.spec.overhead["memory"] = Quantity();
  CHECK(EncodeJson(*ObjectPtr::Of(pod)).find(R"("overhead":{"cpu":"1","memory":"0"})") != std::string::npos);
}

TEST_CASE("raw JSON is kept, without its white space") {
  const Result<ObjectPtr> object = DecodeJson(R"({"apiVersion":"apps/v1","kind":"ControllerRevision","data":
     { "a b" : [ 1.0 , 1e400, 123456789012345678901234567890 ] , "q\"\\" : " \" " , "a b" : null },"revision":1})");
  REQUIRE(object.ok());
  const Str& json = (*object)->As<apps::v1::ControllerRevision>().data.json;
  CHECK(json == R"({"a b":[1.0,1e400,123456789012345678901234567890],"q\"\\":" \" ","a b":null})");
  CHECK(EncodeJson(**object).find(json.view()) != std::string::npos);
  CHECK_FALSE(DecodeJson(R"({"apiVersion":"apps/v1","kind":"ControllerRevision","data":{"a":01}})").ok());
}

TEST_CASE("the unions of JSON schemas take all their forms") {
  using apiextensions::v1::JSONSchemaProps;
  const auto round_trip = [](std::string_view json) {
    JSONSchemaProps props;
    const Status status = DecodeJsonMessage(DescriptorOf<JSONSchemaProps>(), json, &props);
    if (!status.ok()) return status.message();
    std::string out;
    EncodeJsonMessage(DescriptorOf<JSONSchemaProps>(), &props, out);
    return out;
  };
  for (const char* json :
       {R"({"additionalProperties":false})", R"({"additionalProperties":true})",
        R"({"additionalProperties":{"type":"string"}})", R"({"items":{"type":"string"}})",
        R"({"items":[{"type":"string"},{}]})", R"({"dependencies":{"a":["b","c"],"d":{"type":"x"}}})",
        R"({"default":null})", R"({"enum":[1,"a",null]})"}) {
    if (std::string_view(json) == R"({"default":null})") {
      CHECK(round_trip(json) == "{}");  // null is absence
    } else {
      CHECK(round_trip(json) == json);
    }
  }
  CHECK(round_trip(R"({"items":"x"})") ==
        "json: cannot unmarshal string into Go struct field JSONSchemaProps.items of type v1.JSONSchemaPropsOrArray");
  CHECK(round_trip(R"({"additionalProperties":[]})") == "boolean or JSON schema expected");
}

TEST_CASE("repeated strings share one representation") {
  const Result<ObjectPtr> object = DecodeJson(
      PodWith(R"("spec":{"containers":[{"image":"example.com/shared-image"},{"image":"example.com/shared-image"}]})"));
  REQUIRE(object.ok());
  const auto& containers = (*object)->As<Pod>().spec.containers;
  CHECK(containers[0].image.same(containers[1].image));
}

TEST_CASE("single values and fields have a JSON form") {
  const FieldDesc& labels = *DescriptorOf<meta::v1::ObjectMeta>().Find("labels");
  meta::v1::ObjectMeta meta;
  REQUIRE(model::DecodeJsonField(labels, R"({"b":"1","a":"2"})", &meta).ok());
  std::string out;
  model::EncodeJsonField(labels, &meta, out);
  CHECK(out == R"({"a":"2","b":"1"})");
  out.clear();
  model::EncodeJsonField(*DescriptorOf<meta::v1::ObjectMeta>().Find("finalizers"), &meta, out);
  CHECK(out == "null");
  meta::v1::ObjectMeta other;
  CHECK(model::DecodeJsonField(labels, R"({"b":1})", &other).message() ==
        "json: cannot unmarshal number into Go value of type string");
  CHECK_FALSE(model::DecodeJsonField(labels, R"({} x)", &other).ok());
}

}  // namespace
}  // namespace minikube
