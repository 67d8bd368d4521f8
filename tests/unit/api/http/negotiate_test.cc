#include "api/wire/negotiate.h"

#include <catch2/catch.hpp>

#include "api/wire/query.h"
#include "api/wire/to_http.h"
#include "http/message.h"

using namespace minikube;
using namespace minikube::api;

TEST_CASE("negotiate: what kubectl and client-go send") {
  const Accepted table =
      Negotiate(
          "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,"
          "application/json")
          .value();
  CHECK(table.type == MediaType::kJson);
  CHECK(table.transform == Transform::kTable);
  CHECK(table.transform_version == "v1");

  CHECK(Negotiate("application/vnd.kubernetes.protobuf,application/json").value().type == MediaType::kProtobuf);
  CHECK(Negotiate("application/yaml").value().type == MediaType::kYaml);
  CHECK(Negotiate("").value().type == MediaType::kJson);
  CHECK(Negotiate("*/*").value().type == MediaType::kJson);
  CHECK(Negotiate("application/json, */*").value().type == MediaType::kJson);
  CHECK(Negotiate("application/vnd.kubernetes.protobuf;stream=watch").value().type == MediaType::kProtobuf);
  const Accepted partial =
      Negotiate("application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").value();
  CHECK(partial.type == MediaType::kProtobuf);
  CHECK(partial.transform == Transform::kPartialMetadataList);
}

TEST_CASE("negotiate: the first that can be given, by quality") {
  CHECK(Negotiate("application/json;q=0.1, application/yaml;q=0.9").value().type == MediaType::kYaml);
  CHECK(Negotiate("text/html, application/yaml").value().type == MediaType::kYaml);
  CHECK(Negotiate("*/*, application/yaml").value().type == MediaType::kYaml);
  // Tables of another group, or in protobuf, do not exist; the next range counts.
  CHECK(Negotiate("application/json;as=Table;v=v2;g=meta.k8s.io,application/json").value().transform ==
        Transform::kNone);
  CHECK(Negotiate("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/yaml").value().type ==
        MediaType::kYaml);
}

TEST_CASE("negotiate: nothing acceptable") {
  for (const char* accept :
       {"text/html", "application/cbor", "application/json;q=0", "application/json;as=Chart;v=v1;g=meta.k8s.io",
        "application/json;as=Table", ";;;", "/", "application/json;stream=tail"}) {
    CAPTURE(accept);
    CHECK(Negotiate(accept).status().code() == Code::kNotAcceptable);
  }
}

TEST_CASE("negotiate: bodies and gzip") {
  CHECK(BodyType("application/json; charset=utf-8").value() == MediaType::kJson);
  CHECK(BodyType("Application/YAML").value() == MediaType::kYaml);
  CHECK(BodyType("application/vnd.kubernetes.protobuf").value() == MediaType::kProtobuf);
  CHECK(BodyType("").value() == MediaType::kJson);
  CHECK(BodyType("application/cbor").status().code() == Code::kUnsupportedMediaType);
  CHECK(AcceptsGzip("gzip"));
  CHECK(AcceptsGzip("deflate, gzip;q=0.5"));
  CHECK_FALSE(AcceptsGzip("gzip;q=0"));
  CHECK_FALSE(AcceptsGzip("identity"));
  CHECK_FALSE(AcceptsGzip(""));
}

TEST_CASE("query: decoding") {
  const Query query = Query::Parse("labelSelector=app%3Dweb%2Ctier+in+(a)&watch&limit=500&x=&watch=false").value();
  CHECK(query.Get("labelSelector") == "app=web,tier in (a)");
  CHECK(query.GetBool("watch"));
  CHECK_FALSE(query.GetBool("nothing"));
  CHECK(query.GetInt("limit").value() == 500);
  CHECK_FALSE(query.GetInt("x").value().has_value());
  CHECK_FALSE(Query::Parse("w=False").value().GetBool("w"));
  CHECK_FALSE(Query::Parse("w=0").value().GetBool("w"));
  CHECK(Query::Parse("a=%zz").status().code() == Code::kBadRequest);
  CHECK(Query::Parse("a=%4").status().code() == Code::kBadRequest);
  CHECK(Query::Parse("a=%00").status().code() == Code::kBadRequest);
  CHECK(Query::Parse("limit=12x").value().GetInt("limit").status().code() == Code::kBadRequest);
  CHECK(Query::Parse("limit=99999999999999999999").value().GetInt("limit").status().code() == Code::kBadRequest);
}

TEST_CASE("query: paths") {
  const Target target = ParseTarget("/apis/apps/v1/namespaces/default/deployments/web%2Dapp?x=1#frag").value();
  CHECK(target.segments ==
        std::vector<std::string>{"apis", "apps", "v1", "namespaces", "default", "deployments", "web-app"});
  CHECK(target.query.Get("x") == "1");
  CHECK(ParseTarget("//api//v1/").value().segments == std::vector<std::string>{"api", "v1"});
  CHECK(ParseTarget("/").value().segments.empty());
  for (const char* bad : {"", "api/v1", "/api/%2e%2e/x", "/api/../x", "/a%2Fb", "/a%00", "http://host/api"}) {
    CAPTURE(bad);
    CHECK(ParseTarget(bad).status().code() == Code::kBadRequest);
  }
}

TEST_CASE("to_http: every code has its status and the status a phrase") {
  CHECK(ToHttp(Code::kOk) == 200);
  CHECK(ToHttp(Code::kAlreadyExists) == 409);
  CHECK(ToHttp(Code::kConflict) == 409);
  CHECK(ToHttp(Code::kExpired) == 410);
  CHECK(ToHttp(Code::kInvalid) == 422);
  CHECK(ToHttp(Code::kUnavailable) == 503);
  for (int code = 0; code <= static_cast<int>(Code::kCancelled); ++code) {
    CAPTURE(code);
    CHECK(ReasonPhrase(ToHttp(static_cast<Code>(code))) != "Unknown");
  }
}
