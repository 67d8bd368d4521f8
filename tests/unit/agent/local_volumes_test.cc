// Volumes behind claims, on their node: what a pod is given, and the directories of local-path volumes.
#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "agent/local_volumes.h"
#include "agent/pod_files.h"
#include "helpers/temp_dir.h"
#include "kube/owners.h"
#include "kube/volumes.h"

namespace minikube::agent {
namespace {

namespace fs = std::filesystem;

// The objects that a node has asked for.
class Known final : public ObjectSource {
 public:
  template <typename T>
  void Add(const T& object) {
    objects_[{&Client::ResourceOf<T>(), object.metadata.name.str()}] = Share(object);
  }
  Result<ObjectRef> Get(const ResourceDesc& resource, std::string_view, std::string_view name) override {
    const auto it = objects_.find({&resource, std::string(name)});
    if (it == objects_.end()) {
      return Status(Code::kNotFound, fmt::format("{} \"{}\" not found", resource.singular, name));
    }
    return it->second;
  }

 private:
  std::map<std::pair<const ResourceDesc*, std::string>, ObjectRef> objects_;
};

core::PersistentVolume LocalVolume(std::string_view name, std::string_view path, std::string_view node = "n1") {
  core::PersistentVolume volume;
  volume.metadata.name = name;
  volume.metadata.uid = fmt::format("uid-{}", name);
  volume.spec.local.Mutable().path = path;
  volume.spec.persistentVolumeReclaimPolicy = "Delete";
  volume.status.phase = "Bound";
  core::NodeSelectorRequirement here;
  here.key = "kubernetes.io/hostname";
  here.operator_ = "In";
  here.values = {node};
  core::NodeSelectorTerm term;
  term.matchExpressions = {here};
  volume.spec.nodeAffinity.Mutable().required.Mutable().nodeSelectorTerms = {term};
  volume.spec.claimRef.Mutable().uid = "uid-data";
  return volume;
}

core::PersistentVolume Provisioned(std::string_view name) {
  core::PersistentVolume volume = LocalVolume(name, fmt::format("/somewhere/{}", name));
  volume.metadata.annotations[kube::kProvisionedBy] = kube::kLocalPath;
  volume.metadata.finalizers = {kube::kVolumeProtection, kube::kLocalPath};
  return volume;
}

struct World {
  World() {
    pod.metadata.name = "web";
    pod.metadata.namespace_ = "ns";
    pod.metadata.uid = "uid-web";
    core::Volume& volume = pod.spec.volumes.push_back({});
    volume.name = "data";
    volume.persistentVolumeClaim.Mutable().claimName = "data";
    claim.metadata.name = "data";
    claim.metadata.namespace_ = "ns";
    claim.metadata.uid = "uid-data";
    claim.metadata.annotations[kube::kBindCompleted] = "yes";
    claim.spec.volumeName = "v";
    claim.status.phase = "Bound";
    facts.pod = &pod;
    facts.node_labels["kubernetes.io/hostname"] = "n1";
  }
  Result<std::vector<PlannedVolume>> Plan(const std::vector<PlannedVolume>& in_place = {}) {
    return PlanVolumes(facts, objects, {}, TokenVolumes::kMade, in_place, "/root/local-path");
  }
  std::string Error() { return Plan().status().message(); }

