#include "oci/image_config.h"

#include <signal.h>

#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "oci/digest.h"

namespace minikube::oci {
namespace {

using Json = nlohmann::json;

Status Bad(std::string_view why) { return {Code::kBadRequest, fmt::format("malformed image configuration: {}", why)}; }

// Null and absent mean empty, as Go writes empty slices.
Result<std::vector<std::string>> Strings(const Json& object, const char* key) {
  std::vector<std::string> out;
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return out;
  if (!it->is_array()) return Bad(fmt::format("{} is not a list", key));
  for (const Json& item : *it) {
    if (!item.is_string()) return Bad(fmt::format("{} is not a list of strings", key));
    out.push_back(item.get<std::string>());
  }
  return out;
}

Result<std::string> Text(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return std::string();
  if (!it->is_string()) return Bad(fmt::format("{} is not a string", key));
  return it->get<std::string>();
}

}  // namespace

int SignalNumber(std::string_view name) {
  int number = 0;
  if (std::from_chars(name.data(), name.data() + name.size(), number).ptr == name.data() + name.size() &&
      !name.empty()) {
    return number > 0 && number <= SIGRTMAX ? number : 0;
  }
  if (name.substr(0, 3) == "SIG") name.remove_prefix(3);
  constexpr std::string_view kRealTime = "RTMIN+";
  if (name.substr(0, kRealTime.size()) == kRealTime) {
    name.remove_prefix(kRealTime.size());
    if (name.empty() ||
        std::from_chars(name.data(), name.data() + name.size(), number).ptr != name.data() + name.size()) {
      return 0;
    }
    return number >= 0 && SIGRTMIN + number <= SIGRTMAX ? SIGRTMIN + number : 0;
  }
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    const char* abbreviation = sigabbrev_np(signal);
    if (abbreviation != nullptr && name == abbreviation) return signal;
  }
  return 0;
}

Result<ImageConfig> ParseImageConfig(std::string_view text) {
  const Json root = Json::parse(text, nullptr, false);
  if (!root.is_object()) return Bad("not a JSON object");
  ImageConfig out;
  out.id = DigestOf(text);

  const auto rootfs = root.find("rootfs");
  if (rootfs == root.end() || !rootfs->is_object()) return Bad("rootfs is missing");
  auto diff_ids = Strings(*rootfs, "diff_ids");
  if (!diff_ids) return diff_ids.status();
  if (diff_ids->size() > kMaxLayers) return Bad(fmt::format("{} layers, more than {}", diff_ids->size(), kMaxLayers));
  for (const std::string& id : *diff_ids) {
    if (!IsDigest(id)) return Bad(fmt::format("diff ID \"{}\" is not a sha256 digest", id));
  }
  out.diff_ids = std::move(diff_ids).value();

  const auto config = root.find("config");
  if (config == root.end() || config->is_null()) return out;
  if (!config->is_object()) return Bad("config is not an object");
  auto entrypoint = Strings(*config, "Entrypoint");
  auto cmd = Strings(*config, "Cmd");
  auto env = Strings(*config, "Env");
  auto user = Text(*config, "User");
  auto working_dir = Text(*config, "WorkingDir");
  auto stop_signal = Text(*config, "StopSignal");
  for (const Status& status :
       {entrypoint.status(), cmd.status(), env.status(), user.status(), working_dir.status(), stop_signal.status()}) {
    MINIKUBE_RETURN_IF_ERROR(status);
  }
  out.entrypoint = std::move(entrypoint).value();
  out.cmd = std::move(cmd).value();
  out.user = std::move(user).value();
  out.working_dir = std::move(working_dir).value();
  if (!stop_signal->empty()) {
    out.stop_signal = SignalNumber(*stop_signal);
    if (out.stop_signal == 0) return Bad(fmt::format("StopSignal \"{}\" is no signal", *stop_signal));
  }
  for (const std::string& entry : *env) {
    const std::size_t equals = entry.find('=');
    if (equals == 0) return Bad("an environment variable without a name");
    out.env.emplace_back(entry.substr(0, equals), equals == std::string::npos ? "" : entry.substr(equals + 1));
  }
  return out;
}

}  // namespace minikube::oci
