// Custom objects go through codecs, patches, apply and selectors as generated ones do, and lose nothing.
#include <minikube/custom_object.h>

#include <string>

#include <minikube/codec.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "model/field_path.h"
#include "model/patch.h"
#include "model/typed_json.h"

namespace minikube {
namespace {

const CustomKind& CronTab() {
  static const CustomKind kind("stable.example.com", "v1", "CronTab", "CronTabList");
  return kind;
}

constexpr const char* kText =
    R"({"kind":"CronTab","apiVersion":"stable.example.com/v1","metadata":{"name":"mine","labels":{"a":"b"}},)"
    R"("spec":{"cron":"* * * * *","empty":"","list":[],"map":{},"no":null,"ratio":1.0,"replicas":0},"status":{}})";

ObjectPtr Mine() { return Decode(MediaType::kJson, kText, &CronTab().object()).value(); }

TEST_CASE("a custom object is written as it was read", "[custom_object]") {
  const ObjectPtr object = Mine();
  CHECK(object->meta().name == "mine");
  const CustomObject* custom = AsCustomObject(*object);
  REQUIRE(custom != nullptr);
  CHECK(custom->rest["spec"]["replicas"].AsInt64() == 0);
  CHECK(EncodeJson(*object) == kText);
  const Result<ObjectPtr> from_yaml = Decode(MediaType::kYaml, EncodeYaml(*object), &CronTab().object());
  REQUIRE(from_yaml.ok());
  // kubectl's rules of YAML: a whole number is spelled as one.
  AsCustomObject(**from_yaml)->rest.Mutable("spec").Set("ratio", Json::Number("1.0"));
  CHECK(Equal(**from_yaml, *object));
  CHECK(CronTab().object().name == "com.example.stable.v1.CronTab");
}

TEST_CASE("a custom object of another kind or version is refused", "[custom_object]") {
  CHECK_FALSE(
      Decode(MediaType::kJson, R"({"kind":"Other","apiVersion":"stable.example.com/v1"})", &CronTab().object()).ok());
  CHECK_FALSE(
      Decode(MediaType::kJson, R"({"kind":"CronTab","apiVersion":"stable.example.com/v2"})", &CronTab().object()).ok());
}

TEST_CASE("strict decoding names repeated members at any depth, and unknown ones in metadata", "[custom_object]") {
  DecodeOptions options;
  options.validation = FieldValidation::kStrict;
  const Status status = Decode(MediaType::kJson,
                               R"({"kind":"CronTab","apiVersion":"stable.example.com/v1","metadata":{"nam":"x"},)"
                               R"("spec":{"a":[{"b":1,"b":2}]},"spec":{}})",
                               &CronTab().object(), options)
                            .status();
  CHECK(
      status.message() ==
      R"(strict decoding error: unknown field "metadata.nam", duplicate field "spec.a[0].b", duplicate field "spec")");
}

TEST_CASE("the limits of depth and values hold for custom objects", "[custom_object]") {
  const std::string deep = std::string(200, '[') + std::string(200, ']');
  std::string values = "[0";
  for (int i = 0; i < 1'000'001; ++i) values += ",0";
  values += "]";
  const auto with = [](const std::string& spec) {
    return R"({"kind":"CronTab","apiVersion":"stable.example.com/v1","spec":)" + spec + "}";
  };
  CHECK(Decode(MediaType::kJson, with(deep), &CronTab().object()).status().code() == Code::kBadRequest);
  CHECK(Decode(MediaType::kJson, with(values), &CronTab().object()).status().message() ==
        "the document has too many values");
}

TEST_CASE("a list of custom objects says each one's kind", "[custom_object]") {
  ObjectPtr list = ObjectPtr::New(CronTab().list());
  CHECK(EncodeJson(*list) == R"({"kind":"CronTabList","apiVersion":"stable.example.com/v1","metadata":{},"items":[]})");
  auto& items = static_cast<CustomObjectList*>(list->mutable_data())->items;
  items.push_back(*AsCustomObject(*Mine()));
  const std::string text = EncodeJson(*list);
  CHECK(text.find(R"("items":[{"kind":"CronTab","apiVersion":"stable.example.com/v1","metadata")") !=
        std::string::npos);
  const Result<ObjectPtr> again = Decode(MediaType::kJson, text, &CronTab().list());
  REQUIRE(again.ok());
  CHECK(Equal(**again, *list));
}

TEST_CASE("custom objects share what a copy does not change", "[custom_object]") {
  const ObjectPtr before = Mine();
  ObjectPtr after = ObjectPtr::Clone(*before);
  CHECK(Equal(*before, *after));
  AsCustomObject(*after)->rest.Mutable("spec").Set("replicas", Json::Int(3));
  CHECK_FALSE(Equal(*before, *after));
  CHECK(AsCustomObject(*before)->rest["spec"]["replicas"].AsInt64() == 0);
}

TEST_CASE("JSON and merge patches change a custom object", "[custom_object]") {
  const ObjectPtr object = Mine();
  const Result<ObjectPtr> json = ApplyPatch(
      *object, PatchType::kJson,
      R"([{"op":"test","path":"/spec/replicas","value":0},{"op":"add","path":"/spec/list/-","value":{"x":""}}])");
  REQUIRE(json.ok());
  CHECK(AsCustomObject(**json)->rest["spec"]["list"].ToString() == R"([{"x":""}])");
  CHECK(AsCustomObject(**json)->rest["spec"]["no"].is_null());
  const Result<ObjectPtr> merge =
      ApplyPatch(*object, PatchType::kMerge, R"({"spec":{"cron":null,"map":{"k":0}},"metadata":{"labels":{"c":"d"}}})");
  REQUIRE(merge.ok());
  CHECK(AsCustomObject(**merge)->rest["spec"].Find("cron") == nullptr);
  CHECK(AsCustomObject(**merge)->rest["spec"]["map"].ToString() == R"({"k":0})");
  CHECK((*merge)->meta().labels.size() == 2);
}

TEST_CASE("field selectors find scalars of custom objects", "[custom_object]") {
  const ObjectPtr object = Mine();
  const auto matches = [&](std::string_view text) {
    return FieldMatcher::Compile(FieldSelector::Parse(text).value(), CronTab().object()).value().Matches(*object);
  };
  CHECK(matches("metadata.name=mine"));
  CHECK(matches("spec.cron=* * * * *"));
  CHECK(matches("spec.replicas=0"));
  CHECK(matches("spec.missing="));
  CHECK(matches("spec.cron.deeper="));
  CHECK_FALSE(matches("spec.replicas=1"));
  CHECK_FALSE(matches("spec.replicas!=0"));
}

TEST_CASE("server-side apply sees the fields of a custom object", "[custom_object]") {
  const auto document = nlohmann::json::parse(R"({"metadata":{"labels":{"a":"b"}},"spec":{"x":{"y":1},"l":[1]}})");
  const Result<FieldSet> fields = FieldsOf(CronTab().object(), document);
  REQUIRE(fields.ok());
  std::string paths;
  fields->ForEachPath([&](const std::string& path) { paths += path + " "; });
  CHECK(paths.find(".spec.x.y") != std::string::npos);
  CHECK(paths.find(".spec.l") != std::string::npos);
}

}  // namespace
}  // namespace minikube
