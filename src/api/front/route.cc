#include "api/front/route.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <minikube/api/meta/v1.h>
#include <minikube/custom_object.h>

#include "api/registry/verbs.h"
#include "api/wire/delete_options.h"
#include "api/wire/errors.h"
#include "model/scalar_text.h"

namespace minikube::api {
namespace {

// The HTTP method and what it addresses, as a verb; nullopt if the method means nothing there.
std::optional<Verb> VerbFor(std::string_view method, bool named, bool subresource, bool watch) {
  if (method == "GET" || method == "HEAD") {
    if (named) return Verb::kGet;
    return watch ? Verb::kWatch : Verb::kList;
  }
  if (method == "POST") return named && !subresource ? std::nullopt : std::optional(Verb::kCreate);
  if (method == "PUT") return named ? std::optional(Verb::kUpdate) : std::nullopt;
  if (method == "PATCH") return named ? std::optional(Verb::kPatch) : std::nullopt;
  if (method == "DELETE") return named ? Verb::kDelete : Verb::kDeleteCollection;
  return std::nullopt;
}

bool Contains(std::span<const std::string_view> list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

Status InvalidOption(std::string_view options, std::string_view field, std::string_view value,
                     std::string_view supported) {
  StatusDetails details;
  details.group = "meta.k8s.io";
  details.kind = std::string(options);
  const std::string why = fmt::format("Unsupported value: \"{}\": supported values: {}", value, supported);
  details.causes.push_back({"FieldValueNotSupported", why, std::string(field)});
  return {Code::kInvalid, fmt::format("{}.meta.k8s.io \"\" is invalid: {}: {}", options, field, why),
          std::move(details)};
}

// Where in the path a resource is addressed.
struct Place {
  const ResourceDesc* resource = nullptr;
  std::string ns;
  std::string name;
  std::string subresource;
  bool watch_prefix = false;  // the deprecated /watch/ form
  std::size_t segments = 0;   // of the path that say all this
};

// Splits /api/v1/... and /apis/<group>/<version>/...; nullopt if the path is of neither form or ends at the version.
Result<std::optional<Place>> FindPlace(const std::vector<std::string>& segments, const Catalogue& catalogue) {
  std::size_t at = 0;
  std::string_view group;
  std::string_view version;
  if (segments.size() >= 3 && segments[0] == "api") {
    version = segments[1];
    at = 2;
  } else if (segments.size() >= 4 && segments[0] == "apis") {
    group = segments[1];
    version = segments[2];
    at = 3;
  } else {
    return std::optional<Place>();
  }
  Place place;
  if (segments[at] == "watch") {
    place.watch_prefix = true;
    if (++at == segments.size()) return NoSuchResource();
  }
  const std::size_t left = segments.size() - at;
  // namespaces/<ns>/<plural>...; but namespaces/<name>/status and finalize are the namespace's own.
  if (segments[at] == "namespaces" && left >= 3 &&
      catalogue.FindResource(group, version, segments[at + 2]) != nullptr) {
    place.ns = segments[at + 1];
    at += 2;
  }
  place.resource = catalogue.FindResource(group, version, segments[at++]);
  if (place.resource == nullptr) return NoSuchResource();
  if (!place.ns.empty() && !place.resource->namespaced) return NoSuchResource();
  if (at < segments.size()) place.name = segments[at++];
  if (at < segments.size()) place.subresource = segments[at++];
  const bool rest = at < segments.size();
  place.segments = at;
  if (place.resource->namespaced && place.ns.empty() && !place.name.empty()) return NoSuchResource();
  // What follows proxy/ is the path on the other side.
  if (rest && place.subresource != "proxy") return NoSuchResource();
  if (place.watch_prefix && !place.subresource.empty()) return NoSuchResource();
  return std::optional<Place>(std::move(place));
}

const SubresourceDesc* FindSubresource(const ResourceDesc& resource, std::string_view name) {
  for (const SubresourceDesc& subresource : resource.subresources) {
    if (subresource.name == name) return &subresource;
  }
  return nullptr;
}

// What follows `before` segments of a target, still percent-encoded, with its query.
std::string RestOfTarget(std::string_view target, std::size_t before) {
  const std::size_t query = std::min(target.find('?'), target.size());
  std::size_t at = 0;
  for (std::size_t segment = 0; segment < before; ++segment) {
    at = target.find_first_not_of('/', at);
    if (at < query) at = target.find('/', at);
    if (at >= query) return std::string(target.substr(query));
  }
  return std::string(target.substr(at));
}

// Whether this resource can be sent in a form that a range of an Accept header names.
bool Comes(const ResourceDesc& resource, std::string_view range) {
  const auto says = [range](std::string_view what) { return range.find(what) != std::string_view::npos; };
  // Objects of custom kinds have no protobuf; their metadata alone has.
  if (IsCustom(*resource.message) && says("protobuf")) return says("as=PartialObjectMetadata");
  // What is answered and not stored is in no table.
  if (!Contains(resource.verbs, "get") && says("as=Table")) return false;
  return true;
}

// An Accept header without what this resource cannot be sent in.
std::string AcceptFor(const ResourceDesc& resource, std::string_view accept) {
  std::string out;
  AnyElement(accept, [&](std::string_view range) {
    if (Comes(resource, range)) out += fmt::format("{}{}", out.empty() ? "" : ",", range);
    return false;
  });
  // What asked for nothing else is to be refused, not taken for a client without wishes.
  return out.empty() && !accept.empty() ? "application/x-none" : out;
}

std::string_view OptionsKind(Verb verb) {
  switch (verb) {
    case Verb::kCreate:
      return "CreateOptions";
    case Verb::kUpdate:
      return "UpdateOptions";
    case Verb::kPatch:
      return "PatchOptions";
    default:
      return "DeleteOptions";
  }
}

Status ReadDryRun(const Query& query, ApiRequest& request) {
  for (const auto& [name, value] : query.all()) {
    if (name != "dryRun" || value.empty()) continue;
    if (value != "All") return InvalidOption(OptionsKind(request.verb), "dryRun", value, "\"All\"");
    request.dry_run = true;
  }
  return {};
}

// How long the client waits, as a Go duration; not of watches, which have timeoutSeconds. 0: as long as the server
// does.
Status ReadTimeout(const Query& query, ApiRequest& request) {
  const std::string_view text = query.Get("timeout");
  if (text.empty() || request.verb == Verb::kWatch) return {};
  const std::optional<std::int64_t> nanos = model::ParseSpan(text);
  if (!nanos || *nanos < 0) {
    return {Code::kBadRequest,
            fmt::format("invalid timeout specified in the request URL - time: invalid duration \"{}\"", text)};
  }
  constexpr std::int64_t kSecond = 1'000'000'000;
  request.timeout_seconds = *nanos / kSecond + (*nanos % kSecond != 0 ? 1 : 0);
  return {};
}

Status ReadWriteOptions(const Query& query, ApiRequest& request) {
  MINIKUBE_RETURN_IF_ERROR(ReadDryRun(query, request));
  request.field_manager = std::string(query.Get("fieldManager"));
  request.field_validation = std::string(query.Get("fieldValidation"));
  const std::string& validation = request.field_validation;
  if (!validation.empty() && validation != "Ignore" && validation != "Warn" && validation != "Strict") {
    return InvalidOption(OptionsKind(request.verb), "fieldValidation", validation,
                         "\"\", \"Ignore\", \"Strict\", \"Warn\"");
  }
  request.force = query.GetBool("force");
  return {};
}

Status ReadListOptions(const Query& query, ApiRequest& request) {
  request.label_selector = std::string(query.Get("labelSelector"));
  request.field_selector = std::string(query.Get("fieldSelector"));
  request.resource_version = std::string(query.Get("resourceVersion"));
  request.resource_version_match = std::string(query.Get("resourceVersionMatch"));
  request.continue_token = std::string(query.Get("continue"));
  request.allow_bookmarks = query.GetBool("allowWatchBookmarks");
  request.send_initial_events = query.GetBool("sendInitialEvents");
  const Result<std::optional<std::int64_t>> limit = query.GetInt("limit");
  if (!limit) return limit.status();
  if (limit->value_or(0) < 0) return {Code::kBadRequest, "limit must not be negative"};
  request.limit = limit->value_or(0);
  const Result<std::optional<std::int64_t>> timeout = query.GetInt("timeoutSeconds");
  if (!timeout) return timeout.status();
  request.timeout_seconds = std::max<std::int64_t>(0, timeout->value_or(0));
  return {};
}

Status ReadLogOptions(const Query& query, Route& route) {
  LogRequest& log = route.log;
  log.ns = route.request.ns;
  log.pod = route.request.name;
  log.container = std::string(query.Get("container"));
  log.follow = query.GetBool("follow");
  log.previous = query.GetBool("previous");
  log.timestamps = query.GetBool("timestamps");
  const struct {
    std::string_view name;
    std::optional<std::int64_t>& value;
    std::int64_t least;
  } numbers[] = {
      {"tailLines", log.tail_lines, 0}, {"limitBytes", log.limit_bytes, 1}, {"sinceSeconds", log.since_seconds, 1}};
  for (const auto& number : numbers) {
    const Result<std::optional<std::int64_t>> value = query.GetInt(number.name);
    if (!value) return value.status();
    if (*value && **value < number.least) {
      return {Code::kInvalid,
              fmt::format("PodLogOptions \"\" is invalid: {}: Invalid value: {}: must be greater than or "
                          "equal to {}",
                          number.name, **value, number.least)};
    }
    number.value = *value;
  }
  log.since_time = std::string(query.Get("sinceTime"));
  if (!log.since_time.empty()) {
    if (log.since_seconds) {
      return {Code::kInvalid,
              "PodLogOptions \"\" is invalid: at most one of `sinceTime` or `sinceSeconds` may be specified"};
    }
    if (const auto time = ParseTime(log.since_time); !time) return time.status();
  }
  return {};
}

// Of exec, and of attach, which has no command.
Status ReadExecOptions(const Query& query, bool attach, ExecRequest& exec) {
  exec.container = std::string(query.Get("container"));
  exec.spec.in = query.GetBool("stdin");
  exec.spec.out = query.GetBool("stdout");
  exec.spec.tty = query.GetBool("tty");
  exec.spec.err = query.GetBool("stderr") && !exec.spec.tty;  // a terminal has one output
  if (!exec.spec.in && !exec.spec.out && !exec.spec.err) {
    return {Code::kBadRequest, "you must specify at least 1 of stdin, stdout, stderr"};
  }
  if (attach) return {};
  for (const auto& [name, value] : query.all()) {
    if (name == "command") exec.spec.command.push_back(value);
  }
  if (exec.spec.command.empty()) return {Code::kBadRequest, "you must specify a command"};
  return {};
}

// `ports=80&ports=81,82`: what the protocols of port-forward that name no port of their own are about.
Status ReadPorts(const Query& query, std::vector<std::uint16_t>& ports) {
  constexpr std::size_t kMostPorts = 64;  // each has two channels, of which there are 128
  for (const auto& [name, value] : query.all()) {
    if (name != "ports" && name != "port") continue;
    bool bad = value.empty();
    AnyElement(value, [&](std::string_view text) {
      std::uint16_t port = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
      bad = bad || error != std::errc() || end != text.data() + text.size() || port == 0;
      ports.push_back(port);
      return bad;
    });
    if (bad) return {Code::kBadRequest, fmt::format("unable to parse \"{}\" as a port", value)};
    if (ports.size() > kMostPorts) {
      return {Code::kBadRequest, fmt::format("at most {} ports are forwarded by one connection", kMostPorts)};
    }
  }
  return {};
}

Status ReadPatch(HttpRequest& http, ApiRequest& request) {
  const std::string_view header = http.Header("Content-Type");
  const std::string_view type = header.substr(0, header.find(';'));
  const std::string_view name = type.substr(0, type.find_last_not_of(" \t") + 1);
  if (EqualsIgnoreCase(name, "application/json-patch+json")) {
    request.patch_type = PatchType::kJson;
  } else if (EqualsIgnoreCase(name, "application/merge-patch+json")) {
    request.patch_type = PatchType::kMerge;
  } else if (EqualsIgnoreCase(name, "application/strategic-merge-patch+json")) {
    request.patch_type = PatchType::kStrategicMerge;
  } else if (EqualsIgnoreCase(name, "application/apply-patch+yaml")) {
    request.patch_type = PatchType::kApply;
    Result<std::string> json = YamlToJson(http.body);
    if (!json) return json.status().WithContext("error decoding YAML");
    request.patch = *std::move(json);
    return {};
  } else {
    return {Code::kUnsupportedMediaType,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
            "application/apply-patch+yaml"};
  }
  request.patch = std::move(http.body);
  return {};
}

Status ReadInclude(const Query& query, Route& route) {
  const std::string_view include = query.Get("includeObject");
  if (include.empty() || include == "Metadata") {
    route.include_object = IncludeObject::kMetadata;
  } else if (include == "None") {
    route.include_object = IncludeObject::kNone;
  } else if (include == "Object") {
    route.include_object = IncludeObject::kObject;
  } else {
    return {Code::kBadRequest, fmt::format("unrecognized includeObject value: \"{}\"", include)};
  }
  return {};
}

bool WantsPretty(const Query& query, std::string_view user_agent) {
  if (query.Has("pretty")) return query.GetBool("pretty");
  // People read what these print.
  return user_agent.starts_with("curl") || user_agent.starts_with("Wget") || user_agent.starts_with("Mozilla/5.0");
}

Status ReadOptions(HttpRequest& http, Route& route) {
  const Query& query = route.target.query;
  ApiRequest& request = route.request;
  switch (request.verb) {
    case Verb::kGet:
      request.resource_version = std::string(query.Get("resourceVersion"));
      return {};
    case Verb::kList:
    case Verb::kWatch:
      return ReadListOptions(query, request);
    case Verb::kDeleteCollection:
      MINIKUBE_RETURN_IF_ERROR(ReadListOptions(query, request));
      [[fallthrough]];
    case Verb::kDelete:
      MINIKUBE_RETURN_IF_ERROR(ReadDryRun(query, request));
      return ReadDeleteOptions(query, http.Header("Content-Type"), http.body, request);
    case Verb::kPatch:
      MINIKUBE_RETURN_IF_ERROR(ReadWriteOptions(query, request));
      return ReadPatch(http, request);
    case Verb::kCreate:
    case Verb::kUpdate: {
      MINIKUBE_RETURN_IF_ERROR(ReadWriteOptions(query, request));
      const Result<MediaType> type = BodyType(http.Header("Content-Type"));
      if (!type) return type.status();
      route.body = Body{*type, std::move(http.body)};
      return {};
    }
  }
  return {};
}

}  // namespace

std::string MethodVerb(std::string_view method) {
  std::string verb(method);
  for (char& c : verb) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return verb;
}

Result<Route> RouteRequest(HttpRequest& http, const Catalogue& catalogue) {
  Route route;
  Result<Target> target = ParseTarget(http.target);
  if (!target) return target.status();
  route.target = *std::move(target);
  const Query& query = route.target.query;

  Result<std::optional<Place>> found = FindPlace(route.target.segments, catalogue);
  if (!found) return found.status();
  if (!*found) return route;
  Place& place = **found;

  ApiRequest& request = route.request;
  request.resource = place.resource;
  request.ns = std::move(place.ns);
  request.name = std::move(place.name);
  request.subresource = std::move(place.subresource);

  const bool named = !request.name.empty();
  const bool watch = query.GetBool("watch") || place.watch_prefix;
  // The deprecated watch of one object is a watch of the collection with a field selector.
  const bool watch_one = place.watch_prefix && named;
  // OPTIONS is as safe as GET (RFC 9110 section 9.2.1), so who may ask the other side the one may ask it the other.
  const bool safe = http.method == "OPTIONS" && request.subresource == "proxy";
  const std::optional<Verb> verb =
      VerbFor(safe ? "GET" : http.method, named && !watch_one, !request.subresource.empty(), watch);
  if (!verb || (place.watch_prefix && *verb != Verb::kWatch)) return MethodNotAllowed();
  request.verb = *verb;

  std::span<const std::string_view> allowed = request.resource->verbs;
  if (!request.subresource.empty()) {
    const SubresourceDesc* subresource = FindSubresource(*request.resource, request.subresource);
    if (subresource == nullptr) return NoSuchResource();
    allowed = subresource->verbs;
  }
  if (!Contains(allowed, VerbName(request.verb))) return MethodNotAllowed();

  Result<Accepted> accepted = Negotiate(AcceptFor(*request.resource, http.Header("Accept")));
  route.kind = request.verb == Verb::kWatch ? RouteKind::kWatch : RouteKind::kResource;
  if (request.resource->plural == "pods" && request.resource->group.empty() && request.subresource == "log") {
    // Logs are text whatever else is asked for.
    route.kind = RouteKind::kPodLog;
    MINIKUBE_RETURN_IF_ERROR(ReadLogOptions(query, route));
    return route;
  }
  if (request.subresource == "exec" || request.subresource == "attach") {
    route.kind = RouteKind::kPodExec;
    MINIKUBE_RETURN_IF_ERROR(ReadExecOptions(query, request.subresource == "attach", route.exec));
    return route;
  }
  if (request.subresource == "proxy") {
    route.kind = RouteKind::kProxy;
    route.proxied = RestOfTarget(http.target, place.segments);
    return route;
  }
  if (request.subresource == "portforward") {
    route.kind = RouteKind::kPodPorts;
    MINIKUBE_RETURN_IF_ERROR(ReadPorts(query, route.ports));
    return route;
  }
  if (!accepted) return accepted.status();
  route.accepted = *std::move(accepted);
  route.user_agent = std::string(http.Header("User-Agent"));
  route.accepted.pretty = WantsPretty(query, route.user_agent);
  if (route.accepted.transform == Transform::kTable) MINIKUBE_RETURN_IF_ERROR(ReadInclude(query, route));

  MINIKUBE_RETURN_IF_ERROR(ReadOptions(http, route));
  MINIKUBE_RETURN_IF_ERROR(ReadTimeout(query, request));
  if (watch_one) {
    if (!request.field_selector.empty()) request.field_selector += ',';
    request.field_selector += "metadata.name=" + request.name;
    request.name.clear();
  }
  return route;
}

}  // namespace minikube::api
