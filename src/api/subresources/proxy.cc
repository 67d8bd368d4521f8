#include "api/subresources/proxy.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>
#include <minikube/client.h>

#include "api/wire/errors.h"
#include "model/validation_names.h"

namespace minikube::api {
namespace {

struct Id {
  bool tls = false;
  std::string_view name;
  std::string_view port;
};

std::optional<Id> ParseId(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t colon = std::min(text.find(':', at), text.size());
    parts.push_back(text.substr(at, colon - at));
    at = colon + 1;
  }
  if (parts.size() > 3) return std::nullopt;
  Id id;
  if (parts.size() == 3) {
    if (!parts[0].empty() && parts[0] != "http" && parts[0] != "https") return std::nullopt;
    id.tls = parts[0] == "https";
    parts.erase(parts.begin());
  }
  id.name = parts[0];
  if (parts.size() == 2) id.port = parts[1];
  if (id.name.empty()) return std::nullopt;
  return id;
}

// Whether it is an address of one machine that is not this one alone (Go's IsGlobalUnicast).
bool IsGlobalUnicast(std::string_view text) {
  const std::optional<IpAddress> address = ParseIp(text);
  if (!address) return false;
  const auto& b = address->bytes;
  if (address->v4) {
    const bool none = b[0] == 0 && b[1] == 0 && b[2] == 0 && b[3] == 0;
    const bool all = b[0] == 255 && b[1] == 255 && b[2] == 255 && b[3] == 255;
    const bool multicast = (b[0] & 0xf0) == 0xe0;
    return !none && !all && !multicast && b[0] != 127 && !(b[0] == 169 && b[1] == 254);
  }
  const bool small = std::all_of(b.begin(), b.end() - 1, [](std::uint8_t byte) { return byte == 0; });
  const bool link_local = b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
  return !(small && b[15] <= 1) && b[0] != 0xff && !link_local;
}

Status Invalid(std::string_view what, std::string_view id) {
  return {Code::kBadRequest, fmt::format("invalid {} request \"{}\"", what, id)};
}

bool HasAddress(const core::v1::Pod& pod, std::string_view address) {
  return std::any_of(pod.status.podIPs.begin(), pod.status.podIPs.end(),
                     [&](const core::v1::PodIP& ip) { return ip.ip == address; });
}

}  // namespace

Result<ForwardTarget> LocatePod(const ViewSource& world, std::string_view ns, std::string_view id) {
  const std::optional<Id> parsed = ParseId(id);
  if (!parsed) return Invalid("pod", id);
  const ResourceDesc& pods = Client::ResourceOf<core::v1::Pod>();
  const ObjectRef found = world.Find(pods, ns, parsed->name);
  if (!found) return NotFoundError(pods, parsed->name);
  const auto& pod = found->As<core::v1::Pod>();
  ForwardTarget to;
  to.tls = parsed->tls;
  to.port = std::string(parsed->port);
  for (const core::v1::Container& container : pod.spec.containers) {
    if (to.port.empty() && !container.ports.empty()) to.port = fmt::format("{}", container.ports[0].containerPort);
  }
  if (to.port.empty()) to.port = to.tls ? "443" : "80";
  to.host = pod.status.podIPs.empty() ? pod.status.podIP.str() : pod.status.podIPs[0].ip.str();
  if (!IsGlobalUnicast(to.host)) return Status(Code::kBadRequest, "address not allowed");
  return to;
}

Result<ForwardTarget> LocateService(const ViewSource& world, std::string_view ns, std::string_view id, Random& random) {
  const std::optional<Id> parsed = ParseId(id);
  if (!parsed) return Invalid("service", id);
  const ResourceDesc& services = Client::ResourceOf<core::v1::Service>();
  const ObjectRef found = world.Find(services, ns, parsed->name);
  if (!found) return NotFoundError(services, parsed->name);
  const auto& service = found->As<core::v1::Service>();

  std::string port(parsed->port);
  int number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error == std::errc() && end == port.data() + port.size()) {
    const auto meant = std::find_if(service.spec.ports.begin(), service.spec.ports.end(),
                                    [&](const auto& each) { return each.port == number; });
    if (meant == service.spec.ports.end()) {
      return Status(Code::kUnavailable,
                    fmt::format("no service port {} found for service \"{}\"", number, parsed->name));
    }
    port = meant->name.str();
  }

  std::vector<std::pair<std::string, int>> places;
  const auto take = [&](const discovery::v1::Endpoint& endpoint, int to) {
    if (!endpoint.conditions.ready.value_or(true) || endpoint.addresses.empty()) return;
    // Only to pods, so that nobody who may write endpoints can have the server connect to anything.
    const auto& target = endpoint.targetRef;
    if (!target || !(target->namespace_ == ns)) return;
    const ObjectRef pod = world.Find(Client::ResourceOf<core::v1::Pod>(), ns, target->name.view());
    const std::string_view address = endpoint.addresses[0];
    if (pod && HasAddress(pod->As<core::v1::Pod>(), address)) places.emplace_back(std::string(address), to);
  };
  world.ForEach(Client::ResourceOf<discovery::v1::EndpointSlice>(), ns, [&](const ObjectRef& object) {
    const auto& slice = object->As<discovery::v1::EndpointSlice>();
    const Str* owner = slice.metadata.labels.Find("kubernetes.io/service-name");
    if (owner == nullptr || !(*owner == parsed->name)) return;
    for (const discovery::v1::EndpointPort& open : slice.ports) {
      if (!(open.name.value_or(Str()) == port) || !open.port) continue;
      for (const discovery::v1::Endpoint& endpoint : slice.endpoints) take(endpoint, *open.port);
    }
  });
  if (places.empty()) {
    return Status(Code::kUnavailable, fmt::format("no endpoints available for service \"{}\"", id));
  }
  auto& [host, to] = places[random.Next() % places.size()];
  return ForwardTarget{std::move(host), fmt::format("{}", to), parsed->tls};
}

}  // namespace minikube::api
