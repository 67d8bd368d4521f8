// The generated tables: complete, consistent, and true to the structs they describe.
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

#include <minikube/api/apps/v1.h>
#include <minikube/api/autoscaling/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/api/meta/v1.h>
#include <minikube/descriptor.h>

namespace minikube {
namespace {

std::size_t SizeOf(const FieldDesc& f) {
  if (f.shape == Shape::kList || f.shape == Shape::kMap || f.shape == Shape::kBox) return 8;
  const bool optional = f.shape == Shape::kOptional;
  switch (f.type) {
    case FieldType::kBool:
      return optional ? sizeof(std::optional<bool>) : sizeof(bool);
    case FieldType::kInt32:
      return optional ? sizeof(std::optional<std::int32_t>) : 4;
    case FieldType::kInt64:
      return optional ? sizeof(std::optional<std::int64_t>) : 8;
    case FieldType::kDouble:
      return optional ? sizeof(std::optional<double>) : 8;
    case FieldType::kIntOrString:
      return optional ? sizeof(std::optional<IntOrString>) : sizeof(IntOrString);
    case FieldType::kMessage:
      return f.message->size;
    default:
      return optional ? sizeof(std::optional<Str>) : sizeof(Str);
  }
}

TEST_CASE("the whole API of v1.36 is declared") {
  std::size_t fields = 0;
  std::size_t kinds = 0;
  for (const MessageDesc* m : AllMessages()) {
    fields += m->fields.size();
    kinds += m->gvk.kind.empty() ? 0 : 1;
  }
  // These totals change only together with schema/.
  CHECK(AllMessages().size() == 806);
  CHECK(fields == 2899);
  CHECK(kinds == 216);
  CHECK(AllResources().size() == 95);
  CHECK(AllGroupVersions().size() == 36);
}

TEST_CASE("every type, field and column says what it is for, in one line") {
  const auto is_documented = [](std::string_view doc) {
    return doc.size() > 1 && doc.back() == '.' && doc.find('\n') == std::string_view::npos;
  };
  for (const MessageDesc* m : AllMessages()) {
    CAPTURE(m->name);
    CHECK(is_documented(m->doc));
    for (const FieldDesc& f : m->fields) {
      CAPTURE(f.name);
      CHECK(is_documented(f.doc));
    }
  }
  for (const ResourceDesc& r : AllResources()) {
    CAPTURE(r.plural);
    for (const ColumnDesc& c : r.columns) {
      CAPTURE(c.name);
      CHECK(is_documented(c.doc));
    }
  }
}

TEST_CASE("tables agree with themselves") {
  for (const MessageDesc* m : AllMessages()) {
    CAPTURE(m->name);
    CHECK(FindMessage(m->name) == m);
    if (!m->gvk.kind.empty()) CHECK(FindKind(m->gvk.group, m->gvk.version, m->gvk.kind) == m);
    CHECK(m->by_name.size() == m->fields.size());
    std::set<std::pair<int, int>> numbers;
    std::uint32_t end = 0;
    for (const FieldDesc& f : m->fields) {
      CAPTURE(f.name);
      CHECK(m->Find(f.name) == &f);
      CHECK(f.offset >= end);  // declared in order, without overlap
      end = f.offset + static_cast<std::uint32_t>(SizeOf(f));
      CHECK(end <= m->size);
      CHECK((f.message != nullptr) == (f.type == FieldType::kMessage));
      CHECK(f.proto_group <= m->groups.size());
      if (f.proto_number != 0) CHECK(numbers.emplace(f.proto_group, f.proto_number).second);
      for (const std::string_view key : f.list_map_keys) CHECK(f.message->Find(key) != nullptr);
      if (f.shape == Shape::kList && f.list_type == ListType::kMap) CHECK(!f.list_map_keys.empty());
    }
    CHECK(m->by_number.size() == numbers.size());
    CHECK(std::is_sorted(m->by_number.begin(), m->by_number.end(), [m](auto a, auto b) {
      const FieldDesc& x = m->fields[a];
      const FieldDesc& y = m->fields[b];
      return std::tie(x.proto_group, x.proto_number) < std::tie(y.proto_group, y.proto_number);
    }));
  }
}

TEST_CASE("the descriptor of a struct is found by its type") {
  const MessageDesc& d = DescriptorOf<apps::v1::Deployment>();
  CHECK(d.name == "io.k8s.api.apps.v1.Deployment");
  CHECK(d.gvk.group == "apps");
  CHECK(d.size == sizeof(apps::v1::Deployment));
  REQUIRE(d.metadata_field >= 0);
  CHECK(d.fields[d.metadata_field].message == &DescriptorOf<meta::v1::ObjectMeta>());
  apps::v1::Deployment web;
  web.metadata.name = "web";
  web.spec.replicas = 3;
  const FieldDesc& spec = *d.Find("spec");
  const FieldDesc& replicas = *spec.message->Find("replicas");
  const auto* p = reinterpret_cast<const std::byte*>(&web) + spec.offset + replicas.offset;
  CHECK(*reinterpret_cast<const std::optional<std::int32_t>*>(p) == 3);
  CHECK(replicas.default_json == "1");
}

TEST_CASE("fields of inlined messages are flat and know their protobuf path") {
  const MessageDesc& volume = DescriptorOf<core::v1::Volume>();
  const FieldDesc& csi = *volume.Find("csi");
  CHECK(csi.proto_number == 28);
  REQUIRE(csi.proto_group == 1);
  CHECK(volume.groups[0].proto_number == 2);
  CHECK(volume.groups[0].parent == 0);
  // Two levels: NamedRuleWithOperations holds a RuleWithOperations, which holds a Rule.
  const MessageDesc* named = FindMessage("io.k8s.api.admissionregistration.v1.NamedRuleWithOperations");
  REQUIRE(named != nullptr);
  const FieldDesc& scope = *named->Find("scope");
  CHECK(scope.proto_number == 4);
  const InlineGroup& inner = named->groups[scope.proto_group - 1];
  CHECK(inner.proto_number == 2);
  CHECK(named->groups[inner.parent - 1].proto_number == 2);
}

TEST_CASE("resources know how they are served and stored") {
  const ResourceDesc* pods = FindResource("", "v1", "pods");
  REQUIRE(pods != nullptr);
  CHECK(pods->namespaced);
  CHECK(pods->message == &DescriptorOf<core::v1::Pod>());
  CHECK(pods->list_message == &DescriptorOf<core::v1::PodList>());
  CHECK(pods->short_names.front() == "po");
  CHECK(pods->columns.size() == 9);
  CHECK(FindResource("", "v1", "nodes")->storage_prefix == "minions");
  CHECK(FindResource("autoscaling", "v1", "horizontalpodautoscalers")->storage_version == "v2");
  CHECK(FindResource("events.k8s.io", "v1", "events")->storage_message == &DescriptorOf<core::v1::Event>());
  const auto& subs = FindResource("apps", "v1", "deployments")->subresources;
  const auto scale = std::find_if(subs.begin(), subs.end(), [](const auto& s) { return s.name == "scale"; });
  REQUIRE(scale != subs.end());
  CHECK(scale->message == &DescriptorOf<autoscaling::v1::Scale>());
  CHECK(FindResource("apps", "v1", "nothing") == nullptr);
  CHECK(FindKind("apps", "v2", "Deployment") == nullptr);
  for (const ResourceDesc& r : AllResources()) {
    CAPTURE(r.group, r.version, r.plural);
    CHECK(FindResource(r.group, r.version, r.plural) == &r);
    CHECK((r.storage_message != nullptr) == (!r.storage_prefix.empty()));
  }
}

TEST_CASE("a preferred version comes before the others of its group") {
  std::string preferred;
  for (const GroupVersionDesc& gv : AllGroupVersions()) {
    if (gv.group == "autoscaling" && preferred.empty()) preferred = gv.version;
  }
  CHECK(preferred == "v2");
}

}  // namespace
}  // namespace minikube
