#include "model/strategic_merge.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <vector>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace minikube {
namespace {

using Json = nlohmann::json;

template <typename T = core::v1::PodSpec>
Json Merged(std::string_view document, std::string_view patch) {
  Json out = Json::parse(document);
  const Status status = StrategicMerge(DescriptorOf<T>(), out, Json::parse(patch));
  CAPTURE(document, patch);
  INFO(status.ToString());
  REQUIRE(status.ok());
  return out;
}

template <typename T = core::v1::PodSpec>
Status MergeError(std::string_view document, std::string_view patch) {
  Json out = Json::parse(document);
  const Status status = StrategicMerge(DescriptorOf<T>(), out, Json::parse(patch));
  CAPTURE(document, patch);
  REQUIRE_FALSE(status.ok());
  return status;
}

Json J(std::string_view text) { return Json::parse(text); }

TEST_CASE("Scalars and objects merge as in a merge patch") {
  CHECK(Merged(R"({"nodeName":"a","nodeSelector":{"x":"1","y":"2"}})",
               R"({"nodeName":"b","nodeSelector":{"y":null,"z":"3"},"hostname":null})") ==
        J(R"({"nodeName":"b","nodeSelector":{"x":"1","z":"3"}})"));
  CHECK(Merged("{}", R"({"nodeSelector":{"y":null,"z":"3"}})") == J(R"({"nodeSelector":{"z":"3"}})"));
  CHECK(Merged(R"({"unknown":{"a":1,"l":[1]}})", R"({"unknown":{"b":2,"l":[2]}})") ==
        J(R"({"unknown":{"a":1,"b":2,"l":[2]}})"));
  CHECK(Merged(R"({"nodeSelector":{"x":"1"}})", R"({"nodeSelector":"odd"})") == J(R"({"nodeSelector":"odd"})"));
}

TEST_CASE("Lists with a merge key merge by it; new elements come first") {
  CHECK(Merged(R"({"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]})",
               R"({"containers":[{"name":"b","image":"2"}]})") ==
        J(R"({"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]})"));
  CHECK(Merged(R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"containers":[{"name":"c"}]})") ==
        J(R"({"containers":[{"name":"c"},{"name":"a"},{"name":"b"}]})"));
  CHECK(Merged(R"({"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"1"}]}]})",
               R"({"containers":[{"name":"a","env":[{"name":"Y","value":"2"}]}]})") ==
        J(R"({"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"2"}]}]})"));
  // Integer merge keys.
  CHECK(Merged<core::v1::ServiceSpec>(R"({"ports":[{"port":80,"name":"a"},{"port":443,"name":"b"}]})",
                                      R"({"ports":[{"port":443,"name":"c"}]})") ==
        J(R"({"ports":[{"port":80,"name":"a"},{"port":443,"name":"c"}]})"));
}

TEST_CASE("Lists without a merge strategy are replaced") {
  CHECK(Merged(R"({"containers":[{"name":"a","args":["1","2"]}]})", R"({"containers":[{"name":"a","args":["3"]}]})") ==
        J(R"({"containers":[{"name":"a","args":["3"]}]})"));
  CHECK(Merged(R"({"tolerations":[{"key":"a"}]})", R"({"tolerations":[{"key":"b"}]})") ==
        J(R"({"tolerations":[{"key":"b"}]})"));
}

TEST_CASE("Lists of scalars with a merge strategy are united") {
  CHECK(Merged<meta::v1::ObjectMeta>(R"({"finalizers":["a","b"]})", R"({"finalizers":["b","c"]})") ==
        J(R"({"finalizers":["a","b","c"]})"));
  CHECK(Merged<meta::v1::ObjectMeta>(R"({"finalizers":["a","b","c"]})",
                                     R"({"$deleteFromPrimitiveList/finalizers":["b","x"]})") ==
        J(R"({"finalizers":["a","c"]})"));
  CHECK(
      Merged<meta::v1::ObjectMeta>(
          R"({"finalizers":["a","b","c"]})",
          R"({"$deleteFromPrimitiveList/finalizers":["a"],"$setElementOrder/finalizers":["d","b"],"finalizers":["d"]})") ==
      J(R"({"finalizers":["d","b","c"]})"));
  CHECK(MergeError<meta::v1::ObjectMeta>("{}", R"({"$deleteFromPrimitiveList/finalizers":"a"})").code() ==
        Code::kBadRequest);
}

