// Kinds that come and go while the server runs: CustomResourceDefinitions, from the engine.
#include <minikube/api/apiextensions/v1.h>
#include <minikube/custom_object.h>

#include "api/custom/definitions.h"
#include "api/kinds/definition_names.h"
#include "api/world/kind_maps.h"
#include "unit/api/engine_fixture.h"

using namespace minikube;
using namespace minikube::api;
using namespace minikube::api::testing;
using apiextensions::v1::CustomResourceDefinition;

namespace {

CustomResourceDefinition MakeDefinition(std::string_view group, std::string_view plural, std::string_view kind,
                                        std::vector<std::string> versions = {"v1"}) {
  CustomResourceDefinition out;
  out.metadata.name = std::string(plural) + "." + std::string(group);
  out.spec.group = group;
  out.spec.scope = "Namespaced";
  out.spec.names.plural = plural;
  out.spec.names.singular = plural;
  out.spec.names.kind = kind;
  out.spec.names.listKind = std::string(kind) + "List";
  for (const std::string& name : versions) {
    apiextensions::v1::CustomResourceDefinitionVersion version;
    version.name = name;
    version.served = true;
    version.storage = name == versions.front();
    auto& schema = version.schema.Mutable().openAPIV3Schema.Mutable();
    schema.type = "object";
    schema.xKubernetesPreserveUnknownFields = true;
    version.subresources.Mutable().status = apiextensions::v1::CustomResourceSubresourceStatus{};
    out.spec.versions.push_back(version);
  }
  return out;
}

void Establish(Fixture& f, const CustomResourceDefinition& definition) {
  const CustomResourceDefinition made = f.client->Create(definition).value();
  REQUIRE(IsConditionTrue(made, "Established"));
}

// Deletes the definition of widgets and waits until it has gone.
void Withdraw(Fixture& f) {
  ApiRequest watch = Request<CustomResourceDefinition>(Verb::kWatch, "", "");
  watch.resource_version = std::to_string(f.engine->revision());
  WatchLog log(*f.client, *f.strand, watch);
  REQUIRE(f.client->DoSync(Request<CustomResourceDefinition>(Verb::kDelete, "", "widgets.example.com")).ok());
  REQUIRE(Spelled(log.Wait(2))[1] == "DELETED widgets.example.com");  // more may have come
}

const ResourceDesc* Find(Fixture& f, std::string_view version = "v1") {
  return f.engine->catalogue()->FindResource("example.com", version, "widgets");
}

ApiRequest On(const ResourceDesc& resource, Verb verb, std::string name = "") {
  ApiRequest request;
  request.resource = &resource;
  request.verb = verb;
  request.ns = "default";
  request.name = std::move(name);
  return request;
}

ObjectRef Widget(const ResourceDesc& resource, std::string_view name, std::string_view rest) {
  const std::string json = R"({"apiVersion":")" + std::string(resource.group) + "/" + std::string(resource.version) +
                           R"(","kind":"Widget","metadata":{"name":")" + std::string(name) + R"("},)" +
                           std::string(rest) + "}";
  return Decode(MediaType::kJson, json, resource.message).value().Freeze();
}

Result<ApiResponse> Create(Fixture& f, const ResourceDesc& resource, std::string_view name, std::string_view rest) {
  ApiRequest request = On(resource, Verb::kCreate);
  request.object = Widget(resource, name, rest);
  return f.client->DoSync(request);
}

const Json& Rest(const ObjectRef& object) { return AsCustomObject(*object)->rest; }

}  // namespace

