#include "agent/pod_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "agent/pod_dns.h"

namespace minikube::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTerminationMessage = 4096;
constexpr std::size_t kMaxLogTailBytes = 2048;
constexpr std::size_t kMaxLogTailLines = 80;
constexpr std::size_t kLogTailWindow = 32 << 10;  // more than one line of a log file has

Status Failed(std::string_view what, std::string_view path) {
  return {Code::kUnavailable, fmt::format("{} {}: {}", what, path, std::strerror(errno))};
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return std::move(out).str();
}

// The last `max` bytes of a file.
std::string ReadEnd(const std::string& path, std::size_t max) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd || fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  const auto size = static_cast<std::size_t>(info.st_size);
  std::string out(std::min(size, max), '\0');
  const ssize_t n = pread(fd.get(), out.data(), out.size(), static_cast<off_t>(size - out.size()));
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

// Paths in mountinfo have \040 for a space, and so on.
std::string Unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Mount points at or below `dir`, the latest first.
std::vector<std::string> MountsBelow(const std::string& dir) {
  std::error_code error;
  const fs::path canonical = fs::canonical(dir, error);
  if (error) return {};
  const std::string prefix = canonical.string();
  std::vector<std::string> out;
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; i < 5; ++i) fields >> field;
    std::string at = Unescaped(field);
    if (at == prefix || at.starts_with(prefix + "/")) out.push_back(std::move(at));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

bool IsMountPoint(const std::string& path) {
  const std::vector<std::string> mounts = MountsBelow(path);
  std::error_code error;
  const std::string canonical = fs::canonical(path, error).string();
  return !error && std::find(mounts.begin(), mounts.end(), canonical) != mounts.end();
}

Status MountTmpfs(const std::string& path, std::int64_t size, int mode) {
  if (IsMountPoint(path)) return {};
  std::string options = fmt::format("mode={:o}", mode);
  if (size > 0) options += fmt::format(",size={}", size);
  if (mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return Failed("mount tmpfs at", path);
  }
  return {};
}

// Gives what is in a volume to a group: it may read and write, and new files inherit it. Containers that have the
// volume may change it meanwhile: everything is done to what was opened, no link is followed and no mount is entered.
class GroupGiver {
 public:
  GroupGiver(const std::string& path, gid_t group) : path_(path), group_(group) {}

  Status Run(bool only_if_root_differs) {
    const Fd root(open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat info {};
    if (!root || fstat(root.get(), &info) != 0) return Failed("open", path_);
    device_ = info.st_dev;
    const bool is_so = info.st_gid == group_ && (info.st_mode & kDirectoryMode) == kDirectoryMode;
    if (only_if_root_differs && is_so) return {};
    MINIKUBE_RETURN_IF_ERROR(Descend(root.get(), 0));
    return Give(root.get(), info);  // last: it says that all is done
  }

 private:
  static constexpr mode_t kDirectoryMode = S_ISGID | 0770;
  static constexpr int kMaxDepth = 200;  // a descriptor each

  Status Give(int fd, const struct stat& info) const {
    if (fchownat(fd, "", static_cast<uid_t>(-1), group_, AT_EMPTY_PATH) != 0) return Failed("chown in", path_);
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) return {};
    const mode_t mode = (info.st_mode & 07777) | (S_ISDIR(info.st_mode) ? kDirectoryMode : 0660);
    const std::string opened = fmt::format("/proc/self/fd/{}", fd);
    return chmod(opened.c_str(), mode) == 0 ? Status() : Failed("chmod in", path_);
  }