TEST_CASE("$patch: delete removes elements and members") {
  CHECK(Merged(R"({"containers":[{"name":"a"},{"name":"b"}]})",
               R"({"containers":[{"$patch":"delete","name":"a"},{"$patch":"delete","name":"none"}]})") ==
        J(R"({"containers":[{"name":"b"}]})"));
  CHECK(Merged(R"({"securityContext":{"runAsUser":1}})", R"({"securityContext":{"$patch":"delete"}})") ==
        J(R"({"securityContext":{}})"));
  CHECK(Merged("{}", R"({"securityContext":{"$patch":"delete"}})") == J("{}"));
  CHECK(MergeError(R"({"containers":[{"name":"a"}]})", R"({"containers":[{"$patch":"delete"}]})").message() ==
        "map: map[$patch:delete] does not contain declared merge key: name");
}

TEST_CASE("$patch: replace replaces the list or object it is in") {
  CHECK(Merged(R"({"containers":[{"name":"a"},{"name":"b"}]})",
               R"({"containers":[{"name":"b","image":"2"},{"name":"a"},{"$patch":"replace"}]})") ==
        J(R"({"containers":[{"name":"b","image":"2"},{"name":"a"}]})"));
  CHECK(Merged(R"({"securityContext":{"runAsUser":1,"fsGroup":2}})",
               R"({"securityContext":{"$patch":"replace","runAsGroup":3}})") ==
        J(R"({"securityContext":{"runAsGroup":3}})"));
  CHECK(Merged(R"({"securityContext":{"runAsUser":1}})", R"({"securityContext":{"$patch":"merge","fsGroup":3}})") ==
        J(R"({"securityContext":{"runAsUser":1,"fsGroup":3}})"));
  CHECK(MergeError(R"({"securityContext":{"runAsUser":1}})", R"({"securityContext":{"$patch":"frob"}})").message() ==
        "unknown patch type: frob in map: map[$patch:frob]");
  CHECK(MergeError(R"({"containers":[{"name":"a"}]})", R"({"containers":[{"$patch":"merge","name":"a"}]})").code() ==
        Code::kInvalid);
}

TEST_CASE("$setElementOrder orders what it names and keeps the rest in place") {
  CHECK(Merged(R"({"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]})",
               R"({"$setElementOrder/containers":[{"name":"c"},{"name":"a"}]})") ==
        J(R"({"containers":[{"name":"b"},{"name":"c"},{"name":"a"}]})"));
  CHECK(Merged(R"({"containers":[{"name":"a"},{"name":"b"}]})",
               R"({"$setElementOrder/containers":[{"name":"a"},{"name":"b"},{"name":"c"}],
                   "containers":[{"name":"c","image":"x"}]})") ==
        J(R"({"containers":[{"name":"a"},{"name":"b"},{"name":"c","image":"x"}]})"));
  // The list is new.
  CHECK(Merged("{}", R"({"$setElementOrder/volumes":[{"name":"v"},{"name":"u"}],
                         "volumes":[{"name":"v"},{"name":"u"}]})") == J(R"({"volumes":[{"name":"v"},{"name":"u"}]})"));
  CHECK(Merged("{}", R"({"$setElementOrder/volumes":[{"name":"v"}]})") == J("{}"));
  CHECK(Merged(R"({"volumes":[{"name":"v"}]})", R"({"$setElementOrder/volumes":[],"volumes":null})") == J("{}"));
  // What kubectl sends to delete one of two and change the other.
  CHECK(Merged(R"({"containers":[{"name":"a","image":"1"},{"name":"b"}]})",
               R"({"$setElementOrder/containers":[{"name":"a"}],
                   "containers":[{"name":"a","image":"2"},{"$patch":"delete","name":"b"}]})") ==
        J(R"({"containers":[{"name":"a","image":"2"}]})"));
}

