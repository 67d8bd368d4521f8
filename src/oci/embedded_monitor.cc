#include "oci/embedded_monitor.h"

#include <fmt/format.h>

#include "oci/digest.h"
#include "oci/files.h"

// MINIKUBE_MONITOR_FILE is the path of the program minikube_monitor, which the build makes first.
asm(".section .rodata.minikube_monitor, \"a\"\n"
    ".balign 16\n"
    "minikube_monitor_begin:\n"
    ".incbin \"" MINIKUBE_MONITOR_FILE
    "\"\n"
    "minikube_monitor_end:\n"
    ".byte 0\n"
    ".previous\n");

extern "C" {
extern const char minikube_monitor_begin[] __attribute__((visibility("hidden")));
extern const char minikube_monitor_end[] __attribute__((visibility("hidden")));
}

namespace minikube::oci {

std::string_view EmbeddedMonitor() {
  return {minikube_monitor_begin, static_cast<std::size_t>(minikube_monitor_end - minikube_monitor_begin)};
}

Result<std::string> InstallMonitor(const std::string& dir) {
  const std::string_view program = EmbeddedMonitor();
  // By content: containers that an older library started keep the monitor they run.
  const std::string path = fmt::format("{}/monitor-{}", dir, HexOf(DigestOf(program)).substr(0, 12));
  if (auto present = ReadWholeFile(path); present && *present == program) return path;
  MINIKUBE_RETURN_IF_ERROR(MakeDirs(dir));
  MINIKUBE_RETURN_IF_ERROR(WriteWholeFile(path, program, 0700, Durability::kDisk));
  return path;
}

}  // namespace minikube::oci
