#include "agent/pod_dns.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

constexpr std::string_view kClusterDomain = "cluster.local";
constexpr std::size_t kMostServers = 3;
constexpr std::size_t kMostSearches = 32;
constexpr std::size_t kMostSearchText = 2048;

void AddNew(std::vector<std::string>& words, std::string word) {
  if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(std::move(word));
}

// An option of that name takes the place of the one before.
void SetOption(std::vector<std::string>& options, std::string_view name, std::string_view value) {
  std::erase_if(options, [name](const std::string& option) { return option.substr(0, option.find(':')) == name; });
  options.push_back(value.empty() ? std::string(name) : fmt::format("{}:{}", name, value));
}

}  // namespace

ResolvConf ResolvConfFor(const minikube::core::v1::Pod& pod, std::string_view cluster_dns, const ResolvConf& host) {
  const std::string_view policy = pod.spec.dnsPolicy.empty() ? "ClusterFirst" : pod.spec.dnsPolicy.view();
  const bool cluster = !cluster_dns.empty() &&
                       (policy == "ClusterFirstWithHostNet" || (policy == "ClusterFirst" && !pod.spec.hostNetwork));
  ResolvConf out;
  if (policy != "None") out = host;
  if (cluster) {
    out.servers = {std::string(cluster_dns)};
    out.searches = {fmt::format("{}.svc.{}", pod.metadata.namespace_.view(), kClusterDomain),
                    fmt::format("svc.{}", kClusterDomain), std::string(kClusterDomain)};
    for (const std::string& domain : host.searches) AddNew(out.searches, domain);
    out.options = {"ndots:5"};
  }
  if (pod.spec.dnsConfig) {
    const minikube::core::v1::PodDNSConfig& own = *pod.spec.dnsConfig;
    for (const Str& server : own.nameservers) AddNew(out.servers, server.str());
    for (const Str& domain : own.searches) AddNew(out.searches, domain.str());
    for (const minikube::core::v1::PodDNSConfigOption& option : own.options) {
      SetOption(out.options, option.name, option.value.value_or(Str()));
    }
  }
  if (out.servers.size() > kMostServers) out.servers.resize(kMostServers);
  if (out.searches.size() > kMostSearches) out.searches.resize(kMostSearches);
  std::size_t length = 0;
  for (std::size_t i = 0; i < out.searches.size(); ++i) {
    length += out.searches[i].size() + 1;
    if (length - 1 > kMostSearchText) out.searches.resize(i);
  }
  return out;
}

}  // namespace minikube::agent