TEST_CASE("$setElementOrder must agree with the list it orders") {
  CHECK(MergeError(R"({"containers":[{"name":"a"}]})",
                   R"({"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"b"}]})")
            .code() == Code::kInvalid);
  CHECK(MergeError(R"({"containers":[{"name":"a"}]})",
                   R"({"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],
                       "containers":[{"name":"b"},{"name":"a"}]})")
            .code() == Code::kInvalid);
  CHECK(MergeError("{}", R"({"$setElementOrder/containers":"a"})").message() ==
        "invalid patch format of setElementOrder list");
}

TEST_CASE("$retainKeys drops every member it does not name") {
  using Strategy = apps::v1::DeploymentSpec;
  CHECK(Merged<Strategy>(R"({"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}})",
                         R"({"strategy":{"$retainKeys":["type"],"type":"Recreate"}})") ==
        J(R"({"strategy":{"type":"Recreate"}})"));
  CHECK(Merged(R"({"volumes":[{"name":"v","emptyDir":{}}]})",
               R"({"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/p"}}]})") ==
        J(R"({"volumes":[{"name":"v","hostPath":{"path":"/p"}}]})"));
  CHECK(Merged("{}", R"({"volumes":[{"name":"v","$retainKeys":["name"]}]})") == J(R"({"volumes":[{"name":"v"}]})"));
  CHECK(
      MergeError<Strategy>(R"({"strategy":{}})", R"({"strategy":{"$retainKeys":["a"],"type":"Recreate"}})").message() ==
      "invalid patch format of retainKeys");
  CHECK(MergeError<Strategy>(R"({"strategy":{}})", R"({"strategy":{"$retainKeys":"a"}})").code() == Code::kBadRequest);
}

TEST_CASE("Elements must have their merge key and be of one kind") {
  const Status no_key = MergeError(R"({"containers":[{"name":"a"}]})", R"({"containers":[{"image":"x"}]})");
  CHECK(no_key.code() == Code::kInvalid);
  CHECK(no_key.message() == "map: map[image:x] does not contain declared merge key: name");
  CHECK(MergeError(R"({"containers":[{"name":"a"}]})", R"({"containers":["x"]})").code() == Code::kInvalid);
  CHECK(MergeError(R"({"containers":[{"name":"a"}]})", R"({"containers":[[]]})").message() ==
        "lists of lists are not supported");
}

TEST_CASE("Directives in what is new act on nothing and disappear") {
  CHECK(Merged("{}", R"({"containers":[{"name":"a","env":[{"$patch":"replace"},{"name":"X"}],
                         "$setElementOrder/env":[{"name":"X"}]},{"$patch":"delete","name":"b"}]})") ==
        J(R"({"containers":[{"name":"a","env":[{"name":"X"}]}]})"));
}