TEST_CASE("custom resources: served from the revision that establishes their definition") {
  Fixture f;
  CHECK(Find(f) == nullptr);
  Establish(f, MakeDefinition("example.com", "widgets", "Widget"));
  const ResourceDesc* widgets = Find(f);
  REQUIRE(widgets != nullptr);
  CHECK(widgets->message->gvk.kind == "Widget");

  const ObjectRef made = Create(f, *widgets, "a", R"("spec":{"size":0,"tags":[],"note":null})").value().object;
  CHECK(made->meta().generation == 1);
  CHECK_FALSE(made->meta().uid.empty());
  const ApiResponse got = f.client->DoSync(On(*widgets, Verb::kGet, "a")).value();
  CHECK(Rest(got.object)["spec"].ToString() == R"({"note":null,"size":0,"tags":[]})");
  CHECK(f.client->DoSync(On(*widgets, Verb::kList)).value().items.size() == 1);

  SECTION("its objects are there after a restart") {
    f.Restart();
    const ResourceDesc* again = Find(f);
    REQUIRE(again != nullptr);
    const ApiResponse back = f.client->DoSync(On(*again, Verb::kGet, "a")).value();
    CHECK(Rest(back.object)["spec"]["size"].text() == "0");
    CHECK(back.object->meta().resourceVersion == made->meta().resourceVersion);
  }
  SECTION("status is another's to write, and no reason for a new generation") {
    ApiRequest request = On(*widgets, Verb::kUpdate, "a");
    ObjectPtr next = ObjectPtr::Clone(*made);
    AsCustomObject(*next)->rest.Set("status", Json::Parse(R"({"ready":true})").value());
    request.object = std::move(next).Freeze();
    CHECK(Rest(f.client->DoSync(request).value().object).Find("status") == nullptr);
    request.subresource = "status";
    const ObjectRef with_status = f.client->DoSync(request).value().object;
    CHECK(Rest(with_status)["status"]["ready"].boolean());
    CHECK(with_status->meta().generation == 1);

    ObjectPtr wanted = ObjectPtr::Clone(*with_status);
    AsCustomObject(*wanted)->rest.Mutable("spec").Set("size", Json::Int(2));
    AsCustomObject(*wanted)->rest.Erase("status");
    request.subresource = "";
    request.object = std::move(wanted).Freeze();
    const ObjectRef updated = f.client->DoSync(request).value().object;
    CHECK(updated->meta().generation == 2);
    CHECK(Rest(updated)["status"]["ready"].boolean());
  }
  SECTION("a merge patch keeps what it does not name") {
    ApiRequest request = On(*widgets, Verb::kPatch, "a");
    request.patch_type = PatchType::kMerge;
    request.patch = R"({"spec":{"size":7}})";
    CHECK(Rest(f.client->DoSync(request).value().object)["spec"].ToString() == R"({"note":null,"size":7,"tags":[]})");
  }
}

TEST_CASE("custom resources: a watch sees them come, and ends when the definition goes") {
  Fixture f;
  Establish(f, MakeDefinition("example.com", "widgets", "Widget"));
  const ResourceDesc& widgets = *Find(f);
  WatchLog log(*f.client, *f.strand, On(widgets, Verb::kWatch));
  REQUIRE(Create(f, widgets, "a", R"("spec":{})").ok());
  REQUIRE(f.client->DoSync(On(widgets, Verb::kDelete, "a")).ok());
  CHECK(Spelled(log.Wait(2)) == std::vector<std::string>{"ADDED a", "DELETED a"});

  Withdraw(f);
  CHECK(log.WaitEnd().code() == Code::kExpired);
  CHECK(Find(f) == nullptr);
  CHECK(f.client->DoSync(On(widgets, Verb::kList)).status().code() == Code::kNotFound);
  WatchLog late(*f.client, *f.strand, On(widgets, Verb::kWatch));
  CHECK(late.WaitEnd().code() == Code::kNotFound);
  CHECK(Create(f, widgets, "b", R"("spec":{})").status().code() == Code::kNotFound);

  // The same definition again: another life, with nothing of the first.
  Establish(f, MakeDefinition("example.com", "widgets", "Widget"));
  const ResourceDesc& again = *Find(f);
  CHECK(f.client->DoSync(On(again, Verb::kList)).value().items.empty());
  CHECK(Create(f, again, "a", R"("spec":{})").ok());
}

