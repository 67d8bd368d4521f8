// The engine's view of message memory must agree with the typed one: whatever one writes, the other reads.
#include <catch2/catch.hpp>

#include <cstddef>
#include <cstring>
#include <optional>

#include <minikube/descriptor.h>
#include <minikube/types.h>

#include "model/access.h"

namespace minikube::model {
namespace {

struct Leaf {
  Str name;
  std::optional<std::int32_t> port;
  bool on = false;
};
struct Tree {
  Str text;
  std::optional<bool> flag;
  std::optional<Str> maybe;
  std::optional<IntOrString> either;
  Leaf plain;
  Box<Leaf> box;
  List<Leaf> leaves;
  List<Str> names;
  Map<Str> labels;
  Map<Leaf> by_name;
  Map<bool> flags;
  std::int64_t count = 0;
};

FieldDesc Field(std::string_view name, std::size_t offset, FieldType type, Shape shape,
                const MessageDesc* message = nullptr) {
  FieldDesc f{};
  f.name = name;
  f.offset = static_cast<std::uint32_t>(offset);
  f.type = type;
  f.shape = shape;
  f.message = message;
  return f;
}

struct Descriptors {
  FieldDesc leaf_fields[3] = {
      Field("name", offsetof(Leaf, name), FieldType::kString, Shape::kPlain),
      Field("port", offsetof(Leaf, port), FieldType::kInt32, Shape::kOptional),
      Field("on", offsetof(Leaf, on), FieldType::kBool, Shape::kPlain),
  };
  MessageDesc leaf{.name = "Leaf", .size = sizeof(Leaf), .fields = leaf_fields};
  FieldDesc text = Field("text", offsetof(Tree, text), FieldType::kString, Shape::kPlain);
  FieldDesc flag = Field("flag", offsetof(Tree, flag), FieldType::kBool, Shape::kOptional);
  FieldDesc maybe = Field("maybe", offsetof(Tree, maybe), FieldType::kString, Shape::kOptional);
  FieldDesc either = Field("either", offsetof(Tree, either), FieldType::kIntOrString, Shape::kOptional);
  FieldDesc plain = Field("plain", offsetof(Tree, plain), FieldType::kMessage, Shape::kPlain, &leaf);
  FieldDesc box = Field("box", offsetof(Tree, box), FieldType::kMessage, Shape::kBox, &leaf);
  FieldDesc leaves = Field("leaves", offsetof(Tree, leaves), FieldType::kMessage, Shape::kList, &leaf);
  FieldDesc names = Field("names", offsetof(Tree, names), FieldType::kString, Shape::kList);
  FieldDesc labels = Field("labels", offsetof(Tree, labels), FieldType::kString, Shape::kMap);
  FieldDesc by_name = Field("byName", offsetof(Tree, by_name), FieldType::kMessage, Shape::kMap, &leaf);
  FieldDesc flags = Field("flags", offsetof(Tree, flags), FieldType::kBool, Shape::kMap);
  FieldDesc count = Field("count", offsetof(Tree, count), FieldType::kInt64, Shape::kPlain);
  FieldDesc fields[12] = {text, flag, maybe, either, plain, box, leaves, names, labels, by_name, flags, count};
  MessageDesc tree{.name = "Tree", .size = sizeof(Tree), .fields = fields};
};

const char* const kLong = "a string that does not fit inside a Str";

Tree Full() {
  Tree t;
  t.text = kLong;
  t.flag = false;
  t.maybe = kLong;
  t.either = IntOrString("http-alternative");
  t.plain = {.name = kLong, .port = 80, .on = true};
  t.box = Leaf{.name = kLong};
  t.leaves = {Leaf{.name = kLong}, Leaf{.name = "b", .port = 1}};
  t.names = {"x", kLong};
  t.labels["app"] = kLong;
  t.labels["a-rather-long-label-key"] = "v";
  t.by_name["k"].name = kLong;
  t.flags["yes"] = true;
  t.count = -7;
  return t;
}

TEST_CASE("a struct copied by the engine reads the same and shares its parts") {
  const Descriptors d;
  const Tree a = Full();
  alignas(8) char memory[sizeof(Tree)];
  CopyMessage(d.tree, &a, memory);
  const Tree& b = *reinterpret_cast<Tree*>(memory);
  CHECK(b.text.same(a.text));
  CHECK(b.flag == false);
  CHECK(b.maybe == a.maybe);
  CHECK(b.either == a.either);
  CHECK(b.plain.name == kLong);
  CHECK(b.plain.port == 80);
  CHECK(b.box.same(a.box));
  CHECK(b.leaves.same(a.leaves));
  CHECK(b.labels.same(a.labels));
  CHECK(b.by_name.same(a.by_name));
  CHECK(b.count == -7);
  DestroyMessage(d.tree, memory);
  CHECK(a.box->name == kLong);
}

TEST_CASE("what typed code writes, the engine reads") {
  const Descriptors d;
  const Tree t = Full();
  CHECK(As<Str>(Get(d.maybe, &t)) == kLong);
  CHECK(As<bool>(Get(d.flag, &t)) == false);
  const void* box = Get(d.box, &t);
  CHECK(As<Str>(Get(d.leaf_fields[0], box)) == kLong);
  CHECK(Get(d.leaf_fields[1], box) == nullptr);
  REQUIRE(ListSize(d.leaves, &t) == 2);
  CHECK(As<Str>(ListAt(d.leaves, &t, 1)) == "b");
  CHECK(As<Str>(MapFind(d.labels, &t, "app")) == kLong);
  CHECK(MapFind(d.labels, &t, "apq") == nullptr);
  CHECK(MapKeyAt(d.labels, &t, 0) == "a-rather-long-label-key");
  CHECK(As<bool>(MapFind(d.flags, &t, "yes")));
  for (const FieldDesc& f : d.fields) {
    CAPTURE(f.name);
    CHECK(IsSet(f, &t));
    const Tree empty;
    CHECK_FALSE(IsSet(f, &empty));
  }
}

TEST_CASE("what the engine writes, typed code reads") {
  const Descriptors d;
  Tree t;
  As<Str>(Mutable(d.text, &t)) = kLong;
  As<bool>(Mutable(d.flag, &t)) = true;
  As<Str>(Mutable(d.maybe, &t)) = "m";
  As<Str>(Mutable(d.leaf_fields[0], Mutable(d.box, &t))) = kLong;
  for (int i = 0; i < 5; ++i) As<Str>(ListAppend(d.names, &t)) = std::to_string(i);
  As<Str>(ListInsert(d.names, &t, 1)) = "inserted";
  ListErase(d.names, &t, 0);
  ListTruncate(d.names, &t, 3);
  As<Str>(MapMutable(d.labels, &t, "z")) = "last";
  As<Str>(MapMutable(d.labels, &t, "a")) = "first";
  As<Str>(MapMutable(d.labels, &t, "z")) = "again";
  As<bool>(MapMutable(d.flags, &t, "f")) = true;
  CHECK(MapErase(d.labels, &t, "a"));
  CHECK_FALSE(MapErase(d.labels, &t, "a"));

  CHECK(t.text == kLong);
  CHECK(t.flag == true);
  CHECK(t.maybe == Str("m"));
  CHECK(t.box->name == kLong);
  CHECK(t.names == List<Str>{"inserted", "1", "2"});
  CHECK(t.labels == Map<Str>{{"z", Str("again")}});
  CHECK(t.flags["f"]);
  for (const FieldDesc& f : d.fields) Clear(f, &t);
  CHECK_FALSE(t.box);
  CHECK_FALSE(t.flag.has_value());
  CHECK(IsZeroValue({FieldType::kMessage, &d.tree}, &t));
}

TEST_CASE("writing detaches what is shared") {
  const Descriptors d;
  const Tree a = Full();
  Tree b = a;
  As<Str>(Mutable(d.leaf_fields[0], Mutable(d.box, &b))) = "changed";
  As<Str>(Mutable(d.leaf_fields[0], MutableListAt(d.leaves, &b, 0))) = "changed";
  As<Str>(MapMutable(d.labels, &b, "app")) = "changed";
  ListErase(d.names, &b, 0);
  CHECK(a.box->name == kLong);
  CHECK(a.leaves[0].name == kLong);
  CHECK(*a.labels.Find("app") == kLong);
  CHECK(a.names.size() == 2);
  CHECK(b.box->name == "changed");
  CHECK(b.leaves[0].name == "changed");
  CHECK(*b.labels.Find("app") == "changed");
  Tree c;
  for (const FieldDesc& f : d.fields) Assign(f, &a, &c);
  CHECK(c.leaves.same(a.leaves));
  CHECK(c.plain.name.same(a.plain.name));
  CHECK(c.either == a.either);
}

TEST_CASE("a map filled out of order is sorted, and the last of equal keys stays") {
  const Descriptors d;
  Tree t;
  const ArrayLayout layout = LayoutOf(d.labels);
  auto*& rep = As<internal::ArrayRep*>(SlotOf(d.labels, &t));
  for (const char* kv : {"c1", "a1", "c2", "b1", "a2", "c3"}) {
    auto* entry = static_cast<Str*>(ArrayAppend(layout, rep));
    entry[0] = std::string_view(kv, 1);
    entry[1] = std::string_view(kv + 1, 1);
  }
  std::string dropped;
  MapFinish(layout, rep, &dropped, [](void* s, std::string_view key) { static_cast<std::string*>(s)->append(key); });
  CHECK(t.labels == Map<Str>{{"a", Str("2")}, {"b", Str("1")}, {"c", Str("3")}});
  CHECK(dropped == "acc");
  CHECK(rep->capacity == rep->size);
}

}  // namespace
}  // namespace minikube::model