TEST_CASE("Maps of messages merge value by value") {
  // JSONSchemaProps.properties is a map of messages.
  const MessageDesc* schema = FindMessage("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
  REQUIRE(schema != nullptr);
  Json document = J(R"({"properties":{"a":{"type":"object","required":["x"]}}})");
  REQUIRE(
      StrategicMerge(*schema, document, J(R"({"properties":{"a":{"required":["y"]},"b":{"type":"string"}}})")).ok());
  CHECK(document == J(R"({"properties":{"a":{"type":"object","required":["y"]},"b":{"type":"string"}}})"));
}

// A two-way diff as kubectl makes it for the lists used below.
Json Diff(const Json& from, const Json& to) {
  Json patch = Json::object();
  Json order = Json::array();
  Json list = Json::array();
  for (const Json& item : to) {
    order.push_back({{"name", item["name"]}});
    const auto same = std::find_if(from.begin(), from.end(), [&](const Json& o) { return o["name"] == item["name"]; });
    if (same == from.end()) {
      list.push_back(item);
    } else if ((*same)["image"] != item["image"]) {
      list.push_back({{"name", item["name"]}, {"image", item["image"]}});
    }
  }
  for (const Json& item : from) {
    if (std::none_of(to.begin(), to.end(), [&](const Json& o) { return o["name"] == item["name"]; })) {
      list.push_back({{"name", item["name"]}, {"$patch", "delete"}});
    }
  }
  patch["$setElementOrder/containers"] = order;
  if (!list.empty()) patch["containers"] = list;
  return patch;
}

TEST_CASE("Merging the difference of two lists into the first gives the second") {
  const unsigned seed = GENERATE(range(0u, 200u));
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto make = [&] {
    std::vector<int> names = {0, 1, 2, 3, 4, 5};
    std::shuffle(names.begin(), names.end(), random);
    Json out = Json::array();
    for (std::size_t i = 0, n = random() % 6; i < n; ++i) {
      out.push_back({{"name", "c" + std::to_string(names[i])}, {"image", std::to_string(random() % 3)}});
    }
    return out;
  };
  const Json from = make();
  const Json to = make();
  Json document = {{"containers", from}};
  REQUIRE(StrategicMerge(DescriptorOf<core::v1::PodSpec>(), document, Diff(from, to)).ok());
  CHECK(document["containers"] == to);
  // And again: a patch that has been applied changes nothing.
  Json again = document;
  REQUIRE(StrategicMerge(DescriptorOf<core::v1::PodSpec>(), again, Diff(to, to)).ok());
  CHECK(again == document);
}

// Documents made of the words that mean something to a strategic merge patch, in places where they mean nothing too.
Json Noise(std::mt19937& random, int depth) {
  constexpr const char* kWords[] = {"containers",
                                    "volumes",
                                    "name",
                                    "env",
                                    "$patch",
                                    "$retainKeys",
                                    "ports",
                                    "$setElementOrder/containers",
                                    "$setElementOrder/volumes",
                                    "securityContext",
                                    "$deleteFromPrimitiveList/volumes",
                                    "$deleteFromPrimitiveList/name",
                                    "nodeSelector",
                                    "topologySpreadConstraints",
                                    "delete",
                                    "replace",
                                    "merge",
                                    "a"};
  const auto word = [&] { return kWords[random() % std::size(kWords)]; };
  switch (random() % (depth > 0 ? 9 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return static_cast<int>(random() % 3);
    case 2:
      return random() % 2 == 0;
    case 3:
    case 4:
      return word();
    case 5:
    case 6: {
      Json out = Json::array();
      for (std::size_t i = 0, n = random() % 4; i < n; ++i) out.push_back(Noise(random, depth - 1));
      return out;
    }
    default: {
      Json out = Json::object();
      for (std::size_t i = 0, n = random() % 5; i < n; ++i) out[word()] = Noise(random, depth - 1);
      return out;
    }
  }
}

TEST_CASE("Whatever a patch says, it merges or is refused, and leaves no null behind it") {
  const unsigned seed = GENERATE(range(0u, 50u));
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 200; ++i) {
    Json patch = Json::object();
    while (!patch.is_object() || patch.empty()) patch = Noise(random, 5);
    Json document = Json::object();
    CAPTURE(patch.dump());
    const Status status = StrategicMerge(DescriptorOf<core::v1::PodSpec>(), document, patch);
    if (!status.ok()) {
      CHECK((status.code() == Code::kBadRequest || status.code() == Code::kInvalid));
      continue;
    }
    REQUIRE(document.is_object());
    for (const auto& [name, value] : document.items()) {
      CHECK_FALSE(value.is_null());
      CHECK_FALSE(name.starts_with("$setElementOrder/"));
    }
    // Onto what is there already.
    const Json other = Noise(random, 5);
    if (!other.is_object()) continue;
    const Status again = StrategicMerge(DescriptorOf<core::v1::PodSpec>(), document, other);
    CHECK((again.ok() || again.code() == Code::kBadRequest || again.code() == Code::kInvalid));
  }
}

}  // namespace
}  // namespace minikube
