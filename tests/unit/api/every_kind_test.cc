// Every resource that is stored goes through the one generic path: create, get, list, watch, patch, update, delete. The
// objects are made from the descriptors: required fields get something valid, the rest stays empty.
#include <fmt/format.h>

#include <minikube/codec.h>
#include <minikube/json.h>

#include "crypto/base64.h"
#include "helpers/signing_request.h"
#include "model/access.h"
#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

// A value that is likely to be valid for a field of that name.
std::string_view TextFor(const FieldDesc& field) {
  if (!field.enum_values.empty()) return field.enum_values.front();
  if (field.name == "image") return "busybox:1.36";
  if (field.name == "addressType") return "IPv4";
  if (field.name == "ip" || field.name == "address") return "10.1.2.3";
  if (field.name == "cidr") return "10.1.0.0/16";
  if (field.name == "schedule") return "* * * * *";
  if (field.name == "apiVersion") return "v1";
  if (field.name == "operator") return "Exists";
  return "a-name";
}

// Fills in what the tables call required, and the other fields that a kind's validation insists on.
void Fill(const MessageDesc& desc, void* message, int depth) {
  for (const FieldDesc& field : desc.fields) {
    if (!field.has(kFieldRequired) || field.name == "status" || depth > 8) continue;
    if (field.shape == Shape::kList) {
      if (model::ListSize(field, message) > 0) continue;
      void* element = model::ListAppend(field, message);
      if (field.type == FieldType::kMessage) Fill(*field.message, element, depth + 1);
      if (field.type == FieldType::kString) model::As<Str>(element) = TextFor(field);
      continue;
    }
    if (field.shape == Shape::kMap || (field.type != FieldType::kMessage && model::IsSet(field, message))) continue;
    void* value = model::Mutable(field, message);
    switch (field.type) {
      case FieldType::kMessage:
        Fill(*field.message, value, depth + 1);
        break;
      case FieldType::kString:
        model::As<Str>(value) = TextFor(field);
        break;
      case FieldType::kInt32:
        model::As<std::int32_t>(value) = field.has(kFieldHasMin) ? static_cast<std::int32_t>(field.min + 1) : 1;
        break;
      case FieldType::kInt64:
        model::As<std::int64_t>(value) = field.has(kFieldHasMin) ? field.min + 1 : 1;
        break;
      case FieldType::kBytes:
        model::As<Bytes>(value).data = "bytes";
        break;
      case FieldType::kQuantity:
        model::As<Quantity>(value) = Quantity("1");
        break;
      case FieldType::kTime:
        model::As<Time>(value) = Time{Instant::FromUnixMicros(1'000'000)};
        break;
      case FieldType::kMicroTime:
        model::As<MicroTime>(value) = MicroTime{Instant::FromUnixMicros(1'000'000)};
        break;
      case FieldType::kRawJson:
        model::As<RawJson>(value).json = "{}";
        break;
      case FieldType::kJson:
        model::As<Json>(value) = Json::Object();
        break;
      default:
        break;
    }
  }
}

// What code, not tables, requires.
std::string_view Supplement(std::string_view group, std::string_view plural) {
  static const std::string signing_request =
      R"({"spec":{"signerName":"example.com/a","usages":["client auth"],"request":")" + Base64(test::kNodeRequest) +
      R"("}})";
  static const std::map<std::pair<std::string_view, std::string_view>, std::string_view> kTexts = {
      {{"", "pods"}, R"({"spec":{"containers":[{"name":"a","image":"b"}]}})"},
      {{"", "podtemplates"}, R"({"template":{"spec":{"containers":[{"name":"a","image":"b"}]}}})"},
      {{"", "services"}, R"({"spec":{"ports":[{"port":80}]}})"},
      {{"", "persistentvolumeclaims"},
       R"({"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}})"},
      {{"", "persistentvolumes"},
       R"({"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/tmp"}}})"},
      {{"networking.k8s.io", "ingressclasses"}, R"({"spec":{"controller":"example.com/ingress"}})"},
      {{"networking.k8s.io", "ingresses"},
       R"({"spec":{"defaultBackend":{"service":{"name":"a","port":{"number":80}}}}})"},
      {{"storage.k8s.io", "volumeattachments"}, R"({"spec":{"source":{"persistentVolumeName":"a"}}})"},
      {{"", "events"}, R"({"involvedObject":{"namespace":"default"}})"},
      {{"events.k8s.io", "events"},
       R"({"regarding":{"namespace":"default"},"eventTime":"2026-01-01T00:00:00.000000Z","type":"Normal","reason":"a",
           "action":"a","reportingController":"example.com/a","reportingInstance":"a"})"},
      {{"certificates.k8s.io", "certificatesigningrequests"}, signing_request},
      {{"", "replicationcontrollers"},
       R"({"spec":{"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"b"}]}}}})"},
      {{"batch", "jobs"},
       R"({"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"b"}]}}}})"},
      {{"batch", "cronjobs"},
       R"({"spec":{"jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"b"}]}}}}}})"},
      {{"rbac.authorization.k8s.io", "clusterrolebindings"},
       R"({"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"}})"},
      {{"rbac.authorization.k8s.io", "rolebindings"},
       R"({"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"}})"},
      {{"apiextensions.k8s.io", "customresourcedefinitions"},
       R"({"spec":{"group":"example.com","scope":"Cluster","names":{"plural":"widgets","kind":"Widget"},
           "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}})"},
      {{"admissionregistration.k8s.io", "mutatingadmissionpolicies"},
       R"({"spec":{"matchConstraints":{"resourceRules":[{"operations":["CREATE"]}]},"reinvocationPolicy":"Never",
           "mutations":[{"patchType":"JSONPatch","jsonPatch":{"expression":"[JSONPatch{op: \"test\"}]"}}]}})"},
      {{"admissionregistration.k8s.io", "mutatingadmissionpolicybindings"}, R"({"spec":{"policyName":"a"}})"},
      {{"flowcontrol.apiserver.k8s.io", "flowschemas"}, R"({"spec":{"priorityLevelConfiguration":{"name":"a-name"}}})"},
  };
  const auto it = kTexts.find({group, plural});
  if (it != kTexts.end()) return it->second;
  if (group == "apps" && plural != "controllerrevisions") {
    return R"({"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"b"}]}}}})";
  }
  return "{}";
}