  Status Descend(int fd, int depth) const {
    if (depth > kMaxDepth) return {Code::kUnavailable, fmt::format("{} is too deep to be given to a group", path_)};
    const int readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(readable < 0 ? nullptr : fdopendir(readable), &closedir);
    if (dir == nullptr) return Failed("read", path_);
    while (const dirent* entry = readdir(dir.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      const Fd child(openat(fd, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
      struct stat info {};
      if (!child || fstat(child.get(), &info) != 0) {
        if (errno == ENOENT) continue;  // somebody has removed it
        return Failed("open in", path_);
      }
      if (info.st_dev != device_) continue;
      MINIKUBE_RETURN_IF_ERROR(Give(child.get(), info));
      if (S_ISDIR(info.st_mode)) MINIKUBE_RETURN_IF_ERROR(Descend(child.get(), depth + 1));
    }
    return {};
  }

  const std::string& path_;
  const gid_t group_;
  dev_t device_ = 0;
};

Status GiveToGroup(const std::string& path, gid_t group, bool only_if_root_differs = false) {
  return GroupGiver(path, group).Run(only_if_root_differs);
}

// The files live in a hidden directory that "..data" points to, and each top-level name is a link through ..data:
// replacing that one link replaces all files at once.
Status ReplaceFiles(const std::string& dir, const PlannedVolume& volume) {
  const std::string data = dir + "/..data";
  std::error_code error;
  const std::string old = fs::read_symlink(data, error).string();
  std::uint64_t generation = 0;
  if (!error && old.starts_with("..")) {
    for (const char c : old.substr(2)) {
      if (c >= '0' && c <= '9') generation = generation * 10 + static_cast<std::uint64_t>(c - '0');
    }
  }
  const std::string fresh = fmt::format("..{}", generation + 1);
  const std::string fresh_dir = dir + "/" + fresh;
  MINIKUBE_RETURN_IF_ERROR(RemoveTree(fresh_dir));
  MINIKUBE_RETURN_IF_ERROR(MakeDirectories(fresh_dir));
  std::set<std::string> top;
  for (const VolumeFile& file : volume.files) {
    const std::string path = fresh_dir + "/" + file.path;
    if (const std::size_t slash = file.path.find('/'); slash != std::string::npos) {
      MINIKUBE_RETURN_IF_ERROR(MakeDirectories(path.substr(0, path.rfind('/'))));
    }
    top.insert(file.path.substr(0, file.path.find('/')));
    const int mode = volume.group ? file.mode | ((file.mode & 0400) >> 3) : file.mode;
    MINIKUBE_RETURN_IF_ERROR(WriteTextFile(path, file.data, mode));
    if (volume.group && chown(path.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(*volume.group)) != 0) {
      return Failed("chown", path);
    }
  }
  const std::string next = dir + "/..data_next";
  unlink(next.c_str());
  if (symlink(fresh.c_str(), next.c_str()) != 0) return Failed("symlink", next);
  if (rename(next.c_str(), data.c_str()) != 0) return Failed("rename", next);
  for (const std::string& name : top) {
    const std::string link = dir + "/" + name;
    if (fs::is_symlink(link, error)) continue;
    if (symlink(("..data/" + name).c_str(), link.c_str()) != 0 && errno != EEXIST) return Failed("symlink", link);
  }
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    const std::string name = entry.path().filename().string();
    if (name == "..data" || name == fresh || top.contains(name)) continue;
    MINIKUBE_RETURN_IF_ERROR(RemoveTree(entry.path().string()));
  }
  return {};
}

// Whether the files are those already; an unchanged volume is left alone.
bool HasFiles(const std::string& dir, const PlannedVolume& volume) {
  std::error_code error;
  std::size_t count = 0;
  const std::string data = dir + "/..data/";
  if (!fs::exists(data, error)) return false;
  for (auto it = fs::recursive_directory_iterator(data, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    if (it->is_regular_file(error)) ++count;
  }
  if (error || count != volume.files.size()) return false;
  return std::all_of(volume.files.begin(), volume.files.end(),
                     [&](const VolumeFile& file) { return ReadAll(data + file.path) == file.data; });
}

Status CheckHostPath(const PlannedVolume& volume) {
  const std::string& path = volume.host_path;
  const std::string_view type = volume.host_path_type;
  if (type.empty()) return {};
  if (type == "DirectoryOrCreate") return MakeDirectories(path);
  struct stat info {};
  const bool there = stat(path.c_str(), &info) == 0;
  if (type == "FileOrCreate") {
    if (there)
      return S_ISREG(info.st_mode) ? Status()
                                   : Status(Code::kBadRequest, fmt::format("hostPath type check "
                                                                           "failed: {} is not a file",
                                                                           path));
    return WriteTextFile(path, "", 0644);
  }
  const char* what = nullptr;
  bool right = false;
  if (type == "Directory") {
    what = "directory";
    right = S_ISDIR(info.st_mode);
  } else if (type == "File") {
    what = "file";
    right = S_ISREG(info.st_mode);
  } else if (type == "Socket") {
    what = "socket file";
    right = S_ISSOCK(info.st_mode);
  } else if (type == "CharDevice") {
    what = "character device";
    right = S_ISCHR(info.st_mode);
  } else if (type == "BlockDevice") {
    what = "block device";
    right = S_ISBLK(info.st_mode);
  } else {
    return {Code::kBadRequest, fmt::format("{} is an invalid volume type", type)};
  }
  if (!there || !right) {
    return {Code::kBadRequest, fmt::format("hostPath type check failed: {} is not a {}", path, what)};
  }
  return {};
}

// Says in the pod's directory where the claim's data is, for as long as that directory is there.
Status LinkToClaim(const std::string& link, const std::string& to) {
  MINIKUBE_RETURN_IF_ERROR(MakeDirectories(link.substr(0, link.rfind('/'))));
  std::error_code error;
  if (fs::read_symlink(link, error).string() == to) return {};
  if (!error) unlink(link.c_str());  // the agent's own directory was somewhere else
  return symlink(to.c_str(), link.c_str()) == 0 ? Status() : Failed("symlink", link);
}

// The directory of a claim. It is not made here: where it is missing, the data is lost or the disk is not there.
Status CheckLocal(const PlannedVolume& volume) {
  struct stat info {};
  if (stat(volume.host_path.c_str(), &info) != 0) {
    return {Code::kUnavailable, fmt::format("path \"{}\" does not exist", volume.host_path)};
  }
  if (S_ISDIR(info.st_mode)) return {};
  return {Code::kBadRequest, fmt::format("path \"{}\" is not a directory: block devices and files are not supported by "
                                         "this node",
                                         volume.host_path)};
}

Status ApplyVolume(const PodPaths& paths, const PlannedVolume& volume) {
  const std::string dir = paths.Volume(volume.name);
  if (volume.claimed) MINIKUBE_RETURN_IF_ERROR(LinkToClaim(dir, volume.host_path));
  if (volume.kind == PlannedVolume::Kind::kHostPath) return CheckHostPath(volume);
  if (volume.kind == PlannedVolume::Kind::kLocal) {
    MINIKUBE_RETURN_IF_ERROR(CheckLocal(volume));
    if (!volume.group) return {};
    return GiveToGroup(volume.host_path, static_cast<gid_t>(*volume.group), volume.group_at_root);
  }
  MINIKUBE_RETURN_IF_ERROR(MakeDirectories(dir));
  if (volume.kind == PlannedVolume::Kind::kFiles) {
    if (volume.secret) MINIKUBE_RETURN_IF_ERROR(MountTmpfs(dir, 0, 0755));
    return HasFiles(dir, volume) ? Status() : ReplaceFiles(dir, volume);
  }
  if (volume.kind == PlannedVolume::Kind::kMemory) MINIKUBE_RETURN_IF_ERROR(MountTmpfs(dir, volume.size_limit, 0777));
  if (chmod(dir.c_str(), 0777) != 0) return Failed("chmod", dir);
  return volume.group ? GiveToGroup(dir, static_cast<gid_t>(*volume.group)) : Status();
}

bool IsPlainName(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

int OpenBeneath(int root, const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
}

// Makes the directory `name` with the mode of the volume's root: who may write there may write here.
Status MakeLike(int root, int parent, const std::string& name) {
  if (mkdirat(parent, name.c_str(), 0700) != 0) return errno == EEXIST ? Status() : Failed("mkdir", name);
  struct stat info {};
  const Fd made(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made || fstat(root, &info) != 0) return Failed("open", name);
  return fchmod(made.get(), info.st_mode & 07777) == 0 ? Status() : Failed("chmod", name);
}

// The message part of a CRI log line; the line itself if it has another form.
std::string_view MessageOf(std::string_view line) {
  std::size_t at = 0;
  for (int field = 0; field < 3; ++field) {
    at = line.find(' ', at);
    if (at == std::string_view::npos) return line;
    ++at;
  }
  return line.substr(at);
}

bool IsPartial(std::string_view line) {
  const std::string_view message = MessageOf(line);
  const std::size_t prefix = line.size() - message.size();
  return prefix >= 3 && line.substr(prefix - 3, 3) == " P ";
}

}  // namespace

PodPaths::PodPaths(std::string_view root, const core::Pod& pod)
    : dir_(fmt::format("{}/pods/{}", root, pod.metadata.uid.view())),
      log_dir_(fmt::format("{}/logs/pods/{}_{}_{}", root, pod.metadata.namespace_.view(), pod.metadata.name.view(),
                           pod.metadata.uid.view())) {}

std::string PodPaths::Volume(std::string_view name) const { return fmt::format("{}/volumes/{}", dir_, name); }
std::string PodPaths::SubPath(std::string_view container, std::size_t index) const {
  return fmt::format("{}/subpaths/{}/{}", dir_, container, index);
}
std::string PodPaths::Etc(std::string_view file) const { return fmt::format("{}/etc/{}", dir_, file); }
std::string PodPaths::Termination(std::string_view container, std::uint32_t attempt) const {
  return fmt::format("{}/termination/{}-{}", dir_, container, attempt);
}
std::string PodPaths::Log(std::string_view container, std::uint32_t attempt) const {
  return fmt::format("{}/{}/{}.log", log_dir_, container, attempt);
}

Status WriteTextFile(const std::string& path, std::string_view text, int mode) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Failed("open", path);
  while (!text.empty()) {
    const ssize_t n = write(fd.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("write", path);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return fchmod(fd.get(), static_cast<mode_t>(mode)) == 0 ? Status() : Failed("chmod", path);
}

Status MakeDirectories(const std::string& path, int mode) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), static_cast<mode_t>(mode)) != 0 && errno != EEXIST) return Failed("mkdir", part);
    if (at == std::string::npos) return {};
  }
}

