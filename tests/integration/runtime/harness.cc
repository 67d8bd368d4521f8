#include "integration/runtime/harness.h"

#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace minikube::test {

namespace fs = std::filesystem;

std::string RuntimeName() {
  const char* name = std::getenv("MINIKUBE_TEST_RUNTIME");
  return name != nullptr ? name : "runc";
}

bool CanRunContainers() {
  std::string missing;
  if (geteuid() != 0) missing = "not root";
  if (std::system(("command -v " + RuntimeName() + " >/dev/null").c_str()) != 0)
    missing = RuntimeName() + " is not installed";
  if (!fs::exists("/usr/bin/busybox") && !fs::exists("/bin/busybox")) missing = "busybox is not installed";
  if (missing.empty()) return true;
  const char* ci = std::getenv("CI");
  if (ci != nullptr && std::string(ci) == "true") FAIL("containers cannot run here: " << missing);
  WARN("skipped: " << missing);
  return false;
}

namespace {

std::string CgroupRoot() { return "/minikube-test-" + std::to_string(getpid()); }

}  // namespace

Scratch::~Scratch() {
  // The cgroups that stay for the next pod; none can hold a process any more.
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup")) {
    const fs::path top = hierarchy.path().string() + CgroupRoot();
    std::error_code gone;
    std::vector<std::string> groups = {top};
    for (fs::recursive_directory_iterator it(top, gone), end; !gone && it != end; it.increment(gone)) {
      if (it->is_directory(gone)) groups.push_back(it->path());
    }
    for (auto group = groups.rbegin(); group != groups.rend(); ++group) rmdir(group->c_str());
  }
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

void PackBusybox(const std::string& root, const std::string& scratch) {
  const fs::path rootfs = fs::path(scratch) / "rootfs";
  for (const char* dir : {"bin", "etc", "tmp", "proc", "sys", "dev", "home/alice"})
    fs::create_directories(rootfs / dir);
  fs::permissions(rootfs / "tmp", fs::perms::all | fs::perms::sticky_bit);
  const fs::path busybox = fs::exists("/usr/bin/busybox") ? "/usr/bin/busybox" : "/bin/busybox";
  fs::copy_file(busybox, rootfs / "bin/busybox", fs::copy_options::overwrite_existing);
  for (const char* name :
       {"sh",    "echo", "cat", "sleep", "true", "id", "ls",    "ip", "ping", "hostname", "seq",  "head", "tr",
        "touch", "dd",   "env", "pwd",   "ps",   "df", "mount", "wc", "kill", "grep",     "stty", "awk",  "tail"}) {
    fs::create_symlink("busybox", rootfs / "bin" / name);
  }
  WriteFile(rootfs / "etc/passwd", "root:x:0:0:root:/:/bin/sh\nalice:x:1000:1001:Alice:/home/alice:/bin/sh\n");
  WriteFile(rootfs / "etc/group", "root:x:0:\nalice:x:1001:\nstaff:x:50:alice,bob\n");
  ImagePackOptions options;
  options.rootfs = rootfs;
  options.name = "test/busybox";
  options.cmd = {"sh"};
  options.env = {"FROM_IMAGE=yes", "SHADOWED=image"};
  const auto packed = PackImage(root, options);
  REQUIRE(packed.status().ToString() == "OK");
}

OciRuntimeOptions TestOptions(const std::string& root) {
  OciRuntimeOptions options;
  options.root = root;
  options.runtime = RuntimeName();
  options.cgroup_root = CgroupRoot();
  options.bridge = "mkt" + std::to_string(getpid() % 100000);
  options.pod_cidr = "10.213." + std::to_string(getpid() % 250) + ".0/24";
  return options;
}

Footprint TakeFootprint(const OciRuntimeOptions& options) {
  Footprint out;
  std::istringstream mounts(ReadFile("/proc/self/mounts"));
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(options.root) != std::string::npos) out.mounts.push_back(line);
  }
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup")) {
    const fs::path top = hierarchy.path().string() + options.cgroup_root;
    std::error_code gone;
    for (fs::recursive_directory_iterator it(top, gone), end; !gone && it != end; it.increment(gone)) {
      // The pods' common parent stays for the next one.
      if (it->is_directory(gone) && it->path().filename() != "kubepods") out.cgroups.push_back(it->path());
    }
  }
  std::sort(out.cgroups.begin(), out.cgroups.end());
  for (const auto& link : fs::directory_iterator("/sys/class/net")) {
    std::error_code none;
    const fs::path master = fs::read_symlink(link.path() / "master", none);
    if (link.path().filename() == options.bridge || master.filename() == options.bridge) {
      out.links.push_back(link.path().filename());
    }
  }
  std::sort(out.links.begin(), out.links.end());
  const std::string own_netns = fs::read_symlink("/proc/self/ns/net");
  std::set<std::string> namespaces;
  for (const auto& process : fs::directory_iterator("/proc")) {
    const std::string name = process.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos || name == std::to_string(getpid())) continue;
    const std::string command = ReadFile(process.path() / "cmdline");
    if (command.empty()) continue;  // a zombie, which is its parent's affair
    if (command.find(options.root) == std::string::npos &&
        ReadFile(process.path() / "cgroup").find(options.cgroup_root + "/") == std::string::npos) {
      continue;
    }
    out.processes.push_back(name + " " + command);
    std::error_code gone;
    const std::string netns = fs::read_symlink(process.path() / "ns/net", gone);
    if (!gone && netns != own_netns) namespaces.insert(netns);
  }
  out.network_namespaces.assign(namespaces.begin(), namespaces.end());
  return out;
}