std::string_view NameFor(std::string_view plural) {
  if (plural == "ipaddresses") return "10.1.2.3";
  return plural == "customresourcedefinitions" ? "widgets.example.com" : "a-name";
}

TEST_CASE("every stored resource can be created, read, watched, changed and deleted, in every version") {
  Fixture f;
  std::size_t stored = 0;
  for (const ResourceDesc& resource : AllResources()) {
    if (resource.storage_message == nullptr) continue;
    ++stored;
    const std::string where = fmt::format("{}/{}/{}", resource.group, resource.version, resource.plural);
    CAPTURE(where);
    ObjectPtr draft = ObjectPtr::New(*resource.message);
    REQUIRE(
        DecodeJsonMessage(*resource.message, Supplement(resource.group, resource.plural), draft->mutable_data()).ok());
    Fill(*resource.message, draft->mutable_data(), 0);
    const std::string name(NameFor(resource.plural));
    draft->mutable_meta() = {};
    draft->mutable_meta().name = name;
    const std::string ns = resource.namespaced ? "default" : "";

    ApiRequest request;
    request.resource = &resource;
    request.ns = ns;
    request.verb = Verb::kWatch;
    request.resource_version = std::to_string(f.engine->revision());
    WatchLog log(*f.client, *f.strand, request);
    request.resource_version.clear();

    request.verb = Verb::kCreate;
    request.object = std::move(draft).Freeze();
    const Result<ApiResponse> created = f.client->DoSync(request);
    INFO(created.status().message());
    CHECK(created.ok());
    if (!created) continue;
    CHECK(created->object->desc().name == resource.message->name);

    request.verb = Verb::kGet;
    request.name = name;
    request.object = nullptr;
    const Result<ApiResponse> got = f.client->DoSync(request);
    REQUIRE(got.ok());
    CHECK(Equal(*got->object, *created->object));

    request.verb = Verb::kList;
    request.name.clear();
    request.field_selector = "metadata.name=" + name;
    const Result<ApiResponse> listed = f.client->DoSync(request);
    REQUIRE(listed.ok());
    REQUIRE(listed->items.size() == 1);
    CHECK(Equal(*listed->items[0], *created->object));
    request.field_selector.clear();

    request.verb = Verb::kPatch;
    request.name = name;
    request.patch = R"({"metadata":{"labels":{"patched":"yes"}}})";
    const Result<ApiResponse> patched = f.client->DoSync(request);
    {
      INFO(patched.status().message());
      REQUIRE(patched.ok());
    }
    CHECK(*patched->object->meta().labels.Find("patched") == "yes");

    request.verb = Verb::kUpdate;
    ObjectPtr next = ObjectPtr::Clone(*patched->object);
    next->mutable_meta().annotations["updated"] = "yes";
    request.object = std::move(next).Freeze();
    const Result<ApiResponse> updated = f.client->DoSync(request);
    {
      INFO(updated.status().message());
      REQUIRE(updated.ok());
    }

    request.verb = Verb::kDelete;
    request.object = nullptr;
    REQUIRE(f.client->DoSync(request).ok());
    if (resource.plural == "namespaces") {
      // A namespace waits for its controller; this test is its controller.
      auto terminating = f.client->Get<core::v1::Namespace>("", name).value();
      terminating.spec.finalizers.clear();
      ApiRequest finalize = Client::RequestFor(Verb::kUpdate, terminating);
      finalize.subresource = "finalize";
      REQUIRE(f.client->DoSync(finalize).ok());
    }
    // Claims and volumes are protected, and this test is their protector, too.
    const bool is_protected = resource.plural == "persistentvolumes" || resource.plural == "persistentvolumeclaims";
    if (is_protected) {
      request.verb = Verb::kPatch;
      request.patch = R"({"metadata":{"finalizers":null}})";
      REQUIRE(f.client->DoSync(request).ok());
    }
    // A namespace is first marked as going, and so is a definition, which the server lets go once it has no objects.
    const bool marked =
        is_protected || resource.plural == "namespaces" || resource.plural == "customresourcedefinitions";
    const std::vector<WatchEvent> events = log.Wait(marked ? 5 : 4);
    request.verb = Verb::kGet;
    CHECK(f.client->DoSync(request).status().code() == Code::kNotFound);
    REQUIRE(events.size() >= 4);
    CHECK(events.front().type == WatchEvent::Type::kAdded);
    CHECK(events.back().type == WatchEvent::Type::kDeleted);
    CHECK(events.back().object->desc().name == resource.message->name);
  }
  CHECK(stored > 60);
}

}  // namespace
}  // namespace minikube::api::testing
