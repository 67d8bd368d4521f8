#include "api/front/health.h"

#include <fmt/format.h>

#include "api/front/route.h"
#include "api/wire/errors.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

bool Excluded(const Query& query, std::string_view name) {
  for (const auto& [key, value] : query.all()) {
    if (key == "exclude" && value == name) return true;
  }
  return false;
}

}  // namespace

bool IsHealthPath(const std::vector<std::string>& segments) {
  return !segments.empty() && segments.size() <= 2 &&
         (segments[0] == "healthz" || segments[0] == "livez" || segments[0] == "readyz");
}

HttpReply HealthReply(const Target& target, const std::vector<HealthCheck>& checks,
                      const std::function<void(std::string_view, const Status&)>& on_failure) {
  const std::string& endpoint = target.segments[0];
  const bool only_one = target.segments.size() == 2;
  std::string lines;
  bool failed = false;
  bool found = false;
  for (const HealthCheck& check : checks) {
    if (!check.live && endpoint != "readyz") continue;
    if (only_one && check.name != target.segments[1]) continue;
    found = true;
    if (Excluded(target.query, check.name)) {
      lines += fmt::format("[+]{} excluded: ok\n", check.name);
      continue;
    }
    const Status status = check.run();
    if (status.ok()) {
      lines += fmt::format("[+]{} ok\n", check.name);
      continue;
    }
    failed = true;
    lines += fmt::format("[-]{} failed: reason withheld\n", check.name);
    on_failure(check.name, status);
  }
  if (only_one && !found) return StatusReply(NoSuchResource());
  if (failed) {
    return TextReply(fmt::format("{}{} check failed\n", lines, endpoint), "text/plain; charset=utf-8", 500);
  }
  if (!target.query.Has("verbose")) return TextReply("ok");
  return TextReply(fmt::format("{}{} check passed\n", lines, endpoint));
}

}  // namespace minikube::api