Status ApplyVolumes(const PodPaths& paths, const std::vector<PlannedVolume>& volumes) {
  MINIKUBE_RETURN_IF_ERROR(MakeDirectories(paths.dir()));
  for (const PlannedVolume& volume : volumes) {
    if (Status status = ApplyVolume(paths, volume); !status.ok()) {
      return {status.code(),
              fmt::format("MountVolume.SetUp failed for volume \"{}\" : {}", volume.name, status.message())};
    }
  }
  return {};
}

Status BindSubPath(const std::string& volume, std::string_view sub_path, const std::string& target) {
  const Fd root(open(volume.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return Failed("open", volume);
  const std::string path(sub_path);
  int opened = OpenBeneath(root.get(), path);
  if (opened < 0 && errno == ENOENT) {
    for (std::size_t at = 0; at < path.size();) {
      const std::size_t end = std::min(path.find('/', at), path.size());
      const Fd parent(at == 0 ? dup(root.get()) : OpenBeneath(root.get(), path.substr(0, at - 1)));
      if (!parent) return Failed("open", path.substr(0, at));
      const std::string name = path.substr(at, end - at);
      if (!name.empty()) MINIKUBE_RETURN_IF_ERROR(MakeLike(root.get(), parent.get(), name));
      at = end + 1;
    }
    opened = OpenBeneath(root.get(), path);
  }
  const Fd source(opened);
  if (!source) return Failed("open subpath", path);
  struct stat info {};
  if (fstat(source.get(), &info) != 0) return Failed("stat", path);
  MINIKUBE_RETURN_IF_ERROR(MakeDirectories(target.substr(0, target.rfind('/'))));
  if (IsMountPoint(target)) umount2(target.c_str(), MNT_DETACH);
  if (S_ISDIR(info.st_mode)) {
    MINIKUBE_RETURN_IF_ERROR(MakeDirectories(target));
  } else {
    MINIKUBE_RETURN_IF_ERROR(WriteTextFile(target, "", 0600));
  }
  // Through the descriptor: what was checked is what is mounted.
  const std::string from = fmt::format("/proc/self/fd/{}", source.get());
  if (mount(from.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return Failed("bind mount", target);
  return {};
}

EtcFiles MakeEtcFiles(const PodFacts& facts, std::string_view host_hosts, std::string_view host_resolv_conf,
                      std::string_view cluster_dns) {
  const core::Pod& pod = *facts.pod;
  EtcFiles out;
  const std::string hostname = HostnameOf(pod);
  out.hostname = KernelHostnameOf(pod) + "\n";
  if (pod.spec.hostNetwork) {
    out.hosts = fmt::format("# Kubernetes-managed hosts file (host network).\n{}", host_hosts);
  } else {
    out.hosts =
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
    const std::string full = FullHostnameOf(pod);
    const std::string names = full == hostname ? hostname : fmt::format("{}\t{}", full, hostname);
    for (const std::string& ip : facts.pod_ips) out.hosts += fmt::format("{}\t{}\n", ip, names);
  }
  if (!pod.spec.hostAliases.empty()) out.hosts += "\n# Entries added by HostAliases.\n";
  for (const core::HostAlias& alias : pod.spec.hostAliases) {
    if (alias.hostnames.empty()) continue;
    out.hosts += alias.ip.view();
    for (const Str& name : alias.hostnames) out.hosts += fmt::format("\t{}", name.view());
    out.hosts += '\n';
  }

  out.resolv_conf = FormatResolvConf(ResolvConfFor(pod, cluster_dns, ParseResolvConf(host_resolv_conf)));
  return out;
}

Status WriteEtcFiles(const PodPaths& paths, const core::Pod& pod, const std::vector<std::string>& pod_ips,
                     std::string_view cluster_dns) {
  PodFacts facts;
  facts.pod = &pod;
  facts.pod_ips = pod_ips;
  const EtcFiles files = MakeEtcFiles(facts, ReadAll("/etc/hosts"), ReadAll("/etc/resolv.conf"), cluster_dns);
  MINIKUBE_RETURN_IF_ERROR(MakeDirectories(paths.Etc("")));
  MINIKUBE_RETURN_IF_ERROR(WriteTextFile(paths.Etc("hosts"), files.hosts, 0644));
  MINIKUBE_RETURN_IF_ERROR(WriteTextFile(paths.Etc("hostname"), files.hostname, 0644));
  return WriteTextFile(paths.Etc("resolv.conf"), files.resolv_conf, 0644);
}

std::string ReadTerminationMessage(const std::string& path) { return ReadEnd(path, kMaxTerminationMessage); }

std::string ReadLogTail(const std::string& log_path) {
  const std::string text = ReadEnd(log_path, kLogTailWindow);
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
  std::string out;
  for (std::size_t i = lines.size() - std::min(lines.size(), kMaxLogTailLines); i < lines.size(); ++i) {
    out += MessageOf(lines[i]);
    // Only what the container itself ended a line with: a partial line goes on in the next one, or just ends.
    if (!IsPartial(lines[i])) out += '\n';
  }
  return out.size() > kMaxLogTailBytes ? out.substr(out.size() - kMaxLogTailBytes) : out;
}

Status MakeLocalVolume(const std::string& root, const std::string& name) {
  if (!IsPlainName(name)) return {Code::kBadRequest, fmt::format("{} is no name for a directory", name)};
  MINIKUBE_RETURN_IF_ERROR(MakeDirectories(root, 0700));
  const Fd parent(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return Failed("open", root);
  if (mkdirat(parent.get(), name.c_str(), 0777) != 0 && errno != EEXIST) return Failed("mkdir", root + "/" + name);
  const Fd dir(openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!dir) return Failed("open", root + "/" + name);
  // Whoever the container runs as may write.
  if (fchmod(dir.get(), 0777) != 0) return Failed("chmod", root + "/" + name);
  return fsync(dir.get()) == 0 && fsync(parent.get()) == 0 ? Status() : Failed("sync", root + "/" + name);
}

Status RemoveLocalVolume(const std::string& root, const std::string& name) {
  if (!IsPlainName(name)) return {Code::kBadRequest, fmt::format("{} is no name for a directory", name)};
  const std::string dir = root + "/" + name;
  const std::string gone = root + "/.gone-" + name;
  // Half of a directory is never found under its name. What an earlier attempt left is removed first.
  MINIKUBE_RETURN_IF_ERROR(RemoveTree(gone));
  if (rename(dir.c_str(), gone.c_str()) != 0) return errno == ENOENT ? Status() : Failed("rename", dir);
  return RemoveTree(gone);
}

bool IsUsedByPod(const std::string& root, const std::string& dir) {
  std::error_code error;
  for (const auto& pod : fs::directory_iterator(root + "/pods", error)) {
    std::error_code ignored;
    for (const auto& volume : fs::directory_iterator(pod.path() / "volumes", ignored)) {
      if (fs::read_symlink(volume.path(), ignored).string() == dir) return true;
    }
  }
  return static_cast<bool>(error);  // who cannot look must not say no
}

Status RemovePodDir(const std::string& dir) {
  for (const std::string& at : MountsBelow(dir)) umount2(at.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  // Never remove through a mount: what lies behind it is not the pod's.
  if (!MountsBelow(dir).empty()) return {Code::kUnavailable, fmt::format("{} still has something mounted in it", dir)};
  return RemoveTree(dir);
}

void RemoveStrayPods(const std::string& root, const std::vector<std::string>& known_uids) {
  const auto known = [&](std::string_view uid) {
    return std::find(known_uids.begin(), known_uids.end(), uid) != known_uids.end();
  };
  std::error_code error;
  std::vector<std::string> stray;
  for (const auto& entry : fs::directory_iterator(root + "/pods", error)) {
    if (!known(entry.path().filename().string())) stray.push_back(entry.path().string());
  }
  for (const std::string& dir : stray) (void)RemovePodDir(dir);
  stray.clear();
  for (const auto& entry : fs::directory_iterator(root + "/logs/pods", error)) {
    const std::string name = entry.path().filename().string();
    if (!known(name.substr(name.rfind('_') + 1))) stray.push_back(entry.path().string());
  }
  for (const std::string& dir : stray) (void)RemoveTree(dir);
}

}  // namespace minikube::agent