TEST_CASE("custom resources: versions are views of the one that is stored") {
  Fixture f;
  Establish(f, MakeDefinition("example.com", "widgets", "Widget", {"v1beta1", "v1"}));
  const ResourceDesc& beta = *Find(f, "v1beta1");
  const ResourceDesc& stable = *Find(f, "v1");
  REQUIRE(Create(f, stable, "a", R"("spec":{"size":1})").ok());
  CHECK(f.client->DoSync(On(beta, Verb::kGet, "a")).value().object->desc().gvk.version == "v1beta1");
  CHECK(f.client->DoSync(On(stable, Verb::kGet, "a")).value().object->desc().gvk.version == "v1");

  // From now on objects are stored in v1; the one there is read in v1 all the same, after a restart too.
  ApiRequest request = Request<CustomResourceDefinition>(Verb::kPatch, "", "widgets.example.com");
  request.patch_type = PatchType::kJson;
  request.patch = R"([{"op":"replace","path":"/spec/versions/0/storage","value":false},
                      {"op":"replace","path":"/spec/versions/1/storage","value":true}])";
  REQUIRE(f.client->DoSync(request).ok());
  CHECK(Rest(f.client->DoSync(On(*Find(f), Verb::kGet, "a")).value().object)["spec"]["size"].text() == "1");
  f.Restart();
  CHECK(Rest(f.client->DoSync(On(*Find(f), Verb::kGet, "a")).value().object)["spec"]["size"].text() == "1");
}

TEST_CASE("custom resources: a pointer to a resource outlives its definition") {
  Fixture f;
  const CustomResourceDefinition definition = MakeDefinition("example.com", "widgets", "Widget");
  Establish(f, definition);
  const ResourceDesc* first = Find(f);
  Withdraw(f);
  CHECK(first->plural == "widgets");
  Establish(f, definition);
  CHECK(Find(f) == first);  // made once for all definitions that say the same
}

// spec.size is a number from 1 on and is 3 if nobody says, spec.color a word; nothing else is known.
CustomResourceDefinition WithSchema() {
  CustomResourceDefinition definition = MakeDefinition("example.com", "widgets", "Widget");
  const std::string schema = R"({"type":"object","properties":{"spec":{"type":"object","default":{},"properties":{
      "size":{"type":"integer","minimum":1,"default":3},"color":{"type":"string"}},
      "x-kubernetes-validations":[{"rule":"!has(self.color) || self.color != 'none'","message":"a color is one"}]}}})";
  const std::string whole =
      R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{},)"
      R"("spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"widgets",)"
      R"("kind":"Widget"},"versions":[{"name":"v1","served":true,"storage":true,"schema":)"
      R"({"openAPIV3Schema":)" +
      schema + "}}]}}";
  const ObjectRef read = Decode(MediaType::kJson, whole, &DescriptorOf<CustomResourceDefinition>()).value().Freeze();
  definition.spec.versions = read->As<CustomResourceDefinition>().spec.versions;
  return definition;
}

TEST_CASE("custom resources: a schema prunes, defaults and validates") {
  Fixture f;
  Establish(f, WithSchema());
  const ResourceDesc& widgets = *Find(f);
  const ObjectRef plain = Create(f, widgets, "a", R"("spec":{"color":"red"})").value().object;
  CHECK(Rest(plain)["spec"].ToString() == R"({"color":"red","size":3})");

  const ApiResponse pruned = Create(f, widgets, "b", R"("spec":{"colour":"red"},"other":1)").value();
  CHECK(Rest(pruned.object)["spec"].ToString() == R"({"size":3})");
  CHECK(pruned.warnings == std::vector<std::string>{R"(unknown field "other")", R"(unknown field "spec.colour")"});

  ApiRequest strict = On(widgets, Verb::kCreate);
  strict.object = Widget(widgets, "c", R"("spec":{"colour":"red"})");
  strict.field_validation = "Strict";
  const Status refused = f.client->DoSync(strict).status();
  CHECK(refused.code() == Code::kBadRequest);
  CHECK(refused.message() == R"(strict decoding error: unknown field "spec.colour")");

  const Status small = Create(f, widgets, "d", R"("spec":{"size":0})").status();
  CHECK(small.code() == Code::kInvalid);
  CHECK(small.message().find("spec.size: Invalid value: 0") != std::string::npos);
  const Status none = Create(f, widgets, "e", R"("spec":{"color":"none"})").status();
  CHECK(none.code() == Code::kInvalid);
  CHECK(none.message().find("a color is one") != std::string::npos);
  CHECK(f.client->DoSync(On(widgets, Verb::kList)).value().items.size() == 2);
}