  core::Pod pod;
  core::PersistentVolumeClaim claim;
  PodFacts facts;
  Known objects;
};

TEST_CASE("a claim's volume is where its PersistentVolume says", "[agent]") {
  World w;
  w.objects.Add(w.claim);
  SECTION("a directory of the node's") {
    w.objects.Add(LocalVolume("v", "/mnt/disk"));
    w.pod.spec.securityContext.Mutable().fsGroup = 7;
    w.pod.spec.securityContext.Mutable().fsGroupChangePolicy = Str("OnRootMismatch");
    w.pod.spec.volumes.Mutable(0).persistentVolumeClaim.Mutable().readOnly = true;
    const PlannedVolume planned = w.Plan().value()[0];
    CHECK(planned.kind == PlannedVolume::Kind::kLocal);
    CHECK(planned.host_path == "/mnt/disk");
    CHECK(planned.claimed);
    CHECK(planned.read_only);
    CHECK(planned.group == 7);
    CHECK(planned.group_at_root);
  }
  SECTION("a path of any machine") {
    core::PersistentVolume volume = LocalVolume("v", "");
    volume.spec.local.reset();
    volume.spec.hostPath.Mutable().path = "/srv";
    volume.spec.hostPath.Mutable().type = Str("Directory");
    w.pod.spec.securityContext.Mutable().fsGroup = 7;
    w.objects.Add(volume);
    const PlannedVolume planned = w.Plan().value()[0];
    CHECK(planned.kind == PlannedVolume::Kind::kHostPath);
    CHECK(planned.host_path == "/srv");
    CHECK(planned.host_path_type == "Directory");
    CHECK_FALSE(planned.group);
  }
  SECTION("one of the built-in provisioner's, below the agent's root, once its directory is there") {
    core::PersistentVolume volume = Provisioned("v");
    w.objects.Add(volume);
    CHECK(w.Plan().status().code() == Code::kUnavailable);
    volume.metadata.annotations[kube::kLocalPathMade] = "true";
    w.objects.Add(volume);
    CHECK(w.Plan().value()[0].host_path == "/root/local-path/v");
  }
}

TEST_CASE("why a pod does not get its claim's volume", "[agent]") {
  World w;
  std::string why;
  SECTION("no claim") { why = "failed to fetch PVC from API server: persistentvolumeclaim \"data\" not found"; }
  SECTION("not bound") {
    w.claim.metadata.annotations.clear();
    w.objects.Add(w.claim);
    why = "PVC is not bound";
  }
  SECTION("going") {
    w.claim.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
    w.objects.Add(w.claim);
    w.objects.Add(LocalVolume("v", "/mnt"));
    CHECK(w.Error().ends_with("PVC is being deleted"));
    // Who has started goes on.
    core::ContainerStatus& status = w.pod.status.containerStatuses.push_back({});
    status.containerID = "runc://1";
    CHECK(w.Plan().ok());
    return;
  }
  SECTION("of another pod") {
    w.pod.spec.volumes.clear();
    core::Volume& volume = w.pod.spec.volumes.push_back({});
    volume.name = "data";
    volume.ephemeral.Mutable();
    w.claim.metadata.name = "web-data";
    w.objects.Add(w.claim);
    CHECK(w.Error().ends_with("PVC ns/web-data was not created for pod ns/web (pod is not owner)"));
    return;
  }
  w.objects.Add(LocalVolume("w", "/mnt"));
  SECTION("no volume") {
    w.objects.Add(w.claim);
    why = "failed to fetch PV v from API server: persistentvolume \"v\" not found";
  }
  SECTION("another's volume") {
    w.objects.Add(w.claim);
    core::PersistentVolume volume = LocalVolume("v", "/mnt");
    volume.spec.claimRef.Mutable().uid = "uid-other";
    w.objects.Add(volume);
    why = "PV v is not bound to the claim";
  }
  SECTION("elsewhere") {
    w.objects.Add(w.claim);
    w.objects.Add(LocalVolume("v", "/mnt", "n2"));
    why = "MountVolume.NodeAffinity check failed for volume \"v\" : no matching NodeSelectorTerms";
  }
  SECTION("a block device") {
    w.objects.Add(w.claim);
    core::PersistentVolume volume = LocalVolume("v", "/dev/sdx");
    volume.spec.volumeMode = Str("Block");
    w.objects.Add(volume);
    why = "PV v has volumeMode Block, which is not supported by this node";
  }
  SECTION("a network's") {
    w.objects.Add(w.claim);
    core::PersistentVolume volume = LocalVolume("v", "");
    volume.spec.local.reset();
    volume.spec.nfs.Mutable().server = "nas";
    w.objects.Add(volume);
    why = "PV v is of a type that is not supported by this node";
  }
  CHECK(w.Error() ==
        "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to "
        "process volumes=[data]: error processing PVC ns/data: " +
            why);
}

TEST_CASE("what a pod has is not asked for again", "[agent]") {
  World w;
  w.objects.Add(w.claim);
  w.objects.Add(LocalVolume("v", "/mnt"));
  const std::vector<PlannedVolume> before = w.Plan().value();
  w.claim.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
  w.objects.Add(w.claim);
  CHECK(w.Plan(before).value() == before);
}

TEST_CASE("a local-path volume is made once, and removed when nobody is to have it any more", "[agent]") {
  core::PersistentVolume volume = Provisioned("pvc-1");
  const auto next = [&] { return NextLocalStep(volume, "n1"); };
  CHECK(next() == LocalStep::kMake);
  CHECK(NextLocalStep(volume, "n2") == LocalStep::kNothing);
  volume.metadata.annotations[kube::kLocalPathMade] = "true";
  CHECK(next() == LocalStep::kNothing);
  SECTION("while it is bound it stays") {
    volume.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
    CHECK(next() == LocalStep::kNothing);
    volume.status.phase = "Released";
    CHECK(next() == LocalStep::kRemove);
    volume.spec.persistentVolumeReclaimPolicy = "Retain";
    CHECK(next() == LocalStep::kLetGo);
    volume.metadata.finalizers = {kube::kVolumeProtection};
    CHECK(next() == LocalStep::kNothing);
  }
  SECTION("what others say is theirs is left alone") {
    volume.metadata.deletionTimestamp = Time{Instant::FromUnixMicros(1)};
    volume.status.phase = "Released";
    SECTION("by another name") { volume.spec.local.Mutable().path = "/somewhere/pvc-2"; }
    SECTION("by climbing") { volume.spec.local.Mutable().path = "/somewhere/pvc-1/.."; }
    SECTION("made by hand") { volume.metadata.annotations.Erase(kube::kProvisionedBy); }
    SECTION("of another kind") {
      volume.spec.local.reset();
      volume.spec.hostPath.Mutable().path = "/somewhere/pvc-1";
    }
    SECTION("of another node") { volume = LocalVolume("pvc-1", "/somewhere/pvc-1", "n2"); }
    CHECK(next() == LocalStep::kNothing);
  }
}

TEST_CASE("directories of volumes are made and removed below their root alone", "[agent]") {
  test::TempDir dir;
  const std::string root = dir.path() + "/local-path";
  REQUIRE(MakeLocalVolume(root, "pvc-1").ok());
  std::ofstream(root + "/pvc-1/x") << "kept";
  REQUIRE(MakeLocalVolume(root, "pvc-1").ok());  // as after a crash
  CHECK(fs::exists(root + "/pvc-1/x"));
  struct stat info {};
  REQUIRE(stat((root + "/pvc-1").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0777);
  std::ofstream(dir.path() + "/precious") << "kept";
  for (const char* name : {"", ".", "..", "../local-path", "a/b", "/etc", ".gone-pvc-1"}) {
    CAPTURE(name);
    CHECK(MakeLocalVolume(root, name).code() == Code::kBadRequest);
    CHECK(RemoveLocalVolume(root, name).code() == Code::kBadRequest);
  }
  // A link in the place of the directory is not followed.
  fs::create_directory_symlink(dir.path(), root + "/pvc-2");
  CHECK_FALSE(MakeLocalVolume(root, "pvc-2").ok());
  CHECK(RemoveLocalVolume(root, "pvc-2").ok());
  CHECK(fs::exists(dir.path() + "/precious"));
  // What was cut short is done again.
  fs::create_directories(root + "/.gone-pvc-1/half");
  REQUIRE(RemoveLocalVolume(root, "pvc-1").ok());
  REQUIRE(RemoveLocalVolume(root, "pvc-1").ok());
  CHECK(fs::is_empty(root));
}

TEST_CASE("a pod's directory says which volumes it uses, until it goes", "[agent]") {
  test::TempDir dir;
  core::Pod pod;
  pod.metadata.name = "web";
  pod.metadata.namespace_ = "ns";
  pod.metadata.uid = "u-1";
  const PodPaths paths(dir.path(), pod);
  const std::string data = dir.path() + "/local-path/pvc-1";
  PlannedVolume volume;
  volume.name = "data";
  volume.kind = PlannedVolume::Kind::kLocal;
  volume.host_path = data;
  volume.claimed = true;
  const Status missing = ApplyVolumes(paths, {volume});
  CHECK(missing.message() ==
        fmt::format("MountVolume.SetUp failed for volume \"data\" : path \"{}\" does not exist", data));
  CHECK_FALSE(fs::exists(data));
  REQUIRE(MakeLocalVolume(dir.path() + "/local-path", "pvc-1").ok());
  fs::remove_all(dir.path() + "/pods");
  fs::create_directories(dir.path() + "/pods");
  CHECK_FALSE(IsUsedByPod(dir.path(), data));
  REQUIRE(ApplyVolumes(paths, {volume}).ok());
  REQUIRE(ApplyVolumes(paths, {volume}).ok());
  CHECK(IsUsedByPod(dir.path(), data));
  CHECK_FALSE(IsUsedByPod(dir.path(), data + "0"));
  std::ofstream(data + "/x") << "kept";
  REQUIRE(RemovePodDir(paths.dir()).ok());
  CHECK_FALSE(IsUsedByPod(dir.path(), data));
  CHECK(fs::exists(data + "/x"));
  fs::remove_all(dir.path() + "/pods");
  CHECK(IsUsedByPod(dir.path(), data));  // who cannot look does not say no
}

TEST_CASE("a volume is given to a group, and nothing that its links lead to", "[agent]") {
  if (getuid() != 0) return;
  test::TempDir dir;
  core::Pod pod;
  pod.metadata.uid = "u-1";
  const PodPaths paths(dir.path(), pod);
  const std::string data = dir.path() + "/data";
  fs::create_directories(data + "/a/b");
  std::ofstream(data + "/a/file") << "x";
  std::ofstream(dir.path() + "/precious") << "x";
  fs::create_symlink(dir.path() + "/precious", data + "/link");
  fs::create_directory_symlink(dir.path(), data + "/dir");
  const auto group = [](const std::string& path) {
    struct stat info {};
    REQUIRE(lstat(path.c_str(), &info) == 0);
    return info.st_gid;
  };
  PlannedVolume volume;
  volume.name = "data";
  volume.kind = PlannedVolume::Kind::kLocal;
  volume.host_path = data;
  volume.claimed = true;
  volume.group = 4321;
  REQUIRE(ApplyVolumes(paths, {volume}).ok());
  for (const char* name : {"", "/a", "/a/b", "/a/file", "/link"}) CHECK(group(data + name) == 4321);
  CHECK(group(dir.path() + "/precious") == 0);
  CHECK(group(dir.path()) == 0);
  struct stat info {};
  REQUIRE(stat((data + "/a/b").c_str(), &info) == 0);
  CHECK((info.st_mode & 02770) == 02770);
  // Another pod that asks only where the root is another's changes nothing.
  REQUIRE(chown((data + "/a/file").c_str(), 0, 0) == 0);
  volume.group_at_root = true;
  REQUIRE(ApplyVolumes(paths, {volume}).ok());
  CHECK(group(data + "/a/file") == 0);
  volume.group_at_root = false;
  REQUIRE(ApplyVolumes(paths, {volume}).ok());
  CHECK(group(data + "/a/file") == 4321);
}

}  // namespace
}  // namespace minikube::agent
