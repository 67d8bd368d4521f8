// /etc/resolv.conf (resolv.conf(5)): which servers a machine asks for names, and how.
//
// Pure functions: any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace minikube {

struct ResolvConf {
  std::vector<std::string> servers;
  std::vector<std::string> searches;
  std::vector<std::string> options;  // "ndots:5"
};

// Lines that are not understood count for nothing, as the resolver has it. The last `search` or `domain` counts.
ResolvConf ParseResolvConf(std::string_view text);
std::string FormatResolvConf(const ResolvConf& conf);

}  // namespace minikube