TEST_CASE("definitions: names are given once in a group, and again when they are free") {
  Fixture f;
  Establish(f, MakeDefinition("example.com", "widgets", "Widget"));
  CustomResourceDefinition rival = MakeDefinition("example.com", "gadgets", "Widget");
  CustomResourceDefinition made = f.client->Create(rival).value();
  CHECK_FALSE(IsConditionTrue(made, "NamesAccepted"));
  CHECK_FALSE(IsConditionTrue(made, "Established"));
  CHECK(f.engine->catalogue()->FindResource("example.com", "v1", "gadgets") == nullptr);
  CHECK(made.status.conditions.front().message == R"("WidgetList" is already in use)");
  // The same names in another group are no conflict.
  CHECK(IsConditionTrue(f.client->Create(MakeDefinition("example.org", "gadgets", "Widget")).value(), "Established"));

  ApiRequest watch = Request<CustomResourceDefinition>(Verb::kWatch, "", "gadgets.example.com");
  watch.resource_version = std::to_string(f.engine->revision());
  WatchLog log(*f.client, *f.strand, watch);
  Withdraw(f);
  const std::vector<WatchEvent> events = log.Wait(1);
  REQUIRE(events.size() == 1);
  CHECK(IsConditionTrue(events[0].object->As<CustomResourceDefinition>(), "Established"));
  CHECK(f.engine->catalogue()->FindResource("example.com", "v1", "gadgets") != nullptr);
}

TEST_CASE("definitions: one that goes takes its objects along, and waits for those that are held") {
  Fixture f;
  Establish(f, MakeDefinition("example.com", "widgets", "Widget"));
  const ResourceDesc& widgets = *Find(f);
  REQUIRE(Create(f, widgets, "free", R"("spec":{})").ok());
  ObjectPtr held = ObjectPtr::Clone(*Widget(widgets, "held", R"("spec":{})"));
  held->mutable_meta().finalizers = {"example.com/hold"};
  ApiRequest create = On(widgets, Verb::kCreate);
  create.object = std::move(held).Freeze();
  REQUIRE(f.client->DoSync(create).ok());

  ApiRequest watch = Request<CustomResourceDefinition>(Verb::kWatch, "", "");
  watch.resource_version = std::to_string(f.engine->revision());
  WatchLog definitions(*f.client, *f.strand, watch);
  ApiRequest objects = On(widgets, Verb::kWatch);
  objects.resource_version = watch.resource_version;
  WatchLog log(*f.client, *f.strand, objects);
  REQUIRE(f.client->DoSync(Request<CustomResourceDefinition>(Verb::kDelete, "", "widgets.example.com")).ok());
  CHECK(log.Wait(2).size() == 2);  // one deleted, one on its way
  REQUIRE(definitions.Wait(1).size() == 1);
  CHECK(IsConditionTrue(definitions.Wait(1)[0].object->As<CustomResourceDefinition>(), "Terminating"));
  CHECK(Create(f, widgets, "late", R"("spec":{})").status().code() == Code::kMethodNotAllowed);

  ApiRequest release = On(widgets, Verb::kPatch, "held");
  release.patch_type = PatchType::kMerge;
  release.patch = R"({"metadata":{"finalizers":null}})";
  REQUIRE(f.client->DoSync(release).ok());
  CHECK(Spelled(definitions.Wait(2)).back() == "DELETED widgets.example.com");
  CHECK(Find(f) == nullptr);
}

