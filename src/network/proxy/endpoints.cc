// Which endpoints a Service's port leads to on a node.
#include <algorithm>

#include "network/proxy/service_rules.h"

namespace minikube::network {
namespace {

using discovery::v1::Endpoint;
using discovery::v1::EndpointSlice;

struct Candidate {
  Destination destination;
  const Endpoint* endpoint = nullptr;
  bool local = false;
  bool ready = false;
  bool ending = false;  // serves, though on its way out
};

// The number of the port of that name in the slice; 0 if it has none.
int PortIn(const EndpointSlice& slice, const core::v1::ServicePort& port) {
  const std::string_view protocol = port.protocol.empty() ? "TCP" : port.protocol.view();
  for (const discovery::v1::EndpointPort& own : slice.ports) {
    const Str name = own.name.value_or(Str());
    const Str spoken = own.protocol.value_or(Str("TCP"));
    if (name == port.name && spoken == protocol) return own.port.value_or(0);
  }
  return 0;
}

std::vector<Candidate> CandidatesFor(const core::v1::ServicePort& port, const std::vector<const EndpointSlice*>& slices,
                                     const NodeFacts& node) {
  std::vector<Candidate> out;
  for (const EndpointSlice* slice : slices) {
    if (!(slice->addressType == "IPv4")) continue;
    const int number = PortIn(*slice, port);
    if (number == 0) continue;
    for (const Endpoint& endpoint : slice->endpoints) {
      if (endpoint.addresses.empty()) continue;
      Candidate candidate;
      candidate.destination = {endpoint.addresses.front().str(), number};
      candidate.endpoint = &endpoint;
      candidate.local = endpoint.nodeName && *endpoint.nodeName == node.name;
      candidate.ready = endpoint.conditions.ready.value_or(true);
      const bool serving = endpoint.conditions.serving.value_or(candidate.ready);
      candidate.ending = serving && endpoint.conditions.terminating.value_or(false);
      out.push_back(std::move(candidate));
    }
  }
  return out;
}

bool HintsFor(const List<discovery::v1::ForNode>& hints, std::string_view name) {
  return std::any_of(hints.begin(), hints.end(), [&](const auto& hint) { return hint.name == name; });
}
bool HintsFor(const List<discovery::v1::ForZone>& hints, std::string_view name) {
  return std::any_of(hints.begin(), hints.end(), [&](const auto& hint) { return hint.name == name; });
}

// Leaves those whose hints, as `of` shows them, name `name`: if all have hints and some name it.
template <typename Of>
bool NarrowBy(std::vector<const Candidate*>& ready, std::string_view name, const Of& of) {
  std::vector<const Candidate*> meant;
  for (const Candidate* candidate : ready) {
    const auto* hints = candidate->endpoint->hints ? &of(*candidate->endpoint->hints) : nullptr;
    if (hints == nullptr || hints->empty()) return false;
    if (HintsFor(*hints, name)) meant.push_back(candidate);
  }
  if (meant.empty()) return false;
  ready = std::move(meant);
  return true;
}

void Tidy(std::vector<Destination>& destinations) {
  std::sort(destinations.begin(), destinations.end());
  destinations.erase(std::unique(destinations.begin(), destinations.end()), destinations.end());
}

// Those that are ready, or else those that are ending.
std::vector<const Candidate*> Usable(const std::vector<Candidate>& candidates, bool local_only) {
  std::vector<const Candidate*> ready;
  std::vector<const Candidate*> ending;
  for (const Candidate& candidate : candidates) {
    if (local_only && !candidate.local) continue;
    if (candidate.ready) ready.push_back(&candidate);
    if (!candidate.ready && candidate.ending) ending.push_back(&candidate);
  }
  return ready.empty() ? ending : ready;
}

}  // namespace

Endpoints EndpointsFor(const core::v1::ServicePort& port, const std::vector<const EndpointSlice*>& slices,
                       const NodeFacts& node) {
  const std::vector<Candidate> candidates = CandidatesFor(port, slices, node);
  Endpoints out;
  std::vector<const Candidate*> cluster = Usable(candidates, false);
  out.any = !cluster.empty();
  if (out.any && cluster.front()->ready) {
    const bool same_node = NarrowBy(
        cluster, node.name, [](const auto& hints) -> auto& { return hints.forNodes; });
    if (!same_node)
      NarrowBy(
          cluster, node.zone, [](const auto& hints) -> auto& { return hints.forZones; });
  }
  for (const Candidate* candidate : cluster) out.cluster.push_back(candidate->destination);
  for (const Candidate* candidate : Usable(candidates, true)) out.local.push_back(candidate->destination);
  Tidy(out.cluster);
  Tidy(out.local);
  return out;
}

}  // namespace minikube::network
