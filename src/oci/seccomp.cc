#include "oci/seccomp.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include <nlohmann/json.hpp>

namespace minikube::oci {
namespace {

using Json = nlohmann::json;

// What is refused unless the container has one of the capabilities; none: always.
struct Refused {
  std::initializer_list<const char*> unless;
  std::initializer_list<const char*> calls;
};

const Refused kRefused[] = {
    {{},
     {"_sysctl",        "add_key",         "create_module", "get_kernel_syms", "io_uring_enter", "io_uring_register",
      "io_uring_setup", "kexec_file_load", "kexec_load",    "keyctl",          "nfsservctl",     "pivot_root",
      "query_module",   "request_key",     "swapoff",       "swapon",          "sysfs",          "uselib",
      "userfaultfd",    "ustat",           "vm86",          "vm86old"}},
    {{"CAP_SYS_ADMIN"},
     {"fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount", "mount_setattr",
      "move_mount", "open_tree", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns", "umount",
      "umount2", "unshare"}},
    {{"CAP_SYS_ADMIN", "CAP_BPF"}, {"bpf"}},
    {{"CAP_SYS_ADMIN", "CAP_PERFMON"}, {"perf_event_open"}},
    {{"CAP_SYS_ADMIN", "CAP_SYSLOG"}, {"syslog"}},
    {{"CAP_DAC_READ_SEARCH"}, {"open_by_handle_at"}},
    {{"CAP_SYS_BOOT"}, {"reboot"}},
    {{"CAP_SYS_MODULE"}, {"delete_module", "finit_module", "init_module"}},
    {{"CAP_SYS_NICE"}, {"get_mempolicy", "mbind", "move_pages", "set_mempolicy", "set_mempolicy_home_node"}},
    {{"CAP_SYS_PACCT"}, {"acct"}},
    {{"CAP_SYS_PTRACE"}, {"kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev"}},
    {{"CAP_SYS_RAWIO"}, {"ioperm", "iopl"}},
    {{"CAP_SYS_TIME"}, {"clock_settime", "clock_settime64", "settimeofday", "stime"}},
    {{"CAP_SYS_TTY_CONFIG"}, {"vhangup"}},
};

// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
constexpr std::uint64_t kNamespaceFlags[] = {0x00020000, 0x02000000, 0x04000000, 0x08000000,
                                             0x10000000, 0x20000000, 0x40000000};
constexpr int kEperm = 1;
constexpr int kEnosys = 38;

Json Rule(Json names, int error) {
  return {{"names", std::move(names)}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", error}};
}

}  // namespace

Json DefaultSeccomp(const std::vector<std::string>& capabilities) {
  const auto has = [&](const char* name) {
    return std::find(capabilities.begin(), capabilities.end(), name) != capabilities.end();
  };
  Json refused = Json::array();
  for (const Refused& group : kRefused) {
    if (std::any_of(group.unless.begin(), group.unless.end(), has)) continue;
    for (const char* call : group.calls) refused.push_back(call);
  }
  Json rules = Json::array({Rule(std::move(refused), kEperm)});
  if (!has("CAP_SYS_ADMIN")) {
    for (const std::uint64_t flag : kNamespaceFlags) {
      Json rule = Rule({"clone"}, kEperm);
      rule["args"] = {{{"index", 0}, {"value", flag}, {"valueTwo", flag}, {"op", "SCMP_CMP_MASKED_EQ"}}};
      rules.push_back(std::move(rule));
    }
    // Its flags are in memory, where no filter sees them; C libraries then fall back to clone.
    rules.push_back(Rule({"clone3"}, kEnosys));
  }
  Json filter = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", std::move(rules)}};
#if defined(__x86_64__)
  filter["architectures"] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#elif defined(__aarch64__)
  filter["architectures"] = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#endif
  return filter;
}

}  // namespace minikube::oci