TEST_CASE("definitions: what cannot be served is refused with its place") {
  Fixture f;
  const auto refusal = [&](const CustomResourceDefinition& definition) {
    return f.client->Create(definition).status().message();
  };
  CustomResourceDefinition none = MakeDefinition("example.com", "widgets", "Widget");
  none.spec.versions.Mutable(0).storage = false;
  CHECK(refusal(none).find("must have exactly one version marked as storage version") != std::string::npos);
  CustomResourceDefinition named = MakeDefinition("example.com", "widgets", "Widget");
  named.metadata.name = "other.example.com";
  CHECK(refusal(named).find("metadata.name: Invalid value: \"other.example.com\": must be "
                            "spec.names.plural+\".\"+spec.group") != std::string::npos);
  CustomResourceDefinition group = MakeDefinition("example", "widgets", "Widget");
  CHECK(refusal(group).find("spec.group: Invalid value: \"example\": should be a domain with at least one dot") !=
        std::string::npos);
  CustomResourceDefinition bare = MakeDefinition("example.com", "widgets", "Widget");
  bare.spec.versions.Mutable(0).schema = {};
  CHECK(refusal(bare).find("spec.versions[0].schema.openAPIV3Schema: Required value") != std::string::npos);
  CustomResourceDefinition webhook = MakeDefinition("example.com", "widgets", "Widget");
  webhook.spec.conversion.Mutable().strategy = "Webhook";
  CHECK(refusal(webhook).find("spec.conversion.strategy: Forbidden") != std::string::npos);
  CHECK(f.client->DoSync(Request<CustomResourceDefinition>(Verb::kList, "", "")).value().items.empty());
}

TEST_CASE("catalogue: the order of discovery, with groups that come later at the end") {
  Fixture f;
  Establish(f, MakeDefinition("zoo.example.com", "lions", "Lion", {"v1alpha1", "v2", "v1"}));
  Establish(f, MakeDefinition("example.com", "widgets", "Widget"));
  std::vector<std::string> custom;
  const std::shared_ptr<const Catalogue> catalogue = f.engine->catalogue();
  const auto versions = catalogue->group_versions();
  for (const GroupVersionDesc& gv : versions.subspan(AllGroupVersions().size())) {
    custom.push_back(std::string(gv.group) + "/" + std::string(gv.version));
  }
  CHECK(custom == std::vector<std::string>{"example.com/v1", "zoo.example.com/v2", "zoo.example.com/v1",
                                           "zoo.example.com/v1alpha1"});
}

TEST_CASE("catalogue: the order of versions") {
  std::vector<std::string> versions = {"v1alpha2", "foo", "v10", "v1", "v2beta3", "v2", "v11beta1", "v1beta2", "bar"};
  std::sort(versions.begin(), versions.end(), VersionBefore);
  CHECK(versions ==
        std::vector<std::string>{"v10", "v2", "v1", "v11beta1", "v2beta3", "v1beta2", "v1alpha2", "bar", "foo"});
  CHECK_FALSE(VersionBefore("v01", "v1"));
}

TEST_CASE("kind maps: a copy shares what an editor does not change") {
  KindMaps<std::shared_ptr<int>> first;
  CHECK(first[1000] == nullptr);
  KindMaps<std::shared_ptr<int>>::Editor editor(first);
  editor[3] = std::make_shared<int>(3);
  editor[40] = std::make_shared<int>(40);
  const KindMaps<std::shared_ptr<int>> second = editor.Done();
  CHECK(first[3] == nullptr);
  CHECK(*second[3] == 3);
  CHECK(*second[40] == 40);
  KindMaps<std::shared_ptr<int>>::Editor next(second);
  next[40] = nullptr;
  const KindMaps<std::shared_ptr<int>> third = next.Done();
  CHECK(third[40] == nullptr);
  CHECK(*second[40] == 40);
  CHECK(third[3] == second[3]);
  CHECK(&third[3] == &second[3]);  // the very same chunk
}
