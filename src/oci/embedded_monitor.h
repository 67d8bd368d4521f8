// The monitor program, carried inside the library: a host need not be built or called in any special way, and a monitor
// costs a tenth of a megabyte instead of the host executable's relocations.
#pragma once

#include <string>
#include <string_view>

#include <minikube/status.h>

namespace minikube::oci {

// The program's ELF file.
std::string_view EmbeddedMonitor();

// Puts it into `dir` if it is not there; the path. Blocks.
Result<std::string> InstallMonitor(const std::string& dir);

}  // namespace minikube::oci
