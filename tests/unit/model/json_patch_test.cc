#include "model/json_patch.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "model/json_text.h"

namespace minikube {
namespace {

using Json = nlohmann::json;

Json Parse(std::string_view text) { return Json::parse(text); }

Json Patched(std::string_view document, std::string_view patch) {
  Json out = Parse(document);
  const Status status = JsonPatch(out, Parse(patch));
  INFO(status.ToString());
  CAPTURE(document, patch);
  REQUIRE(status.ok());
  return out;
}

std::string WhyNot(std::string_view document, std::string_view patch) {
  Json out = Parse(document);
  const Status status = JsonPatch(out, Parse(patch));
  CAPTURE(document, patch);
  REQUIRE(status.code() == Code::kInvalid);
  CHECK(status.message() == "the server rejected our request due to an error in our request");
  REQUIRE(status.details().causes.size() == 1);
  CHECK(status.details().causes[0].field == "patch");
  return status.details().causes[0].message;
}

TEST_CASE("RFC 6902 operations") {
  CHECK(Patched(R"({"a":1})", R"([{"op":"add","path":"/b","value":[1]}])") == Parse(R"({"a":1,"b":[1]})"));
  CHECK(Patched(R"({"a":1})", R"([{"op":"add","path":"/a","value":2}])") == Parse(R"({"a":2})"));
  CHECK(Patched(R"([1,3])", R"([{"op":"add","path":"/1","value":2}])") == Parse("[1,2,3]"));
  CHECK(Patched(R"([1])", R"([{"op":"add","path":"/1","value":2},{"op":"add","path":"/-","value":3}])") ==
        Parse("[1,2,3]"));
  CHECK(Patched(R"({"a":[1,2]})", R"([{"op":"remove","path":"/a/0"}])") == Parse(R"({"a":[2]})"));
  CHECK(Patched(R"({"a":1,"b":2})", R"([{"op":"remove","path":"/a"}])") == Parse(R"({"b":2})"));
  CHECK(Patched(R"({"a":1})", R"([{"op":"replace","path":"/a","value":{"x":null}}])") == Parse(R"({"a":{"x":null}})"));
  CHECK(Patched(R"({"a":[1,2]})", R"([{"op":"replace","path":"/a/1","value":9}])") == Parse(R"({"a":[1,9]})"));
  CHECK(Patched(R"({"a":{"x":1}})", R"([{"op":"move","from":"/a/x","path":"/b"}])") == Parse(R"({"a":{},"b":1})"));
  CHECK(Patched(R"([1,2,3])", R"([{"op":"move","from":"/0","path":"/2"}])") == Parse("[2,3,1]"));
  CHECK(Patched(R"({"a":{"x":1}})", R"([{"op":"copy","from":"/a","path":"/b"}])") ==
        Parse(R"({"a":{"x":1},"b":{"x":1}})"));
  CHECK(Patched(R"({"a":1})", R"([{"op":"test","path":"/a","value":1}])") == Parse(R"({"a":1})"));
  CHECK(Patched(R"({"a":1})", R"([{"op":"test","path":"/nothing","value":null}])") == Parse(R"({"a":1})"));
  CHECK(Patched(R"({"a":1})", R"([{"op":"replace","path":"","value":{"b":2}}])") == Parse(R"({"b":2})"));
}

TEST_CASE("Pointers escape ~ and /, and an empty step is a member") {
  CHECK(Patched(R"({"a/b":1,"c~d":2,"":3})",
                R"([{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/c~0d"},{"op":"remove","path":"/"}])") ==
        Parse("{}"));
  CHECK_THAT(WhyNot("{}", R"([{"op":"add","path":"/a~2","value":1}])"), Catch::Contains("bad escape"));
  CHECK_THAT(WhyNot("{}", R"([{"op":"add","path":"/a~","value":1}])"), Catch::Contains("bad escape"));
}

TEST_CASE("An operation that does not apply is told") {
  CHECK(WhyNot(R"({"a":1})", R"([{"op":"test","path":"/a","value":2}])") == "testing value /a failed");
  CHECK(WhyNot("{}", R"([{"op":"remove","path":"/a"}])") == "remove operation does not apply: doc is missing path: /a");
  // A member may be missing, what has it may not; nor may an item of a list.
  CHECK(WhyNot("{}", R"([{"op":"replace","path":"/a/b","value":1}])") ==
        "replace operation does not apply: doc is missing path: /a/b");
  CHECK(WhyNot(R"({"a":[]})", R"([{"op":"replace","path":"/a/0","value":1}])") ==
        "replace operation does not apply: doc is missing path: /a/0");
  CHECK(WhyNot("{}", R"([{"op":"add","path":"/a/b","value":1}])") ==
        "add operation does not apply: doc is missing path: /a/b");
  CHECK(WhyNot(R"({"a":1})", R"([{"op":"add","path":"/a/b","value":1}])") ==
        "add operation does not apply: doc is missing path: /a/b");
  CHECK(WhyNot("[1]", R"([{"op":"add","path":"/3","value":1}])") ==
        "add operation does not apply: invalid array index: /3");
  CHECK(WhyNot("[1,2]", R"([{"op":"add","path":"/01","value":1}])") ==
        "add operation does not apply: invalid array index: /01");
  CHECK(WhyNot("[1]", R"([{"op":"remove","path":"/-"}])") ==
        "remove operation does not apply: doc is missing path: /-");
  CHECK(WhyNot(R"({"a":{}})", R"([{"op":"move","from":"/a","path":"/a/b"}])") == "move operation from /a into itself");
  CHECK(WhyNot("{}", R"([{"op":"copy","from":"/a","path":"/b"}])") ==
        "copy operation does not apply: doc is missing path: /a");
  CHECK(WhyNot("{}", R"([{"op":"frob","path":"/a"}])") == "unknown operation \"frob\"");
  CHECK(WhyNot("{}", R"([{"op":"add","path":"/a"}])") == "add operation without \"value\"");
  CHECK(WhyNot("{}", R"([{"path":"/a"}])") == "operation without \"op\"");
  CHECK(WhyNot("{}", R"([{"op":"add","value":1}])") == "operation without \"path\"");
  CHECK(WhyNot("{}", R"([{"op":"add","path":"a","value":1}])") == "\"path\" does not start with \"/\": a");
}

