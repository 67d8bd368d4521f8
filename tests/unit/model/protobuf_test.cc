// Kubernetes protobuf: the exact bytes, the tolerance its readers need, and malformed input.
#include <catch2/catch.hpp>

#include <string>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/codec.h>

#include "helpers/random_object.h"
#include "model/protobuf.h"

namespace minikube {
namespace {

using core::v1::Pod;
using core::v1::Service;

// What is on the wire, put together by hand.
std::string Varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string Int(int number, std::uint64_t value) {
  return Varint(static_cast<std::uint64_t>(number) << 3) + Varint(value);
}
std::string Len(int number, const std::string& bytes) {
  return Varint(static_cast<std::uint64_t>(number) << 3 | 2) + Varint(bytes.size()) + bytes;
}
std::string Envelope(const std::string& version, const std::string& kind, const std::string& raw) {
  return std::string("k8s\0", 4) + Len(1, Len(1, version) + Len(2, kind)) + Len(2, raw) + Len(3, "") + Len(4, "");
}

template <typename T>
std::string Encoded(const T& value) {
  std::string out;
  EncodeProtobufMessage(DescriptorOf<T>(), &value, out);
  return out;
}
template <typename T>
Status DecodeInto(const std::string& bytes, T* out) {
  return model::DecodeProtobufMessage(DescriptorOf<T>(), bytes, out, 100);
}

TEST_CASE("the envelope names the type") {
  core::v1::ConfigMap map;
  map.data["k"] = "v";
  std::string out;
  Encode(MediaType::kProtobuf, *ObjectPtr::Of(map), out);
  CHECK(out == Envelope("v1", "ConfigMap", Encoded(map)));
  out.clear();
  Encode(MediaType::kProtobuf, *ObjectPtr::Of(apps::v1::Deployment{}), out);
  CHECK(out == Envelope("apps/v1", "Deployment", Encoded(apps::v1::Deployment{})));
}

TEST_CASE("plain scalars and messages are written even when zero, others only when set") {
  // LocalObjectReference{name = 1}, plain
  CHECK(Encoded(core::v1::LocalObjectReference{}) == Len(1, ""));
  core::v1::SecretVolumeSource secret;
  CHECK(Encoded(secret) == Len(1, ""));  // items, defaultMode and optional are absent
  secret.defaultMode = 0;
  secret.optional = false;
  secret.items.push_back({.key = "a", .path = "b"});
  CHECK(Encoded(secret) == Len(1, "") + Len(2, Len(1, "a") + Len(2, "b")) + Int(3, 0) + Int(4, 0));
}

TEST_CASE("scalars have the encodings of Kubernetes") {
  core::v1::ServicePort port;
  port.name = "http";
  port.port = -1;
  port.targetPort = IntOrString("web");
  CHECK(Encoded(port) == Len(1, "http") + Len(2, "") + Int(3, ~std::uint64_t{0}) +
                             Len(4, Int(1, 1) + Int(2, 0) + Len(3, "web")) + Int(5, 0));
  core::v1::ResourceRequirements resources;
  resources.limits["cpu"] = "1000m";
  CHECK(Encoded(resources) == Len(1, Len(1, "cpu") + Len(2, Len(1, "1"))));
  meta::v1::ManagedFieldsEntry entry;
  entry.time = Time{Instant::FromUnixMicros(1'500'000)};
  const std::string text = Encoded(entry);
  CHECK(text.find(Len(4, Int(1, 1) + Int(2, 0))) != std::string::npos);  // whole seconds
}

TEST_CASE("what Go embeds is a message of its own on the wire") {
  core::v1::Volume volume;
  volume.name = "v";
  volume.emptyDir = core::v1::EmptyDirVolumeSource{};
  CHECK(Encoded(volume) == Len(1, "v") + Len(2, Len(2, Len(1, ""))));
  core::v1::Volume back;
  REQUIRE(DecodeInto(Encoded(volume), &back).ok());
  CHECK(back.emptyDir);
  // An empty one is written too.
  CHECK(Encoded(core::v1::Volume{}) == Len(1, "") + Len(2, ""));
}

TEST_CASE("fields may come in any order, in pieces, and unknown") {
  meta::v1::ObjectMeta meta;
  const std::string bytes = Len(99, "unknown") + Int(98, 7) + "\xe1\x06" + std::string(8, 'x') +  // fixed64, number 108
                            Len(14, "b") + Len(11, Len(1, "z") + Len(2, "1")) + Len(14, "a") +
                            Len(11, Len(2, "2") + Len(1, "y")) + Len(1, "first") + Len(11, Len(1, "z") + Len(2, "3")) +
                            Len(1, "last");
  REQUIRE(DecodeInto(bytes, &meta).ok());
  CHECK(meta.name == "last");
  CHECK(meta.finalizers == List<Str>{"b", "a"});
  CHECK(meta.labels == Map<Str>{{"y", Str("2")}, {"z", Str("3")}});

  // Two pieces of one message merge.
  Pod pod;
  REQUIRE(DecodeInto(Len(1, Len(1, "a")) + Len(1, Len(3, "b")), &pod).ok());
  CHECK(pod.metadata.name == "a");
  CHECK(pod.metadata.namespace_ == "b");
}

TEST_CASE("repeated numbers are read packed and unpacked") {
  core::v1::PodSecurityContext context;  // supplementalGroups = 4
  REQUIRE(DecodeInto(Int(4, 1) + Len(4, Varint(2) + Varint(300)) + Int(4, 4), &context).ok());
  CHECK(context.supplementalGroups == List<std::int64_t>{1, 2, 300, 4});
  CHECK_FALSE(DecodeInto(Len(4, "\x80"), &context).ok());
}

TEST_CASE("a map entry may lack its key or value") {
  core::v1::ResourceRequirements resources;
  REQUIRE(DecodeInto(Len(1, Len(1, "cpu")) + Len(1, Len(2, Len(1, "5"))) + Len(2, ""), &resources).ok());
  CHECK(resources.limits == Map<Quantity>{{"", "5"}, {"cpu", "0"}});
  CHECK(resources.requests == Map<Quantity>{{"", "0"}});
}

TEST_CASE("a raw object in protobuf becomes JSON") {
  core::v1::ConfigMap map;
  map.metadata.name = "inner";
  const std::string raw = Envelope("v1", "ConfigMap", Encoded(map));
  apps::v1::ControllerRevision revision;
  REQUIRE(DecodeInto(Len(2, Len(1, raw)), &revision).ok());
  CHECK(revision.data.json == R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"inner"}})");
  REQUIRE(DecodeInto(Len(2, Len(1, R"( {"a" : 1} )")), &revision).ok());
  CHECK(revision.data.json == R"({"a":1})");
  CHECK(DecodeInto(Len(2, Len(1, "{oops")), &revision).message().starts_with("invalid protobuf: data: "));
}