std::vector<std::string> Names(const std::string& dir) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(dir)) out.push_back(entry.path().filename());
  return out;
}

Host::Host(OciRuntimeOptions options)
    : options_(std::move(options)), env_(NewRealEnv(2)), strand_(env_->NewStrand("agent")) {
  auto runtime = NewOciRuntime(options_, *env_, *strand_);
  REQUIRE(runtime.status().ToString() == "OK");
  runtime_ = std::move(runtime).value();
  runtime_->OnContainerExit([this](ContainerState state) {
    std::lock_guard lock(mu_);
    exits_.push_back(std::move(state));
  });
}

Host::~Host() {
  std::promise<void> gone;
  strand_->Post([this, &gone] {
    runtime_.reset();
    gone.set_value();
  });
  gone.get_future().wait();
}

Result<Runtime::Inventory> Host::List() {
  return Await<Runtime::Inventory>([](Runtime& r, Runtime::Done<Runtime::Inventory> done) { r.List(std::move(done)); });
}
Result<SandboxState> Host::RunSandbox(SandboxConfig config) {
  return Await<SandboxState>([config = std::move(config)](Runtime& r, Runtime::Done<SandboxState> done) mutable {
    r.RunSandbox(std::move(config), std::move(done));
  });
}
Result<void> Host::RemoveSandbox(const std::string& id) {
  return Await<void>([id](Runtime& r, Runtime::Done<void> done) { r.RemoveSandbox(id, std::move(done)); });
}
Result<ContainerState> Host::Start(ContainerConfig config) {
  return Await<ContainerState>([config = std::move(config)](Runtime& r, Runtime::Done<ContainerState> done) mutable {
    r.StartContainer(std::move(config), std::move(done));
  });
}
Result<void> Host::Kill(const std::string& id, int signal) {
  return Await<void>(
      [id, signal](Runtime& r, Runtime::Done<void> done) { r.KillContainer(id, signal, std::move(done)); });
}
Result<void> Host::Remove(const std::string& id) {
  return Await<void>([id](Runtime& r, Runtime::Done<void> done) { r.RemoveContainer(id, std::move(done)); });
}
Result<ContainerState> Host::Shell(const std::string& sandbox, const std::string& id, const std::string& script) {
  ContainerConfig config = Container(sandbox, id);
  config.command = {"sh", "-c", script};
  return Start(std::move(config));
}

std::optional<ContainerState> Host::WaitExit(const std::string& id) {
  std::optional<ContainerState> found;
  Eventually([&] {
    std::lock_guard lock(mu_);
    for (const ContainerState& state : exits_) {
      if (state.id == id) found = state;
    }
    return found.has_value();
  });
  return found;
}

bool Host::WaitSandboxDeath(const std::string& id) {
  return Eventually([&] {
    std::lock_guard lock(mu_);
    for (const ContainerState& state : exits_) {
      if (state.id.empty() && state.sandbox_id == id) return true;
    }
    return false;
  });
}

SandboxConfig Host::Sandbox(const std::string& id) const {
  SandboxConfig config;
  config.id = id;
  config.pod_uid = "uid-" + id;
  config.ns = "default";
  config.name = id;
  config.hostname = id;
  config.cgroup_parent = "kubepods/pod-" + id;
  return config;
}

ContainerConfig Host::Container(const std::string& sandbox, const std::string& id) const {
  ContainerConfig config;
  config.id = id;
  config.sandbox_id = sandbox;
  config.name = id;
  config.image = "test/busybox";
  config.log_path = LogOf(id);
  return config;
}

std::string Host::Output(const std::string& id) const {
  std::istringstream log(ReadFile(LogOf(id)));
  std::string out;
  for (std::string line; std::getline(log, line);) {
    std::istringstream fields(line);
    std::string time, stream, tag;
    fields >> time >> stream >> tag;
    const std::size_t text = time.size() + stream.size() + tag.size() + 3;
    out += stream + ": " + (text <= line.size() ? line.substr(text) : "") + "\n";
  }
  return out;
}

}  // namespace minikube::test
