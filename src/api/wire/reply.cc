#include "api/wire/reply.h"

#include <fmt/format.h>

#include <minikube/api/meta/v1.h>

#include "api/wire/json_text.h"
#include "api/wire/to_http.h"

namespace minikube::api {

std::string EncodeWhole(const Object& object, const Accepted& accepted) {
  std::string out;
  Encode(accepted.type, object, out);
  if (accepted.type != MediaType::kJson) return out;
  if (accepted.pretty) return IndentJson(out);
  out += '\n';
  return out;
}

ObjectRef StatusObject(const Status& status) {
  meta::v1::Status out;
  out.status = status.ok() ? "Success" : "Failure";
  out.message = status.message();
  out.reason = ReasonOf(status.code());
  out.code = ToHttp(status.code());
  const StatusDetails& from = status.details();
  const bool says = !from.name.empty() || !from.group.empty() || !from.kind.empty() || !from.uid.empty() ||
                    !from.causes.empty() || from.retry_after_seconds != 0;
  // Kubernetes makes these two with details, be they empty.
  if (says || status.code() == Code::kNotFound || status.code() == Code::kForbidden) {
    meta::v1::StatusDetails details;
    details.name = from.name;
    details.group = from.group;
    details.kind = from.kind;
    details.uid = from.uid;
    details.retryAfterSeconds = from.retry_after_seconds;
    for (const StatusCause& cause : from.causes) details.causes.push_back({cause.reason, cause.message, cause.field});
    out.details = std::move(details);
  }
  return Share(std::move(out));
}

HttpReply StatusReply(const Status& status, MediaType type, bool pretty) {
  HttpReply reply;
  reply.status = ToHttp(status.code());
  reply.content_type = MediaTypeName(type);
  Accepted accepted;
  accepted.type = type;
  accepted.pretty = pretty;
  reply.body = EncodeWhole(*StatusObject(status), accepted);
  int retry_after = status.details().retry_after_seconds;
  // A server that is busy will be less so soon; when an eviction that was refused will be granted nobody knows.
  const bool busy = status.code() == Code::kTooManyRequests && status.details().causes.empty();
  if (retry_after == 0 && busy) retry_after = 1;
  if (retry_after > 0) reply.headers.emplace_back("Retry-After", fmt::format("{}", retry_after));
  return reply;
}

HttpReply TextReply(std::string text, std::string content_type, int status) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = std::move(content_type);
  reply.body = std::move(text);
  return reply;
}

HttpReply JsonReply(std::string json, bool pretty) {
  HttpReply reply;
  reply.body = pretty ? IndentJson(json) : std::move(json);
  return reply;
}

void AddWarnings(const std::vector<std::string>& warnings, HttpReply& reply) {
  // Kubernetes' limits: what a proxy would still let through.
  constexpr std::size_t kMaxWarning = 256;
  constexpr std::size_t kMaxTotal = 4096;
  std::size_t total = 0;
  for (const std::string& warning : warnings) {
    std::string text;
    for (const char c : std::string_view(warning).substr(0, kMaxWarning)) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
        text += ' ';
        continue;
      }
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    total += text.size();
    if (total > kMaxTotal) return;
    reply.headers.emplace_back("Warning", fmt::format("299 - \"{}\"", text));
  }
}

}  // namespace minikube::api
