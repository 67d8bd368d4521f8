// What a list looks at: an object by its name, or by an indexed field, is found and not searched for.
#include "api/world/selection.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>

#include "api/kinds/kinds.h"
#include "api/world/catalogue.h"

namespace minikube::api {
namespace {

constexpr int kNamespaces = 10;
constexpr int kPods = 100'000;

const Catalogue& TheRegistry() {
  static const std::shared_ptr<const Catalogue> registry = Catalogue::BuiltIn(AllStrategies());
  return *registry;
}

const StoredKind& Pods() { return TheRegistry().Get("", "pods"); }

ObjectRef MakePod(int number, std::string_view node) {
  core::v1::Pod pod;
  pod.metadata.namespace_ = fmt::format("ns-{}", number % kNamespaces);
  pod.metadata.name = fmt::format("pod-{:06}", number);
  pod.metadata.labels["parity"] = number % 2 == 0 ? "even" : "odd";
  pod.spec.nodeName = node;
  return Share(pod);
}

// Of 100,000 pods in 10 namespaces, 100 on each of 999 nodes and the rest on none.
const ObjectTable& BigTable() {
  static const ObjectTable table = [] {
    ObjectTable made(Pods().indexes);
    for (int i = 0; i < kPods; ++i) {
      made.Set({MakePod(i, i % 1000 == 0 ? "" : fmt::format("node-{}", i % 1000)), i + 1});
    }
    return made;
  }();
  return table;
}

struct Found {
  std::vector<std::string> keys;
  std::size_t looked_at = 0;
};

Found Find(const ObjectTable& table, std::string_view ns, std::string_view fields, std::string_view labels = {},
           NameKey after = {}) {
  ApiRequest request;
  request.verb = Verb::kList;
  request.resource = Pods().resource;
  request.ns = std::string(ns);
  request.field_selector = std::string(fields);
  request.label_selector = std::string(labels);
  const Result<Selection> selection = Selection::Of(Pods(), request);
  REQUIRE(selection.ok());
  Selected selected(table, *selection, after);
  Found found;
  while (const Entry* entry = selected.Next()) {
    const meta::v1::ObjectMeta& meta = entry->object->meta();
    found.keys.push_back(fmt::format("{}/{}", meta.namespace_.view(), meta.name.view()));
  }
  found.looked_at = selected.looked_at();
  return found;
}

TEST_CASE("a list by name among 100,000 objects looks at one") {
  const Found one = Find(BigTable(), "ns-3", "metadata.name=pod-000123");
  CHECK(one.keys == std::vector<std::string>{"ns-3/pod-000123"});
  CHECK(one.looked_at == 1);
  const Found anywhere = Find(BigTable(), "", "metadata.name=pod-000123");
  CHECK(anywhere.keys == one.keys);
  CHECK(anywhere.looked_at == 1);
  const Found none = Find(BigTable(), "", "metadata.name=nobody");
  CHECK(none.keys.empty());
  CHECK(none.looked_at == 0);
}

TEST_CASE("a list by node looks at the pods of that node") {
  const Found all = Find(BigTable(), "", "spec.nodeName=node-7");
  CHECK(all.keys.size() == 100);
  CHECK(all.looked_at == 100);
  CHECK(std::is_sorted(all.keys.begin(), all.keys.end()));
  const Found odd = Find(BigTable(), "", "spec.nodeName=node-7", "parity=odd");
  CHECK(odd.keys == all.keys);
  CHECK(Find(BigTable(), "ns-7", "spec.nodeName=node-7").keys == all.keys);
  CHECK(Find(BigTable(), "ns-6", "spec.nodeName=node-7").keys.empty());
  // What follows a key, for the next page.
  const Found rest = Find(BigTable(), "", "spec.nodeName=node-7", "", {"ns-7", "pod-050007"});
  CHECK(rest.keys == std::vector<std::string>(all.keys.begin() + 51, all.keys.end()));
  CHECK(rest.looked_at == 49);
}

TEST_CASE("what has no node is in no index, and found all the same") {
  CHECK(Find(BigTable(), "", "spec.nodeName=").keys.size() == 100);
  CHECK(Find(BigTable(), "", "spec.nodeName!=node-7").keys.size() == kPods - 100);
}

TEST_CASE("indexes follow an object that moves and goes") {
  ObjectTable table(Pods().indexes);
  table.Set({MakePod(1, "a"), 1});
  const ObjectTable before = table;
  table.Set({MakePod(1, "b"), 2});
  CHECK(Find(table, "", "spec.nodeName=a").keys.empty());
  CHECK(Find(table, "", "spec.nodeName=b").keys.size() == 1);
  CHECK(Find(before, "", "spec.nodeName=a").keys.size() == 1);
  CHECK(table.Erase({"ns-1", "pod-000001"}));
  CHECK_FALSE(table.Erase({"ns-1", "pod-000001"}));
  CHECK(Find(table, "", "spec.nodeName=b").keys.empty());
  CHECK(table.FindIndex("node")->empty());
  CHECK(table.FindIndex("controller")->empty());
}

}  // namespace
}  // namespace minikube::api
