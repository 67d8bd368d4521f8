#include "client/wire.h"

#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>

namespace minikube::client {
namespace {

using core::v1::ConfigMap;
using core::v1::Node;
using core::v1::Pod;

TEST_CASE("paths") {
  CHECK(ToHttp(Client::NamedRequest<Pod>(Verb::kGet, "a b", "x/y")).target == "/api/v1/namespaces/a%20b/pods/x%2Fy");
  CHECK(ToHttp(Client::NamedRequest<Pod>(Verb::kList, "", "")).target == "/api/v1/pods");
  CHECK(ToHttp(Client::NamedRequest<Node>(Verb::kGet, "", "n")).target == "/api/v1/nodes/n");
  ApiRequest binding = Client::NamedRequest<Pod>(Verb::kCreate, "ns", "p");
  binding.subresource = "binding";
  CHECK(ToHttp(binding).target == "/api/v1/namespaces/ns/pods/p/binding");
  CHECK(ToHttp(binding).method == "POST");
  Pod pod;
  pod.metadata.name = "p";
  pod.metadata.namespace_ = "ns";
  const HttpRequest create = ToHttp(Client::RequestFor(Verb::kCreate, pod));
  CHECK(create.target == "/api/v1/namespaces/ns/pods");
  CHECK(create.content_type == "application/vnd.kubernetes.protobuf");
  CHECK(create.body.substr(0, 3) == "k8s");
}

TEST_CASE("options travel as query parameters or in the body of a delete") {
  ApiRequest watch = Client::NamedRequest<Pod>(Verb::kWatch, "", "");
  watch.label_selector = "a in (b,c)";
  watch.resource_version = "17";
  watch.allow_bookmarks = true;
  watch.timeout_seconds = 30;
  CHECK(ToHttp(watch).target ==
        "/api/v1/pods?labelSelector=a%20in%20%28b%2Cc%29&resourceVersion=17&watch=true&allowWatchBookmarks=true"
        "&timeoutSeconds=30");
  CHECK(ToHttp(watch).accept == "application/json");
  ApiRequest patch = Client::NamedRequest<Pod>(Verb::kPatch, "ns", "p");
  patch.patch_type = PatchType::kApply;
  patch.patch = "{}";
  patch.force = true;
  patch.field_manager = "me";
  patch.dry_run = true;
  CHECK(ToHttp(patch).target == "/api/v1/namespaces/ns/pods/p?fieldManager=me&force=true&dryRun=All");
  CHECK(ToHttp(patch).content_type == "application/apply-patch+yaml");
  ApiRequest remove = Client::NamedRequest<Pod>(Verb::kDelete, "ns", "p");
  remove.grace_period_seconds = 0;
  remove.propagation = Propagation::kForeground;
  remove.precondition_uid = "u\"1";
  remove.precondition_resource_version = "9";
  CHECK(ToHttp(remove).body ==
        R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,)"
        R"("propagationPolicy":"Foreground","preconditions":{"uid":"u\"1","resourceVersion":"9"}})");
}

TEST_CASE("answers") {
  HttpResponse response;
  response.status = 201;
  response.content_type = "application/json";
  response.body = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","resourceVersion":"12"}})";
  const ApiRequest create = Client::NamedRequest<ConfigMap>(Verb::kCreate, "ns", "");
  const Result<ApiResponse> created = FromHttp(create, response);
  REQUIRE(created.ok());
  CHECK(created->created);
  CHECK(created->revision == 12);
  CHECK(created->object->meta().name == "a");

  response.status = 200;
  response.body = R"({"apiVersion":"v1","kind":"ConfigMapList","metadata":{"resourceVersion":"20","continue":"c",)"
                  R"("remainingItemCount":7},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]})";
  const Result<ApiResponse> list = FromHttp(Client::NamedRequest<ConfigMap>(Verb::kList, "ns", ""), response);
  REQUIRE(list.ok());
  REQUIRE(list->items.size() == 2);
  CHECK(list->items[1]->As<ConfigMap>().metadata.name == "b");
  CHECK(list->revision == 20);
  CHECK(list->continue_token == "c");
  CHECK(list->remaining == 7);

  response.body = "<html>";
  CHECK(FromHttp(create, response).status().code() == Code::kInternal);
}

TEST_CASE("errors, from an API server and from what stands before it") {
  HttpResponse response;
  response.status = 409;
  response.content_type = "application/json";
  response.body =
      R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"there","reason":"AlreadyExists",)"
      R"("details":{"name":"a","kind":"pods","causes":[{"reason":"R","message":"m","field":"f"}]},"code":409})";
  const Status exists = ErrorOf(response);
  CHECK(exists.code() == Code::kAlreadyExists);
  CHECK(exists.message() == "there");
  CHECK(exists.details().name == "a");
  REQUIRE(exists.details().causes.size() == 1);
  CHECK(exists.details().causes[0].field == "f");
  response.status = 503;
  response.content_type = "text/html";
  response.body = "<html>busy</html>";
  response.retry_after_seconds = 4;
  CHECK(ErrorOf(response).code() == Code::kUnavailable);
  CHECK(ErrorOf(response).details().retry_after_seconds == 4);
}

TEST_CASE("lines of a watch") {
  const ResourceDesc& maps = Client::ResourceOf<ConfigMap>();
  const Result<WatchEvent> added = ToWatchEvent(
      maps,
      R"({"type":"ADDED","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","resourceVersion":"5"}}})");
  REQUIRE(added.ok());
  CHECK(added->type == WatchEvent::Type::kAdded);
  CHECK(added->revision == 5);
  CHECK(added->object->meta().name == "a");
  const Result<WatchEvent> mark = ToWatchEvent(
      maps,
      R"({"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"9"}}})");
  REQUIRE(mark.ok());
  CHECK(mark->type == WatchEvent::Type::kBookmark);
  CHECK(mark->revision == 9);
  const Result<WatchEvent> expired = ToWatchEvent(
      maps,
      R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}})");
  CHECK(expired.status().code() == Code::kExpired);
  for (const char* bad :
       {"", "{", R"({"type":"ADDED"})", R"({"type":"OTHER","object":{}})", R"({"type":"ADDED","object":[1]})"}) {
    CAPTURE(bad);
    CHECK_FALSE(ToWatchEvent(maps, bad).ok());
  }
}

}  // namespace
}  // namespace minikube::client
