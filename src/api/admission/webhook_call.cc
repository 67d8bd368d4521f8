#include "api/admission/webhook_call.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>

#include "kube/status_codes.h"
#include "model/scalar_text.h"

namespace minikube::api {

namespace {

using admissionregistration::v1::ServiceReference;
using admissionregistration::v1::WebhookClientConfig;

constexpr std::size_t kMostServers = 256;  // that are remembered; beyond, all are forgotten and met anew
constexpr std::size_t kLargestAnswer = 8u << 20;
constexpr int kDefaultPort = 443;

Status RefusalOf(std::string_view webhook, const Json& status) {
  const std::string_view message = status["message"].text();
  const std::string_view reason = status["reason"].text();
  std::string text = fmt::format("admission webhook \"{}\" denied the request", webhook);
  if (!message.empty()) {
    text += fmt::format(": {}", message);
  } else if (!reason.empty()) {
    text += fmt::format(": {}", reason);
  } else {
    text += " without explanation";
  }
  StatusDetails details;
  for (const Json& cause : status["details"]["causes"].items()) {
    details.causes.push_back({std::string(cause["reason"].text()), std::string(cause["message"].text()),
                              std::string(cause["field"].text())});
  }
  const Code code = kube::CodeOfHttp(status["code"].AsInt64().value_or(400)).value_or(Code::kBadRequest);
  return {code, std::move(text), std::move(details)};
}

Result<WebhookAnswer> ParseAnswer(std::string_view webhook, std::string_view uid, std::string_view body) {
  const auto invalid = [](std::string_view why) {
    return Status(Code::kInternal, fmt::format("received invalid webhook response: {}", why));
  };
  const Result<Json> review = Json::Parse(body);
  if (!review) return invalid(review.status().message());
  if ((*review)["kind"].text() != "AdmissionReview" || (*review)["apiVersion"].text() != "admission.k8s.io/v1") {
    return invalid(
        fmt::format("expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {}, Kind={}",
                    (*review)["apiVersion"].text(), (*review)["kind"].text()));
  }
  const Json& response = (*review)["response"];
  if (!response.is_object()) return invalid("webhook response was absent");
  if (response["uid"].text() != uid) {
    return invalid(fmt::format("expected response.uid=\"{}\", got \"{}\"", uid, response["uid"].text()));
  }
  WebhookAnswer out;
  out.allowed = response["allowed"].boolean();
  if (!out.allowed) out.refused = RefusalOf(webhook, response["status"]);
  for (const Json& warning : response["warnings"].items()) out.warnings.emplace_back(warning.text());
  for (const JsonMember& note : response["auditAnnotations"].members()) {
    out.annotations.emplace_back(note.key.str(), std::string(note.value.text()));
  }
  const std::string_view patch = response["patch"].text();
  if (patch.empty()) return out;
  if (response["patchType"].text() != "JSONPatch") {
    return invalid(fmt::format("webhook returned response.patch but response.patchType is {}, expected JSONPatch",
                               response["patchType"].text()));
  }
  std::optional<std::string> decoded = model::DecodeBase64(patch);
  if (!decoded) return invalid("response.patch is not base64");
  out.patch = *std::move(decoded);
  return out;
}

// A place where the service is served: the address and port of one of its endpoints that is ready.
Result<std::pair<std::string, int>> EndpointOf(const ServiceReference& of, const ViewSource& world) {
  const auto missing = [&](std::string_view why) {
    return Status(Code::kUnavailable, fmt::format("{} for service \"{}\"", why, of.name.view()));
  };
  const ObjectRef found = world.Find(Client::ResourceOf<core::v1::Service>(), of.namespace_.view(), of.name.view());
  if (!found) return Status(Code::kNotFound, fmt::format("service \"{}\" not found", of.name.view()));
  const auto& service = found->As<core::v1::Service>();
  const int wanted = of.port.value_or(kDefaultPort);
  const auto port = std::find_if(service.spec.ports.begin(), service.spec.ports.end(),
                                 [&](const auto& each) { return each.port == wanted; });
  if (port == service.spec.ports.end()) return missing(fmt::format("no service port {} found", wanted));
  if (service.spec.type == "ExternalName") return std::pair(service.spec.externalName.str(), wanted);
  std::optional<std::pair<std::string, int>> out;
  world.ForEach(Client::ResourceOf<discovery::v1::EndpointSlice>(), of.namespace_.view(), [&](const ObjectRef& object) {
    const auto& slice = object->As<discovery::v1::EndpointSlice>();
    const Str* owner = slice.metadata.labels.Find("kubernetes.io/service-name");
    if (out || owner == nullptr || !(*owner == of.name)) return;
    for (const discovery::v1::EndpointPort& open : slice.ports) {
      if (!(open.name.value_or(Str()) == port->name) || !open.port) continue;
      for (const discovery::v1::Endpoint& endpoint : slice.endpoints) {
        if (!endpoint.conditions.ready.value_or(true) || endpoint.addresses.empty() || out) continue;
        out.emplace(endpoint.addresses[0].str(), *open.port);
      }
    }
  });
  if (!out) return missing("no endpoints available");
  return *std::move(out);
}

}  // namespace

Result<WebhookCalls::Target> WebhookCalls::TargetOf(const WebhookClientConfig& config, const ViewSource& world) {
  Target out;
  out.server.ca = std::string(config.caBundle.view());
  if (config.service) {
    Result<std::pair<std::string, int>> endpoint = EndpointOf(*config.service, world);
    if (!endpoint) return endpoint.status();
    out.server.host = std::move(endpoint->first);
    out.server.port = std::to_string(endpoint->second);
    out.server.server_name = fmt::format("{}.{}.svc", config.service->name.view(), config.service->namespace_.view());
    out.path = config.service->path.value_or(Str("/")).str();
    out.shown =
        fmt::format("https://{}:{}{}", out.server.server_name, config.service->port.value_or(kDefaultPort), out.path);
    return out;
  }
  std::string_view url = config.url ? config.url->view() : std::string_view();
  out.shown = std::string(url);
  constexpr std::string_view kScheme = "https://";
  if (!url.starts_with(kScheme)) return Status(Code::kInternal, "the webhook has neither a service nor an https URL");
  url.remove_prefix(kScheme.size());
  const std::size_t slash = url.find('/');
  out.path = slash == std::string_view::npos ? "/" : std::string(url.substr(slash));
  const std::string_view authority = url.substr(0, slash);
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string_view host = authority.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  out.server.host = std::string(host);
  out.server.port =
      colon == std::string_view::npos ? std::to_string(kDefaultPort) : std::string(authority.substr(colon + 1));
  out.server.server_name = out.server.host;
  return out;
}

Result<std::shared_ptr<client::Transport>> WebhookCalls::TransportTo(const Target& target, Duration timeout, Env& env) {
  const std::string key =
      fmt::format("{} {} {} {} {}", target.server.host, target.server.port, target.server.server_name,
                  std::chrono::duration_cast<std::chrono::seconds>(timeout).count(), target.server.ca);
  std::lock_guard lock(mu_);
  if (const auto it = transports_.find(key); it != transports_.end()) return it->second;
  client::TransportOptions options;
  options.user_agent = "kube-apiserver-admission";
  options.max_response_bytes = kLargestAnswer;
  options.timeout = timeout;
  Result<std::unique_ptr<client::Transport>> made = client::Transport::New(target.server, options, env);
  if (!made) return made.status();
  if (transports_.size() >= kMostServers) transports_.clear();
  return transports_[key] = *std::move(made);
}

void WebhookCalls::Ask(std::string_view webhook, const WebhookClientConfig& config, Duration timeout, Json review,
                       const ViewSource& world, Env& env, Function<void(Result<WebhookAnswer>)> done) {
  const auto failed = [name = std::string(webhook)](std::string_view why) {
    return Status(Code::kInternal, fmt::format("failed calling webhook \"{}\": {}", name, why));
  };
  const Result<Target> target = TargetOf(config, world);
  if (!target) return done(failed("failed to call webhook: " + target.status().message()));
  Result<std::shared_ptr<client::Transport>> transport = TransportTo(*target, timeout, env);
  if (!transport) return done(failed("could not get REST client: " + transport.status().message()));
  const std::string uid(review["uid"].text());
  Json body = Json::Object();
  body.Set("kind", Json::String("AdmissionReview"));
  body.Set("apiVersion", Json::String("admission.k8s.io/v1"));
  body.Set("request", std::move(review));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout).count();
  const std::string query = fmt::format("timeout={}s", seconds);
  client::HttpRequest http;
  http.method = "POST";
  http.target = target->path + (target->path.find('?') == std::string::npos ? "?" : "&") + query;
  http.accept = "application/json";
  http.content_type = "application/json";
  http.body = body.ToString();
  (*transport)
      ->Exchange(std::move(http), [done = std::move(done), failed, uid, name = std::string(webhook),
                                   shown = target->shown, query](Result<client::HttpResponse> response) {
        if (!response) {
          // Clients look for Go's words when a webhook does not answer in time.
          const std::string why =
              response.status().code() == Code::kTimeout ? "context deadline exceeded" : response.status().message();
          return done(failed(fmt::format("failed to call webhook: Post \"{}?{}\": {}", shown, query, why)));
        }
        if (response->status != 200) {
          return done(failed("failed to call webhook: " + client::ErrorOf(*response).message()));
        }
        Result<WebhookAnswer> answer = ParseAnswer(name, uid, response->body);
        if (!answer) return done(failed(answer.status().message()));
        done(std::move(answer));
      });
}

}  // namespace minikube::api
