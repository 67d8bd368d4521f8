#include <catch2/catch.hpp>

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/pod_files.h"
#include "helpers/temp_dir.h"

namespace minikube::agent {
namespace {

namespace fs = std::filesystem;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

struct Files {
  Files() : paths(dir.path(), Pod()) {}
  static core::Pod Pod() {
    core::Pod pod;
    pod.metadata.name = "web";
    pod.metadata.namespace_ = "ns";
    pod.metadata.uid = "u-1";
    return pod;
  }
  PlannedVolume Config(std::vector<VolumeFile> files) {
    PlannedVolume volume;
    volume.name = "cfg";
    volume.kind = PlannedVolume::Kind::kFiles;
    volume.files = std::move(files);
    return volume;
  }
  test::TempDir dir;
  PodPaths paths;
};

TEST_CASE("files of a volume are replaced in one step", "[agent]") {
  Files f;
  REQUIRE(ApplyVolumes(f.paths, {f.Config({{"a", "1", 0644}, {"dir/b", "2", 0400}})}).ok());
  const std::string dir = f.paths.Volume("cfg");
  REQUIRE(Read(dir + "/a") == "1");
  REQUIRE(Read(dir + "/dir/b") == "2");
  struct stat info {};
  REQUIRE(stat((dir + "/dir/b").c_str(), &info) == 0);
  REQUIRE((info.st_mode & 0777) == 0400);
  const std::string before = fs::read_symlink(dir + "/..data").string();

  REQUIRE(ApplyVolumes(f.paths, {f.Config({{"a", "1", 0644}, {"dir/b", "2", 0400}})}).ok());
  REQUIRE(fs::read_symlink(dir + "/..data").string() == before);  // nothing to do

  REQUIRE(ApplyVolumes(f.paths, {f.Config({{"a", "new", 0644}, {"c", "3", 0644}})}).ok());
  REQUIRE(fs::read_symlink(dir + "/..data").string() != before);
  REQUIRE(Read(dir + "/a") == "new");
  REQUIRE(Read(dir + "/c") == "3");
  REQUIRE_FALSE(fs::exists(dir + "/dir"));
  REQUIRE_FALSE(fs::exists(dir + "/" + before));
}

TEST_CASE("an emptyDir keeps what is in it", "[agent]") {
  Files f;
  PlannedVolume volume;
  volume.name = "data";
  REQUIRE(ApplyVolumes(f.paths, {volume}).ok());
  std::ofstream(f.paths.Volume("data") + "/x") << "kept";
  REQUIRE(ApplyVolumes(f.paths, {volume}).ok());
  REQUIRE(Read(f.paths.Volume("data") + "/x") == "kept");
  REQUIRE(RemovePodDir(f.paths.dir()).ok());
  REQUIRE_FALSE(fs::exists(f.paths.dir()));
  REQUIRE(RemovePodDir(f.paths.dir()).ok());
}

TEST_CASE("a hostPath is checked as its type says", "[agent]") {
  Files f;
  std::ofstream(f.dir.path() + "/file") << "x";
  const auto [type, path, fine] = GENERATE(table<std::string, std::string, bool>({
      {"", "/none", true},
      {"Directory", "", true},
      {"Directory", "/none", false},
      {"Directory", "/file", false},
      {"File", "/file", true},
      {"File", "", false},
      {"DirectoryOrCreate", "/made/deep", true},
      {"FileOrCreate", "/made-file", true},
      {"FileOrCreate", "/file", true},
      {"Socket", "/file", false},
      {"Nonsense", "/file", false},
  }));
  CAPTURE(type, path);
  PlannedVolume volume;
  volume.name = "h";
  volume.kind = PlannedVolume::Kind::kHostPath;
  volume.host_path = f.dir.path() + path;
  volume.host_path_type = type;
  REQUIRE(ApplyVolumes(f.paths, {volume}).ok() == fine);
  if (fine && !type.empty()) REQUIRE(fs::exists(volume.host_path));
  if (type == "FileOrCreate") REQUIRE(Read(f.dir.path() + "/file") == "x");
}

TEST_CASE("memory volumes and subpaths are mounts, and all of them go", "[agent]") {
  if (geteuid() != 0) {
    WARN("mounting needs root");
    return;
  }
  Files f;
  PlannedVolume memory;
  memory.name = "mem";
  memory.kind = PlannedVolume::Kind::kMemory;
  memory.size_limit = 1 << 20;
  REQUIRE(ApplyVolumes(f.paths, {memory}).ok());
  REQUIRE(ApplyVolumes(f.paths, {memory}).ok());  // once only
  const std::string volume = f.paths.Volume("mem");
  struct stat inside {};
  struct stat outside {};
  REQUIRE(stat(volume.c_str(), &inside) == 0);
  REQUIRE(stat(f.paths.dir().c_str(), &outside) == 0);
  REQUIRE(inside.st_dev != outside.st_dev);

  REQUIRE(BindSubPath(volume, "a/b", f.paths.SubPath("main", 0)).ok());
  std::ofstream(f.paths.SubPath("main", 0) + "/x") << "through";
  REQUIRE(Read(volume + "/a/b/x") == "through");
  REQUIRE(BindSubPath(volume, "a/b/x", f.paths.SubPath("main", 1)).ok());
  REQUIRE(Read(f.paths.SubPath("main", 1)) == "through");

  fs::create_symlink("/etc", volume + "/escape");
  REQUIRE_FALSE(BindSubPath(volume, "escape", f.paths.SubPath("main", 2)).ok());
  REQUIRE_FALSE(BindSubPath(volume, "../../..", f.paths.SubPath("main", 3)).ok());

  REQUIRE(RemovePodDir(f.paths.dir()).ok());
  REQUIRE_FALSE(fs::exists(f.paths.dir()));
}

TEST_CASE("what a removed pod had mounted from elsewhere stays", "[agent]") {
  if (geteuid() != 0) {
    WARN("mounting needs root");
    return;
  }
  Files f;
  const std::string precious = f.dir.path() + "/precious";
  fs::create_directories(precious);
  std::ofstream(precious + "/data") << "x";
  REQUIRE(BindSubPath(f.dir.path(), "precious", f.paths.SubPath("main", 0)).ok());
  REQUIRE(fs::exists(f.paths.SubPath("main", 0) + "/data"));
  REQUIRE(RemovePodDir(f.paths.dir()).ok());
  REQUIRE(fs::exists(precious + "/data"));
}

TEST_CASE("hosts, hostname and resolv.conf", "[agent]") {
  core::Pod pod = Files::Pod();
  pod.spec.hostname = "web-0";
  pod.spec.subdomain = "web";
  core::HostAlias alias;
  alias.ip = "10.9.9.9";
  alias.hostnames = {"db", "cache"};
  pod.spec.hostAliases = {alias};
  core::PodDNSConfig& dns = pod.spec.dnsConfig.Mutable();
  dns.nameservers = {"10.0.0.53"};
  dns.searches = {"a.example", "b.example"};
  core::PodDNSConfigOption option;
  option.name = "ndots";
  option.value = Str("2");
  dns.options = {option};
  PodFacts facts;
  facts.pod = &pod;
  facts.pod_ips = {"10.0.0.7"};
  EtcFiles files = MakeEtcFiles(facts, "host's own\n", "nameserver 9.9.9.9");
  REQUIRE(files.hostname == "web-0\n");
  REQUIRE(files.hosts.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
  REQUIRE(files.hosts.find("10.0.0.7\tweb-0.web.ns.svc.cluster.local\tweb-0\n") != std::string::npos);
  REQUIRE(files.hosts.find("\n# Entries added by HostAliases.\n10.9.9.9\tdb\tcache\n") != std::string::npos);
  REQUIRE(files.hosts.find("host's own") == std::string::npos);
  REQUIRE(files.resolv_conf ==
          "nameserver 9.9.9.9\nnameserver 10.0.0.53\nsearch a.example b.example\noptions ndots:2\n");
  pod.spec.setHostnameAsFQDN = true;
  REQUIRE(MakeEtcFiles(facts, "", "").hostname == "web-0.web.ns.svc.cluster.local\n");
  pod.spec.dnsPolicy = "None";
  pod.spec.hostNetwork = true;
  files = MakeEtcFiles(facts, "host's own\n", "nameserver 9.9.9.9");
  REQUIRE(files.hosts.starts_with("# Kubernetes-managed hosts file (host network).\nhost's own\n"));
  REQUIRE(files.resolv_conf.starts_with("nameserver 10.0.0.53\n"));
}

TEST_CASE("termination messages and the end of logs are short", "[agent]") {
  test::TempDir dir;
  const std::string path = dir.path() + "/t";
  std::ofstream(path) << std::string(10000, 'a') << "end";
  const std::string message = ReadTerminationMessage(path);
  REQUIRE(message.size() == 4096);
  REQUIRE(message.ends_with("end"));
  REQUIRE(ReadTerminationMessage(dir.path() + "/none").empty());
  const std::string log = dir.path() + "/0.log";
  {
    std::ofstream out(log);
    for (int i = 0; i < 500; ++i) out << "2026-01-01T00:00:00Z stderr F line " << i << "\n";
  }
  const std::string tail = ReadLogTail(log);
  REQUIRE(tail.ends_with("line 499\n"));
  REQUIRE(tail.size() <= 2048);
  REQUIRE(std::count(tail.begin(), tail.end(), '\n') <= 80);
}

TEST_CASE("the end of a log has the newlines that the container wrote", "[agent]") {
  test::TempDir dir;
  const std::string log = dir.path() + "/0.log";
  const auto tail_of = [&](const std::string& text) {
    std::ofstream(log) << text;
    return ReadLogTail(log);
  };
  const std::string t = "2026-01-01T00:00:00Z stdout ";
  CHECK(tail_of(t + "P DONE\n") == "DONE");
  CHECK(tail_of(t + "F DONE\n") == "DONE\n");
  CHECK(tail_of(t + "F one\n" + t + "P tw\n" + t + "F o\n" + t + "F \n") == "one\ntwo\n\n");
  CHECK(tail_of(t + "F P \n") == "P \n");
  CHECK(tail_of(t + "P " + std::string(10000, 'a') + "b\n") == std::string(2047, 'a') + "b");
  CHECK(tail_of("").empty());
}

TEST_CASE("directories of pods that nobody knows are removed", "[agent]") {
  test::TempDir dir;
  for (const char* path :
       {"/pods/known/volumes", "/pods/stray/volumes", "/logs/pods/ns_a_known/main", "/logs/pods/ns_b_stray/main"}) {
    fs::create_directories(dir.path() + path);
  }
  RemoveStrayPods(dir.path(), {"known"});
  REQUIRE(fs::exists(dir.path() + "/pods/known/volumes"));
  REQUIRE(fs::exists(dir.path() + "/logs/pods/ns_a_known/main"));
  REQUIRE_FALSE(fs::exists(dir.path() + "/pods/stray"));
  REQUIRE_FALSE(fs::exists(dir.path() + "/logs/pods/ns_b_stray"));
}

}  // namespace
}  // namespace minikube::agent
