#include "api/admission/chain.h"

#include <algorithm>
#include <mutex>
#include <set>

#include <fmt/format.h>

#include "api/admission/plugins.h"

namespace minikube::api {

Result<std::shared_ptr<const AdmissionChain>> AdmissionChain::Make(const CoreOptions& options) {
  auto chain = std::make_shared<AdmissionChain>();
  Result<std::shared_ptr<AdmissionPlugin>> pod_security = NewPodSecurity(options.pod_security);
  if (!pod_security) return pod_security.status();
  chain->plugins_ = PluginsBeforeHost(*std::move(pod_security));
  const auto& of_host = options.extensions.admission;
  chain->plugins_.insert(chain->plugins_.end(), of_host.begin(), of_host.end());
  for (std::shared_ptr<AdmissionPlugin>& plugin : PluginsAfterHost()) chain->plugins_.push_back(std::move(plugin));
  const std::vector<std::string>& disabled = options.extensions.disabled_admission;
  std::erase_if(chain->plugins_, [&](const std::shared_ptr<AdmissionPlugin>& plugin) {
    return std::find(disabled.begin(), disabled.end(), plugin->name()) != disabled.end();
  });
  std::set<std::string_view> names;
  for (const std::shared_ptr<AdmissionPlugin>& plugin : chain->plugins_) {
    if (!names.insert(plugin->name()).second) {
      return Status(Code::kBadRequest, fmt::format("two admission plugins are named {}", plugin->name()));
    }
  }
  return std::shared_ptr<const AdmissionChain>(std::move(chain));
}

std::span<AdmissionPlugin* const> AdmissionChain::For(const AdmissionTarget& target) const {
  const Key key{&target.resource, target.subresource, target.operation};
  {
    std::shared_lock lock(mu_);
    if (const auto it = wanted_.find(key); it != wanted_.end()) return *it->second;
  }
  auto wanted = std::make_unique<Plugins>();
  for (const std::shared_ptr<AdmissionPlugin>& plugin : plugins_) {
    if (plugin->Handles(target)) wanted->push_back(plugin.get());
  }
  std::unique_lock lock(mu_);
  return *wanted_.try_emplace(key, std::move(wanted)).first->second;
}

}  // namespace minikube::api
