// An image's configuration: OCI image specification, "Image Configuration".
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/status.h>

namespace minikube::oci {

constexpr std::size_t kMaxLayers = 127;  // what fits one mount(2) call, and Docker's limit too

struct ImageConfig {
  std::string id;  // digest of its bytes
  std::vector<std::string> diff_ids;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::pair<std::string, std::string>> env;
  std::string user;
  std::string working_dir;
  int stop_signal = 15;
};

// "SIGQUIT", "QUIT", "3", "SIGRTMIN+3"; 0 if it is none.
int SignalNumber(std::string_view name);

// Errors: kBadRequest (no JSON, a member of the wrong type, a malformed diff ID, too many layers).
Result<ImageConfig> ParseImageConfig(std::string_view text);

}  // namespace minikube::oci