TEST_CASE("malformed messages are refused with the field's path") {
  const auto error = [](const std::string& bytes) {
    Pod pod;
    const Status status = DecodeInto(bytes, &pod);
    CHECK((status.ok() || status.code() == Code::kBadRequest));
    return status.message();
  };
  CHECK(error(Int(1, 1)) == "invalid protobuf: metadata: wrong wire type");
  CHECK(error(Len(1, Int(1, 1))) == "invalid protobuf: metadata.name: wrong wire type");
  CHECK(error(Len(2, Len(2, Int(1, 5)))) == "invalid protobuf: spec.containers.name: wrong wire type");
  CHECK(error(Len(1, Len(1, "\xff"))) == "invalid protobuf: metadata.name: not UTF-8");
  CHECK(error(Len(1, Len(8, Int(1, 253402300800)))) ==
        "invalid protobuf: metadata.creationTimestamp: time outside the years 1 to 9999");
  CHECK(error(Len(2, Len(32, Len(1, "cpu") + Len(2, Len(1, "x")))))
            .starts_with("invalid protobuf: spec.overhead: quant"));
  for (const std::string& bytes :
       {std::string("\x0a"),
        std::string("\x0a\x05"
                    "abc"),
        std::string("\x0a\xff\xff\xff\xff\x0f"), std::string("\x00\x00", 2), std::string("\x0b"), std::string("\x0c"),
        std::string("\x0e\x00", 2), std::string("\x08"), std::string(20, '\xff'), std::string("\x0d\x01\x02"),
        std::string("\x09\x01")}) {
    CAPTURE(bytes);
    CHECK_FALSE(error(bytes).empty());
  }
}

TEST_CASE("malformed envelopes are refused") {
  const auto error = [](const std::string& bytes) {
    const Result<ObjectPtr> object = Decode(MediaType::kProtobuf, bytes, nullptr);
    return object.ok() ? std::string() : object.status().message();
  };
  CHECK(error(Envelope("v1", "Pod", "")).empty());
  CHECK(error("") == "invalid protobuf: it does not begin with the Kubernetes prefix");
  CHECK(error("{}") == "invalid protobuf: it does not begin with the Kubernetes prefix");
  CHECK(error(std::string("k8s\0", 4)).starts_with("Object 'Kind' is missing"));
  CHECK(error(Envelope("v1", "Pid", "")) == R"(no kind "Pid" is registered for version "v1" in scheme)");
  CHECK(error(std::string("k8s\0\x0a", 5)) == "invalid protobuf: malformed envelope");
  CHECK(error(Envelope("v1", "Pod", "") + Len(3, "gzip")) == "invalid protobuf: encoded content is not supported");
}

TEST_CASE("every prefix of a valid object is read or refused, never more than it") {
  std::string bytes;
  Encode(MediaType::kProtobuf, *testing::RandomObject(DescriptorOf<Service>(), 1), bytes);
  REQUIRE(Decode(MediaType::kProtobuf, bytes, nullptr).ok());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const std::string prefix(bytes.data(), n);
    (void)Decode(MediaType::kProtobuf, prefix, nullptr).ok();
  }
}

TEST_CASE("nesting of protobuf is bounded") {
  // JSONSchemaProps{not = 31} inside itself.
  const MessageDesc* schema = FindMessage("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
  REQUIRE(schema != nullptr);
  const int number = schema->Find("not")->proto_number;
  const auto decode = [&](int depth) {
    std::string bytes;
    for (int i = 1; i < depth; ++i) bytes = Len(number, bytes);
    ObjectPtr holder = ObjectPtr::New(*schema);
    return model::DecodeProtobufMessage(*schema, bytes, holder->mutable_data(), 100);
  };
  CHECK(decode(100).ok());
  CHECK(decode(101).message().find("nested too deeply") != std::string::npos);
}

TEST_CASE("a message in very many pieces is refused") {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += Len(1, Len(11, Len(1, std::to_string(i))));
  Pod pod;
  CHECK(DecodeInto(bytes, &pod).message() == "invalid protobuf: metadata: in too many pieces");
}

TEST_CASE("large maps out of order take no quadratic time") {
  std::string bytes;
  for (int i = 200'000; i > 0; --i) {
    bytes += Len(11, Len(1, std::to_string(1'000'000 + i)) + Len(2, "v"));
    bytes += Len(14, "f");
  }
  meta::v1::ObjectMeta meta;
  REQUIRE(DecodeInto(bytes, &meta).ok());
  CHECK(meta.labels.size() == 200'000);
  CHECK(meta.finalizers.size() == 200'000);
  CHECK(meta.labels.Contains("1000001"));
}

}  // namespace
}  // namespace minikube
