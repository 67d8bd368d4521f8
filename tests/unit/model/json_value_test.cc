// Json: a value of any shape keeps what was written, shares what does not change, and is bounded.
#include <minikube/json.h>

#include <random>
#include <string>

#include <catch2/catch.hpp>

namespace minikube {
namespace {

TEST_CASE("Json keeps every value as it was written", "[json_value]") {
  const char* text = GENERATE("null", "true", "false", "0", "-0", "1.0", "1e3", "12345678",
                              "123456789012345678901234567890", "0.10000000000", R"("")", R"("a")", R"("sevench")",
                              R"("eight ch")", R"("a \"quoted\" \\ line\nand \u0001")", "[]", "{}", "[[],{},[{}]]",
                              R"({"a":0,"b":"","c":[],"d":{},"e":null,"f":false})", "[null,null]", R"({"":1})");
  CAPTURE(text);
  const Result<Json> value = Json::Parse(text);
  REQUIRE(value.ok());
  CHECK(value->ToString() == text);
  CHECK(*Json::Parse(value->ToString()) == *value);
}

TEST_CASE("Json sorts members, and of repeated ones the last counts", "[json_value]") {
  CHECK(Json::Parse(R"( {"b": 1, "a" : [ 2 ], "b":3} )")->ToString() == R"({"a":[2],"b":3})");
}

TEST_CASE("Json refuses what is malformed or beyond its limits", "[json_value]") {
  for (const char* text : {"", "{", "[1,]", "01", "nul", "\"\x01\"", "{\"a\":1}}", "\"\xff\""}) {
    CAPTURE(text);
    CHECK(Json::Parse(text).status().code() == Code::kBadRequest);
  }
  JsonLimits limits;
  limits.max_depth = 3;
  CHECK(Json::Parse("[[[1]]]", limits).ok());
  CHECK(Json::Parse("[[[[1]]]]", limits).status().message() == "exceeded max depth");
  limits.max_nodes = 4;
  CHECK(Json::Parse("[1,2,3]", limits).ok());
  CHECK(Json::Parse("[1,2,3,4]", limits).status().message() == "the document has too many values");
  limits.max_bytes = 3;
  CHECK(Json::Parse("[1]", limits).ok());
  CHECK(Json::Parse("[12]", limits).status().message() == "the document is too large");
}

TEST_CASE("Json tells numbers as they are", "[json_value]") {
  CHECK(Json::Parse("9223372036854775807")->AsInt64() == 9223372036854775807);
  CHECK(Json::Parse("9223372036854775808")->AsInt64() == std::nullopt);
  CHECK(Json::Parse("9223372036854775808")->AsDouble() == 9223372036854775808.0);
  CHECK(Json::Parse("1.0")->AsInt64() == std::nullopt);
  CHECK(Json::Parse("1.5e300")->AsDouble() == 1.5e300);
  CHECK(Json::Parse("1e999")->AsDouble() == std::numeric_limits<double>::infinity());
  CHECK(Json::Parse("\"1\"")->AsInt64() == std::nullopt);
  CHECK(Json::Int(-5).ToString() == "-5");
  CHECK(Json::Double(0.5).ToString() == "0.5");
  CHECK_FALSE(*Json::Parse("1") == *Json::Parse("1.0"));
}

TEST_CASE("Json copies only what changes", "[json_value]") {
  const Json before = *Json::Parse(R"({"metadata":{"a":"long enough to lie on the heap"},"spec":{"items":[1,2,3]}})");
  Json after = before;
  CHECK(after.same(before));
  after.Mutable("spec").Mutable("items").MutableItem(1) = Json::String("two");
  CHECK(before["spec"]["items"].ToString() == "[1,2,3]");
  CHECK(after["spec"]["items"].ToString() == R"([1,"two",3])");
  CHECK(after["metadata"].same(before["metadata"]));
  CHECK_FALSE(after == before);
  after.Mutable("spec").Mutable("items").MutableItem(1) = Json::Int(2);
  CHECK(after == before);
}

TEST_CASE("Json is changed like a map and a list", "[json_value]") {
  Json value;
  CHECK(value.absent());
  value.Set("b", Json::Int(2));
  value.Set("a", Json::Int(1));
  value.Set("c", Json::Null());
  CHECK(value.ToString() == R"({"a":1,"b":2,"c":null})");
  CHECK(value.Erase("b"));
  CHECK_FALSE(value.Erase("b"));
  CHECK(value.Erase("a"));
  CHECK(value.Erase("c"));
  CHECK(value.ToString() == "{}");
  value = Json::Array();
  for (int i = 0; i < 5; ++i) value.Append(Json::Int(i));
  value.EraseItem(0);
  value.EraseItem(3);
  CHECK(value.ToString() == "[1,2,3]");
  value.Mutable("x") = value;  // becomes an object, of which the old self is a member
  CHECK(value.kind() == Json::Kind::kObject);
  CHECK(value["missing"].absent());
  CHECK(value.Find("missing") == nullptr);
}

TEST_CASE("Json counts its memory and its values", "[json_value]") {
  CHECK(Json::Parse("\"short\"")->heap_bytes() == 0);
  CHECK(Json::Parse("\"12345678\"")->heap_bytes() == 16 + 8);
  CHECK(Json::Parse("[1,2]")->heap_bytes() == 16 + 2 * 8);
  CHECK(Json::Parse(R"({"a":[1,{"b":null}]})")->nodes() == 5);
  CHECK(Json().nodes() == 0);
}

TEST_CASE("Json goes to YAML and back", "[json_value]") {
  const Result<Json> value = Json::ParseYaml("a: 1\nb: [x, 'yes', {}]\nc: ~\n");
  REQUIRE(value.ok());
  CHECK(value->ToString() == R"({"a":1,"b":["x","yes",{}],"c":null})");
  CHECK(*Json::ParseYaml(*value->ToYaml()) == *value);
}

// A random walk over changes, held against the same walk over plain text.
TEST_CASE("Json values that share parts do not see each other's changes", "[json_value]") {
  std::mt19937_64 rng(Catch::rngSeed());
  std::vector<Json> values = {*Json::Parse(R"({"a":[{"b":1}],"c":{"d":{"e":"a longer string"}}})")};
  std::vector<std::string> texts = {values[0].ToString()};
  for (int step = 0; step < 2000; ++step) {
    const std::size_t from = rng() % values.size();
    Json next = values[from];
    Json* at = &next;
    while (at->size() > 0 && rng() % 3 != 0) {
      const std::size_t i = rng() % at->size();
      at = at->is_array() ? &at->MutableItem(i) : &at->MutableInterned(at->members()[i].key);
    }
    switch (rng() % 5) {
      case 0:
        *at = Json::Int(static_cast<std::int64_t>(rng() % 100));
        break;
      case 1:
        *at = values[rng() % values.size()].members().empty() ? Json::Array() : Json::String("some string value");
        break;
      case 2:
        at->Append(Json::Bool(true));
        break;
      case 3:
        at->Set(std::string(1, static_cast<char>('a' + rng() % 26)), Json::Object());
        break;
      default:
        if (at->is_array() && at->size() > 0) at->EraseItem(rng() % at->size());
        if (at->is_object() && at->size() > 0) at->Erase(at->members()[0].key.str());
    }
    CHECK(*Json::Parse(next.ToString()) == next);
    if (values.size() < 20) {
      texts.push_back(next.ToString());
      values.push_back(std::move(next));
    } else {
      texts[from] = next.ToString();
      values[from] = std::move(next);
    }
    for (std::size_t i = 0; i < values.size(); ++i) REQUIRE(values[i].ToString() == texts[i]);
  }
}

}  // namespace
}  // namespace minikube
