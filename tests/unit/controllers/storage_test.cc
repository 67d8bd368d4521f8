// Claims, volumes and what is made of them, as decisions.
#include <catch2/catch.hpp>

#include <map>

#include <fmt/format.h>

#include "controllers/controllers.h"
#include "helpers/fixed_view.h"
#include "kube/owners.h"
#include "kube/volumes.h"

namespace minikube::controllers {
namespace {

using core::v1::Node;
using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using storage::v1::StorageClass;
using test::FixedView;
using test::Lines;
using Writes = std::vector<std::string>;

PersistentVolumeClaim Claim(std::string_view size = "1Gi", std::optional<Str> storage_class = Str("")) {
  PersistentVolumeClaim claim;
  claim.metadata.namespace_ = "default";
  claim.metadata.name = "data";
  claim.metadata.uid = "uid-data";
  claim.metadata.finalizers = {kube::kClaimProtection};
  claim.spec.accessModes = {"ReadWriteOnce"};
  claim.spec.resources.requests["storage"] = size;
  claim.spec.storageClassName = storage_class;
  claim.status.phase = "Pending";
  return claim;
}

PersistentVolume Volume(std::string_view name, std::string_view size = "1Gi") {
  PersistentVolume volume;
  volume.metadata.name = name;
  volume.metadata.uid = fmt::format("uid-{}", name);
  volume.metadata.finalizers = {kube::kVolumeProtection};
  volume.spec.accessModes = {"ReadWriteOnce"};
  volume.spec.capacity["storage"] = size;
  volume.spec.persistentVolumeReclaimPolicy = "Retain";
  volume.spec.hostPath.Mutable().path = "/data";
  volume.status.phase = "Available";
  return volume;
}

PersistentVolume KeptFor(PersistentVolume volume, const PersistentVolumeClaim& claim, bool with_uid = true) {
  core::v1::ObjectReference& ref = volume.spec.claimRef.Mutable();
  ref.namespace_ = claim.metadata.namespace_;
  ref.name = claim.metadata.name;
  if (with_uid) ref.uid = claim.metadata.uid;
  return volume;
}

StorageClass Class(std::string_view name, std::string_view provisioner, std::string_view mode) {
  StorageClass storage_class;
  storage_class.metadata.name = name;
  storage_class.provisioner = provisioner;
  storage_class.volumeBindingMode = Str(mode);
  storage_class.reclaimPolicy = Str("Delete");
  return storage_class;
}

Pod UserOf(std::string_view claim, std::string_view name, std::string_view node) {
  Pod pod;
  pod.metadata.namespace_ = "default";
  pod.metadata.name = name;
  pod.metadata.uid = fmt::format("uid-{}", name);
  pod.spec.nodeName = node;
  core::v1::Volume& volume = pod.spec.volumes.push_back({});
  volume.name = "v";
  volume.persistentVolumeClaim.Mutable().claimName = claim;
  return pod;
}

std::vector<std::string> Reasons(const Plan& plan) {
  std::vector<std::string> out;
  for (const PlannedEvent& event : plan.events()) out.push_back(event.reason);
  return out;
}

std::string MessageOf(const Plan& plan) { return plan.events().empty() ? "" : plan.events()[0].message; }

// Which volume the claim is to be bound to; "" if none.
std::string Chosen(const FixedView& world, const PersistentVolumeClaim& claim) {
  const Plan plan = ReconcileClaim(world.view(), claim);
  for (const Step& step : plan.steps()) {
    if (step.request.resource == &Client::ResourceOf<PersistentVolume>()) return step.request.name;
  }
  return "";
}

// Performs what a plan says, as a server would that nobody disturbs.
void Perform(FixedView& world, const Plan& plan) {
  for (const Step& step : plan.steps()) {
    if (step.request.verb != Verb::kUpdate) continue;
    if (const auto* claim = step.request.object->TryAs<PersistentVolumeClaim>()) world.Add(*claim);
    if (const auto* volume = step.request.object->TryAs<PersistentVolume>()) world.Add(*volume);
  }
}

TEST_CASE("a claim is bound to the smallest volume that fits") {
  FixedView world;
  PersistentVolumeClaim claim = Claim("2Gi");
  PersistentVolume modes = Volume("modes", "2Gi");
  modes.spec.accessModes = {"ReadWriteOnce", "ReadWriteMany"};
  PersistentVolume block = Volume("block", "2Gi");
  block.spec.volumeMode = Str("Block");
  PersistentVolume other_class = Volume("class", "2Gi");
  other_class.spec.storageClassName = "fast";
  PersistentVolume taken = KeptFor(Volume("taken", "2Gi"), Claim());
  taken.spec.claimRef.Mutable().name = "another";
  PersistentVolume going = Volume("going", "2Gi");
  going.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
  PersistentVolume released = Volume("released", "2Gi");
  released.status.phase = "Released";
  PersistentVolume read_only = Volume("read-only", "2Gi");
  read_only.spec.accessModes = {"ReadOnlyMany"};
  for (const auto& volume : {modes, block, other_class, taken, going, released, read_only}) world.Add(volume);
  world.Add(Volume("small", "1Gi")).Add(Volume("large", "10Gi")).Add(Volume("fits", "3Gi"));
  REQUIRE(Chosen(world, claim) == "fits");
  SECTION("fewer access modes come before a better size") {
    world.Remove(Volume("fits"));
    CHECK(Chosen(world, claim) == "large");
    world.Remove(Volume("large"));
    CHECK(Chosen(world, claim) == "modes");
    claim.spec.accessModes = {"ReadWriteMany"};
    CHECK(Chosen(world, claim) == "modes");
  }
  SECTION("by labels") {
    claim.spec.selector.Mutable().matchLabels["disk"] = "ssd";
    CHECK(Chosen(world, claim).empty());
    PersistentVolume ssd = Volume("ssd", "20Gi");
    ssd.metadata.labels["disk"] = "ssd";
    world.Add(ssd);
    CHECK(Chosen(world, claim) == "ssd");
  }
  SECTION("one that is kept for the claim, whatever else there is") {
    world.Add(KeptFor(Volume("kept", "50Gi"), claim, false));
    CHECK(Chosen(world, claim) == "kept");
    world.Add(KeptFor(Volume("kept", "1Gi"), claim, false));  // too small for it
    CHECK(Chosen(world, claim) == "fits");
  }
  SECTION("its mode") {
    claim.spec.volumeMode = Str("Block");
    CHECK(Chosen(world, claim) == "block");
  }
  SECTION("not while it is going") {
    claim.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
    CHECK(ReconcileClaim(world.view(), claim).empty());
  }
}

TEST_CASE("a binding is written step by step, and nothing is left to do at its end") {
  FixedView world;
  world.Add(Claim()).Add(Volume("v"));
  const auto claim = [&] { return *world.view().Get<PersistentVolumeClaim>("default", "data"); };
  const auto volume = [&] { return *world.view().Get<PersistentVolume>("", "v"); };
  const auto step = [&] {
    const Plan plan = ReconcileClaim(world.view(), claim());
    Perform(world, plan);
    return Lines(plan);
  };
  REQUIRE(step() == Writes{"update persistentvolumes v"});
  CHECK(volume().spec.claimRef->uid == "uid-data");
  CHECK(volume().spec.claimRef->kind == "PersistentVolumeClaim");
  CHECK(volume().metadata.annotations.Contains("pv.kubernetes.io/bound-by-controller"));
  REQUIRE(step() == Writes{"update persistentvolumes/status v", "update persistentvolumeclaims default/data"});
  CHECK(volume().status.phase == "Bound");
  CHECK(claim().spec.volumeName == "v");
  CHECK(claim().metadata.annotations.Contains("pv.kubernetes.io/bind-completed"));
  CHECK(claim().metadata.annotations.Contains("pv.kubernetes.io/bound-by-controller"));
  REQUIRE(step() == Writes{"update persistentvolumeclaims/status default/data"});
  CHECK(claim().status.phase == "Bound");
  CHECK(claim().status.capacity == volume().spec.capacity);
  CHECK(claim().status.accessModes == volume().spec.accessModes);
  CHECK(step().empty());
  CHECK(ReconcileVolume(world.view(), volume()).empty());
}

TEST_CASE("a claim that names its volume") {
  FixedView world;
  PersistentVolumeClaim claim = Claim();
  claim.spec.volumeName = "v";
  SECTION("waits for it") { CHECK(ReconcileClaim(world.view(), claim).empty()); }
  SECTION("gets it, and it was not the binder who chose") {
    world.Add(Volume("v"));
    CHECK(Chosen(world, claim) == "v");
    world.Add(KeptFor(Volume("v"), claim));
    const Plan plan = ReconcileClaim(world.view(), claim);
    REQUIRE(plan.steps().size() == 2);
    const auto& next = plan.steps()[1].request.object->As<PersistentVolumeClaim>();
    CHECK_FALSE(next.metadata.annotations.Contains("pv.kubernetes.io/bound-by-controller"));
  }
  SECTION("does not get it if it does not fit") {
    PersistentVolume wrong = Volume("v");
    std::string why;
    SECTION("size") {
      wrong.spec.capacity["storage"] = "1Mi";
      why = "requested PV is too small";
    }
    SECTION("class") {
      wrong.spec.storageClassName = "fast";
      why = "storageClassName does not match";
    }
    SECTION("mode") {
      wrong.spec.volumeMode = Str("Block");
      why = "incompatible volumeMode";
    }
    SECTION("access") {
      wrong.spec.accessModes = {"ReadOnlyMany"};
      why = "incompatible accessMode";
    }
    world.Add(wrong);
    const Plan plan = ReconcileClaim(world.view(), claim);
    CHECK(plan.empty());
    CHECK(Reasons(plan) == std::vector<std::string>{"VolumeMismatch"});
    CHECK(MessageOf(plan) == fmt::format("Cannot bind to requested volume \"v\": {}", why));
  }
  SECTION("nor if it is another's") {
    PersistentVolumeClaim other = Claim();
    other.metadata.name = "other";
    world.Add(KeptFor(Volume("v"), other));
    const Plan plan = ReconcileClaim(world.view(), claim);
    CHECK(plan.empty());
    CHECK(MessageOf(plan) == "volume \"v\" already bound to a different claim.");
  }
}

TEST_CASE("a claim without a volume says what it waits for") {
  FixedView world;
  world.Add(Class("delayed", "example.com/disk", "WaitForFirstConsumer"));
  world.Add(Class("fast", "example.com/disk", "Immediate"));
  world.Add(Class("by-hand", "kubernetes.io/no-provisioner", "Immediate"));
  const auto reconcile = [&](const PersistentVolumeClaim& claim) { return ReconcileClaim(world.view(), claim); };
  SECTION("nobody") {
    const Plan plan = reconcile(Claim());
    CHECK(plan.empty());
    CHECK(MessageOf(plan) == "no persistent volumes available for this claim and no storage class is set");
  }
  SECTION("a pod") {
    world.Add(Volume("v"));
    PersistentVolumeClaim claim = Claim("1Gi", Str("delayed"));
    CHECK(Reasons(reconcile(claim)) == std::vector<std::string>{"WaitForFirstConsumer"});
    world.Add(UserOf("data", "a", "")).Add(UserOf("data", "b", "")).Add(UserOf("data", "c", "node"));
    CHECK(MessageOf(reconcile(claim)) == "waiting for pods a,b to be scheduled");
    // Volumes of its class are the scheduler's to give, unless one is kept for it.
    PersistentVolume volume = Volume("w");
    volume.spec.storageClassName = "delayed";
    world.Add(volume);
    CHECK(Chosen(world, claim).empty());
    world.Add(KeptFor(volume, claim));
    CHECK_FALSE(reconcile(claim).empty());
  }
  SECTION("a provisioner") {
    const Plan plan = reconcile(Claim("1Gi", Str("fast")));
    REQUIRE(Lines(plan) == Writes{"update persistentvolumeclaims default/data"});
    const auto& next = plan.steps()[0].request.object->As<PersistentVolumeClaim>();
    CHECK(*next.metadata.annotations.Find("volume.kubernetes.io/storage-provisioner") == "example.com/disk");
    CHECK(*next.metadata.annotations.Find("volume.beta.kubernetes.io/storage-provisioner") == "example.com/disk");
    CHECK(Reasons(plan) == std::vector<std::string>{"ExternalProvisioning"});
    CHECK(reconcile(next).empty());
  }
  SECTION("a provisioner, once the scheduler has chosen") {
    PersistentVolumeClaim claim = Claim("1Gi", Str("delayed"));
    claim.metadata.annotations["volume.kubernetes.io/selected-node"] = "n";
    CHECK(Lines(reconcile(claim)) == Writes{"update persistentvolumeclaims default/data"});
  }
  SECTION("in vain") {
    CHECK(MessageOf(reconcile(Claim("1Gi", Str("none")))) == "storageclass.storage.k8s.io \"none\" not found");
    CHECK(MessageOf(reconcile(Claim("1Gi", Str("by-hand")))) ==
          "no volume plugin matched name: kubernetes.io/no-provisioner");
  }
  SECTION("a class: the newest default one, when there is one") {
    const PersistentVolumeClaim claim = Claim("1Gi", std::nullopt);
    CHECK(Reasons(reconcile(claim)) == std::vector<std::string>{"FailedBinding"});
    for (const auto& [name, born] : std::map<std::string, int>{{"older", 1}, {"newer", 2}}) {
      StorageClass storage_class = Class(name, "example.com/disk", "Immediate");
      storage_class.metadata.annotations["storageclass.kubernetes.io/is-default-class"] = "true";
      storage_class.metadata.creationTimestamp = Time{Instant::FromUnixMicros(born * 1'000'000)};
      world.Add(storage_class);
    }
    const Plan plan = reconcile(claim);
    REQUIRE(Lines(plan) == Writes{"update persistentvolumeclaims default/data"});
    CHECK(plan.steps()[0].request.object->As<PersistentVolumeClaim>().spec.storageClassName == Str("newer"));
    CHECK(Reasons(reconcile(Claim("1Gi", Str("")))) == std::vector<std::string>{"FailedBinding"});
  }
}

TEST_CASE("a bound claim that loses its volume is lost, and not before the server says so") {
  FixedView world;
  PersistentVolumeClaim claim = Claim();
  claim.spec.volumeName = "v";
  claim.metadata.annotations[kube::kBindCompleted] = "yes";
  claim.status.phase = "Bound";
  claim.status.capacity["storage"] = "1Gi";
  const auto lost = [&](std::string_view reason) {
    const Plan plan = ReconcileClaim(world.view(), claim);
    REQUIRE(Lines(plan) == Writes{"update persistentvolumeclaims/status default/data"});
    const auto& next = plan.steps()[0].request.object->As<PersistentVolumeClaim>();
    CHECK(next.status.phase == "Lost");
    CHECK(next.status.capacity.empty());
    REQUIRE(plan.steps()[0].on_success);
    CHECK(plan.steps()[0].on_success->type == "Warning");
    CHECK(plan.steps()[0].on_success->reason == reason);
    CHECK(ReconcileClaim(world.view(), next).empty());
  };
  SECTION("gone") {
    const Plan plan = ReconcileClaim(world.view(), claim);
    REQUIRE(Lines(plan) == Writes{"get persistentvolumes v"});
    world.last.answers.push_back({plan.steps()[0].request, Status(Code::kNotFound, "")});
    lost("ClaimLost");
  }
  SECTION("not gone, but not seen yet") {
    world.last.answers.push_back(
        {Client::NamedRequest<PersistentVolume>(Verb::kGet, {}, "v"), ApiResponse{.object = Share(Volume("v"))}});
    CHECK(ReconcileClaim(world.view(), claim).empty());
  }
  SECTION("another's") {
    PersistentVolumeClaim other = Claim();
    other.metadata.uid = "uid-other";
    world.Add(KeptFor(Volume("v"), other));
    lost("ClaimMisbound");
  }
  SECTION("none named") {
    claim.spec.volumeName = "";
    lost("ClaimLost");
  }
}

TEST_CASE("a volume's phase is what its claim makes it") {
  FixedView world;
  PersistentVolumeClaim claim = Claim();
  PersistentVolume volume = Volume("v");
  volume.status.phase = "Pending";
  const auto phase = [&](const PersistentVolume& of) -> std::string {
    const Plan plan = ReconcileVolume(world.view(), of);
    if (Lines(plan) != Writes{"update persistentvolumes/status v"})
      return fmt::format("{}", fmt::join(Lines(plan), " "));
    return plan.steps()[0].request.object->As<PersistentVolume>().status.phase.str();
  };
  CHECK(phase(volume) == "Available");
  CHECK(phase(KeptFor(volume, claim, false)) == "Available");
  volume = KeptFor(volume, claim);
  SECTION("bound") {
    world.Add(claim);
    CHECK(phase(volume).empty());  // the claim comes first
    claim.spec.volumeName = "v";
    world.Add(claim);
    CHECK(phase(volume) == "Bound");
  }
  SECTION("released, when the server says that the claim is gone") {
    CHECK(phase(volume) == "get persistentvolumeclaims default/data");
    world.last.answers.push_back({Client::NamedRequest<PersistentVolumeClaim>(Verb::kGet, "default", "data"),
                                  ApiResponse{.object = Share(claim)}});
    CHECK(phase(volume).empty());
    PersistentVolumeClaim successor = claim;
    successor.metadata.uid = "uid-new";
    world.last.answers[0].response = ApiResponse{.object = Share(successor)};
    CHECK(phase(volume) == "Released");
    world.last.answers[0].response = Status(Code::kNotFound, "");
    CHECK(phase(volume) == "Released");
  }
  SECTION("another volume is the claim's") {
    claim.spec.volumeName = "w";
    world.Add(claim);
    Plan plan = ReconcileVolume(world.view(), volume);
    REQUIRE(Lines(plan) == Writes{"update persistentvolumes v"});
    const auto& kept = plan.steps()[0].request.object->As<PersistentVolume>();
    CHECK(kept.spec.claimRef->name == "data");
    CHECK(kept.spec.claimRef->uid.empty());
    volume.metadata.annotations[kube::kBoundByController] = "yes";
    plan = ReconcileVolume(world.view(), volume);
    CHECK_FALSE(plan.steps()[0].request.object->As<PersistentVolume>().spec.claimRef);
  }
}

TEST_CASE("a released volume is treated as its policy says") {
  FixedView world;
  PersistentVolume volume = KeptFor(Volume("v"), Claim());
  volume.status.phase = "Released";
  const auto failed = [&](std::string_view reason, std::string_view message) {
    const Plan plan = ReconcileVolume(world.view(), volume);
    REQUIRE(Lines(plan) == Writes{"update persistentvolumes/status v"});
    PersistentVolume next = plan.steps()[0].request.object->As<PersistentVolume>();
    CHECK(next.status.phase == "Failed");
    CHECK(next.status.message == message);
    CHECK(plan.steps()[0].on_success->reason == reason);
    CHECK(ReconcileVolume(world.view(), next).empty());
  };
  SECTION("Retain") { CHECK(ReconcileVolume(world.view(), volume).empty()); }
  SECTION("Recycle") {
    volume.spec.persistentVolumeReclaimPolicy = "Recycle";
    failed("VolumeFailedRecycle", "No recycler plugin found for the volume!");
  }
  volume.spec.persistentVolumeReclaimPolicy = "Delete";
  SECTION("Delete, and nobody can") {
    failed("VolumeFailedDelete",
           "error getting deleter volume plugin for volume \"v\": no deletable volume plugin matched");
  }
  SECTION("Delete, by its driver") {
    volume.metadata.annotations[kube::kProvisionedBy] = "example.com/disk";
    CHECK(ReconcileVolume(world.view(), volume).empty());
  }
  SECTION("Delete, by us") {
    volume.metadata.annotations[kube::kProvisionedBy] = kube::kLocalPath;
    const Plan plan = ReconcileVolume(world.view(), volume);
    REQUIRE(Lines(plan) == Writes{"delete persistentvolumes v"});
    CHECK(plan.steps()[0].request.precondition_uid == "uid-v");
    volume.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
    CHECK(ReconcileVolume(world.view(), volume).empty());
  }
}

TEST_CASE("a claim stays as long as a pod with a node uses it") {
  FixedView world;
  PersistentVolumeClaim claim = Claim();
  const auto writes = [&] { return Lines(ReconcileClaimProtection(world.view(), claim)); };
  const auto answer = [&](std::vector<Pod> pods) {
    ApiResponse response;
    for (const Pod& pod : pods) response.items.push_back(Share(pod));
    ApiRequest request;
    request.verb = Verb::kList;
    request.resource = &Client::ResourceOf<Pod>();
    request.ns = "default";
    world.last.answers = {{request, response}};
  };
  CHECK(writes().empty());
  claim.metadata.finalizers.clear();
  CHECK(writes() == Writes{"update persistentvolumeclaims default/data"});  // one from before there was protection
  claim = Claim();
  claim.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
  SECTION("used") {
    world.Add(UserOf("data", "a", "n"));
    CHECK(writes().empty());
    Pod done = UserOf("data", "a", "n");
    done.status.phase = "Succeeded";
    world.Add(done);
    CHECK(writes().empty());
  }
  SECTION("not seen to be used: the server is asked") {
    world.Add(UserOf("data", "a", "")).Add(UserOf("other", "b", "n"));
    REQUIRE(writes() == Writes{"list pods default/"});
    answer({UserOf("data", "c", "n")});
    CHECK(writes().empty());
    answer({UserOf("data", "a", ""), UserOf("other", "b", "n")});
    REQUIRE(writes() == Writes{"update persistentvolumeclaims default/data"});
    const Plan plan = ReconcileClaimProtection(world.view(), claim);
    CHECK(plan.steps()[0].request.object->meta().finalizers.empty());
  }
  SECTION("a volume that is no longer than its pod") {
    Pod pod = UserOf("", "data", "n");
    pod.spec.volumes.clear();
    core::v1::Volume& volume = pod.spec.volumes.push_back({});
    volume.name = "scratch";
    volume.ephemeral.Mutable().volumeClaimTemplate.Mutable();
    claim.metadata.name = "data-scratch";
    claim.metadata.ownerReferences = {kube::ControllerRefTo(pod)};
    world.Add(pod);
    CHECK(writes().empty());
    pod.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
    pod.metadata.deletionGracePeriodSeconds = 0;
    world.Add(pod);
    answer({pod});
    CHECK_FALSE(writes().empty());
  }
}

TEST_CASE("a volume stays as long as it is bound") {
  FixedView world;
  PersistentVolume volume = Volume("v");
  const auto writes = [&] { return Lines(ReconcileVolumeProtection(world.view(), volume)); };
  CHECK(writes().empty());
  volume.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
  volume.status.phase = "Bound";
  CHECK(writes().empty());
  volume.status.phase = "Released";
  CHECK(writes() == Writes{"update persistentvolumes v"});
}

TEST_CASE("ephemeral volumes have claims that are their pods'") {
  FixedView world;
  Pod pod = UserOf("", "web", "");
  pod.spec.volumes.clear();
  core::v1::Volume& volume = pod.spec.volumes.push_back({});
  volume.name = "scratch";
  auto& wanted = volume.ephemeral.Mutable().volumeClaimTemplate.Mutable();
  wanted.metadata.labels["a"] = "b";
  wanted.spec = Claim().spec;
  const Plan plan = ReconcileEphemeralVolumes(world.view(), pod);
  REQUIRE(Lines(plan) == Writes{"create persistentvolumeclaims default/web-scratch"});
  PersistentVolumeClaim claim = plan.steps()[0].request.object->As<PersistentVolumeClaim>();
  CHECK(claim.metadata.labels.Contains("a"));
  CHECK(kube::IsControlledBy(claim.metadata, "uid-web"));
  world.Add(claim);
  CHECK(ReconcileEphemeralVolumes(world.view(), pod).empty());
  claim.metadata.ownerReferences.clear();
  world.Add(claim);
  CHECK(MessageOf(ReconcileEphemeralVolumes(world.view(), pod)) ==
        "ephemeral volume scratch: PVC default/web-scratch was not created for pod default/web (pod is not owner)");
}

TEST_CASE("local-path volumes are made on the node that was chosen") {
  FixedView world;
  StorageClass local = Class("local-path", kube::kLocalPath, "WaitForFirstConsumer");
  world.Add(local);
  Node node;
  node.metadata.name = "n";
  node.metadata.labels["kubernetes.io/hostname"] = "host";
  node.metadata.annotations[kube::kLocalPathRoot] = "/var/lib/data";
  PersistentVolumeClaim claim = Claim("1Gi", Str("local-path"));
  claim.metadata.annotations[kube::kStorageProvisioner] = kube::kLocalPath;
  claim.metadata.annotations[kube::kSelectedNode] = "n";
  const auto reconcile = [&] { return ProvisionLocalPath(world.view(), claim); };
  SECTION("with data") {
    world.Add(node);
    const Plan plan = reconcile();
    REQUIRE(Lines(plan) == Writes{"create persistentvolumes pvc-uid-data"});
    const auto& volume = plan.steps()[0].request.object->As<PersistentVolume>();
    CHECK(volume.spec.local->path == "/var/lib/data/pvc-uid-data");
    CHECK(kube::HasFinalizer(volume.metadata, kube::kLocalPath));
    CHECK(volume.spec.persistentVolumeReclaimPolicy == "Delete");
    CHECK(volume.spec.capacity == claim.spec.resources.requests);
    CHECK(kube::HostnameOf(volume) == "host");
    CHECK(kube::IsReachableFrom(volume, node.metadata.labels));
    CHECK_FALSE(kube::IsReachableFrom(volume, {}));
    CHECK(kube::IsBoundTo(volume, claim));
    world.Add(volume);
    CHECK(reconcile().empty());
  }
  SECTION("on a node that runs nothing") {
    node.metadata.annotations.clear();
    world.Add(node);
    CHECK(reconcile().steps()[0].request.object->meta().finalizers.empty());
  }
  SECTION("again, if a former claim of the name has left one") {
    PersistentVolumeClaim former = claim;
    former.metadata.uid = "uid-former";
    world.Add(node).Add(KeptFor(Volume("left"), former));
    CHECK(Lines(reconcile()) == Writes{"create persistentvolumes pvc-uid-data"});
  }
  SECTION("not for others' claims") {
    world.Add(node);
    claim.metadata.annotations[kube::kStorageProvisioner] = "example.com/disk";
    CHECK(reconcile().empty());
  }
  SECTION("of a node that has gone, another is chosen") {
    REQUIRE(Lines(reconcile()) == Writes{"get nodes n"});
    world.last.answers.push_back({Client::NamedRequest<Node>(Verb::kGet, {}, "n"), Status(Code::kNotFound, "")});
    const Plan plan = reconcile();
    REQUIRE(Lines(plan) == Writes{"update persistentvolumeclaims default/data"});
    CHECK_FALSE(plan.steps()[0].request.object->meta().annotations.Contains(kube::kSelectedNode));
  }
  SECTION("and what a directory cannot be is said") {
    world.Add(node);
    SECTION("block") { claim.spec.volumeMode = Str("Block"); }
    SECTION("shared") { claim.spec.accessModes = {"ReadWriteMany"}; }
    SECTION("selected") { claim.spec.selector.Mutable(); }
    SECTION("filled") { claim.spec.dataSource.Mutable().kind = "VolumeSnapshot"; }
    SECTION("anywhere") { claim.metadata.annotations.Erase(kube::kSelectedNode); }
    CHECK(reconcile().empty());
    CHECK(Reasons(reconcile()) == std::vector<std::string>{"ProvisioningFailed"});
  }
}

TEST_CASE("a local-path volume is let go five minutes after its node") {
  FixedView world;
  PersistentVolume volume = Volume("v");
  volume.metadata.finalizers.push_back(kube::kLocalPath);
  core::v1::NodeSelectorRequirement here;
  here.key = "kubernetes.io/hostname";
  here.operator_ = "In";
  here.values = {"n"};
  core::v1::NodeSelectorTerm term;
  term.matchExpressions = {here};
  volume.spec.nodeAffinity.Mutable().required.Mutable().nodeSelectorTerms = {term};
  CHECK(AbandonLocalPath(world.view(), volume).empty());
  volume.metadata.deletionTimestamp = world.view().Now();
  Plan plan = AbandonLocalPath(world.view(), volume);
  CHECK(plan.empty());
  CHECK(plan.again() == std::chrono::minutes(5));
  world.now += std::chrono::minutes(5);
  plan = AbandonLocalPath(world.view(), volume);
  REQUIRE(Lines(plan) == Writes{"update persistentvolumes v"});
  CHECK_FALSE(kube::HasFinalizer(plan.steps()[0].request.object->meta(), kube::kLocalPath));
  Node node;
  node.metadata.name = "n";
  node.metadata.labels["kubernetes.io/hostname"] = "n";
  world.Add(node);
  CHECK(AbandonLocalPath(world.view(), volume).empty());
}

TEST_CASE("a larger claim makes a larger volume") {
  FixedView world;
  PersistentVolumeClaim claim = Claim("2Gi");
  claim.spec.volumeName = "v";
  claim.metadata.annotations[kube::kBindCompleted] = "yes";
  claim.status.phase = "Bound";
  claim.status.capacity["storage"] = "1Gi";
  PersistentVolume volume = KeptFor(Volume("v"), claim);
  volume.metadata.annotations[kube::kProvisionedBy] = kube::kLocalPath;
  world.Add(volume);
  Plan plan = ReconcileExpansion(world.view(), claim);
  REQUIRE(Lines(plan) == Writes{"update persistentvolumes v"});
  Perform(world, plan);
  plan = ReconcileExpansion(world.view(), claim);
  REQUIRE(Lines(plan) == Writes{"update persistentvolumeclaims/status default/data"});
  const auto& next = plan.steps()[0].request.object->As<PersistentVolumeClaim>();
  CHECK(*next.status.capacity.Find("storage") == Quantity("2Gi"));
  CHECK(ReconcileExpansion(world.view(), next).empty());
  SECTION("a driver's is the driver's") {
    volume.metadata.annotations[kube::kProvisionedBy] = "example.com/disk";
    world.Add(volume);
    plan = ReconcileExpansion(world.view(), claim);
    CHECK(plan.empty());
    CHECK(Reasons(plan) == std::vector<std::string>{"ExternalExpanding"});
  }
}

}  // namespace
}  // namespace minikube::controllers
