// Objects: creation, copies that share, equality.
#include <catch2/catch.hpp>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/object.h>

#include "helpers/dies.h"
#include "helpers/random_object.h"

namespace minikube {
namespace {

using core::v1::Pod;

TEST_CASE("a clone shares every part until it is changed") {
  const ObjectRef original = testing::RandomObject(DescriptorOf<Pod>(), 3).Freeze();
  ObjectPtr clone = ObjectPtr::Clone(*original);
  CHECK(Equal(*original, *clone));
  Pod& pod = clone->As<Pod>();
  const Pod& before = original->As<Pod>();
  CHECK(pod.spec.containers.same(before.spec.containers));
  CHECK(pod.metadata.labels.same(before.metadata.labels));

  const Str image = before.spec.containers[0].image;
  pod.spec.containers.Mutable(0).image = "changed";
  CHECK(before.spec.containers[0].image == image);
  CHECK(pod.spec.containers[0].ports.same(before.spec.containers[0].ports));
  CHECK_FALSE(Equal(*original, *clone));
}

TEST_CASE("an object lives as long as any reference") {
  ObjectRef kept;
  {
    const ObjectRef object = testing::RandomObject(DescriptorOf<Pod>(), 4).Freeze();
    kept = object;
  }
  CHECK(Equal(*kept, *testing::RandomObject(DescriptorOf<Pod>(), 4)));
}

TEST_CASE("metadata is found where a type has it") {
  ObjectPtr pod = ObjectPtr::New(DescriptorOf<Pod>());
  pod->mutable_meta().name = "a";
  CHECK(pod->As<Pod>().metadata.name == "a");
  CHECK(pod->meta().name == "a");
  CHECK(pod->kind() == "Pod");
  CHECK(pod->TryAs<Pod>() != nullptr);
  CHECK(pod->TryAs<core::v1::Node>() == nullptr);
  CHECK(ObjectPtr::New(DescriptorOf<core::v1::PodList>())->meta().name.empty());
}

TEST_CASE("an object is used as what it is, or not at all") {
  const ObjectRef pod = ObjectPtr::New(DescriptorOf<Pod>()).Freeze();
  CHECK(pod->Is<Pod>());
  CHECK_FALSE(pod->Is<core::v1::Node>());
  CHECK(&pod->As<Pod>() == pod->data());
  const std::string words = test::DyingWordsOf([&] { (void)pod->As<core::v1::Node>(); });
  CHECK(words.find("io.k8s.api.core.v1.Pod") != std::string::npos);
  CHECK(words.find("io.k8s.api.core.v1.Node") != std::string::npos);
}

TEST_CASE("equality is of meaning") {
  core::v1::Container a;
  core::v1::Container b;
  a.resources.limits["cpu"] = "1";
  b.resources.limits["cpu"] = "1000m";
  CHECK(DeepEqual(a, b));
  b.resources.limits["cpu"] = "1001m";
  CHECK_FALSE(DeepEqual(a, b));

  meta::v1::ObjectMeta x;
  meta::v1::ObjectMeta y;
  x.creationTimestamp = Time{Instant::FromUnixMicros(1'000'001)};
  y.creationTimestamp = Time{Instant::FromUnixMicros(1'999'999)};
  CHECK(DeepEqual(x, y));  // no encoding tells them apart
  y.creationTimestamp = Time{Instant::FromUnixMicros(2'000'000)};
  CHECK_FALSE(DeepEqual(x, y));

  // Unset is not zero where the type can tell.
  apps::v1::DeploymentSpec unset;
  apps::v1::DeploymentSpec zero;
  zero.replicas = 0;
  CHECK_FALSE(DeepEqual(unset, zero));
  core::v1::PodSpec without;
  core::v1::PodSpec with;
  with.affinity = core::v1::Affinity{};
  CHECK_FALSE(DeepEqual(without, with));
  CHECK_FALSE(DeepEqual(with, without));
}

TEST_CASE("objects of different types are never equal") {
  CHECK_FALSE(Equal(*ObjectPtr::New(DescriptorOf<Pod>()), *ObjectPtr::New(DescriptorOf<core::v1::Node>())));
}

}  // namespace
}  // namespace minikube