TEST_CASE("A patch that is not a list of operations is a bad request") {
  for (const char* patch : {"{}", "1", "null", "[1]", "[[]]"}) {
    Json document = Json::object();
    CHECK(JsonPatch(document, Parse(patch)).code() == Code::kBadRequest);
  }
}

TEST_CASE("Operations, copies and path lengths are limited") {
  Json document = Json::object();
  Json many = Json::array();
  for (int i = 0; i < 10'001; ++i) many.push_back({{"op", "add"}, {"path", "/a"}, {"value", 1}});
  const Status status = JsonPatch(document, many);
  CHECK(status.code() == Code::kTooLarge);
  CHECK(status.message() ==
        "Request entity is too large: The allowed maximum operations in a JSON patch is 10000, got 10001");
  many.erase(0);
  CHECK(JsonPatch(document, many).ok());

  // Each copy doubles the document: it would grow to 2^40 values.
  Json doubling = Json::array();
  for (int i = 0; i < 40; ++i) doubling.push_back({{"op", "copy"}, {"from", ""}, {"path", "/" + std::to_string(i)}});
  document = Parse(R"({"a":"0123456789"})");
  CHECK(JsonPatch(document, doubling).code() == Code::kInvalid);

  std::string path;
  for (int i = 0; i < 101; ++i) path += "/a";
  document = Json::object();
  CHECK(JsonPatch(document, Json::array({{{"op", "test"}, {"path", path}, {"value", nullptr}}})).code() ==
        Code::kInvalid);
}

TEST_CASE("RFC 7386: the examples of its appendix") {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {R"({"a":"b"})", {R"({"a":"c"})", R"({"a":"c"})"}},
      {R"({"a":"b"})", {R"({"b":"c"})", R"({"a":"b","b":"c"})"}},
      {R"({"a":"b"})", {R"({"a":null})", R"({})"}},
      {R"({"a":"b","b":"c"})", {R"({"a":null})", R"({"b":"c"})"}},
      {R"({"a":["b"]})", {R"({"a":"c"})", R"({"a":"c"})"}},
      {R"({"a":"c"})", {R"({"a":["b"]})", R"({"a":["b"]})"}},
      {R"({"a":{"b":"c"}})", {R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"}},
      {R"({"a":[{"b":"c"}]})", {R"({"a":[1]})", R"({"a":[1]})"}},
      {R"(["a","b"])", {R"(["c","d"])", R"(["c","d"])"}},
      {R"({"a":"b"})", {R"(["c"])", R"(["c"])"}},
      {R"({"a":"foo"})", {R"(null)", R"(null)"}},
      {R"({"e":null})", {R"({"a":1})", R"({"e":null,"a":1})"}},
      {R"([1,2])", {R"({"a":"b","c":null})", R"({"a":"b"})"}},
      {R"({})", {R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}},
  };
  for (const auto& [document, rest] : cases) {
    Json out = Parse(document);
    JsonMergePatch(out, Parse(rest.first));
    CAPTURE(document, rest.first);
    CHECK(out == Parse(rest.second));
  }
}

TEST_CASE("Parsing notes repeated members and bounds depth") {
  std::vector<std::string> duplicates;
  const auto parsed = ParseJson(R"({"a":1,"b":[{"c":1},{"c":1,"d":{"e":1,"e":2},"c":[[]]}],"a":2})", 10, &duplicates);
  REQUIRE(parsed.ok());
  CHECK((*parsed)["a"] == 2);
  CHECK(duplicates == std::vector<std::string>{R"(duplicate field "b[1].d.e")", R"(duplicate field "b[1].c")",
                                               R"(duplicate field "a")"});
  CHECK(ParseJson("[[[]]]", 3).ok());
  CHECK(ParseJson("[[[[]]]]", 3).status().code() == Code::kBadRequest);
  CHECK(ParseJson(R"(["[[[[\"[[[["])", 3).ok());
  for (const char* bad : {"", "{", "{a:1}", "[1,]", "\"\xff\"", "01", "{}x", "nul"}) {
    CAPTURE(bad);
    CHECK(ParseJson(bad, 3).status().code() == Code::kBadRequest);
  }
}

}  // namespace
}  // namespace minikube
