// A pod's rights, its name resolution and its operating system.
#include <algorithm>

#include <fmt/format.h>

#include "api/kinds/metadata.h"
#include "api/kinds/pod_rules.h"

namespace minikube::api {

namespace {

using namespace core::v1;  // NOLINT(google-build-using-namespace): the types of this file

// seccomp and AppArmor: a profile has a place exactly if it is a file of the node's.
template <typename Profile>
void ValidateProfile(const Box<Profile>& profile, std::string_view what, const FieldPath& path, ErrorList& errors) {
  if (!profile) return;
  const FieldPath place = path.Child("localhostProfile");
  if (!(profile->type == "Localhost")) {
    if (profile->localhostProfile) {
      errors.Invalid(place, *profile->localhostProfile, fmt::format("can only be set when {} type is Localhost", what));
    }
  } else if (!profile->localhostProfile || profile->localhostProfile->empty()) {
    errors.Required(place, fmt::format("must be set when {} type is Localhost", what));
  } else if (what == "seccomp") {
    ValidateDescendingPath(profile->localhostProfile->view(), place, errors);
  }
}

// Lower-case words of letters, digits, '-' and '_', joined by dots or slashes.
bool IsSysctlName(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  char last = '.';
  for (const char c : name) {
    const bool separator = c == '.' || c == '/';
    if (!letter(c) && !separator && c != '-' && c != '_') return false;
    const bool after_separator = last == '.' || last == '/';
    if (after_separator && !letter(c)) return false;
    if (separator && !letter(last)) return false;
    last = c;
  }
  return letter(last);
}

void ValidateSysctls(const PodSpec& spec, const FieldPath& path, ErrorList& errors) {
  std::set<std::string> names;
  const auto& sysctls = spec.securityContext->sysctls;
  for (std::size_t i = 0; i < sysctls.size(); ++i) {
    const Str& name = sysctls[i].name;
    const FieldPath at = path.Index(i, "name");
    if (name.empty()) continue;  // required by the tables
    if (!IsSysctlName(name.view())) {
      errors.Invalid(at, name,
                     "must have at most 253 characters and match regex "
                     "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
    }
    std::string dotted = name.str();
    std::replace(dotted.begin(), dotted.end(), '/', '.');
    if (!names.insert(dotted).second) errors.Duplicate(at, name);
    const bool net = dotted.starts_with("net.");
    const bool ipc = dotted.starts_with("kernel.shm") || dotted.starts_with("kernel.msg") || dotted == "kernel.sem" ||
                     dotted.starts_with("fs.mqueue.");
    if (net && spec.hostNetwork) errors.Invalid(at, name, "may not be specified when 'hostNetwork' is true");
    if (ipc && spec.hostIPC) errors.Invalid(at, name, "may not be specified when 'hostIPC' is true");
  }
}

}  // namespace

void ValidateSecurityContext(const SecurityContext& context, bool host_users, const FieldPath& path,
                             ErrorList& errors) {
  if (host_users && context.procMount && *context.procMount == "Unmasked") {
    errors.Invalid(path.Child("procMount"), *context.procMount, "`hostUsers` must be false to use `Unmasked`");
  }
  ValidateProfile(context.seccompProfile, "seccomp", path.Child("seccompProfile"), errors);
  ValidateProfile(context.appArmorProfile, "AppArmor", path.Child("appArmorProfile"), errors);
  if (!context.allowPrivilegeEscalation.value_or(true)) {
    if (context.privileged.value_or(false)) {
      errors.Invalid(path, BadValue::Of(context),
                     "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    if (context.capabilities) {
      for (const Str& added : context.capabilities->add) {
        if (!(added == "CAP_SYS_ADMIN")) continue;
        errors.Invalid(path, BadValue::Of(context),
                       "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
      }
    }
  }
}

void ValidatePodSecurity(const PodSpec& spec, const FieldPath& path, ErrorList& errors) {
  const FieldPath here = path.Child("securityContext");
  if (spec.securityContext) {
    const FieldPath groups = here.Child("supplementalGroups");
    for (std::size_t i = 0; i < spec.securityContext->supplementalGroups.size(); ++i) {
      const std::int64_t group = spec.securityContext->supplementalGroups[i];
      errors.InvalidEach(groups.Index(i), group, IsGroupId(group));
    }
    ValidateSysctls(spec, here.Child("sysctls"), errors);
    ValidateProfile(spec.securityContext->seccompProfile, "seccomp", here.Child("seccompProfile"), errors);
    ValidateProfile(spec.securityContext->appArmorProfile, "AppArmor", here.Child("appArmorProfile"), errors);
  }
  if (spec.shareProcessNamespace.value_or(false) && spec.hostPID) {
    errors.Invalid(here.Child("shareProcessNamespace"), true,
                   "ShareProcessNamespace and HostPID cannot both be enabled");
  }
  if (!spec.hostUsers.value_or(true)) {
    if (spec.hostNetwork) errors.Forbidden(path.Child("hostNetwork"), "when `hostUsers` is false");
    if (spec.hostPID) errors.Forbidden(path.Child("HostPID"), "when `hostUsers` is false");
    if (spec.hostIPC) errors.Forbidden(path.Child("HostIPC"), "when `hostUsers` is false");
  }
}

void ValidatePodDns(const PodSpec& spec, const FieldPath& path, ErrorList& errors) {
  const FieldPath here = path.Child("dnsConfig");
  const FieldPath servers = here.Child("nameservers");
  if (spec.dnsPolicy == "None" && !spec.dnsConfig) {
    errors.Required(here, "must provide `dnsConfig` when `dnsPolicy` is None");
  } else if (spec.dnsPolicy == "None" && spec.dnsConfig->nameservers.empty()) {
    errors.Required(servers, "must provide at least one DNS nameserver when `dnsPolicy` is None");
  } else if (spec.dnsConfig) {
    const PodDNSConfig& config = *spec.dnsConfig;
    const FieldPath searches = here.Child("searches");
    const auto shown = [](const List<Str>& list) {
      std::string json = "[";
      for (const Str& item : list) json += (json.size() > 1 ? "," : "") + GoQuote(item.view());
      return BadValue::Json(json + "]");
    };
    if (config.nameservers.size() > 3) {
      errors.Invalid(servers, shown(config.nameservers), "must not have more than 3 nameservers");
    }
    for (std::size_t i = 0; i < config.nameservers.size(); ++i) {
      const Str& server = config.nameservers[i];
      errors.InvalidEach(servers.Index(i), server, IsIp(server.view(), IpForm::kAnyValid));
    }
    if (config.searches.size() > 32) {
      errors.Invalid(searches, shown(config.searches), "must not have more than 32 search paths");
    }
    std::size_t characters = config.searches.empty() ? 0 : config.searches.size() - 1;
    for (const Str& search : config.searches) characters += search.size();
    if (characters > 2048) {
      errors.Invalid(searches, shown(config.searches),
                     "must not have more than 2048 characters (including spaces) in the search list");
    }
    for (std::size_t i = 0; i < config.searches.size(); ++i) {
      std::string_view search = config.searches[i].view();
      if (search == ".") continue;
      if (search.ends_with('.')) search.remove_suffix(1);
      errors.InvalidEach(searches.Index(i), search, IsDns1123SubdomainWithUnderscore(search));
    }
    const FieldPath options = here.Child("options");
    for (std::size_t i = 0; i < config.options.size(); ++i) {
      if (config.options[i].name.empty()) errors.Required(options.Index(i), "must not be empty");
    }
  }
  const FieldPath aliases = path.Child("hostAliases");
  for (std::size_t i = 0; i < spec.hostAliases.size(); ++i) {
    const HostAlias& alias = spec.hostAliases[i];
    if (!alias.ip.empty()) {
      errors.InvalidEach(aliases.Index(i, "ip"), alias.ip, IsIp(alias.ip.view(), IpForm::kAnyValid));
    }
    const FieldPath alias_path = aliases.Index(i);
    const FieldPath names = alias_path.Child("hostnames");
    for (std::size_t k = 0; k < alias.hostnames.size(); ++k) {
      errors.InvalidEach(names.Index(k), alias.hostnames[k], IsDns1123Subdomain(alias.hostnames[k].view()));
    }
  }
}

void ValidatePodOs(const PodSpec& spec, const FieldPath& path, ErrorList& errors) {
  if (!spec.os || spec.os->name.empty()) return;  // a name is required by the tables
  const Str& name = spec.os->name;
  if (!(name == "linux") && !(name == "windows")) {
    errors.NotSupported(path.Child("os"), name, {"linux", "windows"});
    return;
  }
  const FieldPath context = path.Child("securityContext");
  const bool linux = name == "linux";
  if (linux) {
    if (spec.securityContext && spec.securityContext->windowsOptions) {
      errors.Forbidden(context.Child("windowsOptions"), "windows options cannot be set for a linux pod");
    }
  } else {
    constexpr std::string_view kWhy = "cannot be set for a windows pod";
    if (spec.hostPID) errors.Forbidden(path.Child("hostPID"), kWhy);
    if (spec.hostIPC) errors.Forbidden(path.Child("hostIPC"), kWhy);
    if (spec.shareProcessNamespace) errors.Forbidden(path.Child("shareProcessNamespace"), kWhy);
    if (spec.hostUsers) errors.Forbidden(path.Child("hostUsers"), kWhy);
    if (spec.securityContext) {
      const PodSecurityContext& pod = *spec.securityContext;
      const std::pair<std::string_view, bool> set[] = {{"seLinuxOptions", static_cast<bool>(pod.seLinuxOptions)},
                                                       {"seccompProfile", static_cast<bool>(pod.seccompProfile)},
                                                       {"appArmorProfile", static_cast<bool>(pod.appArmorProfile)},
                                                       {"fsGroup", pod.fsGroup.has_value()},
                                                       {"fsGroupChangePolicy", pod.fsGroupChangePolicy.has_value()},
                                                       {"sysctls", !pod.sysctls.empty()},
                                                       {"runAsUser", pod.runAsUser.has_value()},
                                                       {"runAsGroup", pod.runAsGroup.has_value()},
                                                       {"supplementalGroups", !pod.supplementalGroups.empty()}};
      for (const auto& [field, given] : set) {
        if (given) errors.Forbidden(context.Child(field), kWhy);
      }
    }
  }
  const auto look = [&](const List<Container>& containers, std::string_view list) {
    const FieldPath at = path.Child(list);
    for (std::size_t i = 0; i < containers.size(); ++i) {
      if (!containers[i].securityContext) continue;
      const SecurityContext& own = *containers[i].securityContext;
      const FieldPath where = at.Index(i, "securityContext");
      if (linux) {
        if (own.windowsOptions) {
          errors.Forbidden(where.Child("windowsOptions"), "windows options cannot be set for a linux pod");
        }
        continue;
      }
      const std::pair<std::string_view, bool> set[] = {
          {"seLinuxOptions", static_cast<bool>(own.seLinuxOptions)},
          {"seccompProfile", static_cast<bool>(own.seccompProfile)},
          {"appArmorProfile", static_cast<bool>(own.appArmorProfile)},
          {"capabilities", static_cast<bool>(own.capabilities)},
          {"readOnlyRootFilesystem", own.readOnlyRootFilesystem.has_value()},
          {"privileged", own.privileged.has_value()},
          {"allowPrivilegeEscalation", own.allowPrivilegeEscalation.has_value()},
          {"procMount", own.procMount.has_value()},
          {"runAsUser", own.runAsUser.has_value()},
          {"runAsGroup", own.runAsGroup.has_value()}};
      for (const auto& [field, given] : set) {
        if (given) errors.Forbidden(where.Child(field), "cannot be set for a windows pod");
      }
    }
  };
  look(spec.initContainers, "initContainers");
  look(spec.containers, "containers");
}

}  // namespace minikube::api
