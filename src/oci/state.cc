#include "oci/state.h"

#include <charconv>

#include <nlohmann/json.hpp>

namespace minikube::oci {
namespace {

using Json = nlohmann::json;

std::int64_t Nanos(WallTime time) { return time.time_since_epoch().count(); }
WallTime FromNanos(std::int64_t nanos) { return WallTime(Duration(nanos)); }

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

template <typename T>
Result<T> Parse(std::string_view text, T (*read)(const Json&)) {
  try {
    return read(Json::parse(text));
  } catch (const Json::exception& e) {
    return Status(Code::kInternal, std::string("malformed state file: ") + e.what());
  }
}

// Reads the next decimal number of `text` and the space before it.
template <typename Number>
bool Next(std::string_view& text, Number& value) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc();
}

}  // namespace

std::string ToJson(const SandboxRecord& record) {
  const SandboxConfig& config = record.config;
  Json json = {{"id", config.id},
               {"podUID", config.pod_uid},
               {"namespace", config.ns},
               {"name", config.name},
               {"hostname", config.hostname},
               {"cgroupParent", config.cgroup_parent},
               {"hostNetwork", config.host_network},
               {"hostPID", config.host_pid},
               {"hostIPC", config.host_ipc},
               {"shareProcessNamespace", config.share_process_namespace},
               {"bootID", record.boot_id},
               {"message", record.message},
               {"created", Nanos(record.created)},
               {"complete", record.complete}};
  if (record.ip) json["ip"] = FormatIpv4(*record.ip);
  for (const PortMapping& port : config.port_mappings) {
    json["ports"].push_back({{"protocol", port.protocol},
                             {"hostPort", port.host_port},
                             {"containerPort", port.container_port},
                             {"hostIP", port.host_ip}});
  }
  return Dump(json);
}

Result<SandboxRecord> SandboxFromJson(std::string_view text) {
  return Parse<SandboxRecord>(text, [](const Json& json) {
    SandboxRecord record;
    SandboxConfig& config = record.config;
    json.at("id").get_to(config.id);
    json.at("podUID").get_to(config.pod_uid);
    json.at("namespace").get_to(config.ns);
    json.at("name").get_to(config.name);
    json.at("hostname").get_to(config.hostname);
    json.at("cgroupParent").get_to(config.cgroup_parent);
    json.at("hostNetwork").get_to(config.host_network);
    json.at("hostPID").get_to(config.host_pid);
    json.at("hostIPC").get_to(config.host_ipc);
    json.at("shareProcessNamespace").get_to(config.share_process_namespace);
    json.at("bootID").get_to(record.boot_id);
    json.at("message").get_to(record.message);
    record.created = FromNanos(json.at("created").get<std::int64_t>());
    json.at("complete").get_to(record.complete);
    if (json.contains("ip")) record.ip = ParseIpv4(json.at("ip").get<std::string>());
    for (const Json& port : json.value("ports", Json::array())) {
      config.port_mappings.push_back({port.at("protocol").get<std::string>(), port.at("hostPort").get<int>(),
                                      port.at("containerPort").get<int>(), port.at("hostIP").get<std::string>()});
    }
    return record;
  });
}

std::string ToJson(const ContainerRecord& record) {
  return Dump({{"id", record.id},
               {"sandboxID", record.sandbox_id},
               {"name", record.name},
               {"attempt", record.attempt},
               {"image", record.image},
               {"imageID", record.image_id},
               {"logPath", record.log_path},
               {"cgroupPath", record.cgroup_path},
               {"bootID", record.boot_id},
               {"stopSignal", record.stop_signal},
               {"created", Nanos(record.created)}});
}

Result<ContainerRecord> ContainerFromJson(std::string_view text) {
  return Parse<ContainerRecord>(text, [](const Json& json) {
    ContainerRecord record;
    json.at("id").get_to(record.id);
    json.at("sandboxID").get_to(record.sandbox_id);
    json.at("name").get_to(record.name);
    json.at("attempt").get_to(record.attempt);
    json.at("image").get_to(record.image);
    json.at("imageID").get_to(record.image_id);
    json.at("logPath").get_to(record.log_path);
    json.at("cgroupPath").get_to(record.cgroup_path);
    json.at("bootID").get_to(record.boot_id);
    json.at("stopSignal").get_to(record.stop_signal);
    record.created = FromNanos(json.at("created").get<std::int64_t>());
    return record;
  });
}

std::optional<StartedProcess> ParseStarted(std::string_view text) {
  constexpr std::string_view kStarted = "started ";
  if (text.substr(0, kStarted.size()) == kStarted) text.remove_prefix(kStarted.size());
  StartedProcess out;
  std::int64_t nanos = 0;
  if (!Next(text, out.process.pid) || !Next(text, out.process.start_time) || !Next(text, nanos)) return std::nullopt;
  if (out.process.pid <= 1) return std::nullopt;
  out.at = FromNanos(nanos);
  if (!Next(text, out.monitor.pid) || !Next(text, out.monitor.start_time)) out.monitor = {};
  return out;
}

std::string ToJson(const ExitRecord& record) {
  return Dump({{"exitCode", record.exit_code},
               {"finishedAt", Nanos(record.finished)},
               {"oomKilled", record.oom_killed},
               {"reason", record.reason},
               {"message", record.message}});
}

Result<ExitRecord> ExitFromJson(std::string_view text) {
  return Parse<ExitRecord>(text, [](const Json& json) {
    ExitRecord record;
    json.at("exitCode").get_to(record.exit_code);
    record.finished = FromNanos(json.at("finishedAt").get<std::int64_t>());
    json.at("oomKilled").get_to(record.oom_killed);
    record.reason = json.value("reason", "");
    record.message = json.value("message", "");
    return record;
  });
}

}  // namespace minikube::oci
