// The files of a pod on its node: volumes, /etc/hosts and its kin, termination messages, logs.
//
//   <root>/pods/<uid>/volumes/<name>                what volumes hold; Memory and secret ones are tmpfs mounts. Of a
//                                                   claim: a link to where its data is, which says that it is used
//   <root>/pods/<uid>/subpaths/<container>/<index>  bind mounts of parts of volumes
//   <root>/pods/<uid>/etc/{hosts,hostname,resolv.conf}
//   <root>/pods/<uid>/termination/<container>-<attempt>
//   <root>/logs/pods/<ns>_<name>_<uid>/<container>/<attempt>.log
//
// Every function blocks: call it on a blocking strand. All are idempotent, so that a step that a crash cut short is
// simply done again. Errors: kUnavailable with the system's reason.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/volume_plan.h"
#include "base/remove_tree.h"

namespace minikube::agent {

// Where things are. Pure.
class PodPaths {
 public:
  PodPaths(std::string_view root, const core::Pod& pod);
  const std::string& dir() const { return dir_; }
  const std::string& log_dir() const { return log_dir_; }
  std::string Volume(std::string_view name) const;
  std::string SubPath(std::string_view container, std::size_t index) const;
  std::string Etc(std::string_view file) const;
  std::string Termination(std::string_view container, std::uint32_t attempt) const;
  std::string Log(std::string_view container, std::uint32_t attempt) const;

 private:
  std::string dir_;
  std::string log_dir_;
};

Status WriteTextFile(const std::string& path, std::string_view text, int mode);
Status MakeDirectories(const std::string& path, int mode = 0755);

// Makes the volumes so. Those of kind kFiles are replaced in one step: a reader sees all old files or all new ones.
Status ApplyVolumes(const PodPaths& paths, const std::vector<PlannedVolume>& volumes);

// Makes `sub_path` inside the volume at `volume` (if it is not there) and mounts it at `target`. A symbolic link that
// leads out of the volume is an error, also when it is put there meanwhile.
Status BindSubPath(const std::string& volume, std::string_view sub_path, const std::string& target);

struct EtcFiles {
  std::string hosts;
  std::string hostname;
  std::string resolv_conf;
};
// What those files hold, with the machine's own texts; `cluster_dns` as ResolvConfFor (pod_dns.h) takes it. Pure.
EtcFiles MakeEtcFiles(const PodFacts& facts, std::string_view host_hosts, std::string_view host_resolv_conf,
                      std::string_view cluster_dns = {});
Status WriteEtcFiles(const PodPaths& paths, const core::Pod& pod, const std::vector<std::string>& pod_ips,
                     std::string_view cluster_dns);

// Up to 4 KiB from the end of the container's termination message; empty if it left none.
std::string ReadTerminationMessage(const std::string& path);
// The end of a log, without its CRI prefixes: at most 80 lines and 2 KiB. It ends with a newline if the log does.
std::string ReadLogTail(const std::string& log_path);

// The directories of persistent volumes, `root`/`name`, for anybody to write into (local_volumes.h). Made and synced;
// removed under another name. Names with a path in them are refused (kBadRequest).
Status MakeLocalVolume(const std::string& root, const std::string& name);
Status RemoveLocalVolume(const std::string& root, const std::string& name);
// Whether a pod that has files on this node, be it that the API has forgotten it, has `dir` as a claim's volume.
bool IsUsedByPod(const std::string& root, const std::string& dir);

// Unmounts and removes everything of the pod but its logs. Refuses (kUnavailable) while something stays mounted in it.
Status RemovePodDir(const std::string& dir);
using base::RemoveTree;

// Pods that left directories behind but are not among `known_uids`.
void RemoveStrayPods(const std::string& root, const std::vector<std::string>& known_uids);

}  // namespace minikube::agent
